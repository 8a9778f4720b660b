"""The figures that answer the questions, each with its words: what the page and the panels draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from siwork.figures.calibration import calibration_sheet
from siwork.figures.collapse import collapse_sheet
from siwork.figures.curves import WORDS, curves_sheet
from siwork.figures.diversity import diversity_sheet
from siwork.figures.rounds import split_of
from siwork.figures.sheet import Sheet
from siwork.figures.table import known
from siwork.figures.tail import tail_sheet
from siwork.figures.theme import number
from siwork.metrics import (
    crossing,
    ledger,
    lorenz_table,
    parting,
    recalibration_drift,
    reliability_table,
    support_table,
    vote_table,
)
from siwork.reporting.compare import Comparison
from siwork.reporting.drawing import described
from siwork.schema import KnobError, SchemaError


def graded_drift(rows: Any) -> pd.DataFrame:
    """`recalibration_drift` by Platt's map; a score of no more than two values is no grade.

    Raises SchemaError for such scores, SchemaError and KnobError as that does.
    """
    table = recalibration_drift(rows, "platt")
    if not (table["levels"] > 2).any():
        raise SchemaError(
            "scores of two values are no grades, so there is nothing to recalibrate; take a graded verifier"
        )
    return table


Further = Callable[[str], pd.DataFrame | None]  # name of a table of FURTHER → the table, None where it cannot be had
FURTHER: dict[str, tuple[Callable[[Any], pd.DataFrame], str]] = {  # tables beside the metrics, and the split drawn
    "crossing": (crossing, "heldout"),
    "lorenz": (lorenz_table, "train"),
    "ledger": (ledger, "heldout"),
    "reliability": (reliability_table, "train"),
    "vote": (vote_table, "train"),
    "support": (support_table, "heldout"),
    "parting": (parting, "train"),
    "drift": (graded_drift, "train"),
}
_HELP = {
    "pass@1": "Share of right samples, averaged over problems. Higher is better.",
    "pass@k": "Chance that at least one of k tries is right. Lines that cross mean fewer problems within reach.",
    "solution_coverage": "Of all the right answers that exist, the share that the tries find.",
}
_WHOSE = {
    "heldout": "Held-out problems.",
    "train": "Train problems, as no others were sampled.",
    "beyond": "Harder problems, as no others were sampled.",
}
_JUDGED = _WHOSE | {"train": "Train problems.", "heldout": "Held-out problems, as no others were sampled."}
_ONE_RUN = "Of the first run of each recipe."


class Sketch(NamedTuple):
    """A figure before it has a place."""

    sheet: Sheet
    sentence: str  # what it shows, for who cannot see it
    caption: str  # how to read it
    wide: bool = False


class Question(NamedTuple):
    """A question, what trouble looks like, and how its figures are made."""

    title: str
    words: str
    draw: Callable[[pd.DataFrame, Further], Iterator[Sketch]]  # of a tidy metric table, and others


def of_first_runs(comparison: Comparison, name: str) -> pd.DataFrame | None:
    """A table of FURTHER of the first run of each group, named as the group; None where there is nothing to draw."""
    if name == "crossing" and any(len(group.runs) > 1 for group in comparison.groups):
        return None  # curves pooled over seeds have no such place with an interval
    make, _ = FURTHER[name]
    found = [(group, of_run(make, group.runs[0])) for group in comparison.groups]
    return joined(name, {group.name: table for group, table in found})


def of_run(make: Callable[[Any], pd.DataFrame], run: Any) -> pd.DataFrame | None:
    """The table of one run; None where it lacks a column that the table needs, or rounds to compare."""
    try:
        return make(run)
    except (KnobError, SchemaError):
        return None


def joined(name: str, tables: dict[str, pd.DataFrame | None]) -> pd.DataFrame | None:
    """Tables by name of the group as one; None where there is nothing to draw on the split."""
    parts = [table.assign(run=group) for group, table in tables.items() if table is not None]
    if not parts or (name == "crossing" and len(parts) < len(tables)):
        return None
    table = pd.concat(parts, ignore_index=True)
    return table if (table["split"] == FURTHER[name][1]).any() else None


def _performance(table: pd.DataFrame, further: Further) -> Iterator[Sketch]:
    split = split_of(table, None, "heldout")
    also = ["solution_coverage"] if known(table, "solution_coverage", split) else []
    for name in ("pass@1", "pass@k", *also):
        crossed = further("crossing") if name == "pass@k" else None
        sheet = curves_sheet(table, metrics=[name], crossing=crossed)
        yield Sketch(sheet, described(table, WORDS[name][0], [(name, split)]), _HELP[name])


def _diversity(table: pd.DataFrame, further: Further) -> Iterator[Sketch]:
    names = ("distinct_correct", "right_variety", "answer_entropy", "token_entropy", "vendi")
    split = split_of(table, None, "heldout")
    sentence = described(table, "Diversity over rounds", [(name, split) for name in names])
    caption = (
        f"{_WHOSE[split]} Upper lines are better. On the path each mark is a round, open the first and full the last: down "
        "means that answers grow alike, left that tokens grow sure; an answer entropy that falls "
        "while pass@1 stays is lost variety."
    )
    yield Sketch(diversity_sheet(table), sentence, caption, wide=True)


def _tail(table: pd.DataFrame, further: Further) -> Iterator[Sketch]:
    sentence = described(
        table, "The hardest fifth in the training data", [("accepted_share", "train"), ("accepted_coverage", "train")]
    )
    caption = (
        "Bars: what the training data of a round hold of each fifth of difficulty; dashed, what the problems hold. A dark "
        "bar that shrinks below its dashed line is a tail that narrows. Lines: of each fifth, "
        "the share of problems that give any data."
    )
    yield Sketch(tail_sheet(table), sentence, caption, wide=True)
    yield from _beside(tail_sheet, ("lorenz", "ledger"), further)


def _verifier(table: pd.DataFrame, further: Further) -> Iterator[Sketch]:
    found = further("reliability")
    used = split_of(table, None, "train")
    errors = [(name, used) for name in ("false_positive_rate", "false_negative_rate", "precision", "ece")]
    if found is not None:
        caption = (
            "Share right against score, a panel a round. On the dashed diagonal the score means what it says; below it the judge "
            "believes too much. Dotted: the first round again; open marks have no interval; bars count samples. "
        )
        sentence = described(table, "Reliability of the verifier's score", [("ece", used)])
        yield Sketch(calibration_sheet(found), sentence, caption + _ONE_RUN, wide=True)
    caption = (
        f"{_JUDGED[used]} Wrong but accepted is what the model can learn to exploit; right but rejected is what it loses. "
        "The calibration error means something only above its dashed floor."
    )
    sentence = described(table, "The verifier's errors over rounds", errors)
    yield Sketch(calibration_sheet(table), sentence, caption, wide=True)
    yield from _beside(calibration_sheet, ("vote", "drift"), further)


def _collapse(table: pd.DataFrame, further: Further) -> Iterator[Sketch]:
    names = ("token_entropy", "answer_entropy", "mode_share", "support_kept", "rep_4", "unfinished_rate", "mean_tokens")
    used, split = split_of(table, None, "train"), split_of(table, None, "heldout")
    wanted = [(name, used) for name in ("mean_score", "mean_gold")] + [(name, split) for name in names]
    caption = (
        "A score that rises while truth falls is a judge being fooled. Entropy near 0, one answer for many problems, repetition "
        "and a length that leaves its level are a model that is breaking; each alone can be a model that is learning."
    )
    sentence = described(table, "Signs of collapse over rounds", wanted)
    yield Sketch(collapse_sheet(table), sentence, caption, wide=True)
    yield from _beside(collapse_sheet, ("support", "parting"), further)


class _Beside(NamedTuple):
    """How a table beside the metrics is told: its last known row of each run in words, and how to read its picture."""

    opening: str
    needs: str  # column that is known in that row
    said: Callable[[pd.Series], str]
    caption: str


_WHICH = {"raw": "the score as it is", "fixed": "the first round's map"}
_BESIDE = {
    "lorenz": _Beside(
        "Lorenz curves of the training data",
        "gini",
        lambda row: f"Gini {number(row['gini'])}",
        "The deeper the curve sags below the dashed line, the fewer problems fill the training data; a Gini near its floor is "
        "what chance alone gives.",
    ),
    "ledger": _Beside(
        "Problems gained and lost since the first round",
        "kept",
        lambda row: f"{row['gained']} gained, {row['lost']} lost of {row['problems']} problems",
        "Held-out problems solved by any of their samples, against the first round. Losses beyond the dashed line are more "
        "than chance: problems that are forgotten.",
    ),
    "vote": _Beside(
        "Truth of the commonest answer by its share of the votes",
        "gold",
        lambda row: f"{number(row['gold'])} right at a share of {number(row['score'])}",
        "How often the commonest answer of a problem is right, against its share of the votes, a panel a round. Below the "
        "dashed diagonal the model agrees with itself more than it is right: a vote cannot stand in for the truth.",
    ),
    "drift": _Beside(
        "How a recalibration of the score ages",
        "excess_low",
        lambda row: (
            f"Brier score {number(row['excess'], sign=True)} by {_WHICH[row['map']]}, against the round's own map,"
        ),
        "P(right) from a line on the score's log-odds (Platt), fitted on other problems: in each round anew, or in the first round "
        "alone. Where the first round's map costs more and more, the judge has changed and its old calibration misleads.",
    ),
    "support": _Beside(
        "Answers lost since the first round",
        "lost",
        lambda row: f"{number(row['lost'])} lost, {number(row['expected_lost'])} by chance alone",
        "What was rare in the first round, and what is gone since, beside what chance alone would lose. More lost than by "
        "chance is a model that has forgotten, not only focused.",
    ),
    "parting": _Beside(
        "Change of score and truth since the first round",
        "index",
        lambda row: f"score {number(row['score'], sign=True)}, truth {number(row['gold'], sign=True)}",
        "Change of score and of truth since the first round, with bands that hold for all rounds together. A ring marks a "
        "round in which the score rose and truth fell beyond doubt.",
    ),
}


def _beside(draw: Callable[..., Sheet], names: Sequence[str], further: Further) -> Iterator[Sketch]:
    """The pictures of those tables beside the metrics that there are."""
    for name in names:
        table, split = further(name), FURTHER[name][1]
        if table is not None:
            opening, needs, said, caption = _BESIDE[name]
            words = f"{opening}. {_over_runs(table, split, said, needs)}"
            yield Sketch(draw(table, split=split), words, f"{caption} {_ONE_RUN}", wide=True)


def _over_runs(table: pd.DataFrame, split: str, said: Callable[[pd.Series], str], needs: str) -> str:
    """The last known row of each run in words."""
    parts = []
    for name in dict.fromkeys(table["run"]):
        rows = table[(table["run"] == name) & (table["split"] == split) & table[needs].notna()]
        rows = rows.sort_values("round", kind="stable")
        parts.append(
            f"{name}: {said(rows.iloc[-1])} in round {rows['round'].iloc[-1]}" if len(rows) else f"{name}: unknown"
        )
    return "; ".join(parts) + "."


QUESTIONS = {
    "performance": Question("How often is it right?", "One try, and many.", _performance),
    "diversity": Question(
        "Diversity: does it still find different right answers?",
        "Trouble is a fall of distinct right answers while pass@1 rises or stays.",
        _diversity,
    ),
    "tail": Question(
        "Tail: do hard problems still give training data?",
        "Trouble is a training set that drifts from the problems' own shares to the easy ones.",
        _tail,
    ),
    "verifier": Question(
        "Verifier: can the judge be believed?", "Trouble is any line that leaves its first round.", _verifier
    ),
    "collapse": Question(
        "Collapse: has the loop turned?",
        "Trouble is a score that rises while truth falls, or text that grows alike.",
        _collapse,
    ),
}
