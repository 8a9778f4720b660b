"""`measure`: the tidy table, by hand, against a slow plain computation, and at its edges."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siwork.metrics import measure
from siwork.metrics.catalogue import DEFAULT
from siwork.metrics.uncertainty import cluster_t, wilson
from siwork.schema import KnobError, SchemaError


def rows_of(**columns):
    """A small row table: lists of one length, with defaults for the rest."""
    size = len(next(iter(columns.values())))
    defaults = {"run": ["a"] * size, "round": [0] * size, "split": ["train"] * size}
    return pd.DataFrame({**defaults, **columns})


def entry(table, metric, **where):
    """The only row of a metric."""
    found = table[table["metric"] == metric]
    for name, value in where.items():
        found = found[found[name] == value]
    assert len(found) == 1, found
    return found.iloc[0]


# 2 problems × 4 samples; x: A A – wrong B, y: all wrong, one unreadable
SMALL = rows_of(
    problem=["x"] * 4 + ["y"] * 4,
    answer=["A", "A", "C", "B", "D", "D", "E", None],
    gold=[True, True, False, True, False, False, False, False],
    score=[1.0, 0.5, 0.0, 1.0, 0.0, None, 0.5, 0.0],
    weight=[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.0],
    band=[4] * 4 + [0] * 4,
    n_tokens=[4, 4, 4, 4, 6, 6, 6, 10],
    entropy=[0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, None],
    logp=[-1.0, -2.0, -3.0, -2.0, -4.0, -4.0, -4.0, -4.0],
    n_solutions=[4] * 4 + [2] * 4,
)


def test_every_default_metric_by_hand():
    table = measure(SMALL)
    pairs = {
        "pass@1": (3 / 4 + 0) / 2,
        "pass@2": (1 + 0) / 2,  # x: one wrong of 4, so any two hold a right one
        "pass@4": 1 / 2,
        "distinct_correct": (2 + 0) / 2,  # all four drawn: A and B
        "solution_coverage": (2 / 4 + 0 / 2) / 2,
        # two answers drawn. x: pairs of A A C B, 5 of 6 differ, entropy log 2 + ¼; y: D D E, 2 of 3 differ
        "answer_entropy": (5 / 6 + 2 / 3) / 2 * (math.log(2) + 1 / 4),
        "gini_simpson": (5 / 6 + 2 / 3) / 2,
        "unparsed_rate": (0 + 1 / 4) / 2,
        "token_entropy": (0.5 + 1.0) / 2,
        "mean_tokens": (4 + 7) / 2,
        "mean_score": (2.5 / 4 + 0.5 / 3) / 2,
        "mean_gold": 3 / 8,
        "proxy_gold_gap": ((2.5 - 3) / 4 + 0.5 / 3) / 2,
        "accept_rate": 3 / 8,
        "mean_logp": (-2 - 4) / 2,
    }
    for name, value in pairs.items():
        row = entry(table, name)
        assert row["value"] == pytest.approx(value, abs=1e-12), name
        assert row["n"] == 2
        assert "few_problems" in row["method"]
    shares = table[table["metric"] == "accepted_share"].set_index("band")["value"]
    assert shares.to_dict() == {0: 0.5, 1: 0.0, 2: 0.0, 3: 0.0, 4: 0.5}  # weights 2 and 1 + 1
    problems = table[table["metric"] == "problem_share"].set_index("band")["value"]
    assert problems.to_dict() == {0: 0.5, 1: 0.0, 2: 0.0, 3: 0.0, 4: 0.5}
    levels = [name for name in DEFAULT if not name.endswith("_change")]  # one round has no changes
    assert list(dict.fromkeys(table["metric"])) == ["pass@1", "pass@2", "pass@4", *levels[1:]]
    assert entry(table, "token_entropy")["unit"] == "nats"
    assert "1 rows with null left out" in entry(table, "mean_score")["method"]


def test_intervals_are_those_of_the_families():
    rng = np.random.default_rng(0)
    right = rng.binomial(1, rng.beta(0.6, 0.8, (200, 1)), (200, 8)).astype(bool)
    table = measure(rows_of(problem=np.repeat(np.arange(200).astype(str), 8), gold=right.ravel()), ["pass@1", "pass@8"])
    one, eight = entry(table, "pass@1"), entry(table, "pass@8")
    assert (one["low"], one["high"]) == pytest.approx(cluster_t(right.mean(axis=1)), abs=0.02)
    assert (eight["low"], eight["high"]) == pytest.approx(wilson(right.any(axis=1).sum(), 200), abs=0.02)
    for row in (one, eight):
        assert row["low"] < row["value"] < row["high"]
        assert "over problems" in row["method"]
    assert "k=8" in eight["method"]
    assert eight["k"] == 8


def test_all_right_is_not_known_to_be_all_right():
    row = entry(measure(rows_of(problem=list("aabbccddee"), gold=[True] * 10), ["pass@1"]), "pass@1")
    assert row["value"] == 1
    assert row["low"] == pytest.approx(0.5655175, abs=1e-6)
    assert row["high"] == 1


def slow(rows, k):
    """pass@k, distinct right answers and entropy at half of k by listing every draw."""
    out = {"pass": [], "distinct": [], "entropy": []}
    half = max((k + 1) // 2, 2)
    for _, own in rows.groupby("problem"):
        gold, answer = own["gold"].tolist(), own["answer"].tolist()
        draws = list(combinations(range(len(own)), k))
        out["pass"].append(np.mean([any(gold[i] for i in d) for d in draws]))
        out["distinct"].append(np.mean([len({answer[i] for i in d if gold[i]}) for d in draws]))
        read = [a for a in answer if pd.notna(a)]
        if len(read) >= half:
            counts = [np.unique(d, return_counts=True)[1] for d in combinations(read, half)]
            values = [-np.sum(c / half * np.log(c / half)) + (len(c) - 1) / (2 * half) for c in counts]
            out["entropy"].append(np.mean(values))
    return {name: np.mean(values) if values else None for name, values in out.items()}


@st.composite
def some_rows(draw):
    sizes = draw(st.lists(st.integers(3, 6), min_size=1, max_size=4))
    problem = [f"p{i}" for i, n in enumerate(sizes) for _ in range(n)]
    answer = draw(st.lists(st.sampled_from(["A", "B", "C", None]), min_size=len(problem), max_size=len(problem)))
    gold = [a in ("A", "B") and int(p[1]) != 2 for a, p in zip(answer, problem, strict=True)]
    return rows_of(problem=problem, answer=answer, gold=gold)


@settings(max_examples=40, deadline=None)
@given(some_rows())
def test_measure_equals_the_slow_computation(rows):
    k = int(rows.groupby("problem").size().min())
    table, expected = measure(rows, ["pass@k", "distinct_correct", "answer_entropy"]), slow(rows, k)
    for name, metric in (("pass", f"pass@{k}"), ("distinct", "distinct_correct"), ("entropy", "answer_entropy")):
        value = entry(table, metric)["value"]
        assert (expected[name] is None) == pd.isna(value)
        if expected[name] is not None:
            assert value == pytest.approx(expected[name], abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(16)))
def test_row_order_means_nothing(order):
    both = pd.concat([SMALL, SMALL.assign(round=1, split="heldout")], ignore_index=True)
    same_table(measure(both.iloc[order]), measure(both))


def same_table(got, expected):
    assert got.columns.tolist() == expected.columns.tolist()
    for name in expected.columns:
        if name in ("value", "low", "high"):
            np.testing.assert_allclose(
                got[name].to_numpy(float, na_value=np.nan),
                expected[name].to_numpy(float, na_value=np.nan),
                atol=1e-12,
            )
        else:
            assert got[name].fillna(-1 if name != "method" else "").tolist() == expected[name].fillna(-1).tolist(), name


# ── equal n, and who counts ───────────────────────────────────────────────────────────────────────────────────


def test_rounds_of_a_split_compare_at_the_smallest_n():
    base = rows_of(problem=["x"] * 8 + ["y"] * 8, gold=([True] * 2 + [False] * 6) * 2, answer=list("ABCDEFGH") * 2)
    later = rows_of(round=[1] * 8, problem=["x"] * 4 + ["y"] * 4, gold=[True] * 8, answer=list("ABCD") * 2)
    held, again = base.assign(split="heldout"), base.assign(round=2)
    rows = pd.concat([base, later, held, again], ignore_index=True)
    table = measure(rows, ["pass@k", "distinct_correct", "answer_entropy"])
    same_table(measure(Stream(rows), ["pass@k", "distinct_correct", "answer_entropy"]), table)
    train = table[table["split"] == "train"]
    assert sorted(train["metric"].unique()) == ["answer_entropy", "distinct_correct", "pass@1", "pass@2", "pass@4"]
    # round 0: 4 of 8 samples hold A with probability ½, so 2 · ½ distinct right answers; round 1 has all four
    assert train[train["metric"] == "distinct_correct"]["value"].tolist() == pytest.approx([1.0, 4.0, 1.0])
    # two answers of k = 4 drawn, always different: log 2 + ¼, from 8 samples and from 4 alike
    assert train[train["metric"] == "answer_entropy"]["value"].tolist() == pytest.approx([math.log(2) + 0.25] * 3)
    assert set(train[train["metric"] == "distinct_correct"]["k"]) == {4}
    assert entry(table, "pass@8", split="heldout")["value"] == 1.0
    assert entry(table, "distinct_correct", split="heldout")["k"] == 8


def test_a_k_beyond_some_problem_is_null_not_clipped():
    rows = rows_of(problem=["x"] * 4 + ["y"] * 8, gold=[True] + [False] * 3 + [True] * 2 + [False] * 6)
    table = measure(rows, ["pass@1", "pass@8"], k=8)
    assert entry(table, "pass@1")["value"] == 0.25
    row = entry(table, "pass@8")
    assert pd.isna(row["value"])
    assert pd.isna(row["low"])
    assert row["method"] == "1 of 2 problems have fewer than k=8 samples with known gold; ask for a smaller k"
    grid = measure(rows, ["pass@k"], k=6)
    assert grid["metric"].tolist() == ["pass@1", "pass@2", "pass@4", "pass@6"]
    assert grid["value"].isna().tolist() == [False, False, False, True]


def test_hints_and_later_turns_are_no_plain_samples():
    extra = SMALL.assign(hint="answer", turn=0, gold=True, answer="Z", score=1.0, weight=1.0, n_tokens=99)
    revised = SMALL.assign(hint="none", turn=1, gold=True, answer="Z", score=1.0, weight=1.0, n_tokens=99)
    plain = SMALL.assign(hint="none", turn=0)
    all_rows, alone = measure(pd.concat([plain, extra, revised], ignore_index=True)), measure(plain)
    for name in (
        "pass@1",
        "pass@4",
        "distinct_correct",
        "answer_entropy",
        "gini_simpson",
        "unparsed_rate",
        "mean_tokens",
    ):
        assert entry(all_rows, name)["value"] == entry(alone, name)["value"], name
    assert entry(all_rows, "accept_rate")["value"] == pytest.approx((3 + 16) / 24)
    assert entry(all_rows, "mean_gold")["value"] == pytest.approx((11 / 12 + 8 / 12) / 2)
    assert entry(all_rows, "mean_score")["value"] > entry(alone, "mean_score")["value"]


def test_a_problem_without_plain_samples_leaves_and_is_counted():
    rows = SMALL.assign(hint=["none"] * 4 + ["answer"] * 4, turn=0)
    row = entry(measure(rows, ["pass@k"]), "pass@4")
    assert (row["value"], row["n"]) == (1.0, 1)
    assert "1 of 2 problems left out for lack of a sample with known gold" in row["method"]
    assert "one problem, so no interval" in row["method"]
    hinted = measure(SMALL.assign(hint="answer"), ["pass@k", "answer_entropy"])
    assert hinted["value"].isna().all()


def test_training_metrics_are_of_the_train_split_only():
    table = measure(SMALL.assign(split="heldout"))
    assert not {"accept_rate", "accepted_share", "problem_share"} & set(table["metric"])
    assert entry(table, "mean_score")["split"] == "heldout"


# ── unknown is null with a reason ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("column", "metrics", "reason"),
    [
        ("gold", ["pass@1", "distinct_correct", "solution_coverage", "mean_gold", "proxy_gold_gap"], "task.check"),
        ("answer", ["distinct_correct", "answer_entropy", "gini_simpson", "unparsed_rate"], "task.answers"),
        ("score", ["mean_score", "proxy_gold_gap"], "a recipe with a verifier"),
        ("weight", ["accept_rate", "accepted_share"], "rows lack column 'weight'"),
        ("band", ["accepted_share", "problem_share"], "pass bands of a separate probe"),
        ("entropy", ["token_entropy"], "rows lack column 'entropy'"),
        ("logp", ["mean_logp"], "log-probabilities"),
        ("n_tokens", ["mean_tokens"], "rows lack column 'n_tokens'"),
    ],
)
def test_a_missing_column_is_said(column, metrics, reason):
    table = measure(SMALL.drop(columns=column))
    for name in metrics:
        rows = table[table["metric"] == name]
        assert len(rows) == (5 if name.endswith("_share") else 1)
        assert rows[["value", "low", "high"]].isna().all(axis=None)
        assert (rows["n"] == 0).all()
        assert rows["method"].str.contains(reason, regex=False).all()


def test_null_columns_are_unknown_too():
    rows = SMALL.assign(gold=pd.Series([None] * 8, dtype=object), band=None, logp=None, n_solutions=None, weight=0.0)
    table = measure(rows)
    for name in (
        "pass@1",
        "pass@4",
        "distinct_correct",
        "solution_coverage",
        "mean_gold",
        "proxy_gold_gap",
        "mean_logp",
    ):
        row = entry(table, name)
        assert pd.isna(row["value"]), name
        assert row["method"].startswith("each of 2 problems lacks"), name
    assert entry(table, "accept_rate")["value"] == 0
    bandless = {"each of 2 problems lacks a band; 8 rows without a band left out"}
    assert set(table[table["metric"] == "problem_share"]["method"]) == bandless
    share = measure(SMALL.assign(weight=0.0), ["accepted_share"])
    assert share["value"].isna().all()
    assert set(share["method"]) == {"no row has weight > 0 and a band"}


def test_rows_with_unknown_gold_leave_and_never_count_as_wrong():
    gold = [True, True, None, None, False, False, True, True]
    table = measure(SMALL.assign(gold=pd.Series(gold, dtype=object)), ["pass@k", "mean_gold"])
    assert entry(table, "pass@1")["value"] == (1 + 1 / 2) / 2
    assert "1 of 2 problems have fewer than k=4" in entry(table, "pass@4")["method"]
    assert "2 rows with null left out" in entry(table, "mean_gold")["method"]


def test_solution_coverage_needs_a_known_number_of_solutions():
    table = pd.DataFrame({"problem": ["x", "y"], "split": ["train", "train"], "n_solutions": [8, None]})
    row = entry(measure(SMALL, ["solution_coverage"], problems=table), "solution_coverage")
    assert (row["value"], row["n"]) == (2 / 8, 1)
    assert "1 of 2 problems left out for lack of a known number of solutions" in row["method"]
    for nothing in (0, None):
        row = entry(
            measure(SMALL, ["solution_coverage"], problems=table.assign(n_solutions=nothing)), "solution_coverage"
        )
        assert pd.isna(row["value"])
        assert "known number of solutions" in row["method"]
    elsewhere = measure(SMALL, ["solution_coverage"], problems=table.assign(split="heldout"))
    assert pd.isna(entry(elsewhere, "solution_coverage")["value"])


def test_right_samples_without_an_answer_are_not_guessed():
    answer = SMALL["answer"].where(SMALL.index != 1)  # a right sample of x
    row = entry(measure(SMALL.assign(answer=answer), ["distinct_correct"]), "distinct_correct")
    assert (row["value"], row["n"]) == (0.0, 1)
    assert "an answer in each right sample" in row["method"]
    table = measure(SMALL.assign(answer=None), ["unparsed_rate", "answer_entropy"])
    assert table["value"].isna().all()
    garbage = measure(SMALL.assign(answer=None, gold=False), ["unparsed_rate", "distinct_correct"])
    assert garbage["value"].tolist() == [0.0, 1.0][::-1]


def test_one_sample_a_problem():
    rows = rows_of(problem=list("abcd"), gold=[True, False, True, True], answer=list("ABCD"))
    table = measure(rows)
    assert entry(table, "pass@1")["value"] == 0.75
    assert table[table["metric"].str.startswith("pass@")]["metric"].tolist() == ["pass@1"]
    assert "2 readable answers" in entry(table, "answer_entropy")["method"]
    assert "two readable answers" in entry(table, "gini_simpson")["method"]


def test_nothing_right_is_bounded_by_what_can_be_found():
    # 30 problems with at most 3 solutions, none found: at most Wilson's share of them could show 3 each
    rows = rows_of(problem=np.repeat(np.arange(30).astype(str), 8), gold=False, answer="W", n_solutions=3)
    table = measure(rows, ["distinct_correct", "solution_coverage"])
    assert table["high"].tolist() == pytest.approx([3 * wilson(0, 30)[1], wilson(0, 30)[1]])
    unknown = measure(rows.drop(columns="n_solutions"), ["distinct_correct"])
    assert unknown["high"].tolist() == pytest.approx([8 * wilson(0, 30)[1]])


def test_a_metric_asked_for_twice_comes_once():
    table = measure(SMALL, ["pass@2", "pass@k", "pass@2"])
    assert table["metric"].tolist() == ["pass@2", "pass@1", "pass@4"]


def test_no_rows_give_an_empty_table():
    table = measure(SMALL.iloc[:0])
    assert len(table) == 0
    assert {"run", "round", "split", "band", "metric", "value", "low", "high", "n", "unit", "method", "k", "se"} == set(
        table
    )


def test_an_exact_verifier_has_no_gap_and_says_how_sure_that_is():
    rng = np.random.default_rng(1)
    gold = rng.random(400) < 0.5
    rows = rows_of(problem=np.repeat(np.arange(100).astype(str), 4), gold=gold, score=gold.astype(float))
    row = entry(measure(rows, ["proxy_gold_gap"]), "proxy_gold_gap")
    assert row["value"] == 0
    assert (row["low"], row["high"]) == pytest.approx((-wilson(0, 100)[1], wilson(0, 100)[1]), abs=1e-12)


# ── groups ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_by_band_by_nothing_and_by_another_column():
    both = pd.concat([SMALL, SMALL.assign(round=1)], ignore_index=True)
    table = measure(both, ["pass@1", "accept_rate", "accepted_share"], by=("round", "band"))
    rates = table[table["metric"] == "pass@1"]
    assert rates[["round", "band", "value"]].values.tolist() == [[0, 0, 0], [0, 4, 0.75], [1, 0, 0], [1, 4, 0.75]]
    assert table[table["metric"] == "accept_rate"]["value"].tolist() == [0.25, 0.5] * 2
    assert (table["metric"] == "accepted_share").sum() == 10
    pooled = measure(both, ["pass@1", "pass@8"], by=())
    assert pooled["round"].isna().all()
    assert entry(pooled, "pass@8")["n"] == 2  # 4 samples in each of two rounds
    by_agent = measure(SMALL.assign(agent=["u", "v"] * 4), ["pass@1"], by=("round", "agent"))
    assert by_agent[["agent", "value"]].values.tolist() == [["u", 0.25], ["v", 0.5]]


def test_null_bands_are_left_out_of_shares_and_counted():
    rows = pd.concat([SMALL, SMALL.assign(problem="z", band=None)], ignore_index=True)
    table = measure(rows, ["accepted_share", "problem_share"])
    shares = table[table["metric"] == "accepted_share"].set_index("band")
    assert shares.loc[0, "value"] == 0.5
    assert "8 rows without a band left out" in shares.loc[0, "method"]
    assert table[table["metric"] == "problem_share"]["value"].sum() == 1


def test_a_share_of_a_band_that_gets_nothing_is_0_with_an_upper_bound():
    rng = np.random.default_rng(2)
    band = np.repeat(np.arange(100) % 5, 4)
    weight = rng.integers(0, 2, 400) * (band > 0)
    rows = rows_of(problem=np.repeat(np.arange(100).astype(str), 4), band=band, weight=weight.astype(float))
    row = entry(measure(rows, ["accepted_share"]), "accepted_share", band=0)
    assert (row["value"], row["low"]) == (0, 0)
    assert 0 < row["high"] < 0.1


def test_runs_are_kept_apart():
    other = SMALL.assign(run="b", gold=False)
    table = measure(pd.concat([other, SMALL], ignore_index=True), ["pass@1"])
    assert table[["run", "value"]].values.tolist() == [["a", 0.375], ["b", 0.0]]


# ── streaming ─────────────────────────────────────────────────────────────────────────────────────────────────


class Stream:
    """What a run offers, and nothing more."""

    def __init__(self, rows, problems=None):
        self.parts = [part for _, part in rows.groupby(["run", "round"])]
        self.read = []
        if problems is not None:
            self.problems = lambda: problems

    def iter_rows(self, columns=None):
        for part in self.parts:
            self.read.append(columns)
            yield part if columns is None else part[[name for name in columns if name in part]]


class Picky(Stream):
    def columns(self):
        return list(self.parts[0].columns)

    def iter_rows(self, columns=None):
        missing = set(columns or ()) - set(self.parts[0].columns)
        if missing:
            raise SchemaError(f"no column {missing}")
        yield from super().iter_rows(columns)


class Whole(Stream):
    def iter_rows(self):
        yield from self.parts


def test_a_run_is_read_once_or_round_by_round_with_the_same_result(monkeypatch):
    later = SMALL.iloc[[0, 1, 2, 4, 5, 6]].assign(round=1)
    held = SMALL.assign(split="heldout", round=1)
    rows = pd.concat([SMALL, later, held], ignore_index=True).assign(response="long text")
    problems = pd.DataFrame({"problem": ["x", "y"], "n_solutions": [4, 2]})
    expected = measure(rows)
    stream = Stream(rows.drop(columns="n_solutions"), problems)
    same_table(measure(stream), expected)
    assert len(stream.read) == len(stream.parts) == 2  # a small run once
    with monkeypatch.context() as large:
        large.setattr("siwork.metrics.packs.TOGETHER", 0)
        same_table(measure(stream), expected)
    assert all("agent" not in columns for columns in stream.read)
    # a large one: one round too many to be read at once, then twice, and the first time for the common ground only
    assert ["gold" in columns for columns in stream.read[2:]] == [True, False, False, True, True]
    same_table(measure(Whole(rows)), expected)
    same_table(measure(Stream(rows, problems), by=()), measure(rows, by=()))
    same_table(measure(Stream(rows), ["pass@2"], k=2), measure(rows, ["pass@2"], k=2))
    picky = Picky(rows.drop(columns=["logp", "n_solutions"]), problems)
    same_table(measure(picky), measure(rows.drop(columns="logp")))
    assert len(measure(Stream(rows.iloc[:0]))) == 0
    assert len(measure(Stream(rows.iloc[:0]), by=())) == 0


def test_runs_bring_their_own_problems():
    class Several(list):
        def iter_rows(self, columns=None):
            for run in self:
                yield from run.iter_rows(columns)

    rows = [SMALL.drop(columns="n_solutions").assign(run=name) for name in ("a", "b")]
    tables = [pd.DataFrame({"problem": ["x", "y"], "split": "train", "n_solutions": n}) for n in ([4, 4], [2, 2])]
    runs = Several(Stream(r, p) for r, p in zip(rows, tables, strict=True))
    for run, name in zip(runs, ("a", "b"), strict=True):
        run.name = name
    assert measure(runs, ["solution_coverage"])["value"].tolist() == [2 / 4 / 2, 2 / 2 / 2]


# ── errors, types, time ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"metrics": ["pass@0"]}, r"got 'pass@0'; nearest: 'pass@k'"),
        ({"metrics": ["distinct_corect"]}, "nearest: 'distinct_correct'"),
        ({"metrics": "pass@1"}, "list of names"),
        ({"metrics": []}, "list of names"),
        ({"by": "round"}, "by is a list of names"),
        ({"level": 95}, "level must lie between 0 and 1"),
        ({"k": 0}, "k must be whole numbers ≥ 1"),
        ({"k": 2.5}, "k must be whole numbers ≥ 1"),
    ],
)
def test_wrong_wishes_are_refused(kwargs, message):
    with pytest.raises(KnobError, match=message):
        measure(SMALL, **kwargs)


def test_wrong_rows_are_refused():
    with pytest.raises(SchemaError, match="lack column 'problem'"):
        measure(SMALL.drop(columns="problem"))
    with pytest.raises(SchemaError, match="lack column 'agent'"):
        measure(SMALL, by=("agent",))
    with pytest.raises(SchemaError, match="score"):
        measure(SMALL.assign(score=2.0))
    with pytest.raises(SchemaError, match="a row table or a run is needed, got str"):
        measure("runs/a")
