"""The figures of the page: how well the model does, and the four questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from siwork.figures import fig_calibration, fig_collapse, fig_curves, fig_diversity, fig_tail
from siwork.figures.curves import WORDS
from siwork.figures.table import known, series_of, tidy
from siwork.figures.theme import number
from siwork.markup import Html, element
from siwork.metrics import crossing, ledger, lorenz_table, reliability_table
from siwork.reporting.compare import Comparison
from siwork.reporting.drawing import Drawing, described, drawing
from siwork.reporting.sections import mark, section
from siwork.schema import KnobError, SchemaError

_HELP = {
    "pass@1": "Share of right samples, averaged over problems. Higher is better.",
    "pass@k": "Chance that at least one of k tries is right. Lines that cross mean fewer problems within reach.",
    "solution_coverage": "Of all the right answers that exist, the share that the tries find.",
}
_ONE_RUN = "Of the first run of each recipe."


class Question(NamedTuple):
    """A question with the figures that answer it."""

    title: str
    words: str
    drawn: list[Drawing]


def drawings(comparison: Comparison) -> list[Question]:
    """The figures by question; what has no table to draw is left out."""
    table = tidy(comparison.table)
    made: Sequence[tuple[str, str, Callable[[Comparison, pd.DataFrame], Iterator[Drawing]]]] = (
        ("How often is it right?", "One try, and many.", _performance),
        (
            "Diversity: does it still find different right answers?",
            "Trouble is a fall of distinct right answers while pass@1 rises or stays.",
            _diversity,
        ),
        (
            "Tail: do hard problems still give training data?",
            "Trouble is a training set that drifts from the problems' own shares to the easy ones.",
            _tail,
        ),
        ("Verifier: can the judge be believed?", "Trouble is any line that leaves its first round.", _verifier),
        (
            "Collapse: has the loop turned?",
            "Trouble is a score that rises while truth falls, or text that grows alike.",
            _collapse,
        ),
    )
    return [Question(title, words, list(draw(comparison, table))) for title, words, draw in made]


def figures(comparison: Comparison, questions: Sequence[Question]) -> Html:
    """All figures, a heading a question, under one key."""
    series = series_of(tidy(comparison.table))
    key = [element("li", mark(comparison, one.name), f"{one.name}: {one.note}") for one in series]
    without = element("noscript", element("p", "The figures need JavaScript; their numbers are in the tables below."))
    parts = []
    for one in questions:
        boxes = element("div", *(each.markup for each in one.drawn), class_="figures")
        parts += [element("h3", one.title), element("p", one.words, class_="soft"), boxes]
    return section("figures", "Figures", without, element("ul", *key, class_="key"), *parts)


def _performance(comparison: Comparison, table: pd.DataFrame) -> Iterator[Drawing]:
    also = ["solution_coverage"] if known(table, "solution_coverage", "heldout") else []
    crossed = _crossed(comparison)
    for name in ("pass@1", "pass@k", *also):
        figure = fig_curves(comparison.table, metrics=[name], crossing=crossed if name == "pass@k" else None)
        yield drawing(figure, described(table, WORDS[name][0], [(name, "heldout")]), _HELP[name])


def _crossed(comparison: Comparison) -> pd.DataFrame | None:
    """Where the pass@k curves of single runs cross; curves pooled over seeds have no such place with an interval."""
    if any(len(group.runs) > 1 for group in comparison.groups):
        return None
    try:
        parts = [crossing(group.runs[0]).assign(run=group.name) for group in comparison.groups]
    except (KnobError, SchemaError):  # rows without truth, or of one round, have no such curves
        return None
    return pd.concat(parts, ignore_index=True)


def _diversity(comparison: Comparison, table: pd.DataFrame) -> Iterator[Drawing]:
    names = ("distinct_correct", "right_variety", "answer_entropy", "token_entropy", "vendi")
    sentence = described(table, "Diversity over rounds", [(name, "heldout") for name in names])
    caption = (
        "Held-out problems. Upper lines are better. On the path each mark is a round, open the first and full the last: down "
        "means that answers grow alike, left that tokens grow sure; an answer entropy that falls "
        "while pass@1 stays is lost variety."
    )
    yield drawing(fig_diversity(comparison.table), sentence, caption, wide=True)


def _tail(comparison: Comparison, table: pd.DataFrame) -> Iterator[Drawing]:
    sentence = described(
        table, "The hardest fifth in the training data", [("accepted_share", "train"), ("accepted_coverage", "train")]
    )
    caption = (
        "Bars: what the training data of a round hold of each fifth of difficulty; dashed, what the problems hold. A dark "
        "bar that shrinks below its dashed line is a tail that narrows. Lines: of each fifth, "
        "the share of problems that give any data."
    )
    yield drawing(fig_tail(comparison.table), sentence, caption, wide=True)
    for make, split, words, caption in (
        (lorenz_table, "train", _lorenz_words, "The deeper the curve sags below the dashed line, the fewer problems fill "
         "the training data; a Gini near its floor is what chance alone gives."),
        (ledger, "heldout", _ledger_words, "Held-out problems solved by any of their samples, against the first round. "
         "Losses beyond the dashed line are more than chance: problems that are forgotten."),
    ):  # fmt: skip
        found = of_first_runs(comparison, make, split)
        if found is not None:
            yield drawing(fig_tail(found, split=split), words(found), f"{caption} {_ONE_RUN}", wide=True)


def _verifier(comparison: Comparison, table: pd.DataFrame) -> Iterator[Drawing]:
    found = of_first_runs(comparison, reliability_table, "train")
    errors = [(name, "train") for name in ("false_positive_rate", "false_negative_rate", "precision", "ece")]
    if found is not None:
        caption = (
            "Share right against score, a panel a round. On the dashed diagonal the score means what it says; below it the judge "
            "believes too much. Dotted: the first round again; open marks have no interval; bars count samples. "
        )
        sentence = described(table, "Reliability of the verifier's score", [("ece", "train")])
        yield drawing(fig_calibration(found), sentence, caption + _ONE_RUN, wide=True)
    caption = (
        "Train problems. Wrong but accepted is what the model can learn to exploit; right but rejected is what it loses. "
        "The calibration error means something only above its dashed floor."
    )
    yield drawing(
        fig_calibration(comparison.table),
        described(table, "The verifier's errors over rounds", errors),
        caption,
        wide=True,
    )


def _collapse(comparison: Comparison, table: pd.DataFrame) -> Iterator[Drawing]:
    names = ("token_entropy", "answer_entropy", "mode_share", "support_kept", "rep_4", "unfinished_rate", "mean_tokens")
    wanted = [(name, "train") for name in ("mean_score", "mean_gold")] + [(name, "heldout") for name in names]
    caption = (
        "A score that rises while truth falls is a judge being fooled. Entropy near 0, one answer for many problems, repetition "
        "and a length that leaves its level are a model that is breaking; each alone can be a model that is learning."
    )
    yield drawing(
        fig_collapse(comparison.table), described(table, "Signs of collapse over rounds", wanted), caption, wide=True
    )


def of_first_runs(comparison: Comparison, make: Callable[[Any], pd.DataFrame], split: str) -> pd.DataFrame | None:
    """A table of the first run of each group, named as the group; None where there is nothing to draw on the split."""
    parts = []
    for group in comparison.groups:
        try:
            found = make(group.runs[0])
        except (KnobError, SchemaError):  # the run lacks a column that the table needs, or rounds to compare
            continue
        parts.append(found.assign(run=group.name))
    table = pd.concat(parts, ignore_index=True) if parts else None
    return None if table is None or not (table["split"] == split).any() else table


def _lorenz_words(table: pd.DataFrame) -> str:
    def said(row: pd.Series) -> str:
        return f"Gini {number(row['gini'])}"

    return f"Lorenz curves of the training data. {_over_runs(table, 'train', said, 'gini')}"


def _ledger_words(table: pd.DataFrame) -> str:
    def said(row: pd.Series) -> str:
        return f"{row['gained']} gained, {row['lost']} lost of {row['problems']} problems"

    return f"Problems gained and lost since the first round. {_over_runs(table, 'heldout', said, 'kept')}"


def _over_runs(table: pd.DataFrame, split: str, said: Callable[[pd.Series], str], needs: str) -> str:
    """The last known row of each run in words."""
    parts = []
    for name in dict.fromkeys(table["run"]):
        rows = table[(table["run"] == name) & (table["split"] == split) & table[needs].notna()].sort_values("round")
        parts.append(
            f"{name}: {said(rows.iloc[-1])} in round {rows['round'].iloc[-1]}" if len(rows) else f"{name}: unknown"
        )
    return "; ".join(parts) + "."
