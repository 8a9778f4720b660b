"""Designs beyond plain samples: texts, steps, revisions, long and own texts; and the list of all special designs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from changes import CHANGES, JUDGED_CHANGES, ChangeJob, LaterJob, SeedJob
from plan import Job
from populations import PROBLEMS, Design, Judge, Pool, cells_of, drawn, judge, pool, study
from scipy.special import ndtr

from siwork.metrics.catalogue import metric_of
from siwork.metrics.intervals import grouped_mean
from siwork.metrics.study import Common, Study, commons

# ── executed steps ─────────────────────────────────────────────────────────────────────────────────────
STEPS = ["step_accuracy", "step_accuracy_clean", "step_accuracy_after_error", "wrong_reason_rate", "steps_to_error"]


def _steps_truth(design: Design, metric: str) -> np.ndarray | None:
    of = pool(design.population)
    steps = np.array([s or "" for s in of.steps.to_pylist()], dtype=object)
    size, right = (np.array([f(s) for s in steps], float) for f in (len, lambda s: s.count("1")))
    first = np.array([s.find("0") if "0" in s else len(s) for s in steps], float)
    written = (size > 0) * of.chance.ravel()
    good = written * of.right.ravel()
    parts = {
        "step_accuracy": (written * right, written * size),
        "step_accuracy_clean": (written * first, written * np.minimum(first + 1, size)),
        "step_accuracy_after_error": (written * (right - first), written * np.maximum(size - first - 1, 0)),
        "wrong_reason_rate": (good * (first < size), good),
    }
    return np.array([parts[metric][0].sum() / parts[metric][1].sum()]) if metric in parts else None


# ── revisions ──────────────────────────────────────────────────────────────────────────────────────────
REVISED = ["confidence_level", "critique_score", "revision_gain", "rss"]


def _kept(of: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Chance that a revision is right where the first attempt was right, and where it was wrong, (P,) each."""
    return 0.6 + 0.35 * np.sqrt(of.rate), 0.05 + 0.4 * of.rate


def _revised_study(design: Design, rng: np.random.Generator, runs: int) -> Study:
    of, n = pool(design.population), design.samples
    problem = rng.integers(PROBLEMS, size=runs * design.problems)
    first = rng.random((len(problem), n)) < of.rate[problem, None]
    keep, mend = (x[problem, None] for x in _kept(of))
    then = rng.random(first.shape) < np.where(first, keep, mend)
    sample = np.tile(np.arange(2 * n, dtype=float), len(problem))
    columns = {
        "gold": np.concatenate([first, then], axis=1).astype(float).ravel(),
        "turn": (sample >= n).astype(float),
        "parent": np.where(sample >= n, sample - n, np.nan),
        "sample": sample,
    }
    cells = cells_of(runs, design.problems, 2 * n, columns, {})
    cells.plain[:] = sample < n
    return Study(cells, (Common(n),) * runs)


def _revised_truth(design: Design, metric: str) -> np.ndarray:
    of = pool(design.population)
    p, (keep, mend) = of.rate, _kept(of)
    right, then = p.mean(), (p * keep + (1 - p) * mend).mean()
    return np.array([
        {
            "confidence_level": (p * keep).sum() / p.sum(),
            "critique_score": ((1 - p) * mend).sum() / (1 - p).sum(),
            "revision_gain": then - right,
            "rss": (then - right**2) / (2 * right * (1 - right)),
        }[metric]
    ])  # fmt: skip


# ── long responses ─────────────────────────────────────────────────────────────────────────────────────
LENGTHS = ["length_5", "length_50", "length_95", "mean_tokens"]
_LOG, _WITHIN = (5.0, 0.4), 0.5  # log tokens: mean and deviation of problems, deviation within a problem


def _long_study(design: Design, rng: np.random.Generator, runs: int) -> Study:
    own = pool(design.population).effect[rng.integers(PROBLEMS, size=runs * design.problems)]
    log = _LOG[0] + _LOG[1] * own[:, None] + _WITHIN * rng.standard_normal((len(own), design.samples))
    columns = {"n_tokens": np.floor(np.exp(log)).ravel() + 1}
    return Study(cells_of(runs, design.problems, design.samples, columns, {}), (Common(design.samples),) * runs)


def _long_truth(design: Design, metric: str) -> np.ndarray:
    tokens = np.arange(1, 20_000)
    reached = ndtr((np.log(tokens)[:, None] - _LOG[0] - _LOG[1] * pool(design.population).effect) / _WITHIN).mean(
        axis=1
    )
    if metric == "mean_tokens":
        return np.array([1 + np.sum(1 - reached)])
    return np.array([float(tokens[np.searchsorted(reached, int(metric.removeprefix("length_")) / 100)])])


def _empty_study(design: Design, rng: np.random.Generator, runs: int) -> Study:
    """Whoever does not know the answer writes nothing."""
    made = study(design, rng, runs)
    made.cells.columns["n_tokens"][made.cells.columns["gold"] == 0] = 0.0
    return made


# ── own texts ──────────────────────────────────────────────────────────────────────────────────────────
FAVOUR = 0.4  # added to what a judge sees in its own texts


def _own_study(design: Design, rng: np.random.Generator, runs: int) -> Study:
    of, who = pool(design.population), judge(design.population, design.judge)
    problem = rng.integers(PROBLEMS, size=runs * design.problems)
    row = np.repeat(problem, design.samples)
    gold = of.right[row, drawn(of.chance, problem, design.samples, rng).ravel()]
    own = rng.random(len(row)) < 0.5
    z = who.skill * (2.0 * gold - 1) + 0.6 * of.effect[row] + FAVOUR * own + rng.standard_normal(len(row))
    columns = {"gold": gold.astype(float), "score": who.score[np.searchsorted(who.cuts, z)]}
    names = pa.array(["me", "other"])
    written = {
        "agent": pa.chunked_array([names.take(pa.array(1 - own.astype(int)))]),
        "verifier": pa.chunked_array([names.take(pa.array(np.zeros(len(own), int)))]),
    }
    return Study(cells_of(runs, design.problems, design.samples, columns, written), (Common(design.samples),) * runs)


def _own_truth(design: Design, metric: str) -> np.ndarray:
    of, who = pool(design.population), judge(design.population, design.judge)
    means = []
    for favour in (0.0, FAVOUR):
        said = _level_chance(of, who, favour) @ who.score  # (P, 2)
        weight = np.stack([1 - of.rate, of.rate], axis=1)
        means.append((said * weight).sum(axis=0) / weight.sum(axis=0))
    return np.array([float((means[1] - means[0]).mean())])


def _level_chance(of: Pool, who: Judge, favour: float) -> np.ndarray:
    mean = who.skill * np.array([-1.0, 1.0]) + 0.6 * of.effect[:, None] + favour
    below = ndtr(who.cuts - mean[..., None])
    return np.diff(np.concatenate([np.zeros((*mean.shape, 1)), below, np.ones((*mean.shape, 1))], axis=2), axis=2)


# ── texts ──────────────────────────────────────────────────────────────────────────────────────────────
WITHIN = [
    "vendi",
    "cosine_distance",
    "self_bleu",
    "pairwise_bleu",
    "distinct_2",
    "rep_4",
    "simctg_diversity",
    "mean_characters",
]
POOLED = [
    "compression_ratio",
    "distinct_2_pool",
    "self_repetition",
    "mtld",
    "mattr",
    "self_bleu_pool",
    "cross_distance",
]
LIBRARY = (24, 500)  # groups and problems of the texts whose values the runs draw from


class TextJob(Job):
    """Values of many problems are made once; runs draw problems from them, whose mean is the truth."""

    def measured(self, metrics: list[str], rng: np.random.Generator, runs: int) -> dict[tuple[str, float], Any]:
        """value, low, high and method of each metric."""
        found = {}
        for name in metrics:
            values, span = _library(self.design.population, self.design.samples, name)
            drawn_values = values[rng.integers(len(values), size=runs * self.design.problems)]
            group = np.repeat(np.arange(runs), self.design.problems)
            made = grouped_mean(drawn_values, group, runs, 0.95, span)
            found[name, -1.0] = (made.value, made.low, made.high, made.kind.tolist())
        return found

    def truths(self) -> dict[str, tuple[np.ndarray | None, str]]:
        """The mean of all values made."""
        of, n = self.design.population, self.design.samples
        return {name: (np.array([np.nanmean(_library(of, n, name)[0])]), "exact") for name in self.metrics}


@lru_cache(maxsize=2)
def _text_study(population: str, samples: int) -> Study:
    made = study(Design(population, "", LIBRARY[1], samples), np.random.default_rng(17), LIBRARY[0], texts=True)
    return _with_commons(made)


def _with_commons(made: Study) -> Study:
    found = commons(made.cells, None)
    return Study(made.cells, tuple(found[place] for place in made.cells.places()))


@lru_cache(maxsize=32)
def _library(population: str, samples: int, name: str) -> tuple[np.ndarray, tuple[float, float]]:
    per = metric_of(name).make(_text_study(population, samples))
    ends = [float(np.max(end)) for end in per.span]
    return per.value, (ends[0], ends[1])


def _text_runs(design: Design, rng: np.random.Generator, runs: int) -> Study:
    """Texts cut to the length, and to the bytes, that an earlier round has laid down."""
    made = study(design, rng, runs, texts=True)
    sizes = tuple(18 * design.problems * (i + 1) for i in range(design.samples))
    return Study(made.cells, (Common(design.samples, 20, sizes),) * runs)


def special_jobs() -> Iterator[Job]:
    """All of them."""
    for g, n in ((20, 4), (50, 16), (200, 4)):
        yield Job("expr mid", Design("expr mid", "", g, n), STEPS, truth=_steps_truth)
        yield Job("countdown mid, revised", Design("countdown mid", "", g, n), REVISED, _revised_study, _revised_truth)
        own = Design("countdown mid", "graded flattering", g, max(n, 8))
        yield Job("countdown mid, own texts", own, ["self_preference"], _own_study, _own_truth)
        yield Job("long responses", Design("countdown mid", "", g, n), LENGTHS, _long_study, _long_truth)
        yield Job("countdown mid, wrong ones empty", Design("countdown mid", "", g, n), ["empty_rate"], _empty_study)
        yield TextJob("expr mid, texts", Design("expr mid", "", g, 4), WITHIN)
    for name in POOLED:
        population = "countdown mid" if name == "self_repetition" else "expr mid"
        design = Design(population, "", 120 if name in ("compression_ratio", "self_repetition") else 40, 4)
        yield Job(f"{population}, texts", design, [name], _text_runs, lambda _d, _m: None, design.problems * 4, 1000)
    for after in ("countdown mid", "countdown later"):
        for g, n in ((20, 16), (50, 4), (200, 4))[after == "countdown mid" :]:
            title = f"countdown mid → {after}"
            yield ChangeJob(title, Design("countdown mid", "", g, n), CHANGES, chunk=200 * g * n)
            name = "graded flattering"
            design = Design("countdown mid", name, g, n)
            yield ChangeJob(f"{title}, {name}", design, JUDGED_CHANGES, chunk=200 * g * n)
            yield LaterJob(
                f"{title}, found again", Design("countdown mid", "", g, n), ["support_kept"], chunk=200 * g * n
            )
    for seeds in (3, 5, 10):
        yield SeedJob("seeds of countdown mid", Design("countdown mid", "", seeds, 8), ["pass@1", "pass@1_change"])
