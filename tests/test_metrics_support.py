"""Support: lost types and tail mass, against reference values, enumeration and an unchanged source."""

import json
import math
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.metrics.collapse import good_turing_tail_mass, support_loss, support_mass, tail_mass, unseen_mass
from siwork.metrics.diversity import distinct_at_k
from siwork.schema import KnobError

ORACLE = json.loads((Path(__file__).parent / "golden" / "oracles" / "support.json").read_text(encoding="utf-8"))
CLOSE = ORACLE["tolerance"]["abs"]

tables = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=6)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in ORACLE["cases"]])
def test_support_matches_the_reference(case):
    c0, ct = (np.array(case["inputs"][name]) for name in ("counts_round0", "counts_roundt"))
    found, draws = support_loss(c0, ct), min(c0.sum(), ct.sum())
    got = {
        "types_round0": found.types0,
        "types_roundt": found.typest,
        "types_lost": found.lost,
        "types_gained": found.gained,
        "expected_lost_if_no_change": found.expected_lost,
        "expected_gained_if_no_change": found.expected_gained,
        "mass_of_round0_support": support_mass(c0, ct),
        "singleton_mass_round0": tail_mass(c0, c0),
        "singleton_set_mass_roundt": tail_mass(c0, ct),
        "good_turing_expected_singleton_set_mass": good_turing_tail_mass(c0),
        "good_turing_unseen_mass_round0": unseen_mass(c0),
        "rarefied_types_at_min": [distinct_at_k(c, draws) for c in (c0, ct)],
    }
    assert got.keys() == case["expected"].keys()
    for name, expected in case["expected"].items():
        assert got[name] == pytest.approx(expected, abs=CLOSE), name
    assert found.excess_lost == found.lost - found.expected_lost
    assert found.excess_gained == found.gained - found.expected_gained


def enumerated(c0, ct):
    """Numbers of lost and gained types in every way of dealing the pooled samples to the two rounds."""
    pool = [s for s, (a, b) in enumerate(zip(c0, ct, strict=True)) for _ in range(a + b)]
    for chosen in combinations(range(len(pool)), sum(ct)):
        later = {pool[i] for i in chosen}
        earlier = {pool[i] for i in set(range(len(pool))) - set(chosen)}
        yield len(earlier - later), len(later - earlier)


@given(tables.filter(lambda rows: sum(a + b for a, b in rows) <= 12))
@settings(max_examples=40)
def test_expectations_and_p_are_those_of_every_deal(rows):
    c0, ct = zip(*rows, strict=True)
    found = support_loss(c0, ct)
    if not sum(c0) or not sum(ct):
        assert all(math.isnan(value) for value in found[2:])
        return
    lost, gained = np.array(list(enumerated(c0, ct))).T
    assert found.expected_lost == pytest.approx(lost.mean())
    assert found.expected_gained == pytest.approx(gained.mean())
    assert found.p_lost == pytest.approx((lost >= found.lost).mean())


@given(tables)
@settings(max_examples=40)
def test_the_rounds_may_be_swapped_but_for_p(rows):
    c0, ct = zip(*rows, strict=True)
    a, b = support_loss(c0, ct), support_loss(ct, c0)
    np.testing.assert_array_equal([a.types0, a.lost, a.gained], [b.typest, b.gained, b.lost])
    np.testing.assert_allclose([a.expected_lost, a.excess_gained], [b.expected_gained, b.excess_lost])


def test_the_matched_tail_is_near_the_exact_one(monkeypatch):
    module = sys.modules["siwork.metrics.collapse.support"]
    rng = np.random.default_rng(0)
    for power in (0.0, 0.7, 1.3):
        share = np.arange(1, 101) ** -power
        for _ in range(8):
            c0 = rng.multinomial(120, share / share.sum())
            ct = rng.multinomial(rng.integers(40, 180), share / share.sum())
            exact = support_loss(c0, ct).p_lost
            with monkeypatch.context() as patch:
                patch.setattr(module, "_EXACT", 0)
                assert support_loss(c0, ct).p_lost == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("power", [1.2, 0.4])
def test_without_a_change_the_excess_is_noise_and_p_is_even(power):
    rng = np.random.default_rng(1)
    share = np.arange(1, 3001) ** -power
    share /= share.sum()
    found = [support_loss(rng.multinomial(1500, share), rng.multinomial(1000, share)) for _ in range(400)]
    excess, p = np.array([f.excess_lost for f in found]), np.array([f.p_lost for f in found])
    assert min(f.lost for f in found) > 100  # lost by chance alone
    assert abs(excess.mean()) < 3 * excess.std() / 20
    for level in (0.05, 0.5):
        assert abs((p <= level).mean() - level) < 3.5 * math.sqrt(level * (1 - level) / 400)


def test_a_true_loss_is_seen():
    rng = np.random.default_rng(2)
    share = np.full(400, 1 / 400)
    narrow = np.r_[np.full(300, 1 / 300), np.zeros(100)]
    assert support_loss(rng.multinomial(2000, share), rng.multinomial(2000, narrow)).p_lost < 1e-6


def test_p_where_the_counts_fix_the_number_lost():
    assert support_loss([1] * 5 + [0] * 7, [0] * 5 + [1] * 7).p_lost == 1
    assert support_loss([1] * 500 + [0] * 700, [0] * 500 + [1] * 700).p_lost == 1
    assert support_loss([200], [300]).p_lost == 1
    assert support_loss([900], [1]).p_lost == 1


def test_support_edges():
    for c0, ct in (([2, 1], [0, 0]), ([0, 0], [2, 1]), ([], [])):
        found = support_loss(c0, ct)
        assert (found.types0, found.typest) == (np.count_nonzero(c0), np.count_nonzero(ct))
        assert all(math.isnan(value) for value in found[2:])
        assert math.isnan(support_mass(c0, ct))
        assert math.isnan(tail_mass(c0, ct))
    assert math.isnan(unseen_mass([]))
    assert math.isnan(good_turing_tail_mass([0]))
    assert unseen_mass([1, 1]) == 1
    assert unseen_mass([5]) == 0
    assert tail_mass([5, 4], [1, 1]) == 0
    assert tail_mass([1, 2, 3, 0], [1, 1, 1, 1], rare=2) == 0.5
    assert good_turing_tail_mass([1, 2, 3, 3], rare=2) == pytest.approx((2 * 1 + 3 * 2) / 9)


def test_a_fresh_sample_holds_what_good_turing_says():
    rng = np.random.default_rng(3)
    share = np.arange(1, 2001) ** -1.1
    share /= share.sum()
    rows = []
    for _ in range(60):
        pick, fresh = rng.multinomial(4000, share), rng.multinomial(4000, share)
        rows.append((tail_mass(pick, pick), tail_mass(pick, fresh), good_turing_tail_mass(pick)))
    same, other, expected = np.array(rows).T
    assert same.mean() > 1.2 * other.mean()  # the picking sample flatters its own rare types
    assert other.mean() == pytest.approx(
        expected.mean(), abs=3 * math.hypot(other.std(), expected.std()) / math.sqrt(60)
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: support_loss([1, 2], [1]), "align the types"),
        (lambda: support_loss([[1]], [[1]]), "flat"),
        (lambda: support_loss([0.5], [1]), "counts0 must be whole"),
        (lambda: support_loss([1], [-1]), "countst must be whole"),
        (lambda: tail_mass([1], [1], rare=0), "rare must be whole numbers ≥ 1"),
        (lambda: tail_mass([1], [1, 2]), "counts_pick and counts must be flat"),
        (lambda: good_turing_tail_mass([1.5]), "counts must be whole"),
        (lambda: unseen_mass([-1]), "counts must be whole"),
        (lambda: support_mass([1], [1, 1]), "align"),
    ],
)
def test_what_is_no_count_is_refused(call, words):
    with pytest.raises(KnobError, match=words):
        call()
