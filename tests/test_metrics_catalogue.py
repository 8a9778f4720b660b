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
    """{(run, *by, split, metric, band): (value, n)} of a metric table."""
    keys = ["run", *by, "split", "metric", *(["band"] if "band" not in by else [])]
    columns = [[None if pd.isna(x) else x for x in table[name]] for name in (*keys, "value", "n")]
    return {key: tuple(rest) for *key, value, n in zip(*columns, strict=True) for key, rest in [(tuple(key), (value, n))]}


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


@settings(max_examples=60)
@given(tables)
def test_every_metric_equals_its_slow_twin(rows):
    names = [name for name in EVERY if name != SMOOTH]
    same(found_table(measure(frame(rows), names, embed=embed)), slow_table(rows, names, embed=embed))
