"""How verdicts look in a notebook, and the words that other pages share with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from siwork.diagnosis.signs import QUESTIONS
from siwork.diagnosis.verdict import STATES, Diagnosis, Verdict
from siwork.markup import SOFT, Html, element, grid, join, label, sheet, short
from siwork.schema.numbers import interval, number

MARKS = {"alarm": "✕", "watch": "▲", "fine": "✓", "unknown": "?"}
TITLES = {
    "diversity_decay": "Fewer different right answers",
    "tail_narrowing": "Hard problems lost from the training data",
    "verifier_calibration": "A judge that errs in other ways",
    "collapse": "Collapse",
    "reward_hacking": "Score without truth",
    "template_collapse": "One template for all problems",
    "length_collapse": "Length out of hand",
    "saturation": "Nothing left to select",
    "dead_groups": "Problems that teach nothing",
    "data_quality": "Data too weak to judge by",
}
_LEVELS = frozenset((q.name, sign.metric) for q in QUESTIONS for sign in q.signs if sign.level)
_BADGE = "border:1px solid currentColor;border-radius:4px;padding:0 6px;white-space:nowrap"
_WHOLE = 12  # runs whose verdicts are all told
_MOST = 60  # lines of a table of runs


def verdict_sheet(verdict: Verdict) -> Html:
    """One verdict: state, since when, last good round, why, the number against its bound, error rates."""
    good = f"last good round {'none' if verdict.last_good is None else verdict.last_good}"
    return sheet(_card(verdict, f"run {verdict.run}", good))


def diagnosis_sheet(diagnosis: Diagnosis) -> Html:
    """The verdicts of a run, those that matter first; of several runs a line each, and each folded below."""
    if not diagnosis:
        return sheet("No verdicts: nothing was asked.")
    runs = [(run, Diagnosis(v for v in diagnosis if v.run == run)) for run in diagnosis.runs]
    if len(runs) == 1:
        return sheet(_of_run(*runs[0]))
    lines = [(label(run), badge(own.state), _round(own[0].last_good), _ill(own)) for run, own in runs[:_MOST]]
    left = len(runs) - _MOST
    more = element("div", f"and {left} more; .table() has all", style=SOFT) if left > 0 else ""
    each = [element("details", element("summary", short(run)), _of_run(run, own)) for run, own in runs[:_WHOLE]]
    return sheet(_counted(runs), grid(("run", "state", "last good round", "harm"), lines), more, *each)


def badge(state: str) -> Html:
    """A state as a symbol and a word."""
    return element("span", element("span", MARKS.get(state, "?"), aria_hidden="true"), f" {state}", style=_BADGE)


def deciding(verdict: Verdict) -> str:
    """The number that decides, with its interval, beside its bound; empty where there is none."""
    if math.isnan(verdict.value):
        return ""
    signed = is_change(verdict)
    value = interval(verdict.value, verdict.low, verdict.high, sign=signed)
    unit = f" {verdict.unit}" if verdict.unit else ""
    at = "" if verdict.round is None else f" {'by' if signed else 'in'} round {verdict.round}"
    bound = "" if math.isnan(verdict.bound) else f"; bound {_bound(verdict, signed)}"
    return f"{verdict.metric} {value}{unit}{at}{bound}"


def is_change(verdict: Verdict) -> bool:
    """Whether the deciding number is a change since the first round, and not a level."""
    return (verdict.name, verdict.metric) not in _LEVELS


def rates(verdict: Verdict) -> str:
    """The measured error rates in words."""
    return "error rates not measured" if verdict.rates is None else str(verdict.rates)


def _bound(verdict: Verdict, signed: bool) -> str:
    beside = [x for x in (verdict.value, verdict.low, verdict.high) if not math.isnan(x)]
    return number(verdict.bound, *beside, sign=signed)


def _card(verdict: Verdict, *facts: str) -> Html:
    since = [] if verdict.since is None else [f"since round {verdict.since}"]
    head = element("strong", _title(verdict))
    about = join(badge(verdict.state), " ", head, " ", element("code", verdict.name), " ")
    beside = element("span", short(" · ".join([*since, *facts])), style=SOFT)
    why = [element("div", short(words)) for words in (verdict.seen, verdict.means, verdict.advice) if words]
    small = [element("div", short(words), style=SOFT) for words in (deciding(verdict), rates(verdict)) if words]
    return element("div", element("div", about, beside), *why, *small, style="margin:6px 0")


def _of_run(run: str, own: Diagnosis) -> Html:
    """What is ill in full, what is unknown with its reason, what is fine in one line."""
    head = element(
        "div", element("code", short(run)), " ", badge(own.state), f" last good round {_round(own[0].last_good)}"
    )
    ill = [_card(v) for v in own if v.state in ("alarm", "watch")]
    unknown = [(badge("unknown"), _title(v), v.seen) for v in own if v.state == "unknown"]
    fine = ", ".join(_title(v)[0].lower() + _title(v)[1:] for v in own if v.state == "fine")
    well = element("div", badge("fine"), f" no sign of: {fine}.") if fine else ""
    return element("div", head, *ill, grid((), unknown) if unknown else "", well, style="margin:6px 0")


def _counted(runs: Sequence[tuple[str, Diagnosis]]) -> Html:
    found = Counter(own.state for _, own in runs)
    said = ", ".join(f"{state} in {found[state]}" for state in STATES if found[state])
    return element("div", element("strong", "Diagnosis"), f" of {len(runs)} runs: {said}")


def _ill(own: Diagnosis) -> str:
    return ", ".join(f"{v.name} ({v.state})" for v in own if v.state in ("alarm", "watch"))


def _round(last_good: int | None) -> str:
    return "none" if last_good is None else str(last_good)


def _title(verdict: Verdict) -> str:
    return TITLES.get(verdict.name, verdict.name)
