"""`report`: runs → one self-contained HTML page that needs no network, no kernel and no siwork to be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from siwork.markup import Html, element
from siwork.reporting import sections
from siwork.reporting.compare import Comparison, compare
from siwork.reporting.page import document, save
from siwork.reporting.questions import drawings, figures
from siwork.reporting.repeat import repeat
from siwork.reporting.samples import samples
from siwork.reporting.verdicts import verdicts
from siwork.store import Run

_PARTS = {
    "verdicts": "Verdicts",
    "findings": "What happened",
    "recipes": "Recipes",
    "figures": "Figures",
    "numbers": "Numbers",
    "samples": "Completions",
    "repeat": "Make it again",
}


def report(runs: Iterable[Run] | Comparison, path: str | Path, *, title: str | None = None) -> Path:
    """Write one HTML page on one or more runs: verdicts, findings in words, figures, numbers, completions, how to repeat it.

    The page is a single file: it loads nothing and sends nothing, and it follows the reader's light or dark setting.

    Parameters
    ----------
    runs : runs with at least one finished round, or what `compare` made of them; siblings that differ in the seed
        only are pooled
    path : the file, replaced when it exists; its folder is made where it is missing
    title : heading of the page; None names the recipes and the task

    Returns
    -------
    Path of the file.

    Raises
    ------
    Foreign without runs; Unfinished when no run has a finished round; RunError when a run cannot be read, two runs
    have one name, or the file cannot be written.
    """
    comparison = runs if isinstance(runs, Comparison) else compare(runs)
    return save(_page(comparison, title or _title(comparison)), path)


def _title(comparison: Comparison) -> str:
    names = [group.name for group in comparison.groups]
    tasks = dict.fromkeys(group.task for group in comparison.groups)
    return f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''} on {', '.join(tasks)}"


def _page(comparison: Comparison, title: str) -> str:
    drawn = drawings(comparison)
    main = element(
        "main",
        verdicts(comparison),
        sections.findings(comparison),
        sections.recipes(comparison),
        figures(comparison, drawn),
        sections.numbers(comparison),
        samples(comparison),
        repeat(comparison),
    )
    return document(title, _header(comparison, title), main, figures=[each.data for one in drawn for each in one.drawn])


def _header(comparison: Comparison, title: str) -> Html:
    runs = [run for group in comparison.groups for run in group.runs]
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    missing = f" Left out, no round finished: {', '.join(comparison.empty)}." if comparison.empty else ""
    links = [element("li", element("a", words, href=f"#{name}")) for name, words in _PARTS.items()]
    return element(
        "header",
        element("h1", title),
        element(
            "p",
            f"{_count(runs, 'run')}, {_count(comparison.groups, 'recipe')}. Written {when}.{missing}",
            class_="soft",
        ),
        element("nav", element("ul", *links), aria_label="parts of this page"),
    )


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
