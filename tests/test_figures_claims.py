"""`fig_claims`: positions, marks and words of what is drawn."""

import math

import numpy as np
import pandas as pd
import pytest

from siwork.claims import shipped_verdicts
from siwork.figures import fig_claims
from siwork.schema import SchemaError


def table(**more):
    row = {
        "claim": "tail", "verdict": "holds", "number": "tail_share of loop", "rule": "below 0", "claimed": "below", "why": "",
        "part_verdict": "holds", "part": 1, "line": 0.0, "worth": 0.01, "value": -0.02, "low": -0.03, "high": -0.01, "seeds": 5,
    }  # fmt: skip
    return pd.DataFrame([row | more])


def of_mode(figure, mode):
    return [trace for trace in figure.data if trace.mode == mode and trace.x[0] is not None]


def test_the_claimed_side_is_right_in_units_of_what_is_worth_the_name():
    figure = fig_claims(table())
    assert of_mode(figure, "markers")[0].x == pytest.approx([math.asinh(2)])
    assert sorted(of_mode(figure, "lines")[0].x) == pytest.approx([math.asinh(1), math.asinh(3)])
    above = fig_claims(table(claimed="above", line=1.0, value=1.02, low=1.0, high=1.04))
    assert of_mode(above, "markers")[0].x == pytest.approx([math.asinh(2)])


def test_what_has_no_interval_is_a_point_that_says_why():
    figure = fig_claims(table(value=np.nan, low=np.nan, high=np.nan, part_verdict="undecided", why="not measured"))
    assert not of_mode(figure, "lines")
    (dots,) = of_mode(figure, "markers")
    assert dots.x == pytest.approx([0])
    assert "not measured" in dots.hovertext[0]


def test_far_effects_stay_on_the_sheet():
    figure = fig_claims(table(value=-50.0, low=-90.0, high=-20.0))
    low, high = figure.layout.xaxis.range
    assert all(low <= x <= high for trace in figure.data for x in trace.x if x is not None)


def test_verdicts_have_a_mark_each_and_a_name():
    rows = [table(), table(part=2, part_verdict="undecided"), table(claim="vote", part_verdict="does not hold here")]
    figure = fig_claims(pd.concat(rows, ignore_index=True))
    assert {trace.name for trace in figure.data if trace.name} == {"holds", "undecided", "does not hold here"}
    assert list(figure.layout.yaxis.ticktext) == ["<b>tail</b> 1", "2", "<b>vote</b> 1"]


def test_names_are_shown_as_text():
    figure = fig_claims(table(claim="<img src=x>", number="<b>bold</b>"))
    assert "<img" not in "".join(figure.layout.yaxis.ticktext)
    assert "<b>bold" not in of_mode(figure, "markers")[0].hovertext[0]


def test_the_table_that_ships_is_drawn_whole():
    shipped = shipped_verdicts()
    figure = fig_claims(shipped)
    assert len(figure.layout.yaxis.ticktext) == len(shipped)


@pytest.mark.parametrize("wrong", [pd.DataFrame({"a": [1]}), table()[:0], None])
def test_another_table_is_refused(wrong):
    with pytest.raises(SchemaError, match="fig_claims draws the table of"):
        fig_claims(wrong)
