"""The measured half of a card: what ships is well-formed, and the words say no more than the table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.cli.catalogue import card_of
from siwork.measured import COLUMNS, Card, as_csv, from_csv, in_full, in_short, methods_measured
from siwork.recipes import RECIPES, recipe_of

WHOLE = "seed(n=0) · cot(k=16) · sft(rate=1.0)"
CARD = Card("east", "seed · cot · sft", "expr", "DT", WHOLE.replace("k=16", "k=16, temperature=1.0"))
ROW = {
    "name": "east", "formula": "seed · cot · sft", "task": "expr", "policy": "tiny", "rounds": 3, "problems": "problems(train=9)",
    "seed": 0, "reference": "seed · cot · gold · correct · sft", "metric": "pass@1", "unit": "", "base": 0.5, "given": 0.4,
    "own": 0.45, "value": 0.05, "low": -0.01, "high": 0.11, "least": 0.0, "most": 0.1, "seeds": 5, "n": 60, "level": 0.95,
    "comparisons": 4, "samples": 2400.0, "given_samples": 1600.0, "seconds": 3.0, "given_seconds": 2.0,
    "conclusion": "do not conclude", "method": "seeds: t, S=5", "version": "0.1.0", "whole": WHOLE, "why": None,
}  # fmt: skip


def table(*changes):
    return pd.DataFrame([ROW | each for each in changes], columns=list(COLUMNS))


def test_a_line_tells_pass_at_1_what_the_method_is_about_and_the_cost():
    several = table(
        {},
        {"metric": "pass@16", "value": 0.2},
        {"metric": "tail_solve_rate", "value": -0.03, "low": -0.05, "high": -0.01},
        {"metric": "distinct_correct", "value": 1.5, "low": 1.0, "high": 2.0},
    )
    told = (
        "pass@1 +0.050 [−0.010, +0.110], distinct_correct +1.50 [+1.00, +2.00], tail_solve_rate −0.030 [−0.050, −0.010]"
    )
    assert in_short(CARD, several) == f"{told}; 1.50 × samples, 1.5 × seconds"
    assert (
        in_short(CARD._replace(shows="C"), several) == "pass@1 +0.050 [−0.010, +0.110]; 1.50 × samples, 1.5 × seconds"
    )


def test_a_card_tells_every_metric_the_setting_and_why_one_is_unknown():
    unknown = {
        "metric": "proxy_gold_gap",
        "value": np.nan,
        "low": np.nan,
        "high": np.nan,
        "method": "rows lack a score",
    }
    lines = list(in_full(CARD, table({}, unknown)))
    assert lines[0] == (
        "pass@1            +0.050 [−0.010, +0.110]  (0.400 there, 0.450 here, 0.500 in round 0)  do not conclude"
    )
    assert lines[1] == "proxy_gold_gap    unknown: rows lack a score"
    assert lines[2] == "1.50 × samples, 1.5 × seconds a round (2400 and 1600 samples, 3.0 and 2.0 s)"
    assert "against seed · cot · gold · correct · sft" in lines[3]
    assert lines[4].startswith("tiny with expr, problems(train=9), 5 seeds from 0, siwork 0.1.0; ")


def test_vanilla_is_told_against_its_own_base():
    alone = table({"reference": None, "given": 0.5, "given_samples": np.nan, "given_seconds": np.nan})
    assert in_short(CARD, alone) == "since round 0: pass@1 +0.050 [−0.010, +0.110]; 2400 samples and 3.0 s a round"
    assert "(0.500 → 0.450)" in next(in_full(CARD, alone))


def test_what_a_verifier_flatters_is_told_against_round_0_of_the_method():
    gap = {"metric": "proxy_gold_gap", "reference": None, "base": 0.1, "given": 0.1, "own": 0.15}
    lines = table({}, gap)
    assert "proxy_gold_gap +0.050 [−0.010, +0.110] since round 0; 1.50" in in_short(CARD._replace(shows="C"), lines)
    fewer = in_short(CARD._replace(shows="C"), table({}, gap | {"n": 51}))
    assert "[−0.010, +0.110] since round 0 (51 of 60 problems); 1.50" in fewer
    assert list(in_full(CARD, lines))[1].endswith("+0.110] since round 0  (0.100 → 0.150)  do not conclude")


def test_a_difference_without_an_interval_says_so_unless_nothing_differed():
    bare = {"low": np.nan, "high": np.nan}
    assert "pass@1 +0.050 [none];" in in_short(CARD, table(bare))
    assert "pass@1 +0.000;" in in_short(CARD, table(bare | dict.fromkeys(("value", "least", "most"), 0.0)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "star"}, "not measured"),
        ({"formula": "seed · cot(k=8) · sft"}, "measured with another formula"),
        ({"task": "add"}, "measured on another task"),
        ({"whole": "seed(n=0) · cot(k=16) · sft(rate=0.5)"}, "measured with other defaults of its knobs"),
        ({"why": "needs a prompted model"}, "not measured: needs a prompted model"),
    ],
)
def test_what_was_not_measured_has_words_and_no_numbers(changes, words):
    assert in_short(CARD, table(changes)) == words
    assert list(in_full(CARD, table(changes))) == [words]


numbers = st.none() | st.floats(-1e6, 1e6, allow_subnormal=False)
texts = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)


@given(st.lists(st.fixed_dictionaries({"value": numbers, "low": numbers, "method": texts, "why": texts}), min_size=1))
def test_a_table_is_read_as_it_was_written(rows):
    found = from_csv(as_csv(table(*rows)))
    assert list(found.columns) == list(COLUMNS)
    for there, row in zip(found.to_dict("records"), rows, strict=True):
        for name in ("method", "why"):
            assert row[name] is None if pd.isna(there[name]) else there[name] == row[name]
        for name in ("value", "low"):
            assert pd.isna(there[name]) if row[name] is None else there[name] == pytest.approx(row[name], rel=1e-4)


# ── what ships ─────────────────────────────────────────────────────────────────────────────────────────

SHIPPED = methods_measured()


def test_the_table_that_ships_is_of_methods_of_the_catalogue_in_one_setting():
    assert set(SHIPPED["name"]) <= set(RECIPES)
    assert "vanilla" in set(SHIPPED["name"])
    known = SHIPPED[SHIPPED["why"].isna()]
    for name in ("policy", "rounds", "problems", "seed", "seeds", "level"):
        assert known[name].nunique() == 1, name
    assert set(known["policy"]) == {"tiny"}
    assert not known.duplicated(["name", "metric"]).any()
    assert SHIPPED[SHIPPED["why"].notna()]["name"].is_unique


def test_its_numbers_hang_together():
    known = SHIPPED[SHIPPED["why"].isna()]
    for name, own in known.groupby("name"):
        there = own[own["value"].notna()]
        assert set(own["comparisons"]) == {len(there)}, name
        assert {"pass@1", "distinct_correct", "tail_solve_rate"} <= set(there["metric"]), name
        assert ("proxy_gold_gap" in set(own["metric"])) == ("C" in RECIPES[name].shows), name
        since_base = (own["metric"] == "proxy_gold_gap") | (name == "vanilla")
        assert (own["reference"].isna() == since_base).all(), name
    there = known[known["value"].notna()]
    # a problem without a score in one round is in the level of the other, and not in the difference
    paired = there[(there["metric"] != "proxy_gold_gap") | (there["n"] == there["n"].max())]
    others = there.drop(
        paired.index
    )  # a difference of levels is off by at most what the missing ones could add, in −1 … 1
    off = (others["own"] - others["given"] - others["value"]).abs()
    assert (off <= 2 * (1 - others["n"] / 60)).all()
    assert len(paired) > 0.95 * len(there)
    digits = 1e-4 * paired[["own", "given", "value"]].abs().max(axis=1)  # five of them are kept
    assert ((paired["own"] - paired["given"] - paired["value"]).abs() <= digits).all()
    slack = 1e-4 * there["value"].abs() + 1e-9
    assert ((there["least"] <= there["value"] + slack) & (there["value"] <= there["most"] + slack)).all()
    ends = there.dropna(subset=["low"])
    assert ((ends["low"] <= ends["value"]) & (ends["value"] <= ends["high"])).all()


def test_both_sides_drew_about_as_many_samples():
    beside = SHIPPED[SHIPPED["reference"].notna()]
    ratio = beside["samples"] / beside["given_samples"]
    assert ratio.between(0.6, 1.6).all()  # k is a whole number, and that of the first seed
    assert (beside[["seconds", "given_seconds"]] > 0).all(axis=None)


@pytest.mark.parametrize("name", RECIPES)
def test_every_method_has_a_card(name):
    own = SHIPPED[SHIPPED["name"] == name]
    told = in_short(card_of(name))
    if own.empty or own["why"].notna().any():
        assert told.startswith("not measured")
    elif own["formula"].iloc[0] != str(recipe_of(name)):
        assert told == "measured with another formula"
    else:
        assert f"{own['value'].iloc[0]:+.3f}".replace("-", "−") in told
    assert next(in_full(card_of(name)))
