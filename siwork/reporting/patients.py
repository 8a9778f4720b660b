"""Pages on runs whose failure was planted: what was planted, what was found, and the figure that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from siwork.diagnosis import Diagnosis
from siwork.figures import fig_calibration, fig_collapse, fig_curves, fig_diversity, fig_tail
from siwork.figures.table import series_of, tidy
from siwork.markup import Html, element, join
from siwork.reporting.drawing import described, drawing
from siwork.reporting.page import document
from siwork.reporting.sections import grid, section
from siwork.reporting.states import together
from siwork.reporting.verdicts import card, rest

_FIGURES: dict[str, tuple[Callable[[pd.DataFrame], Any], str]] = {  # by verdict: the figure, and the split it is of
    "": (partial(fig_curves, metrics=["pass@1", "right_variety", "mean_score"]), "heldout"),
    "diversity_decay": (fig_diversity, "heldout"),
    "tail_narrowing": (fig_tail, "train"),
    "verifier_calibration": (fig_calibration, "train"),
    "collapse": (fig_collapse, "heldout"),
    "reward_hacking": (fig_collapse, "heldout"),
    "template_collapse": (partial(fig_curves, metrics=["cross_distance", "answer_entropy", "pass@1"]), "heldout"),
    "length_collapse": (partial(fig_curves, metrics=["mean_tokens", "unfinished_rate", "pass@1"]), "heldout"),
    "saturation": (partial(fig_curves, metrics=["gv_gap"], split="train"), "train"),
    "dead_groups": (partial(fig_curves, metrics=["dead_groups", "pass@1"], split="train"), "train"),
}
_MARKS = ("●", "■")  # as in the figures: the first series and the second


class Patient(NamedTuple):
    """A labelled run with what was found in it."""

    name: str
    sentence: str  # what was planted
    hint: str  # what to look at
    expected: str  # the verdict that must alarm, empty for a healthy run
    onset: int | None  # first harmed round
    rows: pd.DataFrame
    table: pd.DataFrame  # metric table of the rows
    diagnosis: Diagnosis


def expectation(patient: Patient) -> str:
    """What must be found, in words."""
    if not patient.expected:
        return "no alarm"
    return f"alarm: {patient.expected}" + ("" if patient.onset is None else f" since round {patient.onset}")


def findings(patient: Patient) -> str:
    """What was found, in words: alarms and what is watched."""
    parts = []
    for state in ("alarm", "watch"):
        there = [v for v in patient.diagnosis if v.state == state]
        named = [v.name + ("" if v.since is None else f" since round {v.since}") for v in there]
        parts += [f"{state}: {', '.join(named)}"] if named else []
    return "; ".join(parts) or f"no alarm, nothing to watch ({patient.diagnosis.state})"


def patient_page(patient: Patient, healthy: Patient, setting: str) -> str:
    """One page: the labelled run beside the healthy one of equal size and seed.

    setting : size and seed in words
    """
    table = tidy(
        pd.concat([one.table for one in {one.name: one for one in (patient, healthy)}.values()], ignore_index=True)
    )
    make, split = _FIGURES.get(patient.expected, _FIGURES[""])
    series = series_of(table)
    known = (patient.expected and patient.diagnosis.of(patient.expected).metric) or "pass@1"
    sentence = described(table, "The labelled run and the healthy one", [(known, split)])
    drawn = drawing(make(table), sentence, patient.hint, wide=True)
    key = [
        element("li", element("span", f"{mark} ", style=f"color:{one.colour}"), one.name)
        for one, mark in zip(series, _MARKS, strict=False)
    ]
    body = element(
        "main",
        section("planted", "What was planted", element("p", patient.sentence)),
        section("found", "What was found", _both(patient, healthy), _cards(patient)),
        section("figure", "What it looks like", element("ul", *key, class_="key"), _NO_SCRIPT, drawn.markup),
    )
    head = element(
        "header",
        element("h1", f"Clinic: {patient.name}"),
        element("p", setting, class_="soft"),
        element(
            "nav", element("ul", element("li", element("a", "All cases", href="index.html"))), aria_label="other pages"
        ),
    )
    return document(f"Clinic: {patient.name}", head, body, figures=[drawn.data])


_NO_SCRIPT = Html("<noscript><p>The figure needs JavaScript; what it shows is said in the cards above.</p></noscript>")


def _both(patient: Patient, healthy: Patient) -> Html:
    lines = [("Expected", expectation(patient)), ("Found", findings(patient))]
    if healthy.name != patient.name:
        lines.append(("In the healthy run", findings(healthy)))
    return element(
        "dl", *(element("div", element("dt", name), element("dd", words)) for name, words in lines), class_="facts"
    )


def _cards(patient: Patient) -> Html:
    """The expected verdict first, then whatever else alarms or is watched; the others in one line."""
    found = together(patient.diagnosis)
    shown = [one for one in found if one.name == patient.expected]
    shown += [one for one in found if one.state in ("alarm", "watch") and one not in shown]
    cards = [card(one, patient.rows, level="h3") for one in shown]
    return join(element("div", *cards, class_="cards"), rest([one for one in found if one not in shown], level="h3"))


def index_page(patients: Sequence[Patient], healthy: Patient, setting: str) -> str:
    """The list of the cases, each with what was expected and found, and a link to its page."""
    rows = [
        [element("a", one.name, href=f"{one.name}.html"), one.sentence, expectation(one), findings(one)]
        for one in patients
    ]
    words = "Labelled runs: what was planted, what must be found, what was found"
    table = grid(["case", "planted", "expected", "found"], rows, words)
    head = element(
        "header",
        element("h1", "Failure clinic"),
        element("p", f"{setting}. The healthy run of the same size and seed: {findings(healthy)}.", class_="soft"),
    )
    return document("Failure clinic", head, element("main", element("div", table, class_="prose")))
