"""The trained verifier: fitted on earlier rounds, blind to the problem it scores, the same after every break."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch

import siwork
from contracts.verifier import VerifierContract, rng
from hf_made import byte_pairs, write_fresh, write_player
from siwork.loop import Sizes, prepare, resume, run
from siwork.metrics.calibration import auroc, auroc_within
from siwork.recipes import Recipe
from siwork.rollouts import rollout
from siwork.schema import RecipeError, RunError
from siwork.slots import State, silent
from siwork.verifiers import Orm
from siwork.verifiers.keys import fold_of
from siwork.verifiers.orm import FOLDS, fitted, hidden_features, text_features

SMALL = Sizes(train=20, heldout=10, beyond=0, samples=6)


@pytest.fixture(scope="module")
def start():
    task = siwork.task("countdown")
    policy = siwork.policy("tiny", task)
    return State(task, policy, policy)


@pytest.fixture(scope="module")
def rows(start):
    """Completions of 60 problems of the train split."""
    return rollout(start, start.task.problems("train", 60), 16, rng(), silent)


@pytest.fixture(scope="module")
def taught(start, rows):
    """What was learned from the rows of the first 40 problems, by text and by hidden state."""
    seen = rows.iloc[: 40 * 16]
    return Orm(on="policy").learn(Orm().learn(start, seen, rng()), seen, rng())


class TestText(VerifierContract):
    tolerance = 1e-9

    @pytest.fixture
    def verifier(self):
        return Orm()

    @pytest.fixture
    def state(self, taught):
        return taught


class TestHidden(TestText):
    tolerance = 1e-4  # of a forward pass in another batch

    @pytest.fixture
    def verifier(self):
        return Orm(on="policy")


class TestBeforeItWasTaught(TestText):
    @pytest.fixture
    def state(self, start):
        return start


# ── what it learns ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("on", ["text", "policy"])
def test_it_tells_right_from_wrong_on_problems_it_never_saw(start, rows, taught, on):
    new = rows.iloc[40 * 16 :]
    score, gold = Orm(on=on).score(taught, new, rng()), start.task.check(new).to_numpy(float)
    assert auroc(score, gold) > 0.6


@pytest.mark.parametrize("on", ["text", "policy"])
def test_the_truth_of_a_problem_never_scores_it(start, rows, taught, on):
    seen = rows.iloc[: 40 * 16]

    class Turned:
        """The truth turned round for one problem."""

        def __init__(self, prompt):
            self.prompt = prompt

        def check(self, table):
            right = start.task.check(table)
            return right.mask((table["prompt"] == self.prompt).to_numpy(bool), ~right)

    verifier, before = Orm(on=on), Orm(on=on).score(taught, seen, rng())
    for prompt in seen["prompt"].unique()[:3]:
        state = verifier.learn(start.having(task=Turned(prompt)), seen, rng())
        after, own = verifier.score(state, seen, rng()), (seen["prompt"] == prompt).to_numpy(bool)
        fold = fold_of(seen["prompt"].tolist(), FOLDS)
        np.testing.assert_array_equal(after[own], before[own])
        assert not np.allclose(after[fold != fold[own][0]], before[fold != fold[own][0]])


def test_models_are_those_of_scikit_learn_on_the_other_folds(rows, start):
    from sklearn.linear_model import LogisticRegression

    x, right = hidden_features(start.base, rows), start.task.check(rows).to_numpy(bool)
    fold = fold_of(rows["prompt"].tolist(), FOLDS)
    found = fitted(x, right, fold, 10.0)
    assert found.shape == (FOLDS + 1, x.shape[1] + 1)
    for i, use in enumerate([*(fold != f for f in range(FOLDS)), fold >= 0]):
        other = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-10).fit(x[use], right[use])
        np.testing.assert_allclose(x @ found[i][:-1] + found[i][-1], other.decision_function(x), atol=0.02)


def test_folds_are_of_the_text_and_about_equal():
    texts = [f"problem {i}" for i in range(5000)]
    fold = fold_of(texts, FOLDS)
    assert fold_of(texts[::-1], FOLDS).tolist() == fold[::-1].tolist()
    assert np.abs(np.bincount(fold) - 1000).max() < 120
    assert fold[:6].tolist() == fold_of(texts[:6], FOLDS).tolist()


def test_only_the_latest_rounds_are_kept(start, rows):
    parts, state = [rows.iloc[i * 160 : (i + 1) * 160] for i in range(3)], start
    for part in parts:
        state = Orm(rounds=2).learn(state, part, rng())
    kept = state.learned["orm-text"].rows
    assert kept["age"].unique().tolist() == [1, 2]
    assert kept["prompt"].tolist() == [*parts[1]["prompt"], *parts[2]["prompt"]]
    every = start
    for part in parts:
        every = Orm().learn(every, part, rng())
    assert every.learned["orm-text"].rows["age"].unique().tolist() == [0, 1, 2]


def test_one_class_teaches_nothing(start, rows):
    wrong = rows[~start.task.check(rows).to_numpy(bool)].reset_index(drop=True)
    state = Orm().learn(start, wrong, rng())
    assert np.isnan(state.learned["orm-text"].arrays["weights"]).all()
    assert np.isnan(Orm(first="nothing").score(state, rows, rng())).all()
    right = start.task.check(rows).to_numpy(float)
    assert Orm().score(state, rows, rng()).tolist() == right.tolist()


def test_until_it_is_fitted_the_truth_stands_in_for_train_rows_alone(start, rows):
    held = rows.assign(split="heldout")
    both = pd.concat([rows, held], ignore_index=True)
    score = Orm().score(start, both, rng())
    assert score[: len(rows)].tolist() == start.task.check(rows).astype(float).tolist()
    assert np.isnan(score[len(rows) :]).all()
    assert np.isnan(Orm(first="nothing").score(start, both, rng())).all()


# ── hidden states ──────────────────────────────────────────────────────────────────────────────────────
def test_hidden_states_of_tiny_are_those_of_the_end(start, rows):
    policy, some = start.policy, rows.iloc[::37]
    found = policy.hidden(some["prompt"].tolist(), some["response"].tolist(), some["finished"].to_numpy(bool))
    for line, state in zip(some.to_dict("records"), found, strict=True):
        ids = [*policy.tokens.encode_prompt(line["prompt"]), *policy.tokens.encode(line["response"])]
        ids += [1] if line["finished"] else []
        with torch.no_grad():
            expected = policy.network(torch.tensor([ids]))[0, -1].numpy()
        np.testing.assert_allclose(state, expected, atol=1e-4)


def test_hidden_states_of_a_language_model_are_those_of_transformers(tmp_path):
    policy = siwork.policy("hf", write_fresh(tmp_path / "m", byte_pairs()), device="cpu")
    said = [("What is 3 + 4?", "It is 7.", True), ("7", "", False), ("A word", "and " * 30, True)]
    found = policy.hidden(*map(list, zip(*said, strict=True)))
    for (prompt, response, done), state in zip(said, found, strict=True):
        ids = [*policy.reader.prompts([prompt])[0], *policy.reader.responses([response], np.array([done]))[0]]
        with torch.no_grad():
            expected = policy.model.model(torch.tensor([ids])).last_hidden_state[0, -1].numpy()
        np.testing.assert_allclose(state, expected, atol=1e-4)
    long = policy.hidden(["x" * 500], ["y"], np.array([False]))  # beyond its 128 places: the last part is read
    assert np.isfinite(long).all()


def test_a_policy_without_hidden_states_is_one_sentence(tmp_path):
    with pytest.raises(RecipeError, match=r"orm\(on=policy\) needs a policy that shows its hidden states, and tabular"):
        run(
            "cot(k=4) · orm(on=policy) · correct · sft + vfit",
            "add",
            "tabular",
            rounds=1,
            problems=SMALL,
            folder=tmp_path / "r",
        )


def test_text_features_do_not_hang_on_the_other_rows(rows):
    whole, part = text_features(rows), text_features(rows.iloc[7:19].reset_index(drop=True))
    assert abs(whole[7:19] - part).max() == 0


# ── rounds ─────────────────────────────────────────────────────────────────────────────────────────────
FORMULA = "seed · cot(k=6) · gold + orm(first=nothing) · correct · sft(steps=4) + vfit"


def equal(one, other):
    pd.testing.assert_frame_equal(one.rows().drop(columns="run"), other.rows().drop(columns="run"), check_exact=True)


def test_scores_are_those_of_the_verifier_as_the_round_began(tmp_path):
    made = run(FORMULA, "countdown", "tiny", rounds=2, problems=SMALL, seed=2, folder=tmp_path / "r")
    rows = made.rows()
    assert rows.loc[rows["round"] == 0, "score_orm"].isna().all()
    policy = siwork.policy("tiny", "countdown")
    state = State(siwork.task("countdown"), policy, policy)
    orm = Recipe.read(FORMULA).verifier[1]
    for r in (1, 2):
        before = rows[(rows["round"] == r - 1) & (rows["split"] == "train")].reset_index(drop=True)
        state = orm.learn(state, before, rng())
        now = rows[rows["round"] == r].reset_index(drop=True)
        np.testing.assert_allclose(orm.score(state, now, rng()), now["score_orm"].to_numpy(float), atol=1e-12)
    loaded = state.load(made.state_path(1))
    assert loaded.learned["orm-text"].rows["age"].unique().tolist() == [0, 1]
    assert not list(made.folder.rglob("*.pkl"))


@pytest.mark.parametrize("knobs", ["", "on=policy", "rounds=1, recal=platt, labels=8"])
def test_a_broken_run_goes_on_as_if_it_had_not(tmp_path, knobs):
    formula = f"seed · cot(k=6) · orm({knobs}) · correct · sft(steps=4) + vfit"
    whole = run(formula, "countdown", "tiny", rounds=3, problems=SMALL, seed=1, folder=tmp_path / "whole")
    part = run(formula, "countdown", "tiny", rounds=1, problems=SMALL, seed=1, folder=tmp_path / "part")
    equal(resume(part.folder, rounds=3), whole)
    assert whole.rows(rounds=2)["score"].notna().mean() > 0.5


def test_kills_leave_the_rows_of_an_unbroken_run(tmp_path):
    formula = "seed · cot(k=6) · orm(recal=isotonic, labels=10) · correct · sft + vfit"
    broken, whole = (
        prepare(formula, "countdown(numbers=3)", "tabular", rounds=6, problems=SMALL, seed=4, folder=tmp_path / name)
        for name in ("broken", "whole")
    )
    resume(whole.folder)
    command, luck, kills = (
        [sys.executable, "-c", f"from siwork.loop import resume; resume({str(broken.folder)!r})"],
        rng(3),
        0,
    )
    while broken.rounds_done < 7 and kills < 40:
        child = subprocess.Popen(command)
        done, end = broken.rounds_done, time.monotonic() + 60
        while child.poll() is None and broken.rounds_done == done and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(luck.uniform(0, 0.15))
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.wait()
    assert kills >= 2
    equal(resume(broken.folder), whole)


def test_what_was_learned_and_damaged_is_one_sentence(tmp_path):
    made = run(FORMULA, "countdown(numbers=3)", "tabular", rounds=1, problems=SMALL, folder=tmp_path / "r")
    (made.state_path(0) / "learned-orm-text.safetensors").write_bytes(b"no tensors")
    with pytest.raises(
        RunError, match=r"learned-orm-text.safetensors cannot be read .*; fork the run before that round"
    ):
        resume(made.folder, rounds=3)


def test_a_fork_to_another_reading_starts_anew(tmp_path):
    made = run(FORMULA, "countdown", "tiny", rounds=2, problems=SMALL, folder=tmp_path / "r")
    other = FORMULA.replace("first=nothing", "on=policy, first=nothing")
    forked = resume(siwork.fork(made.folder, tmp_path / "f", 1, recipe=other).folder)
    assert forked.rows(rounds=1)["score_orm"].isna().all()
    assert forked.rows(rounds=2)["score_orm"].notna().all()


def test_two_rounds_of_a_language_model_with_a_trained_verifier(tmp_path):
    player = f'hf("{write_player(tmp_path / "m")}", max_new=24, device=cpu)'
    formula = "seed · cot(k=8) · orm(on=policy) · correct · sft(steps=2) + vfit"
    made = run(formula, "countdown", player, rounds=2, problems=Sizes(24, 12, 0, 8), folder=tmp_path / "r")
    rows = siwork.check(made.rows())
    last = rows[(rows["round"] == 2) & rows["score"].notna()]
    assert len(last) == 12 * 8
    assert auroc(last["score"].to_numpy(float), last["gold"].to_numpy(float)) > 0.5
    assert np.isfinite(
        auroc_within(*(last[c].to_numpy(float) for c in ("score", "gold")), last["problem"].to_numpy(object))
    )
