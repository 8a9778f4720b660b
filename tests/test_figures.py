"""Figures: what is drawn is what the table says, nulls leave gaps, nothing is sent anywhere."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made import metric_table
from siwork.figures import fig_curves
from siwork.figures.theme import COLOURS, colour, interval, number, plain, symbol
from siwork.schema import KnobError, SchemaError, check


def lines(figure, **want):
    """Traces of a figure that are drawn lines or bars with those properties."""
    return [
        t
        for t in figure.data
        if "fill" not in t.to_plotly_json()
        and t.hovertext is not None
        and all(getattr(t, k) == v for k, v in want.items())
    ]


def ribbons(figure):
    return [t for t in figure.data if t.to_plotly_json().get("fill") == "toself"]


def notes(figure):
    return [a.text for a in figure.layout.annotations]


def legend(figure):
    return [t.name for t in figure.data if t.showlegend is None]


def test_a_single_run_shows_its_values_with_error_bars_over_problems():
    figure = fig_curves(metric_table(rounds=3), metrics=["pass@1"])
    (line,) = lines(figure)
    # 0.43, 0.43 + 0.016, 0.43 + 2 · 0.016; half-width 0.04
    assert list(line.x) == [0, 1, 2]
    assert line.y == pytest.approx([0.43, 0.446, 0.462])
    assert line.error_y.array == pytest.approx([0.04] * 3)
    assert line.error_y.arrayminus == pytest.approx([0.04] * 3)
    assert ribbons(figure) == []
    assert legend(figure) == ["star: one run, interval over problems"]


def test_three_seeds_show_their_interval_as_a_ribbon_around_the_line():
    figure = fig_curves(metric_table(rounds=2, seeds=3), metrics=["pass@1"])
    (ribbon,) = ribbons(figure)
    # there along the lower ends, back along the upper ends
    assert list(ribbon.x) == [0, 1, 1, 0, None]
    assert ribbon.y[:4] == pytest.approx([0.39, 0.406, 0.486, 0.47])
    assert lines(figure)[0].error_y.array is None
    assert legend(figure) == ["star: interval over 3 seeds"]


def test_two_seeds_show_their_range_and_say_so():
    table = metric_table(rounds=2, seeds=2)  # least and most are value ∓ 0.02, low and high unknown
    figure = fig_curves(table, metrics=["pass@1"])
    assert ribbons(figure)[0].y[:4] == pytest.approx([0.41, 0.426, 0.466, 0.45])
    assert legend(figure) == ["star: range of 2 seeds"]
    assert "range 0.410 … 0.450" in lines(figure)[0].hovertext[0]


def test_a_series_that_loses_seeds_on_the_way_says_how_many_it_has():
    table = metric_table(rounds=2, seeds=3)
    table.loc[table["round"] == 1, "n"] = 2
    assert legend(fig_curves(table)) == ["star: 2 to 3 seeds"]


def test_a_null_leaves_a_gap_in_line_and_ribbon():
    table = metric_table(rounds=4, seeds=3)
    gone = (table["metric"] == "pass@1") & (table["round"] == 1)
    table.loc[gone, ["value", "low", "high", "least", "most"]] = np.nan
    figure = fig_curves(table, metrics=["pass@1"])
    assert math.isnan(lines(figure)[0].y[1])
    assert lines(figure)[0].connectgaps is None
    assert list(ribbons(figure)[0].x) == [0, 0, None, 2, 3, 3, 2, None]


def test_a_panel_without_values_gives_the_reason_from_the_table():
    table = metric_table()
    empty = table["metric"] == "solution_coverage"
    table.loc[empty, ["value", "low", "high"]] = np.nan
    table.loc[empty, "method"] = "solutions of <b>add</b> cannot be enumerated"
    text = notes(fig_curves(table, metrics=["solution_coverage"]))[-1].replace("<br>", " ")
    assert text == "unknown: solutions of &lt;b&gt;add&lt;/b&gt; cannot be enumerated"


def test_a_panel_whose_metric_is_not_in_the_table_says_that():
    table = metric_table().query("metric == 'pass@1'")
    texts = [text.replace("<br>", " ") for text in notes(fig_curves(table))]
    assert "unknown: no answer_entropy on split heldout in this table" in texts
    assert "unknown: no accepted_share on split train in this table" in texts
    assert "unknown: no pass@1 on split beyond in this table" in [
        text.replace("<br>", " ") for text in notes(fig_curves(table, split="beyond", metrics=["pass@k"]))
    ]


def test_the_fan_has_a_line_a_round_over_k_on_a_log_axis():
    figure = fig_curves(metric_table(rounds=3), metrics=["pass@k"])
    fan = lines(figure)
    assert len(fan) == 3
    assert list(fan[0].x) == [1, 2, 4, 8, 16]
    assert fan[0].y == pytest.approx([0.43, 0.55, 0.66, 0.75, 0.82])
    assert [line.line.dash for line in fan] == ["dot", "solid", "solid"]
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.tickvals == (1, 2, 4, 8, 16)
    assert len(ribbons(figure)) == 2  # first and last round


def test_the_fan_of_many_rounds_keeps_a_dozen_lines_with_the_first_and_the_last():
    fan = lines(fig_curves(metric_table(rounds=40), metrics=["pass@k"]))
    assert len(fan) == 12
    assert "round 0 " in fan[0].hovertext[0]
    assert "round 39 " in fan[-1].hovertext[0]


def test_the_fan_of_a_single_round_is_a_full_line():
    (line,) = lines(fig_curves(metric_table(rounds=1), metrics=["pass@k"]))
    assert line.line.dash == "solid"


def test_bands_stack_from_the_hardest_beside_the_problem_shares():
    figure = fig_curves(metric_table(rounds=2), metrics=["accepted_share"])
    bars, across = lines(figure, type="bar"), lines(figure, type="scatter")
    # round 0 of the made table: weights exp(0.35 b), b = 0 … 4
    weights = np.exp(0.35 * np.arange(5))
    assert [bar.y[0] for bar in bars] == pytest.approx(weights / weights.sum())
    assert "hardest fifth" in bars[0].hovertext[0]
    assert figure.layout.barmode == "stack"
    # each fifth of the problems adds 0.2; the top is not drawn
    assert [line.y[0] for line in across] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_score_is_solid_and_truth_dashed_and_both_are_of_the_train_split():
    figure = fig_curves(metric_table(rounds=2), metrics=["mean_score"])
    dashes = {line.line.dash: list(line.y) for line in lines(figure)}
    assert dashes["solid"] == pytest.approx([0.41, 0.46])
    assert dashes["dash"] == pytest.approx([0.40, 0.42])


def test_each_recipe_keeps_its_colour_and_symbol_in_every_panel():
    table = pd.concat([metric_table("a"), metric_table("b"), metric_table("c")])
    figure = fig_curves(table)
    for name, wanted in zip("abc", COLOURS, strict=False):
        of_name = [
            t for t in figure.data if t.legendgroup == name and t.type == "scatter" and t.mode == "lines+markers"
        ]
        assert {t.marker.symbol for t in of_name} == {symbol("abc".index(name))}
        assert {t.line.color for t in of_name if t.line.color.startswith("#")} == {wanted}
    assert len(legend(figure)) == 3


def test_fan_and_bands_get_a_panel_for_each_recipe():
    table = pd.concat([metric_table("a"), metric_table("b")])
    titles = [text for text in notes(fig_curves(table, metrics=["pass@k", "accepted_share", "pass@1"]))]
    assert [t.split("</b>")[0] for t in titles] == [
        "<b>Right within k tries (pass@k): a",
        "<b>Right within k tries (pass@k): b",
        "<b>Trained on, by difficulty: a",
        "<b>Trained on, by difficulty: b",
        "<b>Right in one try (pass@1)",
    ]


def test_twelve_series_differ_in_colour_or_symbol():
    assert len({(colour(i), symbol(i)) for i in range(12)}) == 12


def test_error_bars_of_several_runs_stand_apart_by_less_than_half_a_round():
    figure = fig_curves(pd.concat([metric_table("a"), metric_table("b")]), metrics=["pass@1"])
    first, second = (list(line.x) for line in lines(figure))
    assert first == pytest.approx([r - 0.025 for r in range(6)])
    assert second == pytest.approx([r + 0.025 for r in range(6)])


def test_hover_gives_value_interval_n_and_method():
    text = lines(fig_curves(metric_table(n=1200), metrics=["pass@1"]))[0].hovertext[0]
    assert text == (
        "<b>star</b> · round 0<br>0.430 [0.390, 0.470]<br>n = 1,200 problems<br>macro mean; cluster t over problems, 95 %"
    )


def test_names_from_outside_are_shown_as_text():
    figure = fig_curves(metric_table('<a href="http://x">run</a>'))
    texts = [*notes(figure), *legend(figure), *(h for t in lines(figure) for h in np.atleast_1d(t.hovertext))]
    assert not any("<a" in text for text in texts)
    assert any("&lt;a href" in text for text in texts)


def test_arrow_types_and_plain_ones_draw_the_same():
    table = metric_table()
    arrow = check(table.astype({"n": int}), table="metrics")
    assert fig_curves(arrow).to_json() == fig_curves(table).to_json()


def test_the_background_is_clear_and_no_button_sends_data_away():
    layout = fig_curves(metric_table()).layout.template.layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert "sendChartToCloud" in layout.modebar.remove


def test_the_number_of_tries_is_in_the_title_where_it_is_one_number():
    table = metric_table().assign(k=16)
    assert notes(fig_curves(table, metrics=["distinct_correct"])) == ["<b>Distinct right answers in 16 tries</b>"]
    table.loc[0:32, "k"] = 8
    assert notes(fig_curves(table, metrics=["distinct_correct"])) == ["<b>Distinct right answers</b>"]


def test_any_metric_of_the_table_can_be_asked_for():
    table = metric_table()
    table.loc[table["metric"] == "token_entropy", "metric"] = "my_own"
    figure = fig_curves(table, metrics=["my_own"])
    assert figure.layout.yaxis.title.text == "nats"
    assert notes(figure) == ["<b>my_own</b>"]


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"split": "held-out"}, KnobError, "nearest: 'heldout'"),
        ({"metrics": ["pas@1"]}, KnobError, "nearest: 'pass@1'"),
        ({"metrics": "pass@1"}, KnobError, "metrics is a list of names"),
        ({"metrics": []}, KnobError, "metrics is a list of names"),
    ],
)
def test_a_wrong_argument_is_named_with_the_nearest_right_one(given, error, says):
    with pytest.raises(error, match=says):
        fig_curves(metric_table(), **given)


def test_something_else_than_a_metric_table_is_refused():
    with pytest.raises(SchemaError, match="lacks split, metric, value, low, high, method; siwork"):
        fig_curves(pd.DataFrame({"run": ["a"], "round": [0], "n": [1]}))
    with pytest.raises(SchemaError, match="lacks run"):
        fig_curves("runs/star")
    with pytest.raises(SchemaError, match="no row with a round"):
        fig_curves(metric_table().iloc[:0])


def test_importing_the_package_does_not_load_plotly():
    code = "import sys, siwork; print('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.5,), "0.500"),
        ((1.0,), "1.000"),
        ((0.01, 12.3), "0.0"),
        ((-0.08,), "−0.080"),
        ((12345.6,), "12,346"),
        ((math.nan,), "unknown"),
        ((math.inf,), "∞"),
        ((-math.inf,), "−∞"),
    ],
)
def test_numbers_have_about_three_digits(values, text):
    assert number(*values) == text


def test_an_unknown_number_has_no_interval():
    assert interval(math.nan, 0.1, 0.2) == "unknown"


@given(st.text(max_size=600), st.sampled_from([0, 20]))
def test_plain_text_never_holds_a_tag_of_its_own(text, width):
    shown = plain(text, width)
    assert "<" not in shown.replace("<br>", "")
    assert len(shown.replace("<br>", " ")) <= 400 * 5  # &amp; is five characters for one


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pass@1", "pass@4", "mean_score", "accepted_share", "odd"]),
            st.integers(0, 5),
            st.floats(-5, 5) | st.just(math.nan),
            st.sampled_from(["heldout", "train"]),
            st.sampled_from([math.nan, 0.0, 4.0]),
            st.sampled_from(["a", "b"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_metric_table_gives_a_figure_of_valid_json(entries):
    names = ["metric", "round", "value", "split", "band", "run"]
    table = pd.DataFrame(entries, columns=names).assign(low=math.nan, high=1.0, n=3, method="m", least=0.0, most=1.0)
    figure = fig_curves(table.drop_duplicates(["run", "round", "split", "metric", "band"]))
    assert json.loads(figure.to_json())["data"]


def test_without_held_out_rows_what_there_is_is_drawn_and_said():
    row = {"run": "a", "split": "train", "metric": "pass@1", "low": 0.3, "high": 0.5, "n": 9, "method": "mean"}
    table = pd.DataFrame([row | {"round": 0, "value": 0.4}, row | {"round": 1, "value": 0.45}])
    figure = fig_curves(table, metrics=["pass@1"])
    assert figure.data[0].y.tolist() == [0.4, 0.45]
    assert [trace.name for trace in figure.data if trace.name][-1].endswith(", on train")
    both = pd.concat([table, table.assign(split="heldout", value=0.1)])
    assert fig_curves(both, metrics=["pass@1"]).data[0].y.tolist() == [0.1, 0.1]
