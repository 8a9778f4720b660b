"""What an old map still says: worked out again by other means, on planted drift, with intervals that cover."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from siwork.figures import fig_calibration
from siwork.figures.table import tidy
from siwork.loop import Sizes, run
from siwork.metrics import measure, recalibration_drift, rows_behind
from siwork.recalibration import METHODS
from siwork.reporting.sketches import FURTHER, QUESTIONS, joined, of_run
from siwork.schema import KnobError, SchemaError


def graded(sharp=(2.0, 3.0, 5.0), problems=60, k=8, seed=0, name="a"):
    """Rounds whose score is σ(sharp · log-odds of the truth): each round's own temperature is `sharp`."""
    rng, parts = np.random.default_rng(seed), []
    for r, factor in enumerate(sharp):
        odds = rng.standard_normal((problems, k)) + rng.standard_normal((problems, 1))
        gold = (rng.random((problems, k)) < expit(odds)).ravel()
        table = pd.DataFrame({"problem": np.repeat([f"p{i}" for i in range(problems)], k), "gold": gold})
        parts.append(table.assign(score=expit(factor * odds).ravel(), round=r))
    rows = pd.concat(parts, ignore_index=True).assign(run=name, split="train")
    return rows.assign(sample=rows.groupby(["round", "problem"]).cumcount())


def line(table, r, kind):
    (found,) = table[(table["round"] == r) & (table["map"] == kind)].to_dict("records")
    return found


@pytest.mark.parametrize("method", METHODS)
def test_planted_drift_shows_in_the_old_map_alone(method):
    table = recalibration_drift(graded(problems=150), method)
    assert table["map"].tolist() == ["raw", "fixed", "own"] * 3
    last, first = line(table, 2, "fixed"), line(table, 0, "fixed")
    assert last["excess_low"] > 0
    assert last["ece2_low"] > 0
    assert line(table, 2, "own")["ece2"] < 0.003
    assert line(table, 2, "raw")["excess"] > last["excess"]
    assert (first["brier"], first["excess"]) == (line(table, 0, "own")["brier"], 0)
    assert pd.isna(first["excess_low"])
    assert last["excess"] == pytest.approx(last["brier"] - line(table, 2, "own")["brier"], abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_without_drift_the_old_map_is_as_good(method):
    table = recalibration_drift(graded((3.0, 3.0, 3.0), problems=150), method)
    for r in (1, 2):
        fixed = line(table, r, "fixed")
        assert abs(fixed["excess"]) < 0.004
        assert line(table, r, "raw")["excess_low"] > 0


def test_numbers_are_those_of_a_loop_with_scikit_learn():
    rows = graded(problems=40)
    table = recalibration_drift(rows, "platt", seed=5)
    names = sorted(rows["problem"].unique())
    fold = dict(zip(names, np.random.default_rng(5).permutation(40) % 5, strict=True))
    rows = rows.assign(fold=rows["problem"].map(fold), x=logit(np.clip(rows["score"], 1e-6, 1 - 1e-6)))
    for r, source in ((1, 1), (2, 2), (2, 0)):
        here = rows[rows["round"] == r].copy()
        for f in range(5):
            fit = rows[(rows["round"] == source) & (rows["fold"] != f)]
            n = np.bincount(fit["gold"].astype(int))
            part = np.where(fit["gold"], (n[1] + 1) / (n[1] + 2), 1 / (n[0] + 2))  # Platt's targets, as weights
            x, w = np.r_[fit["x"], fit["x"]], np.r_[part, 1 - part]
            y = np.repeat([1, 0], len(fit))
            model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x[:, None], y, sample_weight=w)
            here.loc[here["fold"] == f, "p"] = model.predict_proba(here.loc[here["fold"] == f, ["x"]].to_numpy())[:, 1]
        expected = float(((here["p"] - here["gold"]) ** 2).mean())
        assert line(table, r, "own" if source == r else "fixed")["brier"] == pytest.approx(expected, abs=1e-5)
        assert line(table, r, "raw")["brier"] == pytest.approx(float(((here["score"] - here["gold"]) ** 2).mean()))


def test_parameters_are_found_again_and_their_intervals_cover():
    hits = {"temperature": 0, "slope": 0, "offset": 0}
    for seed in range(150):
        rows = graded((3.0,), problems=40, k=4, seed=seed)
        own = line(recalibration_drift(rows, "temperature"), 0, "own")
        hits["temperature"] += own["temperature_low"] <= 3 <= own["temperature_high"]
        moved = rows.assign(score=expit(2 * logit(rows["score"]) / 3 + 0.5))  # odds = (x − 0.5)/2
        own = line(recalibration_drift(moved, "platt"), 0, "own")
        hits["slope"] += own["slope_low"] <= 0.5 <= own["slope_high"]
        hits["offset"] += own["offset_low"] <= -0.25 <= own["offset_high"]
    for name, hit in hits.items():
        assert 133 <= hit <= 150, name  # 0.95 of 150 is 142.5, three standard errors are 8


def test_labels_are_few_and_one_a_problem():
    rows = graded(problems=60)
    few, every = recalibration_drift(rows, "platt", labels=20), recalibration_drift(rows, "platt")
    assert set(few["labels"].dropna()) == {20}
    assert set(every["labels"].dropna()) == {480}
    assert set(recalibration_drift(rows, "platt", labels=500)["labels"].dropna()) == {60}
    assert line(few, 1, "own")["slope_high"] - line(few, 1, "own")["slope_low"] > 0.3
    assert line(few, 1, "own")["samples"] == 480


def test_the_order_of_rows_changes_nothing_and_unknown_is_null():
    rows = graded(problems=30)
    moved = rows.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(recalibration_drift(rows, "platt"), recalibration_drift(moved, "platt"), rtol=1e-6)
    blank = recalibration_drift(rows.assign(score=np.where(rows["round"] == 0, np.nan, rows["score"])), "platt")
    first, later = line(blank, 0, "own"), line(blank, 1, "fixed")
    assert pd.isna(first["brier"])
    assert first["method"] == "no sample has both score and known gold"
    assert pd.isna(later["brier"])
    assert "fewer than 2 labelled samples" in later["method"]


def test_a_temperature_at_its_end_has_no_interval():
    rows = graded((1.0,), problems=30)
    sure = recalibration_drift(rows.assign(score=np.where(rows["gold"], 0.9, 0.1)), "temperature")
    own = line(sure, 0, "own")
    assert own["temperature"] == pytest.approx(1 / 20)
    assert pd.isna(own["temperature_low"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "plat"}, "nearest: 'platt'"),
        ({"labels": 2}, "whole number ≥ 4, got 2; nearest: 4"),
        ({"first": 7}, "first must be a round of the rows, got 7"),
        ({"level": 1.5}, "level"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(given, words):
    with pytest.raises(KnobError) as caught:
        recalibration_drift(graded(problems=10), **given)
    assert words in str(caught.value)
    with pytest.raises(SchemaError, match="gold"):
        recalibration_drift(graded(problems=10).drop(columns="gold"))


# ── its picture ────────────────────────────────────────────────────────────────────────────────────────
def test_the_picture_has_the_numbers_of_the_table():
    table = recalibration_drift(graded(), "platt")
    figure = fig_calibration(table)
    drawn = {trace.customdata[0]["metric"]: trace for trace in figure.data if trace.customdata is not None}
    assert len(drawn) == 3 * 3 + 2
    for name, trace in drawn.items():
        _, column, kind = name.split("_")
        expected = table.loc[table["map"] == kind, column].to_numpy(float)
        np.testing.assert_allclose(trace.y, expected)
    assert {drawn[f"recal_{name}_fixed"].line.dash for name in ("brier", "excess", "ece2")} == {"dash"}
    titles = " ".join(note.text for note in figure.layout.annotations)
    assert "Line that each round needs (Platt)" in titles
    assert "Temperature" not in titles
    assert "Temperature" in " ".join(
        note.text for note in fig_calibration(recalibration_drift(graded(), "temperature")).layout.annotations
    )


def test_a_point_leads_to_its_rows():
    rows = graded(problems=12)
    rows.loc[3, "score"] = np.nan
    figure = fig_calibration(recalibration_drift(rows, "platt"))
    for trace in figure.data:
        for point in trace.customdata if trace.customdata is not None else ():
            found = rows_behind(rows, point)
            rounds = {point["round"]} | ({0} if "_fixed" in point["metric"] else set())
            expected = rows[rows["round"].isin(rounds) & rows["score"].notna()]
            assert len(found) == len(expected)
            assert set(found["round"]) == rounds


def test_the_page_draws_it_where_scores_are_graded(tmp_path):
    def pictures(verifier):
        formula = f"seed · cot(k=8) · {verifier} · correct · sft(steps=4)"
        made = run(
            formula,
            "countdown(numbers=3)",
            "tabular",
            rounds=2,
            problems=Sizes(30, 20, 0, 8),
            folder=tmp_path / verifier,
        )
        named = {name: of_run(make, made) for name, (make, _) in FURTHER.items()}
        drawn = QUESTIONS["verifier"].draw(tidy(measure(made)), lambda name: joined(name, {"a": named[name]}))
        return [each.sentence for each in drawn if each.sentence.startswith("How a recalibration")]

    (sentence,) = pictures("conf")
    assert "by the first round's map, against the round's own map, in round 1" in sentence
    assert pictures("gold") == []
