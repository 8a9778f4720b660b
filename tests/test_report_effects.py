"""What a method changed: the numbers by hand, paired by problem and seed."""

import numpy as np
import pytest
from scipy.stats import t as student

from siwork.loop import Sizes, run
from siwork.reporting.effects import change_of, effect_of, metrics_of
from siwork.schema import RunError, Unfinished
from siwork.store import Run, Writer

SIZES = Sizes(train=24, heldout=24, beyond=0, samples=8)
METRICS = ["pass@1", "pass@8", "distinct_correct", "tail_solve_rate"]


def played(recipe, folder, seeds=(0, 1, 2), sizes=SIZES):
    task = "countdown(numbers=3)"
    return [
        run(recipe, task, "tabular", rounds=2, problems=sizes, seed=seed, folder=folder / f"{len(recipe)}-s{seed}")
        for seed in seeds
    ]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return played("vanilla", tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return played("seed · cot · sft", tmp_path_factory.mktemp("own"))


def truth(run, r):
    """Right samples by problem in a round, held-out."""
    rows = run.rows([r], ["problem", "gold"], "heldout")
    return rows.assign(gold=rows["gold"].astype(float)).groupby("problem")["gold"].mean()


def with_t(values, level):
    """Mean and t interval."""
    values = np.asarray(values, float)
    half = student.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [values.mean(), values.mean() - half, values.mean() + half]


def test_the_metrics_are_few_and_fixed(given):
    assert metrics_of(given) == METRICS
    assert metrics_of(given, calibration=True) == [*METRICS, "proxy_gold_gap"]


def test_one_sample_a_problem_has_one_pass_at_k(tmp_path):
    alone = played("vanilla", tmp_path, seeds=(0,), sizes=Sizes(train=8, heldout=8, beyond=0, samples=1))
    assert metrics_of(alone) == ["pass@1", "distinct_correct", "tail_solve_rate"]


def test_a_method_against_another_is_paired_and_adjusted(given, own):
    table = effect_of(given, own, METRICS)
    row = table.set_index("metric").loc["pass@1"]
    each = [(truth(b, 2) - truth(a, 2)).mean() for a, b in zip(given, own, strict=True)]
    assert row[["value", "low", "high"]].tolist() == pytest.approx(with_t(each, 1 - 0.05 / 4))
    assert row[["least", "most"]].tolist() == pytest.approx([min(each), max(each)])
    levels = [np.mean([truth(one, r).mean() for one in runs]) for runs, r in ((own, 0), (given, 2), (own, 2))]
    assert row[["base", "given", "own"]].tolist() == pytest.approx(levels)
    assert row[["seeds", "n", "level", "comparisons"]].tolist() == [3, 24, 0.95, 4]
    assert table["metric"].tolist() == METRICS


def test_both_begin_with_the_same_policy_and_luck(given, own):
    assert effect_of(given, own, METRICS)["base"].tolist() == pytest.approx(change_of(given, METRICS)["base"].tolist())


def test_a_change_since_the_base_is_paired_and_adjusted(given):
    table = change_of(given, METRICS)
    row = table.set_index("metric").loc["pass@1"]
    each = [(truth(one, 2) - truth(one, 0)).mean() for one in given]
    assert row[["value", "low", "high"]].tolist() == pytest.approx(with_t(each, 1 - 0.05 / 4))
    assert row["given"] == row["base"]
    assert (table["own"] - table["base"]).tolist() == pytest.approx(table["value"].tolist())


def test_what_cannot_be_known_says_why_and_costs_no_width(given, own):
    wide = effect_of(given, own, [*METRICS, "proxy_gold_gap"])
    assert wide.equals(wide.assign(comparisons=4))
    row = wide.set_index("metric").loc["proxy_gold_gap"]
    assert row[["base", "own", "value", "low", "high"]].isna().all()
    assert "score" in row["method"]
    alone = change_of(own, ["pass@1", "proxy_gold_gap"])
    assert alone["comparisons"].tolist() == [1, 1]
    assert alone["value"].isna().tolist() == [False, True]


def test_what_a_verifier_flatters_is_compared_with_round_0_of_its_own_runs(given, tmp_path):
    """The others' verifier is another one, so nothing can be said against them."""
    judged = played("seed · cot · noisy(0.4, 0.0) · correct · sft", tmp_path)
    table = effect_of(given, judged, ["pass@1", "proxy_gold_gap"]).set_index("metric")
    gap, other = table.loc["proxy_gold_gap"], effect_of(judged, given, ["pass@1", "proxy_gold_gap"]).set_index("metric")
    each = []
    for one in judged:
        ends = [one.rows([r], ["problem", "score", "gold"], "heldout") for r in (0, 2)]
        flattery = [
            (rows["score"].astype(float) - rows["gold"].astype(float)).groupby(rows["problem"]).mean() for rows in ends
        ]
        each.append((flattery[1] - flattery[0]).mean())
    assert gap[["value", "low", "high"]].tolist() == pytest.approx(with_t(each, 1 - 0.05 / 2))
    assert gap["given"] == gap["base"] > 0.1
    assert table["comparisons"].tolist() == [2, 2]
    assert other.loc["proxy_gold_gap", "value"] == 0  # gold against itself in round 0
    assert not any(word in gap["conclusion"] for word in ("better", "worse"))
    assert table.loc["pass@1", ["low", "high"]].tolist() == pytest.approx(
        [-end for end in other.loc["pass@1", ["high", "low"]]]
    )


def test_runs_that_do_not_pair_or_are_not_finished_are_refused(given, own, tmp_path):
    with pytest.raises(RunError, match="No seed is in both"):
        effect_of(given[:1], own[1:], METRICS)
    with Writer(played("vanilla", tmp_path, seeds=(7,))[0].folder) as writer:
        writer.extend(3)
        place = writer.folder
    with pytest.raises(Unfinished, match="siwork resume"):
        change_of([Run(place)], METRICS)
