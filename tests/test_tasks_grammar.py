"""The known language: probabilities by hand and by enumeration, exact entropy, one derivation a text."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.schema import KnobError
from siwork.tasks.grammar import Grammar
from siwork.tasks.language import Phrase, choices_of
from tasks_contract import TaskContract, rng


class TestGrammarContract(TaskContract):
    task = Grammar()
    others = (Grammar(words=20, depth=1), Grammar(words=73, exponent=2.5, depth=6), Grammar(exponent=0.0))


# 20 words: 9 nouns, 7 verbs, 4 adjectives, most frequent first
NOUNS = ["Bano", "Cano", "Dano", "Fano", "Gano", "Hano", "Jano", "Kano", "Lano"]
VERBS = ["Bati", "Cati", "Dati", "Fati", "Gati", "Hati", "Jati"]
ADJECTIVES = ["Bala", "Cala", "Dala", "Fala"]


def noun_phrases(after: list[str]) -> list[str]:
    return ["".join(parts) for parts in product(["", *ADJECTIVES], NOUNS, after)]


def all_texts(depth: int) -> list[str]:
    """Every derivation of the 20-word language of depth 1 or 2, written out from the rules in the module's head."""
    plain = noun_phrases([""])
    if depth == 1:
        return ["".join(parts) for parts in product(plain, VERBS, ["."])]
    with_clause = noun_phrases(["", *("That" + verb for verb in VERBS)])
    return ["".join(parts) for parts in product(with_clause, VERBS, ["", *plain], ["."])]


def test_probability_by_hand() -> None:
    flat = Grammar(words=20, exponent=0.0, depth=1)
    assert flat.log_probability("BanoCati.") == pytest.approx(math.log(0.7 / 9 / 7))
    assert flat.log_probability("CalaBanoCati.") == pytest.approx(math.log(0.3 / 4 / 9 / 7))
    # depth 2: a clause 0.25; an object 0.45 of the 0.85 that is not too deep; what is nested has no choice left
    nested = Grammar(words=20, exponent=0.0, depth=2)
    by_hand = 0.7 / 9 * 0.25 / 7 * 1 / 7 * (0.45 / 0.85) * 0.7 / 9
    assert nested.log_probability("BanoThatBatiCatiDano.") == pytest.approx(math.log(by_hand))
    # Zipf: the second noun has 1/2 over 1 + 1/2 + … + 1/9 = 7129/2520
    zipf = Grammar(words=20, depth=1)
    assert zipf.log_probability_given("", "CanoBati.") == pytest.approx(
        math.log(0.7) + math.log(1260 / 7129) + zipf.log_probability("BanoBati.") - math.log(0.7 * 2520 / 7129)
    )


@pytest.mark.parametrize(("depth", "number"), [(1, 45 * 7), (2, 360 * 322)])
def test_enumerated_language(depth: int, number: int) -> None:
    task, texts = Grammar(words=20, depth=depth), all_texts(depth)
    assert len(texts) == number
    assert len(set(texts)) == number  # no text has two derivations
    logp = np.array([task.log_probability(text) for text in texts])
    assert np.exp(logp).sum() == pytest.approx(1, abs=1e-9)
    assert -(np.exp(logp) @ logp) == pytest.approx(task.entropy(), abs=1e-9)


@pytest.mark.parametrize("prompt", ["Bano", "CanoBati", "BalaDano", "BanoThat", "BanoThatBatiCati", "CanoBatiDala"])
def test_continuations_of_a_prompt_sum_to_one(prompt: str) -> None:
    task = Grammar(words=20, depth=2)
    rests = [text.removeprefix(prompt) for text in all_texts(2) if re.match(prompt + "(?![a-z])", text)]
    total = math.fsum(math.exp(task.log_probability_given(prompt, rest)) for rest in rests)
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
def test_the_next_word_decides_the_rule(depth: int) -> None:
    """LL(1): alternatives begin differently, and none begins with what may follow an empty one."""
    start = (Phrase("NP", depth - 1), Phrase("VP", depth - 1), ".")
    follow: dict[Phrase, set[str]] = defaultdict(set)
    bodies = [(None, start), *((p, choice.body) for p in reachable(start) for choice in choices_of(p))]
    for _ in range(40):  # to a fixed point: chains are at most 4 kinds × 6 levels long
        for owner, body in bodies:
            after = set(follow[owner]) if owner else set()
            for part in reversed(body):
                if isinstance(part, str):
                    after = {part}
                    continue
                follow[part] |= after
                firsts = [choice.first for choice in choices_of(part)]
                after = set().union(*firsts) | (after if frozenset() in firsts else set())
    for phrase in reachable(start):
        firsts = [choice.first or frozenset(follow[phrase]) for choice in choices_of(phrase)]
        assert sum(map(len, firsts)) == len(frozenset().union(*firsts))
        assert sum(choice.probability for choice in choices_of(phrase)) == pytest.approx(1)


def reachable(body: tuple[object, ...]) -> set[Phrase]:
    found = {part for part in body if isinstance(part, Phrase)}
    for phrase in set(found):
        for choice in choices_of(phrase):
            found |= reachable(choice.body)
    return found


@pytest.mark.parametrize("task", [Grammar(), Grammar(words=30, exponent=2.0, depth=6)])
def test_sampled_surprise_is_the_entropy(task: Grammar) -> None:
    generator, n = rng(), 20_000
    texts = [task.write("", generator) for _ in range(n)]
    surprise = -np.array([task.log_probability(text) for text in texts])
    assert abs(surprise.mean() - task.entropy()) < 4 * surprise.std() / math.sqrt(n)
    assert np.mean([len(re.findall(r"[A-Z.]", text)) for text in texts]) < 12


def test_entropy_by_hand() -> None:
    # depth 1, even words: one choice 0.7/0.3, a noun of 9, a verb of 7, and three times in ten an adjective of 4
    by_hand = -0.7 * math.log(0.7) - 0.3 * math.log(0.3) + math.log(9) + math.log(7) + 0.3 * math.log(4)
    assert Grammar(words=20, exponent=0.0, depth=1).entropy() == pytest.approx(by_hand)


def test_tail_mass_by_hand() -> None:
    # depth 1, even words: 1 noun, 1 verb and 0.3 adjectives a text; beyond rank 4 are 5 of 9, 3 of 7 and none
    task = Grammar(words=20, exponent=0.0, depth=1)
    assert task.tail_mass(4) == pytest.approx((5 / 9 + 3 / 7) / 2.3)
    assert task.tail_mass(0) == 1
    assert task.tail_mass(9) == 0
    with pytest.raises(KnobError, match="rank must be at least 0, got -1"):
        task.tail_mass(-1)


def test_tail_mass_by_sampling() -> None:
    task, generator = Grammar(), rng()
    parts = task.vocabulary[:90], task.vocabulary[90:160], task.vocabulary[160:200]
    rank = {word: i for part in parts for i, word in enumerate(part, 1)}
    texts = [re.findall(r"[A-Z][a-z]+", task.write("", generator)) for _ in range(8000)]
    words = [[rank[word] for word in text if word != "That"] for text in texts]
    length, rare = np.array([len(w) for w in words]), np.array([sum(r > 10 for r in w) for w in words])
    share = rare.sum() / length.sum()
    # ratio estimator, texts are the independent units
    error = (rare - share * length).std() / length.mean() / math.sqrt(len(words))
    assert abs(share - task.tail_mass(10)) < 4 * error


@pytest.mark.parametrize(
    "text",
    ["", ".", "Bano.", "BanoBati", "BanoBati..", "BatiBano.", "BanoCano.", "BanoThat.", "BalaBati.", "Xyno.", "bano"],
)
def test_texts_outside_the_language(text: str) -> None:
    assert Grammar().log_probability(text) == -math.inf


def test_depth_bounds_the_language() -> None:
    text = "BanoThatBatiBatiBano."
    assert Grammar(depth=1).log_probability(text) == -math.inf
    assert Grammar(depth=2).log_probability(text) > -math.inf
    assert Grammar(words=20).log_probability("ZunoBati.") == -math.inf  # the 90th noun


def test_responses_given_a_prompt() -> None:
    task = Grammar()
    whole = task.log_probability("BanoBatiCano.")
    assert task.log_probability_given("", "BanoBatiCano.") == whole
    parts = task.log_probability_given("BanoBati", "Cano."), -hardness(task, "BanoBati")
    assert sum(parts) == pytest.approx(whole)
    assert task.log_probability_given("BanoBati", "Bati.") == -math.inf
    assert task.log_probability_given("BanoBatiCano.", "") == 0
    assert math.isnan(task.log_probability_given("BatiBano", "."))


def hardness(task: Grammar, prompt: str) -> float:
    return next(item.hardness for item in (task.draw(rng(seed)) for seed in range(5000)) if item.prompt == prompt)


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_any_drawn_text_is_in_the_language_at_every_cut(seed: int, depth: int) -> None:
    task = Grammar(words=40, depth=depth)
    text = task.write("", rng(seed))
    words = re.findall(r"[A-Z][a-z]*|\.", text)
    for cut in range(len(words) + 1):
        prompt, rest = "".join(words[:cut]), "".join(words[cut:])
        assert task.is_right(prompt, rest)
        assert -math.inf < task.log_probability_given(prompt, rest) <= 1e-9
        assert task.is_right(prompt, task.write(prompt, rng(seed)))


def test_written_continuations_follow_the_exact_distribution() -> None:
    task, n = Grammar(words=20, depth=2), 4000
    generator = rng()
    ends = np.mean([task.write("BanoBati", generator) == "." for _ in range(n)])
    p = 0.4 / 0.85
    assert math.exp(task.log_probability_given("BanoBati", ".")) == pytest.approx(p)
    assert abs(ends - p) < 4 * math.sqrt(p * (1 - p) / n)


def test_answers_are_normalised() -> None:
    task = Grammar()
    assert task.answer("BanoBati", " Cano .\n") == "Cano."
    assert task.is_right("BanoBati", " Cano .\n")
    assert task.answer("BanoBati", "BatiBati") == "BatiBati"  # read, though wrong
    assert task.answer("BanoBati", "Xyz.") is None
    assert task.answer("BanoBati", "Cano" * 1000) is None


def test_problems_begin_texts_and_the_rare_ones_are_hard() -> None:
    task = Grammar()
    table = task.problems("train", 1000)
    assert table["answer"].isna().all()
    assert table["n_solutions"].isna().all()
    share = table["band"].value_counts(normalize=True)
    assert share.between(0.12, 0.28).all()
    assert all(len(re.findall("[A-Z]", prompt)) == 2 for prompt in table["prompt"])


def test_beyond_prompts_are_three_rare_words() -> None:
    task = Grammar(words=20)
    rare = {*NOUNS[4:], *VERBS[3:], *ADJECTIVES[2:], "That"}
    for seed in range(100):
        words = re.findall(r"[A-Z][a-z]*|\.", task.draw(rng(seed), beyond=True).prompt)
        assert len(words) == 3
        assert set(words) <= rare


def test_whole_texts_as_prompts_leave_nothing_to_say() -> None:
    task = Grammar()
    assert task.write("BanoBati.", rng()) == ""
    found = task.candidates("BanoBati.", rng())
    assert found[0] == ""
    assert not any(task.is_right("BanoBati.", response) for response in found[1:])


def test_repair_keeps_the_longest_beginning() -> None:
    task = Grammar(words=20, depth=2)
    assert task.repair("BanoCati", ".", rng()) == "."
    assert task.repair("BanoCati", "..", rng()) == "."  # whole already, and more
    for seed in range(30):
        found = task.repair("BanoCati", "DalaCati.", rng(seed))  # an adjective asks for a noun
        assert found is not None
        assert found.startswith("Dala")
        assert task.is_right("BanoCati", found)
        assert found[4:8] in NOUNS
    assert task.repair("CatiBano", ".", rng()) is None
    assert task.repair("BanoCati", "no words", rng()) is not None


def test_anybodys_beginning_is_a_problem() -> None:
    task = Grammar(words=20, depth=2)
    item = task.item("BanoCatiDano")
    assert item is not None
    assert item.hardness == pytest.approx(-math.log(0.7 * 0.75) - sum(map(math.log, _chances_of("BanoCatiDano"))))
    for prompt in ("Bano", "BanoCati.", "CatiBano", "Bano Cati", "BanoCatiXano", "", "Bano" * 600):
        assert task.item(prompt) is None


def _chances_of(text: str) -> list[float]:
    """Of the words (Zipf: 9 nouns, 7 verbs), and of an object that is a noun without an adjective, at depth 2."""
    nouns, verbs = (np.array([1 / r for r in range(1, n + 1)]) for n in (9, 7))
    assert text == "BanoCatiDano"
    return [1 / nouns.sum(), 1 / 2 / verbs.sum(), 1 / 3 / nouns.sum(), 0.45 / 0.85 * 0.7]
