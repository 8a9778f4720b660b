"""How an import looks in a notebook: the capability report as a table."""

from __future__ import annotations

from siwork.importers.capability import Report
from siwork.markup import SOFT, Html, element, grid, join, label, sheet

_MARKS = {"yes": "✓ yes", "partly": "▲ partly", "no": "✕ no"}


def imported_sheet(report: Report) -> Html:
    """The report: each question with what can be said of it and why, then the notes."""
    lines = [(one.question, _MARKS[one.can], one.why, one.next or "") for one in report.capabilities]
    head = element(
        "div", element("strong", "Import"), " ", label(report.run), " ", element("span", report.kind, style=SOFT)
    )
    notes = element("ul", *(element("li", note) for note in report.notes)) if report.notes else ""
    skipped = element("p", f"Skipped: {report.places}.") if report.skipped else ""
    return sheet(head, grid(("question", "can it be said?", "why", "next"), lines), join(notes, skipped))
