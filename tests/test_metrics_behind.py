"""`rows_behind`: the rows behind every point of every figure give the number that is drawn there."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from labelled_runs import labelled_run
from made import made_run
from metric_rows import frame, many_rows
from rounds_made import rows_of
from siwork.figures import fig_calibration, fig_collapse, fig_curves, fig_diversity, fig_tail
from siwork.metrics import (
    ledger,
    lorenz_table,
    measure,
    over_seeds,
    parting,
    reliability_table,
    rows_behind,
    support_table,
    vote_table,
)
from siwork.metrics.catalogue import METRICS
from siwork.schema import KEY, Foreign, KnobError, SchemaError, Unfinished
from siwork.store import Runs


def drawn(figure):
    """Each point with the number that is drawn there, of marks that stand for rows."""
    for trace in figure.data:
        if trace.customdata is not None:
            for point, y in zip(trace.customdata, trace.y, strict=True):
                if y is not None and not math.isnan(y):
                    yield point, abs(float(y)) if "lost" in point.get("kind", "") else float(y)  # drawn below 0


def macro(rows, column):
    return rows.groupby("problem")[column].apply(lambda x: x.astype(float).mean()).mean()


def accepted(rows):
    return (rows["weight"] > 0).sum()


BY_HAND = {  # metric: its number from the rows behind it alone
    "pass@1": lambda rows: macro(rows, "gold"),
    "mean_score": lambda rows: macro(rows, "score"),
    "mean_gold": lambda rows: macro(rows, "gold"),
    "mean_tokens": lambda rows: macro(rows, "n_tokens"),
    "token_entropy": lambda rows: macro(rows, "entropy"),
    "unfinished_rate": lambda rows: 1 - macro(rows, "finished"),
    "proxy_gold_gap": lambda rows: macro(rows.assign(gap=rows["score"] - rows["gold"].astype(float)), "gap"),
    "accept_rate": lambda rows: accepted(rows) / len(rows),
    "precision": lambda rows: rows["gold"].astype(float).mean(),
    "false_positive_rate": lambda rows: (rows["score"] >= 0.5).mean(),
    "false_negative_rate": lambda rows: (rows["score"] < 0.5).mean(),
    "accepted_coverage": lambda rows: (rows.groupby("problem")["weight"].max() > 0).mean(),
    "tail_coverage": lambda rows: (rows.groupby("problem")["weight"].max() > 0).mean(),
    "reliability": lambda rows: rows["gold"].astype(float).mean(),
}


STATES = ("gained", "lost", "kept", "never")


def number(rows, whole, point, k):
    """The number of a point from its rows; a share from those of its part and of the whole."""
    metric, kind = point["metric"], point.get("kind")
    if metric in BY_HAND:
        return BY_HAND[metric](rows)
    if metric == "accepted_share":
        return rows["weight"].sum() / whole["weight"].sum()
    if metric == "problem_share":
        return rows["problem"].nunique() / whole["problem"].nunique()
    if metric == "lorenz":
        return accepted(rows) / accepted(whole)
    if metric == "ledger":
        return rows["problem"].nunique() if kind in STATES else ledger(rows)[kind].iloc[0]
    if metric == "vote":
        return vote_table(rows, by=()).pipe(lambda t: (t["gold"] * t["problems"]).sum() / t["problems"].sum())
    if metric == "lost":
        return len(rows[["problem", "answer"]].drop_duplicates())
    if metric in ("tail_mass", "expected_lost"):
        return support_table(rows, first=point["first"])[metric].iloc[-1]
    if metric in ("score", "gold", "index"):
        return parting(rows, first=point["first"])[metric].iloc[-1]
    found = measure(rows, [metric], k=k)
    return found.loc[found["round"] == point["round"], "value"].iloc[0]


def check_points(figure, source, k, runs=None, done=None, but=()):
    """Every point of a figure that is not done yet; gives the metrics that it shows."""
    done = {} if done is None else done
    for point, y in drawn(figure):
        key = tuple(point.items())
        if point["metric"] in but or done.get(key) == y:
            continue
        done[key] = y
        rows = rows_behind(source, point, runs)
        if y == count(rows, point) and y >= 1:  # a bar that counts
            continue
        shares = {"share": 1.0} if "share" in point else {}
        without = {name: x for name, x in point.items() if name not in ("band", "kind")}
        whole = rows_behind(source, without | shares, runs) if {"band", "share"} & {*point} else None
        assert number(rows, whole, point, k) == pytest.approx(y, abs=1e-9), point
    return {dict(key)["metric"] for key in done}


def count(rows, point):
    return rows["problem"].nunique() if point["metric"] == "vote" else len(rows)


@pytest.fixture(scope="module")
def labelled_source(tmp_path_factory):
    return labelled_run(tmp_path_factory.mktemp("runs") / "hacked-s0", "hackable-verifier")


@pytest.fixture(scope="module")
def labelled_table(labelled_source):
    return measure(labelled_source)


def samples(source):
    rows = source.rows(0)
    return int(rows.groupby(["split", "problem"]).size().min())


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_point_of_the_metric_table_of_a_run_folder(labelled_source, labelled_table, split):
    table = labelled_table[labelled_table["round"].isin([0, 3])]
    k, done = samples(labelled_source), {}
    binned = ("ece", "ece_floor", "compression_ratio")  # on the ground of all rounds
    for draw in (fig_curves, fig_diversity, fig_tail, fig_calibration, fig_collapse):
        found = check_points(draw(table, split=split), labelled_source, k, done=done, but=binned)
    assert found >= {
        "pass@1",
        "pass@8",
        "distinct_correct",
        "right_variety",
        "vendi",
        "mean_score",
        "mode_share",
        "rep_4",
    }
    assert split == "heldout" or found >= {"accepted_share", "problem_share", "accepted_coverage", "precision"}


def few(rows, split):
    """Rows of two rounds of up to thirty problems, so that a Lorenz curve has a point a problem."""
    names = sorted(set(rows.loc[rows["split"] == split, "problem"]))[:30]
    return rows[(rows["split"] == split) & rows["problem"].isin(names) & rows["round"].isin([0, 4])]


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_point_of_the_other_tables(labelled_source, split):
    rows = few(labelled_source.rows(), split)
    tables = {
        fig_tail: [ledger(rows), *([lorenz_table(rows)] if split == "train" else [])],
        fig_calibration: [
            reliability_table(rows),
            reliability_table(rows, by=()),
            vote_table(rows),
            vote_table(rows, by=()),
        ],
        fig_collapse: [support_table(rows), parting(rows)],
    }
    done = {}
    for draw, several in tables.items():
        for table in several:
            found = check_points(draw(table, split=split), rows, samples(labelled_source), done=done)
    wanted = {"ledger", "reliability", "vote", "tail_mass", "lost", "expected_lost", "score", "gold", "index"}
    assert found == wanted | ({"lorenz", "accepted_gini", "accepted_gini_floor"} if split == "train" else set())


def test_words_that_are_lost_stand_in_the_rows_of_the_first_round():
    texts = [np.array([["a b", "a c"], ["a d", "a b"]]), np.array([["a b", "a b"], ["a d", "a a"]])]
    rows = rows_of([np.ones((2, 2), bool)] * 2, response=texts).assign(run="a")
    (found,) = [x for x in drawn(fig_collapse(support_table(rows, of="token"))) if x[0]["metric"] == "lost"]
    assert found == ({**found[0], "round": 1, "kind": "word", "first": 0}, 1.0)
    assert rows_behind(rows, found[0])["response"].tolist() == ["a c"]
    every = rows_behind(rows, found[0] | {"metric": "expected_lost"})
    assert (
        support_table(every, of="token")["expected_lost"].tolist()[1:]
        == support_table(rows, of="token")["expected_lost"].tolist()[1:]
    )


def wild(seed=3):
    """Everything at once: hints, revisions, pairs, steps, nulls; two rounds."""
    return frame(many_rows(seed, problems=30, samples=6, rounds=2, scores="tenths"))


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_each_metric_of_the_catalogue_is_found_again_from_its_rows(metric):
    rows = wild()
    table = measure(rows, [metric])
    for row in table[table["value"].notna()].to_dict("records"):
        point = {name: row[name] for name in ("run", "round", "split", "metric", "k", "band") if not pd.isna(row[name])}
        behind = rows_behind(rows, point)
        if metric in ("accepted_share", "problem_share"):
            whole = rows_behind(rows, {name: x for name, x in point.items() if name != "band"})
            assert number(behind, whole, point, 6) == pytest.approx(row["value"])
            continue
        both = [behind, rows_behind(rows, point | {"round": 1 - row["round"]})]  # bins and lengths are common to rounds
        again = measure(pd.concat(both).drop_duplicates(KEY), [metric], k=6)
        again = again[(again["round"] == row["round"]) & (again["band"].isna() | (again["band"] == row["band"]))]
        assert again["value"].iloc[0] == pytest.approx(row["value"], abs=1e-9), point


def test_one_row_more_or_less_is_another_number():
    rows = wild()
    known = rows["gold"].notna() & rows["score"].notna()
    plain = (rows["turn"] == 0) & (rows["hint"] == "none")
    here = (rows["round"] == 1) & (rows["split"] == "train")
    wanted = {
        "pass@1": plain & rows["gold"].notna(),
        "mean_gold": rows["gold"].notna(),
        "precision": rows["gold"].notna() & (rows["score"] >= 0.5),
        "false_negative_rate": rows["gold"].notna() & rows["gold"].fillna(False),
        "proxy_gold_gap": known,
        "token_entropy": plain & rows["entropy"].notna(),
        "accept_rate": rows["round"] == 1,
        "tail_share": rows["weight"] > 0,
        "samples_kept": rows["weight"] > 0,
    }
    for metric, mask in wanted.items():
        found = rows_behind(rows, {"run": "a", "round": 1, "split": "train", "metric": metric})
        pd.testing.assert_frame_equal(found, rows[here & mask.fillna(False)].reset_index(drop=True))


def test_a_change_has_the_rows_of_both_rounds_of_the_problems_that_both_have():
    rows = wild()
    rows = rows[~((rows["round"] == 1) & (rows["problem"] == "p003"))]
    table = measure(rows, ["pass@1_change", "precision_change"])
    for row in table.to_dict("records"):
        found = rows_behind(rows, {name: row[name] for name in ("run", "round", "split", "metric")})
        assert set(found["round"]) == {0, 1}
        again = measure(found, [row["metric"]])
        assert again["value"].iloc[0] == pytest.approx(row["value"])
        if row["metric"] == "pass@1_change":
            assert "p003" not in set(found["problem"])


def test_a_group_has_the_rows_of_all_its_runs(tmp_path):
    runs = [made_run(tmp_path / f"star-s{seed}", seed=seed) for seed in range(3)]
    names = {run.name: "star" for run in runs}
    table = over_seeds(measure(Runs(runs)), group=names)
    figure = fig_curves(table, metrics=["pass@1", "pass@k", "mean_score"])
    groups = {"star": list(names)}
    points = [(point, y) for point, y in drawn(figure) if point["metric"] in ("pass@1", "mean_score", "mean_gold")]
    assert len(points) == 3 + 3 + 2 * 2  # pass@1 is in the fan, too; the closing round has no train rows
    for point, y in points:
        rows = rows_behind(Runs(runs), point, groups)
        assert set(rows["run"]) == set(names)
        assert np.mean([BY_HAND[point["metric"]](own) for _, own in rows.groupby("run")]) == pytest.approx(y)


def test_only_the_rounds_that_matter_are_read(tmp_path):
    run = made_run(tmp_path / "star-s0")
    (run.folder / "rounds" / "0001" / "rows.parquet").write_bytes(b"broken")
    point = {"run": run.name, "round": 2, "split": "heldout", "metric": "pass@1"}
    assert len(rows_behind(run, point)) == 20
    assert set(rows_behind(run, point | {"metric": "support_kept"})["round"]) == {0, 2}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"split": "held"}, "nearest: 'heldout'"),
        ({"metric": "pas@1"}, "nearest: 'pass@"),
        ({"run": "star"}, "valid: a"),
        ({"round": 7}, "round must be a round of the rows, got 7; they have 0, 1"),
        ({"metric": None}, "this lacks metric"),
    ],
)
def test_a_point_that_is_nowhere_is_named(changed, says):
    point = {"run": "a", "round": 0, "split": "train", "metric": "pass@1"} | changed
    with pytest.raises(KnobError, match=says):
        rows_behind(wild(), {name: x for name, x in point.items() if x is not None})


def test_a_run_folder_says_what_the_store_says(tmp_path):
    run = made_run(tmp_path / "star-s0")
    point = {"run": run.name, "round": 9, "split": "heldout", "metric": "pass@1"}
    with pytest.raises(Unfinished, match="round 9"):
        rows_behind(run, point)
    with pytest.raises(KnobError, match="run must be that of the source"):
        rows_behind(run, point | {"run": "other"})
    with pytest.raises(Foreign, match="'other'"):
        rows_behind(Runs([run]), point | {"run": "other"})
    with pytest.raises(SchemaError, match="a run or a row table is needed, got int"):
        rows_behind(3, point)
    with pytest.raises(SchemaError, match="rows lack column 'split'"):
        rows_behind(run.rows().drop(columns="split"), point)


@pytest.mark.parametrize("metric", ["accept_rate", "pass@1", "precision"])
def test_behind_an_unknown_number_there_is_no_row(metric):
    rows = wild().assign(gold=None, score=None)
    point = {"run": "a", "round": 0, "split": "heldout", "metric": metric}
    assert rows_behind(rows, point).empty
