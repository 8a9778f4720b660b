"""The simulator's table: the numbers of `measure`, the truth beside them, and intervals that hold it."""

import numpy as np
import pandas as pd
import pytest

from simulated import rows_of
from siwork.metrics import measure, over_seeds
from siwork.metrics.tables import reliability_table
from siwork.policies.exact import truth
from siwork.schema import KnobError, check
from siwork.simulation import World, over, pooled, reliability_of, simulate
from siwork.simulation.play import play

SMALL = {"problems": 90, "rounds": 3, "k": 8}
NOBODY = {"verifier": "none", "selection": "all"}
WORLDS = {
    "noisy": World(**SMALL, fp=0.2, fn=0.15, link="difficulty"),
    "gold": World(**SMALL, fp=0.0, fn=0.0),
    "poisoned": World(**SMALL, fp=1.0, fn=0.5),
    "large": World(problems=330, rounds=2, k=5, cap=2),
    "best": World(**SMALL, selection="best", temperature=0.7),
    "different": World(**SMALL, repeats="drop"),
    "capped": World(**SMALL, repeats="drop", cap=2, real_share=0.3),
    "graded": World(**SMALL, verifier="graded", threshold=0.7, calibration=2.0, data="accumulate"),
    "vote": World(problems=90, rounds=3, k=12, verifier="vote"),
    "nobody": World(**SMALL, **NOBODY),
    "drift": World(**SMALL, **NOBODY, update="refit"),
    "tiny": World(problems=15, rounds=2, k=2, right=1, wrong=1),
    "blind": World(**SMALL, skill=-5.0, fp=0.0, fn=1.0),
    "sure": World(**SMALL, skill=5.0, spread=0.0),
}
KEYS = ["round", "split", "metric", "band"]
REAL = ["value", "low", "high", "n", "k"]


def plain(table, columns):
    """Columns as floats with NaN for null."""
    return np.column_stack([table[name].to_numpy(float, na_value=np.nan) for name in columns])


def of(table, metric, split="train", column="value"):
    """A metric by round."""
    here = table[(table["metric"] == metric) & (table["split"] == split)]
    return here[column].to_numpy(float, na_value=np.nan)


@pytest.mark.parametrize("name", WORLDS)
def test_the_numbers_are_those_of_measure(name):
    world = WORLDS[name]
    own = simulate(world, 3)
    own = own[own["metric"] != "kl_selected"]
    rows, problems = rows_of(world, 3)
    names = [m for m in own["metric"].unique() if not m.startswith("pass@")]
    found = measure(rows, ["pass@k", *names], problems=problems)
    both = own.astype({"band": float}).merge(
        found.astype({"band": float}), how="left", on=KEYS, suffixes=("", "_measured")
    )
    assert len(both) == len(own)
    assert both["n_measured"].notna().all()
    got, wanted = plain(both, REAL), plain(both, [f"{name}_measured" for name in REAL])
    unknown = np.isnan(wanted[:, 0]) & (both["metric"] == "ece").to_numpy()  # its n counts the problems with scores
    np.testing.assert_allclose(got[~unknown], wanted[~unknown], rtol=1e-9, atol=1e-12)
    assert (both["unit"] == both["unit_measured"]).all()


@pytest.mark.parametrize("name", ["noisy", "nobody", "tiny"])
def test_it_is_a_metric_table(name):
    table = simulate(WORLDS[name], 0)
    check(
        table, needs=["run", "round", "split", "metric", "value", "low", "high", "n", "unit", "method"], table="metrics"
    )
    assert not table.duplicated(KEYS).any()
    assert table["method"].str.len().min() > 0
    assert {"truth", "k", "band"} <= set(table.columns)
    assert (table["run"] == "seed 0").all()


def test_without_a_verifier_the_reason_is_told():
    table = simulate(WORLDS["nobody"], 0)
    row = table[table["metric"] == "precision"].iloc[0]
    assert pd.isna(row["value"])
    assert row["method"] == "there is no verifier, so no scores"


def test_where_nothing_is_accepted_the_reason_is_told():
    table = simulate(WORLDS["blind"], 0)
    assert table.loc[table["metric"] == "kept_precision", "method"].unique().tolist() == ["no row has weight > 0"]
    few = table[(table["metric"] == "right_variety") & table["value"].isna()]
    assert few["method"].eq("each problem lacks two right samples").all()


def test_the_truth_is_that_of_the_exact_policy():
    world = WORLDS["gold"]
    trace, table = play(world, 1), simulate(world, 1)
    p = trace.drawn[2, :, world.train :].T
    group = np.broadcast_to(np.arange(world.answers), p.shape)
    exact = truth(p, group < world.right, group, [1, 2, 8])
    for metric, name in (("pass@1", "pass@1"), ("pass@2", "pass@2"), ("pass@8", "pass@8"), ("answer_entropy",) * 2):
        assert of(table, metric, "heldout", "truth")[2] == pytest.approx(exact[name].mean(), abs=1e-12)
    assert of(table, "distinct_correct", "heldout", "truth")[2] == pytest.approx(exact["distinct_correct@8"].mean())


@pytest.mark.parametrize("name", [n for n in WORLDS if n not in ("large", "tiny", "blind", "sure")])
def test_estimates_are_of_the_truth(name):
    """The mean over seeds of estimate − truth is 0, for every metric, round and band."""
    tables = [simulate(WORLDS[name], seed) for seed in range(60)]
    off = np.stack([plain(t, ["value"])[:, 0] - plain(t, ["truth"])[:, 0] for t in tables])
    first = tables[0]
    biased = first["metric"].eq("answer_entropy") | (first["metric"].eq("ece") & (WORLDS[name].verifier == "graded"))
    biased |= first["metric"].eq("support_kept") & first["split"].eq("train")  # trained on the answers it is asked for
    rare = first["metric"].str.endswith("_coverage") & (plain(first, ["truth"])[:, 0] > 0.98)
    known = ~np.isnan(off).all(axis=0) & ~(biased | rare).to_numpy()
    assert known.mean() > 0.5
    mean, error = np.nanmean(off[:, known], axis=0), np.nanstd(off[:, known], axis=0) / np.sqrt(len(tables))
    ratio = first["metric"].isin(["right_variety", "accepted_share", "tail_share", "kept_precision", "precision"])
    slack = np.where(ratio[known], 3e-3, 1e-9)  # ratios have a bias of the order of one over the problems
    assert (np.abs(mean) <= 4.5 * error + slack).all(), first[known][np.abs(mean) > 4.5 * error + slack]


def test_the_entropy_of_few_draws_lies_below_its_truth():
    table = over(WORLDS["nobody"], range(10))
    assert (of(table, "answer_entropy") < of(table, "answer_entropy", column="truth") - 0.1).all()


def test_support_looks_better_kept_on_the_problems_trained_on():
    """The update was on the very samples whose answers are asked for, so they are found more often than fresh ones."""
    tables = [simulate(WORLDS["drift"], seed) for seed in range(30)]
    off = [of(t, "support_kept")[-1] - of(t, "support_kept", column="truth")[-1] for t in tables]
    assert np.mean(off) > 0.02
    assert np.mean(off) > 5 * np.std(off) / np.sqrt(len(off))


def test_intervals_hold_the_truth_of_all_problems_of_the_kind():
    """Every seed with problems of its own, as in runs: the interval is over problems."""
    metrics = {
        "heldout": ["pass@1", "pass@8", "distinct_correct", "support_kept"],
        "train": ["accept_rate", "mean_score", "precision"],
    }
    worlds = [World(problems=240, rounds=1, k=8, base=i) for i in range(300)]
    tables = [simulate(world, i) for i, world in enumerate(worlds)]
    low, high, truths = np.moveaxis([plain(t, ["low", "high", "truth"]) for t in tables], 2, 0)
    metric, part = tables[0]["metric"].to_numpy(), tables[0]["split"].to_numpy()
    for split, names in metrics.items():
        for name in names:
            row = np.flatnonzero((metric == name) & (part == split))[0]
            low_, high_, exact = low[:, row], high[:, row], truths[:, row]
            given = ~np.isnan(low_)
            held = (low_ <= exact.mean()) & (exact.mean() <= high_)
            assert given.mean() > 0.9
            assert 0.915 <= held[given].mean() <= 0.985, (name, held[given].mean())


def test_pooling_is_that_of_over_seeds():
    tables = [simulate(WORLDS["noisy"], seed) for seed in range(4)]
    own, found = pooled(tables), over_seeds(pd.concat([t.drop(columns="truth") for t in tables], ignore_index=True))
    both = own.astype({"band": float}).merge(found.astype({"band": float}), on=KEYS, suffixes=("", "_seeds"))
    both = both[both["metric"] != "kl_selected"]
    assert len(both) == len(own)
    columns = ["value", "low", "high", "n", "least", "most", "k"]
    wanted = plain(both, [f"{name}_seeds" for name in columns])
    np.testing.assert_allclose(plain(both, columns), wanted, rtol=1e-9, atol=1e-12)
    assert (both["method"] == both["method_seeds"]).all()


def test_pooling_needs_tables_of_one_world():
    with pytest.raises(KnobError, match="at least one seed, got none"):
        over(WORLDS["noisy"], [])
    with pytest.raises(KnobError, match="tables of one world"):
        pooled([simulate(WORLDS["noisy"], 0), simulate(WORLDS["large"], 0)])
    assert over(WORLDS["noisy"], [0])["method"].str.startswith("seeds: one run").any()


@pytest.mark.parametrize("name", ["noisy", "graded", "vote"])
def test_reliability_is_that_of_the_rows(name):
    world = WORLDS[name]
    own, rows = reliability_of(world, 2, range(world.rounds)), rows_of(world, 2)[0]
    found = reliability_table(rows[rows["split"] == "train"])
    assert len(own) == len(found)
    columns = ["round", "bin", "least", "greatest", "count", "problems", "score", "gold", "low", "high"]
    np.testing.assert_allclose(plain(own, columns), plain(found, columns), rtol=1e-9, atol=1e-12)


def test_reliability_without_scores_is_empty_and_needs_rounds_that_are():
    assert reliability_of(WORLDS["nobody"], 0).empty
    with pytest.raises(KnobError, match="rounds must be in 0 … 2, got 3"):
        reliability_of(WORLDS["noisy"], 0, [3])
