"""Lines that a log may hold although no trainer means to write them, and what a reader must make of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from siwork.importers.imported import Imported
from siwork.schema import ImportFormatError

LOGS = Path(__file__).parent / "golden" / "logs"

_ANY_TEXT = st.text(st.characters(codec=None), max_size=4) | st.sampled_from(
    ["1", "user", "stop", "\ud800", "a\0b", "-1"]
)
_LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.sampled_from([10**30, -(10**30), 10**400, 1e308, -1e308, 0.5])
    | st.floats()  # with NaN and infinity, which trainers write bare
    | _ANY_TEXT
)
VALUES = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner, max_size=3), max_leaves=8
)


def bent(line: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Lines like one that is right, with some fields lost or replaced, cut off, or garbage."""
    fields = st.fixed_dictionaries({}, optional={name: st.just(value) | VALUES for name, value in line.items()})
    changed = st.builds(lambda one, extra: one | extra, fields, st.dictionaries(_ANY_TEXT, VALUES, max_size=2))
    whole = st.just(line) | changed
    as_bytes = whole.map(lambda one: json.dumps(one).encode())
    cut = st.builds(lambda written, end: written[:end], as_bytes, st.integers(0, 60))
    return as_bytes | as_bytes | cut | st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b""))


def logs_of(line: dict[str, Any]) -> st.SearchStrategy[list[bytes]]:
    """Files of such lines."""
    return st.lists(bent(line), min_size=1, max_size=5)


def survives(reader: Callable[..., Imported], name: str, lines: Sequence[bytes], **asked: Any) -> None:
    """Rows and counted skips for as many lines as there are, or one error that names the file or the run."""
    with tempfile.TemporaryDirectory() as home:
        place = Path(home) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"\n".join(lines))
        try:
            found = reader(place, **asked)
        except ImportFormatError as error:
            assert str(error)  # noqa: PT017
        else:
            assert len(found.rows)
            assert str(found)


def write(place: Path, lines: Iterable[Any]) -> Path:
    """A file of JSON lines, with its folders."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return place


def figures(rows: pd.DataFrame, split: str = "train") -> dict[int, tuple[int, int, float, float]]:
    """Rows, prompts, pass@1 (mean over prompts) and distinct texts a row, by round."""
    found = {}
    for step, own in rows[rows["split"] == split].assign(right=rows["gold"].astype("float64")).groupby("round"):
        passed = own.groupby("prompt")["right"].mean().mean()
        distinct = own["response"].nunique() / len(own)
        found[int(step)] = (len(own), own["prompt"].nunique(), round(float(passed), 4), round(distinct, 4))
    return found


def said(found: Imported) -> str:
    """All notes as one text."""
    return "\n".join(found.report.notes)
