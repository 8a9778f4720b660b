"""Differences of ratios between rounds, and of any metric between runs."""

import numpy as np
import pandas as pd
import pytest

from siwork.metrics import over_seeds, round_difference, run_difference
from siwork.metrics.uncertainty import paired_t
from siwork.schema import KnobError


def some_rows(run="a", problems=60, samples=6, rounds=2, seed=0, lift=0.0):
    rng = np.random.default_rng([seed, 7])
    p = np.random.default_rng(1).beta(0.8, 0.8, problems)
    place = np.indices((rounds, problems, samples)).reshape(3, -1)
    gold = rng.random(place.shape[1]) < np.clip(p[place[1]] + lift, 0, 1)
    score = np.where(rng.random(len(gold)) < 0.15, ~gold, gold).astype(float)
    columns = {"round": place[0], "problem": np.char.add("p", place[1].astype(str)), "sample": place[2]}
    rows = pd.DataFrame({**columns, "gold": gold, "score": score, "weight": score, "band": place[1] % 5})
    return rows.assign(run=run, split="train")


def means(rows, r, column="gold"):
    return rows[rows["round"] == r].groupby("problem")[column].mean().sort_index().to_numpy(float)


def test_a_ratio_changes_by_the_difference_of_its_ratios():
    rows = some_rows()
    found = round_difference(rows, "precision", 0, 1).iloc[0]
    kept = [rows[(rows["round"] == r) & (rows["score"] >= 0.5)]["gold"].mean() for r in (0, 1)]
    assert found["value"] == pytest.approx(kept[1] - kept[0], abs=1e-12)
    assert found["low"] < found["value"] < found["high"]
    assert "paired" in found["method"]


def test_a_ratio_whose_problems_all_weigh_alike_changes_as_a_paired_mean_does():
    rows = some_rows()
    found = round_difference(rows.assign(score=1.0), "precision", 0, 1).iloc[0]  # everything is accepted
    pairs = paired_t(means(rows, 0), means(rows, 1))
    assert (found["value"], found["low"], found["high"]) == pytest.approx(pairs[:3], abs=1e-9)


def test_the_interval_of_a_paired_ratio_keeps_its_word():
    # one judge of fixed error rates; the precision of two rounds differs by chance only
    held = [round_difference(some_rows(seed=s, problems=100), "precision", 0, 1).iloc[0] for s in range(200)]
    held = [row for row in held if pd.notna(row["low"])]
    assert len(held) > 150
    cover = np.mean([row["low"] <= 0 <= row["high"] for row in held])
    assert 0.905 <= cover <= 0.99


def test_a_metric_by_band_changes_band_by_band():
    rows = some_rows()
    table = round_difference(rows, "accepted_share", 0, 1)
    assert table["band"].tolist() == [0, 1, 2, 3, 4]
    assert table["value"].sum() == pytest.approx(0, abs=1e-12)


def test_runs_are_paired_by_problem_and_round():
    a, b = some_rows("a"), some_rows("b", seed=5, lift=0.1)
    table = run_difference(pd.concat([a, b]), "pass@1", "a", "b")
    assert table["run"].unique().tolist() == ["b − a"]
    assert table["metric"].unique().tolist() == ["pass@1_difference"]
    for r in (0, 1):
        pairs = paired_t(means(a, r), means(b, r))
        row = table[table["round"] == r].iloc[0]
        assert (row["value"], row["low"], row["high"], row["n"]) == pytest.approx(tuple(pairs), abs=1e-12)


def test_runs_compare_at_one_k_and_count_the_problems_of_one_only():
    a, b = some_rows("a"), some_rows("b", seed=5)
    b = b[(b["sample"] < 4) & (b["problem"] != "p0")]
    row = run_difference(pd.concat([a, b]), "pass@k".replace("k", "4"), "a", "b").iloc[0]
    assert row["k"] == 4
    assert row["n"] == 59
    assert "1 of 60 problems left out" in row["method"]
    spread = run_difference(pd.concat([a, b]), "spread@k", "a", "b").iloc[0]
    assert spread["k"] == 4


def test_differences_of_sibling_runs_pool_over_seeds():
    parts = [some_rows(f"{name}{s}", seed=10 * s + i, lift=0.15 * i) for s in range(4) for i, name in enumerate("ab")]
    rows = pd.concat(parts)
    each = pd.concat([run_difference(rows, "pass@1", f"a{s}", f"b{s}") for s in range(4)])
    pooled = over_seeds(each)
    assert (pooled["n"] == 4).all()
    assert (pooled["low"] > 0).all()


def test_wrong_runs_are_refused():
    rows = pd.concat([some_rows("a"), some_rows("b")])
    with pytest.raises(KnobError, match=r"must be runs of the rows, got .c.; valid: a"):
        run_difference(rows, "pass@1", "a", "c")
    with pytest.raises(KnobError, match="two runs"):
        run_difference(rows, "pass@1", "a", "a")
    with pytest.raises(KnobError, match="such as pass@8"):
        run_difference(rows, "pass@k", "a", "b")
