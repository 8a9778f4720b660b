"""A claim from its text to its verdict: runs, pairs, bases, and the table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from siwork.claims import CLAIMS
from siwork.claims.claim import Arm, Base, Claim, Part
from siwork.claims.playing import judge, lay_out
from siwork.claims.table import COLUMNS, merged, read_verdicts, stale, table_of, verdicts, whole_of, written
from siwork.loop import Sizes, resume
from siwork.schema import KnobError, SchemaError, Unfinished
from siwork.store import Run

LOOP = Arm("seed · cot(k=4) · gold · correct · sft(steps=2)")
SIZES = Sizes(train=8, heldout=6, beyond=0, samples=4)


@pytest.fixture(scope="module")
def small():
    """A claim that surely holds: half as many problems, half as many samples."""
    parts = (
        Part("whole", "samples_drawn", "above", 1, split="train", of="first", against="half"),
        Part("whole", "pass@1", "within", 1, against="half", of="first"),
    )
    arms = {"whole": LOOP, "half": replace(LOOP, train=4)}
    return Claim("small", "", "", "", "expr(depth=2)", 1, arms, parts, SIZES)


@pytest.fixture(scope="module")
def played(small, tmp_path_factory):
    laid = lay_out(replace(small, task="expr(depth=2)"), (0, 1, 2), tmp_path_factory.mktemp("claims"))
    for folder in laid.in_order:
        resume(folder)
    return laid


def test_arms_share_problems_and_seeds(played):
    assert list(played.folders) == ["whole", "half"]
    assert [folder.name for folder in played.in_order] == [f"{a}-s{s}" for s in range(3) for a in ("whole", "half")]
    for whole, half in zip(*played.folders.values(), strict=True):
        ours, theirs = Run(whole).problems(), Run(half).problems()
        held = [table.loc[table["split"] == "heldout", "prompt"].tolist() for table in (ours, theirs)]
        assert held[0] == held[1]
        assert [(table["split"] == "train").sum() for table in (ours, theirs)] == [8, 4]


def test_what_was_played_is_judged_by_the_rule(played):
    found = judge(played, (0, 1, 2))
    assert found.samples == {"whole": 32.0, "half": 16.0}
    first, second = found.parts.to_dict("records")
    assert (first["value"], first["why"]) == (16.0, "all seeds have the same value")
    assert (second["value"], second["verdict"]) == (0.0, "undecided")  # the same model, so every seed has 0
    assert found.verdict == "undecided"


def test_runs_that_are_not_finished_are_not_judged(small, tmp_path):
    laid = lay_out(small, (0, 1), tmp_path)
    with pytest.raises(Unfinished, match="siwork resume"):
        judge(laid, (0, 1))


def test_what_is_there_is_played_on(played, small):
    again = lay_out(small, (0, 1, 2), played.in_order[0].parents[1])
    assert again.folders == played.folders
    assert all(Run(folder).rounds_done == 2 for folder in again.in_order)


@pytest.mark.parametrize("seeds", [(), (0,), (3, 3)])
def test_a_claim_needs_seeds(small, tmp_path, seeds):
    with pytest.raises(KnobError, match="a claim is judged over seeds"):
        lay_out(small, seeds, tmp_path)
    assert not any(tmp_path.iterdir())


def test_an_arm_may_have_a_base_of_its_own(small, tmp_path):
    base = Base(steps=2, width=16, layers=1, heads=1, hidden=16, pool=64)
    claim = replace(small, arms={"whole": replace(LOOP, base=base), "half": LOOP}, parts=small.parts[1:])
    laid = lay_out(claim, (0, 1), tmp_path)
    own = [Run(folder).policy for folder in laid.folders["whole"]]
    assert all("whole-s" in text for text in own)
    assert own[0] != own[1]  # each seed has its own
    assert {Run(folder).policy for folder in laid.folders["half"]} == {"tiny"}
    made = [file.read_bytes() for file in sorted((tmp_path / "small" / "bases").iterdir())]
    lay_out(claim, (0, 1), tmp_path)
    assert made == [file.read_bytes() for file in sorted((tmp_path / "small" / "bases").iterdir())]


def test_an_arm_may_be_of_another_task(small, tmp_path):
    claim = replace(small, arms={"whole": LOOP, "half": replace(LOOP, task="add(digits=2)")})
    laid = lay_out(claim, (0, 1), tmp_path)
    prompts = {name: Run(folders[0]).problems()["prompt"] for name, folders in laid.folders.items()}
    assert prompts["half"].str.contains(r"^\d+\+\d+=$").all()
    assert not prompts["whole"].str.contains(r"^\d+\+\d+=$").all()


# ── table ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def table(played):
    return table_of([judge(played, (0, 1, 2))])


def test_the_table_comes_back_as_it_was_written(table, tmp_path):
    (tmp_path / "claims.csv").write_text(written(table))
    back = read_verdicts(tmp_path / "claims.csv")
    assert list(back.columns) == COLUMNS
    pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-5)
    assert back["why"].tolist() == table["why"].tolist()
    assert np.isnan(back["low"]).all()


def test_another_table_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        SchemaError, match=r"is no table of verdicts, it lacks claim, .*; name another file with --output"
    ):
        read_verdicts(tmp_path / "x.csv")


def test_new_verdicts_replace_old_ones_in_the_order_of_the_catalogue(table):
    exploration, tail = (table.assign(claim=name, verdict="undecided") for name in ("exploration", "tail"))
    both = merged(merged(None, tail), exploration)
    assert list(dict.fromkeys(both["claim"])) == ["exploration", "tail"]
    newer = merged(both, tail.assign(verdict="holds"))
    assert verdicts(newer) == {"exploration": "undecided", "tail": "holds"}
    assert len(newer) == len(both)


def test_a_rule_that_changed_since_is_seen(table):
    assert stale(table) == ["small"]
    assert stale(table.assign(claim="tail")) == ["tail"]


def test_a_default_that_changed_since_is_seen(table):
    claim = CLAIMS["repetition"]
    own = table.assign(claim=claim.name, mark=claim.mark, whole=whole_of(claim))
    assert stale(own) == []
    assert stale(own.assign(whole=own["whole"].str.replace("batch=64", "batch=32"))) == [claim.name]
    assert stale(own.assign(whole=own["whole"].str.replace(", batch=64", ""))) == []  # a knob that came later
