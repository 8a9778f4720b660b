"""Untrusted text: model output, file names, error texts, logs. It is shown and nothing in it is markup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from siwork.schema import KnobError, nearest
from siwork_widgets.kit.plain import joined, marked

KINDS = ("", "soft", "strong", "added", "removed", "fault")
_LONGEST = 20_000  # characters


class Text(anywidget.AnyWidget):
    """Text as it is; it wraps, and scrolls when it is longer than `lines`. `label` names it for who cannot see it.

    >>> text = Text("x = 3", label="answer")
    >>> text.show("x = ", ("added", "4"))
    >>> text.text
    'x = 4'
    """

    _esm = Path(__file__).with_name("text.js")
    spans: t.List[Any] = t.List().tag(sync=True)
    label = t.Unicode("").tag(sync=True)
    lines = t.Int(20).tag(sync=True)

    def __init__(self, text: str = "", *, label: str = "", lines: int = 20) -> None:
        super().__init__(label=label, lines=lines)
        self.show(text)

    def show(self, *spans: str | tuple[str, str]) -> None:
        """Show these spans one after the other, each a text or (kind, text); cut at 20 000 characters in all.

        Raises KnobError for a kind that is not in `KINDS`.
        """
        found: list[list[str]] = []
        left = _LONGEST
        pairs = [("", span) if isinstance(span, str) else span for span in spans]
        for kind, text in pairs:
            if kind not in KINDS:
                raise KnobError(f"a span cannot be of kind {kind!r}; {nearest(kind, KINDS)}")
            found += marked(text[:left], kind)
            left -= min(left, len(text))
        more = sum(len(text) for _, text in pairs) - _LONGEST
        self.spans = found + ([["soft", f" … ({more:,} more characters)"]] if more > 0 else [])

    @property
    def text(self) -> str:
        """All that is shown, as one text."""
        return joined(self.spans)

    def static(self) -> dict[str, Any]:
        """What the static page needs to show the same."""
        return {"kind": "text", "state": {"spans": self.spans, "label": self.label, "lines": self.lines}}
