"""Runs are launched, stopped, resumed and forked from widgets; they go on when the kernel dies; faults are sentences."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from siwork.launcher import Forked, Fresh, Further, read_jobs, written
from siwork.loop import Sizes, prepare, run
from siwork.schema import KnobError, RecipeError
from siwork.store import Lock, Run, Runs, Status
from siwork.sweep import Batch, ablation, free_name
from siwork_widgets.launch.launching import Launcher
from siwork_widgets.launch.progress import Bars, Line, Pace, line_of

SMALL = {"train": 6, "heldout": 4, "beyond": 0, "samples": 4}
SIZES = Sizes(**SMALL)
TASK = "countdown(numbers=3)"


class Desk:
    """A launcher with what stands around it in a panel: something that ticks, and follows the runs."""

    def __init__(self, folder):
        self.runs = []
        self.launcher = Launcher(self.runs.extend, folder=folder)
        self.launcher.task.set(TASK)
        self.launcher.policy.set("tabular")
        self.launcher.sizes.set(SMALL)
        self.extent(2, 1)

    def extent(self, rounds, seeds):
        self.launcher.extent.set({"rounds": rounds, "seeds": seeds})

    def tick(self):
        found = {run.name: run.status() for run in self.runs}
        self.launcher.show(SimpleNamespace(runs=tuple(self.runs), statuses=found))
        return {name: status.state for name, status in found.items()}

    def until(self, met, seconds=60):
        """Tick until a condition is met, as a function of the states."""
        end = time.monotonic() + seconds
        while not met(self.tick()):
            assert time.monotonic() < end, (self.tick(), self.launcher.bars.words, self.launcher.fault.text)
            time.sleep(0.05)

    def until_finished(self, runs):
        self.until(lambda states: list(states.values()) == ["finished"] * runs)

    @property
    def words(self):
        return "\n".join(self.launcher.bars.words)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "runs")
    yield made
    for each in made.runs:
        if each.status().state == "running":
            each.request_stop()


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Two siblings of two updates each."""
    folder = tmp_path_factory.mktemp("played")
    return [
        run("vanilla", TASK, "tabular", rounds=2, problems=SIZES, seed=s, folder=folder / f"old-s{s}") for s in (3, 4)
    ]


def until(met, seconds=60):
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


# ── launching ──────────────────────────────────────────────────────────────────────────────────────────────


def test_launch_answers_at_once_and_plays_siblings(desk):
    desk.extent(2, 3)
    name = desk.launcher.name.placeholder
    began = time.monotonic()
    desk.launcher.launch.click()
    assert time.monotonic() - began < 0.2
    assert desk.launcher.said.text == f"Preparing {name}-s0, {name}-s1, {name}-s2 …"
    assert all("preparing …" in words for words in desk.launcher.bars.words)
    assert len(desk.launcher.bars.words) == 3
    rows = list(desk.launcher.bars.children)
    desk.until(lambda states: "running" in states.values())
    assert "round " in desk.words
    desk.until_finished(3)
    assert desk.launcher.said.text == ""
    assert list(desk.launcher.bars.children) == rows
    assert [each.name for each in desk.runs] == [f"{name}-s{s}" for s in range(3)]
    assert [each.seed for each in desk.runs] == [0, 1, 2]
    assert {(each.recipe, each.task, each.policy) for each in desk.runs} == {
        (desk.launcher.mixer.formula, TASK, "tabular")
    }
    assert desk.words.count("finished: 2 updates") == 3
    assert desk.launcher.fault.text == ""
    assert desk.launcher.name.placeholder not in ("", name)


def test_all_seeds_are_played_though_the_kernel_is_killed(tmp_path):
    code = f"""
import os, signal
from siwork_widgets.launch.launching import Launcher
launcher = Launcher(folder={str(tmp_path)!r})
launcher.task.set({TASK!r}); launcher.policy.set("tabular"); launcher.sizes.set({SMALL!r})
launcher.extent.set({{"rounds": 2, "seeds": 3}})
launcher.name.value = "orphan"
launcher.launch.click()
os.kill(os.getpid(), signal.SIGKILL)
"""
    kernel = subprocess.run([sys.executable, "-c", code], start_new_session=True, timeout=60)
    assert kernel.returncode == -signal.SIGKILL
    folders = [tmp_path / f"orphan-s{s}" for s in range(3)]
    until(lambda: all((folder / "run.json").exists() for folder in folders))
    until(lambda: [Run(folder).status().state for folder in folders] == ["finished"] * 3)


def test_a_double_click_launches_once_and_a_second_launch_has_a_new_name(desk):
    desk.launcher.launch.click()
    desk.launcher.launch.click()
    assert len(desk.launcher.playing.folders) == 1
    desk.launcher._pressed -= 1
    assert not desk.launcher.launch.disabled
    desk.launcher.launch.click()
    assert len(desk.launcher.playing.folders) == 2
    desk.until_finished(2)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda one: one.mixer.set("seed · cott"), "nearest: 'cot'"),
        (lambda one: setattr(one.mixer.line, "value", "seed · cot · pg"), "add gold or vote"),
        (lambda one: setattr(one.extent.controls["seeds"].entry, "value", "0"), "nearest: 1"),
        (lambda one: setattr(one.sizes.controls["train"].entry, "value", "many"), "its default is 300"),
        (
            lambda one: setattr(one.task.knobs.controls["numbers"].entry, "value", "1"),
            "countdown: 'numbers' must be in 2 … 6",
        ),
        (lambda one: setattr(one.name, "value", "../up"), "nearest: 'up'"),
    ],
)
def test_what_cannot_be_launched_is_explained_and_the_button_is_off(desk, spoil, said):
    good = desk.launcher.mixer.formula
    assert not desk.launcher.launch.disabled
    spoil(desk.launcher)
    assert desk.launcher.launch.disabled
    assert said in desk.launcher.why.value.replace("&#x27;", "'")
    desk.launcher.mixer.set(good)
    desk.launcher.extent.set({"seeds": 1})
    desk.launcher.sizes.set(SMALL)
    desk.launcher.task.set(TASK)
    desk.launcher.name.value = ""
    assert not desk.launcher.launch.disabled
    assert desk.launcher.why.value == ""


def test_the_name_follows_the_settings_until_it_is_typed(desk):
    assert desk.launcher.name.placeholder.startswith("vanilla-countdown-")
    desk.launcher.mixer.catalogue.value = "rlvr"
    desk.launcher.task.choice.value = "add"
    assert desk.launcher.name.placeholder.startswith("rlvr-add-")
    desk.launcher.name.value = "mine"
    desk.launcher.mixer.catalogue.value = "star"
    assert desk.launcher.name.value == "mine"


def test_a_folder_that_is_there_is_refused_with_a_free_name(desk, tmp_path):
    (tmp_path / "runs" / "mine-s0").mkdir(parents=True)
    desk.launcher.name.value = "mine"
    assert "exists, and a launch overwrites nothing; a free name: mine-2" in desk.launcher.why.value
    assert desk.launcher.launch.disabled


# ── stop and resume ────────────────────────────────────────────────────────────────────────────────────────


def test_stop_ends_the_running_and_the_waiting_and_resume_goes_on(desk, monkeypatch):
    monkeypatch.setattr("siwork.sweep.os.cpu_count", lambda: 1)
    desk.extent(400, 2)
    desk.launcher.launch.click()
    desk.until(lambda states: "running" in states.values() and "waits for a free core" in desk.words)
    began = time.monotonic()
    desk.launcher.stop.click()
    assert time.monotonic() - began < 0.2
    assert "will stop after the present stage" in desk.launcher.said.text
    desk.until(lambda states: set(states.values()) <= {"stopped", "new"} and not desk.launcher.playing._batches)
    first, second = desk.runs
    assert 0 <= first.rounds_done < 400
    assert second.rounds_done == 0
    assert "Resume" in desk.launcher.bars.words[0]
    desk.launcher.stop.click()
    assert desk.launcher.said.text == "None of these runs is at work."

    desk.launcher.which.value = (second.folder,)
    desk.launcher.resume.click()
    assert "preparing …" in desk.words
    desk.until(lambda states: second.rounds_done > 0)
    desk.launcher.stop.click()
    desk.until(lambda states: states[second.name] == "stopped")
    assert first.status().state != "running"


def test_a_stop_while_it_is_prepared_is_kept(desk):
    desk.extent(400, 1)
    desk.launcher.launch.click()
    desk.launcher.stop.click()
    desk.until(lambda states: list(states.values()) in (["stopped"], ["new"]) and not desk.launcher.playing._batches)
    assert desk.runs[0].rounds_done < 400


def test_a_finished_run_goes_on_to_more_rounds(desk):
    desk.launcher.launch.click()
    desk.until_finished(1)
    desk.launcher.resume.click()
    assert "Nothing is missing" in desk.launcher.said.text
    desk.launcher.longer.set({"rounds_in_all": 3})
    desk.launcher.resume.click()
    desk.until(lambda _: desk.runs[0].rounds_wanted == 3)
    desk.until_finished(1)
    assert desk.runs[0].rounds_done == 4
    assert "finished: 3 updates" in desk.words


def test_a_run_whose_process_is_killed_is_dead_and_can_be_resumed(desk):
    desk.extent(400, 1)
    desk.launcher.launch.click()
    desk.until(lambda states: "running" in states.values())
    os.kill(desk.runs[0].status().pid, signal.SIGKILL)
    desk.until(lambda states: list(states.values()) == ["dead"] and not desk.launcher.playing._batches)
    assert "of 400" in desk.words
    desk.launcher.resume.click()
    desk.until(lambda states: list(states.values()) == ["running"])


def test_a_run_that_is_being_written_elsewhere_is_left_alone(desk, played):
    desk.runs.append(played[0])
    desk.launcher.longer.set({"rounds_in_all": 3})
    with Lock(played[0].folder):
        desk.tick()
        desk.launcher.resume.click()
        assert "Nothing is missing" in desk.launcher.said.text
        desk.launcher._begin([Further(str(played[0].folder), 3)])  # the lock was taken between look and click
        desk.until(lambda _: "is being written by process" in desk.launcher.fault.text)
    assert played[0].rounds_wanted == 2


# ── fork and ablation ──────────────────────────────────────────────────────────────────────────────────────


def test_a_fork_keeps_the_rounds_before_and_changes_the_recipe(desk, played):
    desk.runs.append(played[0])
    desk.tick()
    forking = desk.launcher.forking
    assert forking.fork.disabled
    desk.launcher.mixer.set("rlvr")
    forking.source.value = (played[0].folder,)
    assert desk.launcher.mixer.formula == played[0].recipe
    assert "gives the same rounds again" in forking.about.value
    assert [value for _, value in forking.at.options] == [0, 1, 2, 3]
    desk.launcher.mixer.slots["sampler"].parts["cot"].knobs.controls["k"].entry.value = "8"
    forking.at.value = 1
    forking.name.value = "branch"
    assert "cot(k=8)" in forking.about.value
    forking.fork.click()
    desk.until_finished(2)
    branch = desk.runs[1]
    assert branch.folder == played[0].folder.parent / "branch"
    assert branch.recipe == "seed · cot(k=8) · gold · correct · sft"
    assert branch.manifest["forked_from"] == {"folder": played[0].name, "at": 1}
    assert [branch.round_info(r)["recipe"] for r in range(3)] == [played[0].recipe, branch.recipe, branch.recipe]
    forking.name.value = "branch"
    forking.fork.click()
    desk.until(lambda _: "a fork overwrites nothing; a free name" in desk.launcher.fault.text)


def test_siblings_are_forked_together_with_their_seeds(desk, played):
    desk.runs.extend(played)
    desk.tick()
    forking = desk.launcher.forking
    forking.source.value = tuple(each.folder for each in played)
    forking.at.value = 2
    forking.more.set({"rounds_in_all": 3})
    forking.fork.click()
    desk.until_finished(4)
    assert [each.seed for each in desk.runs[2:]] == [3, 4]
    assert all(each.name.startswith("old-fork-") for each in desk.runs[2:])
    assert [each.rounds_wanted for each in desk.runs[2:]] == [3, 3]


def test_an_ablation_has_all_in_common_but_the_recipe(desk, played):
    folders = desk.launcher.ablate(played, "unfiltered")
    desk.until_finished(2)
    assert [each.folder for each in desk.runs] == folders
    for new, old in zip(desk.runs, played, strict=True):
        assert (new.task, new.policy, new.seed, new.rounds_wanted) == (
            old.task,
            old.policy,
            old.seed,
            old.rounds_wanted,
        )
        assert new.problems().equals(old.problems())
        assert new.recipe == "seed · cot · sft"
    assert desk.launcher.ablate(played, "unfilterd") == []
    assert "nearest: 'unfiltered'" in desk.launcher.fault.text
    with pytest.raises(KnobError, match="needs the runs"):
        ablation([], "vanilla")
    with pytest.raises(RecipeError, match="nearest: 'vanilla'"):
        ablation(played, "vanila")


def test_runs_begun_elsewhere_are_told_of_when_they_are_there(desk, played, tmp_path):
    folders = ablation(played, "rlvr", tmp_path / "new")
    desk.launcher.expect(folders)
    desk.until(lambda _: len(desk.runs) == 2)
    assert [each.folder for each in desk.runs] == folders
    desk.until_finished(2)


# ── faults ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_that_cannot_be_written_is_a_sentence_and_the_panel_goes_on(desk, tmp_path):
    (tmp_path / "file").write_text("")
    desk.launcher.folder.value = str(tmp_path / "file" / "runs")
    desk.launcher.launch.click()
    desk.until(lambda _: "Not a directory" in desk.launcher.fault.text)
    assert "choose a folder that can be written" in desk.launcher.fault.text
    desk.until(lambda _: desk.launcher.bars.words == [])
    desk.launcher._pressed -= 1
    desk.launcher.folder.value = str(tmp_path / "runs")
    desk.launcher.launch.click()
    assert desk.launcher.fault.text == ""
    desk.until_finished(1)


@pytest.mark.parametrize(("round_of", "seen"), [("0", "could not write a new run"), ("1", "could not write round")])
def test_a_full_disk_is_a_sentence(desk, tmp_path, monkeypatch, round_of, seen):
    (tmp_path / "sitecustomize.py").write_text(
        "import errno, os\nreal = os.rename\n"
        "def rename(a, b, **more):\n"
        f"    if {round_of!r} == '0' or '/rounds/' in str(b):\n"
        "        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "    return real(a, b, **more)\n"
        "os.rename = rename\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    desk.launcher.launch.click()
    desk.until(lambda _: "No space left on device" in desk.launcher.fault.text + desk.words)
    assert seen in desk.launcher.fault.text + desk.words


def test_a_run_that_fails_says_its_last_words(desk, tmp_path):
    broken = prepare("vanilla", TASK, "tabular", rounds=1, problems=SIZES, seed=0, folder=tmp_path / "broken")
    (broken.base_path / "tabular.safetensors").write_bytes(b"torn")
    desk.runs.append(broken)
    desk.tick()
    assert "not begun; Resume plays it" in desk.words
    desk.launcher.resume.click()
    desk.until(lambda _: "failed in round 0 of 1" in desk.words)
    assert "tabular.safetensors" in desk.words


def test_too_few_problems_are_explained(desk):
    desk.launcher.task.set("countdown(numbers=2, fewest=2, largest=4)")
    desk.launcher.sizes.set({"train": 100})
    desk.launcher.launch.click()
    desk.until(lambda _: "too few different train problems" in desk.launcher.fault.text)


def test_a_supervisor_that_is_killed_is_told_and_the_run_goes_on(desk, monkeypatch):
    monkeypatch.setattr("siwork.sweep.os.cpu_count", lambda: 1)
    desk.extent(3, 2)
    desk.launcher.launch.click()
    desk.until(lambda states: "running" in states.values())
    (batch,) = desk.launcher.playing._batches
    batch._child.kill()
    desk.until(lambda states: sorted(states.values()) == ["finished", "new"] or "running" not in states.values())
    assert "ended with status -9; resume those that wait" in desk.launcher.fault.text
    desk.launcher.resume.click()
    desk.until_finished(2)


# ── parts ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_jobs_survive_the_way_to_another_process():
    jobs = [
        Fresh("a", "vanilla", TASK, "tiny", 3, "problems(train=5)", 7),
        Forked("b", "a", 1, {"recipe": "seed · cot · sft", "rounds": 2}),
        Further("a", None),
    ]
    assert read_jobs(written(jobs)) == jobs
    assert read_jobs(b"") == []


def test_a_batch_does_what_it_can(tmp_path):
    good = Fresh(str(tmp_path / "good"), "vanilla", TASK, "tabular", 1, "problems(train=6, heldout=4, beyond=0)", 0)
    batch = Batch([Further(str(tmp_path / "none")), good])
    until(lambda: batch.over)
    assert batch.states == {tmp_path / "good": "finished"}
    assert len(batch.words) == 1
    assert "none is no run" in batch.words[0]
    with pytest.raises(KnobError, match="at least one job"):
        Batch([])


def test_free_names_look_at_whole_names(tmp_path):
    for name in ("vanilla-s0", "vanilla-2-s11", "star-student"):
        (tmp_path / name).mkdir()
    assert free_name(tmp_path, "vanilla") == tmp_path / "vanilla-3"
    assert free_name(tmp_path, "star") == tmp_path / "star"
    assert free_name(tmp_path / "none", "star").name == "star"


def status(**more):
    return Status(
        **{**dict(state="running", round=2, rounds=6, stage="sample", share=0.5, pid=1, seconds_left=40.0), **more}
    )


def test_progress_in_words(played):
    pace = {"evaluate": 2.0, "sample": 6.0, "verify": 0.01, "update": 4.0}
    line = line_of(played[0], status(), "running", pace)
    assert line.words == "round 2 of 6 · sample 50%, 3 s left · then update 4 s · 40 s left in all"
    assert line.share == pytest.approx((2 + 5 / 12.01) / 7)
    first = line_of(played[0], status(round=0, stage="evaluate", seconds_left=None), "running", {})
    assert first.words == "round 0 of 6 · evaluate 50% · time left known after the first round"
    last = line_of(played[0], status(round=6, stage="evaluate", seconds_left=1.0), "running", pace)
    assert last.words == "closing evaluation · evaluate 50%, 1 s left · 1 s left in all"
    stopped = line_of(played[0], status(state="stopped", stage=None), "", pace)
    assert stopped.words == "stopped before round 2 of 6; Resume goes on"
    assert set(Pace().of(played[0], 2)) <= {"evaluate", "sample", "verify", "select", "update"}
    assert Pace().of(played[0], 2)["evaluate"] > 0


def test_at_most_twelve_bars_those_at_work_first():
    bars = Bars()
    lines = [Line(Path(f"{i}"), f"run {i}", "finished" if i < 20 else "running", i / 30, "words") for i in range(30)]
    bars.show(lines)
    rows = bars.children
    assert len(bars.words) == 12
    assert bars.words[0].startswith("run 20")
    assert bars.rest.value == "and 18 more: 18 finished"
    bars.show(lines)
    assert bars.children is rows


def test_hostile_names_and_words_are_text(desk, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    made = prepare(
        "vanilla", TASK, "tabular", rounds=1, problems=SIZES, seed=0, folder=tmp_path / name.replace("/", "")
    )
    (made.folder / "log.txt").write_text("<script>alert(2)</script>")
    desk.runs.append(made)
    desk.tick()
    assert name in desk.words
    desk.launcher.forking.source.value = (made.folder,)
    assert "<img" not in desk.launcher.forking.about.value


def test_many_runs_are_shown_quickly(desk, tmp_path):
    made = [
        prepare("vanilla", TASK, "tabular", rounds=1, problems=SIZES, seed=s, folder=tmp_path / f"r-s{s}")
        for s in range(20)
    ]
    desk.runs.extend(Runs(made))
    found = {each.name: status(round=0) for each in made}
    desk.launcher.show(SimpleNamespace(runs=tuple(desk.runs), statuses=found))
    began = time.process_time()
    for _ in range(10):
        desk.launcher.show(SimpleNamespace(runs=tuple(desk.runs), statuses=found))
    assert (time.process_time() - began) / 10 < 0.03


def test_a_table_of_ones_own_is_chosen_by_its_columns(desk):
    text = 'table("own questions.jsonl", prompt=question, check=numeric)'
    desk.launcher.task.set(text)
    assert desk.launcher.task.call == text
    assert desk.launcher.jobs()[0].task == text
    desk.launcher.policy.set('hf("some/model")')
    desk.launcher.launch.click()
    desk.until(lambda _: "own questions.jsonl does not exist" in desk.launcher.fault.text)
    desk.launcher.task.set("countdown(numbers=3)")
    assert desk.launcher.task.call == "countdown(numbers=3)"
