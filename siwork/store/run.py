"""Reading a run folder. A `Run` holds a path and nothing else, so it always shows what is on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from siwork.schema import ROUNDS, RunError, SchemaError, Unfinished, check
from siwork.store.atomic import reason, writing
from siwork.store.layout import count_done, inside, located, read_manifest
from siwork.store.lock import Holder, holder
from siwork.store.parquet import DAMAGE, joined, read_schema, read_table, to_pandas
from siwork.store.rounds import own_tree, round_info, row_tables, state_folder
from siwork.store.shown import run_sheet
from siwork.store.texts import read_json, read_lines, tail

_RECENT = 5  # rounds whose times the estimate of the time left is made from


class Status(NamedTuple):
    """How a run is doing."""

    state: str  # running | stopped (closed on purpose) | finished | dead (writer vanished or failed) | new
    round: int  # the round being made, or the next one; `rounds` for the closing evaluation and after it
    rounds: int  # rounds wanted
    stage: str | None  # what is, or was, being done
    share: float  # share of the stage that is done, 0 … 1
    pid: int | None  # the writer's process, None while it has not signed its lock yet
    seconds_left: float | None  # estimate while running, None when unknown


@dataclass(frozen=True, init=False)
class Run:
    """A run folder, read-only. Works while a writer is at work, takes no lasting lock, remembers nothing.

    Raises Foreign when the folder is no run or of a newer siwork, RunError when run.json is broken; properties
    that come from run.json raise the same later.

    >>> Run("/no/such/run")
    Traceback (most recent call last):
    siwork.schema.errors.Foreign: /no/such/run is no run: it does not exist; pass the folder of a run
    """

    folder: Path

    def __init__(self, folder: str | Path) -> None:
        object.__setattr__(self, "folder", located(folder))
        read_manifest(self.folder)

    def _repr_html_(self) -> str:
        return run_sheet(self)

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of run.json."""
        return read_manifest(self.folder)

    @property
    def name(self) -> str:
        """Name of the run; column `run` of its rows."""
        return self.manifest["name"]

    @property
    def recipe(self) -> str:
        """Formula of the recipe."""
        return self.manifest["recipe"]

    @property
    def task(self) -> str:
        """The task as a call: countdown(numbers=4)."""
        return self.manifest["task"]

    @property
    def policy(self) -> str:
        """The policy as a call: tiny."""
        return self.manifest["policy"]

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.manifest["seed"]

    @property
    def rounds_wanted(self) -> int:
        """Number of updates the run is to have; the closing round, which evaluates only, has this number."""
        return self.manifest["rounds"]

    @property
    def base_path(self) -> Path:
        """Folder of the policy that round 0 begins with. Raises RunError when it is missing or a link leads out."""
        return own_tree(self.folder, "base")

    @property
    def rounds_done(self) -> int:
        """Number of finished rounds, counted from 0 without a gap."""
        return count_done(self.folder)

    def rows(
        self,
        rounds: int | Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
    ) -> pd.DataFrame:
        """Rows of finished rounds as a DataFrame with Arrow types.

        Parameters
        ----------
        rounds : one round or several; None means all that are finished
        columns : names, in the order wanted; None means all. A round that lacks a column has nulls there
        split : train, heldout or beyond; None means all

        Raises
        ------
        Unfinished
            a round asked for is not there
        SchemaError
            no round asked for has that column
        KnobError
            there is no such split
        RunError
            a round is damaged; the message says which are good
        """
        return to_pandas(self.table(rounds, columns, split))

    def iter_rows(
        self,
        rounds: int | Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
    ) -> Iterator[pd.DataFrame]:
        """As `rows`, one DataFrame a round, so that memory is bounded by one round; raises the same."""
        return map(to_pandas, row_tables([(self.folder, self.name)], rounds, columns, split)[1])

    def columns(self) -> list[str]:
        """Names of the row columns that any finished round has. Raises RunError when a round is damaged."""
        return list(row_tables([(self.folder, self.name)], None, None, None)[0].names)

    def table(
        self,
        rounds: int | Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
    ) -> pa.Table:
        """As `rows`, an Arrow table; raises the same."""
        schema, tables = row_tables([(self.folder, self.name)], rounds, columns, split)
        return joined(schema, tables)

    def round_info(self, r: int) -> dict[str, Any]:
        """round.json of round r. Raises Unfinished, RunError when it is damaged."""
        return round_info(self.folder, r)

    def rounds(self) -> pd.DataFrame:
        """The table `rounds`, one row a finished round, extra keys of round.json that are numbers or texts added.

        Raises RunError when a round.json is damaged.
        """
        infos = list(_infos(self.folder, range(self.rounds_done)))
        names = [c.name for c in ROUNDS]
        extra = {
            k: None for info in infos for k, v in info.items() if k not in names and not isinstance(v, dict | list)
        }
        try:
            frame = pd.DataFrame({n: _column(n, [info.get(n) for info in infos]) for n in [*names, *extra]})
            return check(frame.assign(run=self.name), table="rounds")
        except SchemaError as error:
            raise RunError(f"a round.json of {self.folder} is not what it should be: {error}; put it right") from None

    def problems(self) -> pd.DataFrame:
        """The table `problems`, all splits. Raises RunError when it is damaged."""
        path = inside(self.folder, "problems.parquet")
        try:
            read_schema(path, "problems")
            return to_pandas(read_table(path))
        except DAMAGE as error:
            raise RunError(f"{path} cannot be read ({reason(error)}); take it from a copy of the run") from None

    def events(self) -> list[dict[str, Any]]:
        """The lines of events.jsonl, an unfinished last one left out. Raises RunError for a broken one."""
        return read_lines(inside(self.folder, "events.jsonl"))

    def last_words(self) -> str:
        """The last line that a launched writer left in log.txt, empty when there is none."""
        path = inside(self.folder, "log.txt")
        return tail(path).rpartition("\n")[2] if path.exists() else ""

    def state_path(self, r: int) -> Path:
        """Folder of the state saved with round r. Raises Unfinished, RunError when it is missing or a link leads out."""
        return state_folder(self.folder, r)

    @property
    def stop_wanted(self) -> bool:
        """Whether somebody asked the run to stop, and no writer has done so yet."""
        return (self.folder / "stop").exists()

    def request_stop(self) -> None:
        """Ask the writer to stop after the present stage; the wish stays until a writer clears it. Raises RunError."""
        path = inside(self.folder, "stop")
        with writing("stop", self.folder, "check its permissions"):
            path.touch()

    def status(self) -> Status:
        """How the run is doing. Whether it runs is told by the writer's lock, not by the heartbeat's age."""
        who, beat = _at_work(self.folder)
        manifest, done = self.manifest, self.rounds_done
        infos = list(_infos(self.folder, range(max(done - _RECENT - 1, 0), done), tolerant=True))
        state = "running" if who else _idle_state(beat, infos)
        active = state in ("running", "dead")
        share = _share(beat) if active and beat.get("round") == done else 0.0
        return Status(
            state=state,
            round=min(done, manifest["rounds"]),
            rounds=manifest["rounds"],
            stage=str(beat["stage"]) if active and "stage" in beat else None,
            share=share,
            pid=who.pid if who else None,
            seconds_left=_seconds_left(beat, infos, manifest["rounds"] + 1 - done) if who else None,
        )


def _at_work(folder: Path) -> tuple[Holder | None, dict[str, Any]]:
    """The lock's holder and the heartbeat of one instant: a writer that comes or goes in between is not "dead"."""
    beat = _heartbeat(folder)
    while True:
        who, after = holder(folder), _heartbeat(folder)
        if who is not None or after == beat:
            return who, after
        beat = after


def _infos(folder: Path, rounds: range, tolerant: bool = False) -> Iterator[dict[str, Any]]:
    for r in rounds:
        try:
            yield round_info(folder, r)
        except Unfinished:  # dropped while we were reading
            return
        except RunError:
            if not tolerant:
                raise


def _column(name: str, values: list[Any]) -> pd.Series:
    try:
        return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values)))
    except pa.ArrowException as error:
        raise SchemaError(f"{name!r} has values of different kinds ({reason(error)})") from None


def _heartbeat(folder: Path) -> dict[str, Any]:
    """The last heartbeat; empty when there is none, or none that can be read."""
    try:
        return read_json(inside(folder, "heartbeat"))
    except (OSError, RunError):
        return {}


def _idle_state(beat: Mapping[str, Any], infos: Sequence[Mapping[str, Any]]) -> str:
    if infos and infos[-1].get("closing") is True:
        return "finished"
    if beat and beat.get("stage") != "closed":
        return "dead"
    # a run that was only prepared is closed right after it was opened
    return "stopped" if infos or beat.get("after", "opened") != "opened" else "new"


def _share(beat: Mapping[str, Any]) -> float:
    return min(max(_number(beat.get("share")) or 0.0, 0.0), 1.0)


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and isfinite(value) else None


def _seconds_left(beat: Mapping[str, Any], infos: Sequence[Mapping[str, Any]], rounds_left: int) -> float | None:
    """Rounds left, the closing one counted, at the recent pace, less what the present one has had."""
    took = [_number(info.get("seconds")) for info in infos if info.get("closing") is not True]
    known = [seconds for seconds in took if seconds is not None]
    if not known or rounds_left < 1:
        return None
    return median(known) * (rounds_left - 1) + max(median(known) - _elapsed(beat), 0.0)


def _elapsed(beat: Mapping[str, Any]) -> float:
    """Seconds since the round's first heartbeat, 0 when that is unknown."""
    try:
        return max((datetime.now(UTC) - datetime.fromisoformat(beat["since"])).total_seconds(), 0.0)
    except (KeyError, TypeError, ValueError):
        return 0.0
