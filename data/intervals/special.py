"""Designs beyond one round of plain samples: texts, steps, revisions, own texts, two rounds, several seeds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from plan import Job
from populations import PROBLEMS, Design, Judge, Pool, cells_of, drawn, judge, pool, study
from scipy.special import ndtr
from truths import paired, truth_of

from siwork.metrics.again import first_answers
from siwork.metrics.blocks import blocks_of
from siwork.metrics.catalogue import metric_of
from siwork.metrics.intervals import grouped_mean
from siwork.metrics.pairs import Match, Pairing, changed
from siwork.metrics.seeds import over_seeds
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


# ── two rounds ─────────────────────────────────────────────────────────────────────────────────────────
CHANGES = [
    "pass@1",
    "pass@4",
    "distinct_correct",
    "right_variety",
    "answer_entropy",
    "support_kept",
    "mean_tokens",
    "kl_to_base",
    "accept_rate",
    "accepted_share",
    "tail_share",
    "tail_coverage",
    "tail_solve_rate",
]
JUDGED_CHANGES = [
    "precision",
    "false_positive_rate",
    "auroc_within",
    "mean_score",
    "proxy_gold_gap",
    "accepted_share",
    "dead_groups",
]


class ChangeJob(Job):
    """The same problems before and after; the title ends in the population of the later round."""

    @property
    def later(self) -> Design:
        """The design of the later round."""
        return self.design._replace(population=self.title.partition(" → ")[2].split(",")[0])

    def measured(self, metrics: list[str], rng: np.random.Generator, runs: int) -> dict[tuple[str, float], Any]:
        """value, low, high and method of the change of each (metric, band)."""
        made, found = _two_rounds(self.design, self.later, rng, runs), {}
        pairing = _pairs(made, runs, self.design.problems)
        for name in metrics:
            several = metric_of(name).make(made)
            listed = isinstance(several, list)
            for band, each in enumerate(several if listed else [several]):
                told = changed(pairing, each, each, name, made.level)
                found[name, float(band) if listed else -1.0] = (told.value, told.low, told.high, told.method)
        return found

    def truths(self) -> dict[str, tuple[np.ndarray | None, str]]:
        """Truth after − truth before."""
        ends = {name: self.ends(name) for name in self.metrics}
        return {name: (b - a, "exact") for name, (a, b) in ends.items()}

    def ends(self, name: str) -> list[np.ndarray]:
        """Truth before and after."""
        if name in ("right_variety", "support_kept"):
            return [np.array([value]) for value in paired(self.design, self.later, name)]
        return [np.asarray(truth_of(design, name)) for design in (self.design, self.later)]


class LaterJob(ChangeJob):
    """What is measured of the later round in the light of the first."""

    def measured(self, metrics: list[str], rng: np.random.Generator, runs: int) -> dict[tuple[str, float], Any]:
        """value, low, high and method of each metric in the later round."""
        made, found = _two_rounds(self.design, self.later, rng, runs), {}
        for name in metrics:
            (block,) = blocks_of(made, name)
            arrays = [getattr(block.found, end)[1::2] for end in ("value", "low", "high")]
            found[name, -1.0] = (*arrays, block.method[1::2])
        return found

    def truths(self) -> dict[str, tuple[np.ndarray | None, str]]:
        """Truth in the later round."""
        return {name: (self.ends(name)[1], "exact") for name in self.metrics}


def _pairs(made: Study, runs: int, problems: int) -> Pairing:
    """Both rounds of each run, whose problems stand in one order."""
    at, words = np.arange(problems), ("round 0", "round 1")
    firsts = np.arange(runs) * 2 * problems
    return Pairing.of(
        [
            Match.of(at, at + first + problems, slice(first, first + problems), (2 * i, 2 * i + 1), words)
            for i, first in enumerate(firsts.tolist())
        ]
    )


def _two_rounds(before: Design, after: Design, rng: np.random.Generator, runs: int) -> Study:
    """Both rounds of each run in one study, groups in the order run, round."""
    problem = rng.integers(PROBLEMS, size=runs * before.problems)
    parts = [study(design, rng, runs, problem=problem).cells for design in (before, after)]
    size = before.problems * before.samples
    columns = {
        name: np.stack([part.columns[name].reshape(runs, size) for part in parts], axis=1).ravel()
        for name in parts[0].columns
    }
    keys = pd.DataFrame(
        {"run": np.repeat([f"{i:06d}" for i in range(runs)], 2), "round": [0, 1] * runs, "split": "train"}
    )
    cells = cells_of(2 * runs, before.problems, before.samples, columns, {}, keys)
    return Study(cells, (Common(before.samples, answers=first_answers(cells)),) * (2 * runs))


# ── seeds ──────────────────────────────────────────────────────────────────────────────────────────────
class SeedJob(Job):
    """Sibling runs on the same 100 problems, each with a skill of its own; the design's problems are the seeds."""

    def measured(self, metrics: list[str], rng: np.random.Generator, runs: int) -> dict[tuple[str, float], Any]:
        """The mean over seeds of pass@1 and of its change, and its interval."""
        seeds, rates = self.design.problems, _seed_rates()
        which = rng.integers(rates.shape[0], size=(runs, seeds))
        found = {}
        for name in metrics:
            n = self.design.samples
            value = rng.binomial(n, rates[which]).mean(axis=2) / n
            if name.endswith("_change"):
                value = value - rng.binomial(n, rates[0], size=(runs, seeds, rates.shape[1])).mean(axis=2) / n
            names = [f"{i:06d}.{s}" for i in range(runs) for s in range(seeds)]
            lines = {"run": names, "round": 1, "split": "heldout", "metric": name, "value": value.ravel()}
            more = {"low": np.nan, "high": np.nan, "n": 100, "unit": "", "method": ""}
            told = over_seeds(pd.DataFrame(lines | more), group={run: run[:6] for run in names})
            arrays = [told[end].to_numpy(float, na_value=np.nan) for end in ("value", "low", "high")]
            found[name, -1.0] = (*arrays, told["method"].tolist())
        return found

    def truths(self) -> dict[str, tuple[np.ndarray | None, str]]:
        """The mean over all seeds there are."""
        rates = _seed_rates()
        means = {"pass@1": rates.mean(), "pass@1_change": rates.mean() - rates[0].mean()}
        return {name: (np.array([means[name]]), "exact") for name in self.metrics}


@lru_cache(maxsize=1)
def _seed_rates() -> np.ndarray:
    """Solve rates of 100 problems in the hands of 2000 seeds, (2000, 100)."""
    odds = np.log(pool("countdown mid").rate[:100]) - np.log1p(-pool("countdown mid").rate[:100])
    skill = np.random.default_rng(23).normal(0.3, 0.25, 2000)
    return 1 / (1 + np.exp(-(odds + skill[:, None])))


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
