"""Which metrics are asked of which populations and designs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from populations import Design, study
from truths import truth_of

from siwork.metrics.blocks import blocks_of
from siwork.metrics.study import Study

UNBIASED = {
    "pass@", "pass^", "maj@", "best@", "informative@", "spread@", "distinct_correct", "solution_coverage",
    "distinct_answers", "gini_simpson", "unparsed_rate", "mean_gold", "token_entropy", "mean_logp", "mean_tokens",
    "unfinished_rate", "kl_to_base", "accept_rate", "problem_share", "accepted_coverage", "band_solve_rate",
    "accepted_reach", "mean_score", "proxy_gold_gap", "brier", "log_loss", "gv_gap", "top_precision",
    "vote_right", "right_variety", "support_kept", "tail_coverage", "tail_solve_rate", "dead_groups", "empty_rate",
}  # fmt: skip
EXPECTED = {  # of these the truth is the mean over samples of the same size
    "mode_share", "accepted_gini", "top_fifth_share", "kl_from_uniform", "log_head_tail", "compression_ratio",
    "distinct_2_pool",    "self_repetition", "mtld", "mattr", "self_bleu_pool", "cross_distance",
}  # fmt: skip
LIMIT = 60_000  # problems of the one sample that stands for the truth where no formula is known


class Job(NamedTuple):
    """One population and design, and what is measured of it."""

    title: str
    design: Design
    metrics: list[str]
    make: Callable[[Design, np.random.Generator, int], Study] = study
    truth: Callable[[Design, str], np.ndarray | None] = truth_of
    chunk: int = 1_500_000  # rows at a time
    most: int = 1_000_000  # runs

    def measured(self, metrics: list[str], rng: np.random.Generator, runs: int) -> dict[tuple[str, float], Any]:
        """value, low, high and method of each (metric, band), band −1 where a metric is not by band."""
        made, found = self.make(self.design, rng, runs), {}
        for name in metrics:
            for block in blocks_of(made, name):
                band = -1.0 if np.isnan(block.band[0]) else float(block.band[0])
                found[name, band] = (block.found.value, block.found.low, block.found.high, block.method)
        return found

    def truths(self) -> dict[str, tuple[np.ndarray | None, str]]:
        """The truth of each metric, (1,) or (5,), and what it is."""
        found: dict[str, tuple[np.ndarray | None, str]] = {}
        for name in self.metrics:
            exact = None if name in EXPECTED else self.truth(self.design, name)
            found[name] = (exact, "expected" if name in EXPECTED else "exact")
            if exact is None and name not in EXPECTED:
                found[name] = (self._limit(name), "limit")
        return found

    def _limit(self, name: str) -> np.ndarray:
        large = self.make(self.design._replace(problems=LIMIT), np.random.default_rng(11), 1)
        return np.array([float(block.found.value[0]) for block in blocks_of(large, name)])


COUNTS = ["pass@1", "pass@4", "pass^4", "spread@4", "informative@4", "maj@4"]
ANSWERS = [
    "distinct_correct", "solution_coverage", "right_variety", "answer_entropy", "gini_simpson", "distinct_answers",
    "answer_coverage", "unparsed_rate", "vote_share", "vote_right", "mean_gold", "mode_share",
]  # fmt: skip
TRACES = ["token_entropy", "mean_logp", "mean_tokens", "unfinished_rate", "kl_to_base", "perplexity", "base_perplexity"]
TAIL = [
    "accept_rate", "accepted_share", "problem_share", "accepted_coverage", "accepted_reach", "band_solve_rate",
    "tail_share", "tail_coverage", "tail_solve_rate",
    "samples_per_success", "accepted_gini", "top_fifth_share", "kl_from_uniform", "log_head_tail", "compression_ratio",
    "distinct_2_pool",    "self_repetition", "mtld", "mattr", "self_bleu_pool", "cross_distance",
]  # fmt: skip
JUDGED = [
    "mean_score", "proxy_gold_gap", "precision", "recall", "false_positive_rate", "false_negative_rate",
    "kept_precision", "auroc", "auroc_within", "average_precision", "brier", "log_loss", "brier_reliability",
    "brier_resolution", "brier_skill", "kappa", "ece2_debiased", "gv_gap", "gv_gap_relative", "top_precision", "best@4",
    "dead_groups",
]  # fmt: skip
POPULATIONS = ("countdown hard", "countdown mid", "countdown easy", "expr mid")
DESIGNS = ((10, 16), (20, 4), (50, 16), (200, 4))


@lru_cache(maxsize=1)
def jobs() -> list[Job]:
    """All of them."""
    from special import special_jobs  # it builds on Job

    return [*_answers(), *_tails(), *_judges(), *special_jobs()]


def _answers() -> Iterator[Job]:
    for population in POPULATIONS:
        for g, n in DESIGNS if "mid" in population else DESIGNS[1:]:
            yield Job(population, Design(population, "", g, n), [*COUNTS, *ANSWERS, *TRACES])
    yield Job("countdown mid", Design("countdown mid", "", 200, 1), ["pass@1", "unparsed_rate", "mean_tokens"])
    yield Job("countdown mid", Design("countdown mid", "", 50, 64), [*COUNTS, *ANSWERS])
    yield Job("expr mid", Design("expr mid", "", 50, 16), ["length_5", "length_50", "length_95"])
    yield Job("expr mid", Design("expr mid", "", 200, 16), ["length_5", "length_50", "length_95"])


def _tails() -> Iterator[Job]:
    for population in POPULATIONS[:3]:
        for g, n in ((20, 16), (50, 16), (200, 4))[population != "countdown mid" :]:
            yield Job(population, Design(population, "", g, n), TAIL)
    yield Job("countdown mid", Design("countdown mid", "", 200, 16), TAIL)


def _judges() -> Iterator[Job]:
    for name in ("graded calibrated", "graded flattering", "binary flattering", "continuous calibrated"):
        for g, n in DESIGNS:
            yield Job(f"countdown mid, {name}", Design("countdown mid", name, g, n), JUDGED)
    for population in POPULATIONS[:3:2]:
        for g, n in ((50, 16), (200, 4)):
            yield Job(f"{population}, graded flattering", Design(population, "graded flattering", g, n), JUDGED)
    for name in ("continuous flattering", "graded calibrated strong", "graded flattering weak"):
        for g, n in ((50, 4), (200, 4)):
            yield Job(f"countdown mid, {name}", Design("countdown mid", name, g, n), JUDGED)
