"""The command line as a user meets it: real processes, real folders."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from siwork.cli import main
from siwork.metrics.catalogue import DEFAULT, FAMILIES, NAMES
from siwork.recipes import COMPONENTS
from siwork.schema import ROWS
from siwork.slots import SLOTS
from siwork.store import Run
from tests.command import siwork

QUICK = [
    "--policy",
    "tabular",
    "--task",
    "countdown(numbers=3)",
    "--problems",
    "20",
    "--heldout",
    "10",
    "--beyond",
    "0",
]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    told = siwork(folder, "run", "vanilla", *QUICK, "--rounds", 2, "--seeds", 2, "--samples", 8)
    return folder, told


def test_run_plays_every_seed_and_says_each_round(played):
    folder, told = played
    assert told.returncode == 0, told.stderr
    assert len(re.findall(r"round [012]  pass@1 0\.\d\d \[(?:none|0\.\d\d, \d\.\d\d)\]", told.stdout)) == 6
    assert "evaluation only" in told.stdout
    assert [Run(folder / "runs" / f"vanilla-countdown-s{s}").status().state for s in (0, 1)] == ["finished"] * 2


def test_a_finished_run_is_not_played_again(played):
    folder, _ = played
    before = Run(folder / "runs/vanilla-countdown-s0").events()
    told = siwork(folder, "run", "vanilla", *QUICK, "--rounds", 2, "--samples", 8)
    assert told.returncode == 0
    played_rounds = [
        e for e in Run(folder / "runs/vanilla-countdown-s0").events()[len(before) :] if e["event"] == "saved"
    ]
    assert played_rounds == []


def test_report_is_one_page(played):
    folder, _ = played
    told = siwork(folder, "report", "runs", "-o", "page.html")
    assert told.returncode == 0, told.stderr
    page = (folder / "page.html").read_text()
    assert "pass@1" in page
    assert (folder / "page.html").stat().st_size < 8_000_000


def test_fork_then_resume(played):
    folder, _ = played
    told = siwork(folder, "fork", "runs/vanilla-countdown-s0", "runs/branch", "--at", 1, "--recipe", "restart")
    assert told.returncode == 0, told.stderr
    assert "siwork resume" in told.stdout
    assert siwork(folder, "resume", "runs/branch", "--rounds", 3).returncode == 0
    assert Run(folder / "runs/branch").rounds_done == 4


def test_ctrl_c_ends_after_the_stage_and_the_run_goes_on_later(tmp_path):
    words = ["run", "vanilla", *QUICK, "--rounds", "5000", "--samples", "8"]
    child = subprocess.Popen(
        [sys.executable, "-m", "siwork", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    folder, end = tmp_path / "runs/vanilla-countdown-s0", time.monotonic() + 60
    while not (folder / "rounds/0001/DONE").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "stopping after the present stage" in said
    assert f"go on with: siwork resume {folder}" in said
    done = Run(folder).rounds_done
    assert Run(folder).status().state == "stopped"
    assert 2 <= done < 5000
    assert siwork(tmp_path, "resume", folder, "--rounds", done).returncode == 0
    assert Run(folder).rounds_done == done + 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "vanila"], "nearest: 'vanilla'"),
        (["run", "vanilla", "--task", "cuntdown"], "no task is called 'cuntdown'; nearest: 'countdown'"),
        (["run", "vanilla", "--policy", "tabluar"], "no policy is called 'tabluar'; nearest: 'tabular'"),
        (["run", "vanilla", "--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["run", "vanilla", "--problems", "0"], "--problems must be at least 1, got 0; nearest: 1"),
        (["run", "vanilla", "--beyond", "-1"], "--beyond must be at least 0, got -1; nearest: 0"),
        (["run", "vanilla", "--name", "a/b"], "--name is one name and no path, got 'a/b'; nearest: 'a-b'"),
        (["run", "vanilla", "--name", "../a/"], "--name is one name and no path, got '../a/'; nearest: 'a'"),
        (["recipes", "nosuch"], "; see: siwork recipes"),
        (["run", "vanilla", "--at-once", "-3"], "--at-once must be at least 1, got -3; nearest: 1"),
        (["resume", "nowhere", "--at-once", "0"], "--at-once must be at least 1, got 0; nearest: 1"),
        (["demo", "--seeds", "0"], "--seeds must be at least 1, got 0; nearest: 1"),
        (["run", "seed | sft | cot"], "stands too late"),
        (["run", "cot(k=0)"], "must be in 1 … 4096, got 0; nearest: 1"),
        (["resume", "nowhere"], "nowhere is no run"),
        (["report", "nowhere"], "nowhere"),
        (["fork", "nowhere", "there", "--at", "1"], "nowhere is no run"),
        (["recipes", "starr"], "nearest: 'star'"),
        (["recipes", "spiral"], "it lacks: Games of two players"),
        (["tasks", "addd"], "nearest: 'add'"),
        (["metrics", "vendy"], "no metric or family is called 'vendy'; nearest: 'vendi'"),
        (["metrics", "pass@0"], "no metric or family is called 'pass@0'; nearest: 'pass@k'"),
        (["metrics", "tails"], "nearest: 'tail'"),
    ],
)
def test_errors_are_one_sentence_without_a_traceback(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("siwork: ")
    assert said in error
    assert "Traceback" not in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_debug_shows_where_an_error_comes_from(tmp_path):
    assert "Traceback" in siwork(tmp_path, "--debug", "run", "vanila").stderr


def test_catalogues_are_told_to_people_and_programs(capsys):
    for words in (["recipes"], ["recipes", "star"], ["recipes", "cot"], ["tasks"], ["tasks", "add"]):
        assert main(words) == 0
    told = capsys.readouterr().out
    assert "seed · cot(k=8) + hint(answer, on=fail) · gold · correct · sft · reset" in told
    assert "digits = 8 digits  (1 … 20)" in told
    assert "k = 8 samples  (1 … 4096; usually 16)" in told
    for words in (["recipes", "--json"], ["recipes", "cot", "--json"], ["tasks", "--json"]):
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("slot", SLOTS)
def test_a_slot_lists_its_components(capsys, slot):
    own = {name for name, kind in COMPONENTS.items() if kind.slot == slot}
    assert main(["recipes", slot]) == 0
    assert set(re.findall(r"^  (\S+)  ", capsys.readouterr().out, re.MULTILINE)) == own
    assert main(["recipes", slot, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == own


def test_metrics_are_listed_by_family(capsys):
    assert main(["metrics"]) == 0
    told = capsys.readouterr().out
    for family in FAMILIES:
        assert f"{family.capitalize()}\n" in told
    assert set(re.findall(r"^  (\S+)  ", told, re.MULTILINE)) == set(NAMES)
    assert re.search(r"^  pass@k +chance that k samples hold a right one ↑  \(gold\)$", told, re.MULTILINE)
    assert re.search(r"^  answer_entropy +\S.* \[nats\]  \(answer\)$", told, re.MULTILINE)
    assert main(["metrics", "tail"]) == 0
    told = capsys.readouterr().out
    assert "Tail\n" in told
    assert "Performance" not in told


def test_metrics_are_told_to_programs(capsys):
    assert main(["metrics", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {family: len(known) for family, known in told.items() if family != "performance"} == {
        family: len(known) for family, known in FAMILIES.items() if family != "performance"
    }
    found = {name: facts for known in told.values() for name, facts in known.items()}
    assert {name for name, facts in found.items() if facts["default"]} == {
        name for name in DEFAULT if not name.endswith("_change")
    }
    rows = {column.name for column in ROWS}
    assert all(facts["meaning"] and rows >= {*facts["needs"]} for facts in found.values())
    assert main(["metrics", "maj@4", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)["performance"]["maj@4"]
    assert (one["low"], one["high"], one["needs"], one["default"]) == (0.0, 1.0, ["gold", "answer"], False)


def test_metrics_as_a_table_have_a_row_each(capsys):
    assert main(["metrics", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["| family | name | what it is | unit | columns |", "|---|---|---|---|---|"]
    assert len(lines) == 2 + len(NAMES)
    assert all(line.count("|") == 6 for line in lines)
