"""A recipe is data: six slots of components, read from and printed as a formula. And the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork import proposers, samplers, selectors, stabilisers, updates, verifiers
from siwork.schema import RecipeError, nearest, parse_formula
from siwork.slots import SLOTS, Component, Selection, State, Tell, silent

COMPONENTS: dict[str, type[Component]] = {
    kind.name: kind
    for room in (proposers, samplers, verifiers, selectors, updates, stabilisers)
    for kind in vars(room).values()
    if isinstance(kind, type) and issubclass(kind, Component) and "name" in vars(kind)
}


@dataclass(frozen=True)
class Recipe:
    """One method of self-improvement: components in six slots; an empty slot is the identity.

    `str(recipe)` is its formula, `Recipe.read(formula)` reads it back to an equal recipe.

    >>> str(Recipe.read("seed | cot(k=8) | gold | correct | sft"))
    'seed · cot(k=8) · gold · correct · sft'
    """

    proposer: tuple[Any, ...] = ()
    sampler: tuple[Any, ...] = ()
    verifier: tuple[Any, ...] = ()
    selector: tuple[Any, ...] = ()
    update: tuple[Any, ...] = ()
    stabiliser: tuple[Any, ...] = ()

    @classmethod
    def read(cls, text: str) -> Recipe:
        """The recipe of a catalogue name or a formula.

        Raises
        ------
        RecipeError : unreadable, an unknown recipe or component, slots out of order, a component twice in a slot,
            or parts that do not go together
        KnobError : an unknown knob, or a value out of range
        """
        if text.strip() in RECIPES:
            text = RECIPES[text.strip()].formula
        slots: dict[str, list[Component]] = {}
        for calls in parse_formula(text):
            parts = [_component(call.name, text).build(call.args, call.named) for call in calls]
            _place(slots, parts)
        recipe = cls(**{slot: tuple(parts) for slot, parts in slots.items()})
        recipe._check()
        return recipe

    def __str__(self) -> str:
        return " · ".join(" + ".join(str(part) for part in parts) for parts in self.slots.values() if parts)

    @property
    def slots(self) -> dict[str, tuple[Any, ...]]:
        """The components by slot, in order."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def label_free(self) -> bool:
        """Whether no component looks at the truth or the answer key."""
        return not any(part.reads_gold for parts in self.slots.values() for part in parts)

    def _check(self) -> None:
        if not self.sampler:
            raise RecipeError(f"a recipe needs a sampler, got {str(self)!r}; write for example seed · cot(k=16) · sft")
        names = {part.name for parts in self.slots.values() for part in parts}
        scored = names & {"correct", "best", "weight", "pairs", "pg", "neg"}
        if scored and not self.verifier:
            raise RecipeError(
                f"{', '.join(sorted(scored))} needs scores, and {str(self)!r} has no verifier; add gold or vote"
            )
        if "pref" in names and "pairs" not in names:
            raise RecipeError(f"pref trains on pairs, and {str(self)!r} has none; add the selector pairs")

    def play(
        self, state: State, problems: pd.DataFrame, rng: np.random.Generator, tell: Tell = silent
    ) -> tuple[pd.DataFrame, State]:
        """One round: propose, sample, verify, select, update. No truth enters but through components that read it.

        Parameters
        ----------
        state : State of the round; problems : DataFrame (PROBLEMS) of the train split
        rng : generator of this round alone; tell : called with (stage, share done)

        Returns
        -------
        rows : DataFrame of all completions with score and weight, without gold; state : State of the next round
        """
        lots = lots_of(rng)
        for part in self.proposer:
            problems = part.propose(problems, lots["proposer"])
        rows = self._sample(state, problems, lots, tell)
        state = self._learn(state, rows, lots["verifier"])
        tell("select", 0.0)
        rows = self.select(rows, lots["selector"])
        return rows, self._fit(state, rows, lots, tell)

    def _sample(
        self, state: State, problems: pd.DataFrame, lots: dict[str, np.random.Generator], tell: Tell
    ) -> pd.DataFrame:
        noise = lots["verifier"].bit_generator.state
        rows: pd.DataFrame | None = None
        for part in self.sampler:
            tell("sample", 0.0)
            if rows is None or len(problems):
                new = part.sample(state, problems, rows, lots["sampler"], tell)
                rows = new if rows is None else pd.concat([rows, new], ignore_index=True)
            tell("verify", 0.0)
            lots["verifier"].bit_generator.state = noise  # earlier rows are judged again with the same luck
            rows = self.judge(state, rows, lots["verifier"])
        assert rows is not None
        return rows

    def _learn(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> State:
        """The state with what verifiers take from judged rows; this round's scores stay as they are."""
        for part in self.verifier:
            if hasattr(part, "learn"):
                state = part.learn(state, rows, rng)
        return state

    def judge(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The rows with the verifiers' scores: the first as `score`, further ones as `score_<name>`."""
        if not self.verifier:
            return rows.assign(verifier=_text("none", len(rows)), score=_real(np.full(len(rows), np.nan)))
        for place, part in enumerate(self.verifier):
            column = "score" if place == 0 else f"score_{part.name}"
            rows = rows.assign(**{column: _real(part.score(state, rows, rng))})
        return rows.assign(verifier=_text(self.verifier[0].name, len(rows)))

    def select(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The rows with `weight`, `pair` and `side` as the selectors set them; without any, everything is kept."""
        n = len(rows)
        chosen = Selection(np.ones(n), np.full(n, -1), np.zeros(n, np.int64))
        for part in self.selector:
            chosen = part.select(rows, chosen, rng)
        return _selected(rows, chosen)

    def judge_only(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The rows with scores and weight 0: measured, never trained on."""
        n = len(rows)
        return _selected(self.judge(state, rows, rng), Selection(np.zeros(n), np.full(n, -1), np.zeros(n, np.int64)))

    def _fit(self, state: State, rows: pd.DataFrame, lots: dict[str, np.random.Generator], tell: Tell) -> State:
        started, train = state, rows
        for part in self.stabiliser:
            state, train = part.before(state, train, lots["stabiliser"])
        if state.policy is started.policy:
            state = state.having(policy=state.policy.copy())
        for part in self.update:
            tell("update", 0.0)
            plan = part.plan(state, train, lots["update"])
            if plan is not None:
                state.policy.train(plan, tell=lambda share: tell("update", share))
        for part in self.stabiliser:
            state = part.after(state, rows)
        return state


class Entry(NamedTuple):
    """One method of the catalogue."""

    formula: str
    source: str
    sentence: str


RECIPES: dict[str, Entry] = {
    "vanilla": Entry(
        "seed · cot · gold · correct · sft",
        "Progress or regress? Self-improvement reversal in post-training",
        "Rejection-sampling fine-tuning, continued from the last round.",
    ),
    "restart": Entry(
        "seed · cot · gold · correct · sft · reset",
        "Think, Prune, Train, Improve: Scaling Reasoning without Scaling Models",
        "Rejection-sampling fine-tuning, restarted from the base model each round.",
    ),
    "unfiltered": Entry(
        "seed · cot · sft",
        "Collapse of Self-trained Language Models",
        "Self-training on everything the model says.",
    ),
    "srt": Entry(
        "seed · cot · vote(count=majority) · pg",
        "Can Large Reasoning Models Self-Train?",
        "Reinforcement learning with the majority vote as reward.",
    ),
    "lmsi": Entry(
        "seed · cot(k=32) · vote · correct · sft",
        "Large Language Models Can Self-Improve",
        "Fine-tuning on answers that hold at least half of the votes.",
    ),
    "ladder": Entry(
        "seed · cot · noisy(0.1, 0.1) · correct · sft",
        "On the self-verification limitations of large language models on reasoning and planning tasks",
        "The vanilla loop behind a verifier with set error rates.",
    ),
    "real-mix": Entry(
        "seed · cot · sft · mix(real, share=0.2)",
        "A tale of tails: Model collapse as a change of scaling laws",
        "Unfiltered self-training with a share of real data.",
    ),
    "vanilla-mix": Entry(
        "seed · cot · gold · correct · sft · mix(real, share=0.3)",
        "A tale of tails: Model collapse as a change of scaling laws",
        "The vanilla loop with a share of real data in every update.",
    ),
    "star": Entry(
        "seed · cot(k=8) + hint(answer, on=fail) · gold · correct · sft · reset",
        "STaR: Bootstrapping reasoning with reasoning",
        "Rejection sampling with rationalisation of failed problems, restarted from the base model.",
    ),
    "rlvr": Entry(
        "seed · cot · gold · pg",
        "Adaptive Guidance Accelerates Reinforcement Learning of Reasoning Models",
        "Reinforcement learning with the true check.",
    ),
    "iterative-dpo": Entry(
        "seed · cot · gold · pairs · pref",
        "Enhancing LLM Reasoning with Iterative DPO: A Comprehensive Empirical Investigation",
        "Preference training on right-wrong pairs, round after round.",
    ),
    "balanced": Entry(
        "seed · cot · gold · correct + divsel + balance · sft",
        "Counteracting Matthew Effect in Self-Improvement of LVLMs through Head-Tail Re-balancing",
        "The vanilla loop with different answers only, and a cap on each problem.",
    ),
    "rlsc": Entry(
        "seed · cot · conf(kind=sequence) · weight · sft",
        "Confidence Is All You Need: Few-Shot RL Fine-Tuning of Language Models",
        "Likelihood training on own responses, weighted by their own probability.",
    ),
    "v-star": Entry(
        "seed · cot · gold + orm(first=nothing) · correct · sft · reset",
        "V-STaR: Training Verifiers for Self-Taught Reasoners",
        "Rejection sampling beside a verifier trained on right and wrong samples of all rounds, which scores but does not select.",
    ),
    "self-rewarding": Entry(
        "seed · cot · judge · pairs · pref",
        "Self-Rewarding Language Models",
        "Preference training on what the model itself says is right; needs a language model that reads any text.",
    ),
}


def recipe_of(text: str | Recipe) -> Recipe:
    """A recipe from its name or formula; a Recipe passes through. Raises as `Recipe.read`."""
    return text if isinstance(text, Recipe) else Recipe.read(text)


def selectors_of(text: str) -> Recipe:
    """A recipe with nothing but the selectors of a formula such as `correct + balance(cap=2)`; empty keeps everything.

    Raises
    ------
    RecipeError : unreadable, no text, a component that is no selector, or one that stands twice
    KnobError : an unknown knob, or a value out of range
    """
    if not isinstance(text, str):
        raise RecipeError(f"selectors are a formula such as 'correct(threshold=0.7)', got {type(text).__name__}")
    slots: dict[str, list[Component]] = {}
    for calls in parse_formula(text) if text.strip() else []:
        parts = [_selector(call.name).build(call.args, call.named) for call in calls]
        _place(slots, parts)
    return Recipe(selector=tuple(slots.get("selector", ())))


def _selector(name: str) -> type[Component]:
    known = sorted(part.name for part in COMPONENTS.values() if part.slot == "selector")
    if name in COMPONENTS and COMPONENTS[name].slot != "selector":
        raise RecipeError(
            f"{name} is of the {COMPONENTS[name].slot} slot, where a selector is wanted; selectors: {', '.join(known)}"
        )
    if name in RECIPES:
        raise RecipeError(f"{name} is a whole recipe, where a selector is wanted; selectors: {', '.join(known)}")
    if name not in COMPONENTS:
        raise RecipeError(f"no selector is called {name!r}; {nearest(name, known)}. Selectors: {', '.join(known)}")
    return COMPONENTS[name]


def lots_of(rng: np.random.Generator) -> dict[str, np.random.Generator]:
    """The generator of each slot, from that of a round's loop."""
    return dict(zip(SLOTS, rng.spawn(len(SLOTS)), strict=True))


def _selected(rows: pd.DataFrame, chosen: Selection) -> pd.DataFrame:
    side = pa.array(["rejected", None, "chosen"]).take(pa.array(chosen.side + 1))
    pair = pa.array(chosen.pair, pa.int64(), mask=chosen.pair < 0)
    return rows.assign(weight=_real(chosen.weight), pair=_column(pair), side=_column(side))


def _component(name: str, text: str) -> type[Component]:
    if name in COMPONENTS:
        return COMPONENTS[name]
    known = [*COMPONENTS, *RECIPES] if text.strip() == name else list(COMPONENTS)
    kind = "recipe or component" if text.strip() == name else "component"
    raise RecipeError(f"no {kind} is called {name!r}; {nearest(name, known)}. `siwork recipes` lists them")


def _place(slots: dict[str, list[Component]], parts: list[Component]) -> None:
    slot = parts[0].slot
    for part in parts:
        if part.slot != slot:
            raise RecipeError(
                f"{parts[0].name} is a {slot} and {part.name} a {part.slot}; put · between slots, + within one"
            )
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(f"component {twice[0]!r} stands twice in the {slot} slot; once is enough, drop one")
    if slot in slots:
        raise RecipeError(f"the {slot} slot is written twice; join its components with +")
    if slots and SLOTS.index(slot) < max(SLOTS.index(s) for s in slots):
        raise RecipeError(f"{parts[0].name} is a {slot} and stands too late; the order is {' · '.join(SLOTS)}")
    slots[slot] = parts


def _text(value: str, n: int) -> pd.arrays.ArrowExtensionArray:
    return _column(pa.repeat(value, n))


def _real(values: np.ndarray) -> pd.arrays.ArrowExtensionArray:
    return _column(pa.array(values, pa.float64(), from_pandas=True))


def _column(array: pa.Array) -> pd.arrays.ArrowExtensionArray:
    return pd.arrays.ArrowExtensionArray(array)


__all__ = ["COMPONENTS", "RECIPES", "Entry", "Recipe", "lots_of", "recipe_of", "selectors_of"]
