"""SkyRL's evaluations. No real file is at hand: the lines are written as `dump_per_dataset_eval_results` at a956457 writes them."""

import pandas as pd
import pytest
from hypothesis import given

from foreign_lines import logs_of, said, survives, write
from siwork.importers.trainers import from_skyrl
from siwork.schema import ImportFormatError

LINE = {
    "input_prompt": "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n",
    "output_response": "4<|im_end|>",
    "score": 1.0,
    "stop_reason": "stop",
    "env_class": "gsm8k",
    "env_extras": {"reward_spec": {"method": "rule", "ground_truth": "4"}},
    "data_source": "sums",
}


def dump(home, step, *lines, source="sums"):
    return write(home / f"dumped_evals/global_step_{step}_evals/{source}.jsonl", lines)


def test_steps_go_by_number_and_all_is_held_out(tmp_path):
    for step in (10, 9):
        dump(tmp_path, step, LINE, {**LINE, "score": 0.0, "output_response": "5<|im_end|>"})
    found = from_skyrl(tmp_path, gold="score")
    assert found.rows["round"].tolist() == [9, 9, 10, 10]
    assert set(found.rows["split"]) == {"heldout"}
    assert found.rows["sample"].tolist() == [0, 1, 0, 1]
    assert found.rows["gold"].tolist() == [True, False] * 2
    assert (found.rows["prompt"][0], found.rows["response"][0]) == ("2 + 2?", "4<|im_end|>")
    assert found.report.run == tmp_path.name


@pytest.mark.parametrize(
    "path", ["dumped_evals", "dumped_evals/global_step_9_evals", "dumped_evals/global_step_9_evals/sums.jsonl"]
)
def test_dumps_are_found_from_above_and_below(tmp_path, path):
    dump(tmp_path, 9, LINE)
    found = from_skyrl(tmp_path / path)
    assert found.rows["round"].tolist() == [9]
    assert found.report.run == tmp_path.name


def test_aggregated_results_hold_no_completions(tmp_path):
    dump(tmp_path, 9, LINE)
    dump(tmp_path, 9, {"eval/all/avg_score": 0.5}, source="aggregated_results")
    found = from_skyrl(tmp_path)
    assert (len(found.rows), found.report.skipped) == (1, 0)


def test_a_score_a_token_is_summed_and_said(tmp_path):
    dump(tmp_path, 1, {**LINE, "score": [0.0, 0.25, 0.5]}, {**LINE, "score": []}, {**LINE, "score": [None]}, LINE)
    found = from_skyrl(tmp_path)
    scores = found.rows["reward_score"]
    assert scores.dropna().tolist() == [0.75, 0.0, 1.0]
    assert scores.isna().tolist() == [False, False, True, False]
    assert "3 scores are lists of one number a token; their sums were taken" in said(found)


def test_sources_are_kept_apart_by_their_name(tmp_path):
    dump(tmp_path, 1, LINE)
    dump(tmp_path, 1, {**LINE, "data_source": "words", "input_prompt": "say a"}, source="words")
    assert sorted(from_skyrl(tmp_path).rows["log_data_source"]) == ["sums", "words"]


def test_one_prompt_with_two_right_answers_is_two_problems(tmp_path):
    dump(
        tmp_path,
        1,
        LINE,
        {**LINE, "env_extras": {"reward_spec": {"ground_truth": ["5"]}}},
        {**LINE, "env_extras": None},
    )
    assert from_skyrl(tmp_path).rows["problem"].nunique() == 3


def test_ends(tmp_path):
    dump(tmp_path, 1, LINE, {**LINE, "stop_reason": "length"})
    assert from_skyrl(tmp_path).rows["finished"].tolist() == [True, False]
    dump(tmp_path, 1, LINE, {**LINE, "stop_reason": None})
    found = from_skyrl(tmp_path)
    assert found.rows["finished"].tolist() == [True, pd.NA]
    assert "whether a response ended is known of 50%" in " ".join(str(found).split())


def test_pickled_batches_are_left_alone_and_told(tmp_path):
    dump(tmp_path, 1, LINE)
    (tmp_path / "dumped_data").mkdir()
    (tmp_path / "dumped_data/global_step_1_training_input.pkl").write_bytes(b"\x80\x04.")
    assert "1 pickled files of training batches were left alone" in said(from_skyrl(tmp_path))
    assert "1 pickled files" in said(from_skyrl(tmp_path / "dumped_evals"))


def test_pickled_batches_alone_are_refused(tmp_path):
    (tmp_path / "dumped_data").mkdir()
    place = tmp_path / "dumped_data/global_step_1_training_input.pkl"
    place.write_bytes(b"\x80\x04.")
    for path in (tmp_path, place.parent, place):
        with pytest.raises(ImportFormatError, match="siwork never does; write JSON lines instead"):
            from_skyrl(path)


def test_a_file_outside_of_a_step_is_round_0(tmp_path):
    found = from_skyrl(write(tmp_path / "eval_only/sums.jsonl", [LINE]).parent)
    assert found.rows["round"].tolist() == [0]
    assert "1 files lie in no folder of a step" in said(found)


def test_lines_that_cannot_be_read_are_counted(tmp_path):
    dump(tmp_path, 1, LINE, {**LINE, "output_response": None})
    report = from_skyrl(tmp_path).report
    assert (
        report.places
        == "1 place could not be read: sums.jsonl line 2: input_prompt and output_response are expected, as texts"
    )


def test_nothing_there(tmp_path):
    with pytest.raises(ImportFormatError, match="name the trainer's export_path"):
        from_skyrl(tmp_path)


@given(lines=logs_of(LINE))
def test_any_line_gives_rows_or_one_error(lines):
    survives(from_skyrl, "global_step_3_evals/sums.jsonl", lines)
