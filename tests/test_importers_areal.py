"""AReaL's trajectories: the figures of the real files, and what the format hides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_lines import LOGS, figures, logs_of, said, survives, write
from siwork.importers.trainers import from_areal
from siwork.schema import ImportFormatError

LINE = {
    "task_id": 9,
    "sample_idx": 0,
    "seqlen": 14,
    "prompt_len": 9,
    "head_version": -1,
    "tail_version": 1,
    "reward": 0.0,
    "prompt": "What is 9 + 2? ",
    "completion": "= 12<|eos|>",
}
TRIAL = LOGS / "areal/logs/user/toy/trial0"


def test_the_figures_of_the_real_files():
    assert figures(from_areal(TRIAL, gold="reward").rows) == {
        0: (32, 8, 0.2812, 0.8438),
        1: (32, 8, 0.4375, 0.8750),
        2: (32, 8, 0.3750, 0.8125),
        3: (32, 8, 0.4688, 0.7812),
    }


@pytest.mark.parametrize("path", [LOGS / "areal", TRIAL, TRIAL / "rollout"])
def test_a_trial_is_found_from_above_and_below(path):
    found = from_areal(path)
    assert len(found.rows) == 128
    assert found.report.run == "trial0"


def test_one_version_and_one_file():
    assert set(from_areal(TRIAL / "rollout/2").rows["round"]) == {2}
    assert len(from_areal(TRIAL / "rollout/2/16.jsonl").rows) == 4


def test_special_tokens_stay_and_the_prompt_is_not_counted():
    rows = from_areal(TRIAL).rows
    assert rows["response"].str.endswith("<|eos|>").all()
    assert rows["n_tokens"].between(2, 30).all()


def test_evaluations_are_held_out(tmp_path):
    write(tmp_path / "rollout/1/0.jsonl", [LINE])
    write(tmp_path / "eval-rollout/1/0.jsonl", [LINE, {**LINE, "sample_idx": 1}])
    assert from_areal(tmp_path).rows["split"].value_counts().to_dict() == {"train": 1, "heldout": 2}
    assert set(from_areal(tmp_path / "eval-rollout/1/0.jsonl").rows["split"]) == {"heldout"}


def test_task_numbers_tell_no_problem(tmp_path):
    write(tmp_path / "rollout/1/0.jsonl", [LINE, {**LINE, "prompt": "What is 1 + 1? "}])
    write(tmp_path / "rollout/2/7.jsonl", [LINE])
    found = from_areal(tmp_path)
    assert found.rows["problem"].nunique() == 2
    assert found.rows["sample"].tolist() == [0, 0, 0]
    assert "1 rows have the task and sample number of an earlier one" in said(found)


def test_versions_go_by_number_and_the_folder_is_believed(tmp_path):
    for version in (10, 9):
        write(tmp_path / f"rollout/{version}/0.jsonl", [{**LINE, "head_version": 3, "tail_version": 9}])
    found = from_areal(tmp_path)
    assert found.rows["round"].tolist() == [9, 10]
    assert "1 rows name another version than their folder" in said(found)
    assert "2 completions were begun by an earlier version" in said(found)


def test_rejected_ones_are_said_to_be_there():
    assert "acceptance test rejected" in said(from_areal(TRIAL))


def test_several_trials_are_not_mixed(tmp_path):
    for trial in ("a", "b"):
        write(tmp_path / trial / "rollout/0/0.jsonl", [LINE])
    with pytest.raises(ImportFormatError, match=r"holds 2 trials, .*a and others; name one of them"):
        from_areal(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(ImportFormatError, match=r"set rollout\.dump_to_file"):
        from_areal(tmp_path)
    with pytest.raises(ImportFormatError, match="does not exist"):
        from_areal(tmp_path / "lost")


def test_lines_that_cannot_be_read_are_counted(tmp_path):
    place = write(tmp_path / "rollout/1/0.jsonl", [LINE, {**LINE, "prompt": None}, [1]])
    place.write_text(place.read_text() + '{"prompt": "cut')
    report = from_areal(tmp_path).report
    assert report.skipped == 3
    assert "0.jsonl line 2: prompt, completion and a version are expected" in report.places


@given(lines=logs_of(LINE), name=st.sampled_from(["rollout/1/0.jsonl", "0.jsonl"]))
def test_any_line_gives_rows_or_one_error(lines, name):
    survives(from_areal, name, lines)
