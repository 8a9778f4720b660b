"""The one process that writes a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from time import monotonic
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa

from siwork.schema import RunError, SchemaError, check
from siwork.store.atomic import atomic_write, discard, flush, flush_tree, quoted, sweep, temporary, writing
from siwork.store.create import lay_out
from siwork.store.layout import count_done, inside, is_done, located, read_manifest, round_folders, round_name
from siwork.store.lock import Lock
from siwork.store.parquet import to_arrow, write_table
from siwork.store.rounds import round_info, state_folder
from siwork.store.texts import append_line, cut_torn_line, now, to_json

_PAUSE = 0.2  # seconds between two heartbeats of one stage


class Writer:
    """Opens a run folder for writing, at the first round that is not finished.

    A context manager. Left-overs of a killed writer are removed. Leaving the block without an error (or with Ctrl-C)
    marks the run as closed on purpose; leaving it with an error does not, and `Run.status` says "dead".

    Raises
    ------
    Locked
        another writer is at work; the message names its process and host
    Foreign
        the folder is no run
    RunError
        a finished round lies behind a missing one, or the system refuses to write
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = located(folder)
        self.manifest = read_manifest(self.folder)
        self._lock = Lock(self.folder)
        self._pulse = ("", -1, 0.0)  # stage, round and instant of the last heartbeat
        self._since = (-1, "")  # round and when its first heartbeat was
        try:
            with writing("the opening", self.folder):
                removed = self._tidied()
            self.log("opened", round=self.rounds_done, pid=os.getpid(), removed=removed)
            self.beat("opened", self.rounds_done, 0)
        except BaseException:
            self._lock.release()
            raise

    @classmethod
    def create(
        cls,
        folder: str | Path,
        manifest: Mapping[str, Any],
        problems: pd.DataFrame,
        write_base: Callable[[Path], None] | None = None,
    ) -> Writer:
        """Make a run, or resume the same one.

        Parameters
        ----------
        folder : made where it is missing
        manifest : recipe, task, policy, problems (texts), seed, rounds; name defaults to the folder's; others are kept
        problems : the table `problems`, all splits
        write_base : called with an empty folder, writes the policy that round 0 begins with

        Raises
        ------
        RunError
            the folder holds another run (the message says what differs), or other files
        SchemaError
            `problems` is not the table it should be
        Locked
            another writer is at work
        """
        lay_out(located(folder), manifest, problems, write_base)
        return cls(folder)

    @property
    def rounds_done(self) -> int:
        """Number of finished rounds; the next round to save has this number."""
        return count_done(self.folder)

    def save_round(
        self, r: int, rows: pd.DataFrame, info: Mapping[str, Any], write_state: Callable[[Path], None]
    ) -> None:
        """Save round r: when this returns it is on the disk, when it raises there is no trace of it.

        Parameters
        ----------
        r : number of the round, equal to `rounds_done`
        rows : checked here against the schema; columns run and round must say this run and r
        info : policy (fingerprint), seconds; closing (default False), recipe (default the run's); extra keys are kept
        write_state : called with an empty folder, writes what resuming needs

        Raises
        ------
        RunError
            r is not the next round, or the system refuses (disk full); the rounds before r are kept
        SchemaError
            rows or info are not what their tables say
        """
        self._check_open()
        if r != self.rounds_done:
            raise RunError(f"round {r} cannot be saved: the next one of {self.folder} is {self.rounds_done}")
        table = _own_rows(rows, self.manifest["name"], r)
        facts = to_json(self._facts(r, table, info))
        place = inside(self.folder, "rounds", round_name(r))
        draft = temporary(place)
        try:
            with writing(f"round {r}", self.folder):
                (draft / "state").mkdir(parents=True)
                write_table(table, draft / "rows.parquet")
                (draft / "round.json").write_bytes(facts)
                write_state(draft / "state")
                flush_tree(draft)
                os.rename(draft, place)
                flush(place.parent)
                atomic_write(place / "DONE", token_hex(8).encode())
        except BaseException:
            with suppress(OSError):
                _undo(place)
            discard(draft)
            raise
        discard(self.pending(r))
        self.log("saved", round=r, rows=len(table))

    def pending(self, r: int) -> Path:
        """Folder, not made yet, for what must outlive a crash while round r is played; gone when the round is saved.

        Raises RunError when a link leads out of the run.
        """
        return inside(self.folder, "pending", round_name(r))

    def drop_round(self, r: int) -> None:
        """Remove the last finished round. Raises RunError when r is not the last one, or the system refuses."""
        self._check_open()
        if r < 0 or r != self.rounds_done - 1:
            last = self.rounds_done - 1 if self.rounds_done else "none"
            raise RunError(f"round {r} cannot be dropped: only the last one of {self.folder} can, and that is {last}")
        with writing(f"the removal of round {r}", self.folder):
            _undo(inside(self.folder, "rounds", round_name(r)))
        self.log("dropped", round=r)

    def extend(self, rounds: int) -> None:
        """Set how many updates the run is to have; a closing round that is no longer the end is dropped.

        Raises RunError when more updates than that are done.
        """
        self._check_open()
        done = self.rounds_done
        closed = done > 0 and round_info(self.folder, done - 1).get("closing") is True
        updates = done - closed
        if rounds < updates:
            raise RunError(
                f"rounds must be at least {updates}, the updates that {self.folder} has, got {rounds}; "
                f"for fewer: siwork fork {quoted(self.folder)} --at {max(rounds, 0)}"
            )
        if closed and rounds != updates:
            self.drop_round(done - 1)
        self.manifest = {**self.manifest, "rounds": int(rounds)}
        with writing("run.json", self.folder):
            atomic_write(inside(self.folder, "run.json"), to_json(self.manifest))

    def state_path(self, r: int) -> Path:
        """Folder of the state saved with round r. Raises Unfinished, RunError when it is missing or a link leads out."""
        return state_folder(self.folder, r)

    def beat(self, stage: str, round: int, share: float) -> None:
        """Say what is being done; a new stage is written at once, the same one at most five times a second.

        Parameters
        ----------
        stage : what is being done
        round : the round it is done for
        share : share of the stage that is done, 0 … 1

        Raises RunError when the system refuses.
        """
        self._check_open()
        before, its, instant = self._pulse
        if (stage, round) == (before, its) and monotonic() - instant < _PAUSE:
            return
        if self._since[0] != round:
            self._since = (round, now())
        self._pulse = (stage, round, monotonic())
        self._write_beat(stage=stage, round=round, share=share)

    def log(self, event: str, **fields: Any) -> None:
        """Append a line to events.jsonl; `round`, `stage` and `seconds` are the usual fields. Raises RunError."""
        self._check_open()
        with writing("events.jsonl", self.folder):
            append_line(inside(self.folder, "events.jsonl"), {"time": now(), "event": event, **fields})

    def stop_wanted(self) -> bool:
        """Whether somebody asked the run to stop after the present stage."""
        return os.path.lexists(self.folder / "stop")

    def clear_stop(self) -> None:
        """Forget that a stop was asked for. Raises RunError when the system refuses."""
        with writing("stop", self.folder):
            (self.folder / "stop").unlink(missing_ok=True)

    def close(self) -> None:
        """End the writing on purpose and let the next writer in; harmless when done twice. Raises RunError.

        A wish to stop is thereby fulfilled and forgotten.
        """
        if not self._lock.held:
            return
        try:
            self.clear_stop()
            self.log("closed", round=self.rounds_done)
            self._write_beat(stage="closed", round=self.rounds_done, share=0, after=self._pulse[0])
        finally:
            self._lock.release()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()
        self._lock.release()

    def _write_beat(self, **fields: Any) -> None:
        beat = {"pid": os.getpid(), **fields, "time": now(), "since": self._since[1]}
        with writing("heartbeat", self.folder):
            atomic_write(inside(self.folder, "heartbeat"), to_json(beat, indent=None), durable=False)

    def _check_open(self) -> None:
        if not self._lock.held:
            raise RunError(f"this writer of {self.folder} is closed; open it again with Writer({str(self.folder)!r})")

    def _tidied(self) -> list[str]:
        """Remove what a killed writer left; the names of what was removed."""
        done, rounds = count_done(self.folder), inside(self.folder, "rounds")
        behind = [r for r in round_folders(self.folder) if r > done and is_done(self.folder, r)]
        if behind:
            raise RunError(
                f"{self.folder} has no finished round {done} but a finished round {behind[0]}; bring round {done} back, "
                f"or go on from before it in a copy: siwork fork {quoted(self.folder)} --at {done}"
            )
        rounds.mkdir(exist_ok=True)
        flush(self.folder)
        removed = sweep(self.folder) + sweep(rounds)
        for r in round_folders(self.folder):
            if r >= done:
                discard(rounds / round_name(r))
                removed.append(round_name(r))
            else:
                sweep(rounds / round_name(r))
        for name in _past(inside(self.folder, "pending"), round_name(done)):
            discard(self.folder / "pending" / name)
        cut_torn_line(inside(self.folder, "events.jsonl"))
        _forget_old_wish(self.folder / "stop", self.folder / "heartbeat")
        return removed

    def _facts(self, r: int, table: pa.Table, info: Mapping[str, Any]) -> dict[str, Any]:
        used = (table["weight"].to_numpy() > 0) & (table["split"].to_numpy() == "train")
        own = {"run": self.manifest["name"], "round": r, "n_rows": len(table), "n_accepted": int(used.sum())}
        facts = {"recipe": self.manifest["recipe"], "closing": False, **info, **own}
        check(pd.DataFrame([facts]), table="rounds")
        return facts


def _own_rows(rows: pd.DataFrame, name: str, r: int) -> pa.Table:
    table = to_arrow(rows, "rows")
    for column, own in (("run", name), ("round", r)):
        other = set(table[column].unique().to_pylist()) - {own}
        if other:
            raise SchemaError(f"rows: column {column!r} must be {own!r} in round {r} of {name!r}, got {other.pop()!r}")
    return table


def _past(pending: Path, present: str) -> list[str]:
    """What is kept for other rounds than the present one."""
    return [name for name in os.listdir(pending) if name != present] if pending.is_dir() else []


def _forget_old_wish(stop: Path, heartbeat: Path) -> None:
    """A stop asked of a writer that was killed is not meant for this one; one asked since then is."""
    if stop.exists() and heartbeat.exists() and stop.stat().st_mtime_ns < heartbeat.stat().st_mtime_ns:
        stop.unlink(missing_ok=True)


def _undo(place: Path) -> None:
    """Take a round back in one instant, DONE and all. Raises OSError."""
    if place.exists():
        gone = temporary(place)
        os.rename(place, gone)
        flush(place.parent)
        discard(gone)
