"""Collapse: likelihood under the policy and under round 0, length, unfinished responses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow.compute as pc

from siwork.metrics.catalogue.kinds import (
    FEW,
    POSITIVE,
    SHARE,
    Estimate,
    Metric,
    PerProblem,
    Ratio,
    Whole,
    each_group,
    exact,
    row_mean,
    unknown,
)
from siwork.metrics.cells import Cells, Part
from siwork.metrics.intervals import student_t
from siwork.metrics.study import Study
from siwork.metrics.uncertainty import influence_se

_ANY = (-np.inf, np.inf)
_VALUES = 20  # different lengths in an interval of a quantile; with fewer it holds the truth too often


def _perplexity(column: str) -> Callable[[Study], Ratio]:
    def make(study: Study) -> Ratio:
        cells = study.cells
        logp, tokens = cells.columns[column], cells.columns["n_tokens"]
        known = cells.plain & np.isfinite(logp) & (tokens > 0)
        how = f"exp(−Σ {column} / Σ tokens), first attempts"
        lost = cells.rows_by_group(cells.plain & ~known)
        part, whole = -cells.sum(logp, known), cells.sum(tokens, known)
        return Ratio(part, whole, how, f"a known {column} and a token", POSITIVE, np.exp, lost)

    return make


def _truncated(study: Study) -> np.ndarray:
    """Rows that were not sampled at temperature 1 and top-p 1, by group, (groups,)."""
    columns, odd = study.cells.columns, np.zeros(len(study.cells.unit), bool)
    for name in ("temperature", "top_p"):
        if name in columns:
            odd |= columns[name] != 1.0
    return study.cells.rows_by_group(odd & study.cells.plain)


def log_ratio(cells: Cells) -> np.ndarray:
    """logp − base_logp, (rows,), NaN where one of them is unknown or infinite."""
    logp, base = cells.columns["logp"], cells.columns["base_logp"]
    return np.subtract(logp, base, out=np.full(len(logp), np.nan), where=np.isfinite(logp) & np.isfinite(base))


def _kl(study: Study) -> PerProblem:
    cells = study.cells
    ratio = log_ratio(cells)
    value = cells.mean(ratio, cells.plain)
    value[(_truncated(study) > 0)[cells.group]] = np.nan
    lost = cells.rows_by_group(cells.plain & np.isnan(ratio))
    lacking = "both log-probabilities of responses sampled at temperature 1 and top-p 1 (other sampling is biased)"
    return PerProblem(value, "k1: mean of logp − base_logp, unbiased", _ANY, lacking, lost=lost)


def _rate(column: str, bad: Callable[[np.ndarray], np.ndarray], how: str) -> Callable[[Study], PerProblem]:
    def make(study: Study) -> PerProblem:
        cells, x = study.cells, study.cells.columns[column]
        value = np.where(np.isnan(x), np.nan, bad(x).astype(float))
        lost = cells.rows_by_group(cells.plain & np.isnan(x))
        return PerProblem(cells.mean(value, cells.plain), how, SHARE, f"a sample with known {column}", lost=lost)

    return make


def _length(q: float) -> Callable[[Study], Whole]:
    """A quantile of the length with Woodruff's interval: the interval of the share below, read off the distribution."""

    def make(study: Study) -> Whole:
        def one(part: Part) -> Estimate:
            plain = part.plain
            part = plain.where(np.isfinite(plain.column("n_tokens")))
            x, n = part.column("n_tokens"), len(np.unique(part.problem))
            if not len(x):
                return unknown("no sample with known n_tokens is a first attempt without a hint")
            value = float(np.quantile(x, q, method="inverted_cdf"))
            below = (x <= value).astype(float)
            se = influence_se(below - below.mean(), part.problem)
            half = float(student_t(np.array([n]), study.level)[0]) * se
            lost = len(plain.rows) - len(x)
            how = f"{q:.0%} quantile over samples" + (f", {lost} without n_tokens left out" if lost else "")
            if not (q - half > 0 and q + half < 1 and half > 0):
                return Estimate(value, np.nan, np.nan, n, f"{how}; no interval: too few problems")
            low, high = np.quantile(x, [q - half, q + half], method="inverted_cdf")
            if n < FEW or len(np.unique(x[(x >= low) & (x <= high)])) < _VALUES:
                why = f"fewer than {FEW} problems" if n < FEW else f"fewer than {_VALUES} lengths near it"
                return Estimate(value, np.nan, np.nan, n, f"{how}; no interval: {why}")
            return Estimate(value, float(low), float(high), n, f"{how}; Woodruff, t over problems")

        return each_group(study, one)

    return make


def _total(column: str | None, mask: str | None, how: str) -> Callable[[Study], Whole]:
    """A number that is counted: rows, or the sum of a column."""

    def make(study: Study) -> Whole:
        def one(part: Part) -> Estimate:
            x = np.ones(len(part.rows)) if column is None else part.column(column)
            if lost := int(np.isnan(x).sum()):
                return unknown(f"{column} of {lost} of {len(x)} samples is unknown, so there is no sum")
            if mask is not None:
                x = x * (part.column(mask) > 0)
            return exact(float(np.sum(x)), len(np.unique(part.problem)), how)

        return each_group(study, one)

    return make


def _right_tokens(study: Study) -> PerProblem:
    cells = study.cells
    tokens = cells.columns["n_tokens"]
    lost = cells.unjudged + cells.rows_by_group(cells.right & np.isnan(tokens))
    lacking = "a right sample with known n_tokens"
    return PerProblem(
        cells.mean(tokens, cells.right), "mean of a problem's right samples", POSITIVE, lacking, lost=lost
    )


def _characters(study: Study) -> PerProblem:
    cells = study.cells
    x = pc.utf8_length(cells.texts["response"]).to_numpy().astype(float)
    return PerProblem(cells.mean(x, cells.plain), "mean of a problem's samples", POSITIVE, "a first attempt")


_LENGTH = ("n_tokens",)

METRICS: dict[str, Metric] = {
    "mean_tokens": Metric(_LENGTH, row_mean("n_tokens", True, POSITIVE), "length of a response ↕", "tokens", POSITIVE),
    "mean_characters": Metric(
        ("response",), _characters, "length of a response in characters ↕", "characters", POSITIVE, ground=()
    ),
    "right_tokens": Metric((*_LENGTH, "gold"), _right_tokens, "length of right responses ↓", "tokens", POSITIVE),
    "length_5": Metric(_LENGTH, _length(0.05), "5 % quantile of the length ↕", "tokens", POSITIVE),
    "length_50": Metric(_LENGTH, _length(0.5), "median length ↕", "tokens", POSITIVE),
    "length_95": Metric(_LENGTH, _length(0.95), "95 % quantile of the length ↕", "tokens", POSITIVE),
    "unfinished_rate": Metric(
        ("finished",), _rate("finished", lambda x: x == 0, "share of samples"), "responses cut off ↓", "", SHARE
    ),
    "empty_rate": Metric(
        _LENGTH, _rate("n_tokens", lambda x: x <= 1, "samples of at most one token"), "empty responses ↓", "", SHARE
    ),
    "perplexity": Metric(
        ("logp", "n_tokens"), _perplexity("logp"), "perplexity of its own responses ↕", "", (1.0, np.inf)
    ),
    "base_perplexity": Metric(
        ("base_logp", "n_tokens"),
        _perplexity("base_logp"),
        "perplexity of the responses under round 0: falls when it retreats to the likely ↕",
        "",
        (1.0, np.inf),
    ),
    "kl_to_base": Metric(
        ("logp", "base_logp"), _kl, "divergence from round 0 ↕", "nats", _ANY, ("temperature", "top_p")
    ),
    "samples_drawn": Metric((), _total(None, None, "rows"), "samples drawn", "rows", POSITIVE),
    "samples_kept": Metric(
        ("weight",), _total(None, "weight", "rows with weight > 0"), "samples kept", "rows", POSITIVE
    ),
    "tokens_drawn": Metric(_LENGTH, _total("n_tokens", None, "Σ n_tokens"), "tokens drawn", "tokens", POSITIVE),
}
