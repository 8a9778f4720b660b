"""How two groups of runs differ: paired by problem within each seed, then over seeds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from siwork.metrics import over_seeds, run_difference
from siwork.store import Run
from siwork.store.layout import done_mark

_MANY = 10**10  # more tries than any name can say
_PASS = re.compile(r"pass@(\d+)\Z")
_FIRST = {  # metrics chosen to begin with, by split
    "train": ("mean_gold", "mean_score", "proxy_gold_gap", "accept_rate", "tail_share", "tail_coverage"),
    "": ("distinct_correct", "solution_coverage", "answer_entropy", "token_entropy", "mean_tokens"),
}


class Side(NamedTuple):
    """One of the two: a group of siblings, or one run."""

    name: str
    runs: tuple[Run, ...]


class Pairs(NamedTuple):
    """The runs of two sides that pair, and what is to be said of those that do not."""

    seeds: tuple[int, ...]
    runs: tuple[tuple[Run, Run], ...]  # of A and of B, one pair a seed
    note: str = ""
    why: str = ""  # why there is no pair


class Both(NamedTuple):
    """Two runs as one source of rows, of one split and of one round or all."""

    runs: tuple[Run, Run]
    split: str
    round: int | None = None

    def iter_rows(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """As `Run.iter_rows`, of one run after the other."""
        for run in self.runs:
            there = run.columns()
            own = there if columns is None else [name for name in columns if name in there]
            yield from run.iter_rows(self.round, own, self.split)

    def columns(self) -> list[str]:
        """As `Run.columns`, of both."""
        return list(dict.fromkeys(name for run in self.runs for name in run.columns()))

    def problems(self) -> pd.DataFrame:
        """As `Run.problems`, of both, with a column `run`."""
        return pd.concat([run.problems().assign(run=run.name) for run in self.runs], ignore_index=True)


def paired(a: Side, b: Side, split: str) -> Pairs:
    """Pair the runs of two sides seed by seed, where both had the same problems. Raises RunError for a damaged run."""
    ours, theirs = ({run.seed: run for run in reversed(side.runs)} for side in (a, b))
    shared = sorted(set(ours) & set(theirs))
    if not shared:
        seeds = [", ".join(map(str, sorted(each))) for each in (ours, theirs)]
        why = f"No seed is in both (A: {seeds[0]}; B: {seeds[1]}), and runs of different seeds differ by more than their recipes."
        return Pairs((), (), why=f"{why} Run one of them with the other's seeds.")
    runs = {seed: (ours[seed], theirs[seed]) for seed in shared}
    same = {seed: pair for seed, pair in runs.items() if _same_problems(*pair, split)}
    if not same:
        why = f"A and B had different {split} problems, so nothing pairs. Run both on the same problems."
        return Pairs((), (), why=why)
    return Pairs(tuple(same), tuple(same.values()), _left_out(a, b, runs, same))


def _left_out(a: Side, b: Side, runs: Mapping[int, Any], same: Mapping[int, Any]) -> str:
    said = []
    if len(a.runs) != len(runs) or len(b.runs) != len(runs):
        said.append(f"only the seeds in both count: {', '.join(map(str, runs))}")
    if len(same) != len(runs):
        said.append(f"{len(runs) - len(same)} of them had different problems and is left out")
    return "; ".join(said)


def _same_problems(a: Run, b: Run, split: str) -> bool:
    sets = []
    for table in (a.problems(), b.problems()):
        own = table[(table["split"] == split).to_numpy(bool)]
        prompts = own["prompt"] if "prompt" in own else own["problem"]
        sets.append(set(zip(own["problem"], prompts, strict=True)))
    return bool(sets[0]) and sets[0] == sets[1]


class Differences:
    """Differences of pairs of runs, each measured once for the same rounds. Belongs to one thread at a time."""

    def __init__(self) -> None:
        self._held: dict[tuple[Any, ...], pd.DataFrame] = {}

    def of_pair(self, metric: str, a: Run, b: Run, split: str) -> pd.DataFrame:
        """`run_difference` of two runs, one row a round. Raises as it does."""
        key = (metric, split, _state(a), _state(b))
        if key not in self._held:
            self._held = {old: table for old, table in self._held.items() if _place(old) != _place(key)}
            self._held[key] = run_difference(Both((a, b), split), metric, a.name, b.name)
        return self._held[key]

    def over_rounds(self, metric: str, pairs: Pairs, split: str) -> pd.DataFrame:
        """`pooled` of the differences of each pair. Raises as `run_difference`."""
        return pooled([self.of_pair(metric, a, b, split) for a, b in pairs.runs])


def at_round(metric: str, pairs: Pairs, split: str, r: int, level: float = 0.95) -> pd.DataFrame:
    """`pooled` of the differences B − A in one round, whose rows alone are read; `level` is the coverage of the interval.

    Raises as `run_difference`.
    """
    tables = [run_difference(Both((a, b), split, r), metric, a.name, b.name, level) for a, b in pairs.runs]
    return pooled(tables, level)


def pooled(tables: Sequence[pd.DataFrame], level: float = 0.95) -> pd.DataFrame:
    """The difference B − A by round: of one pair over problems, of several over seeds.

    tables : `run_difference` of each pair, of one level
    level : coverage of the interval over seeds

    Returns
    -------
    Metric table, one row a round that all pairs have; further columns least and most (of the seeds), seeds, and
    problems (of a pair, the smallest number); several seeds have in `method` how the first one was measured, too.
    """
    whole = pd.concat(tables, ignore_index=True)
    whole = whole[whole["round"].isin(_shared_rounds(tables)).to_numpy(bool)]
    problems = whole.groupby("round")["n"].min()
    alone = len(tables) == 1
    table = whole.assign(least=whole["value"], most=whole["value"]) if alone else _pooled(whole, level)
    return table.assign(seeds=len(tables), problems=table["round"].map(problems)).reset_index(drop=True)


def _pooled(whole: pd.DataFrame, level: float) -> pd.DataFrame:
    table = over_seeds(whole, level)
    each = table["round"].map(whole.drop_duplicates("round").set_index("round")["method"])
    return table.assign(method=[f"{over}; each seed: {own}" for over, own in zip(table["method"], each, strict=True)])


def _state(run: Run) -> tuple[Any, ...]:
    """What a run was when it was measured: its place and its finished rounds."""
    return str(run.folder), run.rounds_done, *(done_mark(run.folder, r) for r in range(run.rounds_done))


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return *key[:2], key[2][0], key[3][0]


def _shared_rounds(tables: Sequence[pd.DataFrame]) -> list[int]:
    return sorted(set.intersection(*(set(table["round"].tolist()) for table in tables)))


def offered(own: pd.DataFrame, split: str) -> list[str]:
    """The metrics of a metric table that are known on the split and pair by problem: pass@k by its k, then the others."""
    here = own[((own["split"] == split) & own["value"].notna()).to_numpy(bool)]
    if "band" in here:
        here = here[here["band"].isna().to_numpy(bool)]
    names = [name for name in dict.fromkeys(here["metric"]) if not name.endswith("_change")]
    return sorted(names, key=lambda name: _tries(name) or _MANY)


def _tries(name: str) -> int | None:
    found = _PASS.match(name)
    return int(found[1]) if found else None


def chosen_first(names: Sequence[str], split: str) -> list[str]:
    """The metrics to begin with, of those offered: pass@1, pass@k at the largest k, and a few of each kind."""
    tries = [name for name in names if _tries(name)]
    wanted = [*tries[:1], *tries[-1:], *_FIRST.get(split, _FIRST[""])]
    return [name for name in dict.fromkeys(wanted) if name in names]
