"""`simulate`: a world and a seed in, metric table out, with the truth beside every estimate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.metrics.catalogue import metric_of
from siwork.metrics.intervals import grouped_change
from siwork.simulation.estimates import LEVEL, METHODS, Found, means, ratios
from siwork.simulation.play import Trace, play
from siwork.simulation.series import ANY, Mean, Share, sampled, split_of
from siwork.simulation.truths import Verdicts
from siwork.simulation.verdicts import accepted, errors_of, judged
from siwork.simulation.world import World

_OWN = {"kl_selected": "nats"}  # units of metrics that only a simulator knows
_OF_SCORES = (
    "mean_score", "precision", "recall", "false_positive_rate", "false_negative_rate", "proxy_gold_gap", "ece",
)  # fmt: skip
_NONE = 2 * len(METHODS)  # behind the last kind, each with and without few problems
_FEW = 10  # problems below which a method says so


class Series(NamedTuple):
    """One metric over the rounds of a split, arrays (rounds,)."""

    name: str
    split: str
    band: int | None
    k: int | None
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    truth: np.ndarray
    how: str
    kind: np.ndarray  # place in METHODS, 0 where `how` says all
    lacking: str  # said instead where there is no value


def simulate(world: World, seed: int) -> pd.DataFrame:
    """Play a world and measure it.

    Parameters
    ----------
    world : World
    seed : of all luck, ≥ 0; the problems and the base policy belong to the world

    Returns
    -------
    DataFrame of schema METRICS with k, band and `truth`: what the estimate is of, exactly, from the distributions that the
    samples of that round were drawn from; null where no short formula knows it. Held-out problems have rounds 0 … R, the
    problems trained on 0 … R − 1. Names, values and intervals are those of `siwork.measure` on rows of the same samples;
    `kl_selected` is of best-of-k with verdicts alone. Two estimates are off their truth: `answer_entropy` is biased down by
    its few draws, and `support_kept` of training samples up, since the update was on the very answers it asks for.

    >>> table = simulate(World(problems=30, rounds=1), seed=0)
    >>> table[(table["metric"] == "pass@1") & (table["split"] == "heldout")][["round", "n"]].values.tolist()
    [[0, 10], [1, 10]]
    """
    trace = play(world, seed)
    return _framed(f"seed {seed}", [*_heldout(world, trace), *_train(world, trace)])


def _heldout(world: World, trace: Trace) -> list[Series]:
    count, exact = split_of(world, trace, "heldout")
    return _measured("heldout", world.rounds + 1, sampled(world, trace, count, exact, "heldout"))


def _train(world: World, trace: Trace) -> list[Series]:
    count, seen = split_of(world, trace, "train")
    exact = Verdicts(world, trace, seen)
    parts = [*sampled(world, trace, count, seen, "train"), *judged(world, trace, exact), *accepted(world, trace, exact)]
    return [*_measured("train", world.rounds, parts), *_of_scores(world, trace, exact)]


def _measured(split: str, rounds: int, parts: Iterable[Mean | Share]) -> list[Series]:
    """Estimates of all parts, those of one shape together; holes slow down, so parts that may have some are apart."""
    alike: dict[tuple[type, int, bool], list[Mean | Share]] = {}
    for part in parts:
        mean = isinstance(part, Mean)
        key = (type(part), len(part.x) if isinstance(part, Mean) else rounds, mean and part.lacking != ANY)
        alike.setdefault(key, []).append(part)
    out = []
    for group in alike.values():
        found = _estimated(group)
        if found.value.shape[1] < rounds:  # one round stands for all
            found = Found(*(np.repeat(column, rounds, axis=1) for column in found))
        for part, *column in zip(group, *found, strict=True):
            k, how, lacking = _about(part)
            value, low, high, n, kind = column
            out.append(Series(part.name, split, part.band, k, value, low, high, n, part.truth, how, kind, lacking))
    return out


def _about(part: Mean | Share) -> tuple[int | None, str, str]:
    """Draws, estimator in words, and why there is none."""
    if isinstance(part, Mean):
        return part.k, f"{part.how}, mean over problems", f"each problem lacks {part.lacking}"
    return None, part.how, f"no row {part.lacking}"


def _estimated(group: list[Mean | Share]) -> Found:
    some = [part for part in group if isinstance(part, Mean)]
    if some:
        most = np.array([part.most for part in some])
        fewest = np.array([part.fewest for part in some])
        return means(np.stack([part.x for part in some]), np.where(np.isinf(most), -np.inf, 0.0), most, fewest)
    shares = [part for part in group if isinstance(part, Share)]
    return ratios(np.stack([part.part for part in shares]), np.stack([part.whole for part in shares]))


def _of_scores(world: World, trace: Trace, exact: Verdicts) -> list[Series]:
    """The metrics of scores that are no plain means or shares."""
    if world.verifier == "none":
        return [_unscored(world, name) for name in _OF_SCORES]
    none, n = np.full(world.rounds, np.nan), np.full(world.rounds, world.train)
    error, how = errors_of(world, trace), "in bins of the score, biased up, read it beside its floor: no interval"
    ece = Series("ece", "train", None, None, error, none, none, n, exact.ece(), how, 0 * n, "")
    return [_gap(world, trace, exact), ece]


def _unscored(world: World, name: str) -> Series:
    none, n = np.full(world.rounds, np.nan), np.zeros(world.rounds, np.int64)
    return Series(name, "train", None, None, none, none, none, n, none, "", n, "there is no verifier, so no scores")


def _gap(world: World, trace: Trace, exact: Verdicts) -> Series:
    right = trace.counts[:-1, : world.right, : world.train].sum(axis=1, dtype=np.int64)
    x, rounds = trace.mean - right / world.k, world.rounds
    found = grouped_change(x.ravel(), np.repeat(np.arange(rounds), world.train), rounds, LEVEL)
    size = np.abs(x)
    few = size.sum(axis=1) ** 2 < (size**2).sum(axis=1) * world.train / 4  # less than a quarter of the problems make it
    low, high = (np.where(few, np.nan, end) for end in (found.low, found.high))
    truth = exact.score().mean(axis=1) - exact.seen.solved.mean(axis=1)
    how = "score − gold, paired by sample, mean over problems; t over problems, where enough of them differ"
    return Series("proxy_gold_gap", "train", None, None, found.value, low, high, found.n, truth, how, 0 * found.n, "")


def _framed(run: str, series: list[Series]) -> pd.DataFrame:
    """The series as one table of Arrow columns."""
    sizes = [len(each.value) for each in series]
    total = sum(sizes)

    def each(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(sizes)), sizes)))

    def real(name: str) -> pa.Array:
        return pa.array(
            np.concatenate([getattr(one, name) for one in series]).astype(float), pa.float64(), from_pandas=True
        )

    units = [_OWN[one.name] if one.name in _OWN else metric_of(one.name).unit for one in series]
    columns = {
        "run": pa.repeat(run, total),
        "round": pa.array(np.concatenate([np.arange(size) for size in sizes])),
        "split": each([one.split for one in series], pa.string()),
        "metric": each([one.name for one in series], pa.string()),
        **{name: real(name) for name in ("value", "low", "high")},
        "n": pa.array(np.concatenate([one.n for one in series]).astype(np.int64)),
        "unit": each(units, pa.string()),
        "method": _methods(series),
        "k": each([one.k for one in series], pa.int64()),
        "band": each([one.band for one in series], pa.int64()),
        "truth": real("truth"),
    }
    return pd.DataFrame({name: pd.arrays.ArrowExtensionArray(column) for name, column in columns.items()}, copy=False)


def _methods(series: list[Series]) -> pa.Array:
    """Estimator and interval of each row in words, or why there is no value."""
    value, kind, n = (np.concatenate([getattr(one, name) for one in series]) for name in ("value", "kind", "n"))
    kind = np.where(np.isnan(value), _NONE, kind + len(METHODS) * (n < _FEW))
    which = np.repeat(np.arange(len(series)), [len(one.value) for one in series])
    keys, back = np.unique(which * (_NONE + 1) + kind, return_inverse=True)
    words = [_words(series[i], k) for i, k in zip(*(x.tolist() for x in np.divmod(keys, _NONE + 1)), strict=True)]
    return pa.array(words, pa.string()).take(pa.array(back))


def _words(one: Series, kind: int) -> str:
    if kind == _NONE:
        return one.lacking
    few, kind = divmod(kind, len(METHODS))
    return one.how + (f"; {METHODS[kind]}" if kind else "") + ("; few_problems" if few else "")
