"""The catalogue: methods of self-improvement by name, each one formula."""

from __future__ import annotations

from typing import NamedTuple


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
        "seed · cot · gold + orm(first=nothing) · correct · sft + vfit · reset",
        "V-STaR: Training Verifiers for Self-Taught Reasoners",
        "Rejection sampling beside a verifier trained on right and wrong samples of all rounds, which scores but does not select.",
    ),
    "self-rewarding": Entry(
        "seed · cot · judge · pairs · pref",
        "Self-Rewarding Language Models",
        "Preference training on what the model itself says is right; needs a language model that reads any text.",
    ),
}
