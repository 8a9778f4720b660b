"""Rows for reading: which ones, in which order, a page of them with its texts, one of them whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from siwork.schema import KEY, KnobError
from siwork_widgets.samples.reference import Reference

PAGE = 200  # rows
BEGINNING = 120  # characters of a response in a list
KEPT, LEFT = "kept", "not kept"
RIGHT, WRONG, UNKNOWN = "right", "wrong", "unknown"
_LIGHT = (*KEY, "turn", "hint", "band", "answer", "gold", "score", "weight", "logp", "n_tokens")
_SEARCHED = ("prompt", "response", "answer", "problem")
_ACROSS = ("round", "sample", "turn", "hint", "gold", "weight", "answer", "response")


class Rows(Protocol):
    """What rows are read from: a run, or a row table that is `Held`."""

    def columns(self) -> list[str]: ...

    def rows(
        self, rounds: int | Iterable[int] | None = None, columns: Sequence[str] | None = None, split: str | None = None
    ) -> pd.DataFrame: ...


@dataclass(frozen=True)
class Held:
    """A row table, read as a run is."""

    table: pd.DataFrame

    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.table.columns)

    def rows(
        self, rounds: int | Iterable[int] | None = None, columns: Sequence[str] | None = None, split: str | None = None
    ) -> pd.DataFrame:
        """The rows of those rounds and that split, with those columns; None is all."""
        keep = np.ones(len(self.table), bool)
        if rounds is not None:
            wanted = [rounds] if isinstance(rounds, int) else list(rounds)
            keep &= self.table["round"].isin(wanted).to_numpy(bool)
        if split is not None:
            keep &= (self.table["split"] == split).to_numpy(bool)
        return self.table.loc[keep, self.columns() if columns is None else list(columns)].reset_index(drop=True)


class Wish(NamedTuple):
    """Which completions are wanted, in which order; None and "" are any."""

    round: int | None = None
    split: str | None = None
    band: int | None = None
    truth: str = ""  # RIGHT, WRONG or UNKNOWN
    used: str = ""  # KEPT or LEFT
    text: str = ""  # stands in prompt, response, answer or problem
    order: str = ""  # column; as stored where there is none
    down: bool = False
    page: int = 0


class Listing(NamedTuple):
    """A page of completions."""

    rows: pd.DataFrame  # at most PAGE rows, with the beginnings of their responses
    start: int  # place of the first one among those found
    found: int
    read: int  # rows that were looked through


def listing(source: Rows, wish: Wish) -> Listing:
    """The page of the completions that are wanted; a page behind the last one is the last one.

    Raises as `Run.rows`.
    """
    searched = _SEARCHED if wish.text else ()
    light = _read(source, wish.round, [*_LIGHT, *searched, wish.order], wish.split)
    kept = light[_wanted(light, wish, searched)]
    ordered = _ordered(kept, wish)
    start = min(wish.page, max(len(ordered) - 1, 0) // PAGE) * PAGE
    page = ordered.iloc[start : start + PAGE].reset_index(drop=True)
    return Listing(_with_texts(source, page, wish.split), start, len(ordered), len(light))


def _read(source: Rows, rounds: int | None, names: Sequence[str] | None, split: str | None) -> pd.DataFrame:
    """Those columns as far as they are there; samples are numbered where nobody has numbered them."""
    there = source.columns()
    own = None if names is None else [name for name in dict.fromkeys(names) if name in there]
    return _numbered(source.rows(rounds, own, split))


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    if "sample" in rows or "problem" not in rows:
        return rows
    return rows.assign(sample=rows.groupby(list(KEY[:-1]), sort=False).cumcount())


def _wanted(rows: pd.DataFrame, wish: Wish, searched: Sequence[str]) -> np.ndarray:
    keep = np.ones(len(rows), bool)
    if wish.band is not None:
        keep &= _real(rows, "band") == wish.band
    if wish.truth:
        keep &= truths(rows) == wish.truth
    if wish.used:
        keep &= (_real(rows, "weight") > 0) == (wish.used == KEPT)
    if wish.text:
        keep &= _with_text(rows, wish.text, searched)
    return keep


def _with_text(rows: pd.DataFrame, text: str, searched: Sequence[str]) -> np.ndarray:
    try:
        text.encode()
    except UnicodeEncodeError:  # no stored text holds half a character
        return np.zeros(len(rows), bool)
    found = np.zeros(len(rows), bool)
    for name in [name for name in searched if name in rows]:
        held = rows[name].str.contains(text, regex=False)
        found |= held.fillna(False).to_numpy(bool)
    return found


def _ordered(rows: pd.DataFrame, wish: Wish) -> pd.DataFrame:
    """In the order wished, what is unknown last."""
    if wish.order == "logp_token":
        key = pd.Series(per_token(rows), index=rows.index)
    elif wish.order in rows:
        key = rows[wish.order]
    else:
        return rows
    return rows.loc[key.sort_values(ascending=not wish.down, kind="stable", na_position="last").index]


def _with_texts(source: Rows, page: pd.DataFrame, split: str | None) -> pd.DataFrame:
    """The page with the beginnings of the responses; only its rounds are read, one at a time."""
    if page.empty or "response" not in source.columns():
        return page
    if "response" in page:
        return _shortened(page)
    parts = []
    for r in dict.fromkeys(page["round"].tolist()):
        own = page[(page["round"] == r).to_numpy(bool)]
        parts.append(_shortened(_of_problems(_read(source, r, [*KEY, "response"], split), own["problem"])))
    return page.merge(pd.concat(parts, ignore_index=True), how="left", on=list(KEY))


def _shortened(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(response=rows["response"].str.slice(0, BEGINNING))


def _of_problems(rows: pd.DataFrame, problems: pd.Series) -> pd.DataFrame:
    return rows[rows["problem"].isin(problems.unique()).to_numpy(bool)]


def completion(source: Rows, place: Reference) -> dict[str, Any]:
    """One completion, every column of it.

    Raises
    ------
    KnobError : there is no such completion; and as `Run.rows`
    """
    rows = _of_problems(_read(source, place.round, None, place.split), pd.Series([place.problem]))
    for row in records(rows):
        if row["sample"] == place.sample and row["run"] == place.run:
            return row
    samples = sorted(set(rows["sample"].tolist()))
    near = (
        f"samples of the problem: {samples[0]} … {samples[-1]}" if samples else f"no problem {place.problem!r} is there"
    )
    raise KnobError(f"round {place.round} of {place.run!r} has no {place.split} completion {place}; {near}")


def across(source: Rows, place: Reference) -> pd.DataFrame:
    """The completions of one problem of one run in all rounds, with round, sample, truth, weight, answer and response.

    Raises as `Run.rows`.
    """
    there = source.columns()
    names = [name for name in dict.fromkeys([*KEY, *_ACROSS]) if name in there]
    parts = []
    for rows in _by_round(source, names, place.split):
        mine = _of_problems(_numbered(rows), pd.Series([place.problem]))
        parts.append(mine[(mine["run"] == place.run).to_numpy(bool)])
    found = pd.concat(parts, ignore_index=True)
    return found.sort_values(["round", "sample"], kind="stable", ignore_index=True)


def _by_round(source: Rows, names: Sequence[str], split: str) -> Iterable[pd.DataFrame]:
    several: Callable[..., Iterable[pd.DataFrame]] | None = getattr(source, "iter_rows", None)
    return [source.rows(None, names, split)] if several is None else several(None, names, split)


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries, None for null."""
    plain = rows.astype(object)
    return [
        {str(name): value for name, value in row.items()} for row in plain.where(rows.notna(), None).to_dict("records")
    ]


def reference(row: Mapping[str, Any]) -> Reference:
    """The name of a row."""
    run, split, problem = (str(row[name]) for name in ("run", "split", "problem"))
    turn, hint = int(row.get("turn") or 0), str(row.get("hint") or "none")
    return Reference(run, int(row["round"]), split, problem, int(row["sample"]), turn, hint)


def truths(rows: pd.DataFrame) -> np.ndarray:
    """RIGHT, WRONG or UNKNOWN, (n,)."""
    gold = _real(rows, "gold")
    return np.select([np.isnan(gold), gold > 0], [UNKNOWN, RIGHT], WRONG)


def per_token(rows: pd.DataFrame) -> np.ndarray:
    """Log-probability a token, nats, (n,), NaN where it is unknown or there is no token."""
    tokens = _real(rows, "n_tokens")
    return _real(rows, "logp") / np.where(tokens > 0, tokens, np.nan)


def _real(rows: pd.DataFrame, name: str) -> np.ndarray:
    """A column as floats, NaN for null and where there is no such column."""
    return rows[name].to_numpy(float, na_value=np.nan) if name in rows else np.full(len(rows), np.nan)
