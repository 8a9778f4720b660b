"""Countdown: every solution and nothing else, an exact check, problems that are the same every time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from fractions import Fraction
from itertools import permutations
from math import exp, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.schema import KnobError, parse_call
from siwork.tasks.arithmetic import Leaf, canonical, combine, form, leaves, parse, show, value
from siwork.tasks.base import is_held_out
from siwork.tasks.countdown import Countdown
from tasks_contract import TaskContract

TASK, PLAIN = Countdown(), Countdown(operators="no_division")
PROMPTS = ("3 5 7=22:", "1 1 5 5=5:", "8 3 8 3=24:", "2 4 6 9 7=41:")


class TestCountdownContract(TaskContract):
    task = Countdown()
    others = (Countdown(fewest=4), Countdown(numbers=3, largest=25, limit=200), PLAIN)
    easiest_beyond = 0.5  # one number more, but some have many solutions


def valued(numbers, operators):
    """Every binary tree over the numbers in this order as (text, value); brackets everywhere, Fractions throughout."""
    if len(numbers) == 1:
        yield str(numbers[0]), Fraction(numbers[0])
    for cut in range(1, len(numbers)):
        for left, a in valued(numbers[:cut], operators):
            for right, b in valued(numbers[cut:], operators):
                for operator in operators:
                    if operator == "/" and b == 0:
                        continue
                    worth = {"+": a + b, "-": a - b, "*": a * b}.get(operator)
                    yield f"({left}{operator}{right})", a / b if worth is None else worth


def brute_force(numbers, operators="+-*/"):
    """All canonical solutions of every target, from all trees over all orders."""
    found = {}
    for order in set(permutations(numbers)):
        for text, worth in valued(order, operators):
            found.setdefault(worth, set()).add(canonical(parse(text)))
    return found


def tokens(task, text):
    """The text read as the longest tokens first; it must be covered whole."""
    by_length = sorted(task.vocabulary, key=len, reverse=True)
    read = re.findall("|".join(map(re.escape, by_length)), text)
    assert "".join(read) == text
    return read


# ── solutions ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("prompt", "solutions"),
    [
        ("3 5=15:", {"5*3"}),
        ("6 3=2:", {"6/3"}),
        ("2 2=4:", {"2+2", "2*2"}),
        ("1 1=1:", {"1*1", "1/1"}),
        ("3 5 7=22:", {"5*3+7"}),
        ("5 7 3=22:", {"5*3+7"}),
        ("3 5=99:", set()),
        ("9 1 1=9:", {"9*1*1", "9*1/1", "9/1/1", "9-1+1"}),
        ("8 3 8 3=24:", {"8/(3-8/3)"}),
    ],
)
def test_solutions_worked_by_hand(prompt, solutions):
    assert TASK.solutions(prompt) == solutions


@pytest.mark.parametrize(
    "numbers", [(1, 2), (4, 4), (3, 5, 7), (2, 2, 2), (1, 6, 6), (25, 10, 5), (1, 2, 3, 4), (5, 5, 1, 2), (3, 3, 3, 3)]
)
@pytest.mark.parametrize(("task", "operators"), [(TASK, "+-*/"), (PLAIN, "+-*")])
def test_solutions_are_those_of_brute_force(numbers, task, operators):
    truth = brute_force(numbers, operators)
    text = " ".join(map(str, numbers))
    for target in range(1, 150):
        assert task.solutions(f"{text}={target}:") == truth.get(target, set())


@pytest.mark.parametrize("numbers", [(2, 3, 3, 5, 9), (1, 4, 4, 7, 7)])
def test_solutions_over_five_numbers_are_those_of_combining_all_subsets(numbers):
    """Equal pairs make 0 on the way, so products with 0 are among them."""
    full = 2 ** len(numbers) - 1
    forms = {1 << i: {form(Leaf(number))} for i, number in enumerate(numbers)}
    for whole in range(1, full + 1):
        parts = [p for p in range(1, whole) if p & whole == p]
        pairs = ((x, y) for p in parts for x in forms[p] for y in forms[whole ^ p])
        forms.setdefault(whole, set()).update(combine(o, x, y) for x, y in pairs for o in "+-*/")
    truth = {}
    for text in map(show, forms[full]):
        truth.setdefault(value(parse(text)), set()).add(text)
    prompt = " ".join(map(str, numbers))
    for target in (1, 2, 9, 10, 24, 77):
        assert TASK.solutions(f"{prompt}={target}:") == truth[target]


def test_solutions_over_six_numbers_are_right_and_hold_a_planted_one():
    prompt = "3 7 2 5 9 4=22:"
    solutions = TASK.solutions(prompt)
    assert canonical(parse("(7-5)*(9+4)-(3*2-2)")) not in solutions  # uses 2 twice
    assert canonical(parse("(7-5)*9+3*4/2-2")) not in solutions
    assert canonical(parse("(9-7)*(5+3+4)-2")) in solutions  # 2 * 12 - 2
    assert canonical(parse("9*4-7*(5-3)*2/2")) not in solutions
    assert all(TASK.is_right(prompt, text) and canonical(parse(text)) == text for text in solutions)


def test_without_division_no_solution_divides_and_none_other_is_lost():
    for prompt in PROMPTS:
        assert PLAIN.solutions(prompt) == {text for text in TASK.solutions(prompt) if "/" not in text}


@pytest.mark.parametrize(
    "prompt",
    ["", "3 5 7", "3 5 7=22", "3  5=8:", "3=3:", "0 5=5:", "1 1 1 1 1 1 1=7:", "3 5=0:", "3 5=-2:", "100 2=50:",
     "3 5=10000:", "3 5=08:", "3 5=8:\n", "٣ 5=8:", "3 5 7=22:#3*5>"],
)  # fmt: skip
def test_a_prompt_of_another_kind_has_unknown_solutions_and_no_right_answer(prompt):
    assert TASK.solutions(prompt) is None
    assert TASK.answer(prompt, "3+5") is None
    assert TASK.is_right(prompt, "3+5") is False
    with pytest.raises(KnobError, match="2 to 6 numbers and a target such as '3 5 7=22:'"):
        TASK.hint_text(prompt, "answer")


def test_a_problem_without_solution_is_named_where_one_is_asked_for():
    rng = np.random.default_rng(0)
    for ask in (TASK.write, TASK.candidates):
        with pytest.raises(KnobError, match="'3 5=99:' has no solution under countdown"):
            ask("3 5=99:", rng)
    with pytest.raises(KnobError, match="no solution"):
        TASK.hardness("3 5=99:")


# ── check and answer ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("response", "answer", "right"),
    [
        ("3*5+7", "5*3+7", True),
        ("7+5*3", "5*3+7", True),
        ("((7)) + (3 * 5)", "5*3+7", True),
        ("3+5*7", "7*5+3", False),
        ("3+5+7", "7+5+3", False),
        ("3*5", None, False),
        ("3*5+7+7", None, False),
        ("3*5+7-0", None, False),
        ("15+7", None, False),
        ("22", None, False),
        ("3*5+7=22", None, False),
        ("7--3*5", None, False),
        ("", None, False),
    ],
)
def test_answer_and_check(response, answer, right):
    assert TASK.answer("3 5 7=22:", response) == answer
    assert TASK.is_right("3 5 7=22:", response) is right


def test_division_by_zero_is_no_answer_though_its_form_would_be_one():
    assert "1*(3-3)/2+5" in TASK.solutions("1 2 3 3 5=5:")
    assert TASK.is_right("1 2 3 3 5=5:", "5+1*(3-3)/2")
    assert TASK.answer("1 2 3 3 5=5:", "5+1/(2/(3-3))") is None
    assert not TASK.is_right("1 2 3 3 5=5:", "5+1/(2/(3-3))")


def test_a_value_that_is_nearly_the_target_is_wrong():
    assert not TASK.is_right("25 24 1 7=7:", "7*(1-1/25/24)")
    assert not TASK.is_right("9 8 9 9=8:", "8+9/9/9")


def test_division_is_no_answer_where_it_is_ruled_out():
    assert PLAIN.answer("6 3=2:", "6/3") is None
    assert not PLAIN.is_right("6 3=2:", "6/3")
    assert PLAIN.solutions("6 3=2:") == frozenset()
    assert PLAIN.is_right("6 3=18:", "3*6")


@given(st.text() | st.sampled_from(PROMPTS), st.text() | st.text(alphabet="1357+-*/() ", max_size=20))
def test_no_text_makes_it_raise(prompt, response):
    assert TASK.is_right(prompt, response) in (True, False)
    answer = TASK.answer(prompt, response)
    assert answer is None or canonical(parse(answer)) == answer


@given(st.permutations([3, 3, 5, 8]), st.lists(st.sampled_from("+-*/"), min_size=3, max_size=3), st.integers(1, 30))
def test_right_when_and_only_when_the_answer_is_a_solution(numbers, signs, target):
    a, b, c, d = numbers
    prompt = f"3 3 5 8={target}:"
    for text in (f"{a}{signs[0]}{b}{signs[1]}{c}{signs[2]}{d}", f"({a}{signs[0]}{b}){signs[1]}({c}{signs[2]}{d})"):
        assert TASK.is_right(prompt, text) == (TASK.answer(prompt, text) in TASK.solutions(prompt))


def test_a_table_of_rows_is_checked_by_the_same_rules():
    rows = pd.DataFrame({"prompt": ["3 5 7=22:"] * 3, "response": ["7+3*5", "3+5+7", "oops"]})
    assert TASK.check(rows).tolist() == [True, False, False]
    assert TASK.answers(rows).tolist() == ["5*3+7", "7+5+3", pd.NA]


# ── drawing ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "task",
    [TASK, PLAIN, Countdown(2), Countdown(numbers=3, largest=25, limit=999), Countdown(numbers=5, fewest=5, largest=4)],
    ids=str,
)
@pytest.mark.parametrize("beyond", [False, True])
def test_a_draw_keeps_to_its_knobs(task, beyond):
    rng = np.random.default_rng(3)
    fewest = min(task.fewest, task.numbers)
    sizes = {task.numbers + 1} if beyond else set(range(fewest, task.numbers + 1))
    seen = set()
    for _ in range(60 if task.numbers < 5 else 5):
        item = task.draw(rng, beyond=beyond)
        numbers, target = item.prompt.rstrip(":").split("=")
        numbers = [int(number) for number in numbers.split()]
        seen.add(len(numbers))
        assert all(1 <= number <= task.largest for number in numbers)
        assert 1 <= int(target) <= task.limit
        assert item.n_solutions == len(task.solutions(item.prompt)) > 0
        assert item.answer in task.solutions(item.prompt)
    assert seen == sizes or (seen <= sizes and task.numbers == 5)


def test_six_numbers_stay_six_beyond_with_larger_targets():
    task, rng = Countdown(numbers=6, limit=50), np.random.default_rng(0)
    for _ in range(3):
        numbers, target = task.draw(rng, beyond=True).prompt.rstrip(":").split("=")
        assert len(numbers.split()) == 6
        assert 51 <= int(target) <= 100


def test_fewest_above_numbers_counts_as_numbers():
    rng = np.random.default_rng(0)
    task = Countdown(numbers=2, fewest=6)
    assert {len(task.draw(rng).prompt.split("=")[0].split()) for _ in range(30)} == {2}


def test_hardness_worked_by_hand():
    """marks: 5*3+7 two operators, 2; 8/(3-8/3) one bracket, two divisions, one minus, two operators: 2+4+1+2 = 9."""
    assert TASK.hardness("3 5 7=22:") == pytest.approx(log(68) + 2 + 3)
    assert TASK.hardness("8 3 8 3=24:") == pytest.approx(log(1170) + 9 + 2)
    # 2+2 and 2*2: one operator each, one different number
    assert TASK.hardness("2 2=4:") == pytest.approx(log(6) - log(2 * exp(-1)) + 1)
    assert PLAIN.hardness("3 5 7=22:") == pytest.approx(log(26) + 2 + 3)


def test_drawn_hardness_and_answer_are_those_of_the_prompt():
    item = TASK.draw(np.random.default_rng(11))
    assert item.hardness == TASK.hardness(item.prompt)
    assert item.answer == TASK.hint_text(item.prompt, "answer")


@pytest.mark.parametrize(
    ("task", "classes"), [(TASK, (6, 68, 1170)), (PLAIN, (4, 26, 266))], ids=["all", "no_division"]
)
def test_number_of_expressions_in_the_formula_is_that_of_brute_force(task, classes):
    operators = "+-*/" if task is TASK else "+-*"
    for n, known in zip((2, 3, 4), classes, strict=True):
        numbers = (97, 89, 83, 79)[:n]  # no two expressions meet and nothing divides by zero
        found = set().union(*brute_force(numbers, operators).values())
        assert len(found) == known
        target, texts = min((v, t) for v, t in brute_force(numbers, operators).items() if v > 0 and v.denominator == 1)
        marks = log(sum(exp(-task_marks(text)) for text in texts))
        hardness = task.hardness(f"{' '.join(map(str, numbers))}={target}:")
        assert hardness == pytest.approx(log(known) - marks + n)


def task_marks(text):
    signs = [c for c in text if c in "+-*/"]
    return 2 * text.count(")") + 2 * signs.count("/") + signs.count("-") + len(set(signs))


# ── splits ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_splits_share_no_prompt_whatever_the_seed():
    train = set().union(*(TASK.problems("train", 150, seed).prompt for seed in range(3)))
    held = set().union(*(TASK.problems("heldout", 100, seed).prompt for seed in range(3)))
    beyond = set(TASK.problems("beyond", 20).prompt)
    assert not train & held
    assert not beyond & (train | held)
    assert all(map(is_held_out, held))
    assert not any(map(is_held_out, train))


def test_the_same_call_gives_the_same_problems_and_a_longer_one_starts_with_them():
    short, again, long = TASK.problems("train", 40), Countdown().problems("train", 40), TASK.problems("train", 90)
    pd.testing.assert_frame_equal(short, again)
    pd.testing.assert_frame_equal(short, long.head(40))
    assert set(short.prompt) != set(TASK.problems("train", 40, seed=1).prompt)
    assert long.prompt.is_unique


@pytest.mark.parametrize("task", [TASK, Countdown(numbers=3), Countdown(fewest=4)], ids=str)
def test_bands_are_about_fifths_of_the_training_problems(task):
    shares = task.problems("train", 500).band.value_counts(normalize=True)
    assert set(shares.index) == {0, 1, 2, 3, 4}
    assert shares.between(0.12, 0.28).all()  # equal hardness shares a band, and 500 draws scatter


def test_beyond_is_harder():
    assert TASK.problems("beyond", 20).difficulty.mean() > 0.9


def test_more_problems_than_there_are_is_an_error():
    with pytest.raises(KnobError, match="too few different heldout problems"):
        Countdown(numbers=2, largest=4, limit=10).problems("heldout", 25)


def test_problems_do_not_depend_on_the_order_of_sets():
    """Text hashes differ between interpreters, and with them the order of a set of solutions."""
    code = (
        "from siwork.tasks.countdown import Countdown; import numpy as np; t = Countdown()\n"
        "r = np.random.default_rng(5)\n"
        "d = [t.draw(r) for _ in range(40)]\n"
        "print([t.hardness(f'1 2 {i} {j} 6={i}:') for i in range(2, 8) for j in range(1, i)])\n"
        "print(d, [t.write(i.prompt, r) for i in d], [t.candidates(i.prompt, r) for i in d])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]


# ── writing, candidates, hints ─────────────────────────────────────────────────────────────────────────────


def test_written_solutions_are_right_and_come_in_many_orders():
    rng = np.random.default_rng(0)
    written = {TASK.write("3 5 7=22:", rng) for _ in range(100)}
    assert written == {"3*5+7", "5*3+7", "7+3*5", "7+5*3"}
    for prompt in PROMPTS:
        texts = [TASK.write(prompt, rng) for _ in range(50)]
        assert all(TASK.is_right(prompt, text) for text in texts)


def test_written_solutions_reach_every_solution():
    rng = np.random.default_rng(0)
    prompt = "1 1 5 5=5:"
    written = {TASK.answer(prompt, TASK.write(prompt, rng)) for _ in range(2000)}
    assert written == TASK.solutions(prompt)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("n", [2, 8, 24])
def test_candidates_are_right_wrong_and_one_cut_short(prompt, n):
    texts = TASK.candidates(prompt, np.random.default_rng(1), n)
    answers = [TASK.answer(prompt, text) for text in texts]
    right = [answer for answer in answers if answer in TASK.solutions(prompt)]
    assert len(right) == min(n // 2, len(TASK.solutions(prompt)))
    assert answers.count(None) == 1
    assert parse(texts[-1]) is None
    assert len(set(answers)) == len(set(texts)) == len(texts) == n


def test_two_numbers_allow_few_candidates():
    texts = TASK.candidates("3 5=8:", np.random.default_rng(0))
    assert set(texts) == {"5+3", "5-3", "3-5", "5*3", "5/3", "3/5", "5+"}


def test_wrong_candidates_are_nearer_than_chance():
    prompt, rng = "3 4 7 9=40:", np.random.default_rng(2)

    def misses(n):
        texts = [text for text in TASK.candidates(prompt, rng, n)[:-1] if not TASK.is_right(prompt, text)]
        return np.mean([abs(float(value(parse(text))) - 40) for text in texts])

    assert np.mean([misses(16) for _ in range(20)]) < 0.85 * misses(1000)  # a pool this large is taken whole


def test_hints_worked_by_hand():
    assert TASK.hint_text("3 5 7=22:", "step") == "5*3"
    assert TASK.hint_text("3 5 7=22:", "answer") == "5*3+7"
    assert TASK.hint_text("8 3 8 3=24:", "step") == "8/3"
    assert TASK.hint_text("2 2=4:", "step") == TASK.hint_text("2 2=4:", "answer") == "2*2"
    assert TASK.hinted("3 5 7=22:", "step") == "3 5 7=22:#5*3>"


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_step_is_part_of_the_answer(prompt):
    step, answer = (TASK.hint_text(prompt, kind) for kind in TASK.hints)
    assert step in answer
    assert len(leaves(parse(step))) == 2


def test_an_unknown_hint_is_named():
    with pytest.raises(KnobError, match="has no hint 'stop'; nearest: 'step'"):
        TASK.hint_text("3 5 7=22:", "stop")


# ── tokens and knobs ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", [TASK, Countdown(2), Countdown(numbers=3, largest=25, limit=999)], ids=str)
@pytest.mark.parametrize("beyond", [False, True])
def test_all_texts_are_made_of_the_vocabulary_and_fit(task, beyond):
    rng = np.random.default_rng(4)
    for _ in range(20):
        prompt = task.draw(rng, beyond=beyond).prompt
        responses = [task.write(prompt, rng), *task.candidates(prompt, rng), *task.solutions(prompt)]
        assert max(len(tokens(task, text)) for text in responses) + 1 <= task.max_tokens
        for kind in task.hints:
            tokens(task, task.hinted(prompt, kind))


def test_vocabulary_is_small_and_the_same_for_all_knobs():
    assert len(set(TASK.vocabulary)) == len(TASK.vocabulary) == 111
    assert TASK.vocabulary == Countdown(numbers=6, limit=999).vocabulary
    assert tokens(TASK, "3 12=105:") == ["3", " ", "12", "=", "10", "5", ":"]


def test_longest_response_has_brackets_round_every_inner_operation():
    # one number more than four: 5 numbers, 4 operators, 3 pairs of brackets, the end
    assert TASK.max_tokens == len(tokens(TASK, "(((1+2)*3)-4)/5")) + 1 == 16
    assert Countdown(numbers=5).max_tokens == Countdown(numbers=6).max_tokens == 20


@pytest.mark.parametrize(
    "named", [{"numbers": 1}, {"numbers": 7}, {"fewest": 1}, {"largest": 3}, {"limit": 1000}, {"operators": "some"}]
)
def test_knobs_out_of_range_are_refused(named):
    with pytest.raises(KnobError, match=f"countdown: knob {next(iter(named))!r} must be"):
        Countdown(**named)


@settings(max_examples=30)
@given(st.builds(Countdown, st.integers(2, 6), st.integers(2, 6), st.integers(4, 25), st.integers(10, 999)))
def test_a_task_read_back_from_its_formula_is_the_same(task):
    call = parse_call(str(task))
    assert Countdown.build(call.args, call.named) == task


# ── what a component may ask ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("response", "other"),
    [
        ("3+5*7", "3 5 7=38:"),
        ("(3 + 7) / 5", "3 5 7=2:"),
        ("3*5+7", None),  # right already
        ("3-5*7", None),  # below 1
        ("7/5+3", None),  # no whole number
        ("3*5*7", None),  # 105, above the limit
        ("3+5", None),
        ("3+5*", None),
        ("7/(3-3)+5", None),
    ],
)
def test_hindsight_by_hand(response, other):
    assert TASK.relabel("3 5 7=22:", response) == other


@pytest.mark.parametrize(
    ("prompt", "is_one"),
    [
        ("3 5 7=22:", True),
        ("3 5=15:", True),
        ("3 5 7 2 9=22:", True),  # one number more, as beyond has
        ("3 5 7 2 9 4=22:", False),
        ("3 5=99:", False),  # no solution
        ("3 12=36:", False),  # above `largest`
        ("9 9 9=729:", False),  # above the limit
        ("3 5 7=22", False),
        ("3 5 7=22:#3*5>", False),
    ],
)
def test_anybodys_prompt_is_a_problem_within_the_knobs(prompt, is_one):
    assert (TASK.item(prompt) is not None) == is_one


def test_paraphrases_are_the_other_orders():
    found = {TASK.paraphrase("3 5 7=22:", np.random.default_rng(seed)) for seed in range(80)}
    assert found == {f"{a} {b} {c}=22:" for a, b, c in permutations((3, 5, 7))} - {"3 5 7=22:"}
    assert TASK.paraphrase("2 2=4:", np.random.default_rng(0)) == "2 2=4:"


def test_mutants_have_another_operator_or_two_numbers_exchanged():
    found = {TASK.mutate("3 5 7=22:", "3*5+7", np.random.default_rng(seed)) for seed in range(200)}
    assert found == {"3+5+7", "3-5+7", "3/5+7", "3*5-7", "3*5*7", "3*5/7", "5*3+7", "7*5+3", "3*7+5"}
    assert "/" not in "".join(PLAIN.mutate("3 5=15:", "3*5", np.random.default_rng(seed)) for seed in range(40))


@pytest.mark.parametrize(
    ("response", "pieces"),
    [
        ("3*5+7", ("3*", "5+", "7")),
        ("(3+4)*2", ("(3+", "4)*", "2")),
        ("12", ("12",)),
        ("", ()),
        ("3*", ("3*",)),
        ("-3", ("-", "3")),
    ],
)
def test_pieces_end_in_an_operator(response, pieces):
    assert TASK.pieces(response) == pieces
