"""What a panel can be opened on, as runs: run folders, and row tables read as if they were runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from siwork.schema import PROBLEMS, KnobError, RunError, SchemaError, check, nearest
from siwork.store import Run, Runs, Status
from siwork.store.layout import find_runs, read_manifest

_NEEDED = ("run", "round", "split", "problem")
_OF_PROBLEMS = [column.name for column in PROBLEMS if column.name != "answer"]  # of rows: what the model answered
_DEPTH, _MOST = 3, 200  # folders below each other that are searched, runs that are offered


class KnownRun(Run):
    """A run whose run.json is remembered: it keeps its name while its folder is gone, and is read again when it changes."""

    def __init__(self, run: Run) -> None:
        object.__setattr__(self, "folder", run.folder)
        object.__setattr__(self, "_known", (None, run.manifest))

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of run.json, or the last that could be read."""
        seen, manifest = self.__dict__["_known"]
        with suppress(OSError, RunError):
            mark = os.stat(self.folder / "run.json").st_mtime_ns
            if mark != seen:
                manifest = read_manifest(self.folder)
                object.__setattr__(self, "_known", (mark, manifest))
        found: dict[str, Any] = manifest
        return found


class TableRun(Run):
    """The rows of one run of a row table, read as a run is; it has no folder."""

    def __init__(self, name: str, table: pd.DataFrame) -> None:
        object.__setattr__(self, "folder", Path(name))
        object.__setattr__(self, "table_", table)

    @property
    def manifest(self) -> dict[str, Any]:
        """As much of a run.json as rows tell."""
        rows: pd.DataFrame = self.__dict__["table_"]
        name = str(rows["run"].iloc[0])
        tasks: Any = rows["task"].dropna().unique() if "task" in rows else []
        about = {"recipe": f"rows of {name}", "task": ", ".join(map(str, tasks[:3])) or "unknown", "policy": "unknown"}
        return {"version": 1, "name": name, **about, "seed": 0, "rounds": self.rounds_done}

    @property
    def rounds_done(self) -> int:
        """One more than the number of the last round."""
        return int(self.__dict__["table_"]["round"].max()) + 1

    def rows(
        self, rounds: int | Iterable[int] | None = None, columns: Sequence[str] | None = None, split: str | None = None
    ) -> pd.DataFrame:
        """As `Run.rows`. Raises SchemaError for a column that the rows lack."""
        rows: pd.DataFrame = self.__dict__["table_"]
        if rounds is not None:
            rows = rows[rows["round"].isin([rounds] if isinstance(rounds, int) else list(rounds)).to_numpy(bool)]
        if split is not None:
            rows = rows[(rows["split"] == split).to_numpy(bool)]
        for column in columns or ():
            if column not in rows:
                raise SchemaError(
                    f"the rows of {self.name} lack column {column!r}; {nearest(column, list(rows.columns))}"
                )
        return (rows if columns is None else rows[list(dict.fromkeys(columns))]).reset_index(drop=True)

    def iter_rows(
        self, rounds: int | Iterable[int] | None = None, columns: Sequence[str] | None = None, split: str | None = None
    ) -> Iterator[pd.DataFrame]:
        """As `rows`, a round at a time."""
        rows = self.rows(rounds, None, split)
        for r in sorted(rows["round"].unique()):
            yield self.rows(int(r), columns, split)

    def columns(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.__dict__["table_"].columns]

    def problems(self) -> pd.DataFrame:
        """What the rows tell of their problems."""
        rows: pd.DataFrame = self.__dict__["table_"]
        there = [name for name in _OF_PROBLEMS if name in rows]
        return rows.drop_duplicates(["split", "problem"])[there].reset_index(drop=True)

    def status(self) -> Status:
        """Finished: nobody adds to a table."""
        return Status("finished", self.rounds_done, self.rounds_done, None, 1.0, None, None)


class LogRun(TableRun):
    """One run of a log that another framework is still writing; its rows are those that were read last.

    log : a `siwork.importers.Watched`
    name : of the run
    """

    def __init__(self, log: Any, name: str) -> None:
        super().__init__(name, log.rows[(log.rows["run"] == name).to_numpy(bool)].reset_index(drop=True))
        object.__setattr__(self, "log_", log)

    def mark(self) -> tuple[object, ...]:
        """What tells one state of the log from a later one."""
        found: tuple[object, ...] = self.__dict__["log_"].mark()
        return found

    def refresh(self) -> bool:
        """Read what is new; whether the rows are others than before."""
        log = self.__dict__["log_"]
        log.poll()
        if self.__dict__.get("shown_") is log.imported:
            return False
        rows = log.rows[(log.rows["run"] == self.name).to_numpy(bool)].reset_index(drop=True)
        for name, value in (("shown_", log.imported), ("table_", rows)):
            object.__setattr__(self, name, value)
        return True

    @property
    def fault(self) -> str:
        """Why the log could not be read when it was looked at last; empty when it could."""
        return str(self.__dict__["log_"].fault)


def opened(x: Any) -> list[Run]:
    """The runs behind what a panel was given.

    Parameters
    ----------
    x : a Run, Runs, a folder that is a run or holds runs, a row table, an object whose `.rows` is a row table, a log that
        `siwork.importers.watch` follows, or a list of these; None for nothing yet

    Raises
    ------
    KnobError for anything else; Foreign where there is no run; RunError when two have one name, or a run.json is broken;
    SchemaError for a table that lacks what a row has.

    >>> opened(None)
    []
    """
    if x is None:
        return []
    found = list(_runs(x))
    Runs(found)  # raises where there is none, or two have one name
    return found


def known(run: Run) -> Run:
    """The run as a panel holds it."""
    return run if isinstance(run, TableRun | KnownRun) else KnownRun(run)


def _runs(x: Any) -> Iterator[Run]:
    if isinstance(x, Run):
        yield known(x)
    elif isinstance(x, str | Path):
        yield from map(KnownRun, Runs(x))
    elif isinstance(x, pd.DataFrame):
        yield from _of_rows(x)
    elif hasattr(x, "mark") and hasattr(x, "poll"):  # a log that is followed; its class takes long to load
        yield from (LogRun(x, str(name)) for name in sorted(x.rows["run"].unique()))
    elif isinstance(getattr(x, "rows", None), pd.DataFrame):
        yield from _of_rows(x.rows)
    elif isinstance(x, Iterable) and not isinstance(x, dict | bytes):
        for each in x:
            yield from _runs(each)
    else:
        raise KnobError(
            f"a panel is opened on a run, runs, a folder, a row table or a list of these, got {type(x).__name__}; "
            "next: Run('runs/<name>'), or the path itself"
        )


def _of_rows(rows: pd.DataFrame) -> Iterator[Run]:
    """A run for each name in the column `run`. Raises SchemaError."""
    table = check(rows, needs=_NEEDED)
    if table.empty:
        raise SchemaError("a row table needs rows, got none; load it with its rounds")
    if table["round"].isna().any():
        raise SchemaError("every row needs a round, got null; number the steps of the log from 0")
    for name, own in table.groupby("run", sort=True):
        yield TableRun(str(name), own.reset_index(drop=True))


def runs_below(folder: str | Path) -> list[Path]:
    """Folders of runs up to three levels below a folder, and the folders that hold several, sorted; at most 200."""
    found: list[Path] = []
    level = [Path(folder)]
    for _ in range(_DEPTH):
        below: list[Path] = []
        for place in level:
            names = find_runs(place)
            found += [place] if len(names) > 1 else []
            found += [place / name for name in names]
            below += [one for one in _folders(place) if one.name not in names]
        level = below[:_MOST]
    return sorted(found)[:_MOST]


def _folders(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            return [
                Path(one.path) for one in entries if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")
            ]
    except OSError:
        return []
