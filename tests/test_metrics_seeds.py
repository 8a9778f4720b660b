"""Pooling over seeds, and differences between rounds."""

import numpy as np
import pandas as pd
import pytest

from siwork.metrics import measure, over_seeds, round_difference
from siwork.metrics.uncertainty import paired_t, wilson
from siwork.schema import KnobError, SchemaError


def table_of(values, **columns):
    """A metric table, one run a value."""
    base = {
        "round": 0,
        "split": "heldout",
        "metric": "pass@1",
        "low": 0.0,
        "high": 1.0,
        "n": 50,
        "unit": "",
        "method": "m",
    }
    runs = [f"s{i}" for i in range(len(values))]
    return pd.DataFrame({"run": runs, "value": pd.Series(values, dtype=float), **base, **columns})


def test_three_seeds_by_hand():
    row = over_seeds(table_of([0.4, 0.5, 0.6])).iloc[0]
    # sd 0.1, t₂ = 4.302653
    assert row["value"] == pytest.approx(0.5)
    assert row["high"] - 0.5 == pytest.approx(4.302652729911275 * 0.1 / np.sqrt(3), abs=1e-9)
    assert (row["n"], row["run"], row["method"]) == (3, "all runs", "seeds: t, S=3")
    assert (row["least"], row["most"]) == (0.4, 0.6)


def test_intervals_are_clipped_to_what_the_metric_can_be():
    share = over_seeds(table_of([0.05, 0.5])).iloc[0]
    assert (share["low"], share["high"]) == (0.0, 1.0)
    tokens = over_seeds(table_of([1.0, 9.0], metric="mean_tokens")).iloc[0]
    assert tokens["low"] == 0
    assert tokens["high"] > 9
    other = over_seeds(table_of([0.05, 0.5], metric="my_metric")).iloc[0]
    assert other["low"] < 0
    change = over_seeds(table_of([-0.9, 0.9], metric="pass@1_change")).iloc[0]
    assert (change["low"], change["high"]) == (-1, 1)


def test_one_seed_and_equal_seeds_have_no_interval():
    one = over_seeds(table_of([0.4])).iloc[0]
    assert one["value"] == 0.4
    assert pd.isna(one["low"])
    assert one["method"] == "seeds: one run, so no interval"
    equal = over_seeds(table_of([0.2, 0.2, 0.2])).iloc[0]
    assert (equal["value"], equal["least"], equal["most"]) == (pytest.approx(0.2), 0.2, 0.2)
    assert pd.isna(equal["high"])
    assert equal["method"] == "seeds: all 3 runs equal, so no interval"


def test_unknown_runs_are_counted():
    some = over_seeds(table_of([0.4, np.nan, 0.6])).iloc[0]
    assert (some["value"], some["n"]) == (0.5, 2)
    assert some["method"] == "seeds: t, S=2; 1 of 3 runs unknown"
    none = over_seeds(table_of([np.nan, np.nan], method="rows lack column 'gold'")).iloc[0]
    assert pd.isna(none["value"])
    assert (none["n"], none["method"]) == (0, "rows lack column 'gold'")
    assert pd.isna(none["least"])


def test_groups_rounds_and_bands_stay_apart():
    parts = [
        table_of([0.1, 0.2, 0.7, 0.9]),
        table_of([0.2, 0.3, 0.8, 1.0], round=1),
        table_of([0.5, 0.6, 0.5, 0.6], metric="accepted_share", band=3),
    ]
    group = {"s0": "star", "s1": "star", "s2": "lmsi", "s3": "lmsi"}
    pooled = over_seeds(pd.concat(parts), group=group)
    assert len(pooled) == 6
    value = pooled.set_index(["run", "metric", "round"])["value"]
    assert value["star", "pass@1", 1] == pytest.approx(0.25)
    assert value["lmsi", "pass@1", 0] == pytest.approx(0.8)
    assert pooled[pooled["metric"] == "accepted_share"]["band"].tolist() == [3, 3]
    assert (pooled["n"] == 2).all()


def test_runs_at_different_k_do_not_compare():
    row = over_seeds(table_of([2.0, 3.0], metric="distinct_correct", k=[8, 16])).iloc[0]
    assert pd.isna(row["value"])
    assert pd.isna(row["least"])
    assert pd.isna(row["k"])
    assert row["method"] == "runs were measured at different k; measure them with one k="
    same = over_seeds(table_of([2.0, 3.0], metric="distinct_correct", k=8)).iloc[0]
    assert (same["value"], same["k"]) == (2.5, 8)


def test_wrong_tables_are_refused():
    with pytest.raises(SchemaError, match=r"run 's0' has 'pass@1' twice for round 0, split heldout"):
        over_seeds(pd.concat([table_of([0.1]), table_of([0.2])]))
    with pytest.raises(SchemaError, match="lack column 'value'"):
        over_seeds(table_of([0.1]).drop(columns="value"))
    with pytest.raises(KnobError, match=r"'s1' is not in it"):
        over_seeds(table_of([0.1, 0.2]), group={"s0": "g"})
    with pytest.raises(KnobError, match="level"):
        over_seeds(table_of([0.1, 0.2]), level=2)
    assert len(over_seeds(table_of([0.1]).iloc[:0])) == 0


def test_the_interval_over_seeds_covers():
    # 4 seeds of a normal metric: t covers 95 %, the normal quantile would cover 85 %
    values = np.random.default_rng(0).normal(10, 1, (1500, 4))
    parts = pd.DataFrame(
        {
            "run": np.tile([f"s{i}" for i in range(4)], 1500),
            "round": np.repeat(np.arange(1500), 4),
            "value": values.ravel(),
        }
    ).assign(split="train", metric="mean_tokens", low=np.nan, high=np.nan, n=1, unit="", method="m")
    pooled = over_seeds(parts)
    covered = ((pooled["low"] <= 10) & (pooled["high"] >= 10)).mean()
    assert 0.935 <= covered <= 0.965


def test_between_within_and_their_ratio_by_hand():
    # 21 problems: t₂₀ = 2.085963; the longer half of a clipped interval is the unclipped one
    ends = {"low": [0.4 - 0.1, 0.5 - 0.1, 0.0], "high": [0.4 + 0.1, 0.5 + 0.1, 0.6 + 0.2]}
    row = over_seeds(table_of([0.4, 0.5, 0.6], **ends, n=21)).iloc[0]
    error = np.array([0.1, 0.1, 0.6]) / 2.0859634472658644
    assert row["between"] == pytest.approx(0.1)
    assert row["within"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert row["ratio"] == pytest.approx(0.01 / np.mean(error**2))
    assert row["conclusion"] == ""
    one = over_seeds(table_of([0.4])).iloc[0]
    assert pd.isna(one["between"])
    assert pd.isna(one["ratio"])
    assert one["within"] > 0
    unknown = over_seeds(table_of([0.4, 0.5], low=[0.3, np.nan], high=[0.5, np.nan])).iloc[0]
    assert unknown["between"] > 0
    assert pd.isna(unknown["within"])
    assert pd.isna(unknown["ratio"])
    equal = over_seeds(table_of([0.2, 0.2, 0.2])).iloc[0]
    assert (equal["between"], equal["ratio"]) == (0, 0)
    mixed = over_seeds(table_of([2.0, 3.0], metric="distinct_correct", k=[8, 16])).iloc[0]
    assert mixed[["between", "within", "ratio"]].isna().all()


def test_the_ratio_is_1_where_seeds_differ_by_their_own_error_only():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (400, 5, 40))  # rounds, seeds, problems of their own
    half = 2.0226909 * x.std(axis=2, ddof=1) / np.sqrt(40)  # t₃₉
    values = x.mean(axis=2).ravel()
    table = table_of(values, metric="my_metric", low=values - half.ravel(), high=values + half.ravel(), n=40)
    table = table.assign(run=np.tile([f"s{i}" for i in range(5)], 400), round=np.repeat(np.arange(400), 5))
    pooled = over_seeds(table)
    assert pooled["within"].mean() == pytest.approx(1 / np.sqrt(40), rel=0.02)
    assert pooled["ratio"].mean() == pytest.approx(1, abs=0.15)
    shifted = over_seeds(table.assign(value=values + np.tile([0, 1, 2, 3, 4], 400), low=np.nan, high=np.nan))
    assert shifted["ratio"].isna().all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.10, 0.12, 0.11], "rises"),
        ([-0.10, -0.12, -0.11], "falls"),
        ([0.10, -0.02, 0.12], "do not conclude"),  # signs differ
        ([0.30, 0.01, 0.02], "do not conclude"),  # the interval holds 0
        ([0.1, 0.1, 0.1], "do not conclude"),  # no interval
        ([0.3], "do not conclude"),
        ([np.nan, np.nan], "do not conclude"),
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0], "do not conclude"),  # a seed without a change
    ],
)
def test_a_conclusion_needs_seeds_that_agree(values, words):
    assert over_seeds(table_of(values, metric="pass@1_change"))["conclusion"].tolist() == [words]
    assert over_seeds(table_of(values))["conclusion"].tolist() == [""]


def test_seeds_without_an_effect_seldom_conclude():
    values = np.random.default_rng(0).normal(0, 0.05, (1000, 3))
    table = table_of(values.ravel(), metric="pass@1_change", low=-1.0)
    table = table.assign(run=np.tile(list("abc"), 1000), round=np.repeat(np.arange(1000), 3))
    assert (over_seeds(table)["conclusion"] != "do not conclude").mean() <= 0.07


def test_pooled_tables_pool_again():
    first = pd.concat([over_seeds(table_of([0.1, 0.2]), group=one_group(name)) for name in ("x", "y")])
    again = over_seeds(first)
    assert again["n"].tolist() == [2]
    assert len(again) == 1


def one_group(name):
    """Every run in one group."""
    return {"s0": name, "s1": name}


# ── two rounds ────────────────────────────────────────────────────────────────────────────────────────────────


def two_rounds(seed=0, run="a", lift=0.1, problems=40, samples=8):
    rng = np.random.default_rng(seed)
    rate = rng.beta(0.6, 0.8, problems)
    parts = []
    for r, p in enumerate((rate, np.clip(rate + lift, 0, 1))):
        gold = rng.random((problems, samples)) < p[:, None]
        answer = np.where(gold, "R", "W")
        columns = {"problem": np.repeat(np.arange(problems).astype(str), samples), "gold": gold.ravel()}
        parts.append(pd.DataFrame({**columns, "answer": answer.ravel(), "round": r}))
    return pd.concat(parts, ignore_index=True).assign(run=run, split="heldout", n_solutions=3)


def test_round_difference_is_the_paired_t_of_per_problem_values():
    rows = two_rounds()
    solved = rows.groupby(["round", "problem"])["gold"].mean().unstack("round")
    expected = paired_t(solved[0], solved[1])
    row = round_difference(rows, "pass@1", 0, 1).iloc[0]
    assert row["value"] == pytest.approx(expected.value, abs=1e-12)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (row["metric"], row["round"], row["n"]) == ("pass@1_change", 1, 40)
    assert row["method"].startswith("round 1 − round 0")
    back = round_difference(rows.sample(frac=1, random_state=1), "pass@1", 1, 0).iloc[0]
    assert back["value"] == pytest.approx(-expected.value, abs=1e-12)


@pytest.mark.parametrize(
    "metric", ["pass@4", "distinct_correct", "answer_entropy", "solution_coverage", "gini_simpson"]
)
def test_the_difference_of_the_means_is_the_mean_of_the_differences(metric):
    rows = two_rounds(problems=200)
    table = measure(rows, [metric]).set_index("round")["value"]
    row = round_difference(rows, metric, 0, 1).iloc[0]
    assert row["value"] == pytest.approx(table[1] - table[0], abs=1e-12)
    assert row["low"] < row["value"] < row["high"]


def test_several_runs_go_on_to_seeds():
    rows = pd.concat([two_rounds(seed, f"s{seed}") for seed in range(3)])
    changes = round_difference(rows, "pass@1", 0, 1)
    assert changes["run"].tolist() == ["s0", "s1", "s2"]
    pooled = over_seeds(changes).iloc[0]
    assert pooled["value"] == pytest.approx(changes["value"].mean())
    assert pooled["method"] == "seeds: t, S=3"


def test_problems_of_one_round_only_are_left_out_and_counted():
    rows = two_rounds(problems=12)
    rows = rows[(rows["round"] == 0) | (rows["problem"] != "3")]
    row = round_difference(rows, "pass@1", 0, 1).iloc[0]
    assert row["n"] == 11
    assert "1 of 12 problems left out" in row["method"]


def test_a_run_is_paired_as_its_rows_are():
    class Stream:
        def iter_rows(self, columns=None):
            for _, part in two_rounds().groupby("round"):
                yield part[[name for name in columns if name in part]]

    streamed = round_difference(Stream(), "pass@2", 0, 1)
    assert streamed["value"].tolist() == round_difference(two_rounds(), "pass@2", 0, 1)["value"].tolist()


def test_what_cannot_be_paired_is_null_with_a_reason():
    rows = two_rounds()
    gone = round_difference(rows, "pass@1", 0, 7).iloc[0]
    assert pd.isna(gone["value"])
    assert gone["method"] == "round 7 has no rows of this split"
    assert len(round_difference(rows, "pass@1", 8, 7)) == 0
    much = round_difference(rows, "pass@9", 0, 1).iloc[0]
    assert pd.isna(much["value"])
    assert "fewer than k=9 samples" in much["method"]
    blind = round_difference(rows.drop(columns="gold"), "pass@1", 0, 1).iloc[0]
    assert pd.isna(blind["value"])
    assert "rows lack column 'gold'" in blind["method"]
    unread = round_difference(rows.assign(answer=None), "gini_simpson", 0, 1).iloc[0]
    assert "no problem has a value in both" in unread["method"]


def test_no_change_at_all_has_a_bound_by_its_problems():
    rows = two_rounds()
    same = pd.concat([rows[rows["round"] == 0], rows[rows["round"] == 0].assign(round=1)])
    row = round_difference(same, "pass@1", 0, 1).iloc[0]
    assert row["value"] == 0
    assert (row["low"], row["high"]) == pytest.approx((-wilson(0, 40)[1], wilson(0, 40)[1]), abs=1e-12)


def test_wrong_wishes_are_refused():
    rows = two_rounds(problems=3)
    with pytest.raises(KnobError, match="first and last must be two rounds"):
        round_difference(rows, "pass@1", 1, 1)
    with pytest.raises(KnobError, match="'length_50' is neither a mean nor a ratio"):
        round_difference(rows.assign(n_tokens=3), "length_50", 0, 1)
    with pytest.raises(KnobError, match="such as pass@8"):
        round_difference(rows, "pass@k", 0, 1)
    with pytest.raises(KnobError, match="nearest"):
        round_difference(rows, "pas@1", 0, 1)
    with pytest.raises(SchemaError, match="lack column 'round'"):
        round_difference(rows.drop(columns="round"), "pass@1", 0, 1)
