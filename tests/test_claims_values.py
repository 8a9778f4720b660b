"""What parts read of runs: shapes of curves by hand, numbers of this room against their definitions."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.claims.claim import Arm, Claim, Part
from siwork.claims.own import OWN, _repeated, language_gap
from siwork.claims.values import curves_of, value_of
from siwork.loop import Sizes, prepare, resume
from siwork.metrics import measure
from siwork.policies import restored
from siwork.schema import KnobError
from siwork.tasks import task_of

CURVE = {0: 0.5, 1: 0.6, 2: 0.4, 3: 0.9}


def value(curve=CURVE, other=None, **part):
    curves = {("a", 0, "heldout", "m"): curve, ("b", 0, "heldout", "m"): other or {}}
    return value_of(Part("a", "m", "above", 0.1, **part), curves, 0)


@pytest.mark.parametrize(
    ("of", "since", "found"),
    [
        ("first", 0, 0.5),
        ("first", 1, 0.6),
        ("last", 0, 0.9),
        ("change", 0, 0.4),
        ("change", 2, 0.5),
        ("bend", 0, 0.9 - 2 * 0.5 + 0.5),  # half way between rounds 1 and 2 it is at 0.5
        ("bend", 1, 0.9 - 2 * 0.4 + 0.6),
        ("mean", 1, (0.6 + 0.4 + 0.9) / 3),
        ("slope", 1, (0.9 - 0.6) / 2),  # of three points, the middle one does not tilt it
    ],
)
def test_shapes_by_hand(of, since, found):
    assert value(of=of, since=since) == pytest.approx(found)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.floats(-2, 2), st.floats(-2, 2))
def test_a_slope_is_linear_and_knows_no_level(values, tilt, level):
    curve = dict(enumerate(values))
    tilted = {r: x + tilt * r + level for r, x in curve.items()}
    assert value(tilted, of="slope") == pytest.approx(value(curve, of="slope") + tilt, abs=1e-9)


def test_arms_are_subtracted_and_shares_taken():
    other = {0: 0.5, 3: 0.6}
    assert value(other=other, against="b") == pytest.approx(0.3)
    assert value(other=other, against="b", relative=True) == pytest.approx(0.5)
    assert np.isnan(value(other={0: 1.0, 3: 0.0}, against="b", relative=True))


def test_metrics_are_subtracted_round_by_round():
    curves = {("a", 0, "heldout", "m"): {0: 0.5, 1: 0.7}, ("a", 0, "heldout", "n"): {0: 0.1, 1: 0.6}}
    part = Part("a", "m", "above", 0.1, less="n", of="change")
    assert value_of(part, curves, 0) == pytest.approx(-0.3)


def test_what_is_not_known_stays_unknown():
    assert np.isnan(value({}))
    assert np.isnan(value({0: 0.5, 1: np.nan}))
    assert np.isnan(value({0: 0.5, 1: np.nan, 2: 0.6}, of="slope"))
    assert np.isnan(value({0: 0.5}, of="slope"))
    assert np.isnan(value(against="b"))


# ── numbers of this room ───────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    """A run whose score is the vote, with a verifier that learns."""
    sizes = Sizes(train=12, heldout=10, beyond=6, samples=6)
    folder = tmp_path_factory.mktemp("voted") / "run"
    formula = "seed · cot(k=4) · vote(count=majority) + gold + orm(first=nothing) · correct · sft(steps=3) + vfit"
    prepare(formula, "add(digits=4)", "tabular", rounds=2, problems=sizes, folder=folder)
    return resume(folder)


def by_problem(run, r, split="heldout"):
    rows = run.rows(r, split=split)
    return {name: own for name, own in rows.groupby("problem")}


def test_the_gain_of_known_problems_by_hand(voted):
    found = OWN["known_share"](voted, "heldout")
    base, last = ({p: own["gold"].mean() for p, own in by_problem(voted, r).items()} for r in (0, 2))
    gains = {p: last[p] - base[p] for p in base}
    total = sum(gains.values())
    known = sum(gain for p, gain in gains.items() if base[p] > 0)
    assert np.isnan(found[0])
    assert found[2] == pytest.approx(known / total) if total > 0 else np.isnan(found[2])


def test_newly_solved_by_hand(voted):
    found = OWN["newly_solved"](voted, "heldout")
    base, last = (by_problem(voted, r) for r in (0, 2))
    never = [p for p, own in base.items() if not own["gold"].any()]
    assert found[0] == 0
    assert found[2] == pytest.approx(np.mean([last[p]["gold"].any() for p in never]))


def test_the_vote_and_the_truth_by_hand(voted):
    found = OWN["vote_truth"](voted, "heldout")
    rows = voted.rows(1, split="heldout")
    assert found[1] == pytest.approx(np.corrcoef(rows["score"].astype(float), rows["gold"].astype(float))[0, 1])


def test_what_a_verifier_picks_by_hand(voted):
    picked, best = OWN["orm_precision"](voted, "heldout"), OWN["orm_gain"](voted, "heldout")
    shares, firsts, means = [], [], []
    for own in by_problem(voted, 1).values():
        own = own.sort_values("score_orm", ascending=False, kind="stable")
        gold = own["gold"].to_numpy(bool)
        shares.append(gold[: max(1, len(gold) // 4)].mean())
        firsts.append(gold[0])
        means.append(gold.mean())
    assert picked[1] == pytest.approx(np.mean(shares))
    assert best[1] == pytest.approx(np.mean(firsts) - np.mean(means))


def test_a_verifier_that_is_not_fitted_yet_picks_nothing(voted):
    """It may begin to score by itself; where it did not, that is unknown."""
    for name in ("orm_precision", "orm_gain"):
        found = OWN[name](voted, "heldout")
        unscored = [r for r in range(3) if voted.rows(r, ["score_orm"], "heldout")["score_orm"].isna().all()]
        assert unscored == [0]
        assert found.isna().tolist() == [True, False, False]


def test_what_a_verifier_adds_is_of_the_problems_that_it_scored(voted):
    rows = voted.rows(None, ["round", "problem", "gold", "score_orm"], "heldout")
    left_out = rows["problem"].iloc[0]
    score = rows["score_orm"].mask(rows["problem"] == left_out)
    partly = SimpleNamespace(rows=lambda r, columns, split: rows.assign(score_orm=score), rounds_done=3)
    own = [table for problem, table in by_problem(voted, 1).items() if problem != left_out]
    firsts = [table.sort_values("score_orm", ascending=False, kind="stable")["gold"].iloc[0] for table in own]
    means = [table["gold"].mean() for table in own]
    assert OWN["orm_gain"](partly, "heldout")[1] == pytest.approx(np.mean(firsts) - np.mean(means))


def test_a_length_is_reached_when_all_shorter_ones_are(voted):
    found = OWN["length_reached"](voted, "heldout")
    known = voted.problems().set_index("problem")["prompt"]
    for r in range(3):
        right: dict[int, list[bool]] = {}
        for split in ("heldout", "beyond"):
            for row in voted.rows(r, split=split).to_dict("records"):
                digits = max(len(number) for number in known[row["problem"]].rstrip("=").split("+"))
                right.setdefault(digits, []).append(row["gold"])
        reached = 0
        for digits in sorted(right):
            if np.mean(right[digits]) < 0.9:
                break
            reached = digits
        assert found[r] == reached


def test_the_distance_to_a_language_is_that_of_its_exact_probabilities(tmp_path):
    sizes = Sizes(train=6, heldout=5, beyond=0, samples=3)
    run = prepare("seed · cot(k=2) · sft(steps=2)", "grammar", "tiny", rounds=1, problems=sizes, folder=tmp_path / "g")
    run = resume(run.folder)
    found = language_gap(run, "heldout")
    assert list(found.index) == [0, 1]
    assert found[0] != found[1]
    assert language_gap(run, "heldout").tolist() == found.tolist()  # the same texts each time
    task, model = task_of(run.task), restored(run.policy, task_of(run.task), run.base_path)
    prompts = run.problems().query("split == 'heldout'")["prompt"].tolist() * 80
    luck = np.random.default_rng(5)
    texts = [task.write(prompt, luck) for prompt in prompts]
    exact = [task.log_probability_given(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
    asked = [pa.array(words, pa.string()) for words in (prompts, texts)]
    gaps = np.array(exact) - model.logp(*asked, np.ones(len(texts), bool))
    error = gaps.std() * np.sqrt(1 / 400 + 1 / len(gaps))  # of two means of other texts
    assert found[0] == pytest.approx(gaps.mean(), abs=4 * error)
    assert 0 < gaps.mean() < 0.2  # the base has learned this language


def test_the_distance_to_a_language_needs_one(voted):
    with pytest.raises(KnobError, match="language_gap needs the task grammar"):
        language_gap(voted, "heldout")


def test_curves_are_those_of_measure_and_only_those_that_are_read(voted):
    parts = (Part("one", "pass@1", "above", 0.1), Part("one", "vote_truth", "above", 0.1))
    claim = Claim("c", "", "", "", str(task_of("add")), 2, {"one": Arm("vanilla"), "two": Arm("vanilla")}, parts)
    found = curves_of(claim, {"one": [voted], "two": [voted]})
    assert set(found) == {("one", 0, "heldout", "pass@1"), ("one", 0, "heldout", "vote_truth")}
    table = measure(voted.rows(split="heldout"), ["pass@1"])
    assert list(found["one", 0, "heldout", "pass@1"].values()) == pytest.approx(table["value"].astype(float).tolist())


def test_repeated_words_by_hand():
    texts = pd.Series(["BanoThatCatiDatiLano.", "BanoThatCatiDatiLano.", "not of the language"])
    words = 6  # the mark is a word of its own
    assert _repeated(texts) == pytest.approx(1 - (words - 3) / (2 * (words - 3)))
    assert _repeated(texts[:1]) == 0
