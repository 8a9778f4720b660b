"""`siwork ablate` and `siwork surface` as a user meets them."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from siwork.cli import main
from siwork.store import Run
from tests.command import siwork

QUICK = ["--policy", "tabular", "--task", "countdown(numbers=3)", "--problems", "20", "--heldout", "12"]
QUICK += ["--samples", "8", "--rounds", "1"]


@pytest.fixture(scope="module")
def ablated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablate")
    return folder, siwork(folder, "ablate", "vanilla", "--slot", "selector", "--with", "best(n=2), none", *QUICK)


def test_an_ablation_is_played_told_and_drawn(ablated):
    folder, told = ablated
    assert told.returncode == 0, told.stderr
    assert "selector: correct | best(n=2) | none" in told.stdout
    assert "3 seeds, 9 runs" in told.stdout
    assert "selector best(n=2) − correct, round 1, heldout, 3 seeds × 12 problems" in told.stdout
    assert "(Bonferroni)" in told.stdout.replace("\n", " ")
    assert max(map(len, told.stdout.splitlines())) <= 132
    assert "</html>" in (folder / "ablation.html").read_text()
    assert len(list((folder / "runs").glob("*-s[012]"))) == 9


def test_an_ablation_resumes_what_is_there_and_tells_programs(ablated):
    folder, _ = ablated
    words = ["--slot", "selector", "--with", "none", *QUICK, "--json", "-o", "again.html"]
    first = folder / "runs" / "vanilla-countdown-s0" / "rounds" / "0000" / "rows.parquet"
    before = first.stat().st_mtime_ns
    told = siwork(folder, "ablate", "vanilla", *words)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert (found["level"], found["given"]) == (0.95, "correct")
    assert found["comparisons"] == sum(row["value"] is not None for row in found["rows"])
    assert {row["arm"] for row in found["rows"]} == {"none"}
    assert {"pass@1", "pass@8", "distinct_correct", "answer_entropy"} < {row["metric"] for row in found["rows"]}
    assert first.stat().st_mtime_ns == before


def test_a_run_of_an_arm_that_stopped_is_named_and_no_page_is_written(tmp_path):
    absent = 'judge(by="hf(\\"nowhere\\")")'  # is opened when a round is judged
    words = ["--slot", "verifier", "--with", absent, *QUICK, "--seeds", "1"]
    told = siwork(tmp_path, "ablate", "vanilla", *words)
    assert told.returncode == 1
    assert re.search(r"siwork: vanilla-countdown-verifier-judge\S* failed: ", told.stderr)
    assert not (tmp_path / "ablation.html").exists()
    assert Run(tmp_path / "runs" / "vanilla-countdown-s0").rounds_done == 2


@pytest.mark.parametrize("told", [[], ["--json"]])
def test_ctrl_c_says_once_how_to_go_on_and_the_same_command_does(tmp_path, told):
    words = ["--slot", "selector", "--with", "none", *QUICK, "--rounds", "5000", "--seeds", "1", "--at-once", "1"]
    command = [sys.executable, "-m", "siwork", "ablate", "vanilla", *words, *told]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first, end = tmp_path / "runs" / "vanilla-countdown-s0", time.monotonic() + 60
    while not (first / "rounds/0001/DONE").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    out, error = child.communicate(timeout=60)
    assert child.returncode == 1
    assert (error if told else out).count("The rounds so far are kept; go on with the same command.\n") == 1
    assert "siwork resume" not in out + error
    assert Run(first).rounds_done >= 2


@pytest.fixture(scope="module")
def surfaced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surface")
    return folder, siwork(folder, "surface", "--grid", "0.4,0", "--link", "difficulty", "--seeds", 2, *QUICK)


def test_a_surface_is_played_told_and_drawn(surfaced):
    folder, told = surfaced
    assert told.returncode == 0, told.stderr
    assert "2 × 2 pairs of error rates, difficulty" in told.stdout
    assert "2 seeds, 8 runs" in told.stdout
    assert told.stdout.count("right rejected ↓") == 2
    assert (
        "noisy(0.0, 0.4, link=difficulty)" in Run(folder / "runs" / "ladder-countdown-difficulty-fp0-fn0.4-s1").recipe
    )
    assert "</html>" in (folder / "surface.html").read_text()


def test_a_surface_tells_programs(surfaced):
    folder, _ = surfaced
    told = siwork(folder, "surface", "--grid", "0,0.4", "--link", "difficulty", "--seeds", 2, *QUICK, "--json")
    rows = json.loads(told.stdout)["rows"]
    assert [(row["fp"], row["fn"]) for row in rows[:4]] == [(0.0, 0.0), (0.0, 0.4), (0.4, 0.0), (0.4, 0.4)]
    assert [row["metric"] for row in rows] == ["pass@1"] * 4 + ["tail_share"] * 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["ablate", "vanilla", "--slot", "selectr", "--with", "best"], "slot must be one of"),
        (["ablate", "vanilla", "--slot", "selector", "--with", "gold"], "where a selector is wanted"),
        (["ablate", "vanilla", "--slot", "selector", "--with", "best,"], "with an empty one"),
        (["ablate", "vanila", "--slot", "selector", "--with", "best"], "nearest: 'vanilla'"),
        (["ablate", "vanilla", "--slot", "selector", "--with", "best", "--seeds", "0"], "--seeds must be at least 1"),
        (["ablate", "vanilla", "--slot", "selector", "--with", "best", "-o", "x.png"], "nearest: 'x.html'"),
        (
            ["ablate", "vanilla", "--slot", "selector", "--with", "splice(join)", *QUICK, "--policy", "tiny"],
            "splice(join) writes ';' into responses",
        ),
        (
            ["ablate", "vanilla", "--slot", "sampler", "--with", "refine"],
            "with refine: refine goes by earlier attempts",
        ),
        (["surface", "--grid", "0,a"], "--grid is rates separated by commas"),
        (["surface", "--grid", "0,2"], "must be in 0 … 1, got 2.0"),
        (["surface", "--link", "flt"], "nearest: 'flat'"),
        (["surface", "vanilla"], "whose first verifier is noisy"),
        (["surface", "--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["surface", "--name", "a/b"], "--name is one name and no path, got 'a/b'; nearest: 'a-b'"),
        (["surface", "--at-once", "0"], "--at-once must be at least 1, got 0; nearest: 1"),
        (["ablate", "vanilla", "--slot", "update", "--with", "pg", "--at-once", "-1"], "--at-once must be at least 1"),
    ],
)
def test_wrong_words_are_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
