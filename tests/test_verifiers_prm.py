"""Step values against brute force: other samples, continuations, and a classifier that learns."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from contracts.verifier import VerifierContract, rng
from siwork.recipes import Recipe
from siwork.recipes.playing import Play, lots_of
from siwork.rollouts import rollout
from siwork.schema import KnobError
from siwork.slots import State, silent
from siwork.verifiers import Prm
from siwork.verifiers.prm import beginnings


@pytest.fixture(scope="module")
def start():
    task = siwork.task("expr", depth=2)
    policy = siwork.policy("tiny", task)
    return State(task, policy, policy)


@pytest.fixture(scope="module")
def rows(start):
    return rollout(start, start.task.problems("train", 8), 6, rng(), silent)


@pytest.fixture(scope="module")
def taught(start, rows):
    return Prm("trained").learn(start, rows, rng())


class TestSamples(VerifierContract):
    @pytest.fixture
    def verifier(self):
        return Prm()

    @pytest.fixture
    def state(self, taught):
        return taught


class TestRollouts(TestSamples):
    @pytest.fixture
    def verifier(self):
        return Prm("rollouts", fold="mean", k=2)


class TestTrained(TestSamples):
    tolerance = 1e-9

    @pytest.fixture
    def verifier(self):
        return Prm("trained", fold="last")


# ── other samples ──────────────────────────────────────────────────────────────────────────────────────
class Lettered:
    """A task whose pieces are characters and whose right responses end with r."""

    @staticmethod
    def pieces(text):
        return tuple(text)

    @staticmethod
    def check(table):
        return table["response"].str.endswith("r").astype("bool[pyarrow]")


BLIND = State(Lettered(), None, None)


def lettered(drawn):
    made = pd.DataFrame(
        {"problem": [d[0] for d in drawn], "prompt": [d[0] for d in drawn], "response": [d[1] for d in drawn]}
    )
    return made.astype("string[pyarrow]")


def test_values_of_samples_by_hand():
    table = lettered([("p", "abr"), ("p", "abx"), ("p", "acr"), ("p", "q"), ("p", "r"), ("s", "abr")])
    # a: each has two others of p: rows 0: (0 + 1)/2, 1: (1 + 1)/2, 2: (1 + 0)/2; ab: 0, 1; ac: nobody else
    # q and r have the empty beginning: the other one is right or not; s is alone
    folds = {
        "min": [0.0, 1.0, 0.5, 1.0, 0.0, np.nan],
        "mean": [0.25, 1.0, 0.5, 1.0, 0.0, np.nan],
        "last": [0.0, 1.0, 0.5, 1.0, 0.0, np.nan],
    }
    for fold, expected in folds.items():
        np.testing.assert_array_equal(Prm(fold=fold).score(BLIND, table, rng()), expected)


@given(
    st.lists(st.tuples(st.sampled_from("pq"), st.text("abr", max_size=4)), min_size=1, max_size=15),
    st.sampled_from(["min", "mean", "last"]),
)
def test_values_of_samples_against_brute_force(drawn, fold):
    heads = [[text[:i] for i in range(1, len(text))] or [""] for _, text in drawn]
    expected = []
    for i, (problem, _) in enumerate(drawn):
        values = []
        for head in heads[i]:
            others = [
                drawn[j][1][-1:] == "r"
                for j in range(len(drawn))
                if j != i and drawn[j][0] == problem and head in heads[j]
            ]
            values += [np.mean(others)] if others else []
        expected.append({"min": min, "mean": np.mean, "last": lambda x: x[-1]}[fold](values) if values else np.nan)
    assert Prm(fold=fold).score(BLIND, lettered(drawn), rng()) == pytest.approx(expected, nan_ok=True)


@given(st.lists(st.tuples(st.sampled_from("pq"), st.text("abr", min_size=1, max_size=4)), min_size=1, max_size=12))
def test_a_row_is_no_witness_of_itself(drawn):
    table = lettered(drawn)
    before = Prm().score(BLIND, table, rng())
    turned = drawn[0][1][:-1] + ("x" if drawn[0][1].endswith("r") else "r")
    after = Prm().score(BLIND, lettered([(drawn[0][0], turned), *drawn[1:]]), rng())
    np.testing.assert_array_equal(before[0], after[0])


# ── continuations ──────────────────────────────────────────────────────────────────────────────────────
class Scripted:
    """A policy that continues with r or x by the parity of its stream, and remembers what it was asked."""

    name = "scripted"

    def __init__(self):
        self.asked = []

    def continued(self, prompts, begun, k, *, streams):
        self.asked.append((list(prompts), list(begun)))
        said = [head + "xr"[int(s % 2)] for head, line in zip(begun, streams, strict=True) for s in line]
        return siwork.policies.Completions(said, None, None, None, None)


def test_each_beginning_is_continued_once_and_valued_alike():
    table = lettered([("p", "abc"), ("p", "abd"), ("q", "abc"), ("p", "e")])
    policy = Scripted()
    score = Prm("rollouts", fold="last", k=50).score(State(Lettered(), policy, policy), table, rng(1))
    ((prompts, begun),) = policy.asked
    assert sorted(zip(prompts, begun, strict=True)) == [("p", ""), ("p", "a"), ("p", "ab"), ("q", "a"), ("q", "ab")]
    assert score[0] == score[1] != score[2]
    assert score.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(150))  # three different beginnings of 50 draws


def test_values_of_continuations_are_those_of_the_policy(start):
    prompt, said = "(3+4)*2=", "3+4=7;7*2=14"
    table = pd.DataFrame({"problem": ["p"], "prompt": [prompt], "response": [said]}).astype("string[pyarrow]")
    score = Prm("rollouts", fold="last", k=400).score(start, table, rng())
    streams = np.arange(400, dtype=np.uint64)[None, :] + np.uint64(10**9)
    out = start.policy.continued([prompt], ["3+4=7;"], 400, streams=streams)
    other = np.mean([start.task.is_right(prompt, text) for text in out.response.to_pylist()])
    assert score[0] == pytest.approx(other, abs=4 * np.sqrt(2 * 0.25 / 400))
    assert 0 < score[0] <= 1


def test_a_policy_that_continues_nothing_says_so(start):
    task = start.task
    plain = siwork.policy("tabular", task)
    drawn = rollout(State(task, plain, plain), task.problems("train", 2), 2, rng(), silent)
    with pytest.raises(
        KnobError, match="needs a policy that continues a beginning, and tabular does not; take of=samples"
    ):
        Prm("rollouts").score(State(task, plain, plain), drawn, rng())


# ── a classifier ───────────────────────────────────────────────────────────────────────────────────────
def test_it_learns_which_beginnings_end_right():
    drawn = [(f"p{i}", text) for i in range(40) for text in ("gar", "gbr", "har", "bax", "bbx", "cbx")]
    table = lettered(drawn)
    known = Prm("trained").learn(BLIND, table, rng())
    score = Prm("trained").score(known, lettered([("new", "gzz"), ("new", "bzz"), ("p3", "gzz")]), rng())
    assert score[0] > 0.8 > 0.2 > score[1]
    assert score[2] > 0.8


def test_it_is_blind_to_the_problem_that_it_scores():
    drawn = [(f"p{i}", text) for i in range(30) for text in ("gar", "bax")]
    turned = [(p, {"gar": "gax", "bax": "bar"}[t] if p == "p3" else t) for p, t in drawn]
    scores = [
        Prm("trained").score(Prm("trained").learn(BLIND, lettered(d), rng()), lettered([("p3", "gaz")]), rng())
        for d in (drawn, turned)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_equal_beginnings_are_kept_once(tmp_path, taught, start, rows):
    kept = taught.learned["prm"].rows
    assert not kept.duplicated(["prompt", "begun", "right"]).any()
    assert kept["times"].sum() == len(beginnings(start.task, rows))
    again = Prm("trained").learn(taught, rows, rng()).learned["prm"].rows
    assert again["times"].tolist() == (2 * kept["times"]).tolist()
    taught.save(tmp_path)
    loaded = start.load(tmp_path)
    np.testing.assert_array_equal(Prm("trained").score(loaded, rows, rng()), Prm("trained").score(taught, rows, rng()))


def test_only_the_classifier_learns():
    assert hasattr(Prm("trained"), "learn")
    assert not hasattr(Prm("samples"), "learn")
    assert not hasattr(Prm("rollouts"), "learn")
    assert Recipe.read("cot · gold + prm · correct · sft").verifier[1] == Prm()
    assert np.isnan(Prm("trained").score(BLIND, lettered([("p", "abr")]), rng())).all()


def test_a_round_with_all_of_it(start):
    recipe = Recipe.read("cot(k=4) · prm(trained) + gold · correct · sft(steps=1) + vfit")
    _, after = Play(recipe, start.task.problems("train", 6), lots_of(rng())).round(start)
    played, _ = Play(recipe, start.task.problems("train", 6), lots_of(rng(1))).round(after)
    assert played["score"].notna().all()
