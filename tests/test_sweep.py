"""A sweep plays what is prepared, a few at a time, and stops when it is asked to."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from siwork.launcher import Fresh, Player
from siwork.loop import Sizes, prepare, resume
from siwork.schema import KnobError
from siwork.store import Run
from siwork.sweep import Batch, Sweep

SMALL = Sizes(train=10, heldout=5, beyond=0, samples=4)


def folders(tmp_path, n, rounds):
    return [
        prepare(
            "vanilla",
            "countdown(numbers=3)",
            "tabular",
            rounds=rounds,
            problems=SMALL,
            seed=s,
            folder=tmp_path / f"r{s}",
        ).folder
        for s in range(n)
    ]


def test_all_runs_are_played_and_no_more_at_once_than_asked(tmp_path):
    sweep, most = Sweep(folders(tmp_path, 3, 2), at_once=2), 0
    for progress in sweep:
        most = max(most, sum(p.state == "running" for p in progress))
    assert [p.state for p in progress] == ["finished"] * 3
    assert [p.rounds_done for p in progress] == [3] * 3
    assert most == 2


@pytest.mark.parametrize("at_once", [0, -3])
def test_fewer_than_one_run_at_a_time_is_refused(tmp_path, at_once):
    job = Fresh(str(tmp_path / "b"), "vanilla", "add", "tabular", 1, "problems(train=6, heldout=4, beyond=0)", 0)
    for refused in (lambda: Sweep([], at_once=at_once), lambda: Batch([job], at_once=at_once)):
        with pytest.raises(KnobError, match=f"^at_once must be at least 1, got {at_once}; nearest: 1$"):
            refused()
    with pytest.raises(KnobError, match=f"^threads must be at least 1, got {at_once}; nearest: 1$"):
        Sweep([], threads=at_once)
    assert not list(tmp_path.iterdir())


def test_stop_ends_the_running_and_starts_no_more(tmp_path):
    sweep = Sweep(folders(tmp_path, 2, 400), at_once=1)
    for progress in sweep:
        if progress[0].rounds_done >= 1:
            sweep.stop()
    assert [p.state for p in progress] == ["stopped", "waiting"]
    assert 1 <= progress[0].rounds_done < 400


def test_a_run_that_cannot_go_on_is_failed_and_the_others_go_on(tmp_path):
    broken, sound = folders(tmp_path, 2, 1)
    (broken / "base" / "tabular.safetensors").write_bytes(b"torn")
    progress = list(Sweep([broken, sound]))[-1]
    assert [p.state for p in progress] == ["failed", "finished"]
    assert "tabular.safetensors" in progress[0].run.last_words()


def test_a_waiting_run_that_is_asked_to_stop_is_not_started(tmp_path):
    first, second = folders(tmp_path, 2, 1)
    sweep = Sweep([first, second], at_once=1)
    Run(second).request_stop()
    progress = list(sweep)[-1]
    assert [p.state for p in progress] == ["finished", "stopped"]
    assert Run(second).rounds_done == 0


def test_a_wish_to_stop_from_before_the_sweep_does_not_keep_a_run_from_being_played(tmp_path):
    (folder,) = folders(tmp_path, 1, 1)
    Run(folder).request_stop()
    os.utime(folder / "stop", (0, 0))  # asked of a writer that was killed
    assert Run(folder).stop_wanted
    assert [p.state for p in list(Sweep([folder]))[-1]] == ["finished"]
    assert not Run(folder).stop_wanted


def player_of(folder):
    """The process that played a run, as its lock still says."""
    return json.loads((folder / "lock").read_text())["pid"]


def test_a_process_plays_several_runs_with_the_rows_that_each_has_alone(tmp_path):
    several, alone = folders(tmp_path / "several", 3, 2), folders(tmp_path / "alone", 3, 2)
    assert [p.state for p in list(Sweep(several, at_once=1))[-1]] == ["finished"] * 3
    assert len({player_of(folder) for folder in several}) == 1
    for played, own in zip(several, alone, strict=True):
        assert Run(played).rows().equals(resume(own).rows())
        assert [e["event"] for e in Run(played).events()] == [e["event"] for e in Run(own).events()]


def test_a_run_that_cannot_go_on_does_not_end_the_process_that_plays_the_others(tmp_path):
    broken, sound = folders(tmp_path, 2, 1)
    (broken / "base" / "tabular.safetensors").write_bytes(b"torn")
    assert [p.state for p in list(Sweep([broken, sound], at_once=1))[-1]] == ["failed", "finished"]
    assert player_of(broken) == player_of(sound)
    assert "tabular.safetensors" in Run(broken).last_words()
    assert "tabular.safetensors" not in (sound / "log.txt").read_text()


def test_a_killed_process_fails_its_run_alone(tmp_path):
    long, short = [*folders(tmp_path / "a", 1, 400), *folders(tmp_path / "b", 1, 1)]
    killed = False
    for progress in Sweep([long, short], at_once=1):
        if progress[0].rounds_done and not killed:
            os.kill(player_of(long), signal.SIGKILL)
            killed = True
    assert [p.state for p in progress] == ["failed", "finished"]
    assert player_of(short) != player_of(long)
    assert Run(long).rounds_done >= 1


def test_finished_runs_are_not_played_again(tmp_path):
    (folder,) = folders(tmp_path, 1, 1)
    resume(folder)
    before = Run(folder).events()
    assert [(p.state, p.rounds_done) for p in list(Sweep([folder]))[-1]] == [("finished", 2)]
    assert Run(folder).events() == before
    assert not (folder / "log.txt").exists()


def test_a_player_goes_when_nobody_needs_it(tmp_path):
    (folder,) = folders(tmp_path, 1, 1)
    player = Player(folder)
    while player.first.poll() is None:
        time.sleep(0.02)
    assert player.first.poll() == 0
    assert player.idle
    player.close()
    assert player._child.wait(timeout=30) == 0
    assert not player.idle
    assert player.first.poll() == 0


def test_a_player_ends_after_its_run_when_the_process_that_began_it_dies(tmp_path):
    (first,) = folders(tmp_path, 1, 3)
    code = "import os, sys; from siwork.launcher import Player\nPlayer(sys.argv[1]); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, first], timeout=60).returncode == -signal.SIGKILL
    while Run(first).status().state != "finished":
        time.sleep(0.05)
    assert Run(first).rounds_done == 4
