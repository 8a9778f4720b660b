"""`fig_tail`: three tables, three pictures; what is drawn is what they say, and chance stands beside what was found."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made import metric_table
from siwork.figures import fig_tail
from siwork.figures.canvas import spread
from siwork.figures.marks import BAND_WORDS, aged
from siwork.metrics import ledger, lorenz_table
from siwork.schema import KnobError, SchemaError


def banded(run: str = "star", *, rounds: int = 3, seeds: int = 0, common: bool = False) -> pd.DataFrame:
    """The made metric table with accepted_coverage of five bands, 1 − 0.1 · (4 − band) · round / 2, half-width 0.05."""
    table = metric_table(run, rounds=rounds, seeds=seeds)
    share = table[table["metric"] == "accepted_share"]
    value = 1 - 0.05 * (4 - share["band"]) * share["round"]
    ends = {"low": value - 0.05, "high": value + 0.05, "least": value - 0.05, "most": value + 0.05}
    more = [share.assign(metric="accepted_coverage", value=value, **(ends if seeds else dict(list(ends.items())[:2])))]
    if common:
        more.append(table[table["metric"] == "accept_rate"].assign(metric="tail_coverage"))
    return pd.concat([table, *more], ignore_index=True)


def weights(counts, run="a"):
    """Train rows, two a problem and round, with weights by round and problem."""
    rows = [
        {"run": run, "round": r, "split": "train", "problem": f"p{p}", "weight": float(j < c)}
        for r, of_round in enumerate(counts)
        for p, c in enumerate(of_round)
        for j in range(2)
    ]
    return pd.DataFrame(rows)


def judged(right, run="a", split="train"):
    """One row a problem and round, right or not."""
    rows = [
        {"run": run, "round": r, "split": split, "problem": f"p{p}", "gold": bool(good)}
        for r, of_round in enumerate(right)
        for p, good in enumerate(of_round)
    ]
    return pd.DataFrame(rows)


# since round 0: round 1 gains p0, loses p2; round 2 gains p0 and p1
RIGHT = ([0, 0, 1, 1, 1], [1, 0, 0, 1, 1], [1, 1, 1, 1, 1])


def titles(figure):
    return [a.text.split("</b>")[0].removeprefix("<b>") for a in figure.layout.annotations if a.text.startswith("<b>")]


def notes(figure):
    return [a.text.replace("<br>", " ") for a in figure.layout.annotations]


def drawn(figure, subplot, kind="scatter"):
    """Traces with words on hover in the panel with that number, from 1."""
    axis = "y" if subplot == 1 else f"y{subplot}"
    return [t for t in figure.data if t.hovertext is not None and (t.yaxis or "y") == axis and t.type == kind]


def said(figure):
    return [text for t in figure.data for text in np.atleast_1d(t.hovertext) if text] + notes(figure)


def test_shares_are_stacked_from_the_hardest_beside_the_problems_own():
    figure = fig_tail(banded(rounds=2))
    assert titles(figure) == ["Trained on, by difficulty", "Problems that give training data"]
    accepted = np.exp(0.35 * np.arange(5))
    assert [bar.y[0] for bar in drawn(figure, 1, "bar")] == pytest.approx(accepted / accepted.sum())
    assert [line.y[0] for line in drawn(figure, 1)] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_coverage_is_a_line_a_band_and_the_hardest_carries_its_interval():
    figure = fig_tail(banded(rounds=3))
    lines = {line.hovertext[0].split("· ")[2].split("<br>")[0]: line for line in drawn(figure, 2)}
    assert set(lines) == set(BAND_WORDS)
    assert lines["hardest fifth"].y == pytest.approx([1.0, 0.8, 0.6])
    assert lines["middle"].y == pytest.approx([1.0, 0.9, 0.8])
    assert lines["hardest fifth"].error_y.array == pytest.approx([0.05] * 3)
    assert lines["middle"].error_y.array is None
    assert "0.900 [0.850, 0.950]" in lines["middle"].hovertext[1]
    assert len({(line.line.dash, line.marker.symbol) for line in lines.values()}) == 5


def test_the_names_of_the_bands_stand_at_their_last_values_without_overlap():
    figure = fig_tail(banded(rounds=3))
    heights = {a.text: a.y for a in figure.layout.annotations if a.text in BAND_WORDS}
    assert heights["hardest fifth"] == pytest.approx(0.6)
    assert list(heights) == list(BAND_WORDS)  # the hardest is lowest
    assert min(np.diff(list(heights.values()))) >= 0.075 - 1e-12


def test_seeds_are_a_ribbon_around_the_hardest_band():
    figure = fig_tail(banded(rounds=2, seeds=3))
    (found,) = [t for t in figure.data if t.to_plotly_json().get("fill") == "toself"]
    assert found.y[:4] == pytest.approx([0.95, 0.75, 0.85, 1.05])
    assert all(line.error_y.array is None for line in drawn(figure, 2))


def test_several_runs_have_two_panels_each_and_one_that_compares_them():
    figure = fig_tail(pd.concat([banded("a", common=True), banded("b", common=True)]))
    assert titles(figure) == [
        "Trained on, by difficulty: a",
        "Problems that give training data: a",
        "Trained on, by difficulty: b",
        "Problems that give training data: b",
        "Hardest two fifths that give training data",
    ]
    assert len(drawn(figure, 5)) == 2
    assert len(titles(fig_tail(pd.concat([banded("a"), banded("b")])))) == 4


def test_missing_bands_are_unknown_in_words():
    table = banded()
    table.loc[table["metric"] == "accepted_coverage", ["value", "low", "high"]] = np.nan
    table.loc[table["metric"] == "accepted_coverage", "method"] = "no <b>weight</b>"
    texts = notes(fig_tail(table))
    assert "unknown: no &lt;b&gt;weight&lt;/b&gt;" in texts
    assert "unknown: no accepted_share on split heldout in this table" in notes(fig_tail(table, split="heldout"))


def test_a_lorenz_curve_a_round_is_drawn_as_the_table_has_it():
    table = lorenz_table(weights([[1, 1, 1, 1], [0, 0, 2, 2]]))
    figure = fig_tail(table)
    equal, first, last = drawn(figure, 1)
    assert list(equal.x) == list(equal.y) == [0, 1]
    assert first.y == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert last.y == pytest.approx([0, 0, 0, 0.5, 1])
    assert (first.line.dash, last.line.dash) == ("dot", "solid")
    assert last.line.color.endswith("1.00)")
    floor = table["floor"].iloc[-1]
    assert f"round 1: Gini 0.500 by chance {floor:.3f}" in notes(figure)[1]
    assert f"Gini 0.500<br>by chance {floor:.3f}" in last.hovertext[0]


def test_the_gini_over_rounds_has_its_interval_and_its_floor():
    rng = np.random.default_rng(3)
    table = lorenz_table(weights(rng.integers(0, 3, (2, 30))))
    chance, found = drawn(fig_tail(table), 2)
    once = table.drop_duplicates("round")
    assert found.y == pytest.approx(once["gini"].to_numpy(float))
    assert found.error_y.array == pytest.approx((once["gini_high"] - once["gini"]).to_numpy(float))
    assert chance.y == pytest.approx(once["floor"].to_numpy(float))
    assert chance.line.dash == "dash"


def test_at_most_six_rounds_are_curves_with_the_first_and_the_last():
    figure = fig_tail(lorenz_table(weights([[1, 2, r % 3] for r in range(15)])))
    curves = drawn(figure, 1)[1:]
    assert len(curves) == 6
    assert "round 0<br>" in curves[0].hovertext[0]
    assert "round 14<br>" in curves[-1].hovertext[0]
    assert len(drawn(figure, 2)[1].x) == 15


def test_a_round_that_accepts_nothing_has_no_curve_and_a_gap_in_the_gini():
    figure = fig_tail(lorenz_table(weights([[1, 1], [0, 0], [2, 1]])))
    assert len(drawn(figure, 1)) == 3
    assert np.isnan(drawn(figure, 2)[1].y[1])
    nothing = notes(fig_tail(lorenz_table(weights([[0, 0]]))))
    assert nothing.count("unknown: no row has weight &gt; 0") == 2


def test_each_run_has_its_lorenz_panel_and_all_share_that_of_the_gini():
    table = pd.concat([lorenz_table(weights([[1, 2], [0, 2]], run)) for run in "ab"])
    figure = fig_tail(table)
    assert titles(figure) == ["Who fills the training data: a", "Who fills the training data: b", "How unequal (Gini)"]
    assert len(drawn(figure, 3)) == 4
    assert "unknown: no Lorenz curve on split heldout in this table" in notes(fig_tail(table, split="heldout"))


def test_the_ledger_stacks_every_problem_once():
    figure = fig_tail(ledger(judged(RIGHT)))
    lost, kept, gained, never = drawn(figure, 1, "bar")
    assert (list(lost.y), list(kept.y), list(gained.y), list(never.y)) == ([1, 0], [2, 3], [1, 2], [1, 0])
    assert lost.marker.pattern.shape == "/"
    assert {"lost 0", "kept 3", "gained 2", "never 0"} <= set(notes(figure))


def test_gained_stands_above_lost_below_and_chance_beside_both():
    table = ledger(judged(RIGHT))
    figure = fig_tail(table)
    gained, lost = drawn(figure, 2, "bar")
    assert (list(gained.y), list(lost.y)) == ([1, 2], [-1, 0])
    assert figure.layout.barmode == "relative"
    above, below = drawn(figure, 2)
    # one sample a round: each of the changed problems is right in one of two, and so gained or lost with chance 1/2
    assert list(above.x) == [0.55, 1, 2, 2.45]
    assert above.y == pytest.approx([1.0] * 4)
    assert above.y[1:3] == pytest.approx(table["expected_gained"].tolist())
    assert below.y == pytest.approx([-1.0] * 4)
    assert "gained 2 chance 1.0" in notes(figure)
    assert "2 problems<br>by chance 1.0, p of as many or more 0.250" in gained.hovertext[1]


def test_the_net_gain_has_its_interval():
    table = ledger(judged(RIGHT))
    (net,) = drawn(fig_tail(table), 3)
    assert net.y == pytest.approx([0.0, 0.4])
    assert net.error_y.array == pytest.approx((table["high"] - table["net"]).to_numpy(float))
    assert net.error_y.arrayminus == pytest.approx((table["net"] - table["low"]).to_numpy(float))


def test_the_ledger_of_another_split_and_of_several_runs():
    parts = [ledger(judged(RIGHT, run, "heldout")) for run in ("a", "b")]
    figure = fig_tail(pd.concat(parts), split="heldout")
    assert titles(figure)[:3] == ["Problems solved: a", "Gained and lost: a", "Problems solved: b"]
    assert len(drawn(figure, 5)) == 2
    assert notes(fig_tail(parts[0], split="train")).count("unknown: no ledger on split train in this table") == 3


def test_a_ledger_without_truth_says_why():
    table = ledger(judged(RIGHT))
    table = table.assign(**dict.fromkeys(["kept", "gained", "lost", "never", "net"], pd.NA), method="no <u>gold</u>")
    assert notes(fig_tail(table)).count("unknown: no &lt;u&gt;gold&lt;/u&gt;") == 3


@pytest.mark.parametrize("make", [lambda n: banded(n), lambda n: lorenz_table(weights([[1, 2]], n))])
def test_names_from_outside_are_shown_as_text(make):
    bad = "<a href='http://x'>run</a>"
    figure = fig_tail(pd.concat([make(bad), make("other")]))
    assert not any("<a" in text for text in said(figure) + [t.name or "" for t in figure.data])
    assert any("&lt;a href" in text for text in said(figure))


def test_names_from_outside_are_shown_as_text_in_the_ledger():
    figure = fig_tail(ledger(judged(RIGHT, "<a href='http://x'>run</a>")))
    assert not any("<a" in text for text in said(figure))


@pytest.mark.parametrize("x", [pd.DataFrame({"run": ["a"], "gini": [0.5]}), pd.DataFrame(), "runs/star", None])
def test_anything_else_is_refused_with_the_three_tables(x):
    with pytest.raises(SchemaError, match=r"metric table .*lorenz_table\(rows\) or siwork.metrics.ledger\(rows\), got"):
        fig_tail(x)


@pytest.mark.parametrize("table", [banded(), lorenz_table(weights([[1, 2]])), ledger(judged(RIGHT))])
def test_an_empty_table_is_refused_with_the_next_step(table):
    with pytest.raises(SchemaError, match="no row with a round"):
        fig_tail(table.iloc[:0])
    with pytest.raises(KnobError, match="nearest: 'train'"):
        fig_tail(table, split="trian")


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).map(sorted))
def test_names_keep_their_order_and_their_distance(heights):
    found = spread(heights, 0.0, 1.0, 0.1)
    assert all(after - before >= 0.1 - 1e-9 for before, after in pairwise(found))
    assert min(found) >= 0
    assert max(found) <= 1 + 1e-9


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.integers(2, 12))
@settings(max_examples=50)
def test_the_rounds_drawn_hold_the_first_and_the_last(rounds, most):
    found = aged(pd.Series(rounds), most)
    assert [r for r, _ in found] == sorted({r for r, _ in found})
    assert len(found) == min(most, len(set(rounds)))
    assert (found[0][0], found[-1][0]) == (min(rounds), max(rounds))
    assert found[-1][1] == 1.0
