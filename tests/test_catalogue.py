"""Every method of the catalogue, played for two rounds in its smallest setting: what holds for all of them."""

import numpy as np
import pandas as pd
import pytest

import siwork
from hf_made import byte_pairs, write_fresh
from recipes_made import Permuted, small
from siwork.recipes import LACKING, RECIPES, SHOWS, Recipe
from siwork.schema import RecipeError, check
from siwork.slots import State
from siwork.tasks import task_of

ROUNDS = 2


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    """The folder of a small Llama that reads any text."""
    return write_fresh(tmp_path_factory.mktemp("model"), byte_pairs(), max_position_embeddings=512)


class Watched:
    """A policy that keeps the plans it was trained by."""

    def __init__(self, policy):
        self.policy, self.plans = policy, []

    def train(self, plan, tell=None):
        seen = self.policy.logp(plan.prompt, plan.response, plan.finished)
        self.plans.append((plan, np.asarray(seen, float)))
        return self.policy.train(plan, tell)

    def copy(self):
        twin = Watched(self.policy.copy())
        twin.plans = self.plans
        return twin

    def toward(self, other, share):
        self.policy.toward(other.policy, share)

    def __getattr__(self, name):
        if name in ("policy", "plans"):
            raise AttributeError(name)
        return getattr(self.policy, name)


def opened(name, language_model):
    """The task, its problems and the base policy of a method's smallest setting."""
    entry = RECIPES[name]
    task = task_of(entry.task)
    problems = task.problems("train", 20)
    knobs = {"max_new": 8, "device": "cpu"}
    policy = siwork.policy("hf", language_model, **knobs) if entry.policy == "hf" else siwork.policy(entry.policy, task)
    policy.register(problems)
    return task, problems, policy


def play(name, language_model, dealt=False):
    """Rows of all rounds, the last state, and the plans."""
    task, problems, policy = opened(name, language_model)
    watched = Watched(policy)
    state, recipe, tables = State(Permuted(task) if dealt else task, watched, watched), small(name), []
    for r in range(ROUNDS):
        rows, state = recipe.play(state.having(round=r), problems, np.random.default_rng([5, r]))
        tables.append(rows.assign(round=r))
    return pd.concat(tables, ignore_index=True), state, watched.plans


@pytest.mark.parametrize("name", RECIPES)
def test_it_plays_and_keeps_the_rules(name, language_model):
    task, _, base = opened(name, language_model)
    Recipe.read(name).see_fit(task, base)
    rows, state, plans = play(name, language_model)
    _see_rows(rows)
    _see_pairs(rows)
    _see_plans(plans)
    _see_learning(Recipe.read(name), state, base, plans)


def _see_rows(rows):
    assert "gold" not in rows  # truth comes last
    check(rows.assign(run="r"), needs=["problem", "sample", "response", "weight", "hint", "turn", "agent"])
    assert (rows["weight"] >= 0).all()
    assert not rows.duplicated(["round", "problem", "sample"]).any()
    score = rows["score"].dropna()
    assert ((score >= 0) & (score <= 1)).all()
    revised = rows[rows["parent"].notna()]
    known = set(zip(rows["round"], rows["problem"], rows["sample"], strict=True))
    assert set(zip(revised["round"], revised["problem"], revised["parent"], strict=True)) <= known


def _see_pairs(rows):
    paired = rows[rows["pair"].notna()]
    for _, both in paired.groupby(["round", "pair"]):
        assert sorted(both["side"]) == ["chosen", "rejected"]
        assert both["problem"].nunique() == 1


def _see_plans(plans):
    """Coefficients are the gradient of something: their derivatives, by finite differences, are symmetric."""
    for plan, logp in plans:
        assert plan.batches
        for index in plan.batches[:2]:
            index = np.asarray(index)
            here = logp[index] + np.linspace(-0.01, 0.01, len(index))  # off the kinks of clipped ratios
            found = plan.coefficients(here, index)
            assert found.shape == index.shape
            assert np.isfinite(found).all()
            step = 1e-5
            moves = np.eye(len(index)) * step
            slope = [
                (plan.coefficients(here + m, index) - plan.coefficients(here - m, index)) / (2 * step) for m in moves
            ]
            np.testing.assert_allclose(np.array(slope), np.array(slope).T, atol=1e-5 * max(1.0, np.abs(slope).max()))
            if plan.constant:
                assert not np.any(slope)


def _see_learning(recipe, state, base, plans):
    trains = any(part.name != "nofit" for part in recipe.update)
    assert bool(plans) == trains
    assert (state.policy.fingerprint() != base.fingerprint()) == trains


@pytest.mark.parametrize("name", RECIPES)
def test_it_sees_the_truth_only_where_it_says_so(name, language_model):
    rows, state, _ = play(name, language_model)
    dealt, other, _ = play(name, language_model, dealt=True)
    same = rows.equals(dealt) and state.policy.fingerprint() == other.policy.fingerprint()
    assert same == Recipe.read(name).label_free


def test_every_method_says_what_it_is_about():
    for name, entry in RECIPES.items():
        assert entry.shows, name
        assert set(entry.shows) <= set(SHOWS), name
        assert entry.expects, name
        assert entry.sentence.endswith("."), name
        assert str(Recipe.read(entry.formula)) == entry.formula, name
    assert len({entry.formula for entry in RECIPES.values()}) == len(RECIPES)


def test_what_cannot_be_played_is_named_and_no_recipe():
    assert not set(LACKING) & set(RECIPES)
    for name, found in LACKING.items():
        assert found.lacks.endswith(".")
        with pytest.raises(RecipeError, match="is known, but cannot be played yet; it lacks: ") as caught:
            Recipe.read(name)
        assert found.lacks in str(caught.value)
