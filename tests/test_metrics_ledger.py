"""The ledger, the crossing and the split of a gain: by hand, under no change, with planted changes, with bad rows."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, hypergeom, multinomial

from rounds_made import Stream, rows_of, still
from siwork.metrics.intervals import grouped_change
from siwork.metrics.performance import crossover_interval
from siwork.metrics.tables import crossing, curves, gain_split, ledger, ledger_problems, pass_curve
from siwork.metrics.tables.ledger import paired_score
from siwork.metrics.uncertainty import mcnemar, paired_t
from siwork.schema import KnobError, SchemaError

# five problems × 4 samples. gained, lost, kept, never, gained with the held-out half of round 0 right
BEFORE = [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]]
AFTER = [[0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
SMALL = rows_of([np.array(BEFORE, bool), np.array(AFTER, bool)])


def chance(n, c, k):
    """P(k of n samples hold none of c right ones)."""
    return hypergeom(n, c, k).pmf(0)


def test_the_ledger_by_hand():
    row = ledger(SMALL).iloc[0]
    assert row[["problems", "gained", "lost", "kept", "never", "left_out"]].tolist() == [5, 1, 1, 2, 1, 0]
    right = [1, 1, 6, 0, 2]
    expected = sum(chance(8, c, 4) for c in right if c)
    assert row["expected_gained"] == pytest.approx(expected, abs=1e-12)
    assert row["expected_lost"] == pytest.approx(expected, abs=1e-12)
    assert row["excess_gained"] == pytest.approx(1 - expected, abs=1e-12)
    assert row["p_gained"] == pytest.approx(1 - (1 / 2) * (1 / 2) * (1 - chance(8, 2, 4)), abs=1e-12)
    assert row["mcnemar_p"] == mcnemar(1, 1)
    assert (row["net"], row["low"], row["high"]) == (0, *paired_score(1, 1, 5))
    # halves of two: p0 is gained and never right before, p4 was right in the held-out half
    assert (row["selection"], row["acquisition"], row["selection_share"]) == (1, 1, 0.5)
    acquired = sum(chance(8, c, 4) - chance(8, c, 6) for c in right)
    selected = sum(chance(8, c, 2) - 2 * chance(8, c, 4) + chance(8, c, 6) for c in right)
    assert row["expected_acquisition"] == pytest.approx(acquired, abs=1e-12)
    assert row["expected_selection"] == pytest.approx(selected, abs=1e-12)
    assert "few_problems" in row["method"]


def test_the_problems_behind_the_ledger():
    table = ledger_problems(SMALL)
    assert table["state"].tolist() == ["gained", "lost", "kept", "never", "kept"]
    assert table[["n0", "c0", "n1", "c1"]].values.tolist()[:2] == [[4, 0, 4, 1], [4, 1, 4, 0]]
    lone = SMALL[(SMALL["round"] == 0) | (SMALL["problem"] != "p3")]
    row = ledger_problems(lone).iloc[3]
    assert pd.isna(row["state"])
    assert pd.isna(row["n1"])
    assert row["method"] == "no sample with known gold in round 1"


def test_rounds_splits_and_runs_are_rows_in_order():
    golds = still(np.random.default_rng(0), 10, 4, 4)
    both = pd.concat([rows_of(golds), rows_of(golds[:2], split="train"), rows_of(golds, run="b")])
    table = ledger(both)
    assert table[["run", "split", "round"]].values.tolist() == [
        *[["a", "train", 1]],
        *[["a", "heldout", r] for r in (1, 2, 3)],
        *[["b", "heldout", r] for r in (1, 2, 3)],
    ]
    named = ledger(both, last=3)
    assert named["method"].iloc[0] == "round 3 has no rows of this split"
    assert pd.isna(named["gained"].iloc[0])
    assert named["gained"].iloc[1] == table["gained"].iloc[3]
    assert ledger(both, 2, 0)["gained"].iloc[1] == ledger(both, 0, 2)["lost"].iloc[1]
    mixed = both.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(ledger(mixed), table)


def test_a_run_is_read_round_by_round():
    rows = rows_of(still(np.random.default_rng(0), 20, 6, 3))
    for function in (ledger, ledger_problems, crossing, gain_split, pass_curve):
        pd.testing.assert_frame_equal(function(Stream(rows)), function(rows))


def test_rounds_with_other_problems_pair_on_the_common_ones():
    rows = rows_of(still(np.random.default_rng(0), 20, 6))
    later = rows["round"] == 1
    some = rows[~later | ~rows["problem"].isin(["p3", "p4"])]
    some = some[(some["round"] == 1) | (some["problem"] != "p9")]
    row = ledger(some).iloc[0]
    assert (row["problems"], row["left_out"]) == (17, 3)
    inner = ledger(rows[~rows["problem"].isin(["p3", "p4", "p9"])]).iloc[0]
    assert row["gained"] == inner["gained"]
    assert row["low"] == inner["low"]
    assert "3 problems left out" in row["method"]
    apart = rows.assign(problem=rows["problem"] + rows["round"].astype(str))
    for function in (ledger, crossing, gain_split, ledger_problems):
        with pytest.raises(KnobError, match="share problems"):
            function(apart)
    fresh = pd.concat([apart.assign(split="train"), rows])
    table = ledger(fresh)
    assert table["method"].iloc[0] == "no common problem of rounds 0 and 1"
    assert table["left_out"].iloc[0] == 40
    assert table["problems"].iloc[1] == 20


def test_unequal_samples_are_compared_in_expectation():
    rows = rows_of(still(np.random.default_rng(3), 100, 8))
    rows = rows[(rows["round"] == 0) | (rows["sample"] < 4)]
    row = ledger(rows).iloc[0]
    assert pd.isna(row["mcnemar_p"])
    assert "100 problems with unequal" in row["method"]
    draws = []
    for _, own in rows.groupby("problem"):
        first, then = (own.loc[own["round"] == r, "gold"] for r in (0, 1))
        draws.append(float(then.any()) - (1 - chance(8, first.sum(), 4)))
    assert row["net"] == pytest.approx(np.mean(draws), abs=1e-12)
    found = grouped_change(np.array(draws), np.zeros(100, np.int64), 1)
    assert (row["low"], row["high"]) == pytest.approx((found.low[0], found.high[0]), abs=1e-12)
    assert row["low"] < 0 < row["high"]


def score_square(delta, gained, lost, problems):
    """(gained − lost − Nδ)² over its variance at the likeliest chances whose difference is δ."""

    def minus_log(q):  # q: chance of lost
        return -(gained * np.log(q + delta) + lost * np.log(q) + (problems - gained - lost) * np.log(1 - 2 * q - delta))

    start, end = max(0.0, -delta), (1 - delta) / 2
    q = minimize_scalar(minus_log, bounds=(start, end), method="bounded", options={"xatol": 1e-12}).x
    return (gained - lost - problems * delta) ** 2 / (problems * (2 * q + delta - delta**2))


@pytest.mark.parametrize("counts", [(12, 2, 50), (3, 5, 20), (1, 1, 12)])
def test_the_interval_of_paired_shares_inverts_the_score_test(counts):
    for end in paired_score(*counts):
        assert score_square(end, *counts) == pytest.approx(1.959963984540054**2, rel=1e-6)


@pytest.mark.parametrize(("problems", "up", "down"), [(20, 0.1, 0.1), (20, 0.3, 0.05), (40, 0.05, 0.05)])
def test_the_interval_of_paired_shares_covers(problems, up, down):
    covered = 0.0
    for gained, lost in product(range(16), range(16)):
        if gained + lost <= problems:
            low, high = paired_score(gained, lost, problems)
            chance_of = multinomial(problems, [up, down, 1 - up - down]).pmf([gained, lost, problems - gained - lost])
            covered += chance_of * (low <= up - down <= high)
    assert 0.935 <= covered <= 0.975


def test_paired_shares_at_their_ends():
    low, high = paired_score(0, 0, 30)
    assert high == pytest.approx(1.959963984540054**2 / (30 + 1.959963984540054**2))
    assert low == -high
    assert paired_score(30, 0, 30)[1] == 1
    assert paired_score(0, 30, 30)[0] == -1
    assert np.isnan(paired_score(0, 0, 0)[0])


def test_unknown_gold_leaves_and_hints_do_not_count():
    rows = SMALL.assign(gold=SMALL["gold"].astype(object), hint="none", turn=0)
    rows.loc[(rows["problem"] == "p0") & (rows["round"] == 1), "gold"] = None
    hinted = rows[rows["round"] == 0].assign(hint="answer", gold=True, sample=lambda x: x["sample"] + 4)
    row = ledger(pd.concat([rows, hinted])).iloc[0]
    assert row[["problems", "gained", "lost", "kept", "never", "left_out"]].tolist() == [4, 0, 1, 2, 1, 1]


def test_wrong_wishes_are_refused():
    with pytest.raises(SchemaError, match=r"lack column 'gold'.*task.check"):
        ledger(SMALL.drop(columns="gold"))
    with pytest.raises(SchemaError, match="a row table or a run is needed"):
        ledger([1, 2])
    with pytest.raises(KnobError, match="first must be a round of the rows, got 4; they have 0, 1"):
        ledger(SMALL, 4)
    with pytest.raises(KnobError, match="last must be a round"):
        ledger(SMALL, 0, 7)
    with pytest.raises(KnobError, match="two rounds, got 1 twice"):
        ledger(SMALL, 1, 1)
    for function in (ledger, crossing, gain_split, pass_curve):
        with pytest.raises(KnobError, match="level"):
            function(SMALL, level=1.5)


def test_one_round_alone_gives_an_empty_table():
    first = SMALL[SMALL["round"] == 0]
    for function in (ledger, ledger_problems, crossing, gain_split):
        table = function(first)
        assert len(table) == 0
        assert list(table.columns) == list(function(SMALL).columns)
    assert len(ledger(Stream(SMALL.iloc[:0]))) == 0


def test_one_sample_a_problem():
    rows = SMALL[SMALL["sample"] == 0]
    row = ledger(rows).iloc[0]
    assert pd.isna(row["selection"])
    assert "no held-out half" in row["method"]
    assert row["expected_gained"] == pytest.approx(1.5)  # three problems with one right of two: ½ each
    split = gain_split(rows)
    assert split["value"].isna().all()
    assert "one sample a problem" in split["method"].iloc[0]


def test_a_model_that_does_not_change():
    runs, rng = 100, np.random.default_rng(7)
    found, parts, naive = [], [], []
    for _ in range(runs):
        golds = still(rng, 50, 8)
        rows = rows_of(golds)
        found.append(ledger(rows).iloc[0])
        parts.append(gain_split(rows).set_index("part")[["value", "low", "high"]].astype(float))
        change = golds[1].mean(axis=1) - golds[0].mean(axis=1)
        naive.append(np.mean(change * ~golds[0].any(axis=1)))
    table = pd.DataFrame(found)
    for name in ("p_gained", "p_lost", "mcnemar_p"):  # discrete, so at most the level
        assert (table[name] <= 0.05).sum() <= binom(runs, 0.05).ppf(0.999)
    missed = ((table["low"] > 0) | (table["high"] < 0)).sum()
    assert missed <= binom(runs, 0.05).ppf(0.9995)
    for name in ("gained", "lost", "selection", "acquisition"):
        excess = (table[name] - table[f"expected_{name}"]).to_numpy(float)
        assert abs(excess.mean()) <= 3.5 * excess.std(ddof=1) / np.sqrt(runs), name
    for part in ("total", "compression", "new"):
        values = np.array([each.loc[part, "value"] for each in parts])
        assert abs(values.mean()) <= 3.5 * values.std(ddof=1) / np.sqrt(runs), part
        outside = sum(each.loc[part, "low"] > 0 or each.loc[part, "high"] < 0 for each in parts)  # NaN is neither
        assert outside <= binom(runs, 0.05).ppf(0.9995)
    assert np.mean(naive) > 10 * np.std(naive) / np.sqrt(
        runs
    )  # class and value from the same samples: a gain from nowhere


def test_planted_changes_are_found():
    rng = np.random.default_rng(5)
    rate = np.r_[np.zeros(40), np.full(60, 0.5)][:, None]
    before = rng.random((100, 8)) < rate
    learnt = np.where(np.arange(100)[:, None] < 20, 0.6, rate)
    new = rows_of([before, rng.random((100, 8)) < learnt])
    row, parts = ledger(new).iloc[0], gain_split(new).set_index("part")
    assert row["p_gained"] < 1e-6
    assert row["low"] > 0
    assert row["acquisition"] >= 15
    assert row["acquisition"] > 5 * max(row["expected_acquisition"], 1)
    assert parts.loc["new", "low"] > 0
    assert parts.loc["compression", "low"] < 0 < parts.loc["compression", "high"]
    sharper = rows_of([before, rng.random((100, 8)) < np.where(rate > 0, 0.8, 0)])
    parts = gain_split(sharper).set_index("part")
    assert parts.loc["compression", "low"] > 0
    assert abs(parts.loc["new", "value"]) < 0.02
    assert parts.loc["total", "value"] == pytest.approx(parts.loc[["compression", "new"], "value"].sum())
    assert parts.loc["compression", "share"] == pytest.approx(0.6 * (1 - 0.5**4), abs=0.02)
    forgot = ledger(rows_of([before, rng.random((100, 8)) < np.where(np.arange(100)[:, None] < 70, rate, 0)])).iloc[0]
    assert forgot["p_lost"] < 1e-6
    assert forgot["mcnemar_p"] < 1e-6
    assert forgot["high"] < 0


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_the_split_adds_up_to_the_change_of_pass_1(n0, n1, seed):
    rng = np.random.default_rng(seed)
    golds = [rng.random((6, n)) < rng.random((6, 1)) for n in (n0, n1)]
    table = gain_split(rows_of(golds)).set_index("part")["value"]
    if n0 == 1:
        assert table.isna().all()
    else:
        assert table["total"] == pytest.approx(golds[1].mean() - golds[0].mean(), abs=1e-12)
        assert table["compression"] + table["new"] == pytest.approx(table["total"], abs=1e-12)


def test_the_split_by_hand():
    # p0: halves 10 | 00, p1: halves 00 | 00; after ¾ and ½. reach by a half and value by the other, weights ½
    rows = rows_of([np.array([[1, 0, 0, 0], [0, 0, 0, 0]], bool), np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)])
    table = gain_split(rows).set_index("part")
    inside = np.array([0.5 * (0.75 - 0.0), 0.0])  # only way a: its first half is right, the other half is worth 0
    total = np.array([0.75 - 0.25, 0.5])
    assert table.loc["compression", "value"] == pytest.approx(inside.mean())
    assert table.loc["new", "value"] == pytest.approx((total - inside).mean())
    assert table.loc["compression", "share"] == 0.25
    many = rows_of([rng.random((60, 6)) < 0.5 for rng in (np.random.default_rng(0), np.random.default_rng(1))])
    row = gain_split(many).set_index("part").loc["total"]
    means = many.groupby(["problem", "round"])["gold"].mean().unstack()
    found = paired_t(means[0], means[1])
    assert (row["value"], row["low"], row["high"]) == pytest.approx((found.value, found.low, found.high), abs=1e-12)


# ── crossing and curves ───────────────────────────────────────────────────────────────────────────────────────


def test_the_crossing_is_that_of_the_counts():
    rng = np.random.default_rng(0)
    golds = [rng.random((40, 8)) < 0.4, np.repeat(rng.random((40, 1)) < 0.55, 8, axis=1)]
    row = crossing(rows_of(golds)).iloc[0]
    k, low, high, reached = crossover_interval(8, golds[0].sum(axis=1), golds[1].sum(axis=1))
    assert (row["k"], row["low"], row["high"], row["reached"]) == (k, low, high, reached)
    assert (row["k"], row["largest_k"], row["reached"]) == (2, 8, 1.0)
    up = crossing(rows_of([golds[0], np.ones((40, 8), bool)])).iloc[0]
    assert pd.isna(up["k"])
    assert (up["reached"], up["high"]) == (0.0, np.inf)
    assert up["method"].startswith("not reached by k = 8")


def test_unequal_rounds_cross_where_their_own_curves_do():
    rng = np.random.default_rng(1)
    golds = [rng.random((30, 6)) < 0.4, np.repeat(rng.random((30, 1)) < 0.5, 6, axis=1)]
    change = curves._change(
        *(np.asarray(x) for x in (np.full(30, 6), golds[0].sum(1), np.full(30, 6), golds[1].sum(1))), 6
    )
    assert curves._unequal(change, 0.95, 300, 4) == tuple(
        crossover_interval(6, golds[0].sum(1), golds[1].sum(1), 0.95, 300, 4)
    )
    rows = rows_of(golds)
    row = crossing(rows[(rows["round"] == 0) | (rows["sample"] < 5)]).iloc[0]
    assert row["largest_k"] == 5
    assert row["k"] == 2
    assert crossing(rows[rows["problem"] == "p0"]).iloc[0]["reached"] is pd.NA


def test_pass_curve_has_every_k():
    table = pass_curve(SMALL)
    assert table[["round", "k"]].values.tolist() == [[r, k] for r in (0, 1) for k in (1, 2, 3, 4)]
    counts = np.sum(BEFORE, axis=1)
    for k in (1, 2, 3, 4):
        each = [1 - chance(4, c, k) for c in counts]
        row = table[(table["round"] == 0) & (table["k"] == k)].iloc[0]
        assert row["value"] == pytest.approx(np.mean(each), abs=1e-12)
        assert row["n"] == 5
    short = pass_curve(SMALL[(SMALL["round"] == 0) | (SMALL["sample"] < 3)])
    assert short["k"].max() == 3
