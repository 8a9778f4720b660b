"""Sibling runs read as one object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from siwork.schema import Foreign, RunError, nearest
from siwork.store.layout import find_runs, located
from siwork.store.parquet import joined, to_pandas
from siwork.store.rounds import row_tables
from siwork.store.run import Run
from siwork.store.shown import runs_sheet


@dataclass(frozen=True, init=False)
class Runs:
    """Several runs, sorted by name; iterating gives `Run` objects.

    Parameters
    ----------
    source : a folder that holds run folders (or is one), or the run folders themselves

    Raises
    ------
    Foreign
        no run is found, or one of the folders is none
    RunError
        two runs have one name, so that their rows could not be told apart

    >>> Runs([])
    Traceback (most recent call last):
    siwork.schema.errors.Foreign: no run is given; pass run folders, or the folder that holds them
    """

    folders: tuple[Path, ...]

    def __init__(self, source: str | Path | Iterable[str | Path | Run]) -> None:
        runs = [run if isinstance(run, Run) else Run(run) for run in _places(source)]
        if not runs:
            raise Foreign("no run is given; pass run folders, or the folder that holds them")
        named = sorted(((run.name, run.folder) for run in runs), key=lambda pair: pair[0])
        for (name, folder), (other, place) in pairwise(named):
            if name == other:
                raise RunError(
                    f"two runs are called {name!r}: {folder} and {place}; leave one out, or change its name in run.json"
                )
        object.__setattr__(self, "folders", tuple(folder for _, folder in named))

    def __iter__(self) -> Iterator[Run]:
        return (Run(folder) for folder in self.folders)

    def __len__(self) -> int:
        return len(self.folders)

    def _repr_html_(self) -> str:
        return runs_sheet(self.folders)

    def __getitem__(self, name: str) -> Run:
        """The run of that name. Raises Foreign."""
        for run in self:
            if run.name == name:
                return run
        raise Foreign(f"none of these runs is called {name!r}; {nearest(name, self.names)}")

    @property
    def names(self) -> list[str]:
        """Names of the runs, sorted."""
        return [run.name for run in self]

    def rows(
        self,
        rounds: int | Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
    ) -> pd.DataFrame:
        """As `Run.rows`, of all runs one after the other; raises the same."""
        schema, tables = row_tables(self._named(), rounds, columns, split)
        return to_pandas(joined(schema, tables))

    def iter_rows(
        self,
        rounds: int | Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
    ) -> Iterator[pd.DataFrame]:
        """As `rows`, one DataFrame a (run, round), so that memory is bounded by one round; raises the same."""
        return map(to_pandas, row_tables(self._named(), rounds, columns, split)[1])

    def columns(self) -> list[str]:
        """Names of the row columns that any finished round has. Raises RunError when a round is damaged."""
        return list(row_tables(self._named(), None, None, None)[0].names)

    def rounds(self) -> pd.DataFrame:
        """The table `rounds` of all runs. Raises RunError when a round.json is damaged."""
        return pd.concat([run.rounds() for run in self], ignore_index=True)

    def groups(self) -> dict[tuple[str, str, str], list[Run]]:
        """Siblings, which differ in nothing but the seed: (recipe, task, policy) → runs.

        Where runs of one such key had different problems, each set of problems has its own group, named in the task.
        """
        return siblings(self)

    def _named(self) -> list[tuple[Path, str]]:
        return [(run.folder, run.name) for run in self]


def siblings(runs: Iterable[Run]) -> dict[tuple[str, str, str], list[Run]]:
    """Runs that differ in nothing but the seed, as `Runs.groups`, of the objects given."""
    found: dict[tuple[str, str, str], dict[str, list[Run]]] = {}
    for run in runs:
        manifest = run.manifest
        key = (manifest["recipe"], manifest["task"], manifest["policy"])
        found.setdefault(key, {}).setdefault(str(manifest.get("problems")), []).append(run)
    groups = {}
    for (recipe, task, policy), sets in found.items():
        for problems, own in sets.items():
            label = task if len(sets) == 1 else f"{task} with problems {problems}"
            groups[recipe, label, policy] = own
    return groups


def _places(source: str | Path | Iterable[str | Path | Run]) -> list[str | Path | Run]:
    if not isinstance(source, str | Path):
        return list(source)
    folder = located(source)
    if (folder / "run.json").exists():
        return [folder]
    inside = [folder / name for name in find_runs(folder)]
    return [*inside] or [folder]
