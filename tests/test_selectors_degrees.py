"""Weights by entropy, margin and shift, length filters, equal problems, and rows that lie far apart: all against brute force."""

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.selectors import Balance, Correct, Divsel, Pairs, Weight
from siwork.selectors.variety import farthest
from siwork.slots import Selection

_KINDS = {"problem": "string", "answer": "string", "response": "string", "n_tokens": "int64", "band": "int64"}


def table(**columns):
    made = pd.DataFrame({name: list(values) for name, values in columns.items()})
    return made.astype({name: f"{_KINDS.get(name, 'double')}[pyarrow]" for name in made})


def select(part, rows, weight=None, seed=0):
    chosen = Selection.all(len(rows))
    if weight is not None:
        chosen = chosen._replace(weight=np.array(weight, float))
    return part.select(rows, chosen, np.random.default_rng(seed))


# ── entropy ────────────────────────────────────────────────────────────────────────────────────────────
def test_entropy_by_hand():
    # a: x y -> ln 2; b: one answer -> 0; c: x x y y, one unreadable -> ln 2, no weight. Mean over a, b: ln 2 / 2
    rows = table(problem="aabbccccc", answer=["x", "y", "x", "x", "x", "x", "y", "y", None])
    weight = select(Weight(by="entropy"), rows, [1, 1, 1, 0, 0, 0, 0, 0, 0]).weight
    assert weight.tolist() == [2.0, 2.0, 0.0, 0, 0, 0, 0, 0, 0]
    flat = select(Weight(by="entropy", power=0.0), rows).weight
    assert flat.tolist() == [1.0] * 9


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "z", None])), min_size=1, max_size=30),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_entropy_against_brute_force(drawn, power):
    rows = table(problem=[d[0] for d in drawn], answer=[d[1] for d in drawn])
    weight = select(Weight(by="entropy", power=power), rows).weight

    def entropy(name):
        count = Counter(answer for problem, answer in drawn if problem == name and answer)
        return -sum(n / count.total() * math.log(n / count.total()) for n in count.values())

    raw = {name: abs(entropy(name)) ** power for name in {d[0] for d in drawn}}
    mean = sum(raw.values()) / len(raw)
    expected = [raw[d[0]] / mean if mean else 0.0 for d in drawn]
    assert weight == pytest.approx(expected, abs=1e-12)
    if mean:
        assert np.mean([weight[[d[0] for d in drawn].index(name)] for name in raw]) == pytest.approx(1.0)


# ── margin ─────────────────────────────────────────────────────────────────────────────────────────────
def test_margin_by_hand():
    rows = table(problem="aaabb", score=[0.75, 0.25, 0.6, 1.0, 0.9])
    paired = Pairs(n=1).select(rows, Selection.all(5), np.random.default_rng(0))
    kept = int(np.flatnonzero(paired.side == 1)[0])
    chosen = Weight(by="margin").select(rows, paired, np.random.default_rng(0))
    expected = np.zeros(5)
    expected[kept] = rows["score"].iloc[kept] - 0.25
    assert chosen.weight == pytest.approx(expected)
    assert Weight(by="margin", power=2.0).select(rows, paired, None).weight == pytest.approx(expected**2)


def test_rows_of_no_pair_keep_their_weight():
    assert select(Weight(by="margin"), table(problem="ab", score=[0.2, None]), [3, 1]).weight.tolist() == [3.0, 1.0]


# ── shift ──────────────────────────────────────────────────────────────────────────────────────────────
def shifted(gap, n):
    return table(problem="a" * len(gap), logp=[-5.0] * len(gap), base_logp=[-5.0 - g for g in gap], n_tokens=n)


def test_shift_by_hand():
    # a token: 1, 1, 3, 2 nats; the row without weight does not count; 0.5 of 3 rows is 2
    rows = shifted([2, 4, 6, 2], [2, 4, 2, 1])
    assert select(Weight(by="shift", keep=0.5), rows, [2, 1, 1, 0]).weight.tolist() == [2.0, 1.0, 0.0, 0.0]
    assert select(Weight(by="shift", keep=1.0), rows).weight.tolist() == [1.0] * 4
    assert select(Weight(by="shift", keep=0.0), rows).weight.tolist() == [0.0] * 4


def test_what_is_unknown_goes_and_equals_stay_together():
    rows = shifted([1, 1, 1, 1], [1, 1, 1, None])
    assert select(Weight(by="shift", keep=0.5), rows).weight.tolist() == [1.0, 1.0, 1.0, 0.0]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.floats(0.05, 1))
def test_shift_keeps_the_share_and_no_larger_shift(gap, keep):
    weight = select(Weight(by="shift", keep=keep), shifted(gap, [1] * len(gap))).weight
    kept = [g for g, w in zip(gap, weight, strict=True) if w]
    gone = [g for g, w in zip(gap, weight, strict=True) if not w]
    assert len(kept) >= keep * len(gap) - 1e-6
    assert not gone or max(kept) < min(gone)
    assert sum(g < max(kept) for g in kept) < keep * len(gap)


def test_what_a_weight_reads():
    assert [Weight(by=by).needs for by in ("score", "entropy", "margin", "shift")] == [
        ("score",),
        ("answer",),
        ("score",),
        ("logp", "base_logp", "n_tokens"),
    ]


# ── lengths ────────────────────────────────────────────────────────────────────────────────────────────
def test_short_responses_go_by_band():
    # band 0: longest that passes 10, band 1: 4; unknown length stays; a long wrong row sets no measure
    rows = table(
        problem="aaaabbbb",
        score=[1, 1, 1, 0, 1, 1, 1, 1],
        n_tokens=[10, 5, 4, 90, 4, 2, 1, None],
        band=[0, 0, 0, 0, 1, 1, 1, 1],
    )
    assert select(Correct(length=0.5), rows).weight.tolist() == [1, 1, 0, 0, 1, 1, 0, 1]
    assert select(Correct(), rows.drop(columns=["n_tokens", "band"])).weight.tolist() == [1, 1, 1, 0, 1, 1, 1, 1]
    assert Correct(length=0.5).needs == ("score", "n_tokens", "band")
    assert Correct().needs == ("score",)


def test_rows_without_a_band_are_a_band_of_their_own():
    rows = table(problem="ab", score=[1, 1], n_tokens=[10, 1], band=[0, None])
    assert select(Correct(length=1.0), rows).weight.tolist() == [1, 1]


# ── problems alike ─────────────────────────────────────────────────────────────────────────────────────
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0.0, 0.5, 1.0, 3.0])), max_size=20))
def test_equal_problems_hold_equal_weight(drawn):
    rows = table(problem=[d[0] for d in drawn])
    before = np.array([d[1] for d in drawn], float)
    weight = select(Balance(how="equal"), rows, before).weight
    assert weight.sum() == pytest.approx(before.sum())
    names = np.array([d[0] for d in drawn])
    whole = [weight[names == name].sum() for name in set(names) if before[names == name].any()]
    assert whole == pytest.approx([before.sum() / len(whole)] * len(whole)) if whole else True
    for name in set(names):
        own = names == name
        assert weight[own] * before[own].sum() == pytest.approx(before[own] * weight[own].sum())


# ── far apart ──────────────────────────────────────────────────────────────────────────────────────────
def apart(one, other):
    grams = [{t[i : i + 3] for i in range(max(len(t) - 2, 1))} for t in (one, other)]
    return 1 - len(grams[0] & grams[1]) / len(grams[0] | grams[1])


@given(st.lists(st.text("ab1", max_size=6), min_size=1, max_size=10), st.integers(1, 6))
def test_farthest_first_against_brute_force(texts, n):
    taken = farthest(texts, n)
    assert taken[0] == 0
    assert len(set(taken)) == len(taken) <= n
    for m in range(1, len(taken)):
        near = [min(apart(text, texts[i]) for i in taken[:m]) for text in texts]
        assert near[taken[m]] == pytest.approx(max(near))
        assert near[taken[m]] > 0
    if len(taken) < n:
        assert all(min(apart(text, texts[i]) for i in taken) == 0 for text in texts)


def test_texts_and_distances_select():
    said = ["11+2", "11+2", "11+3", "94*7", "11+2"]
    rows = table(problem="aaaab", answer=["1"] * 5, response=said)
    assert select(Divsel(), rows).weight.sum() == 2
    by_text = select(Divsel(by="text"), rows).weight
    assert (by_text[:2].sum(), by_text[2:].tolist()) == (1, [1, 1, 1])
    for seed in range(10):
        far = select(Divsel(n=2, by="farthest"), rows, seed=seed).weight
        kept = [said[i] for i in np.flatnonzero(far[:4])]
        assert (len(kept), far[4]) == (2, 1)
        assert "94*7" in kept  # from anywhere the farthest; from itself all others are as far
    assert all(apart(*pair) > 0 for pair in combinations({*said}, 2))


@pytest.mark.parametrize(
    "part",
    [Weight(by=b) for b in ("entropy", "margin", "shift")]
    + [Correct(length=0.5), Balance(how="equal"), Divsel(by="farthest")],
)
def test_no_rows_are_no_trouble(part):
    names = ("problem", "score", "answer", "response", "logp", "base_logp", "n_tokens", "band")
    assert len(select(part, table(**{name: [] for name in names})).weight) == 0
