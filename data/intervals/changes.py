"""Designs of more than one run or round: changes between two rounds, what is found again, several seeds."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from plan import Job
from populations import PROBLEMS, Design, cells_of, pool, study
from truths import paired, truth_of

from siwork.metrics.again import first_answers
from siwork.metrics.blocks import blocks_of
from siwork.metrics.catalogue import metric_of
from siwork.metrics.pairs import Match, Pairing, changed
from siwork.metrics.seeds import over_seeds
from siwork.metrics.study import Common, Study

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
