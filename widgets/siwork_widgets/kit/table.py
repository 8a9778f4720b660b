"""Rows of untrusted text, to look through and to pick from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from siwork_widgets.kit.plain import cell, seen

_LONGEST = 400  # characters of a cell
_MOST = 500  # rows


class Table(anywidget.AnyWidget):
    """A table whose rows can be picked and whose heads ask for sorting, by mouse and by keyboard.

    on_pick : called with the number of the picked row, from 0
    on_sort : called with the number of the column and whether the greatest shall come first; it shows the sorted rows

    >>> table = Table(["round", "answer"], label="completions")
    >>> table.show([["0", "x = 3"], ["1", "x = 4"]], chosen=1)
    >>> table.chosen
    1
    """

    _esm = Path(__file__).with_name("table.js")
    columns: t.List[Any] = t.List().tag(sync=True)
    rows: t.List[Any] = t.List().tag(sync=True)
    chosen = t.Int(None, allow_none=True).tag(sync=True)
    sorted_by: t.List[Any] = t.List().tag(sync=True)  # number of the column, whether the greatest comes first; or empty
    label = t.Unicode("").tag(sync=True)
    note = t.Unicode("").tag(sync=True)
    picks = t.Bool(False).tag(sync=True)
    sorts = t.Bool(False).tag(sync=True)

    def __init__(
        self,
        columns: Sequence[str],
        *,
        label: str,
        on_pick: Callable[[int], None] | None = None,
        on_sort: Callable[[int, bool], None] | None = None,
    ) -> None:
        heads = [cell(name, _LONGEST) for name in columns]
        super().__init__(columns=heads, label=seen(label), picks=on_pick is not None, sorts=on_sort is not None)
        self._on_pick, self._on_sort = on_pick, on_sort
        self.on_msg(self._heard)

    def show(
        self,
        rows: Sequence[Sequence[str]],
        *,
        chosen: int | None = None,
        sorted_by: tuple[int, bool] | None = None,
        note: str = "",
    ) -> None:
        """Show these rows; only the first 500 are sent, cells are cut at 400 characters.

        chosen : number of the row that is marked, from 0
        sorted_by : number of the column and whether the greatest comes first
        note : a sentence below the table
        """
        left = len(rows) - _MOST
        more = f"The first {_MOST} rows; {left:,} more are not shown. " if left > 0 else ""
        with self.hold_sync():
            self.rows = [[cell(text, _LONGEST) for text in row] for row in rows[:_MOST]]
            self.chosen = chosen
            self.sorted_by = list(sorted_by or ())
            self.note = more + seen(note)

    def static(self) -> dict[str, Any]:
        """What the static page needs to show the same; nothing can be picked there."""
        names = ("columns", "rows", "chosen", "sorted_by", "label", "note")
        return {
            "kind": "table",
            "state": {name: getattr(self, name) for name in names} | {"picks": False, "sorts": False},
        }

    def _heard(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, dict):
            return
        row, column = content.get("pick"), content.get("sort")
        if self._on_pick is not None and isinstance(row, int) and 0 <= row < len(self.rows):
            self.chosen = row
            self._on_pick(row)
        if self._on_sort is not None and isinstance(column, int) and 0 <= column < len(self.columns):
            self._on_sort(column, bool(content.get("down")))
