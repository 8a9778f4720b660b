"""Real rounds of the real small transformer with the weights that ship."""

import numpy as np
import pandas as pd
import pytest

import siwork
from siwork.loop import Sizes, resume, run
from siwork.tasks import TASKS, Synthetic

SMALL = Sizes(train=16, heldout=8, beyond=4, samples=8)


NAMES = ("vanilla", "unfiltered", "iterative-dpo", "rlvr", "restrain", "dive", "multiagent", "neon", "nft")


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_update_plays_on_the_transformer(name, tmp_path):
    played = run(name, "countdown", "tiny", rounds=1, problems=SMALL, folder=tmp_path / name)
    rows = siwork.check(played.rows())
    assert played.status().state == "finished"
    first, last = (rows[(rows["round"] == r) & (rows["split"] == "heldout")] for r in (0, 1))
    assert np.allclose(first["logp"], first["base_logp"])
    assert not np.allclose(last["logp"], last["base_logp"])
    prints = played.rounds()["policy"]
    assert prints.iloc[0] != prints.iloc[1]


def solve_rates(name):
    """Solve rates (100,) of the base that ships on held-out problems, and their bands."""
    task = siwork.task(name)
    problems = task.problems("heldout", 100)
    streams = np.random.default_rng(0).integers(0, 2**64, (100, 16), dtype=np.uint64)
    said = siwork.policy("tiny", task).sample(problems["prompt"].tolist(), 16, streams=streams)
    asked = np.repeat(problems["prompt"].to_numpy(object), 16)
    rows = pd.DataFrame({"prompt": asked, "response": list(map(str, said.response))})
    return task.check(rows).to_numpy(bool).reshape(100, 16).mean(axis=1), problems["band"].to_numpy(int)


@pytest.mark.parametrize(
    "name", sorted(name for name, kind in TASKS.items() if issubclass(kind, Synthetic) and name != "grammar")
)
def test_every_base_has_a_head_a_middle_and_a_tail(name):
    rate, band = solve_rates(name)
    assert rate[band >= 3].mean() - rate[band <= 1].mean() > 0.25
    assert ((rate > 0) & (rate < 1)).mean() > 0.1


def test_the_base_of_the_grammar_writes_grammatical_text():
    rate, _ = solve_rates("grammar")
    assert rate.mean() > 0.9


def test_a_broken_run_of_the_transformer_is_the_unbroken_one(tmp_path):
    recipe = "seed · cot(k=4) · gold · correct · sft(steps=8) · mix(replay)"
    whole = run(recipe, "countdown", "tiny", rounds=3, problems=SMALL, seed=3, folder=tmp_path / "whole")
    part = run(recipe, "countdown", "tiny", rounds=1, problems=SMALL, seed=3, folder=tmp_path / "part")
    again = resume(part.folder, rounds=3)
    pd.testing.assert_frame_equal(again.rows().drop(columns="run"), whole.rows().drop(columns="run"))


def test_rejection_sampling_sharpens(tmp_path):
    # the phenomenon the demo shows: answers concentrate, so their entropy falls by far more than chance can do
    sizes = Sizes(train=60, heldout=40, beyond=0, samples=16)
    played = run("vanilla", "countdown", "tiny", rounds=2, problems=sizes, folder=tmp_path / "v")
    change = siwork.metrics.round_difference(played.rows(split="heldout"), "answer_entropy", 0, 2)
    assert change["high"].iloc[0] < 0
