"""The catalogue against slow loops over the same rows, and what must hold for every metric whatever the rows are."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_rows import Maker, embed, frame, many_rows
from slow_metrics import OF_K, SLOW, TRAIN_ONLY, slow_table

from siwork.metrics import measure
from siwork.metrics.catalogue import DEFAULT, METRICS, NAMES, metric_of, span_of

FAMILY = ["pass@k", "pass@1", "pass@2", "pass@3-2", *(f"{stem}{k}" for stem in OF_K for k in ("k", 2))]
FAMILY = [name for name in dict.fromkeys(FAMILY) if name != "pass@k"]
EVERY = [*FAMILY, *METRICS]
SMOOTH = "smooth_ece"  # its loop is an integral, which has a test of its own


def found_table(table, by=("round",)):
    """{(run, *by, split, metric, band): (value, n)} of a metric table; band is None where it is a column of `by`."""
    keys = ["run", *by, "split", "metric", "value", "n"]
    columns = [[None if pd.isna(x) else x for x in table[name]] for name in keys]
    bands = [None] * len(table) if "band" in by else [None if pd.isna(x) else x for x in table["band"]]
    return {(*key, band): (value, n) for *key, value, n, band in zip(*columns, bands, strict=True)}


def same(found, expected, tolerance=1e-9):
    assert found.keys() == expected.keys()
    for key, (value, n) in expected.items():
        got, size = found[key]
        assert (got is None) == (value is None), (key, got, value)
        if value is not None:
            assert math.isclose(got, value, rel_tol=tolerance, abs_tol=tolerance), (key, got, value)
            assert size == n, (key, size, n)


tables = st.builds(
    lambda seed, runs, rounds, splits, problems, samples: Maker(seed).rows(runs, rounds, splits, problems, samples),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 1, 2]),
    st.integers(1, 2),
    st.sampled_from([("train",), ("train", "heldout"), ("heldout",)]),
    st.integers(1, 4),
    st.integers(1, 5),
)


# ── against the slow computation ──────────────────────────────────────────────────────────────────────────────


def test_no_metric_is_without_its_slow_twin():
    assert set(SLOW) == set(METRICS)
    assert {name for name, metric in METRICS.items() if metric.train} == TRAIN_ONLY
    assert {name.rstrip("k") for name in NAMES if name.endswith(("@k", "^k"))} == set(OF_K)
    assert set(NAMES) - set(METRICS) == {*(f"{stem}k" for stem in OF_K), "pass@8-2"}
    assert set(DEFAULT) <= {*METRICS, "pass@k"}


@settings(max_examples=25)
@given(tables)
def test_every_metric_equals_its_slow_twin(rows):
    names = [name for name in EVERY if name != SMOOTH]
    same(found_table(measure(frame(rows), names, embed=embed)), slow_table(rows, names, embed=embed))


@settings(max_examples=12)
@given(tables, st.sampled_from([(), ("round", "agent"), ("round", "band"), ("agent", "round")]), st.integers(1, 3))
def test_every_metric_equals_its_slow_twin_measured_apart(rows, by, k):
    names = [name for name in EVERY if name != SMOOTH and not ("band" in by and metric_of(name).banded)]
    found = found_table(measure(frame(rows), names, by=by, k=k, embed=embed), by)
    same(found, slow_table(rows, names, by, k, embed))


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["fine", "tenths", "binary"]))
def test_every_metric_equals_its_slow_twin_on_many_rows(seed, scores):
    rows = many_rows(seed, problems=22, rounds=2, scores=scores)
    names = [name for name in EVERY if name != SMOOTH]
    found = found_table(measure(frame(rows), names, embed=embed))
    same(found, slow_table(rows, names, embed=embed))
    without = {metric for (*_, metric, _), (value, _) in found.items() if value is None}
    assert without <= {"distinct_equations", *(["mce"] if scores == "fine" else [])}


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_smooth_ece_equals_its_integral(seed, problems):
    rows = [row | {"score": row["score"] * 0.9} for row in many_rows(seed, problems, 3)]
    # the metric works on a grid of 4097 nodes, which moves it by less than 2e-4
    same(found_table(measure(frame(rows), [SMOOTH])), slow_table(rows, [SMOOTH]), 4e-4)


# ── what must hold whatever the rows are ──────────────────────────────────────────────────────────────────────


def numbers(table, name):
    return table[name].to_numpy(float, na_value=np.nan)


def assert_same_table(got, expected, but=()):
    """The same rows of the same metrics, intervals and words included."""
    got, expected = (t[~t["metric"].isin(but)].reset_index(drop=True) for t in (got, expected))
    assert got.columns.tolist() == expected.columns.tolist()
    assert got["metric"].tolist() == expected["metric"].tolist()
    for name in expected.columns:
        if name in ("value", "low", "high"):
            apart = ~np.isclose(numbers(got, name), numbers(expected, name), rtol=1e-9, atol=1e-9, equal_nan=True)
        else:
            one, two = ([None if pd.isna(x) else x for x in t[name]] for t in (got, expected))
            apart = np.array([a != b for a, b in zip(one, two, strict=True)], bool)
        assert not apart.any(), (name, got[apart], expected[apart])


def assert_sound(table, problems):
    """What every row of a metric table promises."""
    value, low, high, n = (numbers(table, name) for name in ("value", "low", "high", "n"))
    least, most = np.array([span_of(name) for name in table["metric"]]).T
    odd = {
        "outside its span": (value < least - 1e-9) | (value > most + 1e-6),
        "an interval outside the span": (low < least - 1e-9) | (high > most + 1e-6),
        "an interval without its value": (low > value) | (value > high),
        "one end only": np.isnan(low) != np.isnan(high),
        "an interval of nothing": np.isnan(value) & ~np.isnan(low),
        "more problems than there are": n > problems,
        "known without a problem": ~np.isnan(value) & (n < 1),
        "infinite": np.isinf(value) | np.isinf(low) | np.isinf(high),
        "without words": (table["method"].str.len() < 8).to_numpy(bool),
        "known, yet one problem has an interval": (n < 2) & ~np.isnan(low),
    }
    for what, rows in odd.items():
        assert not rows.any(), (what, table[rows][["metric", "value", "low", "high", "n", "method"]].values.tolist())


@settings(max_examples=25)
@given(tables, st.sampled_from([("round",), ("round", "band"), (), ("round", "turn"), ("round", "kept")]))
def test_every_row_of_the_table_is_sound(rows, by):
    assert_sound(measure(frame(rows), EVERY, by=by, embed=embed), len({row["problem"] for row in rows}))


@pytest.fixture(scope="module")
def wide():
    """Two rounds of 24 problems in two splits, every column filled, as rows."""
    rows = many_rows(1, rounds=2)
    return rows + [row | {"split": "heldout"} for row in many_rows(2, rounds=2, problems=8, samples=3)]


@pytest.fixture(scope="module")
def told(wide):
    """The metric table of these rows."""
    return measure(frame(wide), EVERY, embed=embed)


@pytest.fixture(scope="module")
def changed(wide):
    """Metric tables of the same rows in other clothes, each made once."""
    table = frame(wide)
    return {
        "shuffled": measure(table.sample(frac=1, random_state=3), EVERY, embed=embed),
        "reversed": measure(table.iloc[::-1], EVERY, embed=embed),
        "renamed": measure(
            table.assign(run=table["run"] + "x", problem=table["problem"].str.replace("p", "qq")), EVERY, embed=embed
        ).assign(run="a"),
        "two runs": measure(
            pd.concat([frame(many_rows(9, 5, 2)).assign(run="A"), table, table.assign(run="b", gold=True)]),
            EVERY,
            embed=embed,
        ).query("run == 'a'"),
        "round by round": measure(Stream(table), EVERY, embed=embed),
        "other index": measure(table.set_index(pd.Index([7] * len(table))), EVERY, embed=embed),
        "Arrow": measure(table.convert_dtypes(dtype_backend="pyarrow"), EVERY, embed=embed),
    }


class Stream:
    """What a run offers, and nothing more."""

    def __init__(self, rows):
        self.parts = [part for _, part in rows.groupby(["run", "round"])]

    def iter_rows(self, columns=None):
        for part in self.parts:
            yield part if columns is None else part[[name for name in columns if name in part]]


IN_ORDER = {"mtld", "mattr", "compression_ratio"}  # read texts one after another, ordered by a hash of their names


def lines(table, metric):
    return table[table["metric"] == metric]


@pytest.mark.parametrize(
    "how", ["shuffled", "reversed", "renamed", "two runs", "round by round", "other index", "Arrow"]
)
@pytest.mark.parametrize("metric", EVERY)
def test_only_what_is_measured_matters(told, changed, how, metric):
    if how == "renamed" and metric in IN_ORDER:
        assert len(lines(changed[how], metric)) == len(lines(told, metric))
    else:
        assert_same_table(lines(changed[how], metric), lines(told, metric))


def test_many_problems_have_every_value_and_most_intervals(told, wide):
    assert_sound(told, 24)
    train = told[(told["split"] == "train") & (told["metric"] != "distinct_equations")]
    assert train["value"].notna().all()
    without = {
        "samples_drawn",
        "samples_kept",
        "tokens_drawn",
        "ece",
        "ece_floor",
        "mce",
        SMOOTH,
        "accepted_gini_floor",
    }
    whole = train[~train["metric"].isin(without) & ~train["metric"].map(lambda name: metric_of(name).banded)]
    assert whole.groupby("metric")["low"].apply(lambda low: low.notna().any()).mean() > 0.6


@settings(max_examples=8)
@given(tables, st.integers(1, 3), st.randoms(use_true_random=False))
def test_row_order_and_another_round_mean_nothing_at_one_k(rows, k, shuffler):
    alone = [row for row in rows if row["round"] == 0]
    mixed = list(rows)
    shuffler.shuffle(mixed)
    table = measure(frame(mixed), EVERY, k=k, embed=embed)
    ground = {"compression_ratio"}  # as many bytes as every round has
    binned = {"ece", "ece_floor", "ece2_debiased", "mce", "brier_reliability", "brier_resolution"}
    if len({row["score"] for row in alone}) <= 10:  # a later round with more scores sets the bins
        ground |= binned
    if not any(row["hint"] == "none" and row["turn"] == 0 for row in alone):
        return
    first = table[table["round"] == 0]
    assert_same_table(first, measure(frame(alone), EVERY, k=k, embed=embed), but=ground | lacking_text(alone))


def lacking_text(rows):
    return set()


@settings(max_examples=10)
@given(tables, st.sampled_from([("round",), ("round", "band"), ("band", "round"), ("round", "agent"), ()]))
def test_a_table_and_its_rounds_one_by_one_are_the_same(rows, by):
    table = frame(rows)
    assert_same_table(measure(Stream(table), EVERY, by=by, embed=embed), measure(table, EVERY, by=by, embed=embed))
