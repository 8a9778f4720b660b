"""The catalogue against slow loops over the same rows, and what must hold for every metric whatever the rows are."""

import math
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_rows import Maker, embed, frame, many_rows
from siwork.metrics import measure
from siwork.metrics.catalogue import DEFAULT, METRICS, NAMES, metric_of, span_of
from siwork.store import Run, Writer
from slow_metrics import OF_K, SLOW, TRAIN_ONLY, slow_table
from store_rows import INFO, MANIFEST, no_state

FAMILY = ["pass@k", "pass@1", "pass@2", "pass@3-2", *(f"{stem}{k}" for stem in OF_K for k in ("k", 2))]
FAMILY = [name for name in dict.fromkeys(FAMILY) if name != "pass@k"]
EVERY = [*FAMILY, *METRICS]
SMOOTH = "smooth_ece"  # its loop is an integral, which has a test of its own


def found_table(table, by=("round",)):
    """{(run, *by, split, metric, band): (value, n)} of a metric table; band is None where it is a column of `by`."""
    keys = ["run", *by, "split", "metric", "value", "n"]
    columns = [[None if pd.isna(x) else x for x in table[name]] for name in keys]
    bands = [None] * len(table) if "band" in by else [None if pd.isna(x) else x for x in table["band"]]
    return {(*key, band): (value, n) for *key, value, n, band in zip(*columns, bands, strict=True)}


def same(found, expected, tolerance=1e-9):
    assert found.keys() == expected.keys()
    for key, (value, n) in expected.items():
        got, size = found[key]
        assert (got is None) == (value is None), (key, got, value)
        if value is not None:
            assert math.isclose(got, value, rel_tol=tolerance, abs_tol=tolerance), (key, got, value)
            assert size == n, (key, size, n)


tables = st.builds(
    lambda seed, runs, rounds, splits, problems, samples: Maker(seed).rows(runs, rounds, splits, problems, samples),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 1, 2]),
    st.integers(1, 2),
    st.sampled_from([("train",), ("train", "heldout"), ("heldout",)]),
    st.integers(1, 4),
    st.integers(1, 5),
)


# ── against the slow computation ──────────────────────────────────────────────────────────────────────────────


def test_no_metric_is_without_its_slow_twin():
    assert set(SLOW) == set(METRICS)
    assert {name for name, metric in METRICS.items() if metric.train} == TRAIN_ONLY
    assert {name.rstrip("k") for name in NAMES if name.endswith(("@k", "^k"))} == set(OF_K)
    assert set(NAMES) - set(METRICS) == {*(f"{stem}k" for stem in OF_K), "pass@8-2"}
    assert {name.removesuffix("_change") for name in DEFAULT} <= {*METRICS, "pass@1", "pass@k"}


@settings(max_examples=18)
@given(tables)
def test_every_metric_equals_its_slow_twin(rows):
    names = [name for name in EVERY if name != SMOOTH]
    same(found_table(measure(frame(rows), names, embed=embed)), slow_table(rows, names, embed=embed))


@settings(max_examples=12)
@given(tables, st.sampled_from([(), ("round", "agent"), ("round", "band"), ("agent", "round")]), st.integers(1, 3))
def test_every_metric_equals_its_slow_twin_measured_apart(rows, by, k):
    names = [name for name in EVERY if name != SMOOTH and not ("band" in by and metric_of(name).banded)]
    found = found_table(measure(frame(rows), names, by=by, k=k, embed=embed), by)
    same(found, slow_table(rows, names, by, k, embed))


@settings(max_examples=3)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["fine", "tenths", "binary"]))
def test_every_metric_equals_its_slow_twin_on_many_rows(seed, scores):
    rows = many_rows(seed, problems=22, rounds=2, scores=scores)
    names = [name for name in EVERY if name != SMOOTH]
    found = found_table(measure(frame(rows), names, embed=embed))
    same(found, slow_table(rows, names, embed=embed))
    without = {metric for (*_, metric, _), (value, _) in found.items() if value is None}
    assert without <= {"distinct_equations", *(["mce"] if scores == "fine" else [])}


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_smooth_ece_equals_its_integral(seed, problems):
    rows = [row | {"score": row["score"] * 0.9} for row in many_rows(seed, problems, 3)]
    # the metric works on a grid of 4097 nodes, which moves it by less than 2e-4
    same(found_table(measure(frame(rows), [SMOOTH])), slow_table(rows, [SMOOTH]), 4e-4)


# ── what must hold whatever the rows are ──────────────────────────────────────────────────────────────────────


def numbers(table, name):
    return table[name].to_numpy(float, na_value=np.nan)


def assert_same_table(got, expected, but=()):
    """The same rows of the same metrics, intervals and words included."""
    got, expected = (t[~t["metric"].isin(but)].reset_index(drop=True) for t in (got, expected))
    assert got.columns.tolist() == expected.columns.tolist()
    assert got["metric"].tolist() == expected["metric"].tolist()
    for name in expected.columns:
        if name in ("value", "low", "high"):
            apart = ~np.isclose(numbers(got, name), numbers(expected, name), rtol=1e-9, atol=1e-9, equal_nan=True)
        else:
            one, two = ([None if pd.isna(x) else x for x in t[name]] for t in (got, expected))
            apart = np.array([a != b for a, b in zip(one, two, strict=True)], bool)
        assert not apart.any(), (name, got[apart], expected[apart])


def assert_sound(table, problems):
    """What every row of a metric table promises."""
    value, low, high, n = (numbers(table, name) for name in ("value", "low", "high", "n"))
    least, most = np.array([span_of(name) for name in table["metric"]]).T
    odd = {
        "outside its span": (value < least - 1e-9) | (value > most + 1e-6),
        "an interval outside the span": (low < least - 1e-9) | (high > most + 1e-6),
        "an interval without its value": (low > value) | (value > high),
        "one end only": np.isnan(low) != np.isnan(high),
        "an interval of nothing": np.isnan(value) & ~np.isnan(low),
        "more problems than there are": n > problems,
        "known without a problem": ~np.isnan(value) & (n < 1),
        "infinite": np.isinf(value) | np.isinf(low) | np.isinf(high),
        "without words": (table["method"].str.len() < 8).to_numpy(bool),
        "known, yet one problem has an interval": (n < 2) & ~np.isnan(low),
    }
    for what, rows in odd.items():
        assert not rows.any(), (what, table[rows][["metric", "value", "low", "high", "n", "method"]].values.tolist())


@settings(max_examples=15)
@given(tables, st.sampled_from([("round",), ("round", "band"), (), ("round", "turn"), ("round", "kept")]))
def test_every_row_of_the_table_is_sound(rows, by):
    assert_sound(measure(frame(rows), EVERY, by=by, embed=embed), len({row["problem"] for row in rows}))


@pytest.fixture(scope="module")
def wide():
    """Two rounds of 24 problems in two splits, every column filled, as rows."""
    rows = many_rows(1, rounds=2)
    return rows + [row | {"split": "heldout"} for row in many_rows(2, rounds=2, problems=8, samples=3)]


@pytest.fixture(scope="module")
def told(wide):
    """The metric table of these rows."""
    return measure(frame(wide), EVERY, embed=embed)


@pytest.fixture(scope="module")
def changed(wide):
    """Metric tables of the same rows in other clothes, each made once."""
    table = frame(wide)
    return {
        "shuffled": measure(table.sample(frac=1, random_state=3), EVERY, embed=embed),
        "reversed": measure(table.iloc[::-1], EVERY, embed=embed),
        "renamed": measure(
            table.assign(run=table["run"] + "x", problem=table["problem"].str.replace("p", "qq")), EVERY, embed=embed
        ).assign(run="a"),
        "two runs": measure(
            pd.concat([frame(many_rows(9, 5, 2)).assign(run="A"), table, table.assign(run="b", gold=True)]),
            EVERY,
            embed=embed,
        ).query("run == 'a'"),
        "round by round": measure(Stream(table), EVERY, embed=embed),
        "other index": measure(table.set_index(pd.Index([7] * len(table))), EVERY, embed=embed),
        "Arrow": measure(table.convert_dtypes(dtype_backend="pyarrow"), EVERY, embed=embed),
    }


class Stream:
    """What a run offers, and nothing more."""

    def __init__(self, rows):
        self.parts = [part for _, part in rows.groupby(["run", "round"])]

    def iter_rows(self, columns=None):
        for part in self.parts:
            yield part if columns is None else part[[name for name in columns if name in part]]


IN_ORDER = {"mtld", "mattr", "compression_ratio"}  # read texts one after another, ordered by a hash of their names


def lines(table, metric):
    return table[table["metric"] == metric]


@pytest.mark.parametrize("metric", EVERY)
def test_only_what_is_measured_matters(told, changed, metric):
    for how, table in changed.items():
        if how != "renamed" or metric not in IN_ORDER:
            assert_same_table(lines(table, metric), lines(told, metric))


def test_many_problems_have_every_value_and_intervals(told, wide):
    assert_sound(told, 24)
    train = told[(told["split"] == "train") & (told["metric"] != "distinct_equations")]
    assert train["value"].notna().all()
    without = {
        "samples_drawn",
        "samples_kept",
        "tokens_drawn",
        "ece",
        "ece_floor",
        "mce",
        SMOOTH,
        "accepted_gini_floor",
    }
    whole = train[~train["metric"].isin(without) & ~train["metric"].map(lambda name: metric_of(name).banded)]
    assert whole.groupby("metric")["low"].apply(lambda low: low.notna().any()).mean() > 0.25


@settings(max_examples=8)
@given(tables, st.integers(1, 3), st.integers(0, 10**6))
def test_row_order_and_another_round_mean_nothing_at_one_k(rows, k, seed):
    alone = [row for row in rows if row["round"] == 0]
    mixed = list(rows)
    random.Random(seed).shuffle(mixed)
    table = measure(frame(mixed), EVERY, k=k, embed=embed)
    ground = {"compression_ratio"}  # as many bytes as every round has
    binned = {"ece", "ece_floor", "ece2_debiased", "mce", "brier_reliability", "brier_resolution"}
    if len({row["score"] for row in alone}) <= 10:  # a later round with more scores sets the bins
        ground |= binned
    if not any(row["hint"] == "none" and row["turn"] == 0 for row in alone):
        return
    first = table[table["round"] == 0]
    assert_same_table(first, measure(frame(alone), EVERY, k=k, embed=embed), but=ground)


@settings(max_examples=8)
@given(tables, st.sampled_from([("round",), ("round", "band"), ("band", "round"), ("round", "agent"), ()]))
def test_a_table_and_its_rounds_one_by_one_are_the_same(rows, by):
    table = frame(rows)
    assert_same_table(measure(Stream(table), EVERY, by=by, embed=embed), measure(table, EVERY, by=by, embed=embed))


APART = {"band": ("round", "band"), "turn": ("round", "turn"), "kept": ("round", "kept"), "agent": ("round", "agent")}


@pytest.fixture(scope="module")
def apart(wide):
    """For each column, what is measured by it, and what is measured of the rows with its least value alone."""
    table = frame(wide)
    kept = table.assign(kept=(table["weight"] > 0).to_numpy(bool))
    own = {name: kept[(kept[name] == kept[name].min()).to_numpy(bool)].drop(columns="kept") for name in APART}
    made = {
        name: (measure(table, EVERY, by=by, k=2, embed=embed), measure(own[name], EVERY, k=2, embed=embed))
        for name, by in APART.items()
    }
    for name, (found, _) in made.items():
        assert found[name].nunique() > 1
    # all rounds at once are one round with more samples
    pooled = table.assign(
        round=0, sample=table["sample"] * 2 + table["round"], parent=table["parent"] * 2 + table["round"]
    )
    made[""] = (measure(table, EVERY, by=(), k=2, embed=embed), measure(pooled, EVERY, k=2, embed=embed))
    return made


@pytest.mark.parametrize("metric", EVERY)
def test_measured_apart_is_measured_alone(apart, metric):
    for column, tables_ in apart.items():
        found, alone = (lines(table, metric) for table in tables_)
        assert len(found)
        assert (found["value"].notna() | (found["method"].str.len() > 8)).all()
        if metric == "compression_ratio" or (column == "band" and metric_of(metric).banded):
            continue  # as many bytes as every group has; and what is by band is measured over all bands
        if metric == "support_kept" and not column:
            assert found["value"].isna().all()  # rounds that are pooled have no first one
            continue
        if column:
            found = found[found[column] == found[column].min()].drop(columns=column)
        names = ["split", "metric", "value", "low", "high", "n", "unit", "method", "k"]
        assert_same_table(found[names], alone[names])


def test_a_run_on_the_disk_gives_the_table_of_its_rows(tmp_path, wide):
    table = frame(wide).drop(columns=["n_solutions"])
    table = table.assign(task="made", prompt="?", run="a", difficulty=0.5, sample=table["sample"])
    facts = table.drop_duplicates(["problem", "split"])[["problem", "split", "task", "prompt", "difficulty", "band"]]
    problems = facts.assign(answer="A", n_solutions=45)
    with Writer.create(tmp_path / "a", MANIFEST, problems) as writer:
        for r, rows in table.groupby("round"):
            writer.save_round(r, rows, INFO, no_state)
    run = Run(tmp_path / "a")
    for by, k in ((("round",), None), (("round", "band"), 2), ((), 2)):
        expected = measure(run.rows(), EVERY, by=by, k=k, problems=problems, embed=embed)
        assert_same_table(measure(run, EVERY, by=by, k=k, embed=embed), expected)
        assert_sound(expected, 24)
    assert_same_table(measure(run, embed=embed), measure(frame(wide), embed=embed))


# ── the edges ─────────────────────────────────────────────────────────────────────────────────────────────────


def plain_rows(problems=12, samples=4, **columns):
    """A table of plain samples: half of them right, every column filled; columns are lists or one value."""
    size = problems * samples
    place = np.arange(size)
    gold = place % 2 == 0
    table = pd.DataFrame(
        {
            "run": "a", "round": 0, "split": "train", "problem": [f"p{i // samples:03}" for i in range(size)],
            "sample": place % samples, "hint": "none", "turn": 0, "parent": pd.array([None] * size, "Int64"),
            "agent": np.where(place // 2 % 2, "u", "v"), "verifier": "u", "temperature": 1.0, "top_p": 1.0,
            "response": [f"the answer is {i % 7} , not {i % 3} or {i % 5}" for i in range(size)],
            "answer": np.where(gold, "A", "B"), "n_tokens": 3 + place % 4, "finished": True, "logp": -2.0 - place % 3,
            "base_logp": -3.0 - place % 2, "entropy": 0.5 + place % 2, "gold": gold, "score": 0.25 + 0.5 * gold,
            "weight": gold.astype(float), "band": place // samples % 5, "n_solutions": 9, "pair": place // 2,
            "side": np.where(gold, "chosen", "rejected"), "steps": np.where(gold, "111", "1011"), "claimed_error": 1,
        }
    )  # fmt: skip
    return table.assign(**columns)


def value_of(table, metric, **where):
    """The one value of a metric, None when it is unknown; and its words."""
    own = lines(table, metric)
    for name, value in where.items():
        own = own[own[name] == value]
    assert len(own) == 1, own
    value = own["value"].iloc[0]
    return (None if pd.isna(value) else value), own["method"].iloc[0]


def values(rows, *metrics, **more):
    table = measure(rows, metrics, embed=embed, **more)
    return [value_of(table, name)[0] for name in metrics]


def test_k_above_the_samples_is_null_and_says_so():
    of_k = ["pass@8", "pass^8", "spread@8", "informative@8", "maj@8", "best@8", "pass@8-2", "accepted_reach"]
    of_k += ["distinct_correct", "distinct_answers", "solution_coverage", "vendi", "self_bleu", "rep_4"]
    table = measure(plain_rows(), of_k, k=8, embed=embed)
    assert table["value"].isna().all()
    assert table["method"].str.contains("12 of 12 problems have fewer than k=8").all()
    assert value_of(measure(plain_rows(), ["answer_entropy"], k=8), "answer_entropy")[0] is not None  # at half of k
    assert "4 readable answers" not in value_of(measure(plain_rows(), ["answer_entropy"], k=8), "answer_entropy")[1]
    entropy = value_of(measure(plain_rows(), ["answer_entropy"], k=9), "answer_entropy")
    assert entropy[0] is None
    assert "5 readable answers" in entropy[1]


@pytest.mark.parametrize("right", [True, False])
def test_one_class_only(right):
    rows = plain_rows(gold=right)
    table = measure(rows, ["auroc", "auroc_within", "average_precision", "brier_resolution", "brier_skill"])
    for name in ("auroc", "auroc_within", "brier_skill"):
        assert value_of(table, name)[0] is None
    assert value_of(table, "average_precision")[0] == (1.0 if right else None)
    assert value_of(table, "brier_resolution")[0] == pytest.approx(0, abs=1e-12)
    brier, ece, loss, gap = values(rows, "brier", "ece", "log_loss", "gv_gap")
    off = [0.25, 0.75] if right else [0.75, 0.25]
    assert brier == pytest.approx(np.mean(np.square(off)))
    assert ece == pytest.approx(0.5)
    assert loss == pytest.approx(-np.mean(np.log(1 - np.array(off))))
    assert gap == 0
    rates = {"precision": float(right), "recall": 0.5 if right else None, "false_positive_rate": None if right else 0.5}
    assert values(rows, *rates) == list(rates.values())


def test_ties_are_split_evenly():
    rows = plain_rows(score=0.5)
    assert values(rows, "auroc", "auroc_within", "best@2", "top_precision", "kappa") == [0.5, 0.5, 0.5, 0.5, 0.0]
    # every problem: two votes for A, which is right, and two for B
    assert values(rows, "maj@k", "maj@2", "vote_right", "vote_share", "mode_share") == pytest.approx([0.5] * 5)
    several = plain_rows(answer=["A", "B", "C", "C"] * 12, gold=[True, True, False, False] * 12)
    assert values(several, "maj@k", "vote_right") == [0.0, 0.0]
    two_right = plain_rows(answer=["A", "B"] * 24, gold=True)
    assert values(two_right, "maj@k", "vote_right", "maj@2") == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize("by", [("round",), (), ("round", "band"), ("round", "agent", "turn", "kept", "hint")])
def test_no_rows_give_no_values(by):
    full = plain_rows()
    for rows in (full.iloc[:0], pd.DataFrame(columns=full.columns), Stream(full.iloc[:0])):
        table = measure(rows, EVERY, by=by, embed=embed)
        assert len(table) == 0
        assert {"run", "round", "split", "band", "metric", "value", "low", "high", "n", "unit", "method", "k"} <= set(
            table
        )


def test_all_right_and_all_wrong_are_1_and_0_and_not_surely_so():
    for right in (True, False):
        names = [
            "pass@1",
            "pass@2",
            "mean_gold",
            "recall" if right else "false_positive_rate",
            "vote_right",
            "kept_precision",
        ]
        rows = plain_rows(40, gold=right, score=1.0 if right else 0.0, weight=1.0)
        table = measure(rows, names)
        assert set(table["value"]) == {float(right)}
        wide = (table["high"] - table["low"]).to_numpy(float, na_value=np.nan)
        assert (np.isnan(wide) | (wide > 0.01)).all()
        assert not np.isnan(wide).all()


def test_unscored_rows_leave_and_are_counted():
    some = plain_rows(score=[None, 0.75] * 24)
    table = measure(some, ["mean_score", "auroc", "ece", "brier", "precision", "best@k", "kappa", "brier_resolution"])
    for name in ("mean_score", "ece", "brier", "brier_resolution"):
        assert value_of(table, name)[0] is not None
        assert "24 rows with null left out" in value_of(table, name)[1], name
    assert value_of(table, "auroc")[0] is None  # all that have a score are wrong
    none = plain_rows(score=np.nan)
    table = measure(none, [name for name, metric in METRICS.items() if "score" in metric.needs])
    accepts = {"gv_gap": 0.0, "gv_gap_relative": 0.0}
    for name in table["metric"].unique():
        assert value_of(table, name)[0] == (0.5 if name == "top_precision" else accepts.get(name)), (
            name
        )  # unscored is rejected
    assert values(none, "best@2", "best@k") == [0.5, 0.5]  # any of them


def test_one_sample_a_problem():
    rows = plain_rows(12, 1)
    table = measure(rows, EVERY, embed=embed)
    assert_sound(table, 12)
    for name in ("gini_simpson", "answer_entropy", "cosine_distance", "self_bleu", "pairwise_bleu", "auroc_within"):
        assert value_of(table, name)[0] is None, name
    assert value_of(table, "pass@1")[0] == value_of(table, "pass^k")[0] == 0.5
    assert value_of(table, "vendi")[0] == 1.0


def test_one_problem_has_values_and_no_interval():
    table = measure(plain_rows(1), EVERY, embed=embed)
    assert_sound(table, 1)
    assert table["low"].isna().all()
    assert {"pass@1", "ece", "auroc", "perplexity", "length_50", "accepted_gini"} <= set(
        table[table["value"].notna()]["metric"]
    )
    for name in ("ece_floor", "ece2_debiased", "cross_distance"):
        assert value_of(table, name)[0] is None


def test_unknown_truth_is_never_read_as_wrong():
    rows = plain_rows(gold=pd.array([None] * 48, "boolean"))
    table = measure(rows, EVERY, embed=embed)
    for name, metric in METRICS.items():
        if "gold" in metric.needs and not metric.banded:
            value, why = value_of(table, name)
            assert value is None, name
            assert any(word in why for word in ("gold", "right", "revis", "wrong sample", "truth")), (name, why)
    half = rows.assign(gold=pd.array([True, None] * 24, "boolean"))
    names = ["pass@1", "mean_gold", "vote_right", "kept_precision", "balance_score", "top_precision"]
    table = measure(half, names)
    for name in ("pass@1", "mean_gold", "vote_right", "kept_precision", "top_precision"):
        assert value_of(table, name)[0] == 1.0, name
    assert value_of(table, "balance_score")[0] == pytest.approx(1 / 8 * 1 / 2)  # one answer, two kept
    for name in ("pass@1", "mean_gold", "vote_right", "top_precision"):
        assert "24 rows with null left out" in value_of(table, name)[1], name


def test_answers_that_cannot_be_read():
    none = plain_rows(answer=pd.array([None] * 48, "str"))
    table = measure(none, [name for name, metric in METRICS.items() if "answer" in metric.needs])
    known = set(table[table["value"].notna()]["metric"])
    assert known == {"distinct_answers"} - {"distinct_answers"}
    wrong = none.assign(gold=False)  # now that they were kept is plausible: nothing could be read
    assert values(wrong, "unparsed_rate", "maj@k", "distinct_correct", "vote_right") == [1.0, 0.0, 0.0, None]
    half = plain_rows(answer=pd.array(["A", None] * 24, "str"))  # those that cannot be read are wrong
    assert values(half, "unparsed_rate", "maj@k", "maj@1", "vote_right", "vote_share", "gini_simpson", "pass@1") == [
        0.5, 1.0, 0.5, 1.0, 1.0, 0.0, 0.5,
    ]  # fmt: skip


@pytest.mark.parametrize("score", [0.0, 0.1, 0.3, 0.5, 1.0])
def test_scores_on_the_edges_of_bins(score):
    one = plain_rows(score=score)
    assert values(one, "ece", "smooth_ece", "brier") == pytest.approx(
        [abs(score - 0.5), abs(score - 0.5), np.mean([score**2, (1 - score) ** 2])], abs=2e-3
    )
    grid = np.linspace(0, 1, 48)
    grid[:8] = score  # more than ten scores: bins of equal mass, whose edges later rounds keep
    both = pd.concat([plain_rows(score=grid), plain_rows(score=[score, 1.0] * 24, round=1)])
    table = measure(both, ["ece", "ece_floor", "ece2_debiased", "brier_reliability", "mce"])
    assert_sound(table, 12)
    assert table[table["metric"] == "ece"]["value"].notna().all()
    assert (table[table["metric"] == "ece"]["method"].str.contains("edges|first round")).all()
    certain = plain_rows(score=[1.0, 0.0] * 24)
    assert values(certain, "ece", "brier", "log_loss", "brier_skill", "auroc") == pytest.approx(
        [0, 0, 0, 1, 1], abs=1e-12
    )
    assert values(plain_rows(score=[0.0, 1.0] * 24), "log_loss") == pytest.approx([-math.log(2.220446049250313e-16)])
    assert values(plain_rows(score=0.5), "precision", "recall") == [0.5, 1.0]  # a score of one half accepts


def one_of(rows, metric, **more):
    """Value and words of a metric in one group."""
    return value_of(measure(rows, [metric], **more), metric)


def test_variety_of_right_answers_needs_two_of_them():
    # of six pairs of right samples two are of one answer
    rows = plain_rows(3, 4, gold=[True] * 4 + [True] + [False] * 7, answer=list("AABC") + list("XYZW") * 2)
    assert one_of(rows, "right_variety")[0] == pytest.approx(5 / 6)
    assert "2 of 3 problems left out for lack of two right samples" in one_of(rows, "right_variety")[1]
    assert one_of(rows.assign(gold=False), "right_variety")[0] is None
    unread = rows.assign(answer=pd.array([None, *"ABC", *"XYZW" * 2], "str"))
    assert one_of(unread, "right_variety")[0] is None  # right, but which answer?
    wrong = rows.assign(answer=pd.array([*"AABC", "X", None, *"ZW", *"XYZW"], "str"))
    assert one_of(wrong, "right_variety")[0] == pytest.approx(5 / 6)
    assert one_of(rows.assign(hint="answer"), "right_variety")[0] is None


def test_an_answer_that_leads_by_chance_has_no_interval():
    table = measure(plain_rows(80, 1, answer=["A"] * 40 + [f"{i}" for i in range(40)]), ["mode_share"])
    assert table["low"].notna().all()
    assert table["value"].iloc[0] == 0.5
    for answers in (["A"] * 40 + ["B"] * 40, ["A"] * 44 + ["B"] * 36):
        table = measure(plain_rows(80, 1, answer=answers), ["mode_share"])
        assert table["low"].isna().all()
        assert "no interval: no answer leads clearly" in table["method"].iloc[0]


def test_the_tail_is_bands_0_and_1():
    rows = plain_rows(5, 4, weight=[1.0, 0, 0, 0] + [0.0] * 4 + [2.0, 0, 0, 0] + [0.0] * 4 + [1.0, 1, 0, 0])
    gold = [True] + [False] * 3 + [False] * 4 + [True] * 12
    rows = rows.assign(gold=gold)  # a band each
    assert values(rows, "tail_share", "tail_coverage", "tail_solve_rate") == pytest.approx([1 / 5, 1 / 2, 1 / 8])
    head = rows[rows["band"] > 1]
    assert values(head, "tail_share", "tail_coverage", "tail_solve_rate") == [0.0, None, None]
    assert one_of(head, "tail_coverage")[1] == one_of(head, "tail_solve_rate")[1] == "there is no such problem"
    none = rows.assign(band=pd.array([None] * 20, "Int64"))
    for name in ("tail_share", "tail_coverage", "tail_solve_rate"):
        assert one_of(none, name)[0] is None
    some = rows.assign(band=pd.array([None] * 4 + [1] * 16, "Int64"))
    assert values(some, "tail_share", "tail_coverage") == [1.0, 0.5]
    assert "4 rows without a band left out" in one_of(some, "tail_share")[1]
    unjudged = rows.assign(gold=pd.array([None] * 4 + gold[4:], "boolean"))
    value, why = one_of(unjudged, "tail_solve_rate")
    assert value == 0
    assert "1 of 2 problems left out for lack of a sample with known gold" in why


def test_a_group_is_dead_where_all_its_scores_are_one():
    scores = [0.3, 0.3, 0.1 + 0.2, 0.3, 0.0, 0.0, 0.0, 1e-9, None, 0.5, None, 0.5, None, None, None, 1.0]
    rows = plain_rows(4, 4, score=pd.array(scores, "Float64"))
    value, why = one_of(rows, "dead_groups")
    assert value == pytest.approx(2 / 3)
    assert "1 of 4 problems left out for lack of two scored samples" in why
    assert "5 rows with null left out" in why
    assert one_of(plain_rows(4, 1), "dead_groups")[0] is None
    assert one_of(plain_rows(score=np.nan), "dead_groups")[0] is None
    mixed = rows.assign(turn=[0, 0, 0, 1] * 4, score=[1.0, 1.0, 1.0, 0.0] * 4)
    assert one_of(mixed, "dead_groups")[0] == 1  # revisions are no samples of the group


def test_characters_are_counted_not_bytes():
    rows = plain_rows(2, 2, response=["", "家家", "👩‍👩", "\n"])
    assert one_of(rows, "mean_characters")[0] == pytest.approx((0 + 2 + 3 + 1) / 4)  # a joiner is a character
    revised = one_of(rows.assign(turn=[0, 1, 0, 0]), "mean_characters")
    assert revised[0] == pytest.approx((0 + 2) / 2)
    hinted, why = one_of(rows.assign(hint="answer"), "mean_characters")
    assert hinted is None
    assert "lacks a first attempt" in why


def test_counting_characters_reads_no_texts_beforehand(monkeypatch):
    monkeypatch.setattr("siwork.metrics.packs.TOGETHER", 0)  # as if every round were large

    class Watched(Stream):
        def iter_rows(self, columns=None):
            asked.append(set(columns))
            return super().iter_rows(columns)

    for metrics, read in ((["mean_characters", "dead_groups"], False), (["mean_characters", "rep_4", "ece"], True)):
        asked = []
        measure(Watched(plain_rows()), metrics)
        assert [{"response", "score"} <= columns for columns in asked[1:]] == [read, True]  # after a look at its size


@pytest.mark.parametrize("column", ["temperature", "top_p"])
def test_divergence_of_a_cut_sampler_is_null(column):
    odd = plain_rows(**{column: [0.7] + [1.0] * 47})
    table = measure(odd, ["kl_to_base", "mean_logp"])
    value, why = value_of(table, "kl_to_base")
    assert value is None
    assert "temperature 1 and top-p 1" in why
    assert value_of(table, "mean_logp")[0] is not None
    assert values(plain_rows(), "kl_to_base") == [pytest.approx(0.5)]


def test_without_a_train_split_the_metrics_of_training_are_absent():
    table = measure(plain_rows(split="heldout"), EVERY, embed=embed)
    assert set(table["metric"]) == set(EVERY) - TRAIN_ONLY
    assert len(measure(plain_rows(split="heldout"), ["accept_rate", "accepted_share"])) == 0


def test_nothing_accepted():
    rows = plain_rows(weight=0.0)
    table = measure(rows, [*TRAIN_ONLY, "samples_kept", "proxy_gold_gap_kept"])
    zero = {"accept_rate", "accepted_coverage", "accepted_reach", "samples_kept", "tail_coverage"}
    for name, own in table.groupby("metric"):
        if name != "problem_share":
            assert own["value"].eq(0).all() if name in zero else own["value"].isna().all(), name


HARD = [
    "",
    " ",
    "\n\n",
    "\x00\x01\x1b[31m",
    "\u202eabc",
    "é" * 9,
    "👩‍👩‍👧 家 家 家 家",
    "a\r\nb\u2028c",
    "-",
    "\ud7ff￿",
]


@pytest.mark.parametrize("texts", [HARD, [""], ["x"], ["\x00\x07"], ["家" * 40], ["x " * 40_000, "y"]], ids=range(6))
def test_any_text_can_be_measured(texts):
    rows = plain_rows(6, 2, response=[texts[i % len(texts)] for i in range(12)])
    names = [name for name, metric in METRICS.items() if "response" in metric.needs]
    for vectors in (embed, None):
        table = measure(rows, names, embed=vectors)
        assert_sound(table, 6)
    if texts == [""]:
        known = table[table["value"].notna()].set_index("metric")["value"].to_dict()
        assert {name: value for name, value in known.items() if not name.startswith("behaviour_")} == {
            "self_bleu": 0.0, "pairwise_bleu": 0.0, "self_bleu_pool": 0.0, "self_repetition": 0.0, "mean_characters": 0.0,
        }  # fmt: skip
    if texts == ["x"]:
        assert values(rows, "vendi", "cosine_distance", "cross_distance", "distinct_2", "rep_4") == [
            1.0,
            0.0,
            0.0,
            None,
            None,
        ]
    if len(texts) == 2:
        assert "gzip level 9 of 65536 bytes" in value_of(table, "compression_ratio")[1]


def test_a_log_probability_of_minus_infinity_counts_as_unknown():
    rows = plain_rows(base_logp=[-np.inf, -1.0] * 24, logp=[-2.0, -np.inf] * 24)
    table = measure(rows, ["mean_logp", "perplexity", "base_perplexity", "kl_to_base", "chosen_drift", "rejected_logp"])
    assert_sound(table, 12)
    assert values(rows, "mean_logp", "kl_to_base", "rejected_logp") == [-2.0, None, None]
    assert "24 rows with null left out" in value_of(table, "mean_logp")[1]


def test_a_perplexity_beyond_numbers_is_null():
    for logp in (-1e6, -1e300):
        value, why = value_of(measure(plain_rows(logp=logp, n_tokens=1), ["perplexity"]), "perplexity")
        assert value is None
        assert "too large for a number" in why
    assert values(plain_rows(n_tokens=0), "perplexity") == [None]


def test_a_right_sample_may_cost_without_an_upper_end():
    rows = plain_rows(50, gold=[i == 0 for i in range(200)])
    row = lines(measure(rows, ["samples_per_success"]), "samples_per_success").set_index("band").loc[0]
    assert row["value"] == 40.0
    assert pd.isna(row["high"])
    assert "no interval" in row["method"]


def test_revisions_are_paired_within_their_round():
    first = plain_rows(1, 2, gold=[True, False])
    later = plain_rows(1, 2, gold=[False, True], turn=1, parent=[0, 1], sample=[2, 3])
    again = pd.concat([first.assign(gold=True), later.assign(gold=True)]).assign(round=1)
    rows = pd.concat([first, later, again], ignore_index=True)
    # right → wrong and wrong → right in round 0, right → right twice in round 1
    assert values(rows, "confidence_level", "critique_score", "revision_gain", by=()) == pytest.approx(
        [2 / 3, 1.0, 0.0]
    )
    lost = pd.concat([first, later.assign(parent=[0, 9])])
    value, why = value_of(measure(lost, ["revision_gain"]), "revision_gain")
    assert value == -1.0
    assert "1 revisions left out" in why


def test_a_mean_that_may_be_negative_has_an_interval_around_it():
    rng = np.random.default_rng(0)
    first = plain_rows(60, 4, gold=rng.random(240) < 0.8)
    later = plain_rows(
        60, 4, gold=rng.random(240) < 0.3, turn=1, sample=np.arange(240) % 4 + 4, parent=np.arange(240) % 4
    )
    table = measure(pd.concat([first, later]), ["revision_gain", "log_loss", "perplexity"])
    assert_sound(table, 60)
    gain = lines(table, "revision_gain").iloc[0]
    assert gain["low"] < gain["value"] < gain["high"] < 0
    loss = lines(measure(plain_rows(60, score=0.02 + 0.08 * rng.random(240)), ["log_loss"]), "log_loss").iloc[0]
    assert 1 < loss["value"] < loss["high"]
    assert lines(table, "perplexity").iloc[0]["high"] > 1
