"""The simulator's engine is the tabular policy on counts, its verifiers and selectors are those of recipes."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from siwork.policies import Plan
from siwork.policies.tabular import STEEPEST, Tabular
from siwork.schema import BANDS, KnobError
from siwork.selectors import Balance, Best, Correct, Divsel
from siwork.simulation import World, simulate
from siwork.simulation.judges import counted, evidence_of, mean_scores, passing, rates_of, scores, selected
from siwork.simulation.learners import Refit, Softmax, said
from siwork.simulation.luck import JUDGE, SAMPLE, chances, errors, place_of
from siwork.simulation.play import play
from siwork.simulation.world import Ground, ground_of
from siwork.slots import Selection
from siwork.tasks import task_of

KNOBS = {"sharing": 0.3, "seed": 4}


@pytest.fixture(scope="module")
def tabular():
    """A tabular policy in the middle of training, and its numbers as the engine takes them."""
    task = task_of("countdown(numbers=3)")
    problems = task.problems("train", 50)
    policy = Tabular(**KNOBS).build_for(task)
    policy.register(problems)
    table, rng = policy.weights.table, np.random.default_rng(0)
    policy.weights.sharpness[:] = 0.2
    policy.weights.skill[:], policy.weights.style[:] = rng.normal(size=5), rng.normal(size=8)
    policy.weights.private[:] = rng.normal(size=table.live.shape) * table.live
    base = policy.make.base(table, policy.weights.difficulty)
    ground = Ground(base.T, table.right.T, table.style.T, policy.weights.difficulty, policy.weights.band, len(base))
    return policy, ground, problems["prompt"].tolist()


def engine_of(policy, ground, **knobs):
    """The engine with the numbers of the policy."""
    engine = Softmax(ground, policy.make.sharing, **knobs)
    weights = policy.weights
    engine.sharpness, engine.skill, engine.style = (
        float(weights.sharpness[0]),
        weights.skill.copy(),
        weights.style.copy(),
    )
    engine.private = np.where(weights.table.live, weights.private, -np.inf).T.copy()
    return engine


def rows_and_weights(policy, prompts, n=400):
    """Training rows with weights, and the same summed by (candidate, problem)."""
    rng, table = np.random.default_rng(1), policy.weights.table
    problem = rng.integers(0, len(prompts) - 7, n)  # some problems have no row
    column = np.array([rng.integers(0, len(table.facts[p].texts)) for p in problem])
    weight = rng.choice([0.5, 1.0, 2.0], n)
    dense = np.zeros(table.live.T.shape)
    np.add.at(dense, (column, problem), weight)
    return (
        [prompts[p] for p in problem],
        [table.facts[p].texts[c] for p, c in zip(problem, column, strict=True)],
        weight,
        dense,
    )


# ── the policy ─────────────────────────────────────────────────────────────────────────────────────────


def test_distributions_are_those_of_the_tabular_policy(tabular):
    policy, ground, prompts = tabular
    logp = engine_of(policy, ground).says().logp
    np.testing.assert_allclose(logp.T, policy.weights.log_probabilities(prompts), rtol=1e-12, atol=1e-12)


def test_the_gradient_is_that_of_the_tabular_policy(tabular):
    policy, ground, prompts = tabular
    asked, said_, weight, dense = rows_and_weights(policy, prompts)
    slope = engine_of(policy, ground).slope(dense / dense.sum())
    found = policy.gradient(asked, said_, None, weight / weight.sum())
    for name in ("sharpness", "skill", "style"):
        np.testing.assert_allclose(
            getattr(slope, name), found[name] if name != "sharpness" else found[name][0], atol=1e-13
        )
    np.testing.assert_allclose(slope.private.T, found["private"], atol=1e-13)


def test_a_fit_ends_where_the_tabular_policy_does(tabular):
    policy, ground, prompts = tabular
    policy = policy.copy()
    engine = engine_of(policy, ground, rate=7.0, steps=3)
    asked, said_, weight, dense = rows_and_weights(policy, prompts)
    batch = np.arange(len(asked))
    plan = Plan(asked, said_, np.ones(len(asked), bool), [batch] * 3, lambda logp, i: weight[i] / weight[i].sum(), 7.0)
    policy.train(plan)
    engine.fit(dense)
    found, live = policy.parameters(), policy.weights.table.live
    assert engine.sharpness == pytest.approx(found["sharpness"][0], abs=1e-12)
    np.testing.assert_allclose(engine.skill, found["skill"], atol=1e-12)
    np.testing.assert_allclose(engine.style, found["style"], atol=1e-12)
    np.testing.assert_allclose(engine.private.T[live], found["private"][live], atol=1e-12)


def test_the_base_is_that_of_the_tabular_policy():
    world = World(problems=20, right=3, wrong=5, skill=0.7, spread=1.3, base=6)
    ground = ground_of(world)
    order = [*(i for i in range(20) if i % 3 != 2), *range(2, 20, 3)]
    table = SimpleNamespace(
        key=np.array(order, np.uint64),
        live=np.ones((20, 8), bool),
        listed=np.ones((20, 8), bool),
        right=np.broadcast_to(np.arange(8) < 3, (20, 8)),
    )
    wanted = Tabular(skill=0.7, spread=1.3, seed=6).base(table, ground.difficulty)
    np.testing.assert_allclose(ground.logits.T, wanted, atol=1e-12)
    assert ground.train == 14
    assert ground.right.sum() == 60


def test_sharpness_is_bounded_and_starts_anew_from_the_base():
    world = World(problems=30)
    ground = ground_of(world)
    weight = np.zeros((world.answers, ground.train))
    weight[ground.logits[:, : ground.train].argmax(axis=0), np.arange(ground.train)] = 1.0
    engine = Softmax(ground, 1.0, 1e4, 2)
    engine.fit(weight)
    assert engine.sharpness == STEEPEST
    again = Softmax(ground, 0.5, 5.0, 2, "base")
    again.fit(weight)
    first = again.says().logp
    again.fit(weight)
    np.testing.assert_array_equal(again.says().logp, first)
    again.fit(0 * weight)  # nothing kept: the base itself
    np.testing.assert_allclose(again.says().logp, said(ground.logits.copy()).logp)


def test_a_refit_takes_the_shares():
    ground = ground_of(World(problems=15, right=1, wrong=2))
    learner, before = Refit(ground), Refit(ground).says().p
    weight = np.zeros((3, ground.train))
    weight[:, 0] = [3, 1, 0]
    learner.fit(weight)
    np.testing.assert_allclose(learner.says().p[:, 0], [0.75, 0.25, 0.0])
    assert learner.says().logp[2, 0] == -np.inf
    np.testing.assert_array_equal(learner.says().p[:, 1:], before[:, 1:])  # without weights, and held out


# ── luck ───────────────────────────────────────────────────────────────────────────────────────────────


def test_luck_is_uniform_and_each_stream_its_own():
    u = chances(SAMPLE, 5, 10, 16, 300)
    assert 0 <= u.min() < u.max() < 1
    assert ((np.histogram(u, 20, (0, 1))[0] - u.size / 20) ** 2 / (u.size / 20)).sum() < 43.8  # 99.9 % of 19 degrees
    for other in (chances(JUDGE, 5, 10, 16, 300), chances(SAMPLE, 6, 10, 16, 300)):
        assert abs(np.corrcoef(u.ravel(), other.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(u[0].ravel(), u[1].ravel())[0, 1]) < 0.05
    assert abs(errors(5, 10, 16, 300).mean()) < 0.02
    with pytest.raises(ValueError, match="read-only"):
        u[0] = 0


def test_places_are_those_of_the_inverse_distribution_function():
    p = np.array([[0.2, 0.0], [0.0, 0.5], [0.8, 0.5]])
    u = np.array([[0.0, 0.0], [0.19, 0.49], [0.2, 0.5], [1 - 2**-53] * 2])
    assert place_of(p, u).tolist() == [[0, 1], [0, 1], [2, 2], [2, 2]]
    assert place_of(np.array([[0.3], [0.7], [0.0]]), np.array([[1 - 2**-53]])).tolist() == [[1]]  # never without mass


def test_samples_follow_the_distribution():
    trace = play(World(problems=600, rounds=1, k=64, base=2), 9)
    expected = trace.drawn[0] * 64
    chi = ((trace.counts[0] - expected) ** 2 / np.maximum(expected, 1e-9))[expected > 3]
    assert chi.mean() == pytest.approx(1 - 1 / 16, abs=0.08)


def test_a_slider_moves_nothing_but_what_it_is_about():
    """The same luck: what was right stays right as skill rises, and neighbours of a knob give neighbouring curves."""
    less, more = (play(World(skill=s), 0) for s in (0.0, 0.3))
    solved = [trace.counts[0, :4].sum(axis=0, dtype=int) for trace in (less, more)]
    assert (solved[1] >= solved[0]).all()
    assert (solved[1] > solved[0]).any()
    for name, values in {
        "fp": (0.1, 0.102),
        "strength": (20.0, 20.2),
        "real_share": (0.2, 0.202),
        "temperature": (1.0, 1.005),
    }.items():
        one, other = (simulate(World(**{name: value}), 1)["value"].to_numpy(float, na_value=np.nan) for value in values)
        assert np.nanquantile(np.abs(one - other), 0.95) < 0.012


def test_more_rounds_or_problems_leave_the_others_alone():
    short, long = (play(World(rounds=r), 0) for r in (3, 6))
    np.testing.assert_array_equal(short.counts[:3], long.counts[:3])
    few, many = (ground_of(World(problems=n)) for n in (30, 60))
    assert set(few.difficulty) <= set(many.difficulty)
    assert few.band[few.difficulty.argmax()] == 0


def test_a_seed_gives_the_same_table_twice():
    world = World(problems=60, rounds=2, verifier="graded")
    first = simulate(world, 3)
    play.cache_clear()
    pd.testing.assert_frame_equal(first, simulate(world, 3))
    assert not first["value"].equals(simulate(world, 4)["value"])


# ── verifiers and selection ────────────────────────────────────────────────────────────────────────────


def test_error_rates_are_those_of_noisy_by_difficulty():
    world = World(problems=3000, rounds=1, k=16, fp=0.4, fn=0.3, link="difficulty")
    trace, n = play(world, 0), world.train
    difficulty = trace.ground.difficulty[:n]
    np.testing.assert_allclose(trace.rates.fp, np.minimum(0.8 * difficulty, 1))
    count, passed = trace.counts[0, :, :n].astype(int), trace.passed[0].astype(int)
    for band in BANDS:
        here = trace.ground.band[:n] == band
        wrong, right = count[4:, here].sum(), count[:4, here].sum()
        expected = (trace.rates.fp[here] * count[4:, here].sum(axis=0)).sum() / wrong
        assert passed[4:, here].sum() / wrong == pytest.approx(expected, abs=4.5 / np.sqrt(4 * wrong))
        expected = (trace.rates.fn[here] * count[:4, here].sum(axis=0)).sum() / right
        assert 1 - passed[:4, here].sum() / right == pytest.approx(expected, abs=4.5 / np.sqrt(4 * right))


@pytest.mark.parametrize("link", ["flat", "difficulty"])
def test_a_graded_verdict_errs_as_the_noisy_one_does(link):
    """The same luck, the same verdicts: grading only says how sure they are."""
    knobs = {"problems": 200, "rounds": 1, "fp": 0.2, "fn": 0.1, "link": link}
    noisy, graded = (play(World(verifier=v, calibration=3.0, **knobs), 2) for v in ("noisy", "graded"))
    np.testing.assert_array_equal(noisy.passed[0], graded.passed[0])
    assert len(np.unique(graded.score)) > 1000


def test_calibration_one_is_calibrated_and_more_is_overconfident():
    """As many right answers as wrong ones and equal error rates: the score is the chance of being right."""
    error = {}
    for slope in (0.3, 1.0, 3.0):
        world = World(problems=3000, rounds=1, k=8, verifier="graded", fp=0.2, fn=0.2, calibration=slope, skill=0.83)
        table = simulate(world, 0)
        row = table[(table["metric"] == "ece")].iloc[0]
        assert row["value"] == pytest.approx(row["truth"], abs=0.015)
        error[slope] = row["truth"]
    assert error[1.0] < 0.02 < 0.05 < min(error[0.3], error[3.0])


def test_the_exact_chances_of_a_graded_score_are_its_frequencies():
    world = World(problems=3000, verifier="graded", fp=0.3, fn=0.1, calibration=1.7, threshold=0.8, link="difficulty")
    rates, luck = rates_of(world, ground_of(world)), errors(1, 1, 64, world.train)[0]
    for right, at in ((True, 0), (False, 1)):
        place = np.full(luck.shape, 0 if right else world.right, np.int8)
        found = scores(world, rates, np.full(luck.shape, right), place, np.zeros((16, world.train)), luck)
        assert (found >= 0.8).mean() == pytest.approx(passing(world, rates, 0.8)[at].mean(), abs=0.005)
        assert found.mean() == pytest.approx(mean_scores(world, rates)[at].mean(), abs=0.005)
    assert (evidence_of(world, rates).slope > 0).all()


@pytest.mark.parametrize(
    ("world", "selectors"),
    [
        (World(k=12, threshold=0.3), [Correct(threshold=0.3)]),
        (World(k=12, selection="best", best=3), [Best(n=3)]),
        (World(k=12, selection="best", best=20), [Best(n=20)]),
        (World(k=12, cap=2), [Correct(), Balance(cap=2)]),
        (World(k=12, repeats="drop"), [Correct(), Divsel()]),
        (World(k=12, repeats="drop", cap=3), [Correct(), Divsel(), Balance(cap=3)]),
        (World(k=12, selection="all", cap=5), [Balance(cap=5)]),
    ],
    ids=lambda x: x._selector if isinstance(x, World) else "",
)
def test_selection_is_that_of_the_selectors(world, selectors):
    rng, n = np.random.default_rng(5), 80
    place = rng.integers(0, 6, (12, n)).astype(np.int8)
    score = rng.choice([0.0, 0.25, 0.5, 1.0], (12, n))
    kept = selected(world, score, place, rng.random((6, n)), 6)
    problem = np.broadcast_to(np.arange(n), place.shape)
    rows = pd.DataFrame({"problem": problem.ravel(), "answer": place.ravel().astype(str), "score": score.ravel()})
    chosen = Selection(np.ones(len(rows)), np.full(len(rows), -1), np.zeros(len(rows), int))
    for part in selectors:
        chosen = part.select(rows.assign(response=rows["answer"]), chosen, rng)
    counts = np.bincount(problem.ravel(), chosen.weight, n)
    np.testing.assert_array_equal(kept.sum(axis=0), counts)
    wanted = counted(place, 6, chosen.weight.reshape(place.shape) > 0)
    assert (kept <= counted(place, 6)).all()
    if (len(selectors) == 1 and isinstance(selectors[0], Correct)) or isinstance(selectors[-1], Divsel):
        np.testing.assert_array_equal(kept, wanted)  # nothing is left to chance
    if isinstance(selectors[0], Best):
        key = np.sort(score, axis=0)[::-1][: min(selectors[0].n, 12)].sum()
        assert (score.ravel() * chosen.weight).sum() == pytest.approx(key)


def test_a_cap_on_different_answers_takes_each_as_often():
    rng = np.random.default_rng(0)
    place = np.repeat([[0], [0], [0], [1], [2]], 30_000, axis=1).astype(np.int8)
    kept = selected(World(k=5, repeats="drop", cap=1), np.ones(place.shape), place, rng.random((3, 30_000)), 3)
    np.testing.assert_allclose(kept.mean(axis=1), 1 / 3, atol=0.015)


def test_ties_for_the_best_go_to_any_sample():
    place = np.random.default_rng(0).permuted(np.repeat([[0], [1], [1], [2]], 20_000, axis=1), axis=0).astype(np.int8)
    kept = selected(World(k=4, selection="best"), np.ones(place.shape), place, None, 3)
    np.testing.assert_allclose(kept.mean(axis=1), [0.25, 0.5, 0.25], atol=0.015)


# ── knobs ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"verifier": "none"}, "selection=correct needs scores, and verifier is none; nearest: selection=all"),
        ({"verifier": "graded", "fp": 0.6, "fn": 0.4}, "needs fp \\+ fn below 1 with link=flat, got 1"),
        ({"verifier": "graded", "fp": 0.3, "fn": 0.2, "link": "difficulty"}, "below 0.5 with link=difficulty, got 0.5"),
        ({"update": "refit", "start": "base"}, "start=base means nothing; nearest: start=last"),
        ({"problems": 3000, "k": 64}, "at most 1,100,000.*got 2,640,000; nearest: problems=1250"),
        ({"fp": 1.2}, "knob 'fp' must be in 0 … 1, got 1.2; nearest: 1"),
        ({"verifier": "vtoe"}, "nearest: 'vote'"),
        ({"k": 1}, "nearest: 2"),
    ],
)
def test_knobs_that_do_not_go_together_are_refused(knobs, words):
    with pytest.raises(KnobError, match=words):
        World(**knobs)
