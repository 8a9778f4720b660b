"""The writer: rounds whole or not at all, one writer, errors in a sentence."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from siwork.schema import Foreign, Locked, RunError, SchemaError, Unfinished
from siwork.store import Lock, Run, Writer, atomic_write
from siwork.store.lock import holder
from store_rows import INFO, MANIFEST, no_state, problems, rows


@pytest.fixture
def folder(tmp_path):
    with Writer.create(tmp_path / "a", MANIFEST, problems()) as writer:
        writer.save_round(0, rows(0), INFO, no_state)
        writer.save_round(1, rows(1), INFO, no_state)
    return tmp_path / "a"


def child(script: str, *args: object) -> subprocess.Popen:
    """A Python process that has this folder's helpers; its first line is awaited."""
    head = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    command = [sys.executable, "-c", head + textwrap.dedent(script), *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# ── atomic_write ───────────────────────────────────────────────────────────────────────────────────────
def test_atomic_write_replaces_and_leaves_nothing_else(tmp_path):
    atomic_write(tmp_path / "x", b"one")
    atomic_write(tmp_path / "x", b"two", durable=False)
    assert (tmp_path / "x").read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["x"]


def test_atomic_write_keeps_the_old_file_when_refused(tmp_path):
    (tmp_path / "x").mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match="directory"):
        atomic_write(tmp_path / "x", b"one")
    assert os.listdir(tmp_path) == ["x"]


def test_atomic_write_replaces_a_link_and_not_its_target(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "x").symlink_to(tmp_path / "target")
    atomic_write(tmp_path / "x", b"new")
    assert (tmp_path / "target").read_bytes() == b"old"
    assert not (tmp_path / "x").is_symlink()


# ── making a run ───────────────────────────────────────────────────────────────────────────────────────
def test_create_writes_manifest_problems_and_base(tmp_path):
    extra = {**MANIFEST, "seed": np.int64(3), "note": "kept"}
    with Writer.create(tmp_path / "new" / "a", extra, problems(), lambda f: (f / "w").write_text("base")) as writer:
        assert writer.rounds_done == 0
    run = Run(tmp_path / "new" / "a")
    assert (run.name, run.seed, run.manifest["note"], run.manifest["version"]) == ("a", 3, "kept", 1)
    assert run.manifest["siwork"]
    assert run.manifest["created"].endswith("+00:00")
    assert (run.base_path / "w").read_text() == "base"
    assert run.problems()["answer"].isna().tolist() == [False, True]
    assert "·" in (run.folder / "run.json").read_text()


def test_create_again_resumes(folder):
    with Writer.create(folder, {**MANIFEST, "note": "new"}, problems()) as writer:
        assert writer.rounds_done == 2
        writer.save_round(2, rows(2), INFO, no_state)
    assert Run(folder).rounds_done == 3


def test_create_says_what_differs(folder):
    with pytest.raises(RunError, match=r"another run: seed is 0 there, 1 here; name another folder.*siwork fork"):
        Writer.create(folder, {**MANIFEST, "seed": 1}, problems())
    with pytest.raises(RunError, match="same run with other problems"):
        Writer.create(folder, MANIFEST, problems().assign(prompt="other"))
    (folder / "problems.parquet").write_bytes(b"junk")
    with pytest.raises(RunError, match=r"problems.parquet of .* cannot be read .*begin a new run"):
        Writer.create(folder, MANIFEST, problems())


def test_create_refuses_other_folders(tmp_path, folder):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(
        RunError, match=r"holds other files \(a, thesis.tex\) and no run; name a new or an empty folder"
    ):
        Writer.create(tmp_path, MANIFEST, problems())
    assert "lock" not in os.listdir(tmp_path)
    (folder / "run.json").unlink()
    with pytest.raises(RunError, match=r"holds rounds but no run\.json"):
        Writer.create(folder, MANIFEST, problems())
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"could not write a new run in .*file \(File exists\); choose a folder"):
        Writer.create(tmp_path / "file", MANIFEST, problems())


def test_create_takes_over_what_a_killed_create_left(tmp_path):
    (tmp_path / "lock").write_text("")
    (tmp_path / "problems.parquet").write_bytes(b"half")
    (tmp_path / ".base.0.tmp").mkdir()
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "old").write_text("")
    with Writer.create(tmp_path, MANIFEST, problems(), lambda f: (f / "w").write_text("")):
        assert os.listdir(tmp_path / "base") == ["w"]
    assert not [n for n in os.listdir(tmp_path) if n.endswith(".tmp")]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": "0"}, "'seed' must be int, got '0'"),
        ({"recipe": None}, "'recipe' must be str, got None"),
        ({"rounds": -1}, "'rounds' must be at least 0"),
        ({"name": ""}, "'name' may not be empty"),
        ({"extra": object()}, "hold text, numbers, truth values, lists and dicts, got object"),
    ],
)
def test_create_checks_the_manifest(tmp_path, change, says):
    with pytest.raises(RunError, match=says):
        Writer.create(tmp_path / "a", {**MANIFEST, **change}, problems())
    assert not (tmp_path / "a").exists()


def test_create_checks_the_problems(tmp_path):
    with pytest.raises(SchemaError, match="problems lack column 'prompt'"):
        Writer.create(tmp_path / "a", MANIFEST, problems().drop(columns="prompt"))


def test_a_failing_base_leaves_no_run(tmp_path):
    with pytest.raises(ZeroDivisionError):
        Writer.create(tmp_path / "a", MANIFEST, problems(), lambda f: 1 / 0)
    with pytest.raises(Foreign):
        Run(tmp_path / "a")
    assert not [n for n in os.listdir(tmp_path / "a") if n.endswith(".tmp")]


# ── rounds ─────────────────────────────────────────────────────────────────────────────────────────────
def test_save_round_writes_what_the_schema_says(folder):
    place = folder / "rounds" / "0001"
    assert sorted(os.listdir(place)) == ["DONE", "round.json", "rows.parquet", "state"]
    info = json.loads((place / "round.json").read_text())
    # 6 rows: samples 2 and 5 are held out; of the train samples 0, 1, 3, 4 the even ones have weight 1
    assert (info["n_rows"], info["n_accepted"], info["closing"], info["round"]) == (6, 2, False, 1)
    assert info["recipe"] == MANIFEST["recipe"]
    field = pq.read_schema(place / "rows.parquet").field("logp")
    assert field.metadata[b"unit"] == b"nats"
    assert not pq.read_schema(place / "rows.parquet").field("round").nullable


def test_state_is_kept_and_found(folder):
    with Writer(folder) as writer:
        writer.save_round(2, rows(2), INFO, lambda f: (f / "sub").mkdir() or (f / "sub" / "w").write_bytes(b"\x01"))
        assert (writer.state_path(2) / "sub" / "w").read_bytes() == b"\x01"
        with pytest.raises(Unfinished):
            writer.state_path(3)
    assert Run(folder).state_path(2) == folder / "rounds" / "0002" / "state"


@pytest.mark.parametrize("r", [-1, 1, 3])
def test_only_the_next_round_can_be_saved(folder, r):
    with (
        Writer(folder) as writer,
        pytest.raises(RunError, match=rf"round {r} cannot be saved: the next one of .* is 2"),
    ):
        writer.save_round(r, rows(max(r, 0)), INFO, no_state)


@pytest.mark.parametrize(
    ("table", "info", "says"),
    [
        (rows(2).drop(columns="response"), INFO, "rows lack column 'response'"),
        (rows(3), INFO, "column 'round' must be 2 in round 2 of 'a', got 3"),
        (rows(2, run="b"), INFO, "column 'run' must be 'a' in round 2 of 'a', got 'b'"),
        (rows(2).assign(odd=[1, "x", None, 2, 3, 4]), INFO, "a column cannot be stored .*odd.*give it one type"),
        (rows(2), {"seconds": 1.0}, "rounds lack column 'policy'"),
        (rows(2), {"policy": "p", "seconds": float("nan")}, "'seconds' may not be null"),
    ],
)
def test_save_round_checks_its_tables(folder, table, info, says):
    with Writer(folder) as writer:
        with pytest.raises(SchemaError, match=says):
            writer.save_round(2, table, info, no_state)
        assert writer.rounds_done == 2


def test_a_failing_state_leaves_no_trace_and_the_round_can_be_saved_again(folder):
    def fail(place):
        (place / "half").write_bytes(b"x")
        raise ZeroDivisionError

    with Writer(folder) as writer:
        with pytest.raises(ZeroDivisionError):
            writer.save_round(2, rows(2), INFO, fail)
        assert os.listdir(folder / "rounds") in (["0000", "0001"], ["0001", "0000"])
        writer.save_round(2, rows(2), INFO, no_state)
        assert writer.rounds_done == 3


def test_a_state_with_a_symbolic_link_is_refused(folder, tmp_path):
    with Writer(folder) as writer, pytest.raises(RunError, match=r"weights in .* is a symbolic link; .* write a copy"):
        writer.save_round(2, rows(2), INFO, lambda f: (f / "weights").symlink_to(tmp_path))


def test_a_refusal_after_the_rename_takes_the_round_back(folder, tmp_path):
    # a folder in the place of DONE makes the last step fail for real: the rename has happened, the mark cannot
    def sabotage(state):
        (state.parent / "DONE").mkdir()
        (state.parent / "DONE" / "x").touch()

    with Writer(folder) as writer, pytest.raises(RunError, match=r"could not write round 2 .*Is a directory"):
        writer.save_round(2, rows(2), INFO, sabotage)
    assert sorted(os.listdir(folder / "rounds")) == ["0000", "0001"]


def test_drop_round(folder):
    with Writer(folder) as writer:
        with pytest.raises(RunError, match=r"round 0 cannot be dropped: only the last one of .* can, and that is 1"):
            writer.drop_round(0)
        writer.drop_round(1)
        assert writer.rounds_done == 1
        writer.drop_round(0)
        with pytest.raises(RunError, match="that is none"):
            writer.drop_round(0)
        with pytest.raises(RunError, match="round -1 cannot be dropped"):
            writer.drop_round(-1)
        writer.save_round(0, rows(0), INFO, no_state)
    assert os.listdir(folder / "rounds") == ["0000"]


def test_extend_drops_the_closing_round(folder):
    with Writer(folder) as writer:
        writer.extend(2)  # two updates are done, so two is the least
        writer.save_round(2, rows(2), {**INFO, "closing": True}, no_state)
        writer.extend(2)
        assert writer.rounds_done == 3
        with pytest.raises(RunError, match=r"rounds must be at least 2, .*got 1; for fewer: siwork fork .* --at 1"):
            writer.extend(1)
        writer.extend(5)
        assert writer.rounds_done == 2
    assert Run(folder).rounds_wanted == 5


# ── opening ────────────────────────────────────────────────────────────────────────────────────────────
def test_opening_removes_what_a_killed_writer_left(folder):
    (folder / "rounds" / ".0002.ab.tmp" / "state").mkdir(parents=True)
    (folder / "rounds" / "0002").mkdir()
    (folder / "rounds" / "0001" / ".DONE.ab.tmp").touch()
    (folder / ".heartbeat.ab.tmp").touch()
    with open(folder / "events.jsonl", "ab") as file:
        file.write(b'{"event": "torn')
    with Writer(folder) as writer:
        assert writer.rounds_done == 2
    assert sorted(os.listdir(folder / "rounds")) == ["0000", "0001"]
    assert not list(folder.rglob(".*.tmp"))
    opened = [e for e in Run(folder).events() if e["event"] == "opened"][-1]
    assert opened["removed"] == [".heartbeat.ab.tmp", ".0002.ab.tmp", "0002"]


def test_opening_refuses_a_gap_and_removes_nothing(folder):
    (folder / "rounds" / "0000" / "DONE").unlink()
    with pytest.raises(RunError, match=r"no finished round 0 but a finished round 1; .*siwork fork .* --at 0"):
        Writer(folder)
    assert (folder / "rounds" / "0000" / "rows.parquet").exists()
    assert holder(folder) is None


def test_opening_no_run(tmp_path):
    with pytest.raises(Foreign, match=r"run.json is missing"):
        Writer(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_closed_writer_writes_no_more(folder):
    writer = Writer(folder)
    writer.close()
    writer.close()
    for act in (lambda: writer.beat("x", 2, 0), lambda: writer.log("x"), lambda: writer.drop_round(1)):
        with pytest.raises(RunError, match=r"this writer of .* is closed; open it again with Writer"):
            act()


# ── heartbeat, events, stop ────────────────────────────────────────────────────────────────────────────
def test_beats_of_one_stage_are_rare_and_a_new_stage_is_written_at_once(folder):
    def share():
        return json.loads((folder / "heartbeat").read_text())["share"]

    with Writer(folder) as writer:
        writer.beat("sample", 2, 0.1)
        writer.beat("sample", 2, 0.2)
        assert share() == 0.1
        writer.beat("train", 2, 0.3)
        assert share() == 0.3
        time.sleep(0.21)
        writer.beat("train", 2, float("nan"))
        beat = json.loads((folder / "heartbeat").read_text())
    assert (beat["share"], beat["pid"], beat["stage"], beat["round"]) == (None, os.getpid(), "train", 2)


def test_events_are_lines(folder):
    with Writer(folder) as writer:
        writer.log("note", round=2, seconds=np.float64(0.5), text="a\nb · \udc80")
    note = Run(folder).events()[-2]
    assert {k: note[k] for k in ("event", "round", "seconds", "text")} == {
        "event": "note",
        "round": 2,
        "seconds": 0.5,
        "text": "a\nb · \udc80",
    }


def test_a_wish_to_stop_lives_until_the_writer_closes(folder):
    with Writer(folder) as writer:
        assert not writer.stop_wanted()
        Run(folder).request_stop()
        assert writer.stop_wanted()
        writer.clear_stop()
        writer.clear_stop()
        assert not writer.stop_wanted()
        Run(folder).request_stop()
    with Writer(folder) as writer:
        assert not writer.stop_wanted()


@pytest.mark.parametrize(("after", "wanted"), [(1, True), (-1, False)])
def test_only_a_wish_older_than_the_last_heartbeat_is_forgotten(folder, after, wanted):
    Run(folder).request_stop()
    instant = (folder / "heartbeat").stat().st_mtime_ns + after
    os.utime(folder / "stop", ns=(instant, instant))
    with Writer(folder) as writer:
        assert writer.stop_wanted() is wanted


# ── the lock ───────────────────────────────────────────────────────────────────────────────────────────
HOLD = """
    import time
    from siwork.store import Writer
    writer = Writer(sys.argv[1])
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_until_the_first_is_killed(folder):
    first = child(HOLD, folder)
    try:
        assert first.stdout.readline() == "held\n"
        says = rf"is being written by process {first.pid} on {os.uname().nodename}, .*request_stop.*siwork fork"
        began = time.monotonic()
        with pytest.raises(Locked, match=says):
            Writer(folder)
        assert time.monotonic() - began < 1  # a writer's lock is known at once, without waiting
        assert Run(folder).status().pid == first.pid
    finally:
        first.kill()
        first.communicate()
    assert Run(folder).status().state == "dead"
    with Writer(folder) as writer:
        assert writer.rounds_done == 2


def test_a_writer_of_the_same_process_is_refused_too(folder):
    with Writer(folder), pytest.raises(Locked, match=f"process {os.getpid()} "):
        Writer(folder)
    Writer(folder).close()


def test_a_forked_child_keeps_neither_the_lock_nor_the_pen(folder):
    parent = child(
        """
        import os, time
        from siwork.schema import RunError
        from siwork.store import Writer
        writer = Writer(sys.argv[1])
        if os.fork() == 0:
            try:
                writer.log("from the child")
            except RunError:
                print(os.getpid(), flush=True)
                time.sleep(60)
        time.sleep(60)
        """,
        folder,
    )
    grandchild = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    try:
        Writer(folder).close()
    finally:
        os.kill(grandchild, signal.SIGKILL)
        parent.communicate()


def test_looking_does_not_keep_a_writer_out(folder):
    # a reader holds the lock shared while it looks; a writer waits for it instead of giving up
    looker = child(
        """
        import fcntl, time
        file = open(sys.argv[1])
        fcntl.flock(file, fcntl.LOCK_SH)
        print("looking", flush=True)
        time.sleep(0.3)
        """,
        folder / "lock",
    )
    assert looker.stdout.readline() == "looking\n"
    Writer(folder).close()
    looker.communicate()


def test_a_lock_that_is_not_signed_yet(folder):
    lock = Lock(folder)
    (folder / "lock").write_text("")
    with pytest.raises(Locked, match="is being written by another process"):
        Lock(folder)
    assert holder(folder) == (None, "")
    assert Run(folder).status().state == "running"
    lock.release()
    assert not lock.held


def test_a_lock_that_is_a_link_is_refused(folder, tmp_path):
    (folder / "lock").unlink()
    (folder / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"could not write the lock .*a writer needs the right to write there"):
        Writer(folder)
    with pytest.raises(RunError, match="could not look at the lock"):
        Run(folder).status()


# ── the system refuses ─────────────────────────────────────────────────────────────────────────────────
def test_the_kernel_refuses_to_write_more(folder):
    """RLIMIT_FSIZE makes the kernel itself refuse with EFBIG, as a full disk refuses with ENOSPC."""
    writer = child(
        """
        import resource
        from store_rows import INFO, no_state, rows
        from siwork.schema import RunError
        from siwork.store import Writer
        try:
            with Writer(sys.argv[1]) as writer:
                resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
                writer.save_round(2, rows(2, n=5000), INFO, no_state)
        except RunError as error:
            print(error)
        """,
        folder,
    )
    said, fault = writer.communicate(timeout=60)
    assert fault == ""
    assert said == (
        f"could not write round 2 in {folder} ({os.strerror(errno.EFBIG)}); the rounds finished so far are kept: "
        f"remove the cause, then: siwork resume {folder}\n"
    )
    assert sorted(os.listdir(folder / "rounds")) == ["0000", "0001"]
    assert not list(folder.rglob(".*.tmp"))
    assert Run(folder).status().state == "dead"
    assert len(Run(folder).rows()) == 12
    with Writer(folder) as again:
        again.save_round(2, rows(2), INFO, no_state)


@pytest.mark.parametrize(
    ("named", "limit", "act"),
    [
        ("heartbeat", 100, lambda w: w.beat("s" * 200, 2, 0)),
        ("events.jsonl", 1000, lambda w: w.log("n", text="s" * 2000)),
        ("round 2", 60_000, lambda w: w.save_round(2, rows(2), INFO, lambda f: (f / "w").write_bytes(b"0" * 99_999))),
        ("run.json", 100, lambda w: w.extend(9)),
    ],
)
def test_each_file_that_is_refused_is_named(folder, named, limit, act):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Writer(folder) as writer:
        size = (folder / "events.jsonl").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with pytest.raises(RunError, match=rf"could not write {named} in .* \(File too large\)"):
                act(writer)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert (folder / "events.jsonl").stat().st_size == size  # half a line is taken back
    assert Run(folder).rounds_wanted == 3
    assert not list(folder.rglob(".*.tmp"))


def test_rows_survive_the_round_trip(folder):
    extra = rows(2).assign(score_vote=[0.5, None] * 3, tags=[["a"], [], None] * 2)
    with Writer(folder) as writer:
        writer.save_round(2, extra, INFO, no_state)
    back = Run(folder).rows(2)
    assert back["tags"].tolist()[:2] == [["a"], []]
    assert back["score_vote"].isna().tolist() == [False, True] * 3
    for name in rows(2).columns:
        assert back[name].tolist() == rows(2)[name].tolist()
    assert all(isinstance(kind, pd.ArrowDtype) for kind in back.dtypes)
