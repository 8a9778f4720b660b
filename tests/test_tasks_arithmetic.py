"""Arithmetic text: what is read and what is refused, exact values, and the canonical form as an equivalence."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from fractions import Fraction
from itertools import combinations, permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.tasks.arithmetic import (
    DEEPEST,
    LONGEST,
    MOST_NUMBERS,
    Branch,
    Leaf,
    canonical,
    combine,
    form,
    leaves,
    parse,
    show,
    value,
)

NODES = st.recursive(
    st.integers(0, 30).map(Leaf),
    lambda inner: st.builds(Branch, st.sampled_from("+-*/"), inner, inner),
    max_leaves=9,
)


def bracketed(node):
    """Text with brackets round every operation, so nothing rests on precedence."""
    if isinstance(node, Leaf):
        return str(node.number)
    return f"({bracketed(node.left)}{node.operator}{bracketed(node.right)})"


def reckon(node, at):
    """Value by a second route: leaf numbers are looked up in `at`, arithmetic is modulo a prime; None for x/0."""
    prime = 2**61 - 1
    if isinstance(node, Leaf):
        return at[node.number] % prime
    left, right = reckon(node.left, at), reckon(node.right, at)
    if left is None or right is None:
        return None
    if node.operator == "/":
        return left * pow(right, -1, prime) % prime if right else None
    return {"+": left + right, "-": left - right, "*": left * right}[node.operator] % prime


def expressions(numbers):
    """Every binary tree with every operator over the numbers in this order, as bracketed text."""
    if len(numbers) == 1:
        yield str(numbers[0])
    for cut in range(1, len(numbers)):
        for left in expressions(numbers[:cut]):
            for right in expressions(numbers[cut:]):
                for operator in "+-*/":
                    yield f"({left}{operator}{right})"


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "worked"),
    [
        ("7", 7),
        ("0", 0),
        ("2+3*4", 14),
        ("(2+3)*4", 20),
        ("8-3-2", 3),
        ("8-(3-2)", 7),
        ("8/4/2", 1),
        ("8/(4/2)", 4),
        ("8/4*2", 4),
        ("2*3+4*5", 26),
        ("((((5))))", 5),
        (" 1 +  2 ", 3),
        ("1/3+1/6", Fraction(1, 2)),
        ("3-7", -4),
        ("999999*999999", 999998000001),
    ],
)
def test_value_follows_the_rules_of_arithmetic(text, worked):
    assert value(parse(text)) == worked


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-2", "+2", "2*-3", "(-2)", "1+", "*1", "1++2", "()", "1()", "(1", "1)", ")1(", "(1))+((2)",
        "2(3)", "(2)3", "(2)(3)", "1 2", "1+ 2 3", "01", "00", "1+05", "1.5", "1e3", "2**3", "2^3", "2=2", "a", "1,2",
        "1\n", "1\t+2", "1\u00a0+2", "٣", "3²", "１", "−1", "1÷2", "2×3", "1//2", "1_0", "0x1", "__import__('os')",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ("1" + " " * (LONGEST - 1), "1" + " " * LONGEST),
        ("(" * DEEPEST + "1" + ")" * DEEPEST, "(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1)),
        ("+".join("1" * MOST_NUMBERS), "+".join("1" * (MOST_NUMBERS + 1))),
        ("123456", "1234567"),
    ],
    ids=["length", "depth", "numbers", "digits"],
)
def test_limits_are_inclusive(fits, too_much):
    assert parse(fits) is not None
    assert parse(too_much) is None


def test_depth_counts_open_brackets_not_brackets():
    assert parse("+".join(["(1)"] * 25)) is not None  # 25 pairs, never more than one open


@given(st.text() | st.text(alphabet="0123456789+-*/() ", max_size=LONGEST))
def test_any_text_gives_a_tree_or_none(text):
    node = parse(text)
    if node is not None:
        assert parse(canonical(node)) is not None
        assert all(str(number) in text for number in leaves(node))


@given(st.text(alphabet="0123+-*/()", max_size=12))
def test_reading_agrees_with_python(text):
    """Python's own parser is the oracle; it also takes signs and leading zeros of zero, which are refused here."""
    try:
        theirs = ast.parse(text, mode="eval").body
    except SyntaxError:
        assert parse(text) is None
        return
    names = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}

    def same(node, tree):
        if isinstance(tree, ast.Constant):
            return node == Leaf(tree.value)
        parts = isinstance(tree, ast.BinOp) and isinstance(node, Branch) and names.get(type(tree.op)) == node.operator
        return parts and same(node.left, tree.left) and same(node.right, tree.right)

    node = parse(text)
    if node is None:
        odd = any(not isinstance(part, ast.BinOp | ast.Constant) for part in _parts(theirs))
        assert odd or re.search(r"00|//|\*\*|[0-9]{7}", text)
    else:
        assert same(node, theirs)


def _parts(tree):
    yield tree
    for side in ("left", "right"):
        if hasattr(tree, side):
            yield from _parts(getattr(tree, side))


@given(NODES)
def test_text_of_a_tree_is_read_back_as_the_tree(node):
    text = bracketed(node)
    if len(text) <= LONGEST:
        assert parse(text) == node


@pytest.mark.parametrize("text", ["1/0", "1/(2-2)", "0/0", "5+1/(3-3)", "1/(2/(3-3))"])
def test_division_by_zero_has_no_value(text):
    assert value(parse(text)) is None


def test_zero_over_something_has_a_value():
    assert value(parse("(3-3)/5")) == 0


def test_leaves_are_in_written_order():
    assert leaves(parse("7-(2*2)/13")) == [7, 2, 2, 13]


# ── canonical form ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("3*5+7", "7+(5*3)", "5*3+7"),
        ("9-(4-2)", "9+2-4", "9-4+2"),
        ("9-(4+2)", "9-2-4", "9-4-2"),
        ("8/(4/2)", "2*8/4", "8*2/4"),
        ("8/(4*2)", "8/2/4", "8/4/2"),
        ("9-2*(3-5)", "9+2*(5-3)", "2*(5-3)+9"),
        ("(2-5)*(3-7)", "(7-3)*(5-2)", "(7-3)*(5-2)"),
        ("(2-5)*(7-3)", "(3-7)*(5-2)", "(3-7)*(5-2)"),
        ("2-5-6*(8-7)", "6*(7-8)-5+2", "2-6*(8-7)-5"),
        ("(2-5)*3-4", "0+1-1", None),
        ("1/((2-3)/4)", "4/(2-3)", None),
    ],
)
def test_forms_worked_by_hand(one, other, text):
    if text is None:
        assert canonical(parse(one)) != canonical(parse(other))
    else:
        assert canonical(parse(one)) == canonical(parse(other)) == text


@pytest.mark.parametrize(
    ("numbers", "forms"),
    [
        ((3, 3), {"3+3", "3-3", "3*3", "3/3"}),
        ((3, 5), {"5+3", "5-3", "3-5", "5*3", "5/3", "3/5"}),
    ],
)
def test_equal_numbers_are_not_told_apart(numbers, forms):
    texts = (text for order in permutations(numbers) for text in expressions(order))
    assert {canonical(parse(text)) for text in texts} == forms


def test_a_form_that_is_its_own_negative_has_no_sign():
    assert canonical(parse("7-2*(3-3)")) == canonical(parse("7+(3-3)*2"))
    assert canonical(parse("(3-3)*(5-4)")) == canonical(parse("(4-5)*(3-3)"))
    assert canonical(parse("(3-3)*2-(4-4)*5")) == canonical(parse("(4-4)*5-(3-3)*2"))


def test_nothing_is_simplified():
    assert len({canonical(parse(text)) for text in ("3*1", "3/1", "3", "3+0", "3-0", "6/2")}) == 6


def test_a_sum_without_a_positive_term_starts_with_a_turned_product():
    assert canonical(parse("2*(3-4)-5")) == "2*(3-4)-5"  # -2*(4-3) - 5
    assert canonical(parse("(2*(3-4)-5)*(6-7)")) == "(2*(4-3)+5)*(7-6)"  # two negatives make a positive
    assert canonical(parse("(2*(3-4)-5)*9")) == "9*(2*(3-4)-5)"


@given(NODES)
def test_canonical_text_is_its_own_canonical_text(node):
    text = canonical(node)
    again = parse(text)
    assert canonical(again) == text
    assert form(again) == form(node)


@given(NODES)
def test_canonical_text_keeps_numbers_and_value_and_is_no_longer(node):
    again = parse(canonical(node))
    assert sorted(leaves(again)) == sorted(leaves(node))
    assert len(canonical(node)) <= len(bracketed(node))
    if value(node) is not None:
        assert value(again) == value(node)


@given(NODES, st.randoms(use_true_random=False))
def test_any_arrangement_reads_as_the_same_form(node, random):
    def shuffle(parts):
        return random.sample(here := list(parts), len(here))

    assert form(parse(show(form(node), shuffle))) == form(node)


def swapped(node, random: Random):
    """The same expression after random uses of the laws that make expressions equivalent."""
    if isinstance(node, Leaf):
        return node
    operator, left, right = node.operator, swapped(node.left, random), swapped(node.right, random)
    if operator in "+*" and random.random() < 0.5:
        left, right = right, left
    inverse = {"+": "-", "-": "+", "*": "/", "/": "*"}[operator]
    same_level = isinstance(right, Branch) and right.operator in (operator, inverse)
    if same_level and random.random() < 0.7:  # a o (b o' c) = (a o b) o'' c
        outer = right.operator if operator in "+*" else {operator: inverse, inverse: operator}[right.operator]
        return Branch(outer, Branch(operator, left, right.left), right.right)
    difference = isinstance(right, Branch) and right.operator == "-"
    if operator in "*/" and difference and isinstance(left, Branch) and left.operator == "-":  # (a-b)(c-d) = (b-a)(d-c)
        return Branch(operator, Branch("-", left.right, left.left), Branch("-", right.right, right.left))
    return Branch(operator, left, right)


@given(NODES, st.randoms(use_true_random=False))
def test_equivalent_expressions_share_one_form(node, random):
    assert canonical(swapped(node, random)) == canonical(node)


@pytest.mark.parametrize(("n", "classes"), [(1, 1), (2, 6), (3, 68), (4, 1170)])
def test_number_of_forms_is_oeis_a140606(n, classes):
    names, random = range(2, 2 + n), Random(7)
    at = {name: random.randrange(2**61 - 1) for name in names}
    by_form = defaultdict(set)
    for order in permutations(names):
        for text in expressions(order):
            node = parse(text)
            by_form[canonical(node)].add(reckon(node, at))
    assert len(by_form) == classes
    # forms are exactly the different rational functions: one value each at a random point, no value twice
    assert all(len(values) == 1 for values in by_form.values())
    assert len(set.union(*by_form.values())) == classes


def test_number_of_forms_over_five_operands_by_combining_subsets():
    forms = {(i,): {form(Leaf(i))} for i in range(1, 6)}
    for size in range(2, 6):
        for whole in combinations(range(1, 6), size):
            forms[whole] = {
                combine(operator, left, right)
                for cut in range(1, size)
                for part in combinations(whole, cut)
                for left in forms[part]
                for right in forms[tuple(i for i in whole if i not in part)]
                for operator in "+-*/"
            }
    assert len(forms[1, 2, 3, 4, 5]) == 27142


@given(st.sampled_from("+-*/"), NODES, NODES)
def test_combining_forms_is_the_form_of_the_combination(operator, left, right):
    assert combine(operator, form(left), form(right)) == form(Branch(operator, left, right))
