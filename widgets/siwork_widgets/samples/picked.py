"""One completion with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as w

from siwork.figures.marks import BAND_WORDS
from siwork.schema.numbers import number
from siwork_widgets.kit.table import Table
from siwork_widgets.kit.text import Text
from siwork_widgets.samples.reading import UNKNOWN, reference

_ABSENT = {  # what a null says where it does not say that nobody knows
    "answer": "none could be read",
    "parent": "none, a first attempt",
    "pair": "in no pair",
    "side": "in no pair",
    "claimed_error": "none claimed",
}
_NAMES = {
    "gold": "truth",
    "weight": "weight in the update",
    "logp": "log-probability",
    "logp_token": "log-probability a token",
    "base_logp": "log-probability in round 0",
    "entropy": "mean next-token entropy",
    "n_tokens": "length",
    "parent": "sample it revises",
    "claimed_error": "first wrong step by the verifier",
    "steps": "steps as executed",
}
_UNITS = {"entropy": "nats", "n_tokens": "tokens", "logp": "nats", "base_logp": "nats", "logp_token": "nats"}
_FACTS = (
    *("answer", "gold", "score", "score_", "verifier", "weight", "pair", "side", "logp", "logp_token", "base_logp"),
    *(
        "entropy",
        "n_tokens",
        "finished",
        "temperature",
        "top_p",
        "hint",
        "turn",
        "parent",
        "agent",
        "difficulty",
        "band",
    ),
)
_WHERE_THERE = ("steps", "claimed_error")


class Picked(w.VBox):
    """The completion that is being read: prompt, response, facts, and the line that names it."""

    def __init__(self) -> None:
        self.prompt = Text(label="prompt", lines=10)
        self.response = Text(label="response", lines=30)
        self.facts = Table(["about it", "value"], label="about this completion")
        self.reference = w.Text(description="reference", layout={"width": "auto"})
        for widget, kind in ((self.prompt, "prompt"), (self.response, "response"), (self.facts, "facts")):
            widget.add_class(f"sw-samples-{kind}")
        self.reference.add_class("sw-samples-reference")
        said = [w.Label("Prompt"), self.prompt, w.Label("Response"), self.response, self.reference]
        whole = w.VBox(said, layout={"flex": "3 1 0", "min_width": "0"})
        about = w.VBox([self.facts], layout={"flex": "2 1 0", "min_width": "0"})
        super().__init__([w.HBox([whole, about])], layout={"display": "none"})

    def show(self, row: Mapping[str, Any]) -> None:
        """Show a row of the row table, None for null."""
        self.prompt.show(_text(row, "prompt"))
        self.response.show(_text(row, "response"))
        self.facts.show(facts(row))
        self.reference.value = str(reference(row))
        self.layout.display = ""


def facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of a completion, in words; what is not known says so.

    >>> facts({"gold": None})[1], facts({"logp": -3.0, "n_tokens": 6})[8]
    (('truth', 'unknown'), ('log-probability a token', '−0.500 nats'))
    """
    tokens, logp = row.get("n_tokens"), row.get("logp")
    row = {**row, "logp_token": logp / tokens if logp is not None and tokens else None}
    found = []
    for name in (*_FACTS, *(name for name in _WHERE_THERE if name in row)):
        if name == "score_":
            found += [(f"score of {key[6:]}", _value(row, key)) for key in row if key.startswith("score_")]
        else:
            found.append((_label(name), _value(row, name)))
    return found


def _label(name: str) -> str:
    return _NAMES.get(name) or name.replace("_", " ")


def _value(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return _ABSENT.get(name, UNKNOWN) if name in row else UNKNOWN
    if name == "gold":
        return "right" if value else "wrong"
    if name == "band":
        return f"{value} ({BAND_WORDS[value]})" if 0 <= value < len(BAND_WORDS) else str(value)
    if isinstance(value, bool):
        return "yes" if value else "no: cut off"
    shown = number(value) if isinstance(value, float) else str(value)
    return f"{shown} {_UNITS[name]}" if name in _UNITS else shown


def _text(row: Mapping[str, Any], name: str) -> str | tuple[str, str]:
    value = row.get(name)
    return ("soft", UNKNOWN) if value is None else ("", str(value)) if value else ("soft", "(empty)")
