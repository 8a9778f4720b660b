"""kill -9 at random instants: nothing but the unfinished round is lost, and no reader ever sees a part of one."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from siwork.schema import RunError
from siwork.store import Run, Writer, fork
from store_rows import INFO, MANIFEST, problems, rows

KILLS = 60
AFTER = 8  # rounds that the last, unharmed writer adds

# One line read starts a writer, the next one buries it: a killed process keeps its number until then.
WRITERS = """
import os, sys
sys.path.insert(0, sys.argv[2])
from test_crash_store import play
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        play(sys.argv[1], int(line))
        os._exit(0)
    print(pid, flush=True)
    sys.stdin.readline()
    print(os.waitpid(pid, 0)[1], flush=True)
"""


def play(folder, until):
    """Write rounds up to `until`; the last one that is there is dropped and made anew first."""
    with Writer(folder) as writer:
        if writer.rounds_done:
            writer.drop_round(writer.rounds_done - 1)
        for r in range(writer.rounds_done, until):
            for stage in ("sample", "train"):
                writer.beat(stage, r, 0.5)
            writer.save_round(r, rows(r, n=30), INFO, lambda state, r=r: (state / "w").write_bytes(weights(r)))


def weights(r):
    return np.random.default_rng(r).bytes(20_000)


class Reader(threading.Thread):
    """Reads the whole run again and again, and keeps what it should never have seen."""

    def __init__(self, run):
        super().__init__()
        self.run_read, self.stop = run, threading.Event()
        self.faults, self.reads, self.states = [], 0, set()

    def run(self):
        while not self.stop.is_set():
            try:
                self.look()
            except (RunError, OSError, pa.ArrowException, ValueError, KeyError) as error:
                self.faults.append(repr(error))
            self.reads += 1

    def look(self):
        table = self.run_read.table(columns=["round", "response"])
        done = len(table) // 30
        if table["round"].to_pylist() != [r for r in range(done) for _ in range(30)]:
            self.faults.append("a partial round")
        if done and table["response"].to_pylist()[-30:] != rows(done - 1, n=30)["response"].tolist():
            self.faults.append("wrong rows")
        self.run_read.rounds()
        self.states.add(self.run_read.status().state)


@pytest.fixture
def writers(tmp_path):
    command = [sys.executable, "-c", WRITERS, str(tmp_path / "a"), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def life(writers, until, seconds=None):
    """Start a writer, kill it after so many seconds (None: let it finish); its exit status."""
    print(until, file=writers.stdin, flush=True)
    pid = int(writers.stdout.readline())
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    print(file=writers.stdin, flush=True)
    return int(writers.stdout.readline())


def test_kill_9_at_random_instants(tmp_path, writers):
    folder, chance = tmp_path / "a", random.Random(0)
    Writer.create(folder, {**MANIFEST, "rounds": 10_000}, problems()).close()
    run, found = Run(folder), {"draft": 0, "no DONE": 0}
    reader = Reader(run)
    reader.start()
    for kill in range(KILLS):
        assert life(writers, 10_000, 0.02 + chance.random() * 0.12) == signal.SIGKILL, f"writer {kill} ended by itself"
        names = os.listdir(folder / "rounds") if (folder / "rounds").exists() else []
        found["draft"] += any(name.endswith(".tmp") for name in names)
        found["no DONE"] += any(not (folder / "rounds" / n / "DONE").exists() for n in names if n.isdigit())
    done = run.rounds_done + AFTER
    assert life(writers, done) == 0
    reader.stop.set()
    reader.join()
    assert reader.faults == []
    assert reader.reads > 10
    assert {"running", "dead"} <= reader.states
    assert found["draft"] > 3  # kills fell into the midst of writing
    with Writer.create(tmp_path / "whole" / "a", {**MANIFEST, "rounds": 10_000}, problems()):
        pass
    play(tmp_path / "whole" / "a", done)
    assert run.rounds_done == done
    assert run.table().equals(Run(tmp_path / "whole" / "a").table())
    assert all((run.state_path(r) / "w").read_bytes() == weights(r) for r in range(done))
    assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


# ── killed at every step ───────────────────────────────────────────────────────────────────────────────
EVERY_STEP = """
import os, shutil, signal, sys
sys.path.insert(0, sys.argv[3])
from test_crash_store import ACTS
act, room = ACTS[sys.argv[1]], sys.argv[2]

def die_at(step):
    # the interpreter tells the hook of every open, rename, mkdir, remove and truncate before it is done
    steps = [0]
    def hook(event, args):
        if event in EVENTS and args and str(args[0]).startswith(room):
            steps[0] += 1
            if steps[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.listdir", "os.scandir", "shutil.rmtree")
step, status = 0, signal.SIGKILL
while status == signal.SIGKILL:
    step += 1
    shutil.copytree(f"{room}/start", f"{room}/{step}")
    pid = os.fork()
    if pid == 0:
        die_at(step)
        act(f"{room}/{step}")
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
print(step if status == 0 else -1)
"""


def make(place):
    Writer.create(f"{place}/a", MANIFEST, problems(), lambda base: (base / "w").write_bytes(b"base")).close()


def again(place):
    play(f"{place}/a", 2)


def copy(place):
    fork(f"{place}/a", f"{place}/b", 2)


ACTS = {"make": make, "play": again, "copy": copy}


@pytest.mark.parametrize("name", ACTS)
def test_killed_at_every_step(tmp_path, name):
    """Whatever was there is still there and good, and doing it again ends as if nothing had happened."""
    (tmp_path / "start").mkdir()
    if name != "make":
        make(tmp_path / "start")
        again(tmp_path / "start")
    command = [sys.executable, "-c", EVERY_STEP, name, str(tmp_path), str(Path(__file__).parent)]
    steps = int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert steps > 20
    for step in range(1, steps):
        place = tmp_path / str(step)
        if name != "make":
            assert len(Run(place / "a").table()) in ((30, 60) if name == "play" else (60,))
        if not (place / "b").exists():
            ACTS[name](place)
        folders = [place / "a", place / "b"] if name == "copy" else [place / "a"]
        for folder in folders:
            assert len(Run(folder).table()) == (0 if name == "make" else 60)
            assert (Run(folder).base_path / "w").read_bytes() == b"base"
        assert not [path for path in place.rglob("*") if path.name.endswith(".tmp")]
        shutil.rmtree(place)
