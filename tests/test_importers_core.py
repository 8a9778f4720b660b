"""What all readers share: lines, values, identity, truth, the report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs import LOGS
from siwork import diagnose, from_trl, from_verl, measure
from siwork.files import lines
from siwork.files.lines import Skips, document, existing, files, folders, objects
from siwork.files.values import real, said, text, truth, whole
from siwork.importers.found import Found, together
from siwork.importers.identity import first_of_repeats, normalised, problems_of
from siwork.importers.imported import assembled
from siwork.schema import ImportFormatError, KnobError
from siwork.tasks import task

QUESTION = "What is 6 + 5?"
TEMPLATED = [
    "<|im_start|>user\nWhat is 6 + 5?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nWhat is 6 + 5?<|im_end|>\n<|im_start|>assistant\n<think>\n".removesuffix("<think>\n"),
    "user\nWhat is 6 + 5?\nassistant\n",
    "user\nWhat is 6 + 5?\nassistant\n<think>\n",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat is 6 + 5?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<bos><start_of_turn>user\nWhat is 6 + 5?<end_of_turn>\n<start_of_turn>model\n",
    "<s>[INST] What is 6 + 5? [/INST]",
    "<｜begin▁of▁sentence｜><｜User｜>What is 6 + 5?<｜Assistant｜>",
    "<|user|>\nWhat is 6 + 5?<|end|>\n<|assistant|>\n",
    "  What  is\n6 + 5? ",
]


def found(**columns):
    """What a reader of completions with these columns has found."""
    size = len(next(iter(columns.values())))
    base = {"round": [0] * size, "split": ["train"] * size, "prompt": ["p"] * size, "response": ["r"] * size}
    return Found("made up", "run", pa.table(base | columns), Skips())


# ── lines ──────────────────────────────────────────────────────────────────────────────────────────────
def test_a_line_without_end_is_never_held_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST", 1 << 10)
    (tmp_path / "x").write_text('{"a": 1}\n{"b": "' + "x" * 5000 + '"}\n{"c": 2}\n')
    skips = Skips()
    assert [one for _, one in objects(tmp_path / "x", skips)] == [{"a": 1}, {"c": 2}]
    assert skips.count == 1


def test_places_are_counted_all_and_told_first(tmp_path):
    (tmp_path / "x").write_text("{\n" * 100)
    skips = Skips()
    assert list(objects(tmp_path / "x", skips)) == []
    assert (skips.count, len(skips.first)) == (100, 20)
    assert str(skips).endswith("and 97 more")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_other_encodings_are_read_or_counted(tmp_path, encoding):
    (tmp_path / "x").write_bytes(json.dumps({"a": "é"}, ensure_ascii=False).encode(encoding))
    skips = Skips()
    got = [one for _, one in objects(tmp_path / "x", skips)]
    assert got == [{"a": "é"}] or skips.count == 1


def test_files_are_those_of_one_folder_with_numbers_in_order_and_no_loops(tmp_path):
    for name in ("10.jsonl", "9.jsonl", "x.jsonl", "9.jsonl.tmp"):
        (tmp_path / name).write_text("")
    (tmp_path / "3.jsonl").symlink_to(tmp_path / "3.jsonl")
    (tmp_path / "step_2").mkdir()
    (tmp_path / "step_1").symlink_to(tmp_path)
    assert [place.name for place in files(tmp_path, r"\d+\.jsonl")] == ["9.jsonl", "10.jsonl"]
    assert [place.name for place in folders(tmp_path, r"step_\d+")] == ["step_2"]


def test_what_the_system_refuses_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for refused in (lambda: files(tmp_path / "file", "x"), lambda: folders(tmp_path / "file", "x")):
        with pytest.raises(ImportFormatError, match="cannot be listed"):
            refused()
    with pytest.raises(ImportFormatError, match="cannot be read"):
        list(objects(tmp_path / "none", Skips()))
    with pytest.raises(ImportFormatError, match="no JSON"):
        document(tmp_path / "file")
    with pytest.raises(ImportFormatError, match="does not exist; beside it: file"):
        existing(tmp_path / "none")


# ── values ─────────────────────────────────────────────────────────────────────────────────────────────
@given(st.text(st.characters(exclude_categories=())))
def test_text_can_always_be_stored(value):
    assert text(value).encode() or not value
    if all(not 0xD800 <= ord(c) <= 0xDFFF for c in value):
        assert text(value) == value


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_numbers_and_truths_never_fail(value):
    assert real(value) is None or np.isfinite(real(value))
    assert whole(value) is None or abs(whole(value)) < 2**63
    assert truth(value) in (None, True, False)


def test_messages_without_content_and_parts_of_other_kinds():
    assert said([{"role": "user"}]) == ""
    assert said([{"role": "user", "content": [{"type": "image"}, {"text": "a"}, "b"]}]) == "ab"
    assert said([]) is None
    assert said([3]) is None


# ── identity ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("prompt", TEMPLATED)
def test_a_prompt_is_the_same_before_and_after_templating(prompt):
    assert normalised(prompt) == QUESTION


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing_for_plain_text(prompt):
    once = normalised(prompt)
    assert (
        normalised(once) == once or "<" in prompt or "[" in prompt or prompt[:7].lower().startswith(("user", "system"))
    )


def test_merged_prompts_and_ids_that_clash_are_told():
    merged = problems_of(found(prompt=["a b", "a  b", "c"]).table)
    assert merged.problem.nunique() == 2
    assert merged.notes[0].startswith("1 prompts differ from another one only in white space")
    believed = problems_of(found(prompt=["a", "b"], key=["1", "1"]).table)
    assert believed.problem.tolist() == ["1", "1"]
    assert believed.notes[0].startswith("1 of 1 problem ids stand before different prompts")


def test_problems_are_the_same_in_every_log_that_holds_them():
    one = from_verl(LOGS / "verl" / "rollout_v0").rows.drop_duplicates("problem")
    other = from_verl(LOGS / "verl" / "rollout_v1").rows.drop_duplicates("problem")
    both = one.merge(other, on="prompt")
    assert (both["problem_x"] == both["problem_y"]).all()


def test_only_whole_batches_that_come_again_are_left_out():
    table = pa.table({"response": list("abab") + list("abc"), "round": [0, 0, 1, 1, 2, 2, 2]})
    keep, repeated = first_of_repeats(table, [0, 0, 1, 1, 2, 2, 2])
    assert (keep.tolist(), repeated) == ([True, True, False, False, True, True, True], 1)


# ── truth, score, answer ───────────────────────────────────────────────────────────────────────────────
def test_truth_by_function_and_by_task():
    rows = assembled(found(response=["1", "2"]), {"gold": lambda row: row["response"] == "1"}).rows
    assert rows["gold"].tolist() == [True, False]
    known = next(task("countdown").problems("train", 1).itertuples())
    made = assembled(found(prompt=[known.prompt] * 2, response=[known.answer, "?"]), {"gold": task("countdown")}).rows
    assert made["gold"].tolist() == [True, False]
    assert made["answer"].tolist()[0] == known.answer
    assert made["answer"].isna().tolist() == [False, True]
    with pytest.raises(KnobError, match="gold must be a column, a function of a row or a task, got int"):
        assembled(found(response=["1"]), {"gold": 3})


def test_answers_by_column_and_by_function():
    rows = assembled(found(response=["= 3", "= 4"]), {"answer": lambda said: said[2:]}).rows
    assert rows["answer"].tolist() == ["3", "4"]
    with pytest.raises(KnobError, match="answer must be a column or a function"):
        assembled(found(response=["1"]), {"answer": 3})


def test_the_logs_own_sample_numbers_are_kept_where_they_tell_all_apart():
    assert assembled(found(sample=[3, 1]), {}).rows["sample"].tolist() == [3, 1]
    assert assembled(found(sample=[1, 1]), {}).rows["sample"].tolist() == [0, 1]


def test_what_is_not_known_is_not_shown_as_empty_or_0():
    made = assembled(found(response=["a", None, "c"], prompt=["p", "p", None], advantage=[0.5, 0.5, 0.5]), {})
    assert made.rows["response"].tolist() == ["a"]
    assert "2 completions without a prompt or a response were left out." in made.report.notes
    made = assembled(found(response=["a", "b"], advantage=[0.5, None]), {})
    assert "weight" not in made.rows
    assert made.report.notes[-1].startswith("1 advantages are not known")
    half = found(split=["train", "heldout"], response=["a", "b"], advantage=[0.5, None])
    assert assembled(half, {}).rows["weight"].tolist() == [1.0, 0.0]


def test_a_verifier_is_judged_where_score_and_truth_are_known():
    def asked(score, gold):
        report = assembled(found(score=pa.array(score, pa.float64()), gold=gold), {}).report
        return next(one for one in report.capabilities if one.question == "Can the verifier be believed?")

    assert asked([1.0, 0.2, None], [True, False, True]).can == "yes"
    assert asked([1.0, 0.0, None], [True, False, True]).why.startswith("score and truth are the same")
    assert asked([1.0, None], [None, True]).why.startswith("no row has both")


@pytest.mark.parametrize("values", [["x", "y"], [None, None]])
def test_a_score_without_numbers_is_a_sentence(values):
    with pytest.raises(KnobError, match="score='odd': the column holds no number"):
        assembled(found(log_odd=pa.array(values, pa.string())), {"score": "odd"})


def test_no_completion_is_an_error():
    nothing = Found("made up", "run", together([]), Skips())
    for path, place in ((None, "run"), ("a/log", "a/log"), (pd.DataFrame(), "run")):
        with pytest.raises(ImportFormatError, match=f"no completion was found in '{place}' as made up"):
            assembled(nothing, {}, path)


# ── the report ─────────────────────────────────────────────────────────────────────────────────────────
def test_missing_metrics_are_those_that_measure_cannot_have():
    found_ = from_verl(LOGS / "verl" / "rollout_v0")
    table = measure(found_.rows)
    unknown = set(table.loc[table["value"].isna() & table["method"].str.startswith("rows lack"), "metric"])
    stems = {name.removesuffix("_change") for name in unknown}
    assert stems <= {name.removesuffix("_change") for name in found_.report.missing}
    known = set(table.loc[table["value"].notna(), "metric"])
    assert not known & set(found_.report.missing)


def test_the_report_as_text_table_and_page():
    found_ = from_trl(LOGS / "trl" / "grpo_text", gold="correctness", run="<img src=x>")
    assert repr(found_) == str(found_.report)
    assert max(map(len, str(found_.report).splitlines())) <= 100
    assert list(found_.report.table) == ["question", "can", "why", "next"]
    assert set(found_.report.table["can"]) <= {"yes", "partly", "no"}
    page = found_._repr_html_()
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page


def test_a_run_whose_problems_never_come_again_is_compared_only_partly():
    rounds = [0, 0, 1, 1]
    report = assembled(found(round=rounds, prompt=list("abcd"), response=list("wxyz")), {}).report
    assert report.capabilities[0].can == "partly"
    assert "0% of the first's problems are in the last" in report.capabilities[0].why
    single = assembled(found(response=["x"]), {}).report
    assert single.capabilities[0].can == "no"


def test_rows_are_ready_for_verdicts_and_panels():
    from siwork_widgets.watch.opening import opened

    found_ = from_verl(LOGS / "verl" / "rollout_v0")
    assert diagnose(measure(found_.rows)).runs == ["rollout_v0"]
    (run,) = opened(found_)
    assert run.rounds_done == 12
    assert isinstance(run.rows(11), pd.DataFrame)
