"""Confidence as a score, and labels that are bought: worked out by hand, on real policies, and across folds of problems."""

import numpy as np
import pandas as pd
import pytest

import siwork
from contracts.verifier import Silent, VerifierContract, rng
from hf_made import byte_pairs, write_fresh
from siwork.loop import Sizes, run
from siwork.metrics.calibration import brier
from siwork.recalibration import recalibration
from siwork.recipes import Recipe
from siwork.rollouts import rollout
from siwork.schema import KnobError, RecipeError
from siwork.slots import State, silent
from siwork.verifiers import Conf
from siwork.verifiers.labels import buy, mapped

NUMBERS = {
    "logp": [-2.0, None, 0.0],
    "base_logp": [-4.0, -1.0, None],
    "entropy": [0.5, None, 0.0],
    "n_tokens": [4, 2, 0],
}


@pytest.fixture(scope="module")
def state():
    task = siwork.task("add")
    policy = siwork.policy("tiny", task)
    return State(task, policy, policy)


@pytest.fixture(scope="module")
def rows(state):
    return rollout(state, state.task.problems("train", 40), 8, rng(), silent)


class TestLikelihood(VerifierContract):
    @pytest.fixture
    def verifier(self):
        return Conf()


class TestAnswer(VerifierContract):
    tolerance = 1e-5

    @pytest.fixture
    def verifier(self):
        return Conf(kind="answer")


class TestRecalibrated(VerifierContract):
    tolerance = 1e-9

    @pytest.fixture(params=["isotonic", "platt", "temperature"])
    def verifier(self, request):
        return Conf(recal=request.param, labels=20)


# ── by hand ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, [np.exp(-0.5), np.nan, np.nan]),  # without tokens there is no mean
        ({"kind": "sequence"}, [np.exp(-2), np.nan, 1.0]),
        ({"by": "base"}, [np.exp(-1), np.exp(-0.5), np.nan]),
        ({"kind": "sequence", "by": "base"}, [np.exp(-4), np.exp(-1), np.nan]),
        ({"kind": "entropy"}, [np.exp(-0.5), np.nan, 1.0]),
    ],
    ids=str,
)
def test_confidence_by_hand(knobs, expected):
    table = pd.DataFrame(NUMBERS).astype({name: "double[pyarrow]" for name in NUMBERS}).assign(problem=list("abc"))
    np.testing.assert_allclose(Conf(**knobs).score(None, table, rng()), expected)


def test_answer_chance_is_that_of_the_answer_after_all_before_it(state):
    policy = siwork.policy("tiny", "expr")
    task = siwork.task("expr")
    table = rollout(State(task, policy, policy), task.problems("train", 12), 6, rng(), silent)
    found = Conf(kind="answer").score(State(task, policy, policy), table, rng())
    assert np.isfinite(found).mean() > 0.5
    read = policy.tokens
    for line, p in zip(table.to_dict("records"), found, strict=True):
        place = -1 if pd.isna(line["answer"]) else line["response"].rfind(line["answer"])
        if place < 0:
            assert np.isnan(p)
            continue
        upto, before = line["response"][: place + len(line["answer"])], line["response"][:place]
        if [*read.encode(before)] == [*read.encode(upto)][: len(read.encode(before))]:  # the border is one of tokens
            assert p == pytest.approx(np.exp(_chained(policy, line["prompt"], upto, before)), rel=1e-4)


def _chained(policy, prompt, upto, before):
    """Σ log p of the tokens of `upto` behind those of `before`, from one forward pass without padding."""
    import torch

    asked, said = policy.tokens.encode_prompt(prompt), policy.tokens.encode(upto)
    ids = torch.from_numpy(np.r_[asked, said])[None]
    with torch.no_grad():
        logp = policy.network.logits(policy.network(ids))[0].double().log_softmax(-1)
    first = len(asked) + len(policy.tokens.encode(before))
    return sum(float(logp[i - 1, ids[0, i]]) for i in range(first, ids.shape[1]))


def test_another_policys_likelihood(state, rows):
    other = Conf(kind="sequence", by="tiny")  # the base that ships is the policy of the state, opened anew
    np.testing.assert_allclose(
        other.score(state, rows, rng()), Conf(kind="sequence").score(state, rows, rng()), rtol=1e-3, atol=1e-6
    )


def test_what_conf_cannot_say_is_one_sentence(tmp_path):
    with pytest.raises(KnobError, match="kind=entropy is known of the policy of the round alone"):
        Conf(kind="entropy", by="base")
    formula = "cot(k=4) · conf(kind=answer) · weight · sft"
    with pytest.raises(RecipeError, match=r"conf\(kind=answer\) needs a policy that tells probabilities of parts"):
        run(formula, "add", "tabular", rounds=1, problems=Sizes(4, 4, 0, 4), folder=tmp_path / "r")


# ── bought labels ──────────────────────────────────────────────────────────────────────────────────────
def test_recal_reads_the_truth_and_says_so(state, rows):
    assert Recipe.read("seed · cot · conf · weight · sft").label_free
    assert not Recipe.read("seed · cot · conf(recal=platt) · weight · sft").label_free
    with pytest.raises(AssertionError, match="reads no truth asked for it"):
        Conf(recal="platt").score(state.having(task=Silent(state.task)), rows, rng())


def test_few_labels_are_bought_one_a_problem(state, rows):
    asked = []

    class Counting(Silent):
        def check(self, table):
            asked.append(table)
            return state.task.check(table)

    among = np.arange(len(rows)) % 8 < 5
    bought = buy(state.having(task=Counting(state.task)), rows, among, 12, rng())
    (table,) = asked
    assert len(table) == len(bought.row) == 12
    assert table["problem"].nunique() == 12
    assert among[bought.row].all()
    assert np.bincount(bought.fold).tolist() == [6, 6]
    assert bought.gold.tolist() == state.task.check(rows.iloc[bought.row]).astype(float).tolist()
    every = buy(state, rows, among, 1000, rng())
    assert len(every.row) == rows["problem"].nunique() == 40
    other = buy(state, rows, among, 12, rng(1))
    assert set(other.row) != set(bought.row)


@pytest.mark.parametrize("method", ["isotonic", "platt", "temperature"])
def test_a_problem_is_never_mapped_by_its_own_label(state, rows, method):
    problem = rows["problem"].to_numpy(object)
    score = Conf().score(state, rows, rng())
    bought = buy(state, rows, np.ones(len(rows), bool), 16, rng())
    found = mapped(score, problem, bought, method)
    for i in range(16):
        flipped = bought._replace(gold=np.where(np.arange(16) == i, 1 - bought.gold, bought.gold))
        own = problem == problem[bought.row[i]]
        again = mapped(score, problem, flipped, method)
        np.testing.assert_array_equal(again[own], found[own])
        assert not np.array_equal(again, found)
    unlabelled = ~np.isin(problem, problem[bought.row])
    whole = recalibration(score[bought.row], bought.gold, method)
    np.testing.assert_array_equal(found[unlabelled], whole.apply(score[unlabelled]))


def test_too_few_labels_leave_rows_unscored(state, rows):
    two = rows[rows["problem"].isin(rows["problem"].unique()[:3])].reset_index(drop=True)
    bought = buy(state, two, np.ones(len(two), bool), 9, rng())
    found = mapped(np.full(len(two), 0.5), two["problem"].to_numpy(object), bought, "platt")
    assert np.isnan(found).sum() == 2 * 8  # folds of 2 and 1: those of 2 have one other label
    none = buy(state, two, np.zeros(len(two), bool), 9, rng())
    assert np.isnan(mapped(np.full(len(two), np.nan), two["problem"].to_numpy(object), none, "platt")).all()


def test_recalibrated_confidence_is_nearer_to_the_truth(state):
    many = rollout(state, state.task.problems("train", 200), 8, rng(5), silent)
    gold = state.task.check(many).to_numpy(float)
    raw, better = (Conf(recal=how, labels=200).score(state, many, rng()) for how in ("none", "platt"))
    assert brier(better, gold) < brier(raw, gold) - 0.01


@pytest.mark.parametrize("policy", ["tabular", "tiny", "hf"])
def test_two_rounds_by_confidence(tmp_path, policy):
    named = f'hf("{write_fresh(tmp_path / "m", byte_pairs())}", max_new=8, device=cpu)' if policy == "hf" else policy
    formula = "seed · cot(k=4) · conf(recal=platt, labels=6) · weight · sft(steps=2)"
    made = run(formula, "countdown", named, rounds=2, problems=Sizes(8, 6, 0, 4), folder=tmp_path / "r")
    rows = siwork.check(made.rows())
    assert made.rounds_done == 3
    assert rows["score"].notna().all()
