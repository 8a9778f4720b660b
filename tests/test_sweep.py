"""A sweep plays what is prepared, a few at a time, and stops when it is asked to."""

import os

from siwork.loop import Sizes, prepare
from siwork.store import Run
from siwork.sweep import Sweep

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
