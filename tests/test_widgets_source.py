"""What panels show: equal to `measure` and `compare`, whatever way rounds arrive, and calm when folders are not what they were."""

import shutil

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from grown import add_round, part_of, played
from made import made_run
from siwork import compare, measure
from siwork.clinic import labelled
from siwork.metrics import ledger
from siwork.schema import Foreign, KnobError, RunError, SchemaError
from siwork.store import Runs
from siwork_widgets.watch import making, measured
from siwork_widgets.watch.opening import KnownRun, TableRun, opened, runs_below
from siwork_widgets.watch.pictures import QUESTION
from siwork_widgets.watch.source import Source

pytestmark = pytest.mark.usefixtures("beside_the_first")


# ── what a source holds ────────────────────────────────────────────────────────────────────────────────
def test_a_source_holds_what_compare_and_measure_give(whole):
    snapshot = Source(whole).wait()
    expected = compare([whole])
    assert snapshot.faults == ()
    assert_frame_equal(snapshot.comparison.table, expected.table)
    assert_frame_equal(snapshot.comparison.changes, expected.changes)
    assert snapshot.comparison.diagnoses == expected.diagnoses
    assert_frame_equal(snapshot.tables["own"], measure(whole))
    assert snapshot.tables["ledger"].astype(object).equals(ledger(whole).astype(object))
    assert set(snapshot.pictures) == set(QUESTION)
    assert all(one.label and one.note and one.spec["data"] for own in snapshot.pictures.values() for one in own)
    assert snapshot.statuses["star"].state == "finished"


def test_seeds_are_pooled(tmp_path):
    runs = [played(tmp_path / f"star-s{seed}", rounds=1, seed=seed) for seed in (0, 1, 2)]
    snapshot = Source(tmp_path).wait()
    (group,) = snapshot.comparison.groups
    assert [one.name for one in group.runs] == ["star-s0", "star-s1", "star-s2"]
    assert_frame_equal(snapshot.comparison.table, compare(runs).table)
    assert set(snapshot.tables["own"]["run"]) == {one.name for one in runs}


def test_a_new_round_changes_the_snapshot_and_the_last_pictures_stay_until_then(tmp_path, whole):
    part = part_of(whole, tmp_path / "star", 2)
    source = Source(part)
    before = source.wait()
    add_round(whole, part, 2)
    while (now := source.poll()).busy:
        assert set(now.pictures) == set(QUESTION)
    assert now.version > before.version
    assert now.comparison.table["round"].max() == 2
    assert now.pictures["Tail"] is not before.pictures["Tail"]


def test_nothing_new_is_the_same_snapshot(whole):
    source = Source(whole)
    found = source.wait()
    assert source.poll() is found
    assert source.poll() is found


def test_the_visible_tab_is_drawn_first(tmp_path, whole):
    source = Source(part_of(whole, tmp_path / "star", 2))
    source.first = "Collapse"
    order = []
    while (now := source.poll()).busy or not now.pictures:
        order += [tab for tab in now.pictures if tab not in order]
    assert order[0] == "Collapse"


def test_what_was_measured_is_remembered_for_the_next_panel(whole, monkeypatch):
    first = Source(whole).wait()
    monkeypatch.setattr(measured, "measure", lambda *_: pytest.fail("measured again"))
    monkeypatch.setattr(making, "drawn", lambda *_: pytest.fail("drawn again"))
    again = Source(whole).wait()
    assert again.comparison is first.comparison
    assert again.pictures == first.pictures


def test_a_run_without_a_round_is_no_fault(tmp_path, whole):
    part = part_of(whole, tmp_path / "star", 0)
    source = Source(part)
    snapshot = source.wait()
    assert (snapshot.comparison, snapshot.faults, snapshot.pictures) == (None, (), {})
    add_round(whole, part, 0)
    assert set(source.wait().pictures) == set(QUESTION)


def test_a_second_run_of_that_name_is_refused(tmp_path, whole):
    source = Source(whole)
    with pytest.raises(RunError, match="two runs are called 'star'"):
        source.add(part_of(whole, tmp_path / "other", 1))
    source.add(whole)
    assert len(source.poll().runs) == 1


# ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────
def test_a_folder_that_vanishes_leaves_its_picture_and_comes_back(tmp_path, whole):
    one, two = made_run(tmp_path / "one"), part_of(whole, tmp_path / "two", 2)
    source = Source([one, two])
    before = source.wait()
    shutil.move(one.folder, tmp_path / "away")
    gone = source.wait()
    assert len(gone.faults) == 1
    assert "is no run" in gone.faults[0]
    assert gone.pictures == before.pictures
    assert [run.name for run in gone.runs] == ["one", "star"]
    add_round(whole, two, 2)  # the other run goes on meanwhile
    assert source.wait().comparison.table["round"].max() == 2
    shutil.move(tmp_path / "away", one.folder)
    back = source.wait()
    assert back.faults == ()
    assert back.comparison is not None


def test_a_damaged_round_is_a_sentence_and_the_other_runs_go_on(tmp_path, whole):
    bad = part_of(whole, tmp_path / "star", 3)
    good = made_run(tmp_path / "good")
    file = bad.folder / "rounds" / "0001" / "rows.parquet"
    kept = file.read_bytes()
    file.write_bytes(b"nothing")
    source = Source([bad, good])
    snapshot = source.wait()
    assert len(snapshot.faults) == 1
    assert "round 1" in snapshot.faults[0]
    assert "damaged" in snapshot.faults[0]
    assert [group.name for group in snapshot.comparison.groups] == ["good"]
    file.write_bytes(kept)
    healed = source.wait()
    assert healed.faults == ()
    assert {group.name for group in healed.comparison.groups} == {"good", "star"}


def test_an_error_of_the_program_is_a_sentence_and_the_next_round_is_tried(tmp_path, whole, monkeypatch):
    part = part_of(whole, tmp_path / "star", 1)
    source = Source(part)
    with monkeypatch.context() as patch:
        patch.setattr(making, "drawn", lambda *_: 1 / 0)
        snapshot = source.wait()
    assert len(snapshot.faults) == len(QUESTION)
    assert "Tail cannot be drawn: ZeroDivisionError" in " ".join(snapshot.faults)
    add_round(whole, part, 1)
    healed = source.wait()
    assert healed.faults == ()
    assert set(healed.pictures) == set(QUESTION)


def test_the_worker_survives_what_its_steps_do_not_expect(tmp_path, whole, monkeypatch):
    source = Source(part_of(whole, tmp_path / "star", 1))
    with monkeypatch.context() as patch:
        patch.setattr(making, "compared", lambda *_: 1 / 0)
        assert "ZeroDivisionError" in source.wait().faults[0]
    source._marks = {}
    assert source.wait().faults == ()


# ── what a panel can be opened on ──────────────────────────────────────────────────────────────────────
def test_a_panel_opens_on_runs_folders_tables_and_lists(tmp_path, whole):
    made_run(tmp_path / "runs" / "one")
    two = made_run(tmp_path / "runs" / "two")
    rows = labelled("healthy", "small", 0)
    assert [run.name for run in opened(whole)] == ["star"]
    assert [run.name for run in opened(str(tmp_path / "runs"))] == ["one", "two"]
    assert [run.name for run in opened(Runs(tmp_path / "runs"))] == ["one", "two"]
    assert [run.name for run in opened([two, whole.folder])] == ["two", "star"]
    assert [type(run) for run in opened(rows)] == [TableRun]
    assert [run.name for run in opened(type("Imported", (), {"rows": rows})())] == [rows["run"].iloc[0]]


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (42, KnobError, "got int"),
        ({"run": 1}, KnobError, "got dict"),
        ("/no/such/folder", Foreign, "is no run"),
        ([], Foreign, "no run is given"),
        (pd.DataFrame({"run": ["a"]}), SchemaError, "round"),
    ],
)
def test_anything_else_is_an_error_at_once(x, error, words):
    with pytest.raises(error, match=words):
        Source(x)


def test_row_tables_are_shown_as_runs_are():
    rows = labelled("tail-cut", "small", 0)
    later = rows.assign(run="later", round=rows["round"] + 3)
    source = Source(pd.concat([rows, later], ignore_index=True))
    snapshot = source.wait()
    assert snapshot.faults == ()
    assert set(snapshot.pictures) == set(QUESTION)
    name = str(rows["run"].iloc[0])
    own = snapshot.tables["own"]
    expected = measure(rows)
    assert_frame_equal(own[own["run"] == name].reset_index(drop=True), expected)
    changes, groups = snapshot.comparison.changes, [group.name for group in snapshot.comparison.groups]
    first, other = (changes[changes["run"] == one].set_index(["metric", "split", "band"]) for one in groups)
    assert len(first) == len(other) > 3
    np.testing.assert_allclose(
        first["first_value"].to_numpy(float, na_value=np.nan), other["first_value"].to_numpy(float, na_value=np.nan)
    )


def test_a_known_run_keeps_its_name_while_its_folder_is_gone(tmp_path):
    found = KnownRun(made_run(tmp_path / "star"))
    shutil.move(found.folder, tmp_path / "away")
    assert found.name == "star"
    shutil.move(tmp_path / "away", found.folder)
    file = found.folder / "run.json"
    file.write_text(file.read_text().replace('"rounds": 2', '"rounds": 7'))
    assert found.rounds_wanted == 7


def test_runs_are_found_below_a_folder(tmp_path):
    for name in ("a/one", "a/two", "three", "b/c/four"):
        made_run(tmp_path / name, updates=0)
    (tmp_path / "a" / "one" / "inner").mkdir()
    found = [place.relative_to(tmp_path).as_posix() for place in runs_below(tmp_path)]
    assert found == ["a", "a/one", "a/two", "b/c/four", "three"]
    assert runs_below(tmp_path / "nothing") == []


# ── rows behind points ─────────────────────────────────────────────────────────────────────────────────
def points_of(picture):
    """Every clickable point of a picture."""
    found = [point for trace in picture.spec["data"] for point in trace.get("customdata") or () if point]
    return [inner for point in found for inner in (point if isinstance(point, list) else [point]) if inner]


def test_every_point_of_every_picture_opens_rows(whole):
    source = Source(whole)
    snapshot = source.wait()
    for tab, pictures in snapshot.pictures.items():
        for one in pictures:
            points = points_of(one)
            assert points, (tab, one.label)
            for point in points[:: max(1, len(points) // 5)]:
                rows = source.rows(point)
                assert set(rows["run"]) <= {"star"}
                assert set(rows["round"]) <= {point["round"], point.get("first", point["round"])}
                assert set(rows["split"]) <= {point["split"]}


def test_points_of_pooled_seeds_open_the_rows_of_all(tmp_path):
    for seed in (0, 1):
        played(tmp_path / f"star-s{seed}", rounds=1, seed=seed)
    source = Source(tmp_path)
    point = points_of(source.wait().pictures["Overview"][0])[0]
    rows = source.rows(point)
    assert point["run"] == "star"
    assert set(rows["run"]) == {"star-s0", "star-s1"}
    with pytest.raises(KnobError, match="no run here is called 'other'"):
        source.rows(point | {"run": "other"})


def test_points_of_row_tables_open_their_rows():
    rows = labelled("healthy", "small", 0)
    source = Source(rows)
    point = points_of(source.wait().pictures["Overview"][0])[0]
    found = source.rows(point)
    own = (rows["round"] == point["round"]) & (rows["split"] == point["split"])
    assert len(found) == int(own.sum())


def test_a_verdict_opens_the_completions_that_show_it():
    rows = labelled("tail-cut", "small", 0)
    source = Source(rows)
    snapshot = source.wait()
    (diagnosis,) = snapshot.comparison.diagnoses.values()
    verdict = diagnosis.of("tail_narrowing")
    found = source.rows({"run": verdict.run, "verdict": "tail_narrowing"})
    assert len(found)
    assert_frame_equal(found, verdict.rows(rows, len(found)))
