"""What another selector would have kept: the same numbers as replay and measure, one sentence for whatever cannot be."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile import PAYLOADS
from made import made_run
from siwork import measure, replay
from siwork.loop import Sizes, run
from siwork.metrics import run_difference
from siwork.schema import KnobError, RecipeError
from siwork.store import Run
from siwork_widgets.kit.newest import Done, Newest
from siwork_widgets.selection.kept import AFTER, BEFORE, found, lines, own_selector, replayed, sentence, stored, trained
from siwork_widgets.selection.whatif import WhatIf

SIZES = Sizes(train=60, heldout=6, beyond=0, samples=4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "votes"
    formula = "seed · cot(k=8) · vote · correct(threshold=0.3) · sft"
    return run(formula, "countdown(numbers=3)", "tabular", rounds=2, problems=SIZES, seed=1, folder=place)


@pytest.fixture
def panel(made):
    shown = WhatIf(made)
    shown.wait()
    return shown


def with_name(run, folder, name):
    """A copy of a run that is called otherwise."""
    shutil.copytree(run.folder, folder)
    manifest = (folder / "run.json").read_text()
    (folder / "run.json").write_text(manifest.replace(f'"name": "{run.name}"', f'"name": {name}'))
    return Run(folder)


def ends(row):
    """Value, low and high, NaN for null."""
    return [np.nan if pd.isna(row[name]) else float(row[name]) for name in ("value", "low", "high")]


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────
def test_the_numbers_are_those_of_replay_and_measure(made):
    formula = "correct(threshold=0.6) + divsel"
    outcome = replayed(stored(made, [1]), formula)
    rows = replay(made, formula, rounds=[1])
    train = rows[rows["split"] == "train"]
    before = made.rows(1, split="train")
    assert outcome.kept == (int((before["weight"] > 0).sum()), int((train["weight"] > 0).sum()))
    for metric in ("accept_rate", "kept_precision", "tail_share", "tail_coverage", "accepted_gini", "balance_score"):
        for place, table in ((BEFORE, before), (AFTER, train)):
            expected = measure(table, [metric]).iloc[0]
            seen = found(outcome, metric, place)
            assert ends(seen) == pytest.approx(ends(expected), nan_ok=True)


def test_recall_and_variety_are_of_the_selection(made):
    outcome = replayed(stored(made, [0]), "correct(threshold=0.6)")
    rows = replay(made, "correct(threshold=0.6)", rounds=[0])
    train = rows[rows["split"] == "train"]
    kept, right = train["weight"] > 0, train["gold"]
    assert found(outcome, "recall", AFTER)["value"] == pytest.approx((kept & right).sum() / right.sum())
    assert found(outcome, "false_positive_rate", AFTER)["value"] == pytest.approx(
        (kept & ~right).sum() / (~right).sum()
    )
    different = train[kept & right].groupby("problem")["answer"].nunique().sum() / train["problem"].nunique()
    assert found(outcome, "distinct_correct", AFTER)["value"] == pytest.approx(different)


def test_differences_are_paired_by_problem(made):
    outcome = replayed(stored(made, [0]), "correct(threshold=0.6)")
    rows = replay(made, "correct(threshold=0.6)", rounds=[0])
    both = pd.concat(
        [made.rows(0, split="train").assign(run="stored"), rows[rows["split"] == "train"].assign(run="what if")]
    )
    expected = run_difference(both, "tail_share", "stored", "what if").iloc[0]
    change = found(outcome, "tail_share_change", AFTER)
    assert change["value"] == pytest.approx(expected["value"])
    assert "what if − stored" in change["method"]
    gini = next(line for line in lines(outcome) if line.metric == "accepted_gini")
    assert gini.cells[3] == "not paired"


def test_rounds_are_pooled_by_problem(made):
    outcome = replayed(stored(made, [0, 1]), "best(n=1)")
    assert outcome.rows == 2 * 60 * 8
    assert outcome.kept[1] == 2 * 60
    assert found(outcome, "accept_rate", AFTER)["n"] == 60
    assert "rounds 0 to 1, pooled" in sentence(outcome)


def test_the_own_selector_keeps_the_very_same_rows(made):
    outcome = replayed(stored(made, [1]), own_selector(made))
    assert outcome.same
    assert sentence(outcome).endswith("They are the very same rows.")
    assert all(line.cells[3] in ("0, no problem differs", "not paired") for line in lines(outcome))


def test_a_balanced_run_is_replayed_with_its_own_luck(tmp_path):
    balanced = run("balanced", "countdown(numbers=3)", "tabular", rounds=1, problems=SIZES, folder=tmp_path / "b")
    assert replayed(stored(balanced, [0]), own_selector(balanced)).same


def test_a_claim_needs_an_interval_without_zero(made):
    for formula in ("", "correct(threshold=0.2)", "correct(threshold=0.5)", "correct(threshold=0.3) + balance(cap=7)"):
        outcome = replayed(stored(made, [0]), formula)
        told = sentence(outcome).split(". ")[1:]
        for metric, words in zip(("kept_precision", "tail_share", "distinct_correct"), told, strict=True):
            change = found(outcome, f"{metric}_change", AFTER)
            _, low, high = ends(change)
            still = "no problem differs" in change["method"]
            assert (" rises: " in words) == (not still and low > 0)
            assert (" falls: " in words) == (not still and high < 0)
            assert ("no problem differs" in words) == still


def test_the_closing_round_is_not_offered(made):
    assert trained(made) == [0, 1]
    assert made.rounds_done == 3


# ── the panel ──────────────────────────────────────────────────────────────────────────────────────────
def test_it_begins_as_the_run_did(panel):
    assert panel.written() == "correct(threshold=0.3)"
    assert "very same rows" in panel.said.value
    assert [label for label, _ in panel.round.options] == ["round 0", "round 1", "all rounds"]


def test_sliders_write_the_formula(panel):
    panel.switches["balance"].value = True
    panel.sliders["balance"].value = 2
    panel.switches["divsel"].value = True
    panel.sliders["correct"].value = 0.75
    panel.wait()
    assert panel.written() == "correct(threshold=0.75) + divsel + balance(cap=2)"
    assert 'siwork.replay(run, "correct(threshold=0.75) + divsel + balance(cap=2)", rounds=[0])' in panel.formula.text
    assert panel.table.rows[0][0] == "rows kept"
    assert len(panel.figure.shown["spec"]["data"]) > 4


def test_the_newest_move_wins(panel):
    for value in np.linspace(0.1, 0.9, 9):
        panel.sliders["correct"].value = float(value)
    panel.wait()
    assert panel.formula.text.startswith("correct(threshold=0.9)")
    assert f"{int(panel.said.value.split('keeps ')[1].split(';')[0]):,}" in panel.said.value
    assert panel.clock.seconds == 0


def test_the_clock_shows_what_is_done_and_stops(panel):
    panel.switches["correct"].value = False
    assert panel.clock.seconds > 0
    while panel.clock.seconds:
        panel.clock.tick()
    assert panel.clock.error is None
    assert "keeps 480;" in panel.said.value


def test_a_line_says_how_it_is_measured(panel):
    panel.table._heard(None, {"pick": 4}, [])
    assert panel.how.text.startswith("tail_share")
    assert "weight in bands 0, 1" in panel.how.text


def test_a_bar_opens_the_rows_of_its_band(made):
    points = []
    shown = WhatIf(made, open_rows=points.append)
    shown.wait()
    bars = [trace for trace in shown.figure.shown["spec"]["data"] if trace["type"] == "bar"]
    shown.figure._heard(None, {"open": bars[0]["customdata"][3]}, [])
    assert points == [{"run": "votes", "round": 0, "split": "train", "metric": "accepted_share", "band": 3}]


def test_back_to_the_own_selector(panel):
    panel.sliders["correct"].value = 0.9
    panel.back.click()
    panel.wait()
    assert panel.written() == "correct(threshold=0.3)"


@pytest.mark.parametrize("formula", ["correct(threshold=1.0) + balance(cap=200)", "", "best(n=3) + divsel"])
def test_set_reads_what_written_writes(panel, formula):
    panel.set(formula)
    assert panel.written() == formula


def test_set_leaves_out_parts_without_a_control_whatever_they_need(panel):
    panel.set("correct(threshold=1.0) + splice(cut)")  # cuts by a critic, which these rows lack
    assert panel.written() == "correct(threshold=1.0)"


def test_set_refuses_what_is_no_selector(panel):
    with pytest.raises(RecipeError):
        panel.set("nonsense")
    with pytest.raises(KnobError):
        panel.set("correct(threshold=7)")


# ── what cannot be ─────────────────────────────────────────────────────────────────────────────────────
def test_a_run_without_scores_says_so_and_stays_usable(tmp_path):
    plain = run("unfiltered", "countdown(numbers=3)", "tabular", rounds=1, problems=SIZES, folder=tmp_path / "u")
    shown = WhatIf(plain)
    shown.wait()
    assert shown.written() == ""
    before = shown.table.rows
    shown.switches["correct"].value = True
    shown.wait()
    assert "has no scores for correct" in shown.fault.text
    assert shown.table.rows == before
    shown.switches["correct"].value = False
    shown.switches["balance"].value = True
    shown.wait()
    assert shown.fault.text == ""
    assert shown.table.rows != before


def test_without_runs_it_waits():
    shown = WhatIf()
    assert shown.fault.text == ""
    shown.show(SimpleNamespace(version=1, runs=()))
    assert shown.run.options == ()


def test_it_follows_a_snapshot(made, tmp_path):
    other = made_run(tmp_path / "second")
    shown = WhatIf()
    shown.show(SimpleNamespace(version=1, runs=(made,)))
    shown.wait()
    shown.sliders["correct"].value = 0.5
    shown.show(SimpleNamespace(version=2, runs=(made, other)))
    shown.wait()
    assert shown.run.options == ("votes", "second")
    assert shown.written() == "correct"
    shown.run.value = "second"
    shown.wait()
    assert "5 problems" in shown.said.value or "very same rows" in shown.said.value
    shown.show(SimpleNamespace(version=3, runs=(other,)))
    assert shown.run.value == "second"


def test_a_round_that_vanished_is_a_sentence(made, tmp_path):
    copy = with_name(made, tmp_path / "gone", '"gone"')
    shown = WhatIf(copy)
    shown.wait()
    before = shown.said.value
    shutil.rmtree(copy.folder / "rounds" / "0001")
    shown.round.value = 1
    shown.wait()
    assert "round 1" in shown.fault.text
    assert shown.said.value == before
    shutil.rmtree(copy.folder)
    shown.show(SimpleNamespace(version=9, runs=()))


def test_a_row_table_is_replayed_as_a_run_is(made):
    shown = WhatIf(made.rows())
    shown.wait()
    assert [label for label, _ in shown.round.options] == ["round 0", "round 1", "all rounds"]
    assert shown.written() == ""
    shown.set("correct(threshold=0.3)")
    shown.wait()
    assert "very same rows" in shown.said.value
    assert shown.fault.text == ""


def test_rows_that_were_never_selected_are_a_sentence(made):
    shown = WhatIf(made.rows().drop(columns="weight"))
    shown.wait()
    assert "'weight'" in shown.fault.text
    assert shown.table.rows == []


def test_only_a_closing_round_is_a_sentence(tmp_path):
    closed = run("vanilla", "countdown(numbers=3)", "tabular", rounds=0, problems=SIZES, folder=tmp_path / "c")
    shown = WhatIf(closed)
    assert "no finished round that was trained on" in shown.fault.text
    assert shown.round.options == ()


@pytest.mark.parametrize("payload", [text for text in PAYLOADS.values() if len(text) < 1000])
def test_hostile_run_names_are_text(made, tmp_path, payload):
    import json

    hostile = with_name(made, tmp_path / "h", json.dumps(payload))
    shown = WhatIf(hostile)
    shown.wait()
    assert shown.fault.text == ""
    for trace in shown.figure.shown["spec"]["data"]:
        for said in trace.get("hovertext", []):
            assert "<script" not in said
            assert "<img" not in said
            assert "<a " not in said


@settings(max_examples=40)
@given(
    switches=st.lists(st.booleans(), min_size=4, max_size=4),
    threshold=st.floats(0, 1),
    n=st.integers(1, 64),
    cap=st.integers(1, 64),
    where=st.sampled_from([0, 1, -1]),
)
def test_any_setting_is_an_outcome_or_a_sentence(made, switches, threshold, n, cap, where):
    shown = WhatIf(made)
    shown.round.value = where
    for switch, on in zip(shown.switches.values(), switches, strict=True):
        switch.value = on
    shown.sliders["best"].max = shown.sliders["balance"].max = 64
    shown.sliders["correct"].value, shown.sliders["best"].value, shown.sliders["balance"].value = threshold, n, cap
    shown.wait()
    assert shown.fault.text == ""
    assert shown.said.value.startswith("<p>Of ")
    assert len(shown.table.rows) == 9


# ── the worker ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_worker_drops_jobs_that_are_out_of_date():
    from threading import Event

    begun, go, did = Event(), Event(), []
    work = Newest()

    def first():
        begun.set()
        go.wait(10)

    work.ask(first)
    assert begun.wait(10)
    for i in range(5):
        work.ask(lambda i=i: did.append(i) or i)
    go.set()
    assert work.wait() == Done(4, "")
    assert did == [4]
    assert work.take() is None


def test_the_worker_says_errors_and_raises_faults():
    work = Newest()
    work.ask(lambda: replay(3, ""))
    assert "a row table or a run is needed" in work.wait().fault
    work.ask(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        work.wait()
    work.ask(lambda: 7)
    assert work.wait() == Done(7, "")
