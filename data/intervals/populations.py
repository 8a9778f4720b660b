"""Populations whose every metric is known exactly: answer distributions of the tabular policy, and judges of them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import expit, logit, ndtr, ndtri

from siwork.metrics.calibration import mass_edges
from siwork.metrics.cells import Cells
from siwork.metrics.study import BINS, Common, Study
from siwork.policies.tabular import Tabular, TabularPolicy
from siwork.tasks import Countdown, Expr, Task

PROBLEMS = 1000  # of a pool; runs draw from it with replacement, so its mean is the truth
SKILLS = {"hard": -4.0, "mid": -0.8, "later": -0.2, "easy": 4.0}  # mean solve rates of about 0.05, 0.3 and 0.9
TASKS: dict[str, Task] = {"countdown": Countdown(), "expr": Expr()}
LEVELS = {"binary": 2, "graded": 10, "continuous": 200}
CUT = 0.5  # a score of at least this accepts


class Pool(NamedTuple):
    """The problems of a population, P with M candidate responses each."""

    name: str
    chance: np.ndarray  # (P, M)
    right: np.ndarray  # (P, M) bool
    answer: np.ndarray  # (P, M) int, code of the answer within the problem; −1 unreadable
    length: np.ndarray  # (P, M) tokens
    logp: np.ndarray  # (P, M) nats
    base_logp: np.ndarray  # (P, M) nats, of a policy that knows less
    entropy: np.ndarray  # (P,) nats a token
    band: np.ndarray  # (P,)
    solutions: np.ndarray  # (P,) different right answers there are
    effect: np.ndarray  # (P,) N(0, 1), what a judge thinks of the problem
    steps: pa.Array  # (P · M,) executed steps, null where there are none
    texts: pa.Array  # (P · M,)

    @property
    def rate(self) -> np.ndarray:
        """Chance of a right sample, (P,)."""
        return (self.chance * self.right).sum(axis=1)


@lru_cache(maxsize=4)
def _policy(task: str) -> tuple[pd.DataFrame, TabularPolicy]:
    """The problems of a task and a policy whose table of candidates knows them."""
    problems = TASKS[task].problems("train", PROBLEMS)
    policy = Tabular().build_for(TASKS[task])
    policy.register(problems)
    policy.weights.see(problems["prompt"].tolist())
    return problems, policy


@lru_cache(maxsize=8)
def pool(name: str) -> Pool:
    """The pool of a name such as 'countdown hard'."""
    task, level = name.split()
    problems, policy = _policy(task)
    table, difficulty = policy.weights.table, problems["difficulty"].to_numpy(float)
    logp, base = (_logp(Tabular(skill=SKILLS[level] - less), table, difficulty) for less in (0.0, 0.5))
    chance = np.where(table.live, np.exp(logp), 0.0)
    chance /= chance.sum(axis=1, keepdims=True)
    length = np.maximum(table.length, 1)
    per_token = (-(chance * np.where(table.live, logp, 0.0)).sum(axis=1))[:, None] / length
    texts, prompts = table.texts, np.repeat(problems["prompt"].to_numpy(object), table.live.shape[1])
    rows = pd.DataFrame({"prompt": prompts, "response": texts.to_pylist()})
    steps = [TASKS[task].executed(p, r) if TASKS[task].has_steps else None for p, r in zip(*rows.values.T, strict=True)]
    solutions = problems["n_solutions"].to_numpy(float, na_value=np.nan)
    effect = ndtri((np.random.default_rng(5).permutation(PROBLEMS) + 0.5) / PROBLEMS)
    entropy = (chance * per_token).sum(axis=1)
    band = problems["band"].to_numpy(float)
    return Pool(
        name, chance, table.right & table.live, table.group, length, logp, base, entropy, band, solutions, effect,
        pa.array(steps, pa.string()), texts,
    )  # fmt: skip


def _logp(make: Tabular, table, difficulty: np.ndarray) -> np.ndarray:
    z = np.where(table.live, make.base(table, difficulty), -np.inf)
    top = z.max(axis=1, keepdims=True)
    return np.where(table.live, z - top - np.log(np.exp(z - top).sum(axis=1, keepdims=True)), 0.0)


class Judge(NamedTuple):
    """A verifier: the level it gives to a sample depends on truth, problem and chance."""

    name: str
    chance: np.ndarray  # (P, 2, L) of each level given problem and truth
    cuts: np.ndarray  # (L − 1,)
    skill: float
    score: np.ndarray  # (L,) rising


@lru_cache(maxsize=32)
def judge(population: str, name: str) -> Judge:
    """The judge of a name such as 'graded calibrated strong': levels, whether its scores are true, how much it sees."""
    of, (kind, honesty, *more) = pool(population), name.split()
    skill = {"": 0.8, "strong": 2.0, "weak": 0.1}["".join(more)]
    levels = LEVELS[kind]
    mean = skill * np.array([-1.0, 1.0]) + 0.6 * of.effect[:, None]
    cuts = np.array([0.3]) if kind == "binary" else np.linspace(-2.2, 2.2, levels - 1) * (1 + skill / 3)
    below = np.concatenate([np.zeros((*mean.shape, 1)), ndtr(cuts - mean[..., None]), np.ones((*mean.shape, 1))], 2)
    chance = np.diff(below, axis=2)
    seen = np.stack([1 - of.rate, of.rate], axis=1)[..., None] * chance
    true = seen[:, 1].sum(axis=0) / seen.sum(axis=(0, 1))
    if honesty == "calibrated":
        return Judge(name, chance, cuts, skill, true)
    if kind == "binary":  # says 0 or 1
        return Judge(name, chance, cuts, skill, np.array([0.0, 1.0]))
    return Judge(name, chance, cuts, skill, expit(1.5 * logit(true) + 0.8))  # flatters, and is too sure of itself


class Design(NamedTuple):
    """What each run draws."""

    population: str
    judge: str
    problems: int
    samples: int


def score_edges(of: Judge) -> np.ndarray | None:
    """Edges of ten bins of a judge with many scores, fixed beforehand as by an earlier round."""
    if len(of.score) <= BINS:
        return None
    edges = mass_edges(np.repeat(of.score, np.ceil(of.chance.mean(axis=(0, 1)) * 10_000).astype(int)), BINS)
    return np.r_[0.0, edges[1:-1], 1.0]


def study(
    design: Design, rng: np.random.Generator, runs: int, texts: bool = False, problem: np.ndarray | None = None
) -> Study:
    """So many runs of a design, reduced: group r is run r; `problem` (runs · problems,) where they are given."""
    of = pool(design.population)
    if problem is None:
        problem = rng.integers(PROBLEMS, size=runs * design.problems)
    column = drawn(of.chance, problem, design.samples, rng).ravel()
    row = np.repeat(problem, design.samples)
    gold = of.right[row, column]
    columns = {
        "gold": gold.astype(float),
        "answer": of.answer[row, column],
        "n_tokens": of.length[row, column].astype(float),
        "logp": of.logp[row, column],
        "base_logp": of.base_logp[row, column],
        "finished": (of.length[row, column] <= 9.0).astype(float),
        "entropy": -of.logp[row, column] / of.length[row, column],
        "band": of.band[row],
    }
    edges = None
    if design.judge:
        who = judge(design.population, design.judge)
        z = who.skill * (2.0 * gold - 1) + 0.6 * of.effect[row] + rng.standard_normal(len(row))
        columns["score"] = who.score[np.searchsorted(who.cuts, z)]
        columns["weight"] = (columns["score"] >= CUT).astype(float)
        edges = score_edges(who)
    else:
        columns["weight"] = gold.astype(float)  # an oracle keeps what is right
    place = pa.array(row * of.chance.shape[1] + column)
    held = {"steps": of.steps} | ({"response": of.texts} if texts else {})
    written = {name: pa.chunked_array([values.take(place)]) for name, values in held.items()}
    cells = cells_of(runs, design.problems, design.samples, columns, written)
    cells.solutions[:] = of.solutions[problem]
    common = Common(design.samples, edges=edges)
    return Study(cells, (common,) * runs)


def cells_of(runs: int, problems: int, samples: int, columns: dict, written: dict, keys=None) -> Cells:
    """Rows in the order run, problem, sample, as `reduce_rows` would reduce them."""
    if keys is None:
        keys = pd.DataFrame({"run": [f"{i:06d}" for i in range(runs)], "split": "train"})
    group, problem = np.repeat(np.arange(runs), problems), np.tile(np.arange(problems), runs)
    unit = np.repeat(np.arange(runs * problems), samples)
    names = pd.Index([f"train/{i:06d}" for i in range(problems)])
    plain, none = np.ones(len(unit), bool), np.full(len(group), np.nan)
    codes = int(columns["answer"].max(initial=-1)) + 1 if "answer" in columns else 0
    return Cells(keys, group, problem, names, unit, plain, columns, written, none, pd.RangeIndex(codes))


def drawn(chance: np.ndarray, problem: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Candidates drawn for each problem, (problems, samples)."""
    ends = np.cumsum(chance, axis=1)
    ends[:, -1] = 1.0
    width = ends.shape[1]
    flat = (ends + np.arange(len(ends))[:, None]).ravel()  # one bisection for all problems
    found = np.searchsorted(flat, problem[:, None] + rng.random((len(problem), samples)), side="right")
    return np.minimum(found - problem[:, None] * width, width - 1)
