"""Answers of the first round found again: against enumeration and simulation, and rounds that come one at a time."""

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.metrics import measure, round_difference, run_difference

NAME = "support_kept"


def rounds_of(*rounds, split="train", run="a", first=0):
    """A row table: each round gives the answers of each problem, a text a problem such as 'AABC', with '.' for null."""
    rows = [
        {
            "run": run,
            "round": r + first,
            "split": split,
            "problem": f"p{p}",
            "sample": i,
            "answer": None if a == "." else a,
        }
        for r, problems in enumerate(rounds)
        for p, own in enumerate(problems)
        for i, a in enumerate(own)
    ]
    return pd.DataFrame(rows).astype({"answer": "str"})


def told(rows, k=None, **more):
    """{round: (value, n, k)}, null as None."""
    table = measure(rows, [NAME], k=k, **more)
    columns = [[None if pd.isna(x) else x for x in table[name]] for name in ("round", "value", "n", "k")]
    return {r: tuple(own) for r, *own in zip(*columns, strict=True)}


class OneByOne:
    """A run that gives its rounds one at a time."""

    def __init__(self, rows):
        self.parts = [part for _, part in rows.groupby(["run", "round"])]

    def iter_rows(self, columns=None):
        for part in self.parts:
            yield part if columns is None else part[[name for name in columns if name in part]]


def by_hand(first, later, m):
    """The metric of one problem, exactly; `later` is None for the first round itself."""
    found = Fraction(0)
    for answer in first:
        n, d = (len(first) - 1, first.count(answer) - 1) if later is None else (len(later), later.count(answer))
        found += 1 - Fraction(comb(n - d, m), comb(n, m))
    return found / len(first)


def test_a_small_case_by_hand():
    rows = rounds_of(["AAAB"], ["ABBC"], ["CCCC"])  # m = 2
    # round 0: an A is among two of A, A, B for sure; the B never
    # round 1: A among two of four with chance 1/2, B with 5/6
    assert told(rows) == {
        0: (pytest.approx(3 / 4), 1, 2),
        1: (pytest.approx(3 / 4 * 1 / 2 + 1 / 4 * 5 / 6), 1, 2),
        2: (0, 1, 2),
    }


texts = st.text("AB.", min_size=1, max_size=6)


@settings(max_examples=40)
@given(st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=3), st.integers(1, 7))
def test_it_is_the_exact_chance(rounds, k):
    m = max(1, k // 2)
    read = [[own.replace(".", "") for own in each] for each in rounds]
    found = told(rounds_of(*rounds), k)
    for r, each in enumerate(read):
        pairs = [(a, None if r == 0 else b) for a, b in zip(read[0], each, strict=True)]
        fit = [(a, b) for a, b in pairs if len(a) > m and (b is None or len(b) >= m)]
        values = [by_hand(*pair, m) for pair in fit]
        expected = float(sum(values) / len(values)) if values else None
        assert found[r] == (pytest.approx(expected, abs=1e-12) if values else None, len(values), m)


@pytest.mark.parametrize(("samples", "m"), [(2, 1), (3, 1), (4, 2), (4, 3)])
def test_no_change_is_no_change_in_expectation(samples, m):
    """Over every first and every later round that a distribution of three answers can give, exactly."""
    chance = {"A": Fraction(1, 2), "B": Fraction(1, 3), "C": Fraction(1, 6)}
    draws = [("".join(own), np.prod([chance[a] for a in own])) for own in product("ABC", repeat=samples)]
    same = sum(p * by_hand(own, None, m) for own, p in draws)
    later = sum(p * q * by_hand(own, other, m) for own, p in draws for other, q in draws)
    assert same == later == sum(p * (1 - (1 - p) ** m) for p in chance.values())
    # and the metric is this: each pair of rounds a run of its own, weighted by its chance
    if samples < 4:
        runs = [(a, b, p * q) for a, p in draws for b, q in draws]
        table = pd.concat([rounds_of([a], [b], run=f"r{i:04}") for i, (a, b, _) in enumerate(runs)])
        found = measure(table, [NAME], k=2 * m)
        for r in (0, 1):
            value = found[found["round"] == r].sort_values("run")["value"].to_numpy(float)
            assert value @ np.array([float(p) for *_, p in runs]) == pytest.approx(float(same), abs=1e-12)


def test_no_change_is_no_change_in_samples():
    rng = np.random.default_rng(5)
    problems, samples, rounds = 3000, 6, 3
    skew = rng.dirichlet(np.full(8, 0.5), problems).cumsum(axis=1)
    codes = (skew[:, None, None] < rng.random((problems, rounds, samples, 1))).sum(axis=3)
    place = np.indices(codes.shape).reshape(3, -1)
    names = np.array([f"p{i}" for i in range(problems)])
    rows = pd.DataFrame(
        {"run": "a", "split": "train", "problem": names[place[0]], "round": place[1], "sample": place[2]}
    )
    table = measure(rows.assign(answer=np.array(list("ABCDEFGHI"))[codes.ravel()]), [NAME])
    p = np.diff(np.c_[np.zeros(problems), skew])
    expected = (p * (1 - (1 - p) ** 3)).sum(axis=1).mean()
    value, low, high = (table[name].to_numpy(float) for name in ("value", "low", "high"))
    assert (abs(value - expected) < 4 * (high - low) / 3.92).all()
    assert (high - low < 0.03).all()


def test_samples_of_one_and_unreadable_ones():
    assert told(rounds_of(["A"], ["A"])) == {0: (None, 0, 1), 1: (None, 0, 1)}  # nothing is left to find it among
    assert told(rounds_of(["A", "AA"], ["A", "A"])) == {0: (1, 1, 1), 1: (1, 1, 1)}
    nothing = measure(rounds_of(["...", "..."], ["..", "..."]), [NAME])
    assert nothing["value"].isna().all()
    assert (
        nothing["method"].str.contains("lacks more than 1 readable answers in the first round, or 1 in this one").all()
    )
    assert told(rounds_of(["AA", ".."], ["..", "AA"])) == {0: (1, 1, 1), 1: (None, 0, 1)}
    assert told(rounds_of(["AABB"])) == {0: (pytest.approx(2 / 3), 1, 2)}  # one round only


def test_problems_of_other_rounds_leave():
    rows = pd.concat([rounds_of(["AAAA", "BBBB"]), rounds_of(["AAAA", "BBBB", "CCCC"], first=1)])
    assert told(rows) == {0: (1, 2, 2), 1: (1, 2, 2)}
    table = measure(rows, [NAME])
    assert "1 of 3 problems left out" in table["method"].iloc[1]
    gone = rows[~((rows["round"] == 0) & (rows["problem"] == "p0"))]
    assert told(gone) == {0: (1, 1, 2), 1: (1, 1, 2)}


def test_the_first_round_need_not_be_0_and_each_run_and_split_has_its_own():
    a = rounds_of(["AAAB", "AAAA"], ["BBBB", "AAAA"], first=3)
    b = rounds_of(["BBBB", "BBBB"], ["BBBB", "AAAA"], run="b", first=2)
    c = rounds_of(["XYXY", "ZZZZ"], ["XYXY", "AAAA"], split="heldout", first=3)
    every = measure(pd.concat([a, b, c]), [NAME])
    alone = pd.concat([measure(each, [NAME]) for each in (a, c, b)], ignore_index=True)
    for name in ("run", "round", "split", "value", "n", "k"):
        assert every.sort_values(["run", "round", "split"])[name].tolist() == (
            alone.sort_values(["run", "round", "split"])[name].tolist()
        )
    assert told(b) == {2: (1, 2, 2), 3: (0.5, 2, 2)}


def test_differences_of_rounds_and_runs_keep_the_first_round_of_each_run():
    a = rounds_of(["AABB", "AAAA"], ["CCCC", "AAAA"], ["AAAA", "AAAA"])
    b = rounds_of(["CCCC", "BBBB"], ["CCCC", "AAAA"], run="b")
    change = round_difference(a, NAME, 0, 1)
    assert change["value"].tolist() == pytest.approx([0.5 - (2 / 3 + 1) / 2])
    assert round_difference(a, NAME, 0, 2)["value"].tolist() == pytest.approx([0.75 - (2 / 3 + 1) / 2])
    between = run_difference(pd.concat([a, b]), NAME, "a", "b")
    found = dict(zip(between["round"], between["value"], strict=True))
    assert (found[0], found[1]) == (pytest.approx(1 - (2 / 3 + 1) / 2), 0.0)


def test_hints_and_revisions_are_no_answers_of_a_round():
    rows = rounds_of(["AAAB"], ["ABBC"]).assign(hint="none", turn=0)
    more = rows.assign(sample=rows["sample"] + 4, hint="answer", answer="C")
    again = rows.assign(sample=rows["sample"] + 8, turn=1, answer="C")
    assert told(pd.concat([rows, more, again]), k=4) == told(rows, k=4)


def test_rounds_that_are_not_told_apart_have_none():
    table = measure(rounds_of(["AAAB"], ["ABBC"]), [NAME], by=())
    assert table["value"].isna().all()
    assert table["method"].tolist() == ["rounds are not told apart; put 'round' into `by`"]


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.text("AB.é", max_size=5), min_size=3, max_size=3), min_size=1, max_size=4),
    st.sampled_from([None, 2, 4]),
    st.booleans(),
)
def test_rounds_one_by_one_are_the_table(rounds, k, runs):
    rows = rounds_of(*rounds) if any(map(any, rounds)) else rounds_of(["A"])
    if runs:
        rows = pd.concat([rows, rows.assign(run="b", answer=rows["answer"].str.swapcase())])
    stream, whole = (measure(each, [NAME], k=k) for each in (OneByOne(rows), rows))
    pd.testing.assert_frame_equal(stream, whole)


def test_measured_apart_it_has_a_first_round_of_its_own():
    rows = rounds_of(["AABB"], ["AAAA"]).assign(agent=list("uuvv") * 2)
    for source in (rows, OneByOne(rows)):
        table = measure(source, [NAME], by=("round", "agent"), k=2)
        found = table.set_index(["agent", "round"])["value"].to_dict()
        assert found == {("u", 0): 1, ("u", 1): 1, ("v", 0): 1, ("v", 1): 0}
    band = rows.assign(band=pd.array([None] * 8, "Int64"))
    assert measure(band, [NAME], by=("round", "band"))["value"].notna().all()  # a band that is null is one, too
    late = rows[~((rows["agent"] == "v") & (rows["round"] == 0))]
    for source in (late, OneByOne(late)):
        found = measure(source, [NAME], by=("round", "agent"), k=2).set_index(["agent", "round"])["value"].to_dict()
        assert found == {("u", 0): 1, ("u", 1): 1, ("v", 1): 1}


def test_answers_are_read_beforehand_only_where_they_are_asked_for(monkeypatch):
    monkeypatch.setattr("siwork.metrics.packs.TOGETHER", 0)  # as if every round were large

    class Watched(OneByOne):
        def iter_rows(self, columns=None):
            asked.append("answer" in columns)
            return super().iter_rows(columns)

    rows = rounds_of(["AAAB"], ["ABBC"])
    for metrics, expected in (([NAME], [True, True]), (["gini_simpson"], [False, True])):
        asked = []
        measure(Watched(rows), metrics)
        assert asked[1:] == expected  # after a look whether all of it can be read at once
