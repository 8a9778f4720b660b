"""A log that is being written: half of it, replaced, resumed, with gaps, and drawn while it grows."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from logs import LOGS
from siwork.importers import watch
from siwork.schema import ImportFormatError, KnobError
from siwork_widgets.lab import Lab

VERL = LOGS / "verl" / "rollout_v0"


def follow(folder, **asked):
    return watch(folder, "verl", patience=0.0, **asked)


def until(log, seconds=20):
    """Poll until something new was read."""
    end = time.monotonic() + seconds
    while not log.poll():
        assert time.monotonic() < end, log.fault
        time.sleep(0.02)
    return log.rows


def lines(*responses, step=1):
    return "".join(
        json.dumps({"input": "p", "output": r, "gts": None, "score": 0.0, "step": step}) + "\n" for r in responses
    )


def test_new_files_and_new_lines_are_read_and_nothing_else_is(tmp_path):
    (tmp_path / "1.jsonl").write_text(lines("a"))
    log = follow(tmp_path)
    assert until(log)["response"].tolist() == ["a"]
    read = log.imported
    assert not log.poll()
    assert log.imported is read
    with (tmp_path / "1.jsonl").open("a") as file:
        file.write(lines("b"))
    assert until(log)["response"].tolist() == ["a", "b"]
    (tmp_path / "7.jsonl").write_text(lines("c", step=7))
    assert until(log)["round"].tolist() == [1, 1, 7]


def test_a_last_line_that_is_being_written_is_read_once_it_is_whole(tmp_path):
    whole = lines("a", "b")
    (tmp_path / "1.jsonl").write_text(whole[:-20])
    log = follow(tmp_path)
    assert until(log)["response"].tolist() == ["a"]
    assert "unfinished last line" in log.imported.report.places
    (tmp_path / "1.jsonl").write_text(whole)
    assert until(log)["response"].tolist() == ["a", "b"]
    assert log.imported.report.skipped == 0


def test_a_file_that_is_replaced_and_a_resumed_run_that_writes_steps_anew(tmp_path):
    for step in (1, 2):
        (tmp_path / f"{step}.jsonl").write_text(lines(f"old-{step}", step=step))
    log = follow(tmp_path)
    until(log)
    (tmp_path / "2.jsonl.tmp").write_text(lines("new-2", step=2))
    (tmp_path / "2.jsonl.tmp").rename(tmp_path / "2.jsonl")
    assert until(log)["response"].tolist() == ["old-1", "new-2"]


def test_a_folder_that_vanishes_leaves_what_was_read(tmp_path):
    shutil.copytree(VERL, tmp_path / "log")
    log = follow(tmp_path / "log")
    size = len(until(log))
    shutil.rmtree(tmp_path / "log")
    end = time.monotonic() + 20
    while not log.fault and time.monotonic() < end:
        log.poll()
        time.sleep(0.02)
    assert "does not exist" in log.fault
    assert len(log.rows) == size


def test_before_the_first_completion_it_waits(tmp_path):
    log = follow(tmp_path)
    with pytest.raises(ImportFormatError, match=r"holds no <step>\.jsonl"):
        _ = log.rows
    (tmp_path / "1.jsonl").write_text(lines("a"))
    assert len(until(log)) == 1


def test_unknown_formats_and_places(tmp_path):
    with pytest.raises(KnobError, match="kind must be a format that siwork reads, got 'verll'; nearest: 'verl'"):
        watch(tmp_path, "verll")
    with pytest.raises(ImportFormatError, match="does not exist"):
        watch(tmp_path / "none", "verl")


def test_a_panel_on_a_log_that_grows(tmp_path):
    for step in (1, 3):
        shutil.copy(VERL / f"{step}.jsonl", tmp_path)
    lab = Lab(follow(tmp_path, run="followed"))
    lab.wait(120)
    assert int(lab.snapshot.comparison.table["round"].max()) == 3
    for step in (5, 7):
        shutil.copy(VERL / f"{step}.jsonl", tmp_path)
    end = time.monotonic() + 120
    while int(lab.snapshot.comparison.table["round"].max()) != 7:
        assert time.monotonic() < end, lab.snapshot.faults
        lab.tick()
        time.sleep(0.02)
    lab.wait(120)
    assert lab.snapshot.faults == ()
    assert [run.name for run in lab.snapshot.runs] == ["followed"]
    assert "4 rounds from 1 to 7" in lab.told.value
