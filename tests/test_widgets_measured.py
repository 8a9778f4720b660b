"""Runs that grow are measured round by round, and the tables are those of the whole run."""

import shutil

import pytest
from pandas.testing import assert_frame_equal

from grown import VANILLA, part_of
from siwork import measure
from siwork.loop import Sizes, run
from siwork.store import Writer
from siwork_widgets.watch import measured
from siwork_widgets.watch.measured import Measured, Part, Recent

pytestmark = pytest.mark.usefixtures("beside_the_first")


@pytest.mark.parametrize(
    ("recipe", "task", "policy"),
    [
        (VANILLA, "countdown(numbers=3)", "tabular"),
        ("seed · cot(k=8) · vote · correct(threshold=0.5) · sft", "countdown(numbers=3)", "tabular"),
        ("seed · cot(k=4) · noisy(0.2, 0.1) · correct · sft", "add(digits=2)", "tiny"),
    ],
)
def test_a_run_that_grows_is_measured_as_a_whole_one(tmp_path, recipe, task, policy):
    sizes = Sizes(train=15, heldout=15, beyond=5, samples=6)
    found = run(recipe, task, policy, rounds=3, problems=sizes, seed=1, folder=tmp_path / "a")
    held, grown = None, 0
    for upto in range(1, found.rounds_done + 1):
        marks, whole = measured.marks_of(found)[:upto], Part(found, range(upto))
        fresh = None if held is None else measured.grown(whole, held, marks)
        grown += fresh is not None
        expected = measure(whole)
        held = fresh or Measured(marks, tuple(whole.columns()), expected)
        assert_frame_equal(held.table, expected, check_exact=True)
        assert held.table.attrs == expected.attrs
        assert held.marks == marks
    assert grown >= 1  # the ground of most rounds is one


def test_a_round_with_fewer_samples_moves_the_ground_and_is_measured_with_all(tmp_path, whole):
    part = part_of(whole, tmp_path / "star", 2)
    held = measured.measured(part)
    rows = whole.rows(2)
    with Writer(part.folder) as writer:
        info = {"policy": "x", "closing": False, "seconds": 1.0}
        writer.save_round(2, rows[(rows["sample"] < 5).to_numpy(bool)], info, lambda place: None)
    assert measured.grown(Part(part, range(3)), held, measured.marks_of(part)) is None
    assert_frame_equal(measured.measured(part, held).table, measure(part))


def test_rounds_that_went_are_forgotten(tmp_path, whole):
    part = part_of(whole, tmp_path / "star", 3)
    held = measured.measured(part)
    shutil.rmtree(part.folder / "rounds" / "0002")
    again = measured.measured(part, held)
    assert len(again.marks) == 2
    assert_frame_equal(again.table, measure(part))


def test_what_did_not_change_is_not_measured(whole, monkeypatch):
    held = measured.measured(whole)
    monkeypatch.setattr(measured, "measure", lambda *_: pytest.fail("measured again"))
    assert measured.measured(whole, held) is held


def test_only_a_few_are_remembered():
    recent = Recent(2)
    for key in "abca":
        recent.keep(key, key.upper())
    assert [recent.get(key) for key in "abc"] == ["A", None, "C"]


def test_columns_without_texts_are_read_once(whole, monkeypatch):
    part = Part(whole, range(2))
    first = [rows for rows in part.iter_rows(["run", "gold"])]
    monkeypatch.setattr(type(whole), "iter_rows", lambda *_: pytest.fail("read again"))
    assert [list(rows.columns) for rows in part.iter_rows(["gold", "split"])] == [["gold", "split"]] * 2
    assert sum(map(len, first)) == len(whole.rows([0, 1], ["gold"]))
