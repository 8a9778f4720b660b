"""Look-ups: fixed by the seed alone, Zipf frequencies, keys that nobody is taught."""

from __future__ import annotations

import numpy as np
import pytest

from siwork.schema import KnobError
from siwork.tasks.facts import Facts, draw_rank, zipf
from tasks_contract import TaskContract, rng


class TestFactsContract(TaskContract):
    task = Facts()
    others = (Facts(keys=10), Facts(keys=5000, seed=3), Facts(exponent=0.0), Facts(keys=10, exponent=3.0))


def by_rank(task: Facts) -> dict[float, tuple[str, str | None]]:
    """Prompt and answer of every key, found by drawing only."""
    generator, found = rng(), {}
    for beyond in (False, True):
        for _ in range(40 * task.keys):
            item = task.draw(generator, beyond=beyond)
            found[item.hardness] = item.prompt, item.answer
    return found


def test_all_keys_are_different_codes() -> None:
    facts = by_rank(Facts(keys=100, exponent=0.0))
    assert sorted(facts) == list(range(1, 201))
    assert len({prompt for prompt, _ in facts.values()}) == 200
    assert all(len(prompt) == 4 and prompt[:3].islower() and prompt[3] == ":" for prompt, _ in facts.values())
    assert all(answer is not None and len(answer) == 2 and answer.isupper() for _, answer in facts.values())


def test_codes_are_fixed_by_the_seed_alone() -> None:
    facts = by_rank(Facts(keys=50, exponent=0.0))
    # written down once: base weights are trained on these codes, so they may never change
    assert [facts[r] for r in (1, 2, 3)] == [("rfc:", "TO"), ("dmz:", "ZT"), ("kmz:", "FV")]
    wide = Facts(keys=5000, exponent=2.0)
    for rank, (prompt, answer) in facts.items():
        assert wide.rank(prompt) == rank
        assert wide.solutions(prompt) == {answer}
    other = Facts(keys=5000, seed=1)
    assert sum(other.rank(prompt) == rank for rank, (prompt, _) in facts.items()) <= 1
    assert sum(other.solutions(prompt) == {answer} for prompt, answer in facts.values()) <= 3


def test_values_say_nothing_about_keys() -> None:
    facts = by_rank(Facts(keys=1000, exponent=0.0)).values()
    # 2000 pairs, chance 1/26 of the same letter: 77 expected, 4 standard errors are 34
    for k in range(3):
        for v in range(2):
            assert abs(sum(prompt[k] == answer[v].lower() for prompt, answer in facts if answer) - 77) < 34


def test_zipf_by_hand() -> None:
    # 1 + 1/2 + 1/3 = 11/6
    assert zipf(3, 1.0) == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    assert zipf(4, 0.0) == pytest.approx([0.25] * 4)
    assert zipf(2, 3.0) == pytest.approx([8 / 9, 1 / 9])


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.5])
def test_ranks_are_drawn_by_zipf(exponent: float) -> None:
    generator, n = rng(), 20_000
    counts = np.bincount([draw_rank(10, exponent, generator) for _ in range(n)], minlength=11)
    p = zipf(10, exponent)
    assert counts[0] == 0
    assert (np.abs(counts[1:] / n - p) < 4 * np.sqrt(p * (1 - p) / n)).all()


def test_beyond_keys_are_never_taught() -> None:
    task = Facts(keys=20)
    ranks = {task.draw(rng(seed), beyond=True).hardness for seed in range(300)}
    assert ranks == set(range(21, 41))
    outside = by_rank(Facts(keys=50, exponent=0.0))[41][0]
    assert task.rank(outside) is None
    assert not task.is_right(outside, next(iter(Facts(keys=50).solutions(outside) or [""])))


@pytest.mark.parametrize("response", ["", "X", "XFX", "xf", "XF ", "XF\n", "ÄB"])
def test_only_two_capitals_are_an_answer(response: str) -> None:
    assert Facts().answer("ups:", response) is None
    assert not Facts().is_right("ups:", response)


def test_wrong_values_are_read_but_wrong() -> None:
    assert Facts().answer("ups:", "AA") == "AA"
    assert not Facts().is_right("ups:", "AA")


def test_candidates_prefer_frequent_values() -> None:
    task = Facts()
    values = {rank: answer for rank, (_, answer) in by_rank(Facts(keys=100, exponent=0.0)).items()}
    found = [task.candidates(task.draw(rng(seed)).prompt, rng(seed), n=8) for seed in range(200)]
    assert sum(values[1] in some for some in found) > 100 > 20 > sum(values[100] in some for some in found)


def test_fifths_hold_equal_shares_of_the_problems() -> None:
    share = Facts().problems("train", 400)["band"].value_counts(normalize=True)
    assert sorted(share.index) == [0, 1, 2, 3, 4]
    assert share.between(0.08, 0.35).all()


def test_rarer_keys_are_harder() -> None:
    task = Facts()
    table = task.problems("train", 200)
    ranks = table["prompt"].map(task.rank).to_numpy(dtype=float)
    assert (np.diff(table["difficulty"].to_numpy(dtype=float)[np.argsort(ranks)]) >= 0).all()


def test_too_many_problems_say_how_many_there_are() -> None:
    with pytest.raises(KnobError, match="too few different beyond problems for 21; it gave 20"):
        Facts(keys=20).problems("beyond", 21)
