"""Verdicts of parts and of claims: by hand, and as Hypothesis finds them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from siwork.claims.claim import Arm, Claim, Part
from siwork.claims.deciding import FAILS, HOLDS, OPEN, VERDICTS, judged, together, verdict_of
from siwork.schema import KnobError

ENDS = st.tuples(st.floats(-1, 1), st.floats(0, 1)).map(lambda x: (x[0], x[0] + x[1]))


def part(claimed="above", least=0.1, **more):
    return Part("loop", "pass@1", claimed, least, **more)


def claim(*parts):
    return Claim("c", "", "", "", "expr", 1, {"loop": Arm("vanilla")}, parts)


@pytest.mark.parametrize(
    ("claimed", "low", "high", "said"),
    [
        ("above", 0.05, 0.3, HOLDS),  # on the right side, and 0.1 is not left out
        ("above", 0.01, 0.09, FAILS),  # surely there, and surely too small
        ("above", -0.05, 0.05, FAILS),
        ("above", -0.05, 0.3, OPEN),
        ("above", -0.3, -0.2, FAILS),
        ("below", -0.3, -0.05, HOLDS),
        ("below", -0.3, 0.05, OPEN),
        ("below", -0.05, 0.3, FAILS),
        ("within", -0.05, 0.1, HOLDS),
        ("within", -0.05, 0.11, OPEN),
        ("within", 0.11, 0.3, FAILS),
        ("within", -0.3, -0.11, FAILS),
    ],
)
def test_an_interval_decides(claimed, low, high, said):
    assert verdict_of(part(claimed), low, high) == said


@given(ENDS, st.sampled_from(("above", "below", "within")), st.floats(-1, 1), st.floats(0.01, 0.5))
def test_the_line_only_moves_the_rule(ends, claimed, line, least):
    moved = verdict_of(part(claimed, least, line=line), ends[0] + line, ends[1] + line)
    near = min(abs(abs(end) - edge) for end in ends for edge in (0, least))
    assert near < 1e-9 or moved == verdict_of(part(claimed, least), *ends)


@given(ENDS, st.floats(0.01, 0.5))
def test_below_is_above_in_a_mirror(ends, least):
    low, high = ends
    assert verdict_of(part("below", least), low, high) == verdict_of(part("above", least), -high, -low)


@given(ENDS, st.floats(0, 0.5), st.floats(0, 0.5), st.sampled_from(("above", "below", "within")))
def test_less_certainty_never_turns_a_verdict_round(ends, more, less, claimed):
    narrow, wide = verdict_of(part(claimed), *ends), verdict_of(part(claimed), ends[0] - less, ends[1] + more)
    assert wide in (narrow, OPEN) or ((narrow, wide) == (FAILS, HOLDS) and claimed != "within")


def test_a_wider_interval_that_reaches_what_is_worth_the_name_may_hold():
    assert [verdict_of(part(), 0.01, high) for high in (0.09, 0.2)] == [FAILS, HOLDS]


@pytest.mark.parametrize("ends", [(np.nan, 0.1), (0.1, np.nan), (np.nan, np.nan)])
def test_no_interval_decides_nothing(ends):
    assert verdict_of(part(), *ends) == OPEN


def test_all_parts_must_hold_and_one_of_those_that_may_stand_for_each_other():
    assert together([HOLDS, HOLDS]) == HOLDS
    assert together([HOLDS, OPEN]) == OPEN
    assert together([OPEN, FAILS]) == FAILS
    assert together([FAILS, HOLDS], ["a", "a"]) == HOLDS
    assert together([FAILS, OPEN], ["a", "a"]) == OPEN
    assert together([FAILS, FAILS, HOLDS], ["a", "a", ""]) == FAILS
    assert together([HOLDS, FAILS], ["a", "b"]) == FAILS
    assert together([]) == OPEN


@given(st.lists(st.tuples(st.sampled_from(VERDICTS), st.sampled_from(("", "a", "b"))), min_size=1, max_size=6))
def test_the_order_of_parts_does_not_matter(parts):
    verdicts, either = zip(*parts, strict=True)
    assert together(verdicts, either) == together(verdicts[::-1], either[::-1])


def test_intervals_are_students_adjusted_for_the_number_of_parts():
    x = [0.1, 0.3, 0.2, 0.25, 0.4]
    table = judged(claim(part(), part("below"), part("within")), {0: dict(enumerate(x))})
    low, high = stats.t.interval(1 - 0.05 / 3, 4, np.mean(x), stats.sem(x))
    first = table.iloc[0]
    assert (first["value"], first["low"], first["high"]) == pytest.approx((np.mean(x), low, high))
    assert (first["smallest"], first["largest"], first["seeds"], first["part"]) == (0.1, 0.4, 5, 1)
    assert first["level"] == pytest.approx(1 - 0.05 / 3)
    assert table["why"].tolist() == ["", "not measured", "not measured"]
    assert table["verdict"].tolist()[1:] == [OPEN, OPEN]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({0: 0.5}, "one seed has no interval"),
        ({0: 0.5, 1: 0.5, 2: 0.5}, "all seeds have the same value"),
        ({0: 0.5, 1: np.nan, 2: 0.6}, "unknown for 1 of 3 seeds"),
    ],
)
def test_without_an_interval_it_says_why(values, why):
    row = judged(claim(part()), {0: values}).iloc[0]
    assert (row["why"], row["verdict"]) == (why, OPEN)
    assert np.isnan([row["low"], row["high"]]).all()
    assert not np.isnan(row["value"])


def test_a_level_is_between_0_and_1():
    with pytest.raises(KnobError):
        judged(claim(part()), {}, level=1.0)
