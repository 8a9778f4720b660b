"""The panel as a whole: there at once, live while a run goes on, calm when something is wrong, and kept as one file."""

import shutil
import subprocess
import sys
import time

import pytest

from logs import LOGS
from made import made_run
from siwork import from_trl, launch
from siwork.clinic import labelled
from siwork.loop import Sizes
from siwork.schema import Foreign, KnobError
from siwork.store import Run
from siwork_widgets.lab import TABS, Lab
from siwork_widgets.watch.opener import Opener

SIZES = Sizes(train=12, heldout=12, beyond=0, samples=4)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def rows():
    return labelled("tail-cut", "small", 0)


def until(lab, holds, seconds=120):
    """Tick as a browser does until something holds."""
    end = time.monotonic() + seconds
    while not holds(lab.snapshot):
        assert time.monotonic() < end, (lab.snapshot.faults, lab.snapshot.doing)
        lab.clock.tick()
        assert lab.clock.error is None
        time.sleep(0.01)


def drawn(lab, name):
    return [figure.shown.get("label") for figure in lab.tabs[name].pictures.children]


# ── what there is ──────────────────────────────────────────────────────────────────────────────────────
def test_an_empty_panel_has_its_tabs_and_an_open_launcher():
    lab = Lab()
    assert lab.pages.titles == TABS == ("Overview", "Diversity", "Tail", "Verifier", "Collapse", "Samples", "Compare")
    assert lab.above.selected_index == 0
    lab.wait()
    assert [tab.name for tab in lab.tabs.values()] == list(TABS)
    assert lab.fault.text == ""
    assert lab.fault.layout.display == "none"
    assert lab.tabs["Diversity"].pictures.children[0].shown["why"].startswith("No run is open")
    assert {"sw-panel", "sw-lab"} <= set(lab._dom_classes)


def test_what_cannot_be_opened_is_an_error_at_once(tmp_path):
    with pytest.raises(KnobError, match="got int"):
        Lab(7)
    with pytest.raises(Foreign, match="is no run"):
        Lab(tmp_path / "nothing")


def test_a_row_table_is_shown_in_every_tab(rows):
    lab = Lab(rows)
    assert lab.above.selected_index is None
    lab.wait(200)
    assert lab.snapshot.faults == ()
    for name in TABS[:5]:
        assert drawn(lab, name) == [one.label for one in lab.snapshot.pictures[name]]
    assert lab.clock.seconds == 1.0
    assert lab.doing.value == ""


def test_an_imported_log_says_what_can_be_read_in_it():
    lab = Lab(from_trl(LOGS / "trl" / "grpo_chat", gold="correctness", run="<b>log</b>"))
    lab.wait(200)
    assert lab.above.titles == ("Launch, stop, fork", "Open runs", "What this log can say")
    assert "Can the verifier be believed?" in lab.told.value
    assert "&lt;b&gt;log&lt;/b&gt;" in lab.told.value
    assert lab.snapshot.faults == ()
    assert len(Lab().above.titles) == 2


# ── live ───────────────────────────────────────────────────────────────────────────────────────────────
def test_rounds_of_a_child_process_appear_on_ticks(tmp_path):
    run = launch("vanilla", "countdown(numbers=3)", "tabular", rounds=3, problems=SIZES, seed=0, folder=tmp_path / "r")
    lab = Lab(run)
    seen = set()

    def finished(snapshot):
        if snapshot.comparison is not None:
            seen.add(int(snapshot.comparison.table["round"].max()))
        return snapshot.statuses["r"].state == "finished" and not snapshot.busy and 3 in seen

    until(lab, finished)
    until(lab, lambda _: len(lab._made) == 6)
    assert set(lab._made) == set(TABS[:6])  # what nobody looks at is not made
    lab.wait()
    assert lab.snapshot.comparison.table["round"].max() == 3
    assert drawn(lab, "Tail") == [one.label for one in lab.snapshot.pictures["Tail"]]
    assert lab.fault.text == ""


def test_the_clock_is_quick_while_a_run_goes_on_and_slow_when_it_is_done(tmp_path):
    lab = Lab(made_run(tmp_path / "r"))
    lab.wait()
    assert lab.clock.seconds == 1.0
    lab._show(lab.snapshot._replace(statuses={"r": lab.snapshot.statuses["r"]._replace(state="running")}))
    assert lab.clock.seconds == 0.2


def test_a_run_that_was_launched_here_is_followed(tmp_path):
    lab = Lab()
    lab.wait()
    one, two = made_run(tmp_path / "one"), made_run(tmp_path / "two")
    lab.launcher._on_launched([one, two])
    lab.add(Run(two.folder))
    lab.wait()
    assert [run.name for run in lab.snapshot.runs] == ["one", "two"]
    assert lab.snapshot.comparison is not None


# ── what a reader does ─────────────────────────────────────────────────────────────────────────────────
def test_a_point_opens_its_completions_in_samples(rows):
    lab = Lab(rows)
    lab.wait(200)
    figure = lab.tabs["Overview"].pictures.children[0]
    point = next(p for trace in figure.shown["spec"]["data"] for p in trace.get("customdata") or () if p)
    figure._on_point(point)
    assert lab.pages.selected_index == TABS.index("Samples")
    samples = lab.tabs["Samples"]
    samples.wait() if hasattr(samples, "wait") else samples.tick()
    assert samples.pages.table.rows
    assert f"round {point['round']}" in samples.behind.text


def test_the_tab_that_is_turned_to_comes_first(tmp_path):
    lab = Lab(made_run(tmp_path / "r"))
    lab.pages.selected_index = TABS.index("Verifier")
    assert lab.source.first == "Verifier"


def test_runs_on_the_disk_are_offered_and_opened_without_measuring_them(tmp_path):
    made_run(tmp_path / "runs" / "a" / "one")
    made_run(tmp_path / "runs" / "a" / "two", seed=1)
    lab = Lab()
    labels = [label for label, _ in lab.opener.chosen.options]
    assert labels == ["runs/a: all runs in it", "runs/a/one", "runs/a/two"]
    assert lab.snapshot.runs == ()
    lab.opener.go.click()
    lab.wait()
    assert [run.name for run in lab.snapshot.runs] == ["one", "two"]
    shutil.rmtree(tmp_path / "runs")
    lab.opener.chosen.value = tmp_path.joinpath("runs", "a", "one").relative_to(tmp_path)
    lab.opener.go.click()
    assert "is no run" in lab.fault.text
    lab.opener.again.click()
    assert lab.opener.go.disabled


def test_an_opener_looks_again(tmp_path):
    found = []
    opener = Opener(found.append)
    assert opener.go.disabled
    made_run(tmp_path / "runs" / "one")
    opener.again.click()
    opener.go.click()
    assert [place.name for place in found] == ["one"]


def test_a_panel_is_kept_as_one_file(tmp_path, rows):
    lab = Lab(rows)
    path = lab.export(tmp_path / "lab.html")
    text = path.read_text()
    assert all(f">{name}</button>" in text for name in TABS)
    assert text.count('"kind":"figure"') >= sum(map(len, lab.snapshot.pictures.values()))


# ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────
def test_a_folder_that_vanishes_is_a_sentence_and_everything_stays(tmp_path):
    run = made_run(tmp_path / "r")
    lab = Lab(run)
    lab.wait()
    before = drawn(lab, "Tail")
    shutil.move(run.folder, tmp_path / "away")
    lab.wait()
    assert "is no run" in lab.fault.text
    assert lab.fault.layout.display is None
    assert drawn(lab, "Tail") == before
    shutil.move(tmp_path / "away", run.folder)
    lab.wait()
    assert lab.fault.text == ""


def test_a_tab_that_cannot_be_shown_is_a_sentence_and_the_others_go_on(tmp_path, monkeypatch):
    run = made_run(tmp_path / "r")
    lab = Lab()
    lab.wait()
    with monkeypatch.context() as patch:
        patch.setattr(lab.tabs["Tail"], "show", lambda _: 1 / 0)
        lab.add(run)
        lab.wait()
        assert "The tab Tail cannot be shown: ZeroDivisionError" in lab.fault.text
        assert drawn(lab, "Collapse") == [one.label for one in lab.snapshot.pictures["Collapse"]]
    lab._versions.clear()
    lab.wait()
    assert lab.fault.text == ""


def test_a_missing_package_is_named_with_its_pip_line():
    code = """
import sys
sys.modules["anywidget"] = None
import siwork_widgets
try:
    siwork_widgets.Lab
except ImportError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "MissingExtra the panel Lab needs the package anywidget; install it with: pip install 'siwork[lab]'"
    )


def test_the_package_has_only_its_names():
    import siwork_widgets

    assert dir(siwork_widgets) == siwork_widgets.__all__
    with pytest.raises(AttributeError, match="no attribute 'Labs'"):
        siwork_widgets.Labs  # noqa: B018
