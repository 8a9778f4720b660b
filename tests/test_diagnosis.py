"""Verdicts: states, onset, the last good round, the chance of a false alarm, and what is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import siwork
from siwork.clinic import labelled
from siwork.diagnosis import NAMES, QUESTIONS, STATES, Bounds, alarmed_at, diagnose, judge
from siwork.diagnosis.series import Index, series_of
from siwork.diagnosis.signs import Sign
from siwork.metrics import measure, over_seeds
from siwork.schema import KnobError, SchemaError

BASE = {"run": "a", "split": "heldout", "unit": "", "n": 100, "method": "mean"}


def table(metric: str, values: list[float], half: float = 0.03, changes: bool = True, **more: object) -> pd.DataFrame:
    """A metric table of one metric over rounds, with its paired changes of that half-width."""
    level = [
        BASE | {"round": r, "metric": metric, "value": v, "low": v - 0.1, "high": v + 0.1} for r, v in enumerate(values)
    ]
    moved = [
        BASE
        | {"round": r, "metric": f"{metric}_change", "value": v - values[0], "low": v - values[0] - half}
        | {"high": v - values[0] + half}
        for r, v in enumerate(values)
        if r
    ]
    return pd.DataFrame([row | more for row in (level + moved if changes else level)])


# ── states ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("values", "half", "state"),
    [
        ([0.6, 0.61, 0.6, 0.62], 0.03, "fine"),
        ([0.6, 0.6, 0.57, 0.56], 0.01, "watch"),  # half the bound beyond doubt
        ([0.6, 0.6, 0.6, 0.54], 0.06, "watch"),  # all of it by the estimate
        ([0.6, 0.6, 0.4, 0.3], 0.03, "alarm"),
        ([0.6, 0.6, 0.3, 0.6], 0.03, "watch"),  # gone back
        ([0.6, 0.6, 0.6, 0.58], 0.15, "unknown"),  # as much as the bound cannot be excluded
    ],
)
def test_the_state_follows_the_interval(values: list[float], half: float, state: str) -> None:
    assert diagnose(table("pass@1", values, half)).of("collapse").state == state


def test_every_verdict_is_given_and_what_is_not_measured_is_unknown() -> None:
    found = diagnose(table("pass@1", [0.6, 0.6, 0.6]))
    assert [v.name for v in found] == list(NAMES)
    assert found.of("reward_hacking").state == "unknown"
    assert "proxy_gold_gap" in found.of("reward_hacking").seen
    assert found.of("reward_hacking").value != found.of("reward_hacking").value


def test_a_change_without_any_difference_is_fine() -> None:
    rows = table("false_positive_rate", [0.0, 0.0, 0.0], split="train")
    same = rows["metric"].str.endswith("_change")
    rows = rows.assign(low=rows["low"].where(~same), high=rows["high"].where(~same))
    rows.loc[same, "method"] = "no interval: no problem differs"
    assert diagnose(rows).of("verifier_calibration").state == "fine"


def test_few_problems_that_move_alike_are_no_certainty() -> None:
    rows = plain(problems=3, rounds=2).assign(gold=lambda own: own["round"] == 0)  # all right, then all wrong
    assert diagnose(measure(rows)).of("collapse").state != "alarm"
    still = plain(problems=3, rounds=2).assign(gold=True)
    assert diagnose(measure(still)).of("collapse").state == "unknown"


def test_a_value_without_interval_never_alarms() -> None:
    rows = table("pass@1", [0.9, 0.1, 0.1]).assign(low=np.nan, high=np.nan)
    assert diagnose(rows).of("collapse").state == "watch"


def test_without_pairs_errors_are_added() -> None:
    plain = diagnose(table("pass@1", [0.8, 0.3], changes=False)).of("collapse")
    assert plain.state == "alarm"
    assert plain.high - plain.low == pytest.approx(2 * np.hypot(0.1, 0.1))


def test_relative_bounds_are_shares_of_the_first_value() -> None:
    found = diagnose(table("distinct_correct", [4.0, 3.9, 2.0], 0.2)).of("diversity_decay")
    assert found.state == "alarm"
    assert found.bound == pytest.approx(-0.8)


def test_nothing_to_lose_is_unknown_and_says_so() -> None:
    found = diagnose(table("gv_gap", [0.0, 0.0, 0.0], split="train")).of("saturation")
    assert found.state == "unknown"
    assert "nothing to lose" in found.seen


def test_a_stand_in_is_asked_only_where_the_metric_is_missing() -> None:
    fall = table("mean_gold", [0.8, 0.3])
    assert diagnose(fall).of("collapse").metric == "mean_gold"
    both = pd.concat([fall, table("pass@1", [0.8, 0.8])])
    assert diagnose(both).of("collapse").state == "fine"


def test_lost_support_is_excused_where_truth_rose() -> None:
    lost = table("support_kept", [0.9, 0.2])
    assert diagnose(pd.concat([lost, table("pass@1", [0.4, 0.7])])).of("collapse").state == "fine"
    assert diagnose(pd.concat([lost, table("pass@1", [0.4, 0.39])])).of("collapse").state == "alarm"
    assert diagnose(lost).of("collapse").state == "watch"  # truth unknown


def test_heldout_goes_before_train_and_train_stands_in() -> None:
    train = table("pass@1", [0.9, 0.2], split="train")
    assert diagnose(train).of("collapse").state == "alarm"
    assert diagnose(pd.concat([train, table("pass@1", [0.6, 0.6])])).of("collapse").state == "fine"


def test_saturation_is_no_alarm_where_little_is_left_to_solve() -> None:
    used = table("gv_gap", [0.3, 0.01], split="train")
    assert diagnose(pd.concat([used, table("pass@1", [0.5, 0.5])])).of("saturation").state == "alarm"
    assert diagnose(pd.concat([used, table("pass@1", [0.5, 0.97])])).of("saturation").state == "watch"


def test_dead_groups_are_held_against_a_level() -> None:
    rows = table("dead_groups", [0.4, 0.95], split="train")
    found = diagnose(rows).of("dead_groups")
    assert found.state == "alarm"
    assert (found.bound, found.since) == (0.7, 1)


# ── since when, and where to go back ───────────────────────────────────────────────────────────────────────
def test_since_is_the_jump_and_the_round_before_it_is_good() -> None:
    found = diagnose(table("pass@1", [0.6, 0.6, 0.61, 0.3, 0.28]))
    assert found.of("collapse").since == 3
    assert found.last_good == {"a": 2}
    assert {v.last_good for v in found} == {2}


def test_a_slide_begins_where_harm_is_certain() -> None:
    found = diagnose(table("pass@1", [0.6, 0.55, 0.5, 0.45, 0.4, 0.35], 0.02)).of("collapse")
    assert found.since == 1
    assert found.last_good == 0


def test_a_healthy_run_is_good_to_its_end() -> None:
    assert diagnose(table("pass@1", [0.6, 0.6, 0.6])).last_good == {"a": 2}


def test_saturation_alone_takes_no_round_back() -> None:
    used = pd.concat([table("gv_gap", [0.3, 0.01], split="train"), table("pass@1", [0.5, 0.5])])
    assert diagnose(used).last_good == {"a": 1}


def test_fork_takes_the_last_good_round(tmp_path: object) -> None:
    sizes = siwork.Sizes(train=30, heldout=30, beyond=0, samples=8)
    run = siwork.run("srt", "countdown", "tabular", rounds=3, problems=sizes, seed=0, folder=f"{tmp_path}/a")
    found = diagnose(measure(run))
    good = found.last_good[run.name]
    assert good is not None
    assert siwork.fork(run.folder, f"{tmp_path}/b", good).rounds_done == good


# ── the chance of a false alarm ────────────────────────────────────────────────────────────────────────────
def _series(rng: np.random.Generator, rounds: int, n: int, shift: float) -> pd.DataFrame:
    """Changes of a metric whose true fall is `shift` in every round; rounds share the noise of the first."""
    x = rng.normal(0.5, 0.2, (1, n)) + rng.normal(0, 0.2, (rounds + 1, n))
    change = x[1:] - x[0] - shift
    half = 1.984 * change.std(1, ddof=1) / np.sqrt(n)
    mean = change.mean(1)
    rows = [
        BASE
        | {
            "round": r + 1,
            "metric": "pass@1_change",
            "value": mean[r],
            "low": mean[r] - half[r],
            "high": mean[r] + half[r],
        }
        for r in range(rounds)
    ]
    return pd.DataFrame([BASE | {"round": 0, "metric": "pass@1", "value": 0.5, "low": 0.4, "high": 0.6}, *rows])


def test_noise_alone_alarms_no_more_often_than_promised_over_all_rounds() -> None:
    rng, sign = np.random.default_rng(0), Sign("pass@1", "", -1, "truth")
    hits = 0
    for _ in range(600):  # no change at all, and a bound of nothing
        series = series_of(Index(_series(rng, 12, 100, 0.0)), sign, 0.95)
        hits += alarmed_at(series, 0.0, 0.05, 1) is not None
    assert hits / 600 <= 0.05
    assert hits > 0  # not by never alarming


@given(st.lists(st.floats(-0.4, 0.2), min_size=2, max_size=8), st.floats(0.005, 0.1))
@settings(max_examples=50)
def test_a_round_never_alarms_for_what_comes_after_it(steps: list[float], half: float) -> None:
    values = [0.5, *(0.5 + step for step in steps)]
    sign = Sign("pass@1", "", -1, "truth")
    whole = alarmed_at(series_of(Index(table("pass@1", values, half)), sign, 0.95), 0.1, 0.05, 3)
    for last in range(2, len(values) + 1):
        part = alarmed_at(series_of(Index(table("pass@1", values[:last], half)), sign, 0.95), 0.1, 0.05, 3)
        assert part == (whole if whole is not None and whole < last else None)


@given(st.floats(0.0, 0.4), st.floats(0.0, 0.2), st.floats(0.002, 0.1))
@settings(max_examples=50)
def test_more_harm_is_never_judged_milder(fall: float, more: float, half: float) -> None:
    sign = Sign("pass@1", "", -1, "truth")
    mild, worse = (
        judge(series_of(Index(table("pass@1", [0.5, 0.5 - x], half)), sign, 0.95), 0.1, 0.05, 1).state
        for x in (fall, fall + more)
    )
    order = ("fine", "unknown", "watch", "alarm")
    assert order.index(worse) >= order.index(mild)


# ── the quality of the data ────────────────────────────────────────────────────────────────────────────────
def quality(rows: pd.DataFrame) -> tuple[str, str]:
    """State of data_quality and what was seen."""
    found = diagnose(measure(rows)).of("data_quality", str(rows["run"].iloc[0]))
    return found.state, found.seen


def plain(problems: int = 40, samples: int = 8, rounds: int = 3, seed: int = 0, run: str = "a") -> pd.DataFrame:
    """Plain rows with truth only, of a model that does not change."""
    rng = np.random.default_rng(seed)
    p = np.random.default_rng(1).uniform(0.2, 0.8, problems)
    grid = pd.MultiIndex.from_product([range(rounds), range(problems), range(samples)]).to_frame(index=False)
    grid.columns = pd.Index(["round", "problem", "sample"])
    gold = rng.random(len(grid)) < p[grid["problem"]]
    return grid.assign(run=run, split="heldout", problem=grid["problem"].map("p{}".format), gold=gold)


def test_enough_equal_samples_are_fine() -> None:
    assert quality(plain())[0] == "fine"


def test_few_problems_few_samples_and_one_round_are_said() -> None:
    assert "Only 10 problems" in quality(plain(problems=10))[1]
    assert "Only 2 samples" in quality(plain(samples=2))[1]
    assert "One round only" in quality(plain(rounds=1))[1]


def test_unequal_samples_are_said() -> None:
    rows = plain()
    assert "samples a problem in different rounds" in quality(rows[(rows["round"] > 0) | (rows["sample"] < 4)])[1]
    assert "some have only 2" in quality(rows[(rows["problem"] != "p3") | (rows["sample"] < 2)])[1]


def test_other_problems_are_said() -> None:
    rows = plain()
    other = rows[~((rows["round"] == 2) & (rows["problem"] == "p3"))]
    assert "Round 2 held other problems" in quality(other)[1]


@pytest.mark.parametrize("split", ["heldout", "train"])
def test_seeds_that_disagree_are_said(split: str) -> None:
    one, two = (plain(run=f"s{i}", seed=5 * i).assign(split=split) for i in range(2))
    two.loc[two["round"] == 2, "gold"] = False
    found = diagnose(measure(pd.concat([one, two])))
    assert "Seeds disagree" in found.of("data_quality", "s0").seen
    assert (
        "Seeds disagree"
        not in diagnose(measure(pd.concat([one, plain(run="s1", seed=6)]))).of("data_quality", "s1").seen
    )


# ── what is said, and what shows it ────────────────────────────────────────────────────────────────────────
def test_diagnosis_of_plain_rows_of_any_origin() -> None:
    rows = plain(rounds=4)
    rows.loc[(rows["round"] >= 2) & (np.random.default_rng(0).random(len(rows)) < 0.8), "gold"] = False
    found = diagnose(measure(rows))
    assert found.state == "alarm"
    assert found.of("collapse").since == 2
    assert found.last_good == {"a": 1}
    assert found.of("verifier_calibration").state == "unknown"


def test_words_hold_the_numbers_and_the_bound() -> None:
    found = diagnose(table("pass@1", [0.6, 0.6, 0.3])).of("collapse")
    assert "fell from 0.600 to 0.300" in found.seen
    assert "−0.300 [−0.330, −0.270]" in found.seen
    assert "bound is −0.050" in found.seen
    assert found.means
    assert found.advice
    assert found.why in str(found)
    assert set(found.evidence["metric"]) == {"pass@1_change"}


def test_the_table_and_the_text_hold_every_verdict() -> None:
    found = diagnose(pd.concat([table("pass@1", [0.6, 0.3]), table("pass@1", [0.6, 0.6], run="b")]))
    assert len(found.table()) == 2 * len(NAMES)
    assert found.runs == ["a", "b"]
    assert all(name in str(found) for name in NAMES)
    with pytest.raises(KnobError, match="name one of a, b"):
        found.of("collapse")
    with pytest.raises(KnobError, match="nearest"):
        found.of("colapse", "a")


def test_rows_that_show_it_come_from_the_round_and_the_run() -> None:
    rows = plain()
    found = diagnose(measure(rows))
    for verdict in found:
        shown = verdict.rows(rows, 5)
        assert len(shown) <= 5
        assert set(shown["run"]) <= {verdict.run}
        assert verdict.round is None or set(shown["round"]) <= {verdict.round}
    with pytest.raises(KnobError, match="at least 1"):
        found[0].rows(rows, 0)
    with pytest.raises(SchemaError, match="row table or a run"):
        found[0].rows(3)


@pytest.mark.parametrize(("seed", "shows"), [(0, "stubs"), (1, "runaways")])
def test_the_rows_of_a_length_collapse_are_the_broken_ones(seed: int, shows: str) -> None:
    rows = labelled("length-collapse", "scant", seed)
    shown = diagnose(measure(rows)).of("length_collapse").rows(rows, 6)
    assert shown["answer"].isna().all()
    assert (shown["n_tokens"] <= 3).all() if shows == "stubs" else not shown["finished"].any()


def test_the_rows_of_a_template_collapse_open_alike() -> None:
    rows = labelled("template-collapse", "scant", 1)
    shown = diagnose(measure(rows)).of("template_collapse").rows(rows, 6)
    assert shown["response"].str[:24].nunique() < shown["problem"].nunique()


def test_tables_from_files_and_over_seeds_are_read(tmp_path: object) -> None:
    runs = pd.concat([plain(run=f"s{i}", seed=i) for i in range(3)])
    made = measure(runs)
    made.to_csv(f"{tmp_path}/m.csv", index=False)
    made.to_parquet(f"{tmp_path}/m.parquet")
    states = [v.state for v in diagnose(made)]
    assert [v.state for v in diagnose(pd.read_csv(f"{tmp_path}/m.csv"))] == states
    assert [v.state for v in diagnose(pd.read_parquet(f"{tmp_path}/m.parquet"))] == states
    pooled = diagnose(over_seeds(made))
    assert pooled.runs == ["all runs"]
    assert "3 seeds" in pooled.of("collapse").seen
    assert len(diagnose(made.iloc[:0])) == 0


def test_what_is_no_metric_table_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"diagnose\(measure\(rows\)\)"):
        diagnose(plain())
    with pytest.raises(SchemaError, match="one row a run"):
        diagnose(pd.concat([table("pass@1", [0.5, 0.5])] * 2))
    with pytest.raises(SchemaError, match="by round"):
        diagnose(measure(plain(), by=()))


def test_bounds_are_checked_and_obeyed() -> None:
    with pytest.raises(KnobError, match="nearest"):
        Bounds(truth=2.0)
    assert diagnose(table("pass@1", [0.6, 0.5], 0.01), Bounds(truth=0.5)).of("collapse").state == "fine"


def test_every_sign_names_a_metric_and_a_bound() -> None:
    from siwork.metrics.catalogue import is_known

    for question in QUESTIONS:
        assert question.name in NAMES
        for sign in question.signs:
            assert is_known(sign.metric) or sign.metric == "pass@k"
            assert hasattr(Bounds(), sign.bound)
            assert sign.worst in STATES


def test_the_level_of_the_intervals_is_read_from_the_table() -> None:
    wide = table("pass@1", [0.6, 0.6, 0.47], 0.05)
    narrow = wide.copy()
    narrow.attrs["level"] = 0.5  # the same interval at level 0.5 means a far larger error
    assert diagnose(wide).of("collapse").state == "alarm"
    assert diagnose(narrow).of("collapse").state == "watch"
    assert series_of(Index(narrow), Sign("pass@1", "", -1, "truth"), 0.5).below[0] > 0.05
