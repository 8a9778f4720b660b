"""Several seeds of one world together, and reliability diagrams of a world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.metrics.calibration import mass_edges, reliability
from siwork.metrics.catalogue import span_of
from siwork.metrics.intervals import student_t
from siwork.metrics.limits import EQUAL, divide
from siwork.metrics.study import BINS
from siwork.schema import KnobError
from siwork.simulation.estimates import LEVEL
from siwork.simulation.play import Trace, play
from siwork.simulation.table import simulate
from siwork.simulation.world import World

_KEYS = ("run", "split", "round")


def over(world: World, seeds: Sequence[int]) -> pd.DataFrame:
    """The metric table of a world over several seeds: `pooled` of `simulate`. Raises KnobError without a seed.

    >>> table = over(World(problems=30, rounds=1), seeds=range(3))
    >>> table.loc[[0], ["run", "metric", "n", "method"]].values.tolist()
    [['3 seeds', 'pass@1', 3, 'seeds: t, S=3']]
    """
    return pooled([simulate(world, seed) for seed in seeds])


def pooled(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean over the seeds of one world with the interval over seeds, from tables of `simulate`.

    Parameters
    ----------
    tables : one a seed, all of the same world

    Returns
    -------
    DataFrame like theirs: value = mean over the seeds that have one, low and high = mean ± t_{n−1} · sd/√n within what the
    metric can be, n = seeds with a value, least and most over seeds, truth = mean of the truths. The numbers are those of
    `siwork.metrics.over_seeds`. Seeds share the world's problems, so the interval is of luck alone.

    Raises
    ------
    KnobError without a table, or for tables of different worlds.
    """
    if not tables:
        raise KnobError("pooled needs the table of at least one seed, got none; simulate(world, 0) makes one")
    if len({len(table) for table in tables}) > 1 or any(not _alike(tables[0], table) for table in tables[1:]):
        raise KnobError("pooled takes tables of one world, got different ones; simulate the same world with each seed")
    x = np.stack([table["value"].to_numpy(float, na_value=np.nan) for table in tables])
    truth = np.mean([table["truth"].to_numpy(float, na_value=np.nan) for table in tables], axis=0)
    n, equal, real = _over_rows(x)
    ends = np.array([span_of(name) for name in tables[0]["metric"]]).T
    real["low"] = np.minimum(np.maximum(real["low"], ends[0]), real["value"])
    real["high"] = np.maximum(np.minimum(real["high"], ends[1]), real["value"])
    words = [_words(*each) for each in zip(n.tolist(), equal.tolist(), tables[0]["method"], strict=True)]
    name = f"{len(tables)} seeds" if len(tables) > 1 else "1 seed"
    columns = {key: _real(column) for key, column in {**real, "truth": truth}.items()}
    return tables[0].assign(run=name, n=n, method=words, **columns)


def _over_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Seeds with a value, whether all are equal, and the moments over them, of values (seeds, cells) with NaN."""
    known = ~np.isnan(x)
    n = known.sum(axis=0)
    value = divide(np.where(known, x, 0.0).sum(axis=0), n)
    least, most = np.where(known, x, np.inf).min(axis=0), np.where(known, x, -np.inf).max(axis=0)
    equal = ~(most - least > EQUAL * np.maximum(1.0, np.abs(most)))
    square = np.where(known, x - value, 0.0) ** 2
    half = student_t(n, LEVEL) * np.sqrt(divide(square.sum(axis=0), (n - 1.0) * n))
    half[equal] = np.nan
    least, most = (np.where(n > 0, end, np.nan) for end in (least, most))
    return n, equal, {"value": value, "low": value - half, "high": value + half, "least": least, "most": most}


def _alike(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return all(one[name].equals(other[name]) for name in ("round", "split", "metric", "k", "band"))


def _words(n: int, equal: bool, method: str) -> str:
    if n == 0:
        return method
    if n == 1:
        return "seeds: one run, so no interval"
    return f"seeds: all {n} runs equal, so no interval" if equal else f"seeds: t, S={n}"


def _real(values: np.ndarray) -> pd.arrays.ArrowExtensionArray:
    return pd.arrays.ArrowExtensionArray(pa.array(values, pa.float64(), from_pandas=True))


def reliability_of(world: World, seed: int, rounds: Sequence[int] | None = None) -> pd.DataFrame:
    """Mean truth against mean score in bins of scores of the training samples, with the first round's bins.

    Parameters
    ----------
    world, seed : as of `simulate`
    rounds : which, None is the first and the last that is trained on

    Returns
    -------
    DataFrame, a row a (round, bin that holds a sample): run, split, round and the columns of
    `siwork.metrics.calibration.reliability`; without rows where there is no verifier.

    Raises
    ------
    KnobError for a round that is not trained on.

    >>> reliability_of(World(problems=90, rounds=2), 0)[["round", "score", "count"]].values.tolist()
    [[0.0, 0.0, 555.0], [0.0, 1.0, 405.0], [1.0, 0.0, 532.0], [1.0, 1.0, 428.0]]
    """
    shown = sorted({0, world.rounds - 1}) if rounds is None else list(rounds)
    odd = [r for r in shown if not 0 <= r < world.rounds]
    if odd:
        raise KnobError(f"rounds must be in 0 … {world.rounds - 1}, got {odd[0]}; nearest: {world.rounds - 1}")
    trace = play(world, seed)
    if world.verifier == "none":
        return pd.DataFrame(columns=[*_KEYS, "bin"])
    edges = mass_edges(_samples(world, trace, 0)[0], BINS, "auto")
    parts = [reliability(*_samples(world, trace, r), edges=edges) for r in shown]
    table = pd.concat(parts, ignore_index=True)
    whose = np.repeat(shown, [len(part) for part in parts])
    return table.assign(run=f"seed {seed}", split="train", round=whose)[[*_KEYS, *table.columns]]


def _samples(world: World, trace: Trace, r: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, gold and problem of each training sample of a round."""
    if trace.score is not None and trace.place is not None:
        problem = np.broadcast_to(np.arange(world.train), trace.place[r].shape)
        return trace.score[r].ravel(), (trace.place[r] < world.right).astype(float).ravel(), problem.ravel()
    passed, count = trace.passed[r], trace.counts[r, :, : world.train]
    right = np.broadcast_to(np.arange(world.answers)[:, None] < world.right, count.shape).ravel()
    problem = np.broadcast_to(np.arange(world.train), count.shape).ravel()
    parts = [(1.0, passed.ravel()), (0.0, (count - passed).ravel())]
    score = np.concatenate([np.full(int(size.sum()), value) for value, size in parts])
    gold, whose = (np.concatenate([np.repeat(x, size) for _, size in parts]) for x in (right, problem))
    return score, gold.astype(float), whose
