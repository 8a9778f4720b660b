"""ms-swift's completions. No real file is at hand: lines are written as `grpo_trainer.py` of ms-swift 4.6.0 writes them."""

import json
import math

import pytest
from hypothesis import given

from foreign_lines import logs_of, said, survives, write
from siwork.importers.trainers import from_swift
from siwork.schema import ImportFormatError


def line(step, answers, *, prompts=("2 + 2?", "3 + 3?"), **further):
    """One log call: a table of a row a completion, half of them of each prompt."""
    each = len(answers) // len(prompts)
    asked = [f"<|im_start|>user\n{p}<|im_end|>\n<|im_start|>assistant\n" for p in prompts for _ in range(each)]
    right = [float(answer == str(eval_of(p))) for p, answer in zip(asked, answers, strict=True)]
    table = {"step": [str(step)] * len(answers), "prompt": asked, "completion": list(answers), "acc": right}
    return {**table, "advantages": [r - 0.5 for r in right], **further}


def eval_of(prompt):
    return {"2": 4, "3": 6, "5": 10}[prompt.split("user\n")[1][0]]


FIRST, SECOND = line(1, ["4", "5", "6", "7"]), line(2, ["4", "4", "6", "1"])


def read(tmp_path, *lines, **asked):
    return from_swift(write(tmp_path / "completions.jsonl", lines), **asked)


def test_each_line_is_a_table(tmp_path):
    rows = read(tmp_path, FIRST, SECOND, gold="acc").rows
    assert rows["round"].tolist() == [1] * 4 + [2] * 4
    assert rows["prompt"].tolist() == (["2 + 2?"] * 2 + ["3 + 3?"] * 2) * 2
    assert rows["sample"].tolist() == [0, 1, 0, 1] * 2
    assert rows["problem"].nunique() == 2
    assert rows["gold"].mean() == 5 / 8
    assert set(rows["weight"]) == {1.0}


def test_solution_entropy_and_further_columns(tmp_path):
    one = line(
        1, ["4", "5", "6", "7"], solution=["4", "4", "6", "6"], entropy=[0.5, 0.25, math.nan, -1.0], num_turns=[1] * 4
    )
    rows = read(tmp_path, one).rows
    assert rows["entropy"].dropna().tolist() == [0.5, 0.25]
    assert rows["log_num_turns"].tolist() == ["1"] * 4
    assert rows["score"].tolist() == rows["reward_acc"].tolist()
    two = read(tmp_path, {**one, "prompt": [one["prompt"][0]] * 4})
    assert two.rows["problem"].nunique() == 2
    assert "1 prompts come with different right answers" in said(two)


def test_a_line_that_holds_the_same_rows_again_is_left_out(tmp_path):
    again = {**FIRST, "step": ["2"] * 4, "entropy": [0.1] * 4}
    found = read(tmp_path, {**FIRST, "entropy": [0.2] * 4}, again, {**SECOND, "step": ["3"] * 4})
    assert sorted(set(found.rows["round"])) == [1, 3]
    assert "1 lines hold the rows of another one again" in said(found)


def test_a_line_that_was_cut_and_then_grew_counts_once(tmp_path):
    cut = {name: values[:2] for name, values in FIRST.items()}
    found = read(tmp_path, cut, {**FIRST, "step": ["2"] * 4})
    assert found.rows["round"].tolist() == [2] * 4
    assert "1 lines hold the rows of another one again" in said(found)


def test_the_second_line_of_a_step_is_an_evaluation(tmp_path):
    found = read(tmp_path, FIRST, line(1, ["10", "9", "1", "2"], prompts=("5 + 5?",)), SECOND)
    assert found.rows["split"].tolist() == ["train"] * 4 + ["heldout"] * 4 + ["train"] * 4
    assert "1 lines are of evaluations" in said(found)
    assert "No trainer_state.json tells" in said(found)


def test_older_rows_of_the_queue_are_no_evaluation(tmp_path):
    held = line(1, ["10", "9"], prompts=("5 + 5?",))
    mixed = {name: FIRST[name][2:] + held[name] for name in FIRST}
    rows = read(tmp_path, FIRST, mixed).rows
    assert rows[rows["split"] == "heldout"]["response"].tolist() == ["10", "9"]


def test_the_trainer_state_tells_of_evaluations(tmp_path):
    state = {"log_history": [{"step": 1, "loss": 0.1}, {"step": 2, "eval_reward": 0.5}, 3]}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    found = read(tmp_path, FIRST, line(2, ["10", "9"], prompts=("5 + 5?",)))
    assert found.rows["split"].tolist() == ["train"] * 4 + ["heldout"] * 2
    assert "No trainer_state" not in said(found)


def test_the_newest_checkpoint_tells_it_too(tmp_path):
    for step, evaluated in ((9, []), (10, [{"step": 2, "eval_loss": 1.0}])):
        place = tmp_path / f"checkpoint-{step}/trainer_state.json"
        place.parent.mkdir()
        place.write_text(json.dumps({"log_history": evaluated}))
    assert "heldout" in set(read(tmp_path, FIRST, SECOND).rows["split"])


def test_lines_without_rewards_and_with_steps_of_generation(tmp_path):
    plain = {"gen_step": [3, 3], "prompt": ["a", "b"], "completion": ["c", "d"]}
    rows = read(tmp_path, plain).rows
    assert rows["round"].tolist() == [3, 3]
    assert not [name for name in rows if name.startswith("reward_")]


def test_a_version_folder_is_found_and_several_are_not_mixed(tmp_path):
    write(tmp_path / "v0-20260101-000000/completions.jsonl", [FIRST])
    assert from_swift(tmp_path).report.run == "v0-20260101-000000"
    write(tmp_path / "v1-20260102-000000/completions.jsonl", [FIRST])
    with pytest.raises(ImportFormatError, match="holds 2 versions of the run, v0-20260101-000000, v1-"):
        from_swift(tmp_path)


def test_columns_of_another_length_are_left_out_and_counted(tmp_path):
    found = read(tmp_path, {**FIRST, "acc": [1.0]})
    assert "reward_acc" not in found.rows
    assert "1 columns are longer or shorter" in said(found)


def test_lines_that_are_no_table_are_counted(tmp_path):
    report = read(tmp_path, FIRST, {**FIRST, "completion": ["4"]}, {"step": "1"}, {**FIRST, "step": ["x"] * 4}).report
    assert report.skipped == 6
    assert "line 2: step, prompt and completion differ in length" in report.places


def test_nothing_there(tmp_path):
    with pytest.raises(ImportFormatError, match="train with log_completions=True"):
        from_swift(tmp_path)


@given(lines=logs_of({**FIRST, "solution": ["4"] * 4, "entropy": [0.5] * 4}))
def test_any_line_gives_rows_or_one_error(lines):
    survives(from_swift, "completions.jsonl", lines)
