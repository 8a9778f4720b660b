"""The operating curves that ship: how often each verdict alarms on healthy runs and on planted failures."""

from __future__ import annotations

import math
from functools import lru_cache

import pandas as pd

from siwork.diagnosis.verdict import Rates
from siwork.schema import RunError, shipped

_FILE = "operating.csv"


@lru_cache(maxsize=1)
def _shipped() -> pd.DataFrame:
    if path := shipped("diagnosis", _FILE):
        return pd.read_csv(path, keep_default_na=True)
    raise RunError(f"{_FILE} is missing from this installation; install siwork again")


def operating_curves() -> pd.DataFrame:
    """The measured rates of every verdict.

    Returns
    -------
    DataFrame, a row a (size, case, verdict): size, problems, samples, rounds; case, a kind of labelled run, and whether it is
    healthy; verdict, or `any` for all together; runs; alarm, low, high: share of runs that alarm, with Wilson's interval;
    watch, share that is watched; delay, median rounds from the planted onset to the alarm; effect, what was planted.

    Raises
    ------
    RunError when the installation lacks the file.

    >>> curves = operating_curves()
    >>> bool((curves.loc[curves["healthy"] & (curves["verdict"] == "any"), "alarm"] <= 0.05).all())
    True
    """
    return _shipped().copy()


@lru_cache(maxsize=256)
def rates_of(name: str, size: tuple[int, int]) -> Rates | None:
    """The rates of a verdict for runs of about (problems, samples a problem): the most samples a round that are no more.

    Of several planted failures that a verdict must see, the one that it sees least or last.

    None for a verdict that was not measured.
    """
    table = _shipped()
    mine = table[table["verdict"] == name]
    if mine.empty:
        return None
    sizes = mine.drop_duplicates("size").assign(rows=lambda own: own["problems"] * own["samples"]).sort_values("rows")
    fits = sizes[sizes["rows"] <= max(size[0] * size[1], int(sizes["rows"].min()))]
    own = mine[mine["size"] == fits["size"].iloc[-1]]
    healthy, planted = own[own["healthy"]], own[own["planted"]]
    row, worst = own.iloc[0], healthy.sort_values("alarm").iloc[-1]
    plant = planted.sort_values(["alarm", "delay"], ascending=[True, False]).iloc[0] if len(planted) else None
    return Rates(
        false_alarm=float(worst["alarm"]),
        false_alarm_low=float(worst["low"]),
        false_alarm_high=float(worst["high"]),
        power=math.nan if plant is None else float(plant["alarm"]),
        power_low=math.nan if plant is None else float(plant["low"]),
        power_high=math.nan if plant is None else float(plant["high"]),
        delay=math.nan if plant is None else float(plant["delay"]),
        plant="" if plant is None else str(plant["case"]),
        effect="" if plant is None else str(plant["effect"]),
        size=f"{row['problems']} problems × {row['samples']} samples × {row['rounds']} rounds",
        runs=int(healthy["runs"].min()),
    )
