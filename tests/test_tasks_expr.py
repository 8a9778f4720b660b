"""Expressions with steps: exact values, executed steps, unambiguous tokens."""

from __future__ import annotations

import ast
import operator
import re
from itertools import permutations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from siwork.schema import KnobError
from siwork.tasks import TASKS
from siwork.tasks.expr import Expr
from tasks_contract import TaskContract, rng, tokens


class TestExprContract(TaskContract):
    task = Expr()
    others = (Expr(depth=1), Expr(depth=6))


OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def walk(node: ast.expr) -> tuple[int, int, list[int]]:
    """Value, depth and all intermediate values of a parsed expression: Python's own reading."""
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        assert 1 <= node.value <= 9
        return node.value, 0, []
    assert isinstance(node, ast.BinOp)
    left, right = walk(node.left), walk(node.right)
    value = OPERATORS[type(node.op)](left[0], right[0])
    return value, max(left[1], right[1]) + 1, [*left[2], *right[2], value]


@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_drawn_expressions_keep_their_promises(seed: int, depth: int, beyond: bool) -> None:
    task = Expr(depth=depth)
    prompt, hardness, answer, _ = task.draw(rng(seed), beyond=beyond)
    value, deep, values = walk(ast.parse(prompt[:-1], mode="eval").body)
    assert answer == str(value)
    assert all(-99 <= v <= 99 for v in values)
    low, high = (depth + 1, min(depth + 2, 8)) if beyond else (1, depth)
    assert low <= deep <= high
    assert deep <= len(values) <= deep + 2
    assert deep <= hardness < deep + 1
    response = task.write(prompt, rng(seed))
    assert task.steps_right(prompt, response)
    assert len(tokens(task, response)) + 1 <= task.max_tokens


def test_example_by_hand() -> None:
    task, prompt = Expr(), "((3+4)*2)-5="
    assert task.write(prompt, rng()) == "3+4=7;7*2=14;14-5=9"
    assert task.solutions(prompt) == {"9"}
    assert task.hinted(prompt, "answer") == "((3+4)*2)-5=#9>"
    assert task.hint_text(prompt, "step") == "3+4=7"


def test_hardness_by_hand() -> None:
    # ((3+4)*2)-5: depth 3, no extra operation, 1 multiplication, 1 value of two digits
    found = {item.prompt: item.hardness for item in (Expr(depth=1).draw(rng(seed)) for seed in range(3000))}
    assert found["3+4="] == 1
    assert found["3*4="] == pytest.approx(1.07)
    assert found["3*3="] == pytest.approx(1.05)
    assert found["6+4="] == pytest.approx(1.02)


def test_negative_values_are_written_with_a_tilde() -> None:
    task, prompt = Expr(), "(3-7)*(2-9)="
    assert set(task.write(prompt, rng(s)) for s in range(20)) == {
        "3-7=~4;2-9=~7;~4*~7=28",
        "2-9=~7;3-7=~4;~4*~7=28",
    }
    assert task.answer("3-7=", "3-7=~4") == "-4"
    assert task.hint_text("3-7=", "answer") == "~4"


def test_tokens_are_unambiguous() -> None:
    task = Expr()
    assert tokens(task, "15-3=12") == ["15", "-", "3", "=", "12"]
    assert tokens(task, "5-~3=8;8--3") == ["5", "-", "~", "3", "=", "8", ";", "8", "-", "-", "3"]


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("3+4=7;7*2=14;14-5=9", "9"),
        ("9", "9"),  # a bare value follows the prompt's own =
        ("3+4=7;7*2=14;14-5=~9", "-9"),
        ("junk=9", "9"),
        ("3+4=7;7*2=14;", None),
        ("3+4=7;7*2=14;14-5", None),
        ("=", None),
        ("", None),
        ("14-5=09", None),
        ("14-5=~0", None),
        ("14-5=100", None),
        ("14-5=-9", None),  # the sign of a value is ~
        ("14-5=9;", None),
        ("14-5=9 ", None),
        ("14-5=９", None),
    ],
)
def test_answer_is_the_value_after_the_last_equals_sign(response: str, answer: str | None) -> None:
    assert Expr().answer("((3+4)*2)-5=", response) == answer
    assert Expr().is_right("((3+4)*2)-5=", response) is (answer == "9")


@pytest.mark.parametrize(
    ("response", "sound"),
    [
        ("3+4=7;7*2=14;14-5=9", True),
        ("3+4=8;8*2=16;16-5=9", False),  # right for the wrong reason
        ("3+4=7;7*2=14;14-5=10", False),
        ("4+3=7;7*2=14;14-5=9", False),  # not as written
        ("7*2=14;3+4=7;14-5=9", False),  # not ready yet
        ("3+4=7;3+4=7;14-5=9", False),
        ("3+4=7;14-5=9", False),
        ("3+4=7;7*2=14;14-5=9;9+0=9", False),
        ("3+4=7;7*2=14;14-5=9;", False),
        ("9", False),
        ("", False),
    ],
)
def test_steps_are_executed(response: str, sound: bool) -> None:
    assert Expr().steps_right("((3+4)*2)-5=", response) is sound


@pytest.mark.parametrize(
    ("response", "marks"),
    [
        ("3+4=7;7*2=14;14-5=9", "111"),
        ("3+4=8;8*2=16;16-5=11", "011"),  # an error carried on without a further one
        ("3+4=8;8*2=16;16-5=9", "010"),  # right for the wrong reason
        ("3+4=7;7*2=15;14-5=9", "100"),  # what was written is 15
        ("3+5=8;8*2=16;16-5=11", "011"),  # a slip of the pen, meant for 3+4
        ("3*4=12;12*2=24;24-5=19", "011"),
        ("4+3=7;7*2=14;14-5=9", "000"),  # the operands as written: one of three parts, so not meant for 3+4
        ("7*2=14;14-5=9", "00"),  # 3+4 was never written
        ("3+4=7;3+4=7;7*2=14;14-5=9", "1011"),  # done already, and unlike what is left
        ("3+4=7;7*2=14;14-5=9;9+0=9", "1110"),
        ("3+4=7;junk;7*2=14", "101"),
        ("3+4=7;;7*2=14", "101"),
        ("3+4=07;7*2=14", "00"),  # 07 is not how 7 is written, and 7*2 then is one part off
        ("3+4=7", "1"),
        ("3+4=7;7*2", "1"),  # cut short
        ("3+4=7;", "1"),
        ("3+4=7;9", "1"),
        ("=9", "0"),
        ("9", None),
        ("3+4", None),
        (";", "0"),
        ("", None),
    ],
)
def test_each_step_is_executed_on_what_was_written_before(response: str, marks: str | None) -> None:
    assert Expr().executed("((3+4)*2)-5=", response) == marks


def test_the_kindest_reading_of_equal_operations_counts() -> None:
    # 1+2 stands twice; the wrong 4 must be the one in the product for all that follows to be right
    prompt = "((1+2)*2)-(1+2)="
    assert Expr().executed(prompt, "1+2=4;1+2=3;4*2=8;8-3=5") == "0111"
    assert Expr().executed(prompt, "1+2=3;1+2=4;4*2=8;8-3=5") == "1011"
    assert Expr().executed("(1+2)-((1+2)*2)=", "1+2=3;3*2=6;1+2=3;3-6=~3") == "1111"


@given(st.integers(0, 10**6), st.integers(0, 2**32))
def test_steps_without_error_are_all_right_and_one_slip_is_one_wrong_step(seed: int, luck: int) -> None:
    task, prompt = Expr(), Expr().draw(rng(seed)).prompt
    steps = task.write(prompt, rng(luck)).split(";")
    assert task.executed(prompt, ";".join(steps)) == "1" * len(steps)
    spot = luck % len(steps)
    left, _, result = steps[spot].partition("=")
    slipped = [*steps[:spot], f"{left}={'1' if result == '0' else '0'}", *steps[spot + 1 :]]
    marks = task.executed(prompt, ";".join(slipped))
    assert marks is not None
    assert marks[: spot + 1] == "1" * spot + "0"


@given(st.text(alphabet="0123456789~+-*()=;", max_size=60) | st.text(), st.integers(0, 50))
def test_marks_are_one_a_step_and_agree_with_the_whole(response: str, seed: int) -> None:
    task, prompt = Expr(), Expr().draw(rng(seed)).prompt
    operations = sum(prompt.count(sign) for sign in "+-*")
    for said in (response, *task.candidates(prompt, rng(seed))):
        marks = task.executed(prompt, said)
        assert marks is None or re.fullmatch("[01]+", marks)
        parts = said.split(";")
        assert len(marks or "") == len(parts) - ("=" not in parts[-1])
        sound = marks == "1" * operations and task.is_right(prompt, said)
        assert task.steps_right(prompt, said) == sound
    assert task.executed(response, response) is None or task.solutions(response)


def test_endless_steps_are_read_in_no_time() -> None:
    prompt = "((3+4)*2)-5="
    assert Expr().executed(prompt, "3+4=7;" * 200_000) == "1" + "0" * 199_999
    assert Expr().executed(prompt, "=" * 200_000) == "0"


def test_only_tasks_with_steps_have_the_column(tmp_path) -> None:
    assert [name for name, kind in TASKS.items() if getattr(kind, "has_steps", False)] == ["expr"]
    sizes = siwork.Sizes(train=6, heldout=4, beyond=2, samples=4)
    runs = {
        name: siwork.run("vanilla", name, "tabular", rounds=1, problems=sizes, folder=tmp_path / name)
        for name in ("expr", "add")
    }
    rows = siwork.check(runs["expr"].rows())
    task = siwork.task("expr")
    said = [task.executed(*pair) for pair in zip(rows["prompt"], rows["response"], strict=True)]
    assert [None if pd.isna(marks) else marks for marks in rows["steps"]] == said
    assert {str, type(None)} == {type(marks) for marks in said}
    assert runs["expr"].columns().index("steps") == runs["expr"].columns().index("gold") + 1
    assert "steps" not in runs["add"].columns()
    both = siwork.Runs([runs["add"], runs["expr"]]).rows(columns=["task", "steps"])
    assert both.loc[both["task"] == "add", "steps"].isna().all()
    assert siwork.task("add").steps(runs["add"].rows()).isna().all()


def test_equal_operations_may_be_done_in_any_possible_order() -> None:
    # 1+2 stands twice; only the first of the pair to be done may be either, the product needs one of them
    prompt, steps = "((1+2)*2)-(1+2)=", ["1+2=3", "1+2=3", "3*2=6", "6-3=3"]
    sound = {";".join(order) for order in permutations(steps) if Expr().steps_right(prompt, ";".join(order))}
    assert sound == {"1+2=3;1+2=3;3*2=6;6-3=3", "1+2=3;3*2=6;1+2=3;6-3=3"}
    assert {Expr().write(prompt, rng(seed)) for seed in range(50)} == sound


def test_equal_texts_of_different_operations_are_told_apart() -> None:
    # (2+2)+(2+2) gives 4+4; once both 2+2 are done only 4+4 remains
    assert Expr().steps_right("(2+2)+(2+2)=", "2+2=4;2+2=4;4+4=8")
    assert not Expr().steps_right("(2+2)+(2+2)=", "2+2=4;4+4=8;2+2=4")


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "=",
        "5=",
        "3+4",
        "(3+4=",
        "3/1=",
        "100-9=",
        "9*9*9=",
        "-3+4=",
        "3+4==",
        "3+4=#7>",
        "0-9*20=",
        "1+" * 15 + "1=",
    ],
)
def test_other_prompts_have_no_value(prompt: str) -> None:
    assert Expr().solutions(prompt) is None
    assert not Expr().is_right(prompt, "7")
    assert not Expr().steps_right(prompt, "7")
    with pytest.raises(KnobError, match="a prompt of expr looks like"):
        Expr().hint_text(prompt, "answer")


def test_candidates_hold_right_lucky_and_wrong_responses() -> None:
    task, prompt = Expr(), "(3*(2+7))-((4-1)*5)="  # 27 − 15 = 12
    found = task.candidates(prompt, rng())
    kinds = [(task.is_right(prompt, text), task.steps_right(prompt, text)) for text in found]
    assert 2 <= kinds.count((True, True)) <= 6
    assert kinds.count((True, False)) == 6
    assert kinds.count((False, False)) == 24 - 6 - kinds.count((True, True))
    seen = {text for seed in range(40) for text in task.candidates(prompt, rng(seed))}
    # two chains of two steps interleave in 4 over 2 = 6 ways, then comes the difference
    assert sum(task.steps_right(prompt, text) for text in seen) == 6
    # one slip, 2+7=8, is carried through
    assert "2+7=8;3*8=24;4-1=3;3*5=15;24-15=9" in seen
    assert "12" in seen


def test_candidates_of_a_single_operation() -> None:
    found = Expr().candidates("3+4=", rng())
    assert "3+4=7" in found
    assert "7" in found
    assert {"3+4=8", "3+4=12", "3+4=~1", "8"} <= set(found)


@given(st.text(alphabet="0123456789~+-*()=;", max_size=60), st.integers(0, 50))
def test_sound_steps_always_give_the_right_answer(response: str, seed: int) -> None:
    task, prompt = Expr(), Expr().draw(rng(seed)).prompt
    for said in (response, *task.candidates(prompt, rng(seed))):
        assert task.is_right(prompt, said) or not task.steps_right(prompt, said)


def test_fifths_hold_similar_shares_of_the_problems() -> None:
    share = Expr().problems("train", 400)["band"].value_counts(normalize=True)
    assert share.between(0.1, 0.35).all()
    assert len(share) == 5


@pytest.mark.parametrize(
    ("response", "repaired"),
    [
        ("3+4=7;7*2=14;14-5=9", {"3+4=7;7*2=14;14-5=9"}),
        ("3+4=8;8*2=16;16-5=9", {"3+4=8;8*2=16;16-5=9"}),  # right by its value
        ("3+4=7;7*2=15;15-5=10", {"3+4=7;7*2=14;14-5=9"}),
        ("3+4=8;8*2=16;16-5=11", {"3+4=7;7*2=14;14-5=9"}),
        ("3+4=7;7*2=14;14-5=9;1", {"3+4=7;7*2=14;14-5=9"}),
        ("3+4=7", {"3+4=7;7*2=14;14-5=9"}),
        ("3+4", {None}),
        ("8", {None}),
        ("", {None}),
    ],
)
def test_repair_by_hand(response: str, repaired: set[str | None]) -> None:
    assert {Expr().repair("((3+4)*2)-5=", response, rng(seed)) for seed in range(5)} == repaired


def test_repair_keeps_right_steps_and_draws_the_order_of_the_others() -> None:
    # both differences may come first; 4-1=3 is kept, 2+7 was wrong
    prompt = "(3*(2+7))-((4-1)*5)="
    found = {Expr().repair(prompt, "4-1=3;2+7=8;3*8=24;3*5=15;24-15=8", rng(seed)) for seed in range(60)}
    orders = ("2+7=9;3*9=27;3*5=15", "2+7=9;3*5=15;3*9=27", "3*5=15;2+7=9;3*9=27")
    assert found == {f"4-1=3;{order};27-15=12" for order in orders}


def test_repair_reads_equal_operations_kindly() -> None:
    # 1+2 was done once and is needed twice
    assert Expr().repair("((1+2)*2)-(1+2)=", "1+2=3;3*2=6;6-1=5", rng()) == "1+2=3;3*2=6;1+2=3;6-3=3"


def test_paraphrases_swap_sums_and_products_only() -> None:
    found = {Expr().paraphrase("((3+4)*2)-5=", rng(seed)) for seed in range(40)}
    assert found == {"((4+3)*2)-5=", "(2*(3+4))-5=", "(2*(4+3))-5="}
    assert Expr().paraphrase("5-3=", rng()) == "5-3="
    assert Expr().paraphrase("4+4=", rng()) == "4+4="
    assert {Expr().paraphrase("(1+2)*(2+1)=", rng(seed)) for seed in range(40)} == {
        "(2+1)*(2+1)=",
        "(1+2)*(1+2)=",
        "(2+1)*(1+2)=",
    }


def test_mutants_change_one_result() -> None:
    found = {Expr().mutate("(3+4)*2=", "3+4=7;7*2=14", rng(seed)) for seed in range(80)}
    assert found == {*(f"3+4={n};7*2=14" for n in ("~3", "6", "8", "17")), *(f"3+4=7;7*2={n}" for n in (4, 13, 15, 24))}
    assert {Expr().mutate("3*33=", "3*33=99", rng(seed)) for seed in range(40)} == {"3*33=98", "3*33=89"}


def test_anybodys_prompt_is_a_problem_within_the_depth_of_beyond() -> None:
    item = Expr().item("3+4*2=")  # written without brackets, depth 2
    assert item is not None
    assert item == ("3+4*2=", pytest.approx(2 + 0.05 + 0.02), "11", 1)
    deep = ["1+1="]
    while len(deep) < 8:
        deep.append(f"({deep[-1][:-1]})+1=")
    assert [Expr(depth=1).item(prompt) is not None for prompt in deep] == [True] * 3 + [False] * 5
    for prompt in ("5=", "99+1=", "3 + 4=", "3/1=", "((1+2)*(1+2))+((1+2)+(1+2))=", "3+4", "3+4=#7>"):
        assert Expr().item(prompt) is None  # the long one has four operations beside its chain
