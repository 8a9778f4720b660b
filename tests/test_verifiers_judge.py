"""The judge: exact probabilities, a judge that was taught, pairs in both orders, and who cannot be asked."""

import numpy as np
import pandas as pd
import pytest
import torch

import siwork
from contracts.verifier import Silent, VerifierContract, rng
from hf_made import byte_pairs, pieces_of_sentences, write_fresh
from judge_made import DUEL, QUESTION, Even, digit_rows, write_judge
from recipes_made import ASKING
from siwork.loop import Sizes, run
from siwork.metrics.calibration import auroc
from siwork.policies.asking import chances
from siwork.recipes import Recipe
from siwork.schema import KnobError, RecipeError, format_call, parse_call
from siwork.slots import State
from siwork.verifiers import Judge
from siwork.verifiers.judge import TEMPLATES, filled, pairings

ASKED = ["What is 3 + 4?", "a", "A longer one\nReply:"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_judge(tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="module")
def judge(folder):
    """The taught judge as the policy of a state."""
    return siwork.policy("hf", folder, device="cpu")


@pytest.fixture
def state(judge):
    return State(Even(), judge, judge)


@pytest.fixture
def rows():
    return digit_rows()


class TestAlone(VerifierContract):
    tolerance = 1e-4

    @pytest.fixture
    def verifier(self):
        return Judge(template=QUESTION)


class TestInPairs(VerifierContract):
    tolerance = 1e-4

    @pytest.fixture
    def verifier(self):
        return Judge(template=DUEL, mode="pairwise", rivals=3)


class TestRecalibrated(VerifierContract):
    tolerance = 1e-3

    @pytest.fixture
    def verifier(self):
        return Judge(template=QUESTION, recal="platt", labels=8)


# ── probabilities ──────────────────────────────────────────────────────────────────────────────────────
def plainly(policy, question, options):
    """P among the options by one forward pass for each, without padding or batch: the next-token softmax, chained."""
    found = []
    for option in options:
        prompt, said = policy.reader.prompts([question])[0], policy.reader.responses([option], np.array([False]))[0]
        ids = torch.from_numpy(np.concatenate([prompt, said]))[None]
        with torch.no_grad():
            p = policy.model(input_ids=ids).logits[0].double().softmax(-1)
        found.append(np.prod([float(p[len(prompt) - 1 + i, token]) for i, token in enumerate(said)]))
    return np.array(found) / sum(found)


@pytest.mark.parametrize("options", [["A", "B"], [" yes", " no"], ["7", "1", "33"]], ids=str)
@pytest.mark.parametrize("make", [byte_pairs, pieces_of_sentences])
def test_chances_are_the_softmax_of_a_plain_forward_pass(tmp_path, make, options):
    policy = siwork.policy("hf", write_fresh(tmp_path / "m", make()), device="cpu")
    expected = [plainly(policy, question, options) for question in ASKED]
    np.testing.assert_allclose(chances(policy, ASKED, options), expected, atol=1e-4)


def test_the_last_position_says_p_yes(folder, judge, state):
    # one token each: softmax at the last position of the question, over the two words
    rows = digit_rows().iloc[:10]
    score = Judge(template=QUESTION, yes="y", no="n").score(state, rows, rng())
    for line, found in zip(rows.to_dict("records"), score, strict=True):
        ids = judge.tokenizer(f"{line['prompt']}={line['response']}?", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            p = judge.model(ids).logits[0, -1].softmax(-1)
        yes, no = (judge.tokenizer(word)["input_ids"] for word in ("y", "n"))
        assert len(yes) == len(no) == 1
        assert found == pytest.approx(float(p[yes[0]] / (p[yes[0]] + p[no[0]])), abs=1e-4)


def test_in_a_chat_the_option_opens_the_reply(tmp_path):
    policy = siwork.policy("hf", write_fresh(tmp_path / "m", byte_pairs(chat=True)), device="cpu")
    asked = policy.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Right?"}], add_generation_prompt=True, tokenize=False
    )
    assert asked.endswith("assistant: ")
    expected = plainly(policy, "Right?", ["yes", "no"])  # without the blank
    np.testing.assert_allclose(chances(policy, ["Right?"], [" yes", " no"])[0], expected, atol=1e-6)


def test_a_question_beyond_the_context_is_unknown(tmp_path):
    policy = siwork.policy("hf", write_fresh(tmp_path / "m", byte_pairs()), device="cpu")  # 128 places
    found = chances(policy, ["short", "x" * 300], ["A", "B"])
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_a_policy_of_its_own_method_is_asked_by_it(judge):
    class Told:
        name = "told"

        @staticmethod
        def chances(prompts, options):
            return np.tile([0.25, 0.75], (len(prompts), 1))

    assert chances(Told(), ["a", "b"], [" yes", " no"])[:, 0].tolist() == [0.25, 0.25]


# ── judging ────────────────────────────────────────────────────────────────────────────────────────────
def test_a_taught_judge_knows_right_from_wrong_on_new_problems(state, rows):
    score = Judge(template=QUESTION).score(state, rows, rng())
    assert auroc(score[40:], Even.check(rows)[40:]) > 0.95  # it was taught on the first forty


def test_pairs_are_asked_in_both_orders_and_rank_as_well(state, rows, judge):
    duel = Judge(template=DUEL, mode="pairwise", rivals=9)
    score = duel.score(state, rows, rng())
    assert auroc(score[40:], Even.check(rows)[40:]) > 0.9
    one = rows.iloc[40:50]  # all nine rivals: no luck is left
    asked = [[f"{b}/{p}={a}?" for b in one["response"]] for p, a in zip(one["prompt"], one["response"], strict=True)]
    p = np.array([chances(judge, line, [" yes", " no"])[:, 0] for line in asked])  # (row, rival): row is better
    wins = (p + 1 - p.T) / 2
    expected = (wins.sum(axis=1) - np.diag(wins)) / 9
    np.testing.assert_allclose(score[40:50], expected, atol=1e-4)


def test_a_taste_for_the_first_place_cancels(state):
    class Vain:
        name = "vain"

        @staticmethod
        def chances(prompts, options):
            return np.tile([0.9, 0.1], (len(prompts), 1))  # whatever stands first is better

    rows = pd.DataFrame({"problem": list("aaab"), "prompt": list("ppph"), "response": ["1", "1", "2", "3"]})
    score = Judge(mode="pairwise", rivals=2).score(state.having(policy=Vain()), rows, rng())
    assert score[:3] == pytest.approx([0.5] * 3)
    assert np.isnan(score[3])  # no rival: unknown, not one half


def test_a_rival_that_cannot_be_asked_about_is_left_out(state):
    class Short:
        name = "short"

        @staticmethod
        def chances(prompts, options):
            p = np.array(
                [
                    np.nan if "long" in text else 0.8 if "First answer: 1" in text else 0.2
                    for text in prompts.to_pylist()
                ]
            )
            return np.stack([p, 1 - p], axis=1)

    rows = pd.DataFrame({"problem": list("aaa"), "prompt": list("ppp"), "response": ["1", "long", "2"]})
    score = Judge(mode="pairwise", rivals=9).score(state.having(policy=Short()), rows, rng())
    np.testing.assert_allclose(score, [0.8, np.nan, 0.2])


def test_equal_questions_are_asked_once(state, judge):
    asked = []

    class Counting:
        name = "counting"

        @staticmethod
        def chances(prompts, options):
            asked.extend(prompts.to_pylist())
            return judge.chances(prompts, options)

    table = pd.concat([digit_rows().iloc[:10]] * 3, ignore_index=True)
    here = state.having(policy=Counting())
    Judge(template=QUESTION).score(here, table, rng())
    assert len(asked) == len(set(asked)) == 10
    asked.clear()
    Judge(template=DUEL, mode="pairwise", rivals=200).score(here, table, rng())
    assert len(asked) == len(set(asked)) == 90  # ordered pairs of unlike texts


def test_rivals_are_others_of_the_problem_and_drawn_by_luck():
    problem = np.array([0, 0, 0, 0, 1, 1, 2])
    keys = np.arange(7, dtype=np.uint64)
    one, other = pairings(problem, keys, 2)
    assert np.bincount(one, minlength=7).tolist() == [2, 2, 2, 2, 1, 1, 0]
    assert (problem[one] == problem[other]).all()
    assert (one != other).all()
    drawn = {tuple(pairings(problem, keys + np.uint64(100 * s), 1)[1]) for s in range(20)}
    assert len(drawn) > 5


def test_what_a_model_wrote_is_never_a_template():
    told = {"prompt": "{other}", "response": "{prompt} {0} %s", "other": "{response}"}
    assert filled(TEMPLATES["pairwise"], told).count("{other}") == 1
    assert "{prompt} {0} %s" in filled(TEMPLATES["pointwise"], told)


def test_another_policy_is_opened_once_and_asked(state, folder, rows, tmp_path):
    fresh = siwork.policy("hf", write_fresh(tmp_path / "m", byte_pairs()), device="cpu")
    here = state.having(policy=fresh, base=fresh)
    other = Judge(by=f'hf("{folder}", device=cpu)', template=QUESTION)
    np.testing.assert_allclose(
        other.score(here, rows, rng()), Judge(template=QUESTION).score(state, rows, rng()), atol=1e-6
    )
    assert auroc(Judge(by="base", template=QUESTION).score(here, rows, rng()), Even.check(rows)) < 0.9
    assert Judge.build(*parse_call(format_call(other))[1:]) == other


# ── who cannot be asked ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["tabular", "tiny"])
def test_a_policy_that_cannot_read_ends_in_a_sentence(name, tmp_path):
    with pytest.raises(RecipeError, match=f"needs a policy that reads any text, .* and {name} does not") as caught:
        run("self-rewarding", "countdown", name, rounds=1, problems=Sizes(4, 4, 0, 4), folder=tmp_path / "r")
    assert 'by="hf(' in str(caught.value)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"by": "sefl"}, "got 'sefl'; nearest: 'self'"),
        ({"by": "two words"}, "knob 'by' is self, base or a policy's call"),
        ({"template": "{prompt}"}, "the template must hold {response}"),
        ({"template": "{response}", "mode": "pairwise"}, "must hold {other}"),
        ({"yes": "no", "no": "now"}, "must begin in different ways"),
        ({"labels": 1}, "'labels' must be in 4 … 100000, got 1; nearest: 4"),
    ],
)
def test_a_wrong_judge_is_one_sentence(knobs, words):
    with pytest.raises((KnobError, RecipeError)) as caught:
        Judge(**knobs)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [["yes"], ["a", "ab"], ["", "b"]], ids=str)
def test_options_that_cannot_be_told_apart(judge, options):
    with pytest.raises(KnobError):
        chances(judge, ["x"], options)


# ── rounds ─────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("by", ["self", "other"])
def test_two_rounds_of_a_language_model_that_is_judged(tmp_path, folder, by):
    policy = f'hf("{write_fresh(tmp_path / "m", byte_pairs(), max_position_embeddings=256)}", max_new=8, device=cpu)'
    told = "judge(mode=pairwise)" if by == "self" else f'judge(by="hf(\\"{folder}\\", device=cpu)")'
    formula = f"seed · cot(k=4) · {told} · pairs · pref(steps=2, batch=4)"
    made = run(formula, "countdown", policy, rounds=2, problems=Sizes(6, 4, 0, 4), folder=tmp_path / "r")
    rows = siwork.check(made.rows())
    assert made.rounds_done == 3
    assert (rows["verifier"] == "judge").all()
    assert rows["score"].notna().all()
    assert rows["score"].between(0, 1).all()
    assert rows["score"].nunique() > 20


@pytest.mark.parametrize("name", ASKING)
def test_truth_comes_last(name, tmp_path):
    folder, task = write_fresh(tmp_path / "m", byte_pairs(), max_position_embeddings=256), siwork.task("countdown")
    problems, ends = task.problems("train", 3), []
    for truth in (task, Silent(task)):
        policy = siwork.policy("hf", folder, max_new=6, device="cpu")
        state = State(truth, policy, policy)
        rows, after = Recipe.read(name).play(state, problems, rng(3))
        ends.append((rows, after.policy.fingerprint()))
    pd.testing.assert_frame_equal(ends[0][0], ends[1][0], check_exact=True)
    assert ends[0][1] == ends[1][1]
    assert Recipe.read(name).label_free
