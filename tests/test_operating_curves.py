"""The rates that ship with the verdicts, and a smaller measurement of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from siwork.clinic import CASES, SIZES
from siwork.diagnosis import NAMES, diagnose, operating_curves
from siwork.metrics import measure

DATA = Path(__file__).parents[1] / "data" / "diagnosis"


def script(name: str) -> ModuleType:
    """A script of the folder as a module."""
    spec = importlib.util.spec_from_file_location(f"diagnosis_{name}", DATA / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make, tiny = script("make"), script("tiny")
CURVES = operating_curves()
PLANTED = CURVES[CURVES["planted"]]
STATED = [size for size in SIZES if size != "scant"]  # sizes for which power is promised


def test_every_size_case_and_verdict_was_measured() -> None:
    there = set(CURVES[["size", "case", "verdict"]].itertuples(index=False, name=None))
    assert there == {(size, case, verdict) for size in SIZES for case in CASES for verdict in (*NAMES, "any")}
    assert set(PLANTED["verdict"]) == {case.verdict for case in CASES.values() if case.verdict}
    assert (PLANTED["effect"].str.len() > 0).all()


def test_healthy_runs_alarm_in_at_most_a_twentieth_whatever_the_verdict() -> None:
    healthy = CURVES[CURVES["healthy"] & (CURVES["verdict"] == "any")]
    assert len(healthy) == 3 * len(SIZES)
    assert (healthy["alarm"] <= 0.05).all()
    whole = healthy.groupby("size")[["alarm", "runs"]].apply(
        lambda own: (own["alarm"] * own["runs"]).sum() / own["runs"].sum()
    )
    assert (whole <= 0.02).all()


@pytest.mark.parametrize("size", STATED)
def test_what_is_planted_is_found_in_nine_of_ten_runs(size: str) -> None:
    own = PLANTED[PLANTED["size"] == size].set_index("case")["alarm"]
    assert (own >= 0.9).all(), own[own < 0.9].to_dict()


def test_rates_stand_beside_each_verdict() -> None:
    from siwork.clinic import labelled

    found = diagnose(measure(labelled("hackable-verifier", "scant"), make.METRICS))
    rates = found.of("reward_hacking").rates
    assert rates is not None
    assert rates.plant == "hackable-verifier"
    assert "false alarms" in str(rates)
    assert "power" in str(rates)
    assert found.of("saturation").rates is not None
    assert "power" not in str(found.of("saturation").rates)


def test_a_smaller_measurement_agrees_with_what_ships() -> None:
    runs = make.measured(make.jobs(8, 3, ("scant", "small")), 1)
    again = make.curves(runs)
    kept = (again["healthy"] & (again["verdict"] == "any")) | again["planted"]
    both = again[kept].merge(CURVES, on=["size", "case", "verdict"], suffixes=("", "_shipped"))
    assert len(both) == 2 * len(CASES)
    for row in both.to_dict("records"):
        hits = round(row["alarm"] * row["runs"])
        rate = float(np.clip(row["alarm_shipped"], 0.005, 0.995))  # a measured 0 or 1 is neither impossible nor certain
        assert binomtest(hits, int(row["runs"]), rate).pvalue > 1e-3, row


def test_the_shipped_runs_of_the_tiny_model_are_as_they_must_be() -> None:
    table = pd.read_csv(DATA / "tiny.csv")
    assert set(table["arm"]) == set(tiny.ARMS)
    assert (table.groupby("arm")["seed"].nunique() >= 5).all()
    assert ((table["state"] == "alarm") == table["must_alarm"]).all()


@pytest.mark.parametrize("arm", list(tiny.ARMS))
def test_a_real_run_of_the_tiny_model_alarms_where_it_must(arm: str) -> None:
    row = tiny.played((arm, 0))
    assert (row["state"] == "alarm") == tiny.ARMS[arm].alarms
