"""verl's dumps: the figures of real files, and every trap of the format."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs import LOGS, counted, figures
from siwork import from_verl, measure
from siwork.schema import ImportFormatError

VERL = LOGS / "verl"


def write(folder, step, rows):
    """One file as verl writes it."""
    folder.mkdir(exist_ok=True)
    lines = [
        row if isinstance(row, str) else json.dumps({"gts": None, "score": 0.0, "step": step} | row) for row in rows
    ]
    (folder / f"{step}.jsonl").write_text("\n".join(lines) + "\n")


def row(prompt="p", response="r", **more):
    return {"input": prompt, "output": response, **more}


@pytest.mark.parametrize(
    ("name", "right"), [("rollout_v0", "gold"), ("rollout_v1", "score"), ("validation_v0", "gold")]
)
def test_figures_of_real_files(name, right):
    assert counted(from_verl(VERL / name).rows, right) == figures(f"verl/{name}")


def test_a_validation_beside_the_rollouts_is_held_out():
    rows = from_verl(VERL / "rollout_v0", validation=VERL / "validation_v0").rows
    assert counted(rows, split="heldout") == figures("verl/validation_v0")
    assert counted(rows, split="train") == figures("verl/rollout_v0")
    table = measure(rows, ["pass@1"])
    assert set(table["split"]) == {"train", "heldout"}


def test_role_words_without_marks_are_no_part_of_a_prompt():
    rows = from_verl(VERL / "rollout_v0").rows
    assert rows["prompt"].iloc[0] == "What is 6 + 5?"
    assert rows["answer"].iloc[0] == "11"


def test_steps_are_sorted_by_number(tmp_path):
    for step in (10, 9, 2):
        write(tmp_path, step, [row(response=str(step))])
    assert from_verl(tmp_path).rows["response"].tolist() == ["2", "9", "10"]


def test_samples_of_one_prompt_need_not_be_adjacent(tmp_path):
    write(tmp_path, 1, [row("a"), row("b"), row("a"), row("b")])
    rows = from_verl(tmp_path).rows
    assert rows["sample"].tolist() == [0, 0, 1, 1]


def test_one_prompt_with_two_right_answers_is_two_problems(tmp_path):
    write(tmp_path, 1, [row("a", gts="1"), row("a", gts="2")])
    found = from_verl(tmp_path)
    assert found.rows["problem"].nunique() == 2
    assert any("1 prompts come with different right answers" in note for note in found.report.notes)


def test_a_prompt_twice_in_a_batch_is_told(tmp_path):
    write(tmp_path, 1, [row("a"), row("a"), row("b"), row("c")])
    assert any("1 prompts came several times in one step" in note for note in from_verl(tmp_path).report.notes)


def test_dynamic_sampling_is_told(tmp_path):
    write(tmp_path, 1, [row(str(i // 2), score=float(i % 2)) for i in range(100)])
    assert any("dynamic sampling" in note for note in from_verl(tmp_path).report.notes)
    write(tmp_path, 1, [row(str(i // 2), score=float(i % 2)) for i in range(98)] + [row("x"), row("x")])
    assert not any("dynamic sampling" in note for note in from_verl(tmp_path).report.notes)


@pytest.mark.parametrize("value", [True, 1, 1.0, "True"])
def test_acc_is_truth_in_all_the_ways_it_is_written(tmp_path, value):
    write(tmp_path, 1, [row(acc=value)])
    assert from_verl(tmp_path).rows["gold"].tolist() == [True]


def test_scores_of_minus_one_and_one_are_scaled_when_asked_for(tmp_path):
    write(tmp_path, 1, [row(score=-1.0, acc=0.5), row(score=1.0, acc=True)])
    found = from_verl(tmp_path)
    assert "score" not in found.rows
    assert any("for it leaves 0 … 1: score (-1 … 1)" in note for note in found.report.notes)
    assert any("1 values of acc are neither true nor false" in note for note in found.report.notes)
    assert from_verl(tmp_path, score=("score", -1, 1)).rows["score"].tolist() == [0.0, 1.0]


def test_keys_that_come_and_go_and_bare_NaN(tmp_path):
    write(tmp_path, 1, [row(overlong=1.0)])
    write(tmp_path, 2, ['{"input": "p", "output": "r", "gts": null, "score": NaN, "step": 2}'])
    rows = from_verl(tmp_path).rows
    assert rows["reward_overlong"].tolist()[:1] == [1.0]
    assert rows["reward_score"].isna().tolist() == [False, True]


def test_extras_that_overwrite_base_names_are_counted_and_the_step_of_the_file_counts(tmp_path):
    write(tmp_path, 3, [row(step=99), {"input": [1], "output": "r"}, row()])
    found = from_verl(tmp_path)
    assert found.report.skipped == 1
    assert "3.jsonl line 2: input, output and a step are expected" in found.report.places
    assert found.rows["round"].unique().tolist() == [3]
    assert any("1 rows name another step" in note for note in found.report.notes)


def test_samples_of_trainer_v1_are_those_of_its_uid(tmp_path):
    write(tmp_path, 1, [row(uid="u_1_0", response="b"), row(uid="u_0_0", response="a")])
    rows = from_verl(tmp_path).rows
    assert rows.set_index("response")["sample"].to_dict() == {"a": 0, "b": 1}
    write(tmp_path, 1, [row(uid="u_0_0", response="b"), row(uid="u_0_1", response="a")])
    found = from_verl(tmp_path)
    assert found.rows["sample"].tolist() == [0, 1]
    assert any("further outputs of one trajectory" in note for note in found.report.notes)


def test_lines_that_cannot_be_read_are_counted_and_the_last_one_may_be_unfinished(tmp_path):
    write(tmp_path, 1, [row(), "{", "[1]", "", '"x"', "[" * 100_000])
    with (tmp_path / "1.jsonl").open("a") as file:
        file.write('{"input": "p", "outp')
    found = from_verl(tmp_path)
    assert len(found.rows) == 1
    assert found.report.skipped == 5
    assert "line 3: a JSON object is expected, got list" in found.report.places


def test_halves_of_surrogates_and_huge_numbers_are_kept_out(tmp_path):
    big = "1" + "0" * 400
    line = json.dumps(row("\ud800p", "r\udc00", gts=int(big), score=int(big), step=1, acc=int(big)))
    write(tmp_path, 1, [line])
    rows = from_verl(tmp_path).rows
    assert rows["prompt"].tolist() == ["�p"]
    assert rows["response"].tolist() == ["r�"]


def test_what_is_no_dump_is_a_sentence(tmp_path):
    with pytest.raises(ImportFormatError, match=r"holds no <step>\.jsonl"):
        from_verl(tmp_path)
    (tmp_path / "1.jsonl").write_text("")
    with pytest.raises(ImportFormatError, match="no completion was found"):
        from_verl(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["input", "output", "gts", "score", "step", "acc", "pred", "uid", "reward", "x"]), VALUES
        )
    )
)
def test_rows_of_any_types_give_rows_or_a_sentence(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    lines = [json.dumps(each) for each in rows]
    (folder / "5.jsonl").write_text("\n".join([json.dumps(row()), *lines]) + "\n")
    found = from_verl(folder)
    assert len(found.rows) + found.report.skipped == len(rows) + 1
    assert measure(found.rows, ["mean_characters"])["value"].notna().all()


def test_a_folder_of_rollouts_and_validations_is_read_whole_and_gives_the_run_its_name(tmp_path):
    home = tmp_path / "first"
    for name, source in (("rollout", "rollout_v0"), ("validation", "validation_v0")):
        shutil.copytree(LOGS / "verl" / source, home / name)
    whole = from_verl(home)
    apart = from_verl(home / "rollout", validation=home / "validation")
    assert whole.rows["run"].unique().tolist() == apart.rows["run"].unique().tolist() == ["first"]
    assert whole.rows.equals(apart.rows)
    assert set(whole.rows["split"]) == {"train", "heldout"}
    shutil.copytree(home / "rollout", home / "another")
    with pytest.raises(ImportFormatError, match=r"holds no <step>\.jsonl"):
        from_verl(home)
