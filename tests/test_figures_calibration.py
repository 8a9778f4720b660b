"""`fig_calibration` and the crossing in `fig_curves`: bins, counts, bands and words are those of the tables."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made import metric_table
from rounds_made import rows_of
from siwork.figures import fig_calibration, fig_curves
from siwork.metrics import crossing, measure, over_seeds, reliability_table, vote_table
from siwork.schema import KnobError, SchemaError

BAD = '<a href="http://x">run</a>'


def bins(run="a", rounds=2, split="train", scores=(0.0, 1.0), shift=0.02, **columns):
    """A reliability table: share right 0.1 and 0.8 at first, both `shift` higher each round, intervals ∓ 0.05."""
    gold = np.linspace(0.1, 0.8, len(scores))
    parts = [
        pd.DataFrame({"run": run, "split": split, "round": r, "bin": range(len(scores)), "score": scores})
        .assign(least=scores, greatest=scores, gold=gold + shift * r, low=gold + shift * r - 0.05)
        .assign(high=gold + shift * r + 0.05, count=[60 - r, *[40 + r] * (len(scores) - 1)], problems=20)
        for r in range(rounds)
    ]
    return pd.concat(parts, ignore_index=True).assign(method="over problems", **columns)


def metrics(run="a", rounds=3, split="train", **values):
    """A metric table with the same value of each metric in every round, intervals ∓ 0.1."""
    return pd.DataFrame(
        {"run": run, "round": r, "split": split, "metric": metric, "value": value, "low": value - 0.1}
        | {"high": value + 0.1, "n": 30, "method": f"made {metric}", "unit": "", "band": np.nan}
        for metric, value in values.items()
        for r in range(rounds)
    )


CONFUSED = {"false_positive_rate": 0.3, "false_negative_rate": 0.2, "precision": 0.7, "proxy_gold_gap": 0.1}


def points(figure):
    return [t for t in figure.data if t.type == "scatter" and t.mode == "lines+markers" and t.hovertext is not None]


def strips(figure):
    return [t for t in figure.data if t.type == "bar"]


def notes(figure):
    return [a.text.replace("<br>", " ") for a in figure.layout.annotations]


def legend(figure):
    return [t.name for t in figure.data if t.showlegend is None]


def texts(figure):
    hovers = [h for t in figure.data if t.hovertext is not None for h in np.atleast_1d(t.hovertext)]
    over = [a.hovertext for a in figure.layout.annotations if a.hovertext]
    return [*(a.text for a in figure.layout.annotations), *legend(figure), *hovers, *over]


def test_a_verifier_of_two_scores_has_two_points_and_two_bars_a_round():
    figure = fig_calibration(bins(rounds=2))
    first, last = points(figure)
    assert list(first.x) == [0, 1]
    assert first.y == pytest.approx([0.1, 0.8])
    assert last.y == pytest.approx([0.12, 0.82])
    assert last.error_y.array == pytest.approx([0.05, 0.05])
    assert [list(bar.y) for bar in strips(figure)] == [[60, 40], [59, 41]]
    # wide enough to be seen, and whole inside the axis
    assert all(width > 0.03 for width in strips(figure)[0].width)
    assert figure.layout.xaxis.range[0] <= -0.03
    assert figure.layout.xaxis.range[1] >= 1.03


def test_bars_of_wide_bins_stand_over_their_scores():
    table = bins(rounds=1, scores=(0.1, 0.5)).assign(least=[0.0, 0.3], greatest=[0.2, 0.7])
    (bar,) = strips(fig_calibration(table))
    assert bar.x == pytest.approx([0.1, 0.5])
    assert all(w <= g for w, g in zip(bar.width, (0.2, 0.4), strict=True))


def test_bars_of_a_run_share_an_axis_that_holds_the_greatest_count():
    figure = fig_calibration(bins(rounds=3))
    ranges = {tuple(axis.range) for axis in figure.select_yaxes(row=2)}
    assert len(ranges) == 1
    assert ranges.pop()[1] >= 60


def test_first_and_last_round_and_four_between_are_drawn():
    figure = fig_calibration(bins(rounds=11))
    assert [text.split()[-1] for text in notes(figure)] == [f"{r}</span>" for r in (0, 2, 4, 6, 8, 10)]
    assert len(points(figure)) == 6


def test_later_panels_hold_the_first_round_again():
    figure = fig_calibration(bins(rounds=3))
    again = [t for t in figure.data if t.type == "scatter" and t.line.dash == "dot" and t.legendgroup == "a"]
    assert [t.y.tolist() for t in again] == [pytest.approx([0.1, 0.8])] * 2
    assert "first round again" in legend(figure)
    assert "first round again" not in legend(fig_calibration(bins(rounds=1)))


def test_every_panel_has_the_diagonal():
    figure = fig_calibration(bins(rounds=3))
    assert sum(list(t.x) == [0, 1] and list(t.y) == [0, 1] for t in figure.data) == 3
    assert "share right = score" in legend(figure)


def test_a_point_without_an_interval_is_open_and_the_key_says_so():
    table = bins(rounds=1)
    table.loc[0, ["low", "high"]] = math.nan
    figure = fig_calibration(table)
    assert points(figure)[0].marker.symbol == ("circle-open", "circle")
    assert "open mark: interval unknown" in legend(figure)
    assert "open mark: interval unknown" not in legend(fig_calibration(bins(rounds=1)))


def test_a_round_without_scores_says_why():
    table = bins(rounds=2)
    empty = {"run": "a", "split": "train", "round": 2, "count": 0, "problems": 0, "method": "no <b>score</b> known"}
    figure = fig_calibration(pd.concat([table, pd.DataFrame([empty])]))
    assert "unknown: no &lt;b&gt;score&lt;/b&gt; known" in notes(figure)
    assert len(points(figure)) == 2


def test_a_run_without_rows_of_the_split_says_that():
    table = pd.concat([bins("a"), bins("b", split="heldout")])
    figure = fig_calibration(table)
    assert "unknown: no row of split train in this table" in notes(figure)
    assert [t.legendgroup for t in points(figure)] == ["a", "a"]
    assert [t.legendgroup for t in points(fig_calibration(table, split="heldout"))] == ["b", "b"]


def test_each_run_has_a_row_of_panels_its_colour_and_its_symbol():
    figure = fig_calibration(pd.concat([bins("a"), bins("b", rounds=3)]))
    assert legend(figure)[:2] == ["a: interval over problems", "b: interval over problems"]
    mine = {t.legendgroup: (t.line.color, t.marker.symbol[0], t.yaxis) for t in points(figure)}
    assert len({each for look in mine.values() for each in look}) == 6
    assert [text for text in notes(figure) if text.startswith("<b>")] == [
        '<b>a</b> <span style="font-size:11px">round 0</span>',
        '<b>b</b> <span style="font-size:11px">round 0</span>',
    ]


def test_scores_beyond_one_widen_the_axis():
    figure = fig_calibration(bins(rounds=1, scores=(-2.0, 6.0)))
    assert figure.layout.xaxis.range[0] < -2
    assert figure.layout.xaxis.range[1] > 6
    assert strips(figure)[0].width[0] > 0.2


def test_hover_tells_share_scores_count_and_method():
    text = points(fig_calibration(bins(rounds=1)))[0].hovertext[0]
    assert text == (
        "<b>a</b> · round 0<br>share right: 0.100 [0.050, 0.150]<br>score: 0.000, mean 0.000"
        "<br>n = 60 samples of 20 problems<br>over problems"
    )


def test_a_pooled_table_is_one_panel_of_all_rounds():
    figure = fig_calibration(bins(rounds=1).drop(columns="round"))
    assert any("all rounds" in text for text in notes(figure))
    assert len(points(figure)) == 1


def test_groups_within_a_round_are_not_mixed():
    with pytest.raises(SchemaError, match="several groups in one round"):
        fig_calibration(pd.concat([bins(band=0), bins(band=1)]))


def made_rows(rounds=3, seed=0, graded=False):
    rng = np.random.default_rng(seed)
    rate = rng.beta(1, 1, (80, 1))
    golds = [rng.random((80, 8)) < rate for _ in range(rounds)]
    scores = [
        np.clip(rate + rng.normal(0, 0.1, g.shape), 0, 1) if graded else ((rng.random(g.shape) < 0.9) == g) * 1.0
        for g in golds
    ]
    answers = [np.where(g, "right", rng.choice(list("uvw"), g.shape)) for g in golds]
    return rows_of(golds, split="train", score=scores, answer=answers)


@pytest.mark.parametrize("graded", [False, True])
def test_the_drawn_points_are_those_of_the_reliability_table(graded):
    table = reliability_table(made_rows(graded=graded))
    figure = fig_calibration(table)
    for axis, wanted in (("x", "score"), ("y", "gold")):
        assert np.concatenate([t[axis] for t in points(figure)]) == pytest.approx(table[wanted].to_numpy(float))
    assert np.concatenate([t.y for t in strips(figure)]) == pytest.approx(table["count"].to_numpy(float))


def test_votes_are_counted_in_problems_and_say_how_many_votes():
    table = vote_table(made_rows())
    figure = fig_calibration(table)
    assert np.concatenate([t.y for t in points(figure)]) == pytest.approx(table["gold"].to_numpy(float))
    assert np.concatenate([t.y for t in strips(figure)]) == pytest.approx(table["problems"].to_numpy(float))
    assert "share right = share of 8 votes" in legend(figure)
    assert next(figure.select_yaxes(row=2, col=1)).title.text == "problems"


def test_problems_without_a_vote_are_in_the_title():
    table = vote_table(made_rows()).assign(left_out=3)
    assert sum("3 left out" in text for text in notes(fig_calibration(table))) == 3


def test_a_metric_table_gives_the_errors_by_round():
    table = metrics(**CONFUSED, ece=0.08, ece_floor=0.03)
    figure = fig_calibration(table)
    drawn = {(t.xaxis, t.line.dash): t.y[0] for t in points(figure)}
    assert drawn == {
        ("x", "solid"): 0.3,
        ("x", "dash"): 0.2,
        ("x2", "solid"): 0.7,
        ("x3", "solid"): 0.1,
        ("x4", "solid"): 0.08,
        ("x4", "dash"): 0.03,
    }
    assert any("solid: found · dashed: expected if calibrated" in text for text in notes(figure))
    assert points(figure)[0].error_y.array == pytest.approx([0.1] * 3)


def test_brier_parts_are_drawn_only_where_they_are_known():
    table = metrics(**CONFUSED)
    parts = metrics(brier=0.2, brier_reliability=0.05, brier_resolution=0.1)
    assert not any("Brier" in text for text in notes(fig_calibration(table)))
    assert not any("Brier" in text for text in notes(fig_calibration(pd.concat([table, parts.assign(value=None)]))))
    figure = fig_calibration(pd.concat([table, parts]))
    assert [(t.line.dash, t.y[0]) for t in points(figure) if t.xaxis == "x5"] == [
        ("dot", 0.1),
        ("dash", 0.05),
        ("solid", 0.2),
    ]


def test_what_is_unknown_is_said_with_its_reason():
    table = metrics(**CONFUSED)
    table.loc[table["metric"] == "precision", ["value", "method"]] = [math.nan, "nothing <i>accepted</i>"]
    table.loc[table["metric"] == "false_negative_rate", ["value", "method"]] = [math.nan, "nothing <i>right</i>"]
    figure = fig_calibration(table)
    assert "unknown: nothing &lt;i&gt;accepted&lt;/i&gt;" in notes(figure)
    assert "unknown: no ece on split train in this table" in notes(figure)
    (first,) = [a for a in figure.layout.annotations if "gets wrong" in a.text]
    assert "right but rejected: unknown" in first.text
    assert first.hovertext == "unknown: nothing &lt;i&gt;right&lt;/i&gt;"


def test_a_run_that_lacks_a_metric_is_named():
    figure = fig_calibration(pd.concat([metrics("a", **CONFUSED), metrics("b", false_positive_rate=0.5)]))
    assert any(text.endswith(">unknown for b</span>") for text in notes(figure))
    many = [metrics(name, false_positive_rate=0.5) for name in "bcde"]
    assert any("unknown for 4 runs" in text for text in notes(fig_calibration(pd.concat([metrics(**CONFUSED), *many]))))


def test_seeds_have_a_ribbon():
    table = pd.concat([measure(made_rows(seed=seed).assign(run=f"a-{seed}")) for seed in range(3)])
    pooled = over_seeds(table, group={f"a-{seed}": "a" for seed in range(3)})
    figure = fig_calibration(pooled)
    assert legend(figure) == ["a: interval over 3 seeds"]
    assert any(t.fill == "toself" for t in figure.data)
    wanted = pooled[(pooled["metric"] == "false_positive_rate") & (pooled["split"] == "train")]
    assert points(figure)[-1].y is not None
    drawn = [t for t in points(figure) if t.xaxis == "x" and t.line.dash == "solid"]
    assert drawn[0].y == pytest.approx(wanted["value"].to_numpy(float))


@pytest.mark.parametrize("make", [lambda: bins(BAD), lambda: metrics(BAD, **CONFUSED)])
def test_names_from_outside_are_shown_as_text(make):
    table = make().assign(method="<script>x</script>")
    shown = texts(fig_calibration(table))
    assert not any("<a" in text or "<script" in text for text in shown)
    assert any("&lt;a href" in text for text in shown)


@pytest.mark.parametrize(
    "given", ["runs/a", pd.DataFrame({"run": ["a"], "round": [0]}), pd.DataFrame({f"c{i}": [0] for i in range(12)})]
)
def test_another_table_is_refused_with_those_that_are_taken(given):
    with pytest.raises(SchemaError, match=r"siwork\.measure.*reliability_table or vote_table"):
        fig_calibration(given)


def test_empty_tables_and_unknown_splits_are_refused():
    with pytest.raises(SchemaError, match="no row"):
        fig_calibration(bins().iloc[:0])
    with pytest.raises(SchemaError, match="no row with a round"):
        fig_calibration(metrics(**CONFUSED).iloc[:0])
    with pytest.raises(KnobError, match="nearest: 'heldout'"):
        fig_calibration(bins(), split="held-out")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from(["train", "heldout"]),
            st.integers(0, 9),
            st.integers(0, 3),
            st.floats(-3, 3),
            st.floats(0, 1) | st.just(math.nan),
        ),
        min_size=1,
        max_size=20,
        unique_by=lambda row: row[:4],
    )
)
def test_any_table_of_bins_gives_valid_json_with_all_known_points_of_the_rounds_drawn(entries):
    table = pd.DataFrame(entries, columns=["run", "split", "round", "bin", "score", "gold"])
    table = table.assign(least=table["score"], greatest=table["score"], low=math.nan, high=1.0, count=3, problems=2)
    figure = fig_calibration(table.assign(method="m"))
    assert json.loads(figure.to_json())["data"]
    own = table[(table["split"] == "train") & table["gold"].notna()]
    if table.loc[table["split"] == "train"].groupby("run")["round"].nunique().max() <= 6:
        drawn = np.concatenate([[], *(t.y for t in points(figure))])
        assert np.sort(drawn[~np.isnan(drawn)]) == pytest.approx(np.sort(own["gold"]))


def crossed(run="star", k=3.0, low=2.0, high=6.0, reached=0.99, split="heldout", **columns):
    line = {"run": run, "split": split, "first": 0, "round": 5, "k": k, "low": low, "high": high, "reached": reached}
    return pd.DataFrame([line | {"largest_k": 16, "problems": 50, "left_out": 0, "method": "made"} | columns])


def fan(table, **more):
    return fig_curves(metric_table(**more), metrics=["pass@k"], crossing=table)


def test_the_crossing_is_a_line_over_a_shade_and_said():
    figure = fan(crossed())
    shade, line = figure.layout.shapes
    assert (shade.x0, shade.x1, line.x0, line.x1) == (2, 6, 3, 3)
    assert "crosses at k = 3 [2, 6] (99 % of resamples)" in notes(figure)[0]


def test_a_crossing_that_may_lie_beyond_is_shaded_to_the_edge():
    figure = fan(crossed(high=math.inf, reached=0.86))
    shade = figure.layout.shapes[0]
    assert shade.x1 == pytest.approx(10 ** figure.layout.xaxis.range[1])
    assert "[2, above 16] (86 % of resamples)" in notes(figure)[0]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"k": math.nan, "reached": 0.0}, "do not cross up to k = 16</span>"),
        ({"k": math.nan, "high": math.inf, "reached": 0.2}, "up to k = 16, but in 20 % of resamples"),
        ({"k": math.nan, "largest_k": math.nan}, "where they cross: unknown"),
        ({"run": "other"}, "crossing of rounds 0 and 5: not in the table given"),
        ({"split": "train"}, "not in the table given"),
        ({"round": 4}, "not in the table given"),
    ],
)
def test_without_a_crossing_nothing_is_drawn_and_the_words_say_why(row, says):
    figure = fan(crossed(**row))
    assert figure.layout.shapes == ()
    assert says in notes(figure)[0]


def test_a_crossing_of_one_problem_has_no_interval():
    figure = fan(crossed(low=math.nan, high=math.nan, reached=math.nan))
    assert len(figure.layout.shapes) == 1
    assert "crosses at k = 3, interval unknown" in notes(figure)[0]


def test_each_run_has_its_own_crossing():
    table = pd.concat([metric_table("a"), metric_table("b")])
    both = pd.concat([crossed("a", k=3), crossed("b", k=7, low=5, high=9)])
    figure = fig_curves(table, metrics=["pass@k", "pass@1"], crossing=both)
    assert {(s.xref, s.x0) for s in figure.layout.shapes} == {("x", 2), ("x", 3), ("x2", 5), ("x2", 7)}


def test_the_table_of_the_library_is_taken_and_none_is_the_same_as_before():
    rng = np.random.default_rng(1)
    rate = rng.beta(0.5, 0.5, (60, 1))
    rows = rows_of([rng.random((60, 16)) < 0.1 + 0.5 * rate, rng.random((60, 16)) < (rate > 0.5)])
    found = crossing(rows)
    figure = fig_curves(measure(rows), metrics=["pass@k"], crossing=found)
    assert figure.layout.shapes[1].x0 == found["k"].iloc[0]
    plain = metric_table()
    assert fig_curves(plain, crossing=None).to_json() == fig_curves(plain).to_json()


def test_a_fan_of_one_round_has_no_crossing():
    assert fan(crossed(), rounds=1).layout.shapes == ()


def test_another_table_is_no_crossing():
    with pytest.raises(SchemaError, match=r"siwork\.metrics\.crossing"):
        fan(metric_table())


def test_the_fan_names_the_last_round_of_its_own_split():
    table = metric_table(rounds=3)
    later = metric_table(rounds=5)
    table = pd.concat([table, later[later["split"] == "train"]]).drop_duplicates(["metric", "round", "band"])
    assert "solid: round 2" in notes(fig_curves(table, metrics=["pass@k"]))[0]
