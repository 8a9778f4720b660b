"""Rows, problems and wishes that are wrong: each is refused in one sentence with the next step, or told of in `method`."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from siwork.metrics import measure, round_difference
from siwork.metrics.catalogue import METRICS
from siwork.schema import KnobError, SchemaError

SIZE = 24
PLACE = np.arange(SIZE)
GOOD = pd.DataFrame(
    {
        "run": "a", "round": PLACE // 12, "split": "train", "problem": [f"p{i // 4 % 3}" for i in PLACE],
        "sample": PLACE % 4, "hint": "none", "turn": 0, "parent": pd.array([None] * SIZE, "Int64"), "agent": "u",
        "verifier": "u", "temperature": 1.0, "top_p": 1.0, "response": "the answer is 7", "answer": "7",
        "n_tokens": 5, "finished": True, "logp": -1.0, "base_logp": -2.0, "entropy": 0.5, "gold": PLACE % 2 == 0,
        "score": 0.25 + 0.5 * (PLACE % 3 == 0), "weight": 1.0, "band": PLACE // 4 % 3, "n_solutions": 3,
        "pair": PLACE // 2, "side": "chosen", "steps": "11", "claimed_error": pd.array([None] * SIZE, "Int64"),
    }
)  # fmt: skip
EVERY = [*METRICS, "pass@k", "maj@k", "best@k"]


class Stream:
    """What a run offers, and nothing more."""

    def __init__(self, rows):
        self.parts = [part for _, part in rows.groupby("round")]

    def iter_rows(self):
        yield from self.parts


def test_numbers_beyond_those_that_floats_tell_apart_are_measured():
    huge = GOOD.assign(n_tokens=2**62 + PLACE).convert_dtypes(dtype_backend="pyarrow")
    table = measure(huge, ["mean_tokens"])
    assert math.isclose(table["value"].iloc[0], 2.0**62)


def refusal(rows, metrics=None, **more):
    """The message with which measure refuses; one sentence of one line."""
    with pytest.raises((SchemaError, KnobError)) as told:
        measure(rows, metrics or EVERY, **more)
    message = str(told.value)
    assert "\n" not in message
    assert len(message) < 3000
    return message


def test_good_rows_are_measured():
    assert len(measure(GOOD, EVERY)) > 100


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("column", ["run", "round", "split", "problem"])
def test_a_missing_key_column_is_refused(column):
    assert f"lack column '{column}'" in refusal(GOOD.drop(columns=column))


def test_every_other_column_that_is_missing_is_told_metric_by_metric():
    for column in [name for name in GOOD if name not in ("run", "round", "split", "problem")]:
        table = measure(GOOD.drop(columns=column), list(METRICS))
        lacking = table[table["method"].str.startswith(f"rows lack column '{column}'")]
        needing = {name for name, metric in METRICS.items() if column in metric.needs}
        assert set(lacking["metric"]) == needing
        assert lacking[["value", "low", "high"]].isna().all(axis=None)
        assert (lacking["n"] == 0).all()


@pytest.mark.parametrize("column", ["gold", "score", "answer", "logp", "base_logp", "band", "steps", "sample"])
def test_the_reason_of_a_missing_column_says_where_to_get_it(column):
    table = measure(GOOD.drop(columns=column), [name for name, m in METRICS.items() if column in m.needs])
    assert table["method"].str.match(rf"rows lack column '{column}'; \w").all()


WRONG_TYPES = {
    "run": 7, "round": "first", "split": "test", "problem": 3, "sample": "one", "hint": None, "turn": 0.5,
    "agent": 4, "temperature": "hot", "response": 4.0, "n_tokens": "many", "finished": 1, "logp": "low", "entropy": "x",
    "gold": 1, "score": "good", "weight": "heavy", "band": "hard", "n_solutions": "few", "steps": 101,
    "claimed_error": "second", "side": "left", "pair": "p", "parent": "q", "turn ": None,
}  # fmt: skip


@pytest.mark.parametrize("column", [name for name in WRONG_TYPES if name in GOOD])
def test_a_column_of_the_wrong_type_is_refused_by_name(column):
    message = refusal(GOOD.assign(**{column: WRONG_TYPES[column]}))
    assert f"column {column!r}" in message
    assert "must be" in message or "may not be null" in message


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("score", math.inf), ("score", -math.inf), ("score", 1.0001), ("score", -0.1), ("weight", -1.0), ("weight", math.inf),
        ("weight", None), ("round", -1), ("sample", -1), ("turn", -1), ("n_tokens", -1), ("band", 5), ("band", -1),
        ("logp", 0.5), ("logp", math.inf), ("base_logp", 1.0), ("entropy", -0.1), ("entropy", math.inf),
        ("temperature", -1.0), ("top_p", 1.5), ("n_solutions", -1), ("n_solutions", 2.5), ("claimed_error", -1),
        ("response", None), ("problem", None), ("run", None), ("split", None), ("parent", -1),
    ],
)  # fmt: skip
def test_a_value_outside_its_range_is_refused(column, value):
    rows = GOOD.assign(**{column: GOOD[column].astype(object).where(PLACE != 5, value)})
    message = refusal(rows)
    assert f"{column!r}" in message


def test_steps_are_right_or_wrong():
    assert "'steps' must hold 1 for a right and 0 for a wrong step, got '1x1'" in refusal(GOOD.assign(steps="1x1"))


def test_columns_that_no_metric_asked_for_are_not_looked_at():
    assert len(measure(GOOD.assign(score="good", response=7), ["pass@1"])) == 2


def test_two_columns_of_one_name_are_refused():
    twice = pd.concat([GOOD, GOOD[["gold"]]], axis=1)
    assert "two columns are called 'gold'" in refusal(twice)


@pytest.mark.parametrize(
    "rows", ["runs/a", None, 7, [GOOD], GOOD.to_dict("records"), GOOD["gold"], pa.table({"a": [1]})]
)
def test_what_is_no_table_is_refused(rows):
    assert "a row table or a run is needed" in refusal(rows)


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", [("round",), (), ("round", "agent"), ("round", "kept")])
@pytest.mark.parametrize("metrics", [["pass@1"], ["mean_score", "accept_rate"], ["self_bleu"], ["samples_drawn"]])
def test_rows_that_share_a_key_are_refused(by, metrics):
    twice = pd.concat([GOOD, GOOD.iloc[[7]].assign(gold=True)])
    message = refusal(twice, metrics, by=by)
    assert "two rows share the key" in message
    assert "'sample': 3" in message
    assert "number the samples of each problem from 0" in message
    assert len(measure(GOOD, metrics, by=by))
    assert len(measure(twice.drop(columns="sample"), metrics, by=by))  # without their numbers nothing can be told


def test_keys_are_of_run_round_and_split_too():
    several = pd.concat(
        [GOOD, GOOD.assign(run="b"), GOOD.assign(split="heldout"), GOOD.assign(round=GOOD["round"] + 5)]
    )
    assert len(measure(several, ["pass@1"])) == 8
    far = GOOD.assign(sample=GOOD["sample"] * 2**40)  # too far apart for a table of counts
    assert len(measure(far, EVERY)) == len(measure(GOOD, EVERY))
    assert "two rows share the key" in refusal(pd.concat([far, far.iloc[[3]]]), ["pass@1"])
    assert "column 'sample' may not be null" in refusal(GOOD.assign(sample=None), ["pass@1"])


def test_n_solutions_belongs_to_a_problem():
    assert "two values of 'n_solutions'" in refusal(GOOD.assign(n_solutions=PLACE % 2 + 1))
    problems = pd.DataFrame({"problem": ["p0", "p0", "p1"], "n_solutions": [2, 3, 4]})
    assert "two values of 'n_solutions' for {'problem': 'p0'}" in refusal(GOOD, problems=problems)
    assert "problems lack column 'problem'" in refusal(GOOD, problems=problems.drop(columns="problem"))
    for odd in (-1, 2.5, "few"):
        assert "'n_solutions' must be" in refusal(GOOD, problems=problems.assign(n_solutions=odd))
    same = problems.assign(n_solutions=2)
    assert measure(GOOD, ["solution_coverage"], problems=same)["n"].tolist() == [2, 2]
    elsewhere = measure(GOOD, ["solution_coverage"], problems=same.assign(problem="q"))
    assert elsewhere["value"].isna().all()
    assert elsewhere["method"].str.contains("a known number of solutions").all()


def test_fewer_solutions_than_were_found_are_no_number_of_solutions():
    rows = GOOD.assign(answer=GOOD["sample"].astype(str), gold=True)  # four different right answers a problem, of three
    table = measure(rows, ["solution_coverage", "distinct_correct"])
    assert table[table["metric"] == "solution_coverage"]["value"].isna().all()
    assert "no less than were found" in table["method"].iloc[0]
    assert set(table[table["metric"] == "distinct_correct"]["value"]) == {4.0}


# ── rounds of different problems ──────────────────────────────────────────────────────────────────────────────


def other_problems():
    """Round 0 has p0, p1, p2; round 1 has p0, p1, q0, q1, q2; round 2 has those of round 0."""
    later = GOOD[GOOD["round"] == 1]
    more = [later[later["problem"] == "p0"].assign(problem=name) for name in ("q0", "q1", "q2")]
    return pd.concat([GOOD[(GOOD["round"] == 0) | (GOOD["problem"] != "p2")], *more, GOOD[:12].assign(round=2)])


@pytest.mark.parametrize("read", [lambda rows: rows, Stream])
@pytest.mark.parametrize("by", [("round",), ("round", "agent")])
def test_rounds_of_different_problems_say_so(read, by):
    table = measure(read(other_problems()), ["pass@1", "accepted_share", "ece", "precision", "distinct_2_pool"], by=by)
    told = table["method"].str.contains("3 problems not in round 0, 1 problems of round 0 not here", regex=False)
    known = table["value"].notna()
    assert (told == (known & (table["round"] == 1))).all()
    assert (told & known).sum() >= 9
    assert not table[table["round"] != 1]["method"].str.contains("round 0").any()


def test_problems_are_compared_within_a_run_and_a_split():
    held = GOOD.assign(split="heldout", problem="h" + GOOD["problem"])
    table = measure(pd.concat([GOOD, held, GOOD.assign(run="b", problem="x")[:4]]), ["pass@1"])
    assert not table["method"].str.contains("problems").any() or "of round 0" not in " ".join(table["method"])
    pooled = measure(other_problems(), ["pass@1"], by=())
    assert "not in round" not in pooled["method"].iloc[0]  # one group: nothing is compared


def test_a_difference_of_rounds_counts_what_the_rounds_do_not_share():
    found = round_difference(other_problems(), "pass@1", 0, 1).iloc[0]
    assert found["n"] == 2
    assert "4 of 6 problems left out" in found["method"]
    ratio = round_difference(other_problems(), "precision", 0, 1).iloc[0]
    assert "4 of 6 problems in one of the two only" in ratio["method"]


# ── wishes ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wish", "part"),
    [
        ({"metrics": ["pass@0"]}, "got 'pass@0'; nearest: "),
        ({"metrics": ["pass@-1"]}, "got 'pass@-1'; nearest: "),
        ({"metrics": ["pass@2.5"]}, "got 'pass@2.5'; nearest: "),
        ({"metrics": ["pass@8\n"]}, "nearest: "),
        ({"metrics": ["maj@"]}, "nearest: 'maj@k'"),
        ({"metrics": ["vendy"]}, "nearest: 'vendi'"),
        ({"metrics": ["pass@8-0"]}, "nearest: "),
        ({"metrics": ["pass@0_change"]}, "got 'pass@0_change'; nearest: "),
        ({"metrics": [""]}, "got ''"),
        ({"metrics": "pass@1"}, "metrics is a list of names such as ['pass@1', 'answer_entropy'], got 'pass@1'"),
        ({"metrics": 5}, "metrics is a list of names"),
        ({"metrics": [7]}, "got 7 among them"),
        ({"metrics": [["pass@1"]]}, "metrics is a list of names"),
        ({"by": "round"}, "by is a list of names such as ('round',), got 'round'"),
        ({"by": None}, "by is a list of names"),
        ({"by": 5}, "by is a list of names"),
        ({"by": ("rond",)}, "rows lack column 'rond', which `by` names; nearest: 'round'"),
        ({"by": ("round", "difficulty")}, "rows lack column 'difficulty'"),
        ({"by": ("value",)}, "got 'value', a column of the metric table; rename it"),
        ({"level": 0}, "level must lie between 0 and 1"),
        ({"level": 1.0}, "level must lie between 0 and 1"),
        ({"level": math.nan}, "level must lie between 0 and 1"),
        ({"level": "high"}, "level must lie between 0 and 1"),
        ({"k": 0}, "k must be whole numbers ≥ 1"),
        ({"k": -3}, "k must be whole numbers ≥ 1"),
        ({"k": math.nan}, "k must be"),
        ({"k": "four"}, "k must be"),
        ({"k": [1, 2]}, "k must be"),
        ({"k": 10**12}, "k must be at most 999999999"),
        ({"embed": 7}, "embed must be"),
        ({"embed": lambda texts: [[math.nan]] * len(texts)}, "not finite"),
        ({"embed": lambda texts: [[1.0]]}, "one row a text"),
        ({"problems": 7}, "problems must be a table"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(wish, part):
    rows = GOOD.assign(response=GOOD["sample"].astype(str)) if "embed" in wish else GOOD
    assert part in refusal(rows, **wish) if "metrics" not in wish else part in refusal(rows, wish["metrics"])


def test_no_metric_at_all_is_refused():
    for none in ([], (), set()):
        with pytest.raises(KnobError, match="metrics is a list of names"):
            measure(GOOD, none)


def test_a_large_k_and_many_names_do_no_harm():
    table = measure(GOOD, ["pass@k", "maj@k", "best@k", "distinct_correct", "answer_entropy", "self_bleu"], k=10**9 - 1)
    assert set(table[table["value"].notna()]["metric"]) == {"pass@1", "pass@2", "pass@4"}
    assert len(measure(GOOD, ["pass@1"] * 1000)) == 2
    assert len(measure(GOOD, iter(["pass@1", "pass@2"]))) == 4


def test_a_run_whose_rounds_lack_columns_tells_so_too():
    table = measure(Stream(GOOD.drop(columns="gold")), ["pass@1", "vote_share"])
    assert table[table["metric"] == "pass@1"]["method"].str.contains("task.check").all()
    assert table[table["metric"] == "vote_share"]["value"].notna().all()
    assert "rows lack column 'rond'" in refusal(Stream(GOOD), by=("rond",))
    assert "lack column 'problem'" in refusal(Stream(GOOD.drop(columns="problem")))
    assert "'score' must be" in refusal(Stream(GOOD.assign(score=7.0)))
