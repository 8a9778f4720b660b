"""`Imported`: rows of another framework's log, and the report on what they can say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.files.lines import MOST_COLUMNS
from siwork.files.parquets import numbers_of
from siwork.files.values import series, text
from siwork.importers.capability import Report, report_of
from siwork.importers.found import OTHER, REWARD, Found
from siwork.importers.identity import problem_id, problems_of, samples_of
from siwork.importers.truth import Gold, column_of, gold_of
from siwork.schema import ImportFormatError, KnobError, check

Score = str | tuple[str, float, float]
_TAKEN = ("n_tokens", "finished", "logp", "entropy", "temperature", "agent")  # columns of a log that mean what ours do
_SCALED = "'name' or score=('name', low, high)"
_NEEDED = ("run", "round", "split", "problem", "sample", "prompt", "response")
_ORDER = (*_NEEDED, "answer", "score", "gold", "weight", *_TAKEN)


class Asked(TypedDict, total=False):
    """What every reader takes beside the path.

    run : name of the run; None takes the folder's
    gold : truth: name of a column of the log, a function of a row, or a task; None takes what the format itself calls truth
    answer : name of a column that holds the answer, or a function of a response's text
    score : the reward that is the verifier's score, by name; with `(name, low, high)` it is scaled from low … high to 0 … 1
    """

    run: str | None
    gold: Gold
    answer: Any
    score: Score | None


@dataclass(frozen=True, eq=False)
class Imported:
    """Rows as siwork's own, and what they can and cannot say.

    rows : row table; columns that the log does not have are left out, raw rewards stay as `reward_<name>`, other columns of the
        log as `log_<name>`
    report : the capability report
    """

    rows: pd.DataFrame
    report: Report

    def __repr__(self) -> str:
        return str(self.report)

    def _repr_html_(self) -> str:
        from siwork.importers.shown import imported_sheet

        return imported_sheet(self.report)


def assembled(found: Found, asked: Asked, path: Any = None) -> Imported:
    """Rows and report of what a reader found.

    path : what was read, for the error; None and frames are called as the run is

    Raises
    ------
    ImportFormatError when there is no completion, or truth is no truth; KnobError for a column that the log lacks.
    """
    table, left_out = _with_texts(found.table)
    if not table.num_rows:
        place = str(path) if isinstance(path, (str, Path)) else found.run
        raise ImportFormatError(
            f"no completion was found in {place!r} as {found.kind} ({found.skips}); is it another format?"
        )
    problems = problems_of(table)
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    rows = frame.assign(run=text(asked.get("run") or found.run), problem=problems.problem, prompt=problems.prompt)
    rows["sample"] = _samples(rows)
    rows, said = _judged(rows, asked, found.score)
    rows, used = _weighed(rows)
    first = [name for name in _ORDER if name in rows]
    own = [name for name in rows if str(name).startswith((REWARD, OTHER, "score_"))]
    rows = check(rows[[*first, *own]].reset_index(drop=True), needs=_NEEDED)
    return Imported(rows, report_of(rows, found, (*left_out, *_beyond(found), *problems.notes, *said, *used)))


def _with_texts(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The completions whose prompt and response are known, and what is said of the others: no text is not an empty one."""
    if not table.num_rows:
        return table, []
    whole = table.filter(pc.and_(pc.is_valid(table["prompt"]), pc.is_valid(table["response"])))
    less = table.num_rows - whole.num_rows
    return whole, [f"{less:,} completions without a prompt or a response were left out."] if less else []


def _beyond(found: Found) -> list[str]:
    """What is said of columns that are too many."""
    count = found.skips.beyond
    words = f"{count:,} values stand in further columns: the first {MOST_COLUMNS:,} of the log were kept, the others left out."
    return [words] if count else []


def _weighed(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """With weight 1 where a completion was trained on, which is where its advantage is not 0; none where that is not known."""
    if "advantage" not in rows:
        return rows, []
    train = (rows["split"] == "train").to_numpy(bool)
    unknown = int(rows["advantage"].isna().to_numpy(bool)[train].sum())
    if unknown or not train.any():
        words = f"{unknown:,} advantages are not known, so which completions were trained on is not, either."
        return rows, [words] if unknown else []
    used = (rows["advantage"].fillna(0.0) != 0).to_numpy(bool) & train
    return rows.assign(weight=series(used.astype(float).tolist(), pa.float64(), rows.index)), []


def _samples(rows: pd.DataFrame) -> pd.Series:
    """The log's own indices where they tell all completions of a problem apart, else the order of writing."""
    key = ["round", "split", "problem", "sample"]
    if "sample" in rows and rows["sample"].notna().all() and not rows[key].duplicated().any():
        return rows["sample"]
    return samples_of(rows)


def _judged(rows: pd.DataFrame, asked: Asked, usual: str | None) -> tuple[pd.DataFrame, list[str]]:
    """With score, gold and answer, and what was done for them."""
    said: list[str] = []
    wanted = asked.get("answer")
    if isinstance(wanted, str):
        rows["answer"] = column_of(rows, wanted, "answer").map(_word)
    elif callable(wanted):
        rows["answer"] = series([text(wanted(each)) for each in rows["response"]], pa.string(), rows.index)
    elif wanted is not None:
        raise KnobError(f"answer must be a column or a function of a response, got {type(wanted).__name__}")
    rows, scored = _scored(rows, asked.get("score"), usual)
    said += scored
    gold = asked.get("gold")
    if gold is not None:
        rows["gold"] = gold_of(rows, gold)
        if wanted is None and hasattr(gold, "answers"):  # a task reads answers, too
            rows["answer"] = gold.answers(rows)
        said.append(f"Truth is what gold={_name(gold)} says.")
    return rows, said


def _word(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _name(gold: Any) -> str:
    return repr(gold) if isinstance(gold, str) else getattr(gold, "__name__", type(gold).__name__)


def _scored(rows: pd.DataFrame, score: Score | None, usual: str | None) -> tuple[pd.DataFrame, list[str]]:
    """The verifier's score: the reward that was named, else the one that the format calls so, else the only one."""
    if score is not None:
        name, *ends = (score,) if isinstance(score, str) else score
        values, note = _scaled(column_of(rows, name, "score"), name, ends)
        return rows.assign(score=values), note
    rewards = {str(name).removeprefix(REWARD): rows[name] for name in rows if str(name).startswith(REWARD)}
    known = {name: raw for name, raw in rewards.items() if raw.notna().any()}
    inside = {name: raw for name, raw in known.items() if raw.min() >= 0 and raw.max() <= 1}
    chosen = usual if usual in known else next(iter(known)) if len(known) == 1 else None
    further = {f"score_{name}": raw for name, raw in inside.items() if name != chosen}
    if "score" in rows or not known:
        return rows.assign(**further), []
    if chosen in inside:
        return rows.assign(score=inside[chosen], **further), [f"The score is the reward {chosen}."]
    spans = ", ".join(f"{name} ({raw.min():.3g} … {raw.max():.3g})" for name, raw in known.items())
    why = "for it leaves 0 … 1" if chosen else "for a guess could be wrong"
    return rows.assign(**further), [f"No reward was taken for the score, {why}: {spans}. Name one: score={_SCALED}."]


def _known_numbers(raw: pd.Series, name: str) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(raw.dtype) or raw.isna().all():
        raise KnobError(f"score={name!r}: the column holds no number; name a reward")
    return pd.Series(pd.arrays.ArrowExtensionArray(numbers_of(pa.array(raw))), index=raw.index)


def _scaled(raw: pd.Series, name: str, ends: list[float]) -> tuple[pd.Series, list[str]]:
    low, high = ends or (0.0, 1.0)
    raw = _known_numbers(raw, name)
    if not -np.inf < low < high < np.inf:
        raise KnobError(f"score=({name!r}, low, high) needs low < high, got {low!r} and {high!r}")
    least, most = float(raw.min()), float(raw.max())
    if least < low or most > high:
        raise KnobError(
            f"score={name!r} must lie in {low:g} … {high:g}, got {least:g} … {most:g}; "
            f"say its range: score=({name!r}, {min(least, low):g}, {max(most, high):g})"
        )
    note = f"The score is the reward {name}" + (f", scaled from {low:g} … {high:g} to 0 … 1." if ends else ".")
    return (raw - low) / (high - low), [note]


__all__ = ["Asked", "Imported", "assembled", "problem_id"]
