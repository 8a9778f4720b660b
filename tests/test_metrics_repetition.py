"""Repetition inside texts: against reference values and naive code."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.metrics.collapse import diversity_simctg, rep_n, rep_w, repeated_lines
from siwork.schema import KnobError

ORACLE = json.loads((Path(__file__).parent / "golden" / "oracles" / "repetition.json").read_text(encoding="utf-8"))
NAN = float("nan")

few = settings(max_examples=60, deadline=None)
token_lists = st.lists(st.lists(st.integers(0, 3), max_size=14), max_size=6)


def agree(got, expected):
    expected = np.array([NAN if e is None else e for e in expected], float)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12, equal_nan=True)


def naive_rep_n(tokens, n):
    found = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(found)) / len(found) if found else NAN


def naive_rep_w(tokens, w):
    seen = [tokens[i] in tokens[max(i - w, 0) : i] for i in range(1, len(tokens))]
    return sum(seen) / len(seen) if seen else NAN


def test_repetition_of_the_reference_all_texts_at_once():
    texts = [case["inputs"]["tokens"] for case in ORACLE["cases"]]
    expected = {name: [case["expected"][name] for case in ORACLE["cases"]] for name in ORACLE["cases"][0]["expected"]}
    for n in range(1, 5):
        agree(rep_n(texts, n), expected[f"rep_{n}"])
    agree(rep_w(texts, 16), expected["rep_w16"])
    agree(rep_w(texts, 128), expected["rep_w128"])
    agree(diversity_simctg(texts), expected["diversity_simctg"])


@few
@given(token_lists, st.integers(1, 6))
def test_repetition_is_the_naive_one(texts, n):
    agree(rep_n(texts, n), [naive_rep_n(text, n) for text in texts])
    agree(rep_w(texts, n), [naive_rep_w(text, n) for text in texts])
    agree(diversity_simctg(texts), [math.prod(1 - naive_rep_n(text, k) for k in (2, 3, 4)) for text in texts])


def test_many_texts_are_looked_at_one_by_one():
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 5, rng.integers(0, 60)) for _ in range(5000)]
    agree(rep_n(texts, 2), [naive_rep_n(text.tolist(), 2) for text in texts])
    agree(rep_w(texts, 3), [naive_rep_w(text.tolist(), 3) for text in texts])


def test_defaults_are_those_of_the_papers():
    text = ["a b c d e f g h i j k l m n o p a"]
    agree(rep_w(text), [1 / 16])
    agree(rep_w(text, 15), [0.0])
    agree(rep_n(["a b c d a b c d"]), [1 / 5])


def test_repetition_of_nothing():
    for metric in (rep_n, rep_w, diversity_simctg, repeated_lines):
        assert metric([]).shape == (0,)
        assert np.isnan(metric(["", ""])).all()
    for bad in (0, -1, 2.5):
        with pytest.raises(KnobError, match="whole"):
            rep_n(["a"], bad)
        with pytest.raises(KnobError, match="whole"):
            rep_w(["a"], bad)


def test_repeated_lines_compare_stripped_lines_within_a_text():
    texts = ["x = 1\n  x = 1\r\n\n \nx = 2", "x = 1", "\n\n", "a\na\na\na"]
    agree(repeated_lines(texts), [1 / 3, 0.0, NAN, 0.75])
    with pytest.raises(KnobError, match="wrap it"):
        repeated_lines("a\na")
    with pytest.raises(KnobError, match="NoneType"):
        repeated_lines([None])


@few
@given(st.lists(st.lists(st.sampled_from(["", " ", "a", "a ", "b"]), max_size=8), max_size=5))
def test_repeated_lines_are_the_naive_ones(texts):
    lines = [[line.strip() for line in text if line.strip()] for text in texts]
    agree(repeated_lines(["\n".join(text) for text in texts]), [naive_rep_n(line, 1) for line in lines])
