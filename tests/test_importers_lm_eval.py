"""lm-evaluation-harness: the figures of real runs, and every trap of the format."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_values import anything, written
from logs import LOGS, counted, figures
from siwork.importers.evaluations import from_lm_eval
from siwork.schema import ImportFormatError, KnobError

DATE = "2026-11-20T10-36-54.043320"


def last(row):
    """Right when the last whole number is the target."""
    return (re.findall(r"-?[0-9]+", row["response"]) or [None])[-1] == row["target"]


def line(doc=0, resps=("a", "b"), filtered=("a",), filter="none", **more):
    return {
        "doc_id": doc,
        "target": "a",
        "arguments": {"gen_args_0": {"arg_0": f"question {doc}", "arg_1": {"temperature": 1.0, "do_sample": True}}},
        "resps": [list(resps)],
        "filtered_resps": list(filtered),
        "filter": filter,
        "metrics": ["exact_match"],
        "doc_hash": f"{doc:064d}",
        **more,
    }


def write(folder, lines, task="sums", date=DATE):
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"samples_{task}_{date}.jsonl"
    place.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return place


def notes(found):
    return " ".join(found.report.notes)


def test_figures_of_a_real_run():
    found = from_lm_eval(LOGS / "lm_eval", gold=last)
    assert counted(found.rows) == figures("lm_eval/toy_sums")
    assert set(found.rows["split"]) == {"heldout"}
    assert found.rows["temperature"].unique().tolist() == [1.0]


def test_a_model_and_a_file_are_read_too():
    folder = LOGS / "lm_eval" / "ckpt-8"
    file = next(folder.glob("samples_*"))
    assert from_lm_eval(folder).rows["round"].unique().tolist() == [8]
    assert from_lm_eval(file).rows["round"].unique().tolist() == [8]


def test_the_lines_of_one_filter_are_read_and_their_metric_is_no_truth():
    found = from_lm_eval(LOGS / "lm_eval" / "ckpt-8")
    assert len(found.rows) == 48
    assert "'score-first' were read; those of 'maj@4' repeat the same samples" in notes(found)
    assert "exact_match belongs to the one response that the filter leaves" in notes(found)
    assert found.rows["gold"].isna().all()
    assert not [name for name in found.rows if "exact_match" in name]
    other = from_lm_eval(LOGS / "lm_eval" / "ckpt-8", filter="maj@4")
    assert "'maj@4' were read" in notes(other)


def test_an_unknown_filter_is_named():
    with pytest.raises(KnobError, match=r"filter='maj': .* nearest: 'maj@4'"):
        from_lm_eval(LOGS / "lm_eval", filter="maj")


def test_truth_is_rebuilt_where_the_filter_keeps_every_sample(tmp_path):
    lines = [line(0, filtered=["a"], filter="first", exact_match=1.0)]
    lines += [line(0, filtered=[["a", "b"]], filter="all", exact_match=0.5)]
    found = from_lm_eval(write(tmp_path / "ckpt-1", lines))
    assert found.rows["gold"].tolist() == [True, False]
    assert found.rows["answer"].tolist() == ["a", "b"]
    assert "a sample is right where its filtered value is the target" in notes(found)


def test_truth_is_not_rebuilt_where_the_metric_says_otherwise(tmp_path):
    long = line(0, filtered=[["18", "17"]], target="so it is #### 18", exact_match=0.5)
    found = from_lm_eval(write(tmp_path, [long]))
    assert found.rows["gold"].isna().all()
    assert "exact_match is not the share of filtered values that are the target" in notes(found)
    without = line(0, filtered=[["18", "17"]], target="so it is #### 18")
    assert from_lm_eval(write(tmp_path / "b", [without])).rows["gold"].isna().all()


def test_the_metric_of_a_single_sample_is_its_own(tmp_path):
    lines = [line(i, resps=["#### 18"], filtered=["18"], exact_match=float(i), f1=0.5) for i in range(2)]
    rows = from_lm_eval(write(tmp_path / "step-3", lines), score="f1").rows
    assert rows["gold"].tolist() == [False, True]
    assert rows["reward_f1"].tolist() == rows["score"].tolist() == [0.5, 0.5]


def test_the_newest_of_several_dates_is_read(tmp_path):
    write(tmp_path, [line(0, resps=["old"])], date="2026-11-20T09-00-00.000001")
    write(tmp_path, [line(0, resps=["new"])])
    found = from_lm_eval(tmp_path)
    assert found.rows["response"].tolist() == ["new"]
    assert "1 older file of the same model and task" in notes(found)


def test_models_without_a_step_are_counted_in_their_natural_order(tmp_path):
    for name in ("org__Qwen2.5-7B", "org__Qwen2.5-72B", "org__base"):
        write(tmp_path / name, [line(0, resps=[name])])
    found = from_lm_eval(tmp_path)
    assert dict(zip(found.rows["round"], found.rows["response"], strict=True)) == {
        0: "org__Qwen2.5-7B",
        1: "org__Qwen2.5-72B",
        2: "org__base",
    }
    assert "Round counts the names in order" in notes(found)


def test_two_tasks_have_problems_of_their_own(tmp_path):
    write(tmp_path, [line(0)], task="a")
    write(tmp_path, [line(0)], task="b")
    assert from_lm_eval(tmp_path).rows["problem"].nunique() == 2


def test_multiple_choice_is_refused_or_left_out(tmp_path):
    choice = line(0, resps=[["-1.5", "False"]])
    choice["resps"] = [[["-1.5", "False"]], [["-0.5", "True"]]]
    choice["arguments"] = {"gen_args_0": {"arg_0": "question", "arg_1": " yes"}}
    place = write(tmp_path, [choice], task="choice")
    with pytest.raises(ImportFormatError, match=r"log-probabilities of given choices.*generate_until"):
        from_lm_eval(place)
    write(tmp_path, [line(0)])
    found = from_lm_eval(tmp_path)
    assert len(found.rows) == 2
    assert "1 lines are of multiple choice" in notes(found)


def test_prompts_of_older_versions_and_of_servers(tmp_path):
    messages = json.dumps([{"role": "user", "content": "2 + 2?"}])
    lines = [
        line(0, arguments=[["old", {"until": []}]]),
        line(1, arguments={"gen_args_0": {"arg_0": [messages], "arg_1": {}}}),
        line(2, arguments={"gen_args_0": {"arg_0": '[{"broken', "arg_1": {}}}),
    ]
    found = from_lm_eval(write(tmp_path, lines))
    assert found.rows["prompt"].unique().tolist() == ["old", "2 + 2?", '[{"broken']
    assert "temperature" not in found.rows


def test_lines_that_were_appended_again_are_taken_once(tmp_path):
    found = from_lm_eval(write(tmp_path, [line(0), line(0), line(0, resps=["c"])]))
    assert found.rows["response"].tolist() == ["a", "b", "c"]
    assert "1 lines stand twice" in notes(found)


def test_what_is_wrong_is_counted_with_its_line(tmp_path):
    place = write(tmp_path, [line(0), {"doc_id": 1}, line(2, resps=[3]), line(3, resps=[])])
    with place.open("a") as file:
        file.write('{"doc_id": 4, "resps"')
    report = from_lm_eval(place).report
    assert report.skipped == 4
    assert f"{place.name} line 2: doc_id, arguments with a prompt and resps" in report.places


def test_no_samples(tmp_path):
    with pytest.raises(ImportFormatError, match="--log_samples"):
        from_lm_eval(tmp_path)
    with pytest.raises(ImportFormatError, match="does not exist"):
        from_lm_eval(tmp_path / "nowhere")
    with pytest.raises(ImportFormatError, match="no completion was found"):
        from_lm_eval(write(tmp_path, []))


@given(st.lists(st.one_of(anything(line(0)), st.binary(max_size=30)), max_size=6))
def test_any_lines(tmp_path_factory, lines):
    place = tmp_path_factory.mktemp("any") / "samples_x.jsonl"
    place.write_bytes(written([line(9), *lines]))
    assert {"a", "b"} <= set(from_lm_eval(place).rows["response"])
