"""What is happening in a simulated world, one sentence a question, from the table that the figures show."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from siwork.figures.theme import interval, number
from siwork.reporting.words import sentence
from siwork.schema import TAIL
from siwork_widgets.simulator.worlds import Frame, Line


def told(frame: Frame) -> dict[str, str]:
    """A sentence for each question."""
    return {question: say(frame) for question, say in _SAID.items()}


def _performance(frame: Frame) -> str:
    most = max(frame.tries, default=1)
    words = [
        _moved(frame, "pass@1", frame.split, "right in one try (pass@1)"),
        _moved(frame, "pass@k", frame.split, f"within {most} tries (pass@{most})"),
    ]
    one, many = (_way(frame, name, frame.split) for name in ("pass@1", "pass@k"))
    if one > 0 > many:
        words.append("one try gains what many tries lose: reach is paid for accuracy")
    return _joined(words)


def _diversity(frame: Frame) -> str:
    words = [
        _moved(frame, "distinct_correct", frame.split, "different right answers"),
        _moved(frame, "gini_simpson", frame.split, "chance that two answers differ"),
    ]
    if _way(frame, "distinct_correct", frame.split) < 0 <= _way(frame, "pass@1", frame.split):
        words.append("variety falls and accuracy is not seen to fall: the loop repeats what it knows")
    return _joined(words)


def _tail(frame: Frame) -> str:
    words = [
        _moved(frame, "tail_coverage", "train", "hard problems that give training data"),
        _moved(frame, "tail_share", "train", "their share of the data"),
    ]
    own = [frame.line("problem_share", "train", band) for band in TAIL]
    share = sum(float(line.value[0]) for line in own if line is not None)
    return _joined([*words, f"they are {number(share)} of the problems"])


def _verifier(frame: Frame) -> str:
    last = frame.line("mean_score", "train")
    if last is None or not last.known:
        return "Nobody scores, so everything that is selected is selected blindly."
    words = [
        _end(frame.line("false_positive_rate", "train"), "wrong samples that pass"),
        _end(frame.line("false_negative_rate", "train"), "right samples that are refused"),
        _end(frame.line("kept_precision", "train"), "right among what is trained on"),
    ]
    return f"In round {last.round[-1]:g}: {'; '.join(one for one in words if one)}."


def _collapse(frame: Frame) -> str:
    words = [_moved(frame, "answer_entropy", frame.split, "entropy of the answers")]
    words.append(_moved(frame, "kl_to_base", frame.split, "divergence from round 0"))
    score, gold = _way(frame, "mean_score", "train"), _way(frame, "mean_gold", "train")
    if score > 0 > gold:
        words.append("the score rises while truth falls: the loop games its verifier")
    return _joined(words)


_SAID: dict[str, Callable[[Frame], str]] = {
    "Performance": _performance,
    "Diversity": _diversity,
    "Tail": _tail,
    "Verifier": _verifier,
    "Collapse": _collapse,
}


def _moved(frame: Frame, metric: str, split: str, name: str) -> str:
    """First value → last value, with the interval of the difference over seeds where there are several."""
    line = frame.line(metric, split)
    if line is None or not line.known:
        return f"{name}: unknown{f' ({line.why})' if line is not None and line.why else ''}"
    at = np.flatnonzero(np.isfinite(line.value))[[0, -1]]
    change = frame.change(line.metric, split)
    value, low, high = change if change is not None else (line.value[at[1]] - line.value[at[0]], math.nan, math.nan)
    if frame.seeds == 1:
        ends = " → ".join(interval(line.value[i], line.low[i], line.high[i]) for i in at)
        return f"{name} {ends}{_unit(line, name)}"
    row = {"first_value": line.value[at[0]], "last_value": line.value[at[1]], "value": value, "low": low, "high": high}
    return sentence(name, row | {"n": frame.seeds, "unit": line.unit, "method": line.why}, frame.seeds).words


def _way(frame: Frame, metric: str, split: str) -> int:
    """+1 or −1 where the interval over seeds leaves out 0 or, for one seed, the intervals of both ends part; else 0."""
    line = frame.line(metric, split)
    if line is None or not line.known:
        return 0
    change = frame.change(line.metric, split)
    if change is not None:
        return int(change[1] > 0) - int(change[2] < 0)
    low, high = line.low[[0, -1]], line.high[[0, -1]]
    return int(low[1] > high[0]) - int(high[1] < low[0])


def _end(line: Line | None, name: str) -> str:
    if line is None or not line.known:
        return ""
    i = int(np.flatnonzero(np.isfinite(line.value))[-1])
    return f"{name} {interval(line.value[i], line.low[i], line.high[i])}"


def _unit(line: Line, name: str) -> str:
    return f" {line.unit}" if line.unit and line.unit not in name else ""


def _joined(words: list[str]) -> str:
    whole = "; ".join(words)
    return f"{whole[0].upper()}{whole[1:]}."
