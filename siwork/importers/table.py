"""Any table: the user says which column is what; one completion a row, or lists of completions a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from siwork.files.lines import Skips, counted
from siwork.files.sources import Row, Source, rows_of, sources_of
from siwork.files.values import real, said, shown, truth, whole
from siwork.importers.checkpoints import rounds_of, step_in
from siwork.importers.found import OTHER, PLAIN, REWARD, Collected, Found, together
from siwork.importers.shared import complete
from siwork.schema import ImportFormatError, KnobError, nearest
from siwork.schema.tables import ROWS

Columns = Mapping[str, str | Sequence[str]]
KIND = "a table with named columns"
_SEEN = {  # names in use, the likeliest first
    "prompt": "prompt problem question instruction input query messages",
    "response": "completion completions response responses generation generations output outputs solution text",
    "target": "answer ground_truth gold target label",
    "reward": "reward rewards score scores correctness is_correct acc",
    "round": "step global_step round iteration epoch checkpoint",
}
_NAMES = {**dict.fromkeys(PLAIN), "problem": None, "reward": None}
_SHARED = ("prompt", "round", "split", "key", "target")  # of a problem, not of a completion
_RANGE = {column.name: (column.low, column.high) for column in ROWS}
_SPLITS = {"train": "train", "training": "train", "beyond": "beyond", "heldout": "heldout"} | dict.fromkeys(
    ("test", "validation", "valid", "val", "eval", "dev", "held_out"), "heldout"
)
_ABSENT = object()
_PEEK = 1000  # rows whose names are told when none were named


class _Plan(NamedTuple):
    """Which column is what."""

    ours: dict[str, str]  # ours to theirs
    rewards: dict[str, str]  # name of the reward to theirs

    @property
    def theirs(self) -> set[str]:
        return {*self.ours.values(), *self.rewards.values()}

    @property
    def inner(self) -> dict[str, list[str]]:
        """The names that may lead into a column of objects, as "metrics.acc", taken apart."""
        return {name: name.split(".") for name in self.theirs if "." in name}


def read(
    table: Any, columns: Columns | None, rewards: Sequence[str] = (), only: Collection[str] | None = None
) -> Found:
    """The completions of a file, a folder or a frame.

    columns : our names to theirs, dotted within objects, as "metrics.acc"; "reward" may name several columns,
        "reward_<name>" names one anew
    rewards : further columns of raw rewards, if there are such
    only : columns that are read beside those; None reads all

    Raises
    ------
    KnobError for a name that is none of ours or theirs, or when prompt or response are not named; ImportFormatError when
    there are no rows, or truth or score are none.
    """
    sources = _sources(table)
    skips, tallies, names = Skips(), Counter[str](), set[str]()
    plan = _plan(columns, sources, skips, rewards)
    rounds, how = rounds_of([source.name for source in sources], "the folder", last=False)
    if all(step_in(source.name) is None for source in sources):
        rounds = dict.fromkeys(rounds, 0)
        how = "No column was named for the round, nor a folder by a step: all is round 0."
    read_only = None if only is None else {*only, *plan.theirs, *(steps[0] for steps in plan.inner.values())}
    parts = [_part(source, plan, rounds[source.name], read_only, skips, tallies, names) for source in sources]
    missing = [name for name in plan.theirs if name not in names and name not in rewards]
    if missing and (there := _peek(sources, Skips())):
        raise KnobError(f"columns: the table has no column {missing[0]!r}; {nearest(missing[0], there)}")
    found, notes = _numbered(together(parts), f"{OTHER}{plan.ours.get('round', '')}")
    found, partly = complete(found)
    _see_range(found)
    said_so = [] if "round" in plan.ours else [how]
    return Found(KIND, _run(table), found, skips, (*said_so, *notes, *partly, *_told(tallies)))


def _sources(table: Any) -> list[Source]:
    if isinstance(table, (str, Path)):
        return sources_of(Path(table))
    frame = table.to_pandas() if hasattr(table, "to_pandas") else table
    if not hasattr(frame, "iloc") or not hasattr(frame, "columns"):
        raise KnobError(f"from_table needs a path, a DataFrame or something with to_pandas, got {type(table).__name__}")
    return [Source("frame", "train", Path("frame"), frame)]


def _run(table: Any) -> str:
    if not isinstance(table, (str, Path)):
        return "table"
    path = Path(table).resolve()
    return path.stem if path.is_file() else path.name


# ── which column is what ───────────────────────────────────────────────────────────────────────────────
def _plan(columns: Columns | None, sources: Sequence[Source], skips: Skips, rewards: Sequence[str]) -> _Plan:
    ours: dict[str, str] = {}
    named: dict[str, str] = {}
    for name, theirs in (columns or {}).items():
        several = [theirs] if isinstance(theirs, str) else list(theirs)
        if name == "reward":
            named |= {each: each for each in several}
        elif len(several) != 1 or not isinstance(several[0], str):
            raise KnobError(f"columns: {name!r} needs the name of one column, got {theirs!r}")
        elif name.startswith(REWARD):
            named[name.removeprefix(REWARD)] = several[0]
        elif name in _NAMES:
            ours["key" if name == "problem" else name] = several[0]
        else:
            raise KnobError(f"columns: {name!r} is no name of ours; {nearest(name, _NAMES)}")
    if "prompt" not in ours or "response" not in ours:
        raise KnobError(_likely(_peek(sources, skips)))
    there = [each for each in rewards if each not in (*ours.values(), *named.values())]
    return _Plan(ours, named | {each: each for each in there})


def _peek(sources: Sequence[Source], skips: Skips) -> dict[str, None]:
    """Names in the first rows."""
    found: dict[str, None] = {}
    for _, row in islice((one for source in sources for one in rows_of(source, skips)), _PEEK):
        objects = {name: value for name, value in row.items() if isinstance(value, dict)}
        found |= dict.fromkeys([*map(str, row), *(f"{name}.{key}" for name, value in objects.items() for key in value)])
    return found


def _likely(names: Mapping[str, None]) -> str:
    """What is said when prompt and response were not named."""
    if not names:
        return "columns= must name prompt and response, but no row could be read"
    lower = {name.lower(): name for name in reversed(list(names))}
    guess = {ours: next((lower[one] for one in seen.split() if one in lower), None) for ours, seen in _SEEN.items()}
    likely = ", ".join(f"{ours!r}: {theirs!r}" for ours, theirs in guess.items() if theirs is not None)
    there = ", ".join(list(names)[:30])
    return f"columns= must name prompt and response; the table has {there}. Likely: columns={{{likely}}}"


# ── rows ───────────────────────────────────────────────────────────────────────────────────────────────
def _part(
    source: Source,
    plan: _Plan,
    round: int,
    only: Collection[str] | None,
    skips: Skips,
    tallies: Counter[str],
    names: set[str],
) -> pa.Table:
    part, theirs, inner = Collected(skips), plan.theirs, plan.inner
    for number, whole_row in rows_of(source, skips, only):
        row = {str(name): value for name, value in whole_row.items() if only is None or name in only}
        row |= {name: value for name, value in _inside(row, inner) if name not in row}
        names |= theirs & row.keys()
        (shared, label), why = _shared(row, plan, source.split)
        several, wide = _completions(row.get(plan.ours["response"]))
        why = why or _misfit(row, several, wide, plan)
        if why:
            skips.add(source.path, number, why)
            continue
        for i, response in enumerate(several):
            if response is None:
                tallies["null"] += 1
            else:
                at = {str(name): _at(value, i, len(several)) if wide else value for name, value in row.items()}
                own, rewards, others = _of_completion(at, plan, tallies)
                part.add({"round": round, **shared, "response": response, **own}, rewards, {**others, **label})
    return part.table()


def _inside(row: Row, inner: Mapping[str, list[str]]) -> Iterator[tuple[str, Any]]:
    """Values within columns of objects, by their dotted names."""
    for name, steps in inner.items():
        value: Any = row
        for step in steps:
            value = value.get(step, _ABSENT) if isinstance(value, dict) else _ABSENT
        if value is not _ABSENT:
            yield name, value


def _at(value: Any, i: int, size: int) -> Any:
    return value[i] if isinstance(value, list) and len(value) == size else value


def _completions(value: Any) -> tuple[list[str | None], bool]:
    """The completions of a row as texts, None for one that is null, and whether it held a list of them.

    A list of messages is one completion.
    """
    if isinstance(value, list) and value and not all(isinstance(each, dict) for each in value):
        return [said(each) for each in value], True
    return [said(value)], False


def _misfit(row: Row, several: list[str | None], wide: bool, plan: _Plan) -> str:
    """Why a row cannot be read: no completion, or lists of another length beside it."""
    theirs = plan.ours["response"]
    if theirs not in row:
        return f"column {theirs!r} is not there"
    if not wide and several == [None] and row[theirs] is not None:
        return f"column {theirs!r} holds no text and no list of texts"
    for name in {theirs for ours, theirs in plan.ours.items() if ours not in _SHARED} | {*plan.rewards.values()}:
        value = row.get(name)
        if wide and isinstance(value, list) and len(value) != len(several):
            return f"column {name!r} holds {len(value)} values beside {len(several)} completions"
    return ""


def _shared(row: Row, plan: _Plan, split: str) -> tuple[tuple[Row, dict[str, str | None]], str]:
    """What is of the problem, and the round's name where it has no number; or why the row cannot be read."""
    found: Row = {"split": split, "prompt": said(row.get(plan.ours["prompt"]))}
    if found["prompt"] is None:
        return ({}, {}), f"column {plan.ours['prompt']!r} holds no text"
    for ours in ("key", "target"):
        if ours in plan.ours:
            value = row.get(plan.ours[ours])
            found[ours] = "\n".join(shown(each) or "" for each in value) if isinstance(value, list) else shown(value)
    if "split" in plan.ours:
        found["split"] = _SPLITS.get(str(row.get(plan.ours["split"])).strip().lower())
        if found["split"] is None:
            return ({}, {}), f"column {plan.ours['split']!r} must name a split, as train, test or heldout"
    if "round" not in plan.ours:
        return (found, {}), ""
    value = row.get(plan.ours["round"])
    number, name = _whole(value), shown(value) if isinstance(value, str) else None
    if (number is None and not name) or (number is not None and number < 0):
        return ({}, {}), f"column {plan.ours['round']!r} must be a whole number from 0, or a name"
    return (found | {"round": number}, {plan.ours["round"]: name if number is None else None}), ""


def _of_completion(at: Row, plan: _Plan, tallies: Counter[str]) -> tuple[Row, dict[str, float | None], Row]:
    """What is of one completion: columns of ours, rewards, and others as text; nested ones are left out."""
    own = {
        ours: _taken(ours, theirs, at.get(theirs), tallies)
        for ours, theirs in plan.ours.items()
        if ours not in _SHARED and ours != "response"
    }
    rewards = {name: _counted_real(at.get(theirs), tallies) for name, theirs in plan.rewards.items()}
    rest = {name: value for name, value in at.items() if name not in plan.theirs}
    tallies["nested"] += any(isinstance(value, (list, dict)) for value in rest.values())
    others = {name: shown(value) for name, value in rest.items() if not isinstance(value, (list, dict))}
    return own, rewards, others


def _taken(ours: str, theirs: str, value: Any, tallies: Counter[str]) -> Any:
    """A value in our type; what is of another kind, or out of range, is unknown and counted."""
    found = _AS[PLAIN[ours]](value)
    low, high = _RANGE.get(ours, (None, None)) if ours != "score" else (None, None)
    if found is not None and ((low is not None and found < low) or (high is not None and found > high)):
        found = None
    if found is None and not _missing(value):
        if ours == "gold":
            raise ImportFormatError(
                f"columns={{'gold': {theirs!r}}}: truth is 0 or 1, true or false, got {str(value)[:40]!r}; "
                "a right answer is 'target'"
            )
        tallies[f"odd {ours}"] += 1
    return found


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)  # NaN is not itself


def _counted_real(value: Any, tallies: Counter[str]) -> float | None:
    found = _real(value)
    tallies["odd reward"] += found is None and not _missing(value)
    return found


def _real(value: Any) -> float | None:
    """A number, also one in a text, as CSV has it."""
    if not isinstance(value, str):
        return real(value)
    try:
        return real(float(value))
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(value.strip().lower())


def _whole(value: Any) -> int | None:
    """A whole number, also one in a text."""
    if isinstance(value, str):
        bare = value.strip()
        return int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 19 else whole(_real(bare))
    return whole(value)


_AS: dict[pa.DataType, Callable[[Any], Any]] = {
    pa.string(): shown,
    pa.int64(): _whole,
    pa.float64(): _real,
    pa.bool_(): truth,
}


# ── afterwards ─────────────────────────────────────────────────────────────────────────────────────────
def _numbered(found: pa.Table, column: str) -> tuple[pa.Table, list[str]]:
    """Rounds that are names get numbers: their step, else their place in natural order.

    column : the names, null where the log has a number
    """
    if column not in found.column_names:
        return found, []
    if found[column].null_count == found.num_rows:
        return found.drop_columns([column]), []
    pairs = zip(found[column].to_pylist(), found["round"].to_pylist(), strict=True)
    names = [str(number) if name is None else name for name, number in pairs]
    rounds, how = rounds_of(names, "the round")
    numbers = pa.array([rounds[name] for name in names], pa.int64())
    return found.set_column(found.column_names.index("round"), "round", numbers), [how]


def _see_range(found: pa.Table) -> None:
    if "score" not in found.column_names or not found.num_rows:
        return
    ends = pc.min_max(found["score"]).as_py()
    if ends["min"] is not None and (ends["min"] < 0 or ends["max"] > 1):
        raise ImportFormatError(
            f"columns: a score lies in 0 … 1, got {ends['min']:g} … {ends['max']:g}; name the column 'reward' and pass "
            f"score=(its name, {ends['min']:g}, {ends['max']:g})"
        )


def _told(tallies: Counter[str]) -> Iterator[str]:
    words = "{{}} values of {} are of another kind or out of range; they are unknown."
    odd = {name: words.format(name[4:]) for name in tallies if name.startswith("odd ")}
    yield from counted(
        tallies,
        {
            "null": "{} completions are null, as a generation that failed; they were left out.",
            "nested": "{} completions have nested columns beside them that were not named; those were left out.",
            **odd,
        },
    )
