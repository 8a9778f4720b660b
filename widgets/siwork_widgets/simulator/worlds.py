"""Worlds behind sliders: which knobs matter, how a world is written as code, and seeds pooled into one table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.recipes import Recipe
from siwork.schema import KnobError, SiworkError, knobs_of
from siwork.schema.numbers import number
from siwork.simulation import World, pooled, theory
from siwork.simulation.typical import typical

GROUPS = {  # heading: knobs, in this order; knobs without a place come last, under their own heading
    "Model": ("skill", "spread", "right", "wrong", "base"),
    "Sampling": ("k", "temperature"),
    "Verifier": ("verifier", "fp", "fn", "link", "calibration"),
    "Selection": ("selection", "threshold", "best", "repeats", "cap"),
    "Update": ("update", "strength", "steps", "sharing", "start", "real_share", "data"),
    "Size": ("problems", "rounds"),
}
_OTHER = "Further"
_CHANGE = "_change"


def groups() -> dict[str, list[str]]:
    """The knobs of a world by heading, every one of them."""
    names = [spot.name for spot in knobs_of(World)]
    placed = {heading: [name for name in own if name in names] for heading, own in GROUPS.items()}
    rest = [name for name in names if not any(name in own for own in placed.values())]
    return placed | ({_OTHER: rest} if rest else {})


def idle(values: dict[str, Any]) -> set[str]:
    """The knobs that change nothing while the others have these values.

    >>> sorted(idle({"verifier": "none", "selection": "all", "update": "sft"}))
    ['best', 'calibration', 'fn', 'fp', 'link', 'threshold']
    """
    found = set()
    found |= {"fp", "fn", "link"} if values["verifier"] not in ("noisy", "graded") else set()
    found |= {"calibration"} if values["verifier"] != "graded" else set()
    found |= {"threshold"} if values["selection"] != "correct" else set()
    found |= {"best"} if values["selection"] != "best" else set()
    return found | ({"strength", "steps", "sharing", "start"} if values["update"] == "refit" else set())


def code(world: World) -> str:
    """The call that simulates the world, for one seed.

    >>> code(World(fp=0.2))
    'simulate(World(fp=0.2), seed=0)'
    """
    spots = knobs_of(World)
    said = [f"{spot.name}={getattr(world, spot.name)!r}" for spot in spots if getattr(world, spot.name) != spot.default]
    return f"simulate(World({', '.join(said)}), seed=0)"


def recipe_code(world: World) -> str:
    """The call that runs the same loop on the tabular policy; a sentence where no recipe corresponds."""
    try:
        formula = str(Recipe.read(world.formula))
    except SiworkError:
        return "No recipe corresponds: a graded verifier and refit exist in the simulator only."
    sizes = f"siwork.Sizes(train={world.train}, heldout={world.problems - world.train}, samples={world.k})"
    where = f'"countdown", "tabular", rounds={world.rounds}, problems={sizes}, folder="runs/world"'
    return f'siwork.run("{formula}", {where})'


class Line(NamedTuple):
    """A metric over rounds; arrays (m,), NaN where unknown."""

    metric: str
    split: str
    round: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    truth: np.ndarray
    n: np.ndarray
    method: list[str]
    unit: str
    k: float  # draws, NaN where it has none

    @property
    def known(self) -> bool:
        """Whether any value is known."""
        return bool(np.isfinite(self.value).any())

    @property
    def why(self) -> str:
        """Why the first value is unknown."""
        return next((m for m, v in zip(self.method, self.value, strict=True) if not np.isfinite(v)), "")


class Law(NamedTuple):
    """A closed form beside a metric; arrays (m,), empty where the world does not meet its assumptions."""

    law: str
    metric: str
    split: str
    round: np.ndarray
    value: np.ndarray
    why: str  # the first assumption that fails
    source: str


def laws(world: World) -> list[Law]:
    """What `siwork.simulation.theory` knows of a world, law by law.

    >>> {law.law: len(law.value) for law in laws(World(verifier="none", selection="all", update="refit"))}["drift"]
    10
    """
    found = []
    for name, own in theory(world).groupby("law", sort=False):
        known = own[own["value"].notna()]
        at, value = (known[column].to_numpy(float) for column in ("round", "value"))
        first = own.iloc[0]
        found.append(Law(str(name), first["metric"], first["split"], at, value, first["why"], first["source"]))
    return found


Spot = tuple[str, str, int | None]  # metric, split, band


class Frame:
    """The lines of a world, of one seed with intervals over problems or of several with intervals over seeds.

    >>> from siwork.simulation import simulate
    >>> frame = Frame.of(World(problems=30, rounds=2), [simulate(World(problems=30, rounds=2), 0)])
    >>> frame.line("pass@1", "heldout").round.tolist()
    [0.0, 1.0, 2.0]
    """

    def __init__(self, world: World, seeds: int, lines: dict[Spot, Line], changes: dict[Spot, Line]) -> None:
        self.world, self.seeds, self._lines, self._changes = world, seeds, lines, changes

    @classmethod
    def of(cls, world: World, tables: list[pd.DataFrame]) -> Frame:
        """The tables of some seeds, pooled."""
        if len(tables) == 1:
            return cls(world, 1, _lines(tables[0]), {})
        moved = pooled(_changes(tables))
        whole = pooled(tables)
        return cls(world, len(tables), _lines(_ranged(whole)), _lines(moved))

    @property
    def split(self) -> str:
        """The problems that tell of the policy: held-out ones, but for a refit, which leaves these as they are."""
        return "train" if self.world.update == "refit" else "heldout"

    def line(self, metric: str, split: str = "train", band: int | None = None) -> Line | None:
        """A metric over rounds; None where it was not measured. `pass@k` is that of the largest k."""
        if metric == "pass@k":
            metric = f"pass@{max(self.tries, default=1)}"
        return self._lines.get((metric, split, band))

    def change(self, metric: str, split: str) -> tuple[float, float, float] | None:
        """Last value − first, taken in each seed, with its interval over seeds; None for one seed."""
        line = self._changes.get((f"{metric}{_CHANGE}", split, None))
        return None if line is None else (float(line.value[0]), float(line.low[0]), float(line.high[0]))

    @property
    def tries(self) -> list[int]:
        """Every k of pass@k."""
        names = {name for name, _, _ in self._lines if name.startswith("pass@")}
        return sorted(int(name[5:]) for name in names)


def _ranged(table: pd.DataFrame) -> pd.DataFrame:
    """Two seeds show their range, as in all figures: an interval of two is too wide to be drawn."""
    two = table["n"].eq(2).to_numpy(bool)
    return table.assign(low=table["low"].where(~two, table["least"]), high=table["high"].where(~two, table["most"]))


def _changes(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Last − first of each seed, for the metrics that are not by band; the seeds give the interval."""
    table = tables[0]  # the others have the same rows
    spots = table[["metric", "split"]][table["band"].isna()]
    first = spots.drop_duplicates().index.to_numpy()
    last = spots.drop_duplicates(keep="last").index.to_numpy()
    order = spots.loc[last].reset_index().merge(spots.loc[first], on=["metric", "split"])["index"].to_numpy()
    found = []
    for each in tables:
        value = each["value"].to_numpy(float, na_value=np.nan)
        found.append(each.iloc[first].assign(value=value[order] - value[first]).reset_index(drop=True))
    return [one.assign(metric=one["metric"] + _CHANGE) for one in found]


def _lines(table: pd.DataFrame) -> dict[Spot, Line]:
    names = ("round", "value", "low", "high", "truth", "n", "band", "k")
    real = {name: table[name].to_numpy(float, na_value=np.nan) for name in names}
    text = {name: table[name].to_numpy(object) for name in ("metric", "split", "method", "unit")}
    keys = pd.DataFrame({"metric": text["metric"], "split": text["split"], "band": real["band"]})
    lines: dict[Spot, Line] = {}
    for at in keys.groupby(list(keys), dropna=False, sort=False).indices.values():
        first, band = at[0], real["band"][at[0]]
        name, split = str(text["metric"][first]), str(text["split"][first])
        low, high, truth, n = (real[column][at] for column in ("low", "high", "truth", "n"))
        words, unit = [str(one) for one in text["method"][at]], str(text["unit"][first])
        spot = (name, split, None if np.isnan(band) else int(band))
        ends = {"value": real["value"][at], "low": low, "high": high, "truth": truth, "n": n}
        lines[spot] = Line(name, split, real["round"][at], **ends, method=words, unit=unit, k=float(real["k"][first]))
    return lines


# ── what is behind a point ─────────────────────────────────────────────────────────────────────────────
COLUMNS = ("problem", "difficulty", "band", "exact solve rate", "draws", "right", "accepted")


def behind(world: World, point: dict[str, Any]) -> tuple[list[list[str]], str]:
    """The typical problems of a point's round (and band) as rows of `COLUMNS`, and a sentence on them."""
    r, split, band = point.get("round"), str(point.get("split")), point.get("band")
    if type(r) is not int or not (band is None or type(band) is int):
        return [], f"A point has a round, got {point!r}; click a mark of a figure."
    try:
        table = typical(world, 0, r, split, band)
    except KnobError as error:
        return [], str(error)
    rows = [_cells(row) for row in table.to_dict("records")]
    whose = "of each band" if band is None else f"of band {band}"
    return rows, f"Seed 0, round {r}, {split}: problems {whose} whose exact solve rate is nearest to the band's mean."


def _cells(row: dict[Any, Any]) -> list[str]:
    accepted = "–" if pd.isna(row["accepted"]) else f"{row['accepted']}"
    shares = [number(row["difficulty"]), f"{row['band']}", number(row["solve_rate"])]
    return [str(row["problem"]), *shares, f"{row['draws']}", f"{row['right']}", accepted]
