"""The tabular policy: the contract, its arithmetic by hand, its exact truth against simulation, its speed."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.policy import GradientContract, plan_for, streams, texts
from siwork.policies import Plan
from siwork.policies.candidates import Table, style_of
from siwork.policies.chance import entropy, invert, log_total, normal, scramble, tempered, total, uniform
from siwork.policies.exact import truth
from siwork.policies.tabular import PRIVATE_RATE, SHARED_RATE, Tabular, TabularPolicy
from siwork.policies.weights import OUTSIDE
from siwork.schema import KnobError, RunError, SchemaError, knob
from siwork.tasks import Item, Synthetic


@dataclass(frozen=True)
class Parts(Synthetic):
    """Write a number as a sum of two: `7:` → `3+4`. `4+3` is the same answer; anything else has none or is wrong."""

    name: ClassVar[str] = "parts"
    sentence: ClassVar[str] = "Write a number as a sum of two."
    hints: ClassVar[tuple[str, ...]] = ("answer",)

    wrong: int = knob(3, "Wrong candidates at least.", low=0, high=100)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return tuple("0123456789+-:#>")

    @property
    def max_tokens(self) -> int:
        return 10

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        return f"1+{int(prompt[:-1]) - 1}"

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        n = int(rng.integers(4, 2000))
        return Item(f"{n}:", float(n), f"1+{n - 1}", n // 2)

    def answer(self, prompt: str, response: str) -> str | None:
        parts = response.split("+")
        if len(parts) != 2 or not all(p.isascii() and p.isdigit() and len(p) < 9 for p in parts):
            return None
        return "+".join(sorted(parts, key=int))

    def is_right(self, prompt: str, response: str) -> bool:
        answer = self.answer(prompt, response)
        return answer is not None and sum(map(int, answer.split("+"))) == int(prompt[:-1])

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        whole = int(prompt[:-1])
        if not whole:
            return []
        right = [f"{i}+{whole - i}" for i in range(1, whole // 2 + 1)][: max(n // 4, 1)]
        wrong = [f"{i}+{whole - i + 1}" for i in range(2, 2 + max(n - len(right) - 1, self.wrong))]
        return [*right, *wrong, f"{whole}-"] if self.wrong else right

    def hint_text(self, prompt: str, kind: str) -> str:
        return f"1+{int(prompt[:-1]) - 1}"


TASK = Parts()
FLAT = Tabular(spread=0.0, noise=0.0)  # all right candidates alike, all wrong ones alike


def flat(**knobs: float) -> TabularPolicy:
    return Tabular(spread=0.0, noise=0.0, **knobs).build_for(TASK)


def problems(*pairs: tuple[str, float]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["prompt", "difficulty"])


def solve_rate(policy: TabularPolicy, prompt: str) -> float:
    return policy.truth([prompt])["pass@1"][0]


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


class TestTabular(GradientContract):
    @pytest.fixture
    def policy(self) -> TabularPolicy:
        return Tabular(seed=3).build_for(TASK)

    @pytest.fixture
    def prompts(self) -> list[str]:
        return ["12:", "30:", "7:", "400:"]

    @pytest.fixture
    def hinted(self) -> str:
        return TASK.hinted("12:", "answer")


# ── chance ─────────────────────────────────────────────────────────────────────────────────────────────


def test_scramble_is_splitmix64() -> None:
    # first outputs of the public-domain splitmix64.c (Vigna 2015) from seed 1234567; its state grows by the golden gamma
    state = np.uint64(1234567) + np.arange(3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert scramble(state).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_uniform_is_uniform_even_for_streams_in_a_row() -> None:
    u = uniform(np.arange(100_000, dtype=np.uint64))
    assert u.min() >= 0
    assert u.max() < 1
    # 20 cells of 5000: chi-square has 19 degrees of freedom, 43.8 is its 99.9 % point
    assert ((np.bincount((u * 20).astype(int)) - 5000) ** 2 / 5000).sum() < 43.8


def test_normal_is_normal_and_wider_draws_start_with_narrower_ones() -> None:
    keys = np.arange(2000, dtype=np.uint64)
    z = normal(keys, 20, seed=1)
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    np.testing.assert_array_equal(normal(keys, 7, seed=1), z[:, :7])
    np.testing.assert_array_equal(normal(keys[5:9], 20, seed=1), z[5:9])
    assert (normal(keys, 20, seed=2) != z).all()


def test_rows_of_probabilities_by_hand() -> None:
    z = np.log([[1.0, 3.0, 4.0], [2.0, 0.5, 0.5]])
    np.testing.assert_allclose(log_total(z), np.log([8.0, 3.0]))
    assert log_total(np.full((1, 2), -np.inf))[0] == -np.inf
    np.testing.assert_allclose(log_total(np.array([[1000.0, 1000.0]])), 1000 + np.log(2))
    np.testing.assert_allclose(entropy(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])), [np.log(2), 0.0])
    assert total(np.zeros((3, 0))).tolist() == [0, 0, 0]


def test_tempering_by_hand() -> None:
    logp = np.log([[0.1, 0.6, 0.3]])
    half = tempered(logp, 0.5, 1.0)  # p² up to scale: 1, 36, 9
    np.testing.assert_allclose(half / half.sum(), [[1 / 46, 36 / 46, 9 / 46]])
    assert tempered(logp, 0.0, 1.0).tolist() == [[0, 1, 0]]
    assert tempered(np.log([[0.4, 0.4, 0.2]]), 0.0, 1.0).tolist() == [[1, 0, 0]]
    assert tempered(logp, 1e-320, 1.0).tolist() == [[0, 1, 0]]
    np.testing.assert_allclose(tempered(logp, 1.0, 0.6) > 0, [[False, True, False]])
    np.testing.assert_allclose(tempered(logp, 1.0, 0.61) > 0, [[False, True, True]])
    np.testing.assert_allclose(tempered(logp, 1.0, 1e-9) > 0, [[False, True, False]])


@pytest.mark.parametrize("temperature", [-0.1, np.nan, np.inf])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    with pytest.raises(KnobError, match="temperature must be a finite number ≥ 0"):
        tempered(np.zeros((1, 2)), temperature, 1.0)


@pytest.mark.parametrize("top_p", [0.0, 1.01, np.nan])
def test_a_nucleus_that_is_none_is_refused(top_p: float) -> None:
    with pytest.raises(KnobError, match="top_p must be above 0 and at most 1"):
        tempered(np.zeros((1, 2)), 1.0, top_p)


@given(
    st.lists(st.sampled_from([0.0, 1e-300, 0.1, 1.0, 7.0]), min_size=1, max_size=6).filter(any),
    st.sampled_from([0.0, 1e-17, 0.3, 0.5, 1 - 2**-53]),
)
def test_inversion_never_leaves_the_support(weight: list[float], u: float) -> None:
    place = invert(np.array([weight]), np.array([[u]]))[0, 0]
    assert weight[place] > 0
    assert sum(weight[:place]) <= u * sum(weight) or place == 0


def test_styles_ignore_digits() -> None:
    assert style_of("3*5+7") == style_of("12*4+1")
    assert len({style_of(text) for text in ("1+2", "1-2", "1*2", "(1+2)*3", "1/2", "1+2+3", "1-2-3", "1*2*3")}) > 3


# ── the base policy ────────────────────────────────────────────────────────────────────────────────────


def test_without_noise_the_solve_rate_is_the_stated_one() -> None:
    policy = Tabular(noise=0.0, skill=0.5).build_for(TASK)
    policy.register(problems(("5:", 0.0), ("30:", 0.5), ("400:", 1.0)))
    # log-odds 0.5 + 2.94 − 7.54 · difficulty, whatever the number of right candidates (2, 6 and 6 of them)
    expected = [sigmoid(3.44), sigmoid(-0.33), sigmoid(-4.1)]
    np.testing.assert_allclose(policy.truth(["5:", "30:", "400:"])["pass@1"], expected)


def test_base_solve_rates_form_head_middle_and_tail() -> None:
    table = TASK.problems("train", 1000)
    policy = Tabular().build_for(TASK)
    policy.register(table)
    rate = policy.truth(table["prompt"])["pass@1"].groupby(table["band"].to_numpy(int)).mean()
    assert (rate.diff().dropna() > 0).all()
    assert rate[0] < 0.1
    assert 0.2 < rate[2] < 0.5
    assert rate[4] > 0.8


def test_a_flat_policy_by_hand() -> None:
    policy = flat(candidates=8)
    policy.register(problems(("9:", 0.5)))
    # log-odds 2.94 − 3.77 = −0.83, shared by two right candidates against six wrong ones; 6+4 is the answer of 4+6
    p, q = sigmoid(-0.83), sigmoid(0.83)
    said = policy.distribution("9:")
    assert said.responses == ["1+8", "2+7", "2+8", "3+7", "4+6", "5+5", "6+4", "9-"]
    np.testing.assert_allclose(said.probabilities, [p / 2] * 2 + [q / 6] * 6)
    found = policy.truth(["9:"], [1, 3]).iloc[0]
    np.testing.assert_allclose([found["pass@1"], found["pass@3"]], [p, 1 - q**3])
    np.testing.assert_allclose(found["distinct_correct@3"], 2 * (1 - (1 - p / 2) ** 3))
    shares = np.array([p / 2, p / 2, q / 6, q / 6, q / 3, q / 6]) / (1 - q / 6)  # 9- cannot be read
    np.testing.assert_allclose(found["answer_entropy"], -(shares * np.log(shares)).sum())
    assert (found["pass@inf"], found["n_right"]) == (1.0, 2)


def test_a_hint_adds_to_right_candidates() -> None:
    policy = flat(hint_strength=2.0)
    policy.register(problems(("9:", 0.5)))
    said = policy.distribution(TASK.hinted("9:", "answer"))
    assert said.responses == policy.distribution("9:").responses
    right = [TASK.is_right("9:", text) for text in said.responses]
    np.testing.assert_allclose(said.probabilities[right].sum(), sigmoid(-0.83 + 2.0))


def test_problems_with_nothing_right_or_nothing_wrong() -> None:
    policy = Tabular().build_for(TASK)
    found = policy.truth(["1:"], [5]).iloc[0]
    assert (found["pass@5"], found["pass@inf"], found["n_right"], found["distinct_correct@5"]) == (0, 0, 0, 0)
    sure = Tabular().build_for(Parts(wrong=0))
    found = sure.truth(["12:"], [1, 5]).iloc[0]
    assert (found["pass@1"], found["pass@5"], found["n_right"]) == (1, 1, 6)


def test_an_answer_entropy_without_readable_answers_is_unknown() -> None:
    p = np.array([[0.25, 0.75]])
    found = truth(p, np.zeros((1, 2), bool), np.full((1, 2), -1), [1])
    assert np.isnan(found["answer_entropy"][0])
    assert found["pass@1"][0] == 0
    # two spellings of one answer are one answer
    same = truth(p, np.ones((1, 2), bool), np.zeros((1, 2), int), [3])
    assert (same["answer_entropy"][0], same["distinct_correct@3"][0], same["n_right"][0]) == (0, 1, 1)


def test_knobs_make_different_policies_and_the_same_knobs_the_same() -> None:
    first, again, other = (Tabular(seed=s).build_for(TASK).distribution("30:").probabilities for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    marks = {make.build_for(TASK).fingerprint() for make in (Tabular(), Tabular(seed=1), Tabular(skill=0.1))}
    assert len(marks | {Tabular().build_for(Parts(wrong=4)).fingerprint()}) == 4


def test_register_fixes_difficulties_and_keeps_what_was_learnt() -> None:
    policy = flat(sharing=0.0)
    before = solve_rate(policy, "12:")
    np.testing.assert_allclose(before, sigmoid(-0.83))  # never registered: difficulty 0.5
    policy.train(plan_for(["12:"], ["1+11"], [1.0], rate=1.0))
    learnt = policy.weights.private.copy()
    policy.register(problems(("12:", 0.0)))
    np.testing.assert_array_equal(policy.weights.private, learnt)
    assert solve_rate(policy, "12:") > sigmoid(2.94)
    with pytest.raises(SchemaError, match="difficulty"):
        policy.register(pd.DataFrame({"prompt": ["12:"]}))
    with pytest.raises(SchemaError, match="difficulty"):
        policy.register(problems(("12:", 1.5)))


def test_the_order_in_which_problems_are_seen_does_not_matter() -> None:
    first, second = Tabular().build_for(TASK), Tabular().build_for(TASK)
    first.register(problems(("12:", 0.1), ("400:", 0.9)))
    second.sample(["30:", "400:"], 1, streams=streams(2, 1))
    second.register(problems(("400:", 0.9), ("12:", 0.1)))
    assert first.fingerprint() == second.fingerprint()
    mine = streams(2, 50)
    outs = [policy.sample(["12:", "400:"], 50, streams=mine) for policy in (first, second)]
    assert texts(outs[0]) == texts(outs[1])
    np.testing.assert_array_equal(outs[0].logp, outs[1].logp)
    for policy in (first, second):
        policy.train(plan_for(["400:", "12:"], ["1+399", "3+9"], [0.5, 0.5], rate=1.0))
    # sums over problems run in table order, so the last digit may differ from here on
    np.testing.assert_allclose(first.weights.skill, second.weights.skill)
    np.testing.assert_allclose(*(policy.truth(["12:", "400:"])["pass@1"] for policy in (first, second)))


# ── truth against simulation ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", [{}, {"temperature": 0.7}, {"temperature": 1.4, "top_p": 0.8}], ids=str)
def test_samples_follow_the_exact_distribution(how: dict[str, float]) -> None:
    policy, n = Tabular(seed=5).build_for(TASK), 40_000
    said = policy.distribution("30:", **how)
    out = policy.sample(["30:"], n, streams=streams(1, n), **how)
    counts = pd.Series(texts(out)).value_counts().reindex(said.responses, fill_value=0).to_numpy()
    assert (counts[said.probabilities == 0] == 0).all()
    off = (counts - n * said.probabilities) / np.sqrt(n * said.probabilities * (1 - said.probabilities)).clip(1e-9)
    assert np.abs(off[said.probabilities > 0]).max() < 4.5
    plain = dict(zip(said.responses, np.log(policy.distribution("30:").probabilities), strict=True))
    np.testing.assert_allclose(out.logp, [plain[text] for text in texts(out)])
    nats = entropy(policy.distribution("30:").probabilities[None])[0]
    np.testing.assert_allclose(out.entropy * out.n_tokens, nats)
    assert out.n_tokens.tolist() == [len(text) + 1 for text in texts(out)]
    assert out.finished.all()


def test_truth_is_what_simulation_tends_to() -> None:
    policy, k, groups = Tabular(seed=7).build_for(TASK), 8, 4000
    prompts = ["12:", "30:", "400:"]
    exact = policy.truth(prompts, [1, k])
    out = policy.sample(prompts, k * groups, streams=streams(3, k * groups))
    for i, prompt in enumerate(prompts):
        mine = texts(out)[i * k * groups : (i + 1) * k * groups]
        right = np.array([TASK.is_right(prompt, text) for text in mine]).reshape(groups, k)
        answers = np.array([TASK.answer(prompt, text) or "" for text in mine], object).reshape(groups, k)
        distinct = np.array([len(set(a[r])) for a, r in zip(answers, right, strict=True)])
        for values, name in (
            (right.mean(1), "pass@1"),
            (right.any(1), f"pass@{k}"),
            (distinct, f"distinct_correct@{k}"),
        ):
            assert abs(values.mean() - exact[name][i]) < 4.5 * max(values.std(), 0.05) / np.sqrt(groups), name
        share = pd.Series(answers.ravel())[answers.ravel() != ""].value_counts(normalize=True).to_numpy()
        # the plug-in entropy falls short by (S − 1)/2n < 4e-4 here; its deviation is below 0.7/√n
        assert abs(-(share * np.log(share)).sum() - exact["answer_entropy"][i]) < 4.5 * 0.7 / np.sqrt(k * groups) + 4e-4


def test_truth_refuses_numbers_of_samples_below_one() -> None:
    with pytest.raises(KnobError, match="every k must be at least 1, got 0"):
        Tabular().build_for(TASK).truth(["12:"], [4, 0])


# ── learning ───────────────────────────────────────────────────────────────────────────────────────────


def test_one_step_by_hand() -> None:
    policy = flat(candidates=8, sharing=0.25)
    policy.register(problems(("9:", 0.5)))
    p, q = sigmoid(-0.83), sigmoid(0.83)
    seen = policy.train(plan_for(["9:", "9:"], ["1+8", "4+6"], [0.75, 0.25], rate=2.0))
    np.testing.assert_allclose(seen, [(np.log(p / 2) + np.log(q / 6)) / 2])
    # ∂/∂private = c − Σc · π; columns 1+8 2+7 2+8 3+7 4+6 5+5 6+4 9-
    slope = np.array([0.75, 0, 0, 0, 0.25, 0, 0, 0]) - np.array([p / 2] * 2 + [q / 6] * 6)
    np.testing.assert_allclose(policy.weights.private, [2.0 * PRIVATE_RATE * 0.75 * 1 * slope])
    skill = np.zeros(5)
    skill[2] = 2.0 * SHARED_RATE * 0.25 * (0.75 - p)  # difficulty 0.5 is band 2
    np.testing.assert_allclose(policy.weights.skill, skill)
    gap = np.log(p / 2) - np.log(q / 6)  # right against wrong, the only difference between base logits
    np.testing.assert_allclose(policy.weights.sharpness, [2.0 * SHARED_RATE * 0.25 * (0.75 - p) * gap])
    style = np.zeros(8)
    style[style_of("9-")] -= q / 6
    style[style_of("1+8")] += q / 6
    np.testing.assert_allclose(policy.weights.style, 2.0 * SHARED_RATE * 0.25 * style, atol=1e-15)
    # logits of the next step: exp(sharpness) times the base, and so on
    z = np.exp(policy.weights.sharpness) * np.log([p / 2] * 2 + [q / 6] * 6) + policy.weights.private[0]
    z += (
        [skill[2]] * 2
        + [0] * 6
        + policy.weights.style[[style_of(text) for text in policy.distribution("9:").responses]]
    )
    np.testing.assert_allclose(policy.distribution("9:").probabilities, np.exp(z) / np.exp(z).sum())


def test_a_step_moves_each_problem_alike_however_many_there_are() -> None:
    one, many = flat(sharing=0.0), flat(sharing=0.0)
    one.train(plan_for(["12:"], ["1+11"], [1.0], rate=1.0))
    prompts = ["12:", *(f"{n}:" for n in range(20, 29))]
    many.train(plan_for(prompts, [f"1+{int(p[:-1]) - 1}" for p in prompts], [0.1] * 10, rate=1.0))
    np.testing.assert_allclose(solve_rate(one, "12:"), solve_rate(many, "12:"))


def test_two_batches_are_two_plans() -> None:
    prompts, responses = ["12:", "30:", "12:"], ["1+11", "2+28", "12-"]
    c, done = np.array([0.5, 0.3, -0.2]), np.ones(3, bool)
    whole, parts = Tabular().build_for(TASK), Tabular().build_for(TASK)
    batches = [np.array([0, 1]), np.array([2, 1])]
    whole.train(Plan(prompts, responses, done, batches, lambda logp, index: c[index], 1.0))
    for batch in batches:
        parts.train(Plan(prompts, responses, done, [batch], lambda logp, index: c[index], 1.0))
    assert whole.fingerprint() == parts.fingerprint()


def test_shared_learning_reaches_problems_that_were_not_trained_on() -> None:
    table = problems(("12:", 0.5), ("30:", 0.5), ("400:", 0.95))
    plan = plan_for(["12:"], ["1+11"], [1.0], rate=5.0, steps=5)
    alone = flat(sharing=0.0)
    alone.register(table)
    before = alone.truth(["30:", "400:"])["pass@1"]
    alone.train(plan)
    np.testing.assert_array_equal(alone.truth(["30:", "400:"])["pass@1"], before)
    shared = flat(sharing=1.0)
    shared.register(table)
    shared.train(plan)
    assert not shared.weights.private.any()
    assert solve_rate(shared, "30:") > before[0] + 0.01
    assert shared.weights.skill[2] > 0
    assert (shared.weights.skill[[0, 1, 3, 4]] == 0).all()


def test_learning_from_own_right_answers_lifts_the_head_and_narrows_the_tail() -> None:
    """Exact expected step of filtered self-training: c ∝ π(right), shared numbers only."""
    table = TASK.problems("train", 300)
    policy = Tabular(sharing=1.0).build_for(TASK)
    policy.register(table)
    band, prompts = table["band"].to_numpy(int), table["prompt"].tolist()
    first = policy.truth(prompts, [1, 32]).groupby(band).mean(numeric_only=True)
    for _ in range(40):
        rows, said, c = [], [], []
        for prompt in prompts:
            known = policy.distribution(prompt)
            right = [TASK.is_right(prompt, text) for text in known.responses]
            rows += [prompt] * sum(right)
            said += [text for text, fine in zip(known.responses, right, strict=True) if fine]
            c += known.probabilities[right].tolist()
        policy.train(plan_for(rows, said, (np.array(c) / sum(c)).tolist(), rate=2.0))
    last = policy.truth(prompts, [1, 32]).groupby(band).mean(numeric_only=True)
    assert policy.weights.sharpness[0] > 0
    assert last["pass@1"][3] > first["pass@1"][3] + 0.05
    assert last["pass@32"][0] < first["pass@32"][0] - 0.05
    assert (last["answer_entropy"] < first["answer_entropy"]).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_wildest_training_leaves_a_distribution(sign: float) -> None:
    policy, rng = Tabular().build_for(TASK), np.random.default_rng(0)
    prompts = ["12:", "30:", "400:"]
    for _ in range(60):
        said = [rng.choice(policy.distribution(prompt).responses) for prompt in prompts]
        policy.train(plan_for(prompts, said, [sign, sign, sign * rng.normal()], rate=100.0))
    assert np.abs(policy.weights.sharpness) <= 3.0
    for prompt in prompts:
        known = policy.distribution(prompt)
        np.testing.assert_allclose(known.probabilities.sum(), 1.0)
        assert np.isfinite(policy.logp([prompt] * len(known.responses), known.responses)).all()
    out = policy.sample(prompts, 20, streams=streams(3, 20))
    assert np.isfinite(out.logp).all()
    assert (out.entropy >= 0).all()


def test_another_spelling_counts_as_the_candidate_with_its_answer() -> None:
    policy = flat()
    np.testing.assert_array_equal(
        policy.logp(["12:", "12:"], ["11+1", "1+11"], np.ones(2, bool)), policy.logp(["12:"] * 2, ["1+11"] * 2, None)
    )
    one, two = policy.copy(), policy.copy()
    one.train(plan_for(["12:"], ["11+1"], [1.0], rate=1.0))
    two.train(plan_for(["12:"], ["1+11"], [1.0], rate=1.0))
    assert one.fingerprint() == two.fingerprint()
    assert "11+1" not in one.distribution("12:").responses


def test_training_makes_a_candidate_of_a_new_answer(tmp_path: Path) -> None:
    policy, done = flat(sharing=0.0), np.ones(1, bool)
    new = ["40+360"]  # right, but only 1+399 … 6+394 are listed
    before, mark = policy.distribution("400:"), policy.fingerprint()
    assert new[0] not in before.responses
    assert policy.logp(["400:"], new, done)[0] == OUTSIDE
    assert policy.fingerprint() == mark
    twin = policy.copy()
    policy.train(plan_for(["400:"], new, [1.0], rate=0.0))
    after = policy.distribution("400:")
    assert after.responses == [*before.responses, *new]
    # it enters with 1e-4 of the mass of the others
    np.testing.assert_allclose(after.probabilities, [*(before.probabilities / (1 + 1e-4)), 1e-4 / (1 + 1e-4)])
    entry = policy.logp(["400:"], new, done)[0]
    assert policy.fingerprint() != mark
    policy.train(plan_for(["400:"], new, [1.0], rate=1.0))
    assert policy.logp(["400:"], new, done)[0] > entry
    assert policy.truth(["400:"])["n_right"][0] == 7
    assert twin.logp(["400:"], new, done)[0] == OUTSIDE
    policy.save(tmp_path)
    loaded = twin.load(tmp_path)
    assert loaded.fingerprint() == policy.fingerprint()
    np.testing.assert_array_equal(loaded.distribution("400:").probabilities, policy.distribution("400:").probabilities)


def test_a_new_candidate_outside_every_batch_is_not_admitted() -> None:
    policy = flat()
    plan = Plan(
        ["400:", "12:"], ["40+360", "1+11"], np.ones(2, bool), [np.array([1])], lambda logp, index: np.ones(1), 1.0
    )
    policy.train(plan)
    assert "40+360" not in policy.distribution("400:").responses


def test_a_wider_table_changes_no_digit_of_the_others() -> None:
    policy, mine = Tabular().build_for(TASK), streams(2, 200)
    before = policy.sample(["12:", "30:"], 200, streams=mine)
    policy.train(plan_for(["500:"] * 9, [f"{i}-1" for i in range(9)], [0.1] * 9, rate=0.0))
    assert policy.weights.private.shape[1] > 24
    after = policy.sample(["12:", "30:"], 200, streams=mine)
    assert texts(before) == texts(after)
    np.testing.assert_array_equal(before.logp, after.logp)
    np.testing.assert_array_equal(before.entropy, after.entropy)


@settings(max_examples=25)
@given(st.data())
def test_the_gradient_of_any_rows_equals_finite_differences(data: st.DataObject) -> None:
    policy = Tabular(seed=data.draw(st.integers(0, 99))).build_for(TASK)
    prompts = data.draw(st.lists(st.sampled_from(["12:", "30:", "7:"]), min_size=1, max_size=6))
    said = [data.draw(st.sampled_from(policy.distribution(prompt).responses)) for prompt in prompts]
    c = np.array(data.draw(st.lists(st.floats(-2, 2), min_size=len(prompts), max_size=len(prompts))))
    slope = policy.gradient(prompts, said, None, c)
    for name, array in policy.parameters().items():
        place = np.unravel_index(data.draw(st.integers(0, array.size - 1)), array.shape)
        values = []
        for step in (1e-5, -1e-5):
            array[place] += step
            values.append(c @ policy.logp(prompts, said))
            array[place] -= step
        assert abs((values[0] - values[1]) / 2e-5 - slope[name][place]) < 1e-6, name


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────


def test_faults_are_named() -> None:
    policy, done = Tabular().build_for(TASK), np.ones(1, bool)
    with pytest.raises(KnobError, match=r"streams must be \(prompts, k\) = \(1, 3\), got \(3,\)"):
        policy.sample(["12:"], 3, streams=np.zeros(3, np.uint64))
    with pytest.raises(KnobError, match="must be equally many, got 2 and 1"):
        policy.logp(["12:", "30:"], ["1+11"], done)
    with pytest.raises(KnobError, match="are texts, got 1 nulls"):
        policy.logp(["12:"], pa.array([None], pa.string()), done)
    for odd in ([3], ["\ud800"]):
        with pytest.raises(KnobError, match="are texts, got others"):
            policy.sample(odd, 1, streams=streams(1, 1))
    with pytest.raises(KnobError, match="task 'parts' lists no candidates for '0:'"):
        policy.sample(["0:"], 1, streams=streams(1, 1))
    with pytest.raises(KnobError, match="no candidate has no gradient"):
        policy.gradient(["12:"], ["rubbish"], done, np.ones(1))
    with pytest.raises(KnobError, match=r"without a hint, got '12:#1\+11>'; next: '12:'"):
        policy.train(plan_for([TASK.hinted("12:", "answer")], ["1+11"], [1.0], rate=1.0))


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [1.0, 1.0]])
def test_bad_coefficients_are_refused_and_change_nothing(bad: list[float]) -> None:
    policy = Tabular().build_for(TASK)
    mark = policy.fingerprint()
    plan = Plan(["12:"], ["1+11"], np.ones(1, bool), [np.array([0])], lambda logp, index: np.array(bad), 1.0)
    with pytest.raises(KnobError, match="coefficients must be 1 finite numbers"):
        policy.train(plan)
    with pytest.raises(KnobError, match="a batch must hold at least one row"):
        policy.train(plan._replace(batches=[np.zeros(0, int)]))
    assert policy.fingerprint() == mark


def test_nothing_asked_is_nothing_answered() -> None:
    policy = Tabular().build_for(TASK)
    assert [len(part) for part in policy.sample([], 4, streams=np.zeros((0, 4), np.uint64))] == [0] * 5
    assert policy.logp([], [], np.zeros(0, bool)).shape == (0,)
    assert policy.truth([], [1]).empty
    assert policy.train(plan_for([], [], [], rate=1.0, steps=0)).shape == (0,)


def test_files_of_another_make_or_with_other_shapes_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    policy = Tabular().build_for(TASK)
    policy.train(plan_for(["12:"], ["1+11"], [1.0], rate=1.0))
    policy.save(tmp_path)
    with pytest.raises(RunError, match=r"is of tabular for parts, not of tabular\(seed=1\) for parts; build that one"):
        Tabular(seed=1).build_for(TASK).load(tmp_path)
    with pytest.raises(RunError, match=r"not of tabular for parts\(wrong=4\)"):
        Tabular().build_for(Parts(wrong=4)).load(tmp_path)
    path = tmp_path / "tabular.safetensors"
    whole = load_file(path)
    odd = {"skill": np.zeros(4), "private": whole["private"][:, 1:], "sharpness": np.array([np.nan])}
    odd |= {"style": np.zeros(8, np.float32), "difficulty": np.array([1.5])}
    odd |= {"about": np.frombuffer(b'{"make": 1}', np.uint8)}
    for name, array in odd.items():
        save_file({**whole, name: np.ascontiguousarray(array)}, path)
        with pytest.raises(RunError, match="holds no readable policy"):
            policy.load(tmp_path)
    save_file({name: array for name, array in whole.items() if name != "style"}, path)
    with pytest.raises(RunError, match="holds no readable policy"):
        policy.load(tmp_path)


def test_registered_difficulties_hold_for_a_loaded_policy(tmp_path: Path) -> None:
    stranger, policy = flat(), flat()
    stranger.train(plan_for(["400:"], ["1+399"], [1.0], rate=0.0))  # the file knows 400: at 0.5 and 12: not at all
    stranger.save(tmp_path)
    policy.register(problems(("12:", 0.0), ("400:", 1.0)))
    loaded = policy.load(tmp_path)
    np.testing.assert_allclose(loaded.truth(["12:", "400:"])["pass@1"], [sigmoid(2.94), sigmoid(-4.6)])
    loaded.save(tmp_path)
    np.testing.assert_allclose(solve_rate(flat().load(tmp_path), "12:"), sigmoid(2.94))


def test_a_policy_that_has_seen_nothing_can_be_saved(tmp_path: Path) -> None:
    policy = Tabular().build_for(TASK)
    policy.save(tmp_path)
    assert policy.load(tmp_path).fingerprint() == policy.fingerprint()


# ── on a real task, and quick ──────────────────────────────────────────────────────────────────────────


def test_countdown_has_head_and_tail_and_its_written_answers_are_known() -> None:
    from siwork.tasks.countdown import Countdown

    task = Countdown()
    table = task.problems("train", 60)
    policy = Tabular().build_for(task)
    policy.register(table)
    found = policy.truth(table["prompt"], [1, 64])
    by_band = found.groupby(table["band"].to_numpy(int)).mean(numeric_only=True)
    assert by_band["pass@1"][4] > by_band["pass@1"][2] > by_band["pass@1"][0]
    prompts = table["prompt"].tolist()
    known = [text for prompt in prompts for text in policy.distribution(prompt).responses]
    asked = [prompt for prompt in prompts for _ in policy.distribution(prompt).responses]
    p = pd.Series(np.exp(policy.logp(asked, known, np.ones(len(known), bool)))).groupby(asked).sum()
    np.testing.assert_allclose(p, 1.0)
    rng = np.random.default_rng(0)
    real = [task.write(prompt, rng) for prompt in prompts]
    policy.train(plan_for(prompts, real, [1 / 60] * 60, rate=1.0))
    assert (policy.logp(prompts, real, np.ones(60, bool)) >= OUTSIDE - 1e-3).all()


def test_twenty_rounds_of_64_000_samples_are_quick() -> None:
    table = TASK.problems("train", 1000)
    policy, n, k = Tabular().build_for(TASK), 1000, 64
    policy.register(table)
    asked = pa.array(table["prompt"]).take(pa.array(np.repeat(np.arange(n), k)))
    spent = 0.0
    for r in range(20):
        mine = streams(n, k, r)
        start = time.perf_counter()
        out = policy.sample(table["prompt"], k, streams=mine)
        kept = np.flatnonzero(out.logp > -3)
        chosen = pa.array(kept)
        plan = Plan(
            asked.take(chosen),
            out.response.take(chosen),
            out.finished[kept],
            [np.arange(len(kept))],
            lambda logp, index: np.full(len(logp), 1 / len(logp)),
            1.0,
        )
        policy.train(plan)
        spent += time.perf_counter() - start
    assert spent < 4.0  # ten times what it takes on two idle cores


def test_no_torch_is_loaded() -> None:
    code = "import sys, siwork.policies.tabular; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_table_knows_each_problem_once() -> None:
    table = Table(TASK, 24).seen(["12:", "30:", "12:"])
    assert len(table.facts) == 2
    assert table.seen(["30:"]) is table
    assert (table.length[~table.live] == 0).all()
