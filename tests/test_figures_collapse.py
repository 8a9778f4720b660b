"""`fig_collapse`: the signs of a metric table, types lost, score and truth parting, each as its table says."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rounds_made import rows_of
from siwork.figures import fig_collapse
from siwork.metrics import measure, over_seeds, parting, support_table
from siwork.schema import KnobError, SchemaError

BAD = '<a href="http://x">run</a>'
LEVELS = {  # metric: value
    "token_entropy": 0.5,
    "answer_entropy": 1.5,
    "mode_share": 0.1,
    "support_kept": 0.7,
    "rep_4": 0.02,
    "unfinished_rate": 0.03,
    "empty_rate": 0.01,
    "mean_tokens": 9.0,
    "mean_characters": 40.0,
    "kl_to_base": 0.3,
}


def metrics(run="a", rounds=3, split="heldout", **values):
    """A metric table with the same value of each metric in every round, intervals ∓ 0.1."""
    return pd.DataFrame(
        {"run": run, "round": r, "split": split, "metric": metric, "value": value, "low": value - 0.1}
        | {"high": value + 0.1, "n": 30, "method": f"made {metric}", "unit": "", "band": np.nan}
        for metric, value in values.items()
        for r in range(rounds)
    )


def all_signs(run="a"):
    return pd.concat([metrics(run, **LEVELS), metrics(run, 2, "train", mean_score=0.6, mean_gold=0.5)])


def parted(run="a", alarms=(False, True, True), onset=2, split="heldout"):
    """A table of `parting`: score + 0.1 a round, truth − 0.05, bands ∓ 0.02."""
    rounds = np.arange(1, len(alarms) + 1)
    table = pd.DataFrame({"run": run, "split": split, "first": 0, "round": rounds, "alarm": alarms, "onset": onset})
    for name, step in (("score", 0.1), ("gold", -0.05), ("index", 0.15)):
        value = step * rounds
        table = table.assign(**{name: value, f"{name}_low": value - 0.02, f"{name}_high": value + 0.02})
    return table.assign(problems=40, left_out=0, method="max-T bands")


def rows_made(rounds=3, seed=0, run="a"):
    rng = np.random.default_rng(seed)
    golds = [rng.random((40, 8)) < 0.6 - 0.1 * r for r in range(rounds)]
    scores = [rng.beta(2 + r, 2, (40, 8)) for r in range(rounds)]
    answers = [rng.choice(list("uvwxyz")[: 6 - r], (40, 8)) for r in range(rounds)]
    return rows_of(golds, run=run, score=scores, answer=answers)


def lines(figure):
    return [t for t in figure.data if t.mode == "lines+markers" and t.hovertext is not None]


def rings(figure):
    return [t for t in figure.data if t.mode == "markers" and t.hovertext is not None]


def notes(figure):
    return [a.text.replace("<br>", " ") for a in figure.layout.annotations]


def legend(figure):
    return [t.name for t in figure.data if t.showlegend is None]


def drawn(figure):
    """Dash and value of the lines of each panel, by its x axis."""
    panels = {}
    for t in lines(figure):
        panels.setdefault(t.xaxis, {})[t.line.dash] = float(t.y[0])
    return panels


def test_a_metric_table_gives_a_panel_a_sign():
    figure = fig_collapse(all_signs())
    assert drawn(figure) == {
        "x": {"solid": 0.6, "dash": 0.5},
        "x2": {"solid": 0.5, "dash": 1.5},
        "x3": {"solid": 0.1},
        "x4": {"solid": 0.7},
        "x5": {"solid": 0.02, "dash": 0.03, "dot": 0.01},
        "x6": {"solid": 9.0},
        "x7": {"solid": 0.3},
    }
    assert any("on train · solid: score · dashed: truth" in text for text in notes(figure))
    assert figure.layout.yaxis6.title.text == "tokens"
    assert lines(figure)[0].error_y.array == pytest.approx([0.1, 0.1])


def test_length_is_in_characters_where_tokens_are_unknown():
    table = all_signs()
    figure = fig_collapse(table[table["metric"] != "mean_tokens"])
    assert figure.layout.yaxis6.title.text == "characters"
    assert drawn(figure)["x6"] == {"solid": 40.0}


def test_divergence_and_tail_mass_are_drawn_only_where_known():
    table = all_signs()
    assert not any("KL" in text for text in notes(fig_collapse(table[table["metric"] != "kl_to_base"])))
    assert not any("tail mass" in text for text in notes(fig_collapse(table)))
    figure = fig_collapse(pd.concat([table, metrics(tail_mass=0.2)]))
    assert drawn(figure)["x8"] == {"solid": 0.2}


def test_rounds_of_both_splits_are_on_every_axis():
    figure = fig_collapse(all_signs())
    assert {tuple(axis.range) for axis in figure.select_xaxes() if axis.range} == {(-0.5, 2.5)}


def test_of_one_split_only_its_rounds_are_shown():
    table = pd.concat([all_signs().assign(split="train"), metrics(rounds=9, pass_at=0.4)])
    assert fig_collapse(table, split="train").layout.xaxis.range == (-0.5, 2.5)


def test_what_is_unknown_is_said_with_its_reason():
    table = all_signs()
    for name in ("mode_share", "empty_rate"):
        table.loc[table["metric"] == name, ["value", "method"]] = [math.nan, f"no <b>{name}</b>"]
    figure = fig_collapse(table[table["metric"] != "support_kept"])
    assert "unknown: no &lt;b&gt;mode_share&lt;/b&gt;" in notes(figure)
    assert "unknown: no support_kept on split heldout in this table" in notes(figure)
    (broken,) = [a for a in figure.layout.annotations if "Broken" in a.text]
    assert "empty: unknown" in broken.text
    assert broken.hovertext == "unknown: no &lt;b&gt;empty_rate&lt;/b&gt;"


def test_a_null_leaves_a_gap():
    table = all_signs()
    table.loc[(table["metric"] == "mode_share") & (table["round"] == 1), ["value", "low", "high"]] = math.nan
    (line,) = [t for t in lines(fig_collapse(table)) if t.xaxis == "x3"]
    assert math.isnan(line.y[1])
    assert line.connectgaps is None


def test_each_run_has_its_colour_and_symbol_in_every_panel():
    figure = fig_collapse(pd.concat([all_signs("a"), all_signs("b")]))
    looks = {t.legendgroup: (t.line.color, t.marker.symbol) for t in lines(figure)}
    assert all((t.line.color, t.marker.symbol) == looks[t.legendgroup] for t in lines(figure))
    assert len({*looks["a"], *looks["b"]}) == 4
    assert legend(figure) == ["a: one run, interval over problems", "b: one run, interval over problems"]


def test_seeds_have_a_ribbon():
    table = pd.concat([measure(rows_made(seed=seed, run=f"a-{seed}")) for seed in range(3)])
    figure = fig_collapse(over_seeds(table, group={f"a-{seed}": "a" for seed in range(3)}))
    assert legend(figure) == ["a: interval over 3 seeds"]
    assert any(t.fill == "toself" for t in figure.data)


def test_lost_types_stand_beside_those_that_chance_loses():
    table = support_table(rows_made())
    figure = fig_collapse(table)
    mass, expected, lost = lines(figure)
    assert list(mass.y) == pytest.approx(table["tail_mass"].to_numpy(float), nan_ok=True)
    assert list(lost.y) == pytest.approx(table["lost"].to_numpy(float, na_value=np.nan), nan_ok=True)
    assert expected.line.dash == "dash"
    assert list(expected.y[1:]) == pytest.approx(table["expected_lost"].to_numpy(float, na_value=np.nan)[1:])
    assert mass.error_y.array is not None
    assert "n = 40 problems" in mass.hovertext[0]


def test_parting_shows_changes_with_their_bands_and_rings_the_alarms():
    figure = fig_collapse(parted())
    assert drawn(figure) == {
        "x": {"solid": pytest.approx(0.1), "dash": pytest.approx(-0.05)},
        "x2": {"solid": pytest.approx(0.15)},
    }
    assert all(t.error_y.array == pytest.approx([0.02] * 3) for t in lines(figure))
    (ring,) = rings(figure)
    assert list(ring.x) == [2, 3]
    assert ring.y == pytest.approx([0.2, 0.3])
    assert ring.marker.symbol == "circle-open"
    assert "<b>Change since round 0</b>" in notes(figure)[0]
    assert "alarm from round 2 on · solid: score · dashed: truth" in notes(figure)[0]
    assert legend(figure) == ["a: simultaneous bands over problems", "ring: alarm, score up and truth down"]


@pytest.mark.parametrize(
    ("alarms", "onset", "says"),
    [
        ((False, False), None, "no alarm"),
        ((True, False), None, "alarm in round 1 "),
        ((True, True, False), None, "alarm in rounds 1, 2"),
        ((None, None), None, "alarm unknown"),
        ((None, True), 2, "alarm from round 2 on"),
    ],
)
def test_alarms_are_said_in_words(alarms, onset, says):
    figure = fig_collapse(parted(alarms=alarms, onset=onset))
    assert says in notes(figure)[0]
    assert len(rings(figure)) == (True in alarms)


def test_alarms_of_several_runs_are_told_apart():
    quiet = {"alarms": (False, False), "onset": None}
    two = notes(fig_collapse(pd.concat([parted("a"), parted("b", **quiet)])))[0]
    assert "a: alarm from round 2 on · b: no alarm" in two
    three = pd.concat([parted("a"), parted("b", **quiet), parted("c")])
    assert "alarm in 2 of 3 runs" in notes(fig_collapse(three))[0]
    ring = rings(fig_collapse(pd.concat([parted("b", **quiet), parted("a")])))[0]
    assert list(ring.x) == pytest.approx([2.025, 3.025])  # over the shifted points of its run


def test_another_split_has_no_alarm_of_its_own():
    table = pd.concat([parted(), parted(split="train", alarms=(False,) * 3, onset=None)])
    assert rings(fig_collapse(table, split="train")) == []


def test_the_tables_of_the_library_are_taken_with_arrow_types():
    table = parting(rows_made())
    figure = fig_collapse(table)
    score = next(t for t in lines(figure) if t.line.dash == "solid")
    assert list(score.y) == pytest.approx(table["score"].to_numpy(float))
    assert fig_collapse(table).to_json() == fig_collapse(table.astype(object)).to_json()


@pytest.mark.parametrize(
    "make", [lambda: all_signs(BAD), lambda: parted(BAD), lambda: support_table(rows_made(run=BAD))]
)
def test_names_from_outside_are_shown_as_text(make):
    figure = fig_collapse(make().assign(method="<script>x</script>"))
    hovers = [h for t in figure.data if t.hovertext is not None for h in np.atleast_1d(t.hovertext)]
    shown = [*notes(figure), *legend(figure), *hovers]
    assert not any("<a" in text or "<script" in text for text in shown)
    assert any("&lt;a href" in text for text in shown)


@pytest.mark.parametrize("given", [None, pd.DataFrame({"run": ["a"], "round": [0]})])
def test_another_table_is_refused_with_those_that_are_taken(given):
    with pytest.raises(SchemaError, match=r"siwork\.measure.*support_table or parting"):
        fig_collapse(given)


@pytest.mark.parametrize("make", [all_signs, parted, lambda: support_table(rows_made())])
def test_empty_tables_and_unknown_splits_are_refused(make):
    with pytest.raises(SchemaError, match="no row with a round"):
        fig_collapse(make().iloc[:0])
    with pytest.raises(KnobError, match="nearest: 'heldout'"):
        fig_collapse(make(), split="held-out")


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*LEVELS, "mean_score", "odd"]),
            st.integers(0, 5),
            st.floats(-5, 5) | st.just(math.nan),
            st.sampled_from(["heldout", "train"]),
            st.sampled_from(["a", "b"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_metric_table_gives_a_figure_of_valid_json(entries):
    table = pd.DataFrame(entries, columns=["metric", "round", "value", "split", "run"])
    table = table.drop_duplicates(["run", "round", "split", "metric"])
    figure = fig_collapse(table.assign(low=math.nan, high=1.0, n=3, method="m"))
    assert json.loads(figure.to_json())["data"]
