"""What a policy answers to a question with a few given answers: how likely each of them is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from siwork.policies.base import Policy, Texts
from siwork.policies.texts import arrow
from siwork.schema import KnobError


def chances(policy: Policy, prompts: Texts, options: Sequence[str]) -> np.ndarray:
    """Probability of each option right after each prompt, among the options.

    A policy's own method `chances(prompts, options)` answers where it has one; else its log-probabilities of the options as
    beginnings of a response do, p_j = exp(logp_j) / Σ_k exp(logp_k). An option of several tokens has the product of their
    probabilities, so options of one token each compare best.

    Parameters
    ----------
    policy : one that reads any text
    prompts : n texts, each a question with all that leads to the answer
    options : m ≥ 2 different texts, none the beginning of another

    Returns
    -------
    float array (n, m), rows of sum 1; NaN where the policy cannot say.

    Raises
    ------
    KnobError for options that cannot be told apart, or a policy that does not read the question.
    """
    see_options(options)
    if getattr(policy, "whole_only", False):
        raise _deaf(policy, "it only knows whole responses to the problems of its task")
    asked = arrow(prompts)
    if not len(asked):
        return np.zeros((0, len(options)))
    try:
        own = getattr(policy, "chances", None)
        if own is not None:
            return np.asarray(own(asked, list(options)), float)
        begun = np.zeros(len(asked), bool)
        logp = np.stack([policy.logp(asked, [option] * len(asked), begun) for option in options], axis=1)
    except KnobError as error:
        raise _deaf(policy, str(error)) from None
    return among(logp)


def among(logp: np.ndarray) -> np.ndarray:
    """Log-probabilities (n, m) of options as probabilities among them, rows of sum 1; a row with a NaN is NaN."""
    p = np.exp(logp - np.max(logp, axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def see_options(options: Sequence[str]) -> None:
    """Raises KnobError for fewer than two options, or one that is how another begins."""
    if len(options) < 2:
        raise KnobError(f"a question needs at least 2 options, got {list(options)!r}; give yes and no")
    for i, one in enumerate(options):
        for j, other in enumerate(options):
            if i != j and other.startswith(one):
                raise KnobError(f"option {one!r} is how {other!r} begins; take options that begin in different ways")


def _deaf(policy: Policy, why: str) -> KnobError:
    return KnobError(
        f"the policy {policy.name!r} cannot be asked questions ({why}); "
        'name a language model to ask, as by="hf(\\"path/to/model\\")"'
    )
