"""What worlds do, in the field's own findings; presets and formulas."""

import re

import numpy as np
import pytest

from siwork.recipes import RECIPES, Recipe
from siwork.schema import knobs_of
from siwork.simulation import PRESETS, Gaussian, World, over, theory

SEEDS = range(3)
GOLD = {"fp": 0.0, "fn": 0.0}
NOBODY = {"verifier": "none", "selection": "all"}


def curve(world, metric, split="heldout", column="truth"):
    """A metric by round, exact, mean over seeds."""
    table = over(world, SEEDS)
    here = table[(table["metric"] == metric) & (table["split"] == split)]
    return here[column].to_numpy(float, na_value=np.nan)


def change(world, metric, split="heldout", column="truth"):
    """Last minus first round."""
    found = curve(world, metric, split, column)
    return found[-1] - found[0]


def test_the_true_check_improves_and_narrows():
    world = World(**GOLD)
    assert change(world, "pass@1") > 0.04
    assert change(world, "pass@16") < -0.05
    for metric in ("answer_entropy", "gini_simpson", "right_variety", "distinct_correct"):
        assert change(world, metric) < -0.05, metric
    assert change(world, "kl_to_base") > 0.05


def test_the_tail_falls_behind_where_learning_is_shared():
    world = World(**GOLD, sharing=1.0)
    assert change(world, "tail_share", "train") < -0.02
    assert change(world, "tail_coverage", "train") < -0.1
    assert change(World(**GOLD, start="base"), "tail_share", "train") < -0.005


def test_starting_from_the_base_moves_less_far():
    last, base = World(**GOLD), World(**GOLD, start="base")
    assert 0 < change(base, "pass@1") < change(last, "pass@1")
    assert change(last, "answer_entropy") < change(base, "answer_entropy") < 0
    gains = np.diff(curve(base, "pass@1"))
    assert abs(gains[1:].mean()) < gains[0] / 5  # all of it in the first round, from the same place


def test_without_a_filter_nothing_is_learnt_and_diversity_drifts_away():
    world = World(**NOBODY, problems=90, k=4, strength=100.0, sharing=0.0)
    assert abs(change(world, "pass@1", "train")) < 0.04
    assert change(world, "gini_simpson", "train") < -0.1
    assert abs(change(World(**NOBODY), "pass@1")) < 0.01


def test_false_accepts_poison():
    gains = [change(World(fp=fp, fn=0.1), "pass@1") for fp in (0.0, 0.3, 0.6, 0.9, 1.0)]
    assert gains == sorted(gains, reverse=True)
    assert abs(gains[3]) < 0.01  # accepts right and wrong alike: no information
    assert gains[4] < gains[3]
    assert change(World(fp=1.0, fn=0.6), "pass@1") < -0.03


def test_false_rejects_of_hard_problems_narrow_the_tail():
    flat, linked = (World(fp=0.0, fn=0.4, link=link) for link in ("flat", "difficulty"))
    for metric in ("tail_share", "tail_coverage"):
        assert curve(linked, metric, "train")[0] < curve(flat, metric, "train")[0] - 0.02
        assert curve(linked, metric, "train")[-1] < curve(flat, metric, "train")[-1] - 0.02
    assert change(linked, "pass@16") < change(flat, "pass@16") < 0


def test_real_data_rescue():
    alone, mixed = World(**GOLD), World(**GOLD, real_share=0.3)
    for metric in ("answer_entropy", "pass@16", "right_variety", "distinct_correct"):
        assert change(alone, metric) < 0 < change(mixed, metric), metric
    assert change(mixed, "tail_share", "train") > 0.05
    drift = {**NOBODY, "update": "refit", "rounds": 20}
    kept = [curve(World(**drift, real_share=share), "gini_simpson", "train")[-1] for share in (0.0, 0.1, 0.3)]
    assert kept == sorted(kept)
    assert kept[1] > kept[0] + 0.2


def test_accumulated_data_bound_the_loss():
    drift = {**NOBODY, "update": "refit", "rounds": 30, "problems": 90}
    replace, accumulate = (
        curve(World(**drift, data=data), "gini_simpson", "train") for data in ("replace", "accumulate")
    )
    assert replace[-1] < 0.2 * replace[0]
    assert accumulate[-1] > 0.85 * accumulate[0]
    assert np.diff(replace)[-10:].mean() < 5 * np.diff(accumulate)[-10:].mean() < 0


def test_votes_grow_sure_of_themselves():
    world = World(verifier="vote")
    assert change(world, "mean_score", "train") > 0.3
    assert change(world, "answer_entropy") < -0.8
    assert change(world, "proxy_gold_gap", "train", "value") > 0.3
    assert change(world, "ece", "train", "value") > 0.1


def test_different_answers_keep_diversity():
    plain, different = World(**GOLD), World(**GOLD, repeats="drop")
    assert change(different, "right_variety") > 0 > change(plain, "right_variety")
    assert curve(different, "tail_share", "train", "value")[0] > curve(plain, "tail_share", "train", "value")[0] + 0.05
    capped = World(**GOLD, cap=2)
    assert curve(capped, "tail_share", "train", "value")[0] > curve(plain, "tail_share", "train", "value")[0] + 0.05


def test_overconfidence_lets_more_through_a_high_threshold():
    passes = [
        curve(World(verifier="graded", fp=0.2, fn=0.2, threshold=0.9, calibration=c), "accept_rate", "train")[0]
        for c in (0.3, 1.0, 4.0)
    ]
    assert passes == sorted(passes)
    assert passes[2] > passes[0] + 0.2
    half = [curve(World(verifier="graded", calibration=c), "accept_rate", "train")[0] for c in (0.3, 4.0)]
    assert half[0] == pytest.approx(half[1])  # at one half the slope does not matter


def test_a_verifier_that_can_be_hacked_is_pleased_while_the_truth_falls():
    world = PRESETS["hackable verifier"].world
    assert change(world, "mean_score", "train") > 0.01
    assert change(world, "mean_gold", "train") < -0.03
    assert change(world, "pass@1") < -0.01


def test_a_low_temperature_narrows_what_is_trained_on():
    cool, warm = (curve(World(**GOLD, temperature=t), "gini_simpson", "train")[0] for t in (0.5, 1.5))
    assert cool < warm - 0.1
    assert (
        curve(World(temperature=0.5), "gini_simpson")[0] == curve(World(), "gini_simpson")[0]
    )  # held out at temperature 1


# ── presets and formulas ───────────────────────────────────────────────────────────────────────────────


def test_presets_are_named_after_the_catalogue_and_say_what_they_leave_out():
    catalogue = {"vanilla", "restart", "unfiltered", "lmsi", "ladder", "real-mix", "vanilla-mix", "balanced"}
    assert set(PRESETS) - catalogue == {"pure drift", "accumulate", "hackable verifier", "best-of-n"}
    for name, preset in PRESETS.items():
        assert preset.sentence.endswith(".")
        assert preset.source
        if name in RECIPES:
            assert preset.formula == RECIPES[name].formula
            assert preset.departs
            assert _kinds(preset.world.formula) == _kinds(preset.formula)
        else:
            assert preset.formula == preset.world.formula


def _kinds(formula):
    """Names of the components; a true check is one without errors."""
    return re.findall(r"[a-z]+", re.sub(r"\([^)]*\)", "", formula.replace("noisy(0.0, 0.0)", "gold")))


@pytest.mark.parametrize("name", PRESETS)
def test_a_formula_reads_back_where_the_catalogue_knows_its_parts(name):
    formula = PRESETS[name].world.formula
    if "refit" not in formula:
        assert str(Recipe.read(formula))


def test_a_formula_tells_all_that_is_not_usual():
    world = World(
        k=8, temperature=0.7, verifier="graded", fp=0.1, fn=0.2, link="difficulty", calibration=2.0, threshold=0.6, cap=3,
        repeats="drop", strength=8.0, steps=2, start="base", real_share=0.1, data="accumulate",
    )  # fmt: skip
    assert world.formula == (
        "seed · cot(k=8, temperature=0.7) · graded(0.1, 0.2, link=difficulty, calibration=2.0) · "
        "correct(threshold=0.6) + divsel + balance(cap=3) · sft(steps=2, batch=65536, rate=4.0) · "
        "reset + mix(real, share=0.1) + mix(accumulate)"
    )
    assert PRESETS["pure drift"].world.formula == "seed · cot(k=16) · refit"


def test_theory_speaks_of_the_presets_it_should():
    known = {name: set(theory(p.world).dropna(subset="value")["law"]) for name, p in PRESETS.items()}
    assert known["pure drift"] == {"drift", "martingale"}
    assert known["accumulate"] == {"accumulated drift", "martingale"}
    assert known["best-of-n"] == {"best-of-n bound", "accept/reject"}
    assert known["vanilla"] == set()


@pytest.mark.parametrize("kind", [World, Gaussian])
def test_every_slider_has_a_range_and_a_sentence(kind):
    for field in knobs_of(kind):
        info = field.metadata["knob"]
        assert info.sentence.endswith(".")
        assert info.choices or (info.low is not None and info.high is not None), field.name
