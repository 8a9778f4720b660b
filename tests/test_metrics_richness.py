"""Chao1, coverage and distinct equations: against reference values and hand-worked sums."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.metrics.diversity import EQUATION, chao1, coverage, distinct_equations
from siwork.schema import KnobError

ORACLES = Path(__file__).parent / "golden" / "oracles"
RICHNESS = json.loads((ORACLES / "richness.json").read_text(encoding="utf-8"))
NAN = float("nan")


@pytest.mark.parametrize("case", RICHNESS["cases"], ids=lambda case: case["id"])
def test_richness(case):
    counts, expected = case["inputs"]["counts"], case["expected"]
    near = {"abs": RICHNESS["tolerance"]["abs"], "nan_ok": True}
    known = {name: NAN if value is None else value for name, value in expected.items()}
    assert chao1(counts) == pytest.approx(known["chao1_bias_corrected"], **near)
    assert coverage(counts) == pytest.approx(known["chao_jost_coverage"], **near)
    assert coverage(counts, method="good_turing") == pytest.approx(known["goods_coverage"], **near)


def test_all_reference_problems_at_once():
    cases = RICHNESS["cases"]
    counts = np.concatenate([case["inputs"]["counts"] for case in cases])
    problem = np.repeat(np.arange(len(cases)), [len(case["inputs"]["counts"]) for case in cases])
    shuffled = np.random.default_rng(0).permutation(len(counts))
    for function, name in ((chao1, "chao1_bias_corrected"), (coverage, "chao_jost_coverage")):
        expected = [NAN if case["expected"][name] is None else case["expected"][name] for case in cases]
        got = function(counts[shuffled], problem[shuffled])
        assert got == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(st.lists(st.integers(0, 5), max_size=8))
def test_richness_stays_in_its_bounds(counts):
    seen, n = sum(x > 0 for x in counts), sum(counts)
    values = chao1(counts), coverage(counts), coverage(counts, method="good_turing")
    if n == 0:
        assert np.isnan(values).all()
        return
    assert values[0] >= seen
    assert all(0 <= share <= 1 for share in values[1:])
    assert values[2] <= values[1] + 1e-12
    padded = [*counts, 0, 0]
    assert values == (chao1(padded), coverage(padded), coverage(padded, method="good_turing"))


def test_coverage_is_near_the_mass_seen():
    # the mass of the types seen, over many samples of one known distribution
    rng = np.random.default_rng(1)
    p = 1 / np.arange(1, 31)
    p /= p.sum()
    counts = rng.multinomial(40, p, 3000)
    truth = ((counts > 0) * p).sum(axis=1).mean()
    problem = np.repeat(np.arange(3000), 30)
    assert coverage(counts.ravel(), problem).mean() == pytest.approx(truth, abs=0.01)
    assert coverage(counts.ravel(), problem, method="good_turing").mean() == pytest.approx(truth, abs=0.01)
    assert 15 < chao1(counts.ravel(), problem).mean() < 30


def test_richness_of_singles_and_of_problems_without_samples():
    assert coverage([1] * 4, method="good_turing") == 0.0
    assert coverage([1] * 4) == pytest.approx(1 - 9 / 11)  # (n−1)(f1−1) = 9, by the form without doubles
    assert coverage([1]) == 1.0
    assert np.array_equal(chao1([1, 1, 0], [0, 0, 2]), [3.0, NAN, NAN], equal_nan=True)
    assert np.array_equal(coverage([2, 0], [1, 2]), [NAN, 1.0, NAN], equal_nan=True)
    assert chao1([], []).shape == (0,)


def test_bad_richness_is_refused():
    with pytest.raises(KnobError, match="nearest: 'good_turing'"):
        coverage([1], method="goodturing")
    with pytest.raises(KnobError, match="counts must be whole"):
        chao1([0.5])


# ── equations ─────────────────────────────────────────────────────────────────────────────────────────────────


def equations(text):
    return [match.group(match.lastindex) for match in EQUATION.finditer(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("it is <<48/2=24>>24 clips", ["48/2=24"]),
        ("so $x=1$ and $y=2$.", ["x=1", "y=2"]),
        ("so $$x=1$$ and then $$y\n=2$$", ["x=1", "y\n=2"]),
        (r"so \[ x=\frac{1}{2} \] and \[y\]", [r" x=\frac{1}{2} ", "y"]),
        (r"\[a \\[2pt] b\]", [r"a \\[2pt] b"]),  # a line break with a height opens nothing
        (r"a \\[2pt] b\]", []),
        (r"\[a \[b\]", ["b"]),
        ("no equation, $5 only", []),
        ("$a\nb$", []),
        ("<<a<b>>", []),
        ("$$$$ <<>>", []),
    ],
)
def test_the_pattern_reads_marks(text, found):
    assert equations(text) == found


def test_distinct_equations_counts_each_problem():
    texts = ["$1+1=2$ <<1 + 1=2>>", "$2+2=4$", "nothing", None, NAN, "$3$ $3$"]
    assert distinct_equations(texts) == pytest.approx(3 / 5)
    got = distinct_equations(texts, [0, 0, 1, 1, 1, 3])
    assert np.array_equal(got, [2 / 3, NAN, NAN, 0.5], equal_nan=True)
    assert math.isnan(distinct_equations([]))
    assert distinct_equations([], []).shape == (0,)
    assert distinct_equations(["$ \t $"]) != 0  # white space alone is no equation
    assert math.isnan(distinct_equations(["$ \t $"]))


def test_distinct_equations_takes_other_patterns():
    texts = ["a=1; b=2", "a=1"]
    assert distinct_equations(texts, pattern=r"\w=\d") == pytest.approx(2 / 3)
    assert distinct_equations(texts, pattern=re.compile(r"(\w)=(\d)")) == pytest.approx(
        2 / 3
    )  # the last group: 1, 2, 1
    with pytest.raises(KnobError, match="pattern must be a regular expression"):
        distinct_equations(texts, pattern="(")
    with pytest.raises(KnobError, match="of one length"):
        distinct_equations(texts, [0])


@given(st.lists(st.sampled_from(["$a$", "$b$", "<<a>>", "x", r"\[c\]"]), max_size=8))
def test_distinct_equations_equals_sets(texts):
    every = [each for text in texts for each in equations(text)]
    expected = len(set(every)) / len(every) if every else NAN
    assert distinct_equations(texts) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("mark", ["$", "$$", "<<", "\\[", "\\\\[", "\\[\\a", "<<a", "$a\n", "\\", "\\[\\]", ">>"])
def test_the_pattern_takes_linear_time(mark):
    # backtracking that is quadratic would take hours for these
    text = mark * 300_000
    share = distinct_equations([text, text + "a" * 300_000])
    assert math.isnan(share) or 0 < share <= 1
