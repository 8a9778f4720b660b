"""The simulator's figures, one a question, as plain dictionaries: they are drawn again at every move of a slider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from siwork.figures.marks import BAND_WORDS
from siwork.figures.theme import COLOURS, INK, faded, interval, number, plain
from siwork.schema import BANDS
from siwork.simulation import Gaussian, gaussian, gaussian_theory
from siwork_widgets.kit.sketch import Curve, Sketch, fitted
from siwork_widgets.simulator.worlds import Frame, Law, Line

_TRUTH, _LAW = "exact", "law"
_LOOK = {_TRUTH: "dash", _LAW: "dot"}
_LOOPS = 20  # Gaussian loops that are drawn
Wanted = tuple[str, str, str]  # metric, split, what the panel calls it


class View(NamedTuple):
    """What is drawn beside the estimates."""

    truth: bool  # the exact value of every estimate, dashed
    laws: Sequence[Law] | None  # dotted, with the reasons for those that do not hold; None shows no theory


def performance(frame: Frame, view: View) -> Sketch:
    """How often one try, and the best of many, is right; and pass@k against k, first round and last."""
    sketch = Sketch(2)
    most = max(frame.tries, default=1)
    wanted = [("pass@1", frame.split, "pass@1"), ("pass@k", frame.split, f"pass@{most}")]
    laws = _panel(sketch, 0, frame, view, wanted, share=True)
    sketch.head(0, "Right in one try, and in many", _key(view, laws))
    _fan(sketch, 1, frame)
    return sketch


def diversity(frame: Frame, view: View) -> Sketch:
    """How many different right answers there are, and the chance that two answers differ beside the law of drift."""
    sketch = Sketch(2)
    _panel(sketch, 0, frame, view, [("distinct_correct", frame.split, "found")])
    tries = frame.line("distinct_correct", frame.split)
    many = "" if tries is None else f" in {tries.k:.0f} tries"
    sketch.head(0, f"Different right ones{many}", _key(view, ()))
    wanted = [("right_variety", frame.split, "right"), ("gini_simpson", frame.split, "all")]
    laws = _panel(sketch, 1, frame, view, wanted, share=True)
    sketch.head(1, "Chance that two differ", _key(view, laws))
    return sketch


def tail(frame: Frame, view: View) -> Sketch:
    """Where the training data come from, and whether hard problems still give any."""
    sketch = Sketch(2)
    _bands(sketch, 0, frame)
    wanted = [("tail_coverage", "train", "reached"), ("tail_share", "train", "share")]
    _panel(sketch, 1, frame, view, wanted, share=True)
    sketch.head(1, "The two hardest fifths", _key(view, ()))
    return sketch


def verifier(frame: Frame, view: View) -> Sketch:
    """How the verifier errs, and what it says beside what is true."""
    sketch = Sketch(2)
    wanted = [
        ("false_positive_rate", "train", "wrong in"),
        ("false_negative_rate", "train", "right out"),
        ("ece", "train", "ECE"),
    ]
    _panel(sketch, 0, frame, view, wanted, share=True)
    sketch.head(0, "How the verifier errs", _key(view, ()))
    _panel(sketch, 1, frame, view, [("mean_score", "train", "score"), ("mean_gold", "train", "truth")], share=True)
    sketch.head(1, "Score and truth", _key(view, ()))
    return sketch


def collapse(frame: Frame, view: View) -> Sketch:
    """Whether answers grow alike, and how far the policy has gone from the first round."""
    sketch = Sketch(2)
    _panel(sketch, 0, frame, view, [("answer_entropy", frame.split, "entropy")])
    sketch.head(0, "Spread of the answers, nats", _key(view, ()))
    laws = _panel(
        sketch, 1, frame, view, [("kl_to_base", frame.split, "policy"), ("kl_selected", "train", "best of k")]
    )
    sketch.head(1, "Divergence from round 0, nats", _key(view, laws))
    return sketch


QUESTIONS: dict[str, Callable[[Frame, View], Sketch]] = {
    "Performance": performance,
    "Diversity": diversity,
    "Tail": tail,
    "Verifier": verifier,
    "Collapse": collapse,
}


_NOTES = {
    "Performance": "",
    "Diversity": "Right: two right answers, all: any two; a ribbon is an interval.",
    "Tail": "Reached: problems of bands 0 and 1 with a sample trained on; share: of all that is trained on.",
    "Verifier": "Wrong in: false positive rate; right out: false negative rate; ECE has no interval and is biased up.",
    "Collapse": "The estimated entropy is biased down at few samples, so its exact value lies above it.",
}


# ── panels ─────────────────────────────────────────────────────────────────────────────────────────────
def _panel(
    sketch: Sketch, i: int, frame: Frame, view: View, wanted: Sequence[Wanted], *, share: bool = False
) -> list[str]:
    """Lines over rounds with their intervals, the exact values dashed and laws dotted; the laws that are drawn."""
    sketch.rounds(i, frame.world.rounds, named=True)
    curves, beside, laws = [], [], list[str]()
    for nth, (metric, split, name) in enumerate(wanted):
        line = frame.line(metric, split)
        if line is None or not line.known:
            continue
        curves.append(_curve(line, frame, name, nth))
        beside += [_exact(line, curves[-1])] if view.truth and np.isfinite(line.truth).any() else []
        for law, curve in _laws(view.laws or (), line, curves[-1]):
            beside.append(curve)
            laws.append(law)
    if not curves:
        first = frame.line(*wanted[0][:2])
        sketch.unknown(i, first.why if first is not None else "this world has no such number")
        return []
    sketch.up(i, range=[-0.03, 1.04] if share else fitted([*curves, *beside], least=0.0))
    for curve in [*beside, *curves]:
        sketch.line(i, curve)
    sketch.names(i, curves, frame.world.rounds + 0.35)
    return laws


def _curve(line: Line, frame: Frame, name: str, nth: int) -> Curve:
    points = [{"round": int(r), "metric": line.metric, "split": line.split} for r in line.round]
    return Curve(name, line.round, line.value, line.low, line.high, _said(line, frame, name), points, nth)


def _said(line: Line, frame: Frame, name: str) -> list[str]:
    """What each point says on hover: value with interval, n, the exact value, method."""
    many = "seeds" if frame.seeds > 1 else "problems"
    unit = f" {line.unit}" if line.unit else ""
    columns = (each.tolist() for each in (line.round, line.value, line.low, line.high, line.truth, line.n))
    return [
        f"<b>{name}</b> ({line.metric}) · round {r:g}<br>{interval(value, low, high)}{unit}<br>"
        f"n = {n:,.0f} {many} · exact {number(truth, value)}<br>{_wrapped(method)}"
        for r, value, low, high, truth, n, method in zip(*columns, line.method, strict=True)
    ]


@lru_cache(maxsize=1024)
def _wrapped(method: str) -> str:
    """The words on a point's method; wrapping takes longer than all else, and few differ."""
    return plain(method, 60)


def _exact(line: Line, curve: Curve) -> Curve:
    none = np.full(len(line.round), np.nan)
    said = [f"exact value of {curve.name}: {number(x)}" for x in line.truth.tolist()]
    return Curve("", line.round, line.truth, none, none, said, (), curve.nth, _LOOK[_TRUTH])


def _laws(laws: Sequence[Law], line: Line, curve: Curve) -> list[tuple[str, Curve]]:
    """The laws of a metric, dotted in its colour."""
    found = []
    for law in laws:
        if (law.metric, law.split) == (line.metric, line.split) and len(law.value):
            none = np.full(len(law.value), np.nan)
            said = [f"law: {plain(law.law)}<br>{number(x)}<br>{_wrapped(law.source)}" for x in law.value.tolist()]
            found.append((law.law, Curve("", law.round, law.value, none, none, said, (), curve.nth, _LOOK[_LAW])))
    return found


def _fan(sketch: Sketch, i: int, frame: Frame) -> None:
    """pass@k against k of the first round and of the last."""
    sketch.head(i, "Right within k tries", "dotted: round 0 · solid: last")
    ks = np.array(frame.tries, float)
    lines = [line for k in frame.tries if (line := frame.line(f"pass@{k}", frame.split)) is not None]
    if not lines:
        sketch.unknown(i, "no pass@k")
        return
    for place, dash in ((0, "dot"), (-1, "solid")):
        value, low, high = (
            np.array([getattr(line, name)[place] for line in lines]) for name in ("value", "low", "high")
        )
        said = [_said(line, frame, line.metric)[place] for line in lines]
        points = [{"round": int(line.round[place]), "metric": line.metric, "split": line.split} for line in lines]
        sketch.line(i, Curve("", ks, value, low, high, said, points, 0, dash))
    edge = np.log10(ks.max()) if ks.max() > 1 else 0.3
    ticks = {"tickmode": "array", "tickvals": list(frame.tries)}
    sketch.across(i, type="log", range=[-0.06, edge + 0.06], title={"text": "k, tries"}, **ticks)
    sketch.up(i, range=[-0.03, 1.04])


def _bands(sketch: Sketch, i: int, frame: Frame) -> None:
    """Stacked shares of what was kept, the hardest fifth below, and the problems' own shares across."""
    sketch.rounds(i, max(frame.world.rounds - 1, 0))
    sketch.up(i, range=[0, 1])
    sketch.head(i, "Trained on, by difficulty", "full: hardest fifth · dashed: problems")
    lines = [frame.line("accepted_share", "train", band) for band in BANDS]
    known = [(band, line) for band, line in zip(BANDS, lines, strict=True) if line is not None and line.known]
    if not known:
        first = next((line for line in lines if line is not None), None)
        sketch.unknown(i, "nothing was kept" if first is None else first.why)
        return
    for band, line in known:
        points = [{"round": int(r), "metric": line.metric, "split": "train", "band": band} for r in line.round]
        look = {"marker": {"color": faded(COLOURS[0], 0.95 - 0.2 * band)}, "textposition": "none", "hoverinfo": "text"}
        said = _said(line, frame, BAND_WORDS[band])
        sketch.trace(i, type="bar", x=line.round, y=line.value, hovertext=said, customdata=points, **look)
    _problem_shares(sketch, i, frame)


def _problem_shares(sketch: Sketch, i: int, frame: Frame) -> None:
    shares = [frame.line("problem_share", "train", band) for band in BANDS]
    reach = [-0.5, max(frame.world.rounds - 1, 0) + 0.5]
    height = 0.0
    for line in shares[:-1]:  # the last would be at 1
        height += 0.0 if line is None else float(line.value[0])
        look = {"color": INK, "width": 1.2, "dash": "dash"}
        sketch.trace(i, type="scatter", mode="lines", x=reach, y=[height, height], line=look, hoverinfo="skip")


def _key(view: View, laws: Sequence[str]) -> str:
    """What dashes and dots mean in a panel."""
    said = ["dashed: exact"] if view.truth else []
    said += [f"dotted: {laws[0] if len(laws) == 1 else f'{len(laws)} laws'}"] if laws else []
    return plain(" · ".join(said) or "ribbon: interval", 40)


def note(question: str, frame: Frame, view: View) -> str:
    """How to read a figure, and which law of its metrics does not hold in this world, and why."""
    said = [_NOTES[question]]
    if frame.split == "train" and question in ("Performance", "Diversity", "Collapse"):
        said.append("A refit leaves held-out problems as they are, so these are the problems trained on.")
    wanted = {"Diversity": ("drift", "accumulated drift"), "Collapse": ("best-of-n bound",)}.get(question, ())
    missing = [law for law in view.laws or () if law.law in wanted and not len(law.value)]
    if wanted and len(missing) == len(wanted) and view.laws is not None:
        said.append(f"No law of {missing[0].law} here: {missing[0].why}.")
    return " ".join(one for one in said if one)


# ── the recursion of the theory ────────────────────────────────────────────────────────────────────────
def recursion(world: Gaussian) -> Sketch:
    """Variance of a Gaussian refitted on its own samples: some loops, their mean in theory, and where most of them are."""
    sketch = Sketch(1)
    loops, laws = gaussian(world, range(_LOOPS)), gaussian_theory(world)
    mine = loops[loops["metric"] == "variance"]
    paths = mine["value"].to_numpy(float).reshape(_LOOPS, -1)
    at = np.arange(world.rounds + 1.0)
    gap = np.full((_LOOPS, 1), np.nan)
    across, along = (np.concatenate([x, gap], axis=1).ravel() for x in (np.tile(at, (_LOOPS, 1)), paths))
    look = {"color": faded(COLOURS[0], 0.4), "width": 1}
    sketch.trace(0, type="scatter", mode="lines", x=across, y=along, line=look, hoverinfo="skip")
    curves = [_law_of(laws, law, i + 1) for i, law in enumerate(("expected", "typical"))]
    sketch.rounds(0, world.rounds, named=True, title="fit")
    most = float(np.quantile(paths, 0.95))
    sketch.up(0, range=fitted(curves, least=0.0, most=most), title={"text": "variance"})
    for curve in curves:
        sketch.line(0, curve)
    sketch.names(0, [curve for curve in curves if np.isfinite(curve.value).any()], world.rounds + 0.35)
    below = f"thin: {_LOOPS} loops · expected: their mean, carried by few · typical: where most are"
    sketch.head(0, "A Gaussian refitted on its own samples", below)
    return sketch


def _law_of(laws: pd.DataFrame, law: str, nth: int) -> Curve:
    rows = laws[laws["law"] == law]
    at, value = (rows[name].to_numpy(float) for name in ("round", "value"))
    none = np.full(len(at), np.nan)
    said = [
        f"<b>{law}</b> · fit {t:g}<br>variance {number(v)} {plain(w)}"
        for t, v, w in zip(at, value, rows["why"], strict=True)
    ]
    return Curve(law, at, value, none, none, said, (), nth, _LOOK[_LAW])
