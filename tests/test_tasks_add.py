"""Sums: both digit orders, strict reading, carry slips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.schema import KnobError
from siwork.tasks.add import Add
from tasks_contract import TaskContract, rng


class TestAddContract(TaskContract):
    task = Add()
    others = (Add(digits=1), Add(digits=20), Add(digits=3, order="forward"))


def test_reversed_order_by_hand() -> None:
    # 123 + 45 = 168, lowest digit first
    task = Add()
    assert task.write("321+54=", rng()) == "861"
    assert task.answer("321+54=", "861") == "168"
    assert task.solutions("321+54=") == {"168"}
    assert task.is_right("321+54=", "861")
    assert not task.is_right("321+54=", "168")


def test_forward_order_by_hand() -> None:
    task = Add(order="forward")
    assert task.write("123+45=", rng()) == "168"
    assert task.is_right("123+45=", "168")
    assert not task.is_right("123+45=", "861")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("0", "0"),
        ("01", "10"),  # reversed: ten
        ("10", None),  # reversed: 01, a redundant zero
        ("8610", None),
        ("", None),
        ("861 ", None),
        ("861\n", None),
        ("-861", None),
        ("٨٦١", None),  # digits, but not ASCII
        ("1" * 25, "1" * 25),
        ("1" * 26, None),
        ("1" * 10_000, None),  # int() itself refuses this
    ],
)
def test_only_plain_numbers_are_read(response: str, answer: str | None) -> None:
    assert Add().answer("321+54=", response) == answer


@pytest.mark.parametrize("prompt", ["", "=", "+=", "1+=", "+1=", "1+1", "1+1==", "1+1+1=", "10+1=", "1+1=#2>", " 1+1="])
def test_other_prompts_have_no_right_response(prompt: str) -> None:
    assert Add().solutions(prompt) is None
    assert not Add().is_right(prompt, "2")


@given(st.integers(0, 10**24 - 1), st.integers(0, 10**24 - 1), st.sampled_from(["reversed", "forward"]))
def test_any_sum_is_written_and_read_exactly(left: int, right: int, order: str) -> None:
    task, turn = Add(order=order), -1 if order == "reversed" else 1
    prompt = f"{str(left)[::turn]}+{str(right)[::turn]}="
    response = task.write(prompt, rng())
    assert task.answer(prompt, response) == str(left + right)
    assert task.is_right(prompt, response)
    assert not task.is_right(prompt, str(left + right + 1)[::turn])


def test_lengths_are_uniform_and_hardness_is_the_length() -> None:
    task, generator = Add(digits=4), rng()
    items = [task.draw(generator) for _ in range(4000)]
    for prompt, hardness, _, _ in items:
        left, right = prompt[:-1].split("+")
        assert len(left) == len(right) == hardness
    counts = np.bincount([int(item.hardness) for item in items], minlength=5)
    # 4 standard errors of a count with p = 1/4: 4 √(4000 · 3/16) = 110
    assert (np.abs(counts[1:] - 1000) < 110).all()


def test_beyond_is_longer_than_anything_trained() -> None:
    lengths = {task.draw(rng(seed), beyond=True).hardness for task in [Add(digits=20)] for seed in range(200)}
    assert lengths == {21, 22, 23, 24}


def test_equal_lengths_share_their_middle_rank() -> None:
    # each length is half of the draws; the one-digit half has 100 different prompts, so take two long lengths
    difficulty = Add(digits=8).difficulty(np.array([7.0, 8.0, 9.0]))
    assert difficulty[0] == pytest.approx(13 / 16, abs=0.06)
    assert difficulty[1] == pytest.approx(15 / 16, abs=0.06)
    assert difficulty[2] == 1


def test_candidates_hold_the_usual_slips() -> None:
    # 58 + 67 = 125, reversed "521"; carry lost into the tens 115, into the hundreds 25; no carries at all 15
    found = Add().candidates("85+76=", rng())
    assert found[0] == "521"
    assert {"511", "52", "51", "125", "621", "421", "531"} <= set(found)


def test_candidates_of_a_single_digit_sum_are_filled_with_other_numbers() -> None:
    assert len(Add(digits=1).candidates("0+0=", rng())) == 24


def test_hints_give_the_result_or_its_first_half() -> None:
    assert Add().hinted("321+54=", "answer") == "321+54=#861>"
    assert Add().hint_text("321+54=", "step") == "86"  # 3 digits, half rounded up
    assert Add().hint_text("5+8=", "step") == "3"  # 13 reversed is 31


def test_too_many_problems_say_how_many_there_are() -> None:
    with pytest.raises(KnobError, match="too few different train problems for 200; it gave 7"):
        Add(digits=1).problems("train", 200)
    with pytest.raises(KnobError, match="'digits' must be in 1 … 20, got 21"):
        Add(digits=21)


def test_anybodys_sum_is_a_problem_up_to_the_length_of_beyond() -> None:
    task = Add(digits=2)
    assert task.item("321+54=") == ("321+54=", 3.0, "168", 1)  # 123 + 45
    assert task.item("111111+1=") is not None
    assert task.item("1111111+1=") is None
    assert task.item("321+054=") is not None  # reversed: 450
    assert task.item("321+540=") is None  # reversed: 045
    assert task.paraphrase("321+54=", rng()) == "54+321="
    assert task.paraphrase("5+5=", rng()) == "5+5="
    assert all(text == "" or text.isdigit() for text in task.page(rng()).split("+"))
