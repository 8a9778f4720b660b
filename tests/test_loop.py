"""Rounds in a folder: truth last, the same rows however often a run is broken, every wrong start one sentence."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import siwork
from recipes_made import Permuted
from siwork.loop import Sizes, prepare, resume, run
from siwork.recipes import Recipe
from siwork.schema import Foreign, KnobError, Locked, RecipeError, RunError
from siwork.slots import State
from siwork.store import Writer

SMALL = Sizes(train=20, heldout=10, beyond=5, samples=8)
TASK = "countdown(numbers=3)"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "star-s1"
    return run("star", TASK, "tabular", rounds=3, problems=SMALL, seed=1, folder=folder)


def test_a_run_has_all_rounds_and_a_closing_evaluation(unbroken):
    assert unbroken.rounds_done == 4
    assert unbroken.status().state == "finished"
    assert unbroken.rounds()["closing"].tolist() == [False, False, False, True]
    sizes = unbroken.rows().groupby(["split", "round"]).size()
    assert sizes["heldout"].tolist() == [80] * 4
    assert sizes["beyond"].tolist() == [40] * 4
    assert set(sizes["train"].index) == {0, 1, 2}


def test_rows_are_whole(unbroken):
    rows = siwork.check(unbroken.rows())
    train = rows[rows["split"] == "train"]
    assert (rows.loc[rows["split"] != "train", "weight"] == 0).all()
    assert ((train["weight"] > 0) == (train["score"] == 1)).all()
    hinted = train[train["hint"] == "answer"]
    plain = train[train["hint"] == "none"]
    failed = plain.groupby(["round", "problem"])["score"].max() == 0
    assert set(hinted.groupby(["round", "problem"]).groups) == set(failed[failed].index)
    assert rows["gold"].notna().all()
    first = rows[rows["round"] == 0]
    assert np.allclose(first["logp"], first["base_logp"])
    later = rows[(rows["round"] == 1) & (rows["hint"] == "none")]
    assert not np.allclose(later["logp"], later["base_logp"])


def test_reset_trains_from_the_base_and_its_absence_does_not(tmp_path):
    # with nothing accepted, a restarted policy is the base again; a continued one stays as it was
    def prints(stabiliser):
        text = f"seed · cot(k=4) · gold · correct · sft{stabiliser}"
        return run(text, TASK, "tabular", rounds=2, problems=SMALL, folder=tmp_path / f"r{len(stabiliser)}").rounds()[
            "policy"
        ]

    restarted, continued = prints(" · reset"), prints("")
    assert restarted.iloc[0] == continued.iloc[0]
    assert restarted.iloc[1] == continued.iloc[1]
    assert restarted.iloc[2] != continued.iloc[2]


LINES = [
    "seed · cot · conf(kind=entropy) · correct(threshold=0.7) · sft",
    "seed · cot · conf(recal=platt, labels=8) · correct · sft",
    "seed · cot · orm · correct · sft + vfit",
]


@pytest.mark.parametrize("name", ["vanilla", "srt", "star", *LINES])
def test_truth_comes_last(name):
    task = siwork.task("countdown", numbers=3)
    problems = task.problems("train", 20)

    def play(truth):
        policy = siwork.policy("tabular", task)
        policy.register(problems)
        state, rounds = State(truth, policy, policy), []
        for r in range(2):
            rows, state = Recipe.read(name).play(state, problems, np.random.default_rng([3, r]))
            rounds.append(rows)
        return pd.concat(rounds), state.policy.fingerprint()

    (rows, end), (dealt, other_end) = play(task), play(Permuted(task))
    assert "gold" not in rows
    same = rows.equals(dealt) and end == other_end
    assert same == Recipe.read(name).label_free


def equal(one, other):
    pd.testing.assert_frame_equal(one.rows().drop(columns="run"), other.rows().drop(columns="run"))


def test_a_stopped_run_goes_on_as_if_it_had_not(tmp_path, unbroken):
    def stop_after_first(found, r):
        if r == 0:
            found.request_stop()

    broken = run(
        "star", TASK, "tabular", rounds=3, problems=SMALL, seed=1, folder=tmp_path / "b", on_round=stop_after_first
    )
    assert (broken.rounds_done, broken.status().state) == (1, "stopped")
    equal(resume(broken.folder), unbroken)


def test_more_rounds_later_are_the_same_as_at_once(tmp_path, unbroken):
    short = run("star", TASK, "tabular", rounds=1, problems=SMALL, seed=1, folder=tmp_path / "short")
    assert short.rounds_done == 2
    equal(resume(short.folder, rounds=3), unbroken)


def test_fork_shares_the_past_and_changes_the_future(tmp_path, unbroken):
    made = siwork.fork(unbroken.folder, tmp_path / "f", 2, recipe="vanilla")
    made = resume(made.folder)
    assert made.rounds_done == 4
    assert made.rows(rounds=[0, 1]).drop(columns="run").equals(unbroken.rows(rounds=[0, 1]).drop(columns="run"))
    assert not made.rows(rounds=3)["response"].equals(unbroken.rows(rounds=3)["response"])
    assert made.manifest["forked_from"] == {"folder": "star-s1", "at": 2}


def test_a_fork_of_a_whole_run_can_go_further(tmp_path, unbroken):
    made = resume(siwork.fork(unbroken.folder, tmp_path / "further", 4, rounds=4).folder)
    assert made.rounds()["closing"].tolist() == [False] * 4 + [True]


def test_memory_of_a_stabiliser_survives_a_break(tmp_path):
    recipe = "seed · cot(k=4) · gold · correct · sft · mix(accumulate)"
    whole = run(recipe, TASK, "tabular", rounds=3, problems=SMALL, folder=tmp_path / "whole")
    part = run(recipe, TASK, "tabular", rounds=1, problems=SMALL, folder=tmp_path / "part")
    equal(resume(part.folder, rounds=3), whole)


KILLER = """
import os, random, signal, sys, time
from siwork.loop import resume
from siwork.store import Run

broken, unbroken, luck = sys.argv[1], sys.argv[2], random.Random(5)
resume(unbroken)  # also fills the caches that the forked children inherit
kills = 0
while True:
    pid = os.fork()
    if pid == 0:
        resume(broken)
        os._exit(0)
    end = time.monotonic() + (luck.uniform(0.0, 0.1) if kills < 50 else 60.0)
    while time.monotonic() < end and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        done = Run(broken).rounds_done
        if done:
            assert Run(broken).rows(rounds=range(done))["round"].nunique() == done
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    kills += os.WIFSIGNALED(status)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status) or print(kills))
"""


def test_fifty_kills_leave_the_rows_of_an_unbroken_run(tmp_path):
    broken, unbroken = (
        prepare("vanilla", TASK, "tabular", rounds=80, problems=SMALL, seed=4, folder=tmp_path / name)
        for name in ("broken", "unbroken")
    )
    command = [sys.executable, "-c", KILLER, broken.folder, unbroken.folder]
    told = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) >= 50
    assert broken.rounds_done == 81
    equal(broken, unbroken)
    assert not [path for path in broken.folder.rglob("*") if ".tmp" in path.name]


def test_launch_returns_at_once_and_outlives_its_parent(tmp_path):
    code = (
        "import siwork; siwork.launch('vanilla', 'countdown(numbers=3)', 'tabular', rounds=3, "
        f"problems=siwork.Sizes(20, 10, 5, 8), folder={str(tmp_path / 'l')!r}); import os; os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    found, end = siwork.Run(tmp_path / "l"), time.monotonic() + 60
    while found.status().state != "finished" and time.monotonic() < end:
        time.sleep(0.1)
    assert found.rounds_done == 4


def test_rounds_make_way_for_whoever_launched_them(tmp_path):
    found = siwork.launch("vanilla", "countdown(numbers=3)", "tabular", rounds=200, folder=tmp_path / "l")
    end = time.monotonic() + 60
    while found.status().pid is None and time.monotonic() < end:  # the lock is taken first, then signed
        time.sleep(0.02)
    own, theirs = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, found.status().pid))
    found.request_stop()
    assert theirs == min(own + 10, 19)
    while found.status().state == "running" and time.monotonic() < end:
        time.sleep(0.02)


def test_a_second_writer_is_refused(unbroken):
    with Writer(unbroken.folder), pytest.raises(Locked, match=str(os.getpid())):
        resume(unbroken.folder)


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ({"recipe": "vanila"}, RecipeError, "nearest: 'vanilla'"),
        ({"task": "countdwn"}, KnobError, "no task is called 'countdwn'; nearest: 'countdown'"),
        ({"task": "countdown(numbers=9)"}, KnobError, "must be in 2 … 6, got 9; nearest: 6"),
        ({"policy": "tinny"}, KnobError, "no policy is called 'tinny'; nearest: 'tiny'"),
        ({"problems": 0}, KnobError, "'train' must be in ≥ 1, got 0"),
        ({"rounds": -1}, KnobError, "rounds"),
    ],
)
def test_a_wrong_start_is_one_sentence_and_leaves_nothing(tmp_path, values, kind, words):
    start = {"recipe": "vanilla", "task": TASK, "policy": "tabular", "rounds": 1, "folder": tmp_path / "x"} | values
    with pytest.raises(kind) as caught:
        run(**start)
    assert words in str(caught.value)
    assert not (tmp_path / "x" / "run.json").exists()


def test_a_folder_keeps_the_run_it_has(unbroken):
    with pytest.raises(RunError, match="recipe is 'seed · cot"):
        prepare("vanilla", TASK, "tabular", rounds=3, problems=SMALL, seed=1, folder=unbroken.folder)
    with pytest.raises(Foreign, match="no run"):
        resume(Path(unbroken.folder).parent)


def test_a_full_disk_keeps_the_rounds_that_are_there(tmp_path):
    made = prepare("vanilla", TASK, "tabular", rounds=3, problems=SMALL, folder=tmp_path / "full")
    resume(made.folder, on_round=lambda found, r: found.request_stop())
    code = (
        "import resource, signal, sys; from siwork.launcher import _main; import siwork.loop\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); sys.exit(_main(sys.argv[1]))"
    )
    told = subprocess.run([sys.executable, "-c", code, made.folder], capture_output=True, text=True, timeout=60)
    assert told.returncode == 2, told.stderr
    assert "siwork resume" in told.stderr
    assert made.rounds_done == 1
    assert resume(made.folder).rounds_done == 4


def test_round_json_says_what_stabilisers_did(tmp_path):
    made = run(
        "seed · cot(k=4) · gold · correct · sft(steps=4) · gate(problems=8, k=4) + adapt(of=temperature, problems=4, k=4)",
        TASK,
        "tabular",
        rounds=2,
        problems=SMALL,
        folder=tmp_path / "r",
    )
    for r in (0, 1):
        told = made.round_info(r)
        assert told["gate"]["round"] == r
        assert set(told["tuned"]) == {"temperature"}
        train = made.rows(r).query("split == 'train'")
        assert set(train["temperature"]) == {told["tuned"]["temperature"]}
    assert not {"gate", "tuned"} & set(made.round_info(2))  # the closing round trains nothing


def test_a_critic_names_the_place_of_the_error(tmp_path):
    made = run(
        "seed · cot(k=4) · gold + critic · correct · sft(steps=2)",
        "expr",
        "tiny",
        rounds=1,
        problems=SMALL,
        folder=tmp_path / "r",
    )
    rows = made.rows()
    wrong = rows["steps"].str.find("0")
    named = rows["claimed_error"].fillna(-1).astype("int64[pyarrow]")
    assert (named == wrong.fillna(-1)).all()
    assert (wrong >= 0).any()
