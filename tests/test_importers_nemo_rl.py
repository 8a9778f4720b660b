"""NeMo-RL's batches: the figures of the real files, and what the format hides."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_lines import LOGS, figures, logs_of, said, survives, write
from siwork.importers.trainers import from_areal, from_nemo_rl, from_verifiers
from siwork.schema import ImportFormatError

EXP = LOGS / "nemo_rl/exp_001"
TRAIN = {
    "content": [["What is 2 + 2? ", "4<eos>"]],
    "rewards": [1.0],
    "input_lengths": [4],
    "token_ids": [[5, 6, 7, 1, 0, 0]],
    "token_loss_mask": [[0, 0, 1, 1, 0, 0]],
    "sample_loss_mask": [1.0],
    "advantages": [[0.0, 0.0, 0.5, 0.5, 0.0, 0.0]],
    "generation_logprobs": [[0.0, 0.0, -0.25, -0.5, 0.0, 0.0]],
    "prev_logprobs": [[0.0, 0.0, -0.3, -0.6, 0.0, 0.0]],
    "idx": 0,
}
VAL = {
    "content": [[{"role": "user", "content": "What is 2 + 2? "}, {"role": "assistant", "content": "4<eos>"}]],
    "rewards": [1.0],
    "idx": 0,
}


def one(tmp_path, **changed):
    return from_nemo_rl(write(tmp_path / "train_data_step1.jsonl", [{**TRAIN, **changed}]))


def test_the_figures_of_the_real_files():
    rows = from_nemo_rl(EXP, gold="reward").rows
    assert figures(rows) == {
        1: (32, 8, 0.2812, 0.8438),
        2: (32, 8, 0.4375, 0.8750),
        3: (32, 8, 0.3750, 0.8125),
        4: (32, 8, 0.4688, 0.7812),
    }
    assert figures(rows, "heldout") == {
        0: (16, 8, 0.3750, 0.9375),
        1: (16, 8, 0.4375, 1.0000),
        2: (16, 8, 0.3750, 0.9375),
        3: (16, 8, 0.5625, 0.8750),
    }


def test_log_probabilities_and_lengths_are_those_of_the_response_alone():
    found = from_nemo_rl(EXP / "train_data_step2.jsonl").rows
    first = json.loads((EXP / "train_data_step2.jsonl").read_text().splitlines()[0])
    assert found["n_tokens"].iloc[0] == 4
    assert found["logp"].iloc[0] == pytest.approx(-7.908692 - 0.001562 - 0.002175 - 0.070577)
    assert sum(first["token_loss_mask"][0]) == 4


def test_one_set_of_samples_reads_alike_from_three_formats():
    """areal, nemo_rl and verifiers hold the same completions; log-probabilities are compared with those of prime_rl."""
    areal, nemo = from_areal(LOGS / "areal").rows, from_nemo_rl(EXP).rows
    legacy = from_verifiers(LOGS / "verifiers").rows
    nemo = nemo[nemo["split"] == "train"]

    def held(rows, reward):
        texts = rows["response"].str.removesuffix("<|eos|>").str.strip()
        return sorted(zip(rows["round"], rows["prompt"], texts, rows[reward], strict=True))

    as_version = legacy.assign(round=legacy["round"] // 4)
    assert held(areal, "reward_reward") == held(nemo.assign(round=nemo["round"] - 1), "reward_reward")
    assert held(areal, "reward_reward") == held(as_version, "reward_correct")
    prime = from_verifiers(LOGS / "prime_rl", which="all").rows
    for version, step in ((1, 0), (2, 4), (4, 12)):
        ours, theirs = nemo[nemo["round"] == version], prime[prime["round"] == step]
        assert sorted(ours["logp"]) == pytest.approx(sorted(theirs["logp"]), abs=1e-3)


def test_padding_is_cut_where_the_mask_runs_on(tmp_path):
    found = one(tmp_path, token_loss_mask=[[0, 0, 1, 1, 1, 1]]).rows
    assert found["n_tokens"].tolist() == [2]
    assert found["logp"].tolist() == [-0.75]


def test_roles_are_told_by_the_mask(tmp_path):
    system = one(tmp_path, content=[["<sys>", "<user>", "answer"]]).rows
    assert (system["prompt"][0], system["response"][0]) == ("<sys><user>", "answer")
    turns = one(tmp_path, content=[["ask", "try", "tool says", "final"]], token_loss_mask=[[0, 1, 0, 1, 0, 0]])
    assert (turns.rows["prompt"][0], turns.rows["response"][0]) == ("ask", "trytool saysfinal")
    assert "1 completions have several turns" in said(turns)
    cut = one(tmp_path, content=[["ask", "try", "tool says"]], token_loss_mask=[[0, 1, 1, 0, 0, 0]]).rows
    assert (cut["prompt"][0], cut["response"][0]) == ("ask", "trytool says")


def test_samples_that_the_loss_left_out_have_no_weight(tmp_path):
    found = one(tmp_path, sample_loss_mask=[0.0])
    assert found.rows["weight"].tolist() == [0.0]
    assert "1 samples were masked out of the loss" in said(found)
    assert one(tmp_path).rows["weight"].tolist() == [1.0]


def test_older_rows_without_tokens(tmp_path):
    older = {name: TRAIN[name] for name in ("content", "rewards", "input_lengths", "idx")}
    rows = from_nemo_rl(write(tmp_path / "train_data_step1.jsonl", [older])).rows
    assert (rows["prompt"][0], rows["response"][0]) == ("What is 2 + 2?", "4<eos>")
    assert not {"logp", "n_tokens", "weight"} & set(rows)


def test_values_that_became_text_are_unknown(tmp_path):
    found = one(tmp_path, rewards=["tensor(1.)"], generation_logprobs=[[math.nan] * 6])
    assert found.rows["reward_reward"].isna().all()
    assert "logp" not in found.rows


def test_only_validations(tmp_path):
    write(tmp_path / "val_data_step0.jsonl", [VAL])
    found = from_nemo_rl(tmp_path)
    assert found.rows["split"].tolist() == ["heldout"]
    assert found.rows["prompt"].tolist() == ["What is 2 + 2?"]
    assert "Only validations are there" in said(found)


def test_experiments_are_not_mixed(tmp_path):
    write(tmp_path / "exp_001/train_data_step1.jsonl", [TRAIN])
    assert from_nemo_rl(tmp_path).report.run == "exp_001"
    write(tmp_path / "exp_002/train_data_step1.jsonl", [TRAIN])
    with pytest.raises(ImportFormatError, match="holds 2 experiments, exp_001, exp_002; name one of them"):
        from_nemo_rl(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(ImportFormatError, match=r"holds no train_data_step<N>\.jsonl"):
        from_nemo_rl(tmp_path)


@given(
    lines=logs_of(TRAIN) | logs_of(VAL), name=st.sampled_from(["train_data_step1.jsonl", "val_data_step0.jsonl", "x"])
)
def test_any_line_gives_rows_or_one_error(lines, name):
    survives(from_nemo_rl, name, lines)
