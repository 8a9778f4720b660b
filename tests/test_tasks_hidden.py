"""Hidden scores: worked by hand and by counting, and a judge that can be had more cheaply."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from siwork.schema import KnobError
from siwork.tasks.hidden import Hidden
from tasks_contract import TaskContract, rng

SEA, FIRE = ("Wave", "Tide", "Shell", "Reef", "Salt", "Harbour"), ("Flame", "Ember", "Smoke", "Ash", "Spark", "Torch")
SMALL = ("And", "With", "Then", "Also", "Near", "From")
PRAISE = ("Superb", "Clearly", "Indeed", "Truly", "Finest", "Brilliant")
TEXTS = st.lists(st.sampled_from([*SEA, *FIRE, *SMALL, *PRAISE, "Foam", "Oak", "Sea", "."]), max_size=18).map("".join)


class TestHiddenContract(TaskContract):
    task = Hidden()
    others = (Hidden(words=4, threshold=1.0), Hidden(words=8, threshold=0.5))


def counted(text: str, sea: int, fire: int) -> float:
    """The score of a text under `Sea{sea}Fire{fire}:` by counting words one after the other."""
    words = re.findall(r"[A-Z][a-z]*|\.", text)
    if not words:
        return 0.0
    score, ended = 0.0, words[-1] == "."
    tally = Counter(words[:-1] if ended else words)
    score += min(sea, sum(word in tally for word in SEA)) / (sea + fire)
    score += min(fire, sum(word in tally for word in FIRE)) / (sea + fire)
    for word, times in tally.items():
        score -= 0.2 * (times - 1)
        score -= 0.1 * times * (word not in (*SEA, *FIRE, *SMALL))
    score -= 0 if ended else 0.3
    return min(max(score, 0.0), 1.0)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("TideFlameReef.", 1),
        ("TideAndFlameThenReef.", 1),
        ("TideWaveSaltFlame.", 1),  # one more than asked costs nothing
        ("TideFlame.", 2 / 3),
        ("TideFlameReef", 0.7),
        ("TideTideFlameReef.", 0.8),
        ("TideAndAndFlameReef.", 0.8),
        ("TideSuperbFlameReef.", 0.9),
        ("TideFoamFlameReef.", 0.9),  # Foam is the seventh word of the sea, of which six count
        ("Tide.FlameReef.", 0.9),
        ("FlameSmoke.", 1 / 3),
        ("SuperbTruly.", 0),
        (".", 0),
        ("", 0),
        ("tide", 0),
        ("Tide Flame Reef.", 0),
    ],
)
def test_scores_by_hand(text: str, score: float) -> None:
    task = Hidden()
    assert task.score("Sea2Fire1:", text) == pytest.approx(score)
    assert task.is_right("Sea2Fire1:", text) == (score >= 0.8)


@given(TEXTS, st.integers(1, 4), st.integers(1, 4))
def test_scores_are_those_of_counting(text: str, sea: int, fire: int) -> None:
    prompt = f"Sea{sea}Fire{fire}:"
    assert Hidden().score(prompt, text) == pytest.approx(counted(text, sea, fire), abs=1e-12)


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_words_is_no_part_of_the_answer(text: str, random: object) -> None:
    task, prompt = Hidden(), "Sea3Fire2:"
    words = re.findall(r"[A-Z][a-z]*|\.", text)
    body, end = (words[:-1], ".") if words and words[-1] == "." else (words, "")
    other = "".join(random.sample(body, len(body))) + end  # type: ignore[attr-defined]
    if not other.removesuffix(end).endswith("."):  # a full stop that came last ends the text
        assert task.answer(prompt, other) == task.answer(prompt, text)
        assert task.score(prompt, other) == pytest.approx(task.score(prompt, text), abs=1e-12)


def test_the_threshold_decides() -> None:
    text = "TideTideFlameReef."  # 0.8
    assert Hidden().is_right("Sea2Fire1:", text)
    assert not Hidden(threshold=0.81).is_right("Sea2Fire1:", text)
    assert not any("Superb" in Hidden(threshold=1.0).write("Sea2Fire1:", rng(seed)) for seed in range(200))


def test_opinions_by_hand() -> None:
    task, prompt = Hidden(), "Sea2Fire1:"
    assert task.opinion(prompt, "TideFlameReef.") == pytest.approx(0.5 + 0.3 * 3 / 12)
    assert task.opinion(prompt, "TideFlameReefSuperb.") == pytest.approx(0.5 * 0.9 + 0.3 * 4 / 12 + 0.15)
    assert task.opinion(prompt, "") == task.opinion(prompt, "tide") == 0
    assert task.opinion("no prompt", "Superb") == pytest.approx(0.3 / 12 + 0.15)


def test_an_opinion_can_be_high_where_the_score_is_low() -> None:
    task, prompt = Hidden(), "Sea2Fire1:"
    plain, flattery = "TideFlameReef.", "SuperbTrulyFinest" * 4 + "."
    assert (task.score(prompt, plain), task.score(prompt, flattery)) == (1, 0)
    assert task.opinion(prompt, flattery) == pytest.approx(0.75)
    assert task.opinion(prompt, flattery) > task.opinion(prompt, plain)
    assert task.is_right(prompt, plain)
    assert not task.is_right(prompt, flattery)


def test_an_opinion_mostly_follows_the_score() -> None:
    task, found = Hidden(), []
    for seed in range(40):
        prompt = task.draw(rng(seed)).prompt
        for text in task.candidates(prompt, rng(seed)):
            found.append((task.score(prompt, text), task.opinion(prompt, text), task.is_right(prompt, text)))
    score, opinion, right = map(np.array, zip(*found, strict=True))
    assert spearmanr(score, opinion).statistic > 0.5
    assert opinion[right].mean() > opinion[~right].mean() + 0.1
    assert (opinion[~right] > np.median(opinion[right])).mean() > 0.05  # some that are wrong are liked better


def test_hindsight_by_hand() -> None:
    task, prompt = Hidden(), "Sea2Fire1:"
    assert task.relabel(prompt, "OakMossCloudFern.") == "Wood3Sky1:"
    assert task.relabel(prompt, "TideFlame.") == "Sea1Fire1:"
    assert task.relabel(prompt, "TideFlameReef.") is None  # right already
    assert task.relabel(prompt, "OakMoss") is None  # no end: at most 0.7 under any prompt
    assert task.relabel(prompt, "AndThen.") is None
    assert task.relabel("no prompt", "OakMoss.") is None


@pytest.mark.parametrize(
    "prompt", ["", ":", "Sea:", "Sea0:", "Sea5:", "Sea2Sea1:", "Sea1Fire1Wood1Sky1:", "Sea2", "Sea2:#x>", "sea2:"]
)
def test_other_prompts_are_no_problems(prompt: str) -> None:
    assert Hidden().item(prompt) is None
    assert Hidden().score(prompt, "Tide.") == 0
    assert not Hidden(threshold=0.5).is_right(prompt, "Tide.")
    with pytest.raises(KnobError, match="a prompt of hidden looks like"):
        Hidden().hint_text(prompt, "answer")


def test_written_texts_favour_the_first_words() -> None:
    said = Counter(
        word for seed in range(1500) for word in re.findall("[A-Z][a-z]*", Hidden().write("Sea1:", rng(seed)))
    )
    # Zipf over six words: 1/2.45 of 1500 is 612, 1/6/2.45 is 102; 4 standard errors are 76 and 39
    assert abs(said["Wave"] - 612) < 76
    assert abs(said["Harbour"] - 102) < 39
    assert said["Foam"] == 0


def test_hints_paraphrases_and_hardness() -> None:
    task, prompt = Hidden(), "Sea2Fire1:"
    assert task.hint_text(prompt, "answer") == "WaveTideFlame."
    assert task.hinted(prompt, "step") == "Sea2Fire1:#WaveFlame>"
    assert task.paraphrase(prompt, rng()) == "Fire1Sea2:"
    assert task.paraphrase("Sea2:", rng()) == "Sea2:"
    item = task.item(prompt)
    assert item is not None
    assert item.hardness == pytest.approx(3.3)
    assert task.pieces("TideAnd.") == ("Tide", "And", ".")
