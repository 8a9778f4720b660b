"""What components keep from round to round survives a break: the rows are those of an unbroken run."""

import pandas as pd
import pytest

from broken_off import whole_and_broken
from siwork.loop import Sizes

SMALL = Sizes(train=8, heldout=4, beyond=0, samples=3)
SAME = ["round", "split", "problem", "sample", "agent", "hint", "response", "score", "weight"]


@pytest.mark.parametrize(
    "formula",
    [
        "seed · cot(k=4) · exec(corrector=0.5) · splice(swap) · sft(steps=3)",
        "seed · cot(k=4) · gold + critic(miss=0.3) · correct + splice(cut) · sft(steps=3)",
        "seed · cot(k=4) · gold · pairs + splice(join) · pref(steps=3) · anchor(past)",
        "seed · cot(k=4) · prm(trained) + gold · best · sft(steps=3) + vfit",
        "seed · cot(k=3) · vote(by=agent) · correct · sft(steps=3) · pop(n=2, shared=true) + gate(problems=4, k=3)",
        "seed · cot(k=4) · gold · sft(steps=3) + neg(kind=extrapolate, w=0.5) · anchor(kl)",
    ],
)
def test_a_broken_run_goes_on_as_if_it_had_not(tmp_path, formula):
    whole, broken = whole_and_broken(tmp_path, formula, rounds=3, problems=SMALL, task="expr(depth=2)")
    pd.testing.assert_frame_equal(whole.rows()[SAME], broken.rows()[SAME])
