"""verifiers and prime-rl: the figures of the real files, and what the formats hide."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_lines import LOGS, figures, logs_of, said, survives, write
from siwork.importers.trainers import from_verifiers
from siwork.schema import ImportFormatError, KnobError

EPISODE = {
    "id": "e",
    "env": {"id": "sums"},
    "task": {"type": "T", "data": {"idx": 3, "prompt": "What is 3 + 1? ", "answer": "4"}},
    "run": {"work": {"type": "train", "step": 4, "policy": {"start": 3, "end": 4}}},
    "ok": True,
    "errors": [],
    "traces": [
        {
            "version": 1,
            "agent": {"name": "solver", "trainable": True},
            "nodes": [
                {"message": {"role": "user", "content": "What is 3 + 1? "}, "sampled": False, "mask": [False]},
                {
                    "parent": 0,
                    "message": {"role": "assistant", "content": "It is 4."},
                    "sampled": True,
                    "token_ids": [9, 1, 2],
                    "mask": [False, True, True],
                    "logprobs": [-0.5, -0.25],
                    "advantages": [0.5, 0.5],
                },
            ],
            "rewards": {"correct": {"score": 1.0, "weight": 1.0}, "tag": {"score": 1.0, "weight": 0.2}},
            "metrics": {"num_chars": 8.0},
            "stop_condition": "completed",
        }
    ],
}
ROW = {
    "example_id": 0,
    "prompt": [{"role": "user", "content": "What is 3 + 1?"}],
    "completion": [{"role": "assistant", "content": "4"}],
    "answer": "4",
    "reward": 1.2,
    "error": None,
    "is_truncated": False,
    "metrics": {"correct": 1.0, "tagged": 1.0, "num_turns": 1.0},
    "token_usage": {"output_tokens": 3.0},
}


def changed(**trace):
    """The episode with fields of its trace replaced."""
    one = copy.deepcopy(EPISODE)
    one["traces"][0] |= trace
    return one


def read(tmp_path, *episodes, **asked):
    return from_verifiers(
        write(tmp_path / "rollouts/step_4/train/effective/traces.jsonl", episodes).parents[4], **asked
    )


# ── v1 ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_figures_of_the_real_episodes():
    assert figures(from_verifiers(LOGS / "prime_rl", gold="correct").rows) == {
        0: (31, 8, 0.2917, 0.8387),
        4: (30, 8, 0.4375, 0.9000),
        12: (31, 8, 0.4479, 0.7742),
    }
    assert figures(from_verifiers(LOGS / "prime_rl", which="all", gold="correct").rows) == {
        0: (32, 8, 0.2917, 0.8438),
        4: (32, 8, 0.4375, 0.8750),
        12: (32, 8, 0.4479, 0.7812),
    }


def test_failed_episodes_are_counted_and_their_reward_is_unknown():
    found = from_verifiers(LOGS / "prime_rl", which="all")
    assert "4 episodes failed" in said(found)
    assert found.rows["reward_reward"].isna().sum() == 4
    assert "failed" not in said(from_verifiers(LOGS / "prime_rl"))


@pytest.mark.parametrize("path", ["", "rollouts", "rollouts/step_4", "rollouts/step_4/train/all/traces.jsonl"])
def test_a_run_is_found_from_above_and_below(path):
    found = from_verifiers(LOGS / "prime_rl" / path)
    assert found.report.run == "prime_rl"
    assert set(found.rows["round"]) == ({0, 4, 12} if "step" not in path else {4})


def test_the_reward_is_score_times_weight(tmp_path):
    found = read(tmp_path, EPISODE)
    assert found.rows[["reward_correct", "reward_tag", "reward_reward"]].to_numpy().tolist() == [[1.0, 1.0, 1.2]]
    assert "The reward is 1 × correct + 0.2 × tag." in said(found)
    assert found.rows["log_num_chars"].tolist() == ["8.0"]


def test_sampled_tokens_alone_are_counted(tmp_path):
    rows = read(tmp_path, EPISODE).rows
    assert (rows["n_tokens"][0], rows["logp"][0], rows["weight"][0], rows["finished"][0]) == (2, -0.75, 1.0, True)
    assert (rows["problem"][0], rows["prompt"][0], rows["response"][0]) == ("sums/3", "What is 3 + 1?", "It is 4.")


def test_log_probabilities_that_do_not_fit_the_mask_are_unknown(tmp_path):
    nodes = copy.deepcopy(EPISODE["traces"][0]["nodes"])
    nodes[1]["logprobs"] = [-0.5]
    rows = read(tmp_path, changed(nodes=nodes)).rows
    assert "logp" not in rows
    assert rows["n_tokens"].tolist() == [2]


def test_the_last_branch_is_the_completion(tmp_path):
    nodes = copy.deepcopy(EPISODE["traces"][0]["nodes"])
    other = {
        **copy.deepcopy(nodes[1]),
        "message": {"role": "assistant", "content": "It is 5."},
        "logprobs": [-1.0, -1.0],
    }
    rows = read(tmp_path, changed(nodes=[*nodes, other])).rows
    assert (rows["response"][0], rows["logp"][0]) == ("It is 5.", -2.0)


def test_the_turns_of_a_branch_come_together(tmp_path):
    nodes = copy.deepcopy(EPISODE["traces"][0]["nodes"])
    tool = {"parent": 1, "message": {"role": "tool", "content": "ok"}, "sampled": False, "mask": [False]}
    more = {**copy.deepcopy(nodes[1]), "parent": 2}
    rows = read(tmp_path, changed(nodes=[*nodes, tool, more])).rows
    assert rows["response"].tolist() == ["assistant: It is 4.\nassistant: It is 4."]
    assert (rows["n_tokens"][0], rows["logp"][0]) == (4, -1.5)


def test_a_branch_that_turns_in_a_circle_ends(tmp_path):
    nodes = copy.deepcopy(EPISODE["traces"][0]["nodes"])
    nodes[0]["parent"], nodes[1]["parent"] = 1, 1
    assert read(tmp_path, changed(nodes=nodes)).rows["response"].tolist() == ["It is 4."]


@pytest.mark.parametrize(
    ("trace", "finished"),
    [
        ({"stop_condition": "max_output_tokens"}, False),
        ({"calls": [{"finish_reason": "length"}]}, False),
        ({"calls": [{"finish_reason": "stop"}, {"finish_reason": "length", "error": {"type": "E"}}]}, True),
    ],
)
def test_truncation_follows_the_framework(tmp_path, trace, finished):
    assert read(tmp_path, changed(**trace)).rows["finished"].tolist() == [finished]


def test_the_trained_agent_is_taken(tmp_path):
    one = copy.deepcopy(EPISODE)
    one["traces"].append({**copy.deepcopy(one["traces"][0]), "agent": {"name": "judge", "trainable": False}})
    found = read(tmp_path, one)
    assert len(found.rows) == 1
    assert "agent" not in found.rows
    assert "1 traces of agents that are not trained were left out" in said(found)


def test_without_a_trained_agent_all_are_taken(tmp_path):
    one = copy.deepcopy(EPISODE)
    one["traces"] = [{**copy.deepcopy(one["traces"][0]), "agent": {"name": name}} for name in ("proposer", "solver")]
    found = read(tmp_path, one)
    assert found.rows[["agent", "problem"]].to_numpy().tolist() == [
        ["proposer", "sums/3/proposer"],
        ["solver", "sums/3/solver"],
    ]
    assert "2 agents are there: proposer, solver" in said(found)


def test_the_folder_of_a_step_is_believed(tmp_path):
    one = copy.deepcopy(EPISODE)
    one["run"]["work"]["step"] = 2
    found = read(tmp_path, one, EPISODE)
    assert found.rows["round"].tolist() == [4, 4]
    assert "1 episodes were dispatched at another step than their folder's" in said(found)


def test_only_one_of_all_and_effective_is_read(tmp_path):
    step = tmp_path / "rollouts/step_1"
    write(step / "train/all/traces.jsonl", [EPISODE, EPISODE])
    write(step / "train/effective/traces.jsonl", [EPISODE])
    write(step / "eval/all/traces.jsonl", [EPISODE])
    found = from_verifiers(tmp_path)
    assert found.rows["split"].tolist() == ["train"]
    assert "1 folders hold all/traces.jsonl only and were left out" in said(found)
    assert from_verifiers(tmp_path, which="all").rows["split"].tolist() == ["train", "train", "heldout"]


def test_the_other_file_is_named_when_it_is_the_only_one(tmp_path):
    write(tmp_path / "rollouts/step_1/train/all/traces.jsonl", [EPISODE])
    with pytest.raises(ImportFormatError, match="which='all' is there"):
        from_verifiers(tmp_path)
    with pytest.raises(KnobError, match="which must be one of effective, all, got 'both'"):
        from_verifiers(tmp_path, which="both")


def test_a_run_of_evaluation_alone(tmp_path):
    one = copy.deepcopy(EPISODE)
    del one["run"]
    found = from_verifiers(write(tmp_path / "traces.jsonl", [one]).parent)
    assert found.rows[["round", "split"]].to_numpy().tolist() == [[0, "heldout"]]
    assert "1 rows name no step" in said(found)


def test_a_failed_episode_without_a_trace_is_skipped_and_counted(tmp_path):
    failed = {**EPISODE, "ok": False, "traces": []}
    report = read(tmp_path, EPISODE, failed, {"traces": 3}).report
    assert report.skipped == 2
    assert "line 2: a failed episode without a trace" in report.places


# ── before v1 ──────────────────────────────────────────────────────────────────────────────────────────
def test_the_figures_of_the_real_results():
    found = from_verifiers(LOGS / "verifiers", gold="correct")
    assert figures(found.rows, "heldout") == {
        0: (32, 8, 0.2812, 0.8438),
        4: (32, 8, 0.4375, 0.8750),
        8: (32, 8, 0.3750, 0.8125),
        12: (32, 8, 0.4688, 0.7812),
    }
    assert set(found.rows["temperature"]) == {1.0}
    assert found.report.run == "verifiers"


def test_the_older_rollouts_of_prime_rl(tmp_path):
    step = tmp_path / "rollouts/step_7"
    write(step / "train_rollouts.jsonl", [ROW, ROW])
    write(step / "eval_rollouts_sums.jsonl", [ROW])
    rows = from_verifiers(tmp_path).rows
    assert rows[["round", "split"]].to_numpy().tolist() == [[7, "train"], [7, "train"], [7, "heldout"]]
    assert rows["sample"].tolist() == [0, 1, 0]
    assert rows["reward_reward"].tolist() == [1.2] * 3


def test_the_step_of_an_evaluation_is_in_its_folder_or_model(tmp_path):
    for name in ("sums--m--step-20", "sums--m--step-3"):
        write(tmp_path / name / "00000099/results.jsonl", [ROW])
    assert from_verifiers(tmp_path).rows["round"].tolist() == [3, 20]
    write(tmp_path / "sums--other/0a0a0a0a/results.jsonl", [ROW])
    write(tmp_path / "sums--other/0a0a0a0a/metadata.json", [])
    (tmp_path / "sums--other/0a0a0a0a/metadata.json").write_text(json.dumps({"model": "org/m-ckpt_40"}))
    assert sorted(from_verifiers(tmp_path).rows["round"]) == [3, 20, 40]
    assert from_verifiers(tmp_path / "sums--m--step-3/00000099/results.jsonl").rows["round"].tolist() == [3]


def test_without_a_step_the_order_of_folders_is_taken(tmp_path):
    for name in ("sums--a", "sums--b"):
        write(tmp_path / name / "0000000f/results.jsonl", [ROW])
        (tmp_path / name / "0000000f/metadata.json").write_text(json.dumps({"env_id": "sums", "model": name}))
    found = from_verifiers(tmp_path)
    assert found.rows["round"].tolist() == [0, 1]
    assert "rounds are the folders' order" in said(found)


def test_two_evaluations_of_one_step_are_put_together_and_told(tmp_path):
    for name in ("0000000a", "0000000b"):
        write(tmp_path / "sums--m--step-1" / name / "results.jsonl", [ROW])
        (tmp_path / "sums--m--step-1" / name / "metadata.json").write_text(json.dumps({"env_id": "sums"}))
    found = from_verifiers(tmp_path)
    assert found.rows["sample"].tolist() == [0, 1]
    assert "1 folders are of a step that another one has, too" in said(found)


def test_several_environments_have_their_own_ids(tmp_path):
    for env in ("sums", "words"):
        write(tmp_path / f"{env}--m--step-1/0000000f/results.jsonl", [ROW])
        (tmp_path / f"{env}--m--step-1/0000000f/metadata.json").write_text(json.dumps({"env_id": env}))
    found = from_verifiers(tmp_path)
    assert set(found.rows["problem"]) == {"sums/0", "words/0"}
    assert "2 environments are there: sums, words" in said(found)


def test_texts_of_completion_models_and_errors(tmp_path):
    plain = {**ROW, "prompt": "3 + 1 =", "completion": " 4", "is_truncated": True, "error": "Timeout", "answer": None}
    found = from_verifiers(write(tmp_path / "results.jsonl", [plain]))
    assert found.rows[["prompt", "response", "finished"]].to_numpy().tolist() == [["3 + 1 =", " 4", False]]
    assert "1 rows ended with an error" in said(found)


def test_nothing_there(tmp_path):
    with pytest.raises(ImportFormatError, match=r"holds no rollouts/step_<N>, traces\.jsonl or results\.jsonl"):
        from_verifiers(tmp_path)


@given(
    lines=logs_of(EPISODE) | logs_of(ROW) | st.builds(lambda one: [json.dumps(one).encode()], st.just(EPISODE)),
    name=st.sampled_from(["rollouts/step_1/train/all/traces.jsonl", "traces.jsonl", "a--b--step-1/results.jsonl"]),
)
def test_any_line_gives_rows_or_one_error(lines, name):
    survives(from_verifiers, name, lines)


@given(lines=logs_of({**EPISODE["traces"][0], "task": EPISODE["task"]}))
def test_any_trace_gives_rows_or_one_error(lines):
    inside = [b'{"ok": true, "traces": [' + line + b"]}" for line in lines]
    survives(from_verifiers, "traces.jsonl", inside)


@given(lines=logs_of(EPISODE["traces"][0]["nodes"][1]))
def test_any_node_gives_rows_or_one_error(lines):
    inside = [
        b'{"traces": [{"task": {"data": {"prompt": "p"}}, "nodes": [{"sampled": false}, ' + line + b"]}]}"
        for line in lines
    ]
    survives(from_verifiers, "traces.jsonl", inside)
