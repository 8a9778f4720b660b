"""TRL's completions: the figures of real runs, and every trap of the format."""

from __future__ import annotations

import json
import math
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from logs import LOGS, counted, figures
from siwork import diagnose, from_trl, measure
from siwork.schema import ImportFormatError, KnobError

TRL = LOGS / "trl"


def write(folder, step, prompts, completions, **columns):
    """One file as TRL writes it."""
    (folder / "completions").mkdir(parents=True, exist_ok=True)
    size = len(prompts)
    table = {"step": [step] * size, "prompt": prompts, "completion": completions, **columns}
    table.setdefault("advantage", [0.5, -0.5] * (size // 2) + [0.0] * (size % 2))
    pq.write_table(pa.table(table), folder / "completions" / f"completions_{step:05d}.parquet")


def four(step):
    return ["a", "a", "b", "b"], [f"{step}-{i}" for i in range(4)]


def test_a_state_whose_steps_are_no_numbers_tells_of_none(tmp_path):
    shutil.copytree(LOGS / "trl" / "grpo_text" / "completions", tmp_path / "completions")
    history = [{"step": step, "eval_loss": 1.0} for step in ({"a": 1}, [2], None, "3")]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history, "logging_steps": [1]}))
    assert set(from_trl(tmp_path).rows["split"]) == {"train"}


@pytest.mark.parametrize(
    ("name", "folder", "split"),
    [
        ("trl/grpo_text", "grpo_text", "train"),
        ("trl/grpo_chat", "grpo_chat", "train"),
        ("trl/grpo_reuse, unique", "grpo_reuse", "train"),
        ("trl/grpo_sparse_eval, train", "grpo_sparse_eval", "train"),
        ("trl/grpo_sparse_eval, eval", "grpo_sparse_eval", "heldout"),
    ],
)
def test_figures_of_real_runs(name, folder, split):
    rows = from_trl(TRL / folder, gold="correctness").rows
    assert counted(rows, split=split) == figures(name)


def test_a_diagnosis_in_two_lines():
    found = from_trl(TRL / "grpo_text", gold="correctness", score="format_tag")
    verdicts = diagnose(measure(found.rows))
    assert {v.name: v.state for v in verdicts}["verifier_calibration"] == "watch"
    assert {v.run for v in verdicts} == {"grpo_text"}


def test_what_the_report_says():
    report = from_trl(TRL / "grpo_reuse").report
    assert "9 of 12 files hold the rows of an earlier one again" in str(report).replace("\n           ", " ")
    by = dict(zip(report.table["question"], report.table["can"], strict=True))
    assert by["How often is it right (pass@k)?"] == "no"
    assert by["Do the texts grow alike?"] == "yes"
    assert any("correctness, format_tag" in one.next for one in report.capabilities)
    assert report.missing["pass@k"] == ("gold",)
    sparse = str(from_trl(TRL / "grpo_sparse_eval").report)
    assert "Steps 4, 8: an evaluation's rows stand where training rows were" in sparse
    assert "Logged every 2 steps" in sparse


def test_one_file_and_the_folder_of_completions_are_read_too():
    folder = TRL / "grpo_text" / "completions"
    assert from_trl(folder).report.run == "grpo_text"
    assert from_trl(folder / "completions_00003.parquet").rows["round"].unique().tolist() == [3]


def test_conversations_are_read_as_texts_and_extras_can_be_named():
    rows = from_trl(TRL / "grpo_chat", gold="correctness", answer="extracted").rows
    assert rows["prompt"].iloc[0] == "Compute 5 minus 1."
    assert rows["response"].iloc[0] == "I think it is 6, or 12."
    assert rows["answer"].iloc[0] == "12"
    assert rows["log_gold"].iloc[0] == "4"
    assert rows["reward_closeness"].isna().any()


def test_a_reward_that_leaves_0_to_1_is_scaled_only_when_its_range_is_said():
    with pytest.raises(
        KnobError, match=r"must lie in 0 … 1, got -9.8 … 0; say its range: score=\('closeness', -9.8, 1\)"
    ):
        from_trl(TRL / "grpo_chat", score="closeness")
    rows = from_trl(TRL / "grpo_chat", score=("closeness", -10, 0)).rows
    assert rows["score"].dropna().between(0, 1).all()
    assert rows["score"].isna().equals(rows["reward_closeness"].isna())
    with pytest.raises(KnobError, match="needs low < high"):
        from_trl(TRL / "grpo_chat", score=("closeness", 0, 0))


def test_no_score_is_guessed_among_several_rewards_but_a_single_one_is_the_score(tmp_path):
    assert "score" not in from_trl(TRL / "grpo_text").rows
    write(tmp_path / "one", 1, *four(1), exact=[1.0, 0.0, 0.0, 1.0])
    assert from_trl(tmp_path / "one").rows["score"].tolist() == [1.0, 0.0, 0.0, 1.0]


def test_what_was_trained_on_is_where_the_advantage_is_not_zero(tmp_path):
    write(tmp_path, 1, *four(1), advantage=[0.0, 0.0, 0.7, -0.7])
    assert from_trl(tmp_path).rows["weight"].tolist() == [0.0, 0.0, 1.0, 1.0]


def test_a_queue_that_holds_training_rows_before_those_of_an_evaluation(tmp_path):
    write(tmp_path, 1, *four(1))
    prompts, completions = four(1)
    write(tmp_path, 2, [*prompts[2:], "c", "c"], [*completions[2:], "x", "y"], advantage=[0.5, -0.5, 0.1, -0.1])
    state = {"log_history": [{"step": 1, "loss": 0.1}, {"step": 2, "eval_loss": 0.1}], "logging_steps": 1}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    rows = from_trl(tmp_path).rows
    assert rows.loc[rows["split"] == "heldout", "response"].tolist() == ["x", "y"]
    assert len(rows) == 6


def test_without_a_state_it_is_said_that_evaluations_cannot_be_told(tmp_path):
    write(tmp_path, 1, *four(1))
    assert "No trainer_state.json tells" in str(from_trl(tmp_path).report)


def test_a_reward_function_called_step_replaces_the_column_and_the_name_of_the_file_counts(tmp_path):
    write(tmp_path, 7, *four(7))
    place = tmp_path / "completions" / "completions_00007.parquet"
    table = pq.read_table(place)
    pq.write_table(table.set_column(0, "step", pa.array([0.1, 0.2, 0.3, 0.4])), place)
    assert from_trl(tmp_path).rows["round"].unique().tolist() == [7]


def test_files_of_a_distillation_have_no_rewards(tmp_path):
    (tmp_path / "completions").mkdir()
    table = pa.table({"step": [3, 3], "prompt": ["a", "b"], "completion": ["x", "y"]})
    pq.write_table(table, tmp_path / "completions" / "completions_00003.parquet")
    rows = from_trl(tmp_path).rows
    assert not {"score", "weight", "gold"} & set(rows)


def test_a_prompt_that_returns_in_one_file_is_one_problem(tmp_path):
    write(tmp_path, 1, ["a", "a", "b", "b", "a", "a"], list("uvwxyz"))
    rows = from_trl(tmp_path).rows
    assert rows.groupby("prompt")["sample"].apply(list).to_dict() == {"a": [0, 1, 2, 3], "b": [0, 1]}


def test_a_half_written_file_is_counted_and_the_rest_is_read(tmp_path):
    shutil.copytree(TRL / "grpo_text", tmp_path / "run")
    place = tmp_path / "run" / "completions" / "completions_00012.parquet"
    place.write_bytes(place.read_bytes()[:500])
    found = from_trl(tmp_path / "run")
    assert found.report.skipped == 1
    assert "completions_00012.parquet: no Parquet file" in found.report.places
    assert found.rows["round"].max() == 11


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"log_history": 3}', b'{"log_history": [1, {"step": "x"}]}'])
def test_a_trainer_state_of_another_shape_is_an_error_or_tells_nothing(tmp_path, content):
    write(tmp_path, 1, *four(1))
    (tmp_path / "trainer_state.json").write_bytes(content)
    found = from_trl(tmp_path)
    assert len(found.rows) == 4
    assert found.report.skipped == (content in (b"", b"{"))


def put(tmp_path, columns, names=None):
    table = {"prompt": ["a", "b"], "completion": ["c", "d"], "step": [1, 1], "advantage": [0.5, -0.5]} | columns
    pq.write_table(pa.table(list(table.values()), names=names or list(table)), tmp_path / "completions_00001.parquet")


def test_columns_of_other_types_are_read_or_unknown(tmp_path):
    odd = {
        "huge": [2**63 - 1, 0],
        "infinite": [math.inf, math.nan],
        "coded": pa.array([0.5, 1.0]).dictionary_encode(),
        "long": pa.array([2**62, 1], pa.duration("s")),
        "where": pa.array([1, 2], pa.timestamp("us", "Nowhere/Else")),
        "step": pa.array([2**64 - 1] * 2, pa.uint64()),
        "advantage": [math.nan, 0.5],
    }
    put(tmp_path, odd)
    rows = from_trl(tmp_path).rows
    assert rows["reward_huge"].tolist() == [2.0**63, 0.0]
    assert rows["reward_infinite"].isna().all()
    assert rows["reward_coded"].tolist() == [0.5, 1.0]
    assert rows["log_long"].isna().all()
    assert rows["log_where"].isna().all()
    assert rows["round"].tolist() == [0, 0]
    assert "weight" not in rows


def test_two_columns_of_one_name_and_bytes_that_are_no_text_are_counted(tmp_path):
    put(tmp_path, {}, ["prompt", "completion", "step", "step"])
    with pytest.raises(ImportFormatError, match="two columns have one name"):
        from_trl(tmp_path)
    put(tmp_path, {"prompt": pa.array([b"\xff", b"a"]).view(pa.string())})
    with pytest.raises(ImportFormatError, match="no Parquet file"):
        from_trl(tmp_path)


def test_what_is_no_log_of_trl_is_a_sentence(tmp_path):
    with pytest.raises(ImportFormatError, match=r"holds no completions_<step>\.parquet"):
        from_trl(tmp_path)
    with pytest.raises(ImportFormatError, match="nothing does not exist"):
        from_trl(tmp_path / "nothing")
    (tmp_path / "completions").mkdir()
    pq.write_table(pa.table({"prompt": ["a"]}), tmp_path / "completions" / "completions_00001.parquet")
    with pytest.raises(ImportFormatError, match="lacks the column 'completion'"):
        from_trl(tmp_path)
    pq.write_table(pa.table({"prompt": pa.array([], pa.string()), "completion": pa.array([], pa.string())}),
                   tmp_path / "completions" / "completions_00001.parquet")  # fmt: skip
    with pytest.raises(ImportFormatError, match="no completion was found"):
        from_trl(tmp_path)


def test_columns_that_are_not_there_are_named_with_the_nearest_one():
    with pytest.raises(KnobError, match="gold='corectness': the log has no such column; nearest: 'correctness'"):
        from_trl(TRL / "grpo_text", gold="corectness")
    with pytest.raises(ImportFormatError, match=r"truth is 0 or 1.*gold=lambda row: row\['reward_closeness'\] > 0.5"):
        from_trl(TRL / "grpo_chat", gold="closeness")
