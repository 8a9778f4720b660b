"""`fig_diversity`: lines and the path are the table's values, ribbons its intervals, unknown is said in words."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from made import metric_table
from siwork.figures import fig_diversity
from siwork.figures.theme import COLOURS
from siwork.schema import KnobError, SchemaError


def diverse_table(run: str = "star", *, rounds: int = 3, seeds: int = 0, vendi: bool = False) -> pd.DataFrame:
    """The made metric table with right_variety (and vendi), copied from answer_entropy's and distinct_correct's rows."""
    table = metric_table(run, rounds=rounds, seeds=seeds)
    more = [table[table["metric"] == "answer_entropy"].assign(metric="right_variety", unit="")]
    if vendi:
        more.append(table[table["metric"] == "distinct_correct"].assign(metric="vendi", unit="responses"))
    return pd.concat([table, *more], ignore_index=True)


def titles(figure):
    return [a.text.split("</b>")[0].removeprefix("<b>") for a in figure.layout.annotations if a.text.startswith("<b>")]


def notes(figure):
    return [a.text.replace("<br>", " ") for a in figure.layout.annotations]


def drawn(figure, subplot):
    """Traces with words on hover in the panel with that number, from 1."""
    axis = "y" if subplot == 1 else f"y{subplot}"
    return [t for t in figure.data if t.hovertext is not None and (t.yaxis or "y") == axis]


def ribbon(figure, subplot):
    axis = "y" if subplot == 1 else f"y{subplot}"
    return [t for t in figure.data if t.to_plotly_json().get("fill") == "toself" and t.yaxis == axis]


def test_the_panels_are_the_values_of_the_table():
    figure = fig_diversity(diverse_table())
    assert titles(figure) == [
        "Distinct right answers",
        "Chance that two right answers differ",
        "Spread of answers and of tokens",
    ]
    # 5.9 falling by 0.5 a round, half-width 0.4; 1.9 falling by 0.16
    (distinct,), (variety,) = drawn(figure, 1), drawn(figure, 2)
    assert distinct.y == pytest.approx([5.9, 5.4, 4.9])
    assert distinct.error_y.array == pytest.approx([0.4] * 3)
    assert variety.y == pytest.approx([1.9, 1.74, 1.58])


def test_the_path_goes_from_an_open_small_first_round_to_a_full_large_last_one():
    (path,) = drawn(fig_diversity(diverse_table()), 3)
    # token entropy 0.8 falling by 0.06, answer entropy 1.9 by 0.16
    assert path.x == pytest.approx([0.8, 0.74, 0.68])
    assert path.y == pytest.approx([1.9, 1.74, 1.58])
    assert path.marker.symbol == ("circle-open", "circle", "circle")
    assert list(path.marker.size) == sorted(path.marker.size)
    assert path.marker.size[0] < path.marker.size[-1]
    assert list(path.text) == ["0", "", "2"]


def test_only_the_ends_of_the_path_carry_their_intervals_in_both_directions():
    (path,) = drawn(fig_diversity(diverse_table()), 3)
    assert path.error_y.array == pytest.approx([0.1, math.nan, 0.1], nan_ok=True)
    assert path.error_x.arrayminus == pytest.approx([0.05, math.nan, 0.05], nan_ok=True)
    assert "1.74 [1.64, 1.84]" in path.hovertext[1]
    assert "entropy of the next token 0.740 [0.690, 0.790]" in path.hovertext[1]


def test_seeds_are_ribbons_over_rounds_and_error_bars_on_the_path():
    figure = fig_diversity(diverse_table(rounds=2, seeds=3))
    (found,) = ribbon(figure, 1)
    assert found.y[:4] == pytest.approx([5.5, 5.0, 5.8, 6.3])
    assert drawn(figure, 3)[0].error_y.array == pytest.approx([0.1, 0.1])


def test_two_seeds_show_their_range_on_the_path():
    # least and most are value ∓ half of 0.1 and of 0.05
    (path,) = drawn(fig_diversity(diverse_table(rounds=2, seeds=2)), 3)
    assert path.error_y.array == pytest.approx([0.05, 0.05])
    assert path.error_x.array == pytest.approx([0.025, 0.025])


def test_vendi_has_a_panel_where_it_is_known_only():
    table = diverse_table(vendi=True)
    figure = fig_diversity(table)
    assert titles(figure)[3] == "Effective number of different responses"
    assert drawn(figure, 4)[0].y == pytest.approx([5.9, 5.4, 4.9])
    table.loc[table["metric"] == "vendi", "value"] = np.nan
    assert len(titles(fig_diversity(table))) == 3


@pytest.mark.parametrize(
    ("gone", "title", "below"),
    [
        ("token_entropy", "Spread of the answers (entropy)", "Entropy of the next token: unknown"),
        ("answer_entropy", "Entropy of the next token", "Spread of the answers (entropy): unknown"),
    ],
)
def test_one_entropy_alone_is_drawn_over_rounds_and_the_other_named_as_unknown(gone, title, below):
    table = diverse_table()
    figure = fig_diversity(table[table["metric"] != gone])
    assert titles(figure)[2] == title
    assert below in figure.layout.annotations[2].text
    assert list(drawn(figure, 3)[0].x) == [0, 1, 2]


def test_without_both_entropies_the_reason_stands_in_the_panel():
    table = diverse_table()
    entropies = table["metric"].isin(["token_entropy", "answer_entropy"])
    table.loc[entropies, "value"] = np.nan
    table.loc[entropies, "method"] = "no answer was <i>read</i>"
    assert "unknown: no answer was &lt;i&gt;read&lt;/i&gt;" in notes(fig_diversity(table))


def test_a_metric_that_was_not_measured_is_unknown_in_words():
    texts = notes(fig_diversity(metric_table()))
    assert "unknown: no right_variety on split heldout in this table" in texts
    assert "unknown: no distinct_correct on split beyond in this table" in notes(
        fig_diversity(metric_table(), split="beyond")
    )


def test_a_run_without_a_path_is_named_where_another_has_one():
    other = diverse_table("other")
    figure = fig_diversity(pd.concat([diverse_table("a"), other[other["metric"] != "token_entropy"]]))
    assert len(drawn(figure, 3)) == 1
    assert "unknown for other" in figure.layout.annotations[2].text


def test_rounds_with_one_entropy_only_are_not_on_the_path():
    table = diverse_table()
    table.loc[(table["metric"] == "token_entropy") & (table["round"] == 1), "value"] = np.nan
    (path,) = drawn(fig_diversity(table), 3)
    assert path.x == pytest.approx([0.8, 0.68])


def test_runs_keep_their_colour_and_differ_by_symbol():
    figure = fig_diversity(pd.concat([diverse_table("a"), diverse_table("b")]))
    first, second = drawn(figure, 3)
    assert (first.line.color, second.line.color) == COLOURS[:2]
    assert first.marker.symbol[-1] != second.marker.symbol[-1]
    assert len(figure.layout.shapes) == 0
    assert len(fig_diversity(diverse_table()).layout.shapes) == 2  # one run: lines through where it began


def test_a_single_round_is_one_full_point():
    (path,) = drawn(fig_diversity(diverse_table(rounds=1)), 3)
    assert path.marker.symbol == ("circle",)
    assert list(path.text) == ["0"]


def test_names_from_outside_are_shown_as_text():
    figure = fig_diversity(diverse_table("<img src=x onerror=alert(1)>"))
    words = [text for trace in figure.data for text in np.atleast_1d(trace.hovertext) if text]
    shown = [*words, *notes(figure), *(trace.name or "" for trace in figure.data)]
    assert not any("<img" in text for text in shown)
    assert all("&lt;img" in text for text in words)


def test_wrong_arguments_are_refused():
    with pytest.raises(KnobError, match="nearest: 'heldout'"):
        fig_diversity(diverse_table(), split="held")
    with pytest.raises(SchemaError, match="a metric table is needed"):
        fig_diversity(pd.DataFrame({"run": ["a"]}))
    with pytest.raises(SchemaError, match="no row with a round"):
        fig_diversity(diverse_table().iloc[:0])
