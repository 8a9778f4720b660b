"""OpenAI-style batches: requests and responses joined, and every trap of the format."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_values import anything, written
from siwork.importers.evaluations import from_openai_batch
from siwork.schema import ImportFormatError, KnobError


def asked(name, prompt="2 + 2?", **body):
    message = [{"role": "user", "content": prompt}]
    return {
        "custom_id": name,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": message, **body},
    }


def answered(name, *texts, id=None, usage=None, **choice):
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **choice}
        for i, text in enumerate(texts)
    ]
    body = {"id": id or f"chat-{name}", "model": "m", "choices": choices, "usage": usage or {"completion_tokens": 3}}
    return {"id": "b", "custom_id": name, "response": {"status_code": 200, "body": body}, "error": None}


def write(place, lines):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return place


@pytest.fixture
def batch(tmp_path):
    return lambda lines, requests=None, **more: from_openai_batch(
        write(tmp_path / "out.jsonl", lines),
        input=None if requests is None else write(tmp_path / "in.jsonl", requests),
        **more,
    )


def notes(found):
    return " ".join(found.report.notes)


def test_order_is_not_kept_so_the_id_joins(batch):
    found = batch(
        [answered("b", "5"), answered("a", "4", "44")],
        [asked("a", temperature=0.5), asked("b", "2 + 3?", temperature=0.5)],
        gold=lambda row: row["response"] == "5",
    )
    rows = found.rows
    assert rows[["prompt", "sample", "response"]].values.tolist() == [
        ["2 + 3?", 0, "5"],
        ["2 + 2?", 0, "4"],
        ["2 + 2?", 1, "44"],
    ]
    assert rows["gold"].tolist() == [True, False, False]
    assert rows["temperature"].unique().tolist() == [0.5]
    assert rows["finished"].all()


def test_requests_of_one_prompt_are_samples_of_one_problem(batch):
    found = batch([answered("a-1", "4"), answered("a-2", "5")], [asked("a-1"), asked("a-2")])
    assert found.rows["problem"].nunique() == 1
    assert found.rows["sample"].tolist() == [0, 1]


def test_without_the_input_prompts_are_unknown_and_ids_are_problems(batch):
    found = batch([answered("a", "4", "5"), answered("b", "4")])
    assert found.rows["problem"].tolist() == ["a", "a", "b"]
    assert "Prompts are in the input file only, pass input=" in notes(found)


def test_ids_that_hold_problem_round_and_sample(batch):
    lines = [answered(f"q{q}-r{r}-s{s}", "4") for q in range(2) for r in (0, 8) for s in range(2)]
    found = batch([*lines, answered("odd", "4")], custom_id=r"(?P<problem>q\d+)-r(?P<round>\d+)-s(?P<sample>\d+)$")
    assert found.rows.groupby(["round", "problem"]).size().tolist() == [2, 2, 2, 2]
    assert found.rows["round"].unique().tolist() == [0, 8]
    assert "custom_id 'odd' does not fit the expression" in found.report.places
    for wrong in ("(", "no groups", "(?P<step>x)"):
        with pytest.raises(KnobError, match="custom_id"):
            batch(lines, custom_id=wrong)


def test_a_folder_of_outputs_is_a_round_each(tmp_path):
    for step in (2, 10):
        write(tmp_path / "out" / f"step_{step}.jsonl", [answered("a", str(step))])
    found = from_openai_batch(tmp_path / "out", input=write(tmp_path / "in.jsonl", [asked("a")]))
    assert found.rows[["round", "response"]].values.tolist() == [[2, "2"], [10, "10"]]
    assert found.report.run == "out"


def test_requests_that_failed_are_counted(batch):
    failed = {"custom_id": "b", "response": None, "error": {"code": "batch_expired", "message": "late"}}
    refused = {"custom_id": "c", "response": {"status_code": 429, "body": {}}, "error": None}
    empty = answered("d", None)
    found = batch([answered("a", "4"), failed, refused, empty, answered("e", "4")], [asked(n) for n in "abcdf"])
    assert found.report.skipped == 4
    assert "line 2: the request failed (batch_expired)" in found.report.places
    assert "line 3: the request failed (status 429)" in found.report.places
    assert "3 requests of the input have no response" in notes(found)


def test_repeats_and_ids_used_twice(batch):
    found = batch(
        [answered("a", "4"), answered("a", "4"), answered("a", "5", id="other")], [asked("a"), asked("a", "another?")]
    )
    assert found.rows["response"].tolist() == ["4", "5"]
    assert "1 lines repeat a response" in notes(found)
    assert "1 lines of the input use the custom_id of another request" in notes(found)


def test_tokens_and_log_probabilities(batch):
    logprobs = {"content": [{"token": "4", "logprob": -0.5}, {"token": ".", "logprob": -0.25}]}
    cut = answered("a", "4", logprobs=logprobs, finish_reason="length")
    found = batch([cut], [asked("a")])
    assert found.rows[["logp", "n_tokens", "finished"]].values.tolist() == [[-0.75, 3, False]]
    warm = batch([cut], [asked("a", temperature=2.0)])
    assert "logp" not in warm.rows or warm.rows["logp"].isna().all()
    several = batch([answered("a", "4", "5"), answered("b", "4", finish_reason="content_filter")])
    assert several.rows["n_tokens"].isna().tolist() == [True, True, False]  # one count for two choices
    assert several.rows["finished"].isna().tolist() == [False, False, True]
    assert "the number of tokens is known of 33% of the completions" in " ".join(str(several).split())


def test_completions_and_parts_of_content(batch):
    text = {"custom_id": "a", "response": {"body": {"choices": [{"text": "4"}]}}}
    parts = answered("b", [{"type": "text", "text": "5"}])
    found = batch([text, parts], [{"custom_id": "a", "body": {"prompt": "2 + 2?"}}, asked("b")])
    assert found.rows["response"].tolist() == ["4", "5"]


def test_no_responses(tmp_path, batch):
    with pytest.raises(ImportFormatError, match="no completion was found"):
        batch([])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportFormatError, match=r"holds no \.jsonl file"):
        from_openai_batch(tmp_path / "empty")


@given(
    st.lists(st.one_of(anything(answered("a", "4")), st.binary(max_size=30)), max_size=5),
    st.lists(anything(asked("a")), max_size=3),
)
def test_any_lines(tmp_path_factory, lines, requests):
    home = tmp_path_factory.mktemp("any")
    (home / "out.jsonl").write_bytes(written([answered("sure", "here"), *lines]))
    (home / "in.jsonl").write_bytes(written([asked("sure"), *requests]))
    for input in (None, home / "in.jsonl"):
        assert "here" in set(from_openai_batch(home / "out.jsonl", input=input).rows["response"])
