"""Self-improvement reversal: every state, by hand and at random."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from siwork.metrics.collapse import reversal
from siwork.metrics.uncertainty import holm, paired_t
from siwork.schema import KnobError

G = 24
BASE = np.linspace(0.2, 0.7, G)
SMALL, LARGE = np.tile([0.02, -0.02], G // 2), np.tile([0.3, -0.3], G // 2)


def pair(shift, noise=SMALL):
    return BASE, BASE + shift + noise


UP, DOWN, STILL = pair(0.1), pair(-0.1), pair(0.0)
UP_BY_CHANCE, DOWN_BY_CHANCE = pair(0.01, LARGE), pair(-0.01, LARGE)


@pytest.mark.parametrize(
    ("parts", "state", "reason"),
    [
        ((UP, DOWN, STILL), "shown", "pass1 rose and passk fell"),
        ((UP, UP, DOWN), "shown", "pass1 rose and diversity fell"),
        ((UP, DOWN, DOWN, DOWN), "shown", "pass1 rose and passk and diversity and beyond fell"),
        ((UP, UP, UP, DOWN), "shown", "pass1 rose and beyond fell"),
        ((UP, DOWN_BY_CHANCE, UP), "suspected", "pass1 rose; passk fell too, but not beyond chance"),
        ((UP_BY_CHANCE, DOWN, UP), "suspected", "passk fell; pass1 rose too, but not beyond chance"),
        ((UP, UP, UP), "none", "pass1 rose and no other part fell"),
        ((DOWN, DOWN, DOWN), "none", "pass1 did not rise"),
        ((STILL, DOWN, DOWN), "none", "pass1 did not rise"),
        ((UP_BY_CHANCE, DOWN_BY_CHANCE, STILL), "none", "pass1 did not rise beyond chance"),
    ],
)
def test_states(parts, state, reason):
    found = reversal(*parts)
    assert (found.state, found.reason) == (state, reason)
    assert (found.beyond is None) == (len(parts) == 3)


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=4), st.integers(0, 50), st.floats(0.8, 0.99))
def test_parts_are_paired_tests_with_holm(shifts, seed, level):
    rng = np.random.default_rng(seed)
    pairs = [(BASE, BASE + shift + rng.normal(0, 0.2, G)) for shift in shifts]
    found = reversal(*pairs, level=level)
    parts = [part for part in found[2:] if part is not None]
    adjusted = holm([stats.ttest_rel(after, before).pvalue for before, after in pairs])
    for part, given_pair, p in zip(parts, pairs, adjusted, strict=True):
        assert part.p == pytest.approx(p, rel=1e-6)
        assert tuple(part[:4]) == pytest.approx(tuple(paired_t(*given_pair, level)), nan_ok=True)
    holds = [part.p <= 1 - level for part in parts]
    shown = (
        holds[0] and parts[0].change > 0 and any(h and x.change < 0 for h, x in zip(holds[1:], parts[1:], strict=True))
    )
    assert (found.state == "shown") == shown


def test_holm_widens_what_one_test_alone_would_show():
    # p of the fall: alone below 5 %, not after Holm over three parts of which two hold nothing
    noise = np.random.default_rng(0).normal(0, 0.1, G)
    noise -= noise.mean()
    shift = -2.2 * noise.std(ddof=1) / math.sqrt(G)
    fall = (BASE, BASE + shift + noise)
    assert stats.ttest_rel(*fall).pvalue < 0.05
    assert reversal(UP, fall, UP_BY_CHANCE).state == "suspected"


def test_an_unmeasured_part_makes_the_state_unknown():
    nothing = np.full(G, np.nan)
    for missing in (None, (nothing, BASE), ([], []), ([0.1], [0.2])):
        found = reversal(UP, missing, DOWN)
        assert found.state == "unknown"
        assert found.reason == "fewer than two problems with both rounds for passk"
        assert math.isnan(found.passk.p)
        assert found.diversity.p == pytest.approx(2 * stats.ttest_rel(*DOWN).pvalue)  # over the two parts known
    assert reversal(None, None, None).reason.endswith("for pass1 and passk and diversity")
    assert reversal(UP, DOWN, DOWN, (nothing, nothing)).state == "unknown"


def test_a_hole_leaves_its_pair_and_is_seen_in_n():
    before, after = BASE.copy(), UP[1].copy()
    before[3] = after[5] = np.nan
    found = reversal((before, after), DOWN, STILL)
    assert found.pass1.n == G - 2
    assert found.passk.n == G


def test_equal_changes_are_judged_by_sign():
    # eight problems that all rose by the same: 2 · ½⁸, times three parts; nothing changed: p = 1
    found = reversal((np.zeros(8), np.full(8, 0.25)), (np.ones(8), np.ones(8)), (np.ones(8), np.ones(8)))
    assert found.pass1.p == pytest.approx(3 * 2 / 2**8)
    assert found.passk.p == 1.0
    assert found.state == "none"
    assert found.pass1.high - found.pass1.change > 0
    assert found.diversity[:1] == (0.0,)
    assert math.isnan(found.diversity.low)  # diversity has no end to bound it by


def test_a_frozen_model_is_rarely_called_reversed():
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(400):
        values = [(rng.normal(0.5, 0.2, G), rng.normal(0.5, 0.2, G)) for _ in range(4)]
        alarms += reversal(*values).state == "shown"
    assert alarms <= 2  # both a rise and a fall by chance: 2.5 % of 5 % at the most


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reversal(UP, DOWN, STILL, level=0), "level must lie between 0 and 1"),
        (lambda: reversal((BASE, BASE[1:]), DOWN, STILL), "one length"),
        (lambda: reversal(BASE, DOWN, STILL), r"pass1 must be a pair \(before, after\)"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(KnobError, match=message):
        call()
