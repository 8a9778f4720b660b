"""Every metric against the truth: the shipped table keeps its word, and a smaller sample of its rows says so again."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from siwork.metrics.catalogue import DEFAULT, metric_of

FOLDER = Path(__file__).parent.parent / "data" / "intervals"
TABLE = pd.read_csv(FOLDER / "catalogue.csv")
KEYS = ["metric", "band", "population", "problems", "samples"]
WITHOUT = {
    "ece",
    "ece_floor",
    "accepted_gini_floor",
    "samples_drawn",
}  # expected, biased or counted: no interval anywhere
AGAIN = [  # a population and design, and the metrics that are measured of it again
    (
        "countdown mid",
        50,
        16,
        ["pass@4", "maj@4", "distinct_correct", "answer_entropy", "token_entropy", "unparsed_rate"],
    ),
    ("countdown mid", 200, 4, ["accept_rate", "accepted_share", "accepted_gini", "log_head_tail", "tail_share"]),
    ("countdown mid, graded flattering", 50, 16, ["precision", "auroc", "brier_skill", "kappa", "best@4"]),
    ("countdown mid, binary flattering", 50, 16, ["ece2_debiased", "average_precision", "dead_groups"]),
    ("countdown mid", 50, 64, ["right_variety", "mode_share"]),
    ("countdown mid → countdown later, found again", 50, 4, ["support_kept"]),
    ("long responses", 50, 16, ["length_95"]),
    ("countdown mid → countdown later", 50, 4, ["pass@1", "accepted_share", "support_kept", "tail_share"]),
    ("seeds of countdown mid", 5, 8, ["pass@1_change"]),
]


@pytest.fixture(scope="module")
def study():
    """The script that made the table; its folder is no package."""
    sys.path.insert(0, str(FOLDER))
    import catalogue
    import plan

    yield catalogue, plan.jobs()
    sys.path.remove(str(FOLDER))


def test_the_table_holds_every_row_once(study):
    _, jobs = study
    assert not TABLE.duplicated(KEYS).any()
    assert (TABLE["runs"] >= 1000).all()
    wanted = {(name, job.title, job.design.problems, job.design.samples) for job in jobs for name in job.metrics}
    assert wanted == set(TABLE[["metric", *KEYS[2:]]].itertuples(index=False, name=None))


def test_intervals_that_are_offered_cover():
    offered = TABLE[TABLE["offered"] >= 0.5]
    assert len(offered) > 250
    assert offered["coverage"].between(0.93, 0.97).all(), offered[~offered["coverage"].between(0.93, 0.97)]


def test_bounds_miss_at_most_what_the_level_allows():
    assert (TABLE["bounds_missed"] <= 0.05).all()


def test_unbiased_estimators_are_unbiased():
    means = TABLE[TABLE["unbiased"]]
    assert len(means) > 150
    # where all runs but a few are all right (or all wrong), the error of the mean is that of rare events
    slack = 3 / means["runs"] / np.sqrt(means["problems"])
    assert (means["bias"].abs() <= 3 * means["bias_se"] + slack * (means["bias_se"] < 1e-4)).all()


def test_what_shows_an_interval_by_default_is_in_the_table():
    shown = {name for name in DEFAULT if name not in WITHOUT and name != "pass@k" and not name.endswith("_change")}
    assert shown <= set(TABLE["metric"])
    for name in WITHOUT & set(TABLE["metric"]):
        assert (TABLE.loc[TABLE["metric"] == name, "offered"] == 0).all()
    assert all(metric_of(name.removesuffix("_change")) for name in TABLE["metric"])


@pytest.mark.parametrize(("title", "problems", "samples", "metrics"), AGAIN, ids=lambda x: str(x))
def test_rows_again(study, title, problems, samples, metrics):
    script, jobs = study
    here = [job for job in jobs if (job.title, job.design.problems, job.design.samples) == (title, problems, samples)]
    job = next(job for job in here if set(metrics) <= set(job.metrics))._replace(metrics=metrics)
    runs = 1000
    found = script.collect(job, metrics, np.random.default_rng(3), runs)
    truths = job.truths()
    for (name, band), (value, low, high, method) in found.items():
        held = TABLE[(TABLE["metric"] == name) & (TABLE["population"] == title) & (TABLE["problems"] == problems)]
        held = held[held["samples"] == samples]
        row = held[held["band"].isna() if band < 0 else held["band"] == band].iloc[0]
        truth = truths[name][0]
        if truth is not None:
            assert truth[max(int(band), 0)] == pytest.approx(row["truth"], rel=2e-3, abs=1e-6)
        bound = np.array([script.is_bound(word) for word in method])
        given = ~np.isnan(low) & ~bound
        assert given.mean() == pytest.approx(row["offered"], abs=0.02 + 4 * np.sqrt(0.25 / runs))
        hits = int(((low <= row["truth"]) & (row["truth"] <= high))[given].sum())
        if given.sum() >= 200:  # within what chance leaves to so few runs
            expected, n = min(row["coverage"], 0.999), int(given.sum())
            assert binom.ppf(1e-4, n, expected - 0.01) <= hits <= binom.isf(1e-4, n, min(expected + 0.01, 0.999))
        known = ~np.isnan(value)
        error = 4.5 * value[known].std() / np.sqrt(known.sum())
        assert abs(value[known].mean() - row["truth"] - row["bias"]) <= error + 5 * row["bias_se"]
