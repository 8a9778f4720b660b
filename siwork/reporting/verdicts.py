"""The first section of the page: what is wrong, since when, which round to go back to, and the completions that show it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np
import pandas as pd

from siwork.diagnosis import Diagnosis, Verdict
from siwork.markup import Html, element, join
from siwork.reporting.compare import Comparison, Group
from siwork.reporting.samples import examples_table
from siwork.reporting.sections import section
from siwork.reporting.states import (
    MARKS,
    TITLES,
    Together,
    counts,
    deciding,
    good,
    is_change,
    majority,
    rates,
    since,
    together,
)
from siwork.reporting.strip import strip
from siwork.store import Run

_EXAMPLES = 8  # completions a card
_SEEDS = 12  # runs listed one by one at most


def verdicts(comparison: Comparison) -> Html:
    """The verdicts on every group of siblings, those that matter first."""
    parts = [_of_group(group, comparison.diagnoses[group.name]) for group in comparison.groups]
    note = (
        "An alarm: the harm is there beyond doubt, and its 95 % limit is beyond the bound. Watch: the same with half of the "
        "bound, or the estimate alone is beyond it. "
        "Fine: a harm as large as the bound is excluded. Unknown: not measured, or too uncertain to say. Over several seeds "
        "the state is the worst that more than half of them are in, or in a worse one."
    )
    return section("verdicts", "Verdicts", element("p", note, class_="soft"), *parts)


def badge(state: str) -> Html:
    """A state as a word and a symbol in a box."""
    mark = element("span", MARKS[state], aria_hidden="true")
    return element("span", mark, f" {state}", class_=f"state {state}")


def _of_group(group: Group, diagnosis: Diagnosis) -> Html:
    runs = {run.name: run for run in group.runs}
    found = together(diagnosis)
    shown = ill(found)
    cards = [card(one, runs[one.shown.run]) for one in shown]
    return element(
        "div",
        heading(group, diagnosis),
        summary(group, diagnosis),
        element("div", *cards, class_="cards") if cards else "",
        rest([one for one in found if one not in shown]),
        class_="group",
    )


def ill(found: Sequence[Together]) -> list[Together]:
    """Those that have a card: an alarm or a watch, of most runs or of some."""
    return [one for one in found if one.state in ("alarm", "watch") or _apart(one)]


def heading(group: Group, diagnosis: Diagnosis) -> Html:
    """The name of the group and the state that most of its runs are in."""
    return element("h3", group.name, " ", badge(majority([_state(diagnosis, run.name) for run in group.runs])))


def rest(found: Sequence[Together], *, level: str = "h4") -> Html:
    """What is unknown, a small card each with the reason, and what is fine, in one line."""
    unknown = [_unknown(one, level) for one in found if one.state == "unknown"]
    fine = [TITLES[one.name] for one in found if one.state == "fine"]
    words = ", ".join(title[0].lower() + title[1:] for title in fine)
    line = element("p", badge("fine"), f" no sign of: {words}.") if fine else ""
    return join(element("div", *unknown, class_="cards") if unknown else "", line)


def _apart(one: Together) -> bool:
    """Whether some run is worse off than most."""
    return one.worst in ("alarm", "watch")


def _state(diagnosis: Diagnosis, run: str) -> str:
    return Diagnosis(v for v in diagnosis if v.run == run).state


def summary(group: Group, diagnosis: Diagnosis) -> Html:
    """How many seeds say what, the last good round, and, for a run folder, the command that goes back to it."""
    states = [_state(diagnosis, run.name) for run in group.runs]
    last = diagnosis.last_good
    said = counts(states)
    words = [f"Worst state: {said}{'; the seeds disagree' if len(set(states)) > 1 else ''}."] if said else []
    words.append(f"Last good round: {good([last[run.name] for run in group.runs])}.")
    back = next((run for run in group.runs if _state(diagnosis, run.name) == "alarm"), None)
    command: Html | str = ""
    if back is not None and last[back.name] not in (None, back.rounds_done - 1) and back.folder.is_dir():
        line = shlex.join(["siwork", "fork", str(back.folder.name), f"{back.name}-again", "--at", str(last[back.name])])
        offer = element("p", "Go back to it, and go on otherwise from there:", class_="soft")
        command = join(offer, element("pre", line, class_="command", tabindex="0"))
    return join(element("p", " ".join(words)), command)


def card(one: Together, source: Run | pd.DataFrame | None, *, level: str = "h4") -> Html:
    """One verdict: state, since when, in how many seeds, number against bound, why, error rates, completions.

    source : the run, or the rows, of which the verdict speaks; None leaves its completions out
    level : the heading's element
    """
    shown, states = one.shown, [v.state for v in one.each]
    head = element("p", badge(one.state), " ", _facts(one), class_="soft")
    why = [("Seen", shown.seen), ("Means", shown.means), ("To try", shown.advice)]
    body = [element("div", element("dt", name), element("dd", words)) for name, words in why if words]
    numbers = deciding(shown)
    named = f"{shown.run}: " if len(states) > 1 and numbers else ""
    return element(
        "article",
        element(level, TITLES[one.name], " ", element("code", one.name)),
        head,
        strip(shown, is_change(shown)),
        element("p", named, numbers, class_="number soft") if numbers else "",
        element("dl", *body, class_="facts"),
        element("p", _capital(rates(shown)), ".", class_="soft"),
        _seeds(one),
        "" if source is None else _completions(shown, source),
        class_=f"card {one.state}",
    )


def _facts(one: Together) -> str:
    """In how many seeds, and since when."""
    states, shown = [v.state for v in one.each], one.shown
    dated = since([v for v in one.each if v.state == shown.state])
    if len(set(states)) > 1:
        return f"{counts(states)}; the seeds disagree" + (f"; {shown.state} {dated}" if dated else "")
    return ", ".join(part for part in (counts(states), dated) if part)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _seeds(one: Together) -> Html:
    """Each run in a line of its own."""
    if len(one.each) < 2:
        return Html("")
    items = [element("li", badge(v.state), f" {v.run}", _told(v)) for v in one.each[:_SEEDS]]
    more = len(one.each) - _SEEDS
    items += [element("li", f"and {more} more")] if more > 0 else []
    return element("details", element("summary", "Seed by seed"), element("ul", *items, class_="seeds"))


def _told(verdict: Verdict) -> str:
    words = [part for part in (since([verdict]), deciding(verdict)) if part]
    return f": {', '.join(words)}" if words else ""


def _completions(verdict: Verdict, source: Run | pd.DataFrame) -> Html:
    """The completions that show it, as text."""
    rows = verdict.rows(source, _EXAMPLES)
    if rows.empty:
        return Html("")
    rounds = ", ".join(f"{r}" for r in np.unique(rows["round"].to_numpy()))
    about = f"{len(rows)} completions that show it: {verdict.run}, round {rounds}, {rows['split'].iloc[0]}"
    return element("details", element("summary", about), examples_table(rows, about), class_="rows")


def _unknown(one: Together, level: str) -> Html:
    """What could not be judged, with the reason."""
    shown = one.shown
    return element(
        "article",
        element(level, TITLES[one.name], " ", element("code", one.name)),
        element("p", badge("unknown"), " ", counts([v.state for v in one.each]), class_="soft"),
        element("p", " ".join(part for part in (shown.seen, shown.advice) if part), class_="soft"),
        class_="card unknown",
    )
