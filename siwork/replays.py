"""`replay`: what another selector would have kept of the stored rows, without sampling again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.loop import luck
from siwork.recipes import Recipe, lots_of, selectors_of
from siwork.schema import ROWS, KnobError, SchemaError, check
from siwork.store import Run, Runs

_KEYS = ("run", "round", "split", "problem", "weight")
_TYPES = {column.name: column.type for column in ROWS if column.name in ("weight", "pair", "side")}


def replay(
    source: Run | Runs | pd.DataFrame,
    selector: str,
    *,
    rounds: int | Iterable[int] | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """The stored rows with the weights that another selector would have given to the train rows of each round.

    Held-out and beyond rows, closing rounds and every column but weight, pair and side stay as they are; no row is
    lost. A run is read one round at a time. The selector sees what it saw in the run: all train rows of the round in
    their stored order, and the round's own generator. So the run's own selector gives the stored weights again, of
    every recipe: what stabilisers add to the training (real data, older rounds) is never a row, and knobs that one of them
    tuned are as they were in that round.

    Rows stay those that the run's own policies wrote; what policies trained on the new weights would have written
    from round 1 on takes a new run, or a fork.

    Parameters
    ----------
    source : Run, Runs, or a row table with run, round, split, problem and weight
    selector : selectors such as "correct(threshold=0.7)" or "correct + balance(cap=2)"; "" keeps everything
    rounds : one or several, others are left out; None is all
    seed : of what a selector leaves to chance; None is the run's own, which a row table does not hold

    Returns
    -------
    DataFrame as `source.rows(rounds)`, or as the table.

    Raises
    ------
    RecipeError, KnobError : a formula that cannot be read or holds other parts; a seed or round that cannot be
    SchemaError : a column that the selector reads is missing, or nobody scored the rows
    RunError (Unfinished) : a round asked for is damaged, or not there

    >>> rows = pd.DataFrame({"run": "a", "round": 0, "split": "train", "problem": list("xxy"), "weight": 1.0})
    >>> replay(rows.assign(score=[0.6, 0.9, 0.7]), "correct(threshold=0.7)")["weight"].tolist()
    [0.0, 1.0, 1.0]
    """
    recipe = selectors_of(selector)
    if seed is not None and (type(seed) is not int or seed < 0):
        raise KnobError(f"seed must be a whole number ≥ 0, got {seed!r}; nearest: 0")
    if isinstance(source, pd.DataFrame):
        return _of_table(source, recipe, rounds, seed)
    if not isinstance(source, Run | Runs):
        raise SchemaError(
            f"a row table or a run is needed, got {type(source).__name__}; Run(folder) opens one, Runs(folder) several"
        )
    runs = {run.name: run for run in ([source] if isinstance(source, Run) else source)}
    tables = [_of_round(table, recipe, runs, seed) for table in source.iter_rows(rounds)]
    return pd.concat(tables, ignore_index=True) if tables else source.rows(rounds)


def _of_round(rows: pd.DataFrame, recipe: Recipe, runs: dict[str, Run], seed: int | None) -> pd.DataFrame:
    """The rows of one round of a run."""
    train = np.flatnonzero(rows["split"] == "train")
    if not len(train):
        return rows
    run, r = runs[rows["run"].iloc[0]], int(rows["round"].iloc[0])
    info = run.round_info(r)
    if info.get("closing") is True:
        return rows
    checked = _checked(rows, recipe)
    own = int(info.get("seed", run.seed))  # a fork's first rounds may have another seed than the fork
    chosen = _chosen(checked.iloc[train], recipe, own if seed is None else seed, info.get("tuned"))
    return _put(rows, checked, train, chosen)


def _of_table(rows: pd.DataFrame, recipe: Recipe, rounds: int | Iterable[int] | None, seed: int | None) -> pd.DataFrame:
    chance = [part.name for part in recipe.selector if part.draws]
    if chance and seed is None:
        raise KnobError(f"{chance[0]} leaves something to chance and a row table holds no seed; pass seed=, or the Run")
    checked = _checked(rows, recipe)
    if rounds is not None:
        wanted = _among(checked["round"], rounds)
        rows, checked = rows[wanted], checked[wanted]
    train = np.flatnonzero(checked["split"] == "train")
    group = checked.iloc[train].groupby(["run", "round"], sort=False).ngroup().to_numpy()
    places = [train[group == g] for g in range(group.max(initial=-1) + 1)]
    if not places:
        return rows
    chosen = [_chosen(checked.iloc[place], recipe, seed or 0) for place in places]
    return _put(rows, checked, np.concatenate(places), pd.concat(chosen, ignore_index=True))


def _among(there: pd.Series, rounds: int | Iterable[int]) -> np.ndarray:
    """Which rows (n,) are of these rounds."""
    wanted = {int(r) for r in (rounds if isinstance(rounds, Iterable) else [rounds])}
    known = set(there.unique())
    if wanted - known:
        raise KnobError(f"the rows have no round {min(wanted - known)}; they have {', '.join(map(str, sorted(known)))}")
    return there.isin(wanted).to_numpy(bool)


def _checked(rows: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The columns that matter here, as Arrow types."""
    needs = [*_KEYS, *(column for part in recipe.selector for column in part.needs)]
    names = dict.fromkeys([*needs, *_TYPES, "verifier"])
    return check(rows[[name for name in names if name in rows]], needs=needs)


def _chosen(train: pd.DataFrame, recipe: Recipe, seed: int, tuned: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The train rows of one round as the selectors leave them."""
    run, r = train["run"].iloc[0], int(train["round"].iloc[0])
    scoring = [str(part) for part in recipe.selector if "score" in part.needs]
    if scoring and "verifier" in train and (train["verifier"] == "none").all():
        raise SchemaError(
            f"round {r} of {run!r} has no scores for {scoring[0]}: its recipe has no verifier; add gold or vote"
        )
    loop_rng, _ = luck(seed, r)
    return recipe.select(train.reset_index(drop=True), lots_of(loop_rng)["selector"], tuned)


def _put(rows: pd.DataFrame, typed: pd.DataFrame, place: np.ndarray, chosen: pd.DataFrame) -> pd.DataFrame:
    """The rows with what was chosen for those at `place` (m,)."""
    index = np.arange(len(rows))
    index[place] = len(rows) + np.arange(len(place))
    columns = {}
    for name, kind in _TYPES.items():
        before = _chunks(typed[name]) if name in typed else [pa.nulls(len(rows), kind)]
        both = pa.chunked_array([*before, *_chunks(chosen[name])], kind)
        columns[name] = pd.arrays.ArrowExtensionArray(both.take(pa.array(index)))
    return rows.assign(**columns)


def _chunks(values: pd.Series) -> list[pa.Array]:
    array = values.array.__arrow_array__()
    return list(array.chunks) if isinstance(array, pa.ChunkedArray) else [array]
