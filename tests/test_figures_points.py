"""What a click on a mark tells: every mark of every figure says in plain values which rows are behind it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from made import metric_table
from rounds_made import rows_of
from siwork.figures import fig_calibration, fig_collapse, fig_curves, fig_diversity, fig_tail
from siwork.figures.points import points
from siwork.metrics import ledger, lorenz_table, measure, parting, reliability_table, support_table, vote_table

RNG = np.random.default_rng(0)
GOLDS = [RNG.random((30, 8)) < rate for rate in (0.5, 0.6)]
ROWS = rows_of(
    GOLDS,
    split="train",
    score=[RNG.beta(2, 2, g.shape) for g in GOLDS],
    answer=[RNG.choice(list("uvw"), g.shape) for g in GOLDS],
    weight=[g.astype(float) for g in GOLDS],
    entropy=[RNG.random(g.shape) for g in GOLDS],
    band=[np.repeat(np.arange(30)[:, None] % 5, 8, axis=1) for g in GOLDS],
    turn=[np.zeros(g.shape, int) for g in GOLDS],
).assign(hint="none")
TABLES = {
    fig_curves: [measure(ROWS), metric_table(seeds=3)],
    fig_diversity: [measure(ROWS)],
    fig_tail: [measure(ROWS), lorenz_table(ROWS), ledger(ROWS)],
    fig_calibration: [measure(ROWS), reliability_table(ROWS), reliability_table(ROWS, by=()), vote_table(ROWS)],
    fig_collapse: [measure(ROWS), support_table(ROWS), parting(ROWS)],
}
FIGURES = [draw(table, split="train") for draw, tables in TABLES.items() for table in tables]


def marks(figure):
    """Traces with words on hover over each of their points, which stand for rows."""
    return [t for t in figure.data if t.hovertext is not None and t.hovertext != "every problem gives as much"]


@pytest.mark.parametrize("figure", FIGURES)
def test_every_mark_has_a_point_each_in_plain_values(figure):
    assert marks(figure)
    for trace in marks(figure):
        assert len(trace.customdata) == len(trace.y)
        for point in trace.customdata:
            assert {"run", "split", "metric"} <= set(point)
            assert all(type(value) in (str, int, float) for value in point.values()), point
            assert all(value == value for value in point.values()), point


@pytest.mark.parametrize("figure", FIGURES)
def test_ribbons_and_the_legend_stand_for_no_rows(figure):
    others = [t for t in figure.data if t.hovertext is None]
    assert others
    assert all(t.customdata is None for t in others)


def of(figure, metric, **about):
    every = [point for t in marks(figure) for point in t.customdata if point["metric"] == metric]
    return [point for point in every if {**point, **about} == point]


def test_bands_bins_kinds_and_shares_are_told_apart():
    curves, tail = fig_curves(measure(ROWS), split="train"), fig_tail(measure(ROWS))
    place = {"run": "a", "round": 1, "split": "train"}
    assert place | {"metric": "accepted_share", "band": 3} in of(curves, "accepted_share")
    assert place | {"metric": "pass@4", "k": 4} in of(curves, "pass@4")
    assert {point["band"] for point in of(tail, "accepted_coverage")} == {0, 1, 2, 3, 4}
    assert {point["kind"] for point in of(tail, "problem_share")} == {"and harder"}
    table = ledger(ROWS)
    kinds = {point["kind"] for point in of(fig_tail(table), "ledger", first=0, round=1)}
    assert kinds == {"gained", "lost", "kept", "never", "expected_gained", "expected_lost", "net"}
    shares = [point["share"] for point in of(fig_tail(lorenz_table(ROWS)), "lorenz", round=0)]
    assert shares == pytest.approx([i / 30 for i in range(31)])


def test_a_bin_and_the_bar_below_it_tell_its_scores():
    table = reliability_table(ROWS)
    found = of(fig_calibration(table), "reliability", round=1)
    ends = table.loc[table["round"] == 1, ["least", "greatest"]].to_numpy(float)
    assert [[point["low"], point["high"]] for point in found] == [*ends.tolist(), *ends.tolist()]
    assert all("round" not in point for point in of(fig_calibration(reliability_table(ROWS, by=())), "reliability"))
    assert {point["k"] for point in of(fig_calibration(vote_table(ROWS)), "vote")} == {8}


def test_what_is_compared_with_the_first_round_names_it():
    assert {
        p["first"] for name in ("score", "gold", "index") for p in of(fig_collapse(parting(ROWS), split="train"), name)
    } == {0}
    words = support_table(ROWS.assign(response="one two"), of="token")
    lost = of(fig_collapse(words, split="train"), "lost", kind="word")
    assert [point["first"] for point in lost] == [0, 0]


def test_the_path_of_the_entropies_stands_for_the_answers():
    assert len(of(fig_diversity(measure(ROWS), split="train"), "answer_entropy")) == 2


def test_points_go_into_json_and_come_back():
    figure = FIGURES[0]
    again = json.loads(figure.to_json())["data"]
    for before, after in zip(figure.data, again, strict=True):
        assert after.get("customdata") == (None if before.customdata is None else list(before.customdata))


def test_what_is_unknown_is_not_in_a_point():
    rows = pd.DataFrame({"run": ["a", "b"], "round": [np.nan, 1.0], "split": "train"})
    found = points(rows, metric="lorenz", share=pd.Series([0.5, np.nan]), kind=pd.Series(["", "lost"]))
    assert found == [
        {"run": "a", "split": "train", "metric": "lorenz", "share": 0.5},
        {"run": "b", "round": 1, "split": "train", "metric": "lorenz", "kind": "lost"},
    ]
