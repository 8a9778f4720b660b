"""open-instruct's traces. No real file is at hand: the lines are written as `rl_utils.py` at e6c3044 writes its RolloutRecord."""

import math

import pandas as pd
import pytest
from hypothesis import given

from foreign_lines import logs_of, said, survives, write
from siwork.importers.trainers import from_open_instruct
from siwork.schema import ImportFormatError, KnobError

LINE = {
    "step": 1,
    "sample_idx": 0,
    "prompt_idx": 0,
    "prompt_tokens": [5, 6],
    "response_tokens": [7, 8, 2],
    "reward": 10.0,
    "advantage": 0.5,
    "finish_reason": "stop",
    "dataset": "gsm8k",
    "ground_truth": [7],
    "request_info": None,
    "logprobs": [-0.5, -0.25, 0.0],
}


def spelt(ids):
    return "".join(chr(97 + one) for one in ids)


def read(tmp_path, *lines, **asked):
    return from_open_instruct(write(tmp_path / "run_rollouts_000000.jsonl", lines).parent, **asked)


def test_ids_are_the_text_without_decode(tmp_path):
    found = read(tmp_path, LINE)
    assert (found.rows["prompt"][0], found.rows["response"][0]) == ("5 6", "7 8 2")
    assert "token ids and no text" in said(found)


def test_decode_gives_text(tmp_path):
    found = read(tmp_path, LINE, decode=spelt)
    assert (found.rows["prompt"][0], found.rows["response"][0]) == ("fg", "hic")
    assert "no text" not in said(found)


def test_what_is_known_of_a_completion(tmp_path):
    found = read(tmp_path, LINE, {**LINE, "sample_idx": 1, "finish_reason": "length"}, score=("reward", 0, 10))
    assert found.rows["logp"].tolist() == [-0.75] * 2
    assert found.rows["n_tokens"].tolist() == [3, 3]
    assert found.rows["finished"].tolist() == [True, False]
    assert found.rows["score"].tolist() == [1.0, 1.0]
    assert found.rows["weight"].tolist() == [1.0, 1.0]
    assert found.rows["log_dataset"].tolist() == ["gsm8k"] * 2


def test_the_number_of_a_prompt_is_its_place_in_the_batch_and_no_id(tmp_path):
    other = {**LINE, "step": 2, "prompt_tokens": [9]}
    rows = read(tmp_path, LINE, other, {**LINE, "step": 2, "prompt_idx": 1, "sample_idx": 1}).rows
    assert rows["problem"].nunique() == 2
    assert rows["problem"][0] == rows["problem"][2]


def test_one_prompt_with_two_right_answers_is_two_problems(tmp_path):
    assert read(tmp_path, LINE, {**LINE, "sample_idx": 1, "ground_truth": [8]}).rows["problem"].nunique() == 2
    assert read(tmp_path, {**LINE, "ground_truth": None}).rows["problem"].notna().all()


@pytest.mark.parametrize("logprobs", [None, [-0.5], [-0.5, None, 0.0], [-0.5, math.nan, 0.0], [0.5, 0.5, 0.5]])
def test_log_probabilities_that_cannot_be_are_unknown(tmp_path, logprobs):
    assert "logp" not in read(tmp_path, {**LINE, "logprobs": logprobs}).rows


def test_an_end_that_is_not_told_of_every_completion_is_unknown_there(tmp_path):
    found = read(tmp_path, LINE, {**LINE, "sample_idx": 1, "finish_reason": None})
    assert found.rows["finished"].tolist() == [True, pd.NA]
    assert "whether a response ended is known of 50%" in " ".join(str(found).split())


def test_tools_and_restarts_are_told(tmp_path):
    found = read(tmp_path, LINE, {**LINE, "request_info": {"num_calls": 1}})
    assert "1 completions called tools" in said(found)
    assert "1 rows have the step and sample number of an earlier one" in said(found)


def test_shards_follow_in_order_and_metadata_is_none(tmp_path):
    write(tmp_path / "run_metadata.jsonl", [{"model": "m"}])
    write(tmp_path / "run_rollouts_000001.jsonl", [{**LINE, "step": 2}])
    found = read(tmp_path, LINE)
    assert found.rows["round"].tolist() == [1, 2]
    assert found.report.run == "run"


def test_runs_are_not_mixed(tmp_path):
    write(tmp_path / "other_rollouts_000000.jsonl", [LINE])
    with pytest.raises(ImportFormatError, match="holds shards of 2 runs, other, run"):
        read(tmp_path, LINE)


def test_a_decode_that_fails_is_counted_and_one_that_is_none_is_refused(tmp_path):
    def fails_on_nine(ids):
        if 9 in ids:
            raise IndexError("piece id is out of range")
        return spelt(ids)

    report = read(tmp_path, LINE, {**LINE, "response_tokens": [9]}, decode=fails_on_nine).report
    assert (report.skipped, report.places.endswith("decode refuses the token ids")) == (1, True)
    with pytest.raises(KnobError, match="decode must be a function of a list of token ids, got int"):
        read(tmp_path, LINE, decode=3)
    with pytest.raises(KnobError, match="decode must give text, got list"):
        read(tmp_path, LINE, decode=list)


def test_lines_that_cannot_be_read_are_counted(tmp_path):
    report = read(
        tmp_path, LINE, {**LINE, "prompt_tokens": "5 6"}, {**LINE, "response_tokens": [1.5]}, {**LINE, "step": -1}
    ).report
    assert report.skipped == 3
    assert "line 2: step, prompt_tokens and response_tokens are expected" in report.places


def test_nothing_there(tmp_path):
    with pytest.raises(ImportFormatError, match="train with save_traces"):
        from_open_instruct(tmp_path)


@given(lines=logs_of(LINE))
def test_any_line_gives_rows_or_one_error(lines):
    survives(from_open_instruct, "run_rollouts_000000.jsonl", lines)
    survives(from_open_instruct, "run_rollouts_000000.jsonl", lines, decode=spelt)
