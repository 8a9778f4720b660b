"""Numbers, letters, formulas and patterns are read from any text, and never raise."""

from __future__ import annotations

import random
import string
import sys
import time
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import siwork
from siwork.schema import KnobError, MissingExtra
from siwork.tasks.table.boxed import boxed, equal, expression
from siwork.tasks.table.checks import Row, check_of
from siwork.tasks.table.letters import chosen_letter, right_letter
from siwork.tasks.table.levels import level_of
from siwork.tasks.table.numbers import canonical_number, number_in, same_number
from siwork.tasks.table.patterns import check_pattern, found_in, last_match

# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("70 + 2 = 72\n#### 72", "72"),
        ("#### 72 (check: 36 twice)", "36"),
        ("#### seventy; 71", "71"),
        ("He pays $1,234.50.", "1234.5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("it is −7", "-7"),
        ("10-3", "3"),
        ("5 - 3", "3"),
        ("= -3", "-3"),
        ("50%", "50"),
        ("50\\%", "50"),
        ("3/4", "3/4"),
        ("about 1 3/4 cups", "7/4"),
        (r"\frac{3}{4}", "3/4"),
        (r"-\dfrac{1}{2}", "-1/2"),
        (r"\boxed{42}", "42"),
        ("1e5", "100000"),
        ("1.5e-3", "0.0015"),
        (".5", "0.5"),
        ("72km", "72"),
        ("**72**", "72"),
        ("1,2", "2"),
        ("1,234,567", "1234567"),
    ],
)
def test_numbers_by_hand(text: str, value: str) -> None:
    assert number_in(text) == Fraction(value)


@pytest.mark.parametrize("text", ["", "none", "H2O", "v1.2.3", "3/4/2024", "1/0", "1e99", "9" * 100, "####", "²", "٣"])
def test_texts_without_a_number(text: str) -> None:
    assert number_in(text) is None


@given(st.integers(-(10**15), 10**15), st.sampled_from(["{}", "${:,}", "{:,}%", "#### {}", "The answer is {:,}."]))
def test_whole_numbers_read_back(number: int, form: str) -> None:
    found = number_in(form.format(number))
    assert found == number
    assert canonical_number(Fraction(number)) == str(number)


@settings(max_examples=50)
@given(st.fractions(-(10**9), 10**9))
def test_canonical_numbers_are_near_and_stay(number: Fraction) -> None:
    text = canonical_number(number)
    again = Fraction(text)
    assert same_number(number, again)
    assert canonical_number(again) == text


@given(st.text() | st.text(st.sampled_from("0123456789.,/-+$%# \\frac{}eE(")))
def test_any_text_has_a_number_or_none(text: str) -> None:
    for kind in ("numeric", "choice", "exact", "regex"):
        check = check_of(kind, "([0-9]+)" if kind == "regex" else "")
        for row in (None, Row("1", ["1", text]), Row(text, [text, "b", text])):
            found = check.read(text, row)
            assert found is None or (isinstance(found, str) and found)
    assert level_of(text) is None or isinstance(level_of(text), float)
    numeric = check_of("numeric", "")
    found = numeric.read(text, None)
    if found is not None:
        assert numeric.read(found, None) == found  # canonical form is its own
        assert numeric.right("", text, Row(text, None))


def test_large_whole_numbers_are_exact_and_others_nearly() -> None:
    check = check_of("numeric", "")
    assert not check.right("", "5000001", Row("5000000", None))
    assert check.right("", "0.33333333", Row("1/3", None))
    assert not check.right("", "0.333", Row("1/3", None))


# ── letters ────────────────────────────────────────────────────────────────────────────────────────────────

FOUR = ["Paris", "New York", "Rome", "York"]


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("B", "B"),
        ("b", None),
        ("(C)", "C"),
        ("B. New York", "B"),
        ("B) because", "B"),
        ("The answer is (b).", "B"),
        ("Answer: D", "D"),
        ("**Answer:** C", "C"),
        ("answer is A, no, the answer is C", "C"),
        (r"so \boxed{B}", "B"),
        (r"so \boxed{\text{(D)}}", "D"),
        ("It is Rome.", "C"),
        ("york", "D"),
        ("Rome or Paris", None),
        ("I think", None),
        ("A good question", None),
        ("The answer is Q", None),
        ("surely it must be C", "C"),
        ("", None),
    ],
)
def test_letters_by_hand(response: str, letter: str | None) -> None:
    assert chosen_letter(response, FOUR) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("C", "C"), ("(c)", "C"), ("rome", "C"), ("0", None), ("3", None), ("E", None), ("a or b", None)],
)
def test_right_letters(answer: str, letter: str | None) -> None:
    assert right_letter(answer, FOUR) == letter


@given(st.text(string.printable), st.lists(st.text(max_size=8), min_size=1, max_size=30) | st.none())
def test_any_text_has_a_letter_or_none(text: str, choices: list[str] | None) -> None:
    for found in (chosen_letter(text, choices), right_letter(text, choices)):
        assert found is None or (len(found) == 1 and found in string.ascii_uppercase)
        assert found is None or choices is None or ord(found) - 65 < len(choices)


# ── patterns and formulas ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|a)*b", r"(.*)*x", r"(a?){30}a{30}"])
def test_no_pattern_takes_long(pattern: str) -> None:
    began = time.process_time()
    check_pattern(pattern)
    for _ in range(3):
        found_in(pattern, "a" * 20_000 + "!")
        last_match(pattern, "a" * 20_000 + "!")
    assert time.process_time() - began < 3


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "a" * 2000, "[z-a]"])
def test_patterns_that_do_not_compile(pattern: str) -> None:
    with pytest.raises(KnobError, match=r"pattern|at most 1000 characters"):
        check_pattern(pattern)


def test_answers_may_be_patterns() -> None:
    task = siwork.task("table", path=pd.DataFrame({"prompt": ["a"], "answer": [r"(?i)^\s*(yes|yep)\b"]}), check="regex")
    assert task.is_right("a", " Yep, it is")
    assert not task.is_right("a", "no, yes")
    assert not task.is_right("a", "")
    assert task.problems("train" if "train" in task.splits else "heldout", 1)["n_solutions"].isna().all()
    with pytest.raises(KnobError, match="is no response that check=regex takes as right"):
        task.write("a", None)


@given(st.text() | st.text(st.sampled_from("\\boxedf{}$ 1")))
def test_any_text_has_a_formula_or_none(text: str) -> None:
    for found in (boxed(text), expression(text)):
        assert found is None or found


def test_boxed_by_hand() -> None:
    assert boxed(r"\boxed{1} then \boxed{ \frac{a}{b}  } and \boxed{") == r"\frac{a}{b}"
    assert boxed(r"\boxed{\{1, 2\}}") == r"\{1, 2\}"
    assert boxed(r"\boxed{}") is None
    assert expression(r"$x$ or $y$") == "y"
    assert expression(r"\boxed{" + "x" * 1000 + "}") is None


def test_formulas_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)
    task = siwork.task("table", path=pd.DataFrame({"prompt": ["a"], "answer": ["1"]}), check="math")
    with pytest.raises(MissingExtra, match=r"check=math needs the package math-verify; .*'siwork\[data\]'"):
        task.is_right("a", "1")


def math_task() -> Any:
    rows = {"problem": ["a", "b"], "solution": [r"so $x = \boxed{\frac{1}{2}}$", r"\boxed{9}"]}
    return siwork.task("table", path=pd.DataFrame(rows), prompt="problem", answer="solution", check="math")


def test_formulas_are_compared_by_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    parse = lambda text, parsing_timeout: text  # noqa: E731
    verify = lambda gold, said, timeout_seconds: asked.append((gold, said)) or True  # noqa: E731
    monkeypatch.setitem(sys.modules, "math_verify", SimpleNamespace(parse=parse, verify=verify))
    equal.cache_clear()
    task = math_task()
    assert task.is_right("a", r"\boxed{0.5}")
    assert asked == [(r"\boxed{\frac{1}{2}}", r"\boxed{0.5}")]
    assert task.answer("a", r"\boxed{0.5}") == "0.5"
    assert not task.is_right("a", "no formula")
    assert not task.is_right("b", r"\boxed{9^{9^9}}")  # never given to an exact power
    assert len(asked) == 1
    equal.cache_clear()


def test_formulas_by_the_package_itself() -> None:
    pytest.importorskip("math_verify")
    equal.cache_clear()
    task = math_task()
    assert task.is_right("a", r"It is $\boxed{0.5}$.")
    assert not task.is_right("a", r"\boxed{0.6}")
    for text in (r"\boxed{\frac{1}{}", r"\boxed{\int}", r"$\$", r"\boxed{^_^}"):
        assert not task.is_right("a", text)
    equal.cache_clear()


def test_long_text_is_read_in_no_time() -> None:
    luck = random.Random(0)
    units = ["1", "1,", "1/", "-", "$", "####", "answer is ", r"\boxed{", "(A)", "A ", "A. ", "{", "red "]
    texts = [unit * 50_000 for unit in units] + ["".join(luck.choices(units, k=50_000))]
    for text in texts:
        began = time.process_time()
        number_in(text), chosen_letter(text, ["red", "blue"]), boxed(text), expression(text), level_of(text)
        assert time.process_time() - began < 1.5, text[:20]
