"""What is exactly true of finite answer distributions: the values that estimators estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from siwork.policies.chance import entropy, total
from siwork.schema import KnobError


def truth(p: np.ndarray, right: np.ndarray, group: np.ndarray, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """Exact values of each row's distribution, by name, each (n,).

    Parameters
    ----------
    p : array (n, M), probabilities of candidates, rows of sum 1
    right : array (n, M) bool
    group : array (n, M) int, place of the first candidate with the same answer, -1 where none can be read
    ks : numbers of draws, each ≥ 1

    Returns
    -------
    `pass@k` = 1 − (1 − p)^k and `distinct_correct@k` = Σ over right answers a of 1 − (1 − p_a)^k for each k;
    `pass@inf` 1 where a right candidate has any chance, `n_right` how many right answers have one, `answer_entropy`
    in nats over the answers that can be read, NaN where none can.

    Raises KnobError when a k is below 1.

    >>> found = truth(np.array([[0.5, 0.5]]), np.array([[True, False]]), np.array([[0, 1]]), [1, 2])
    >>> found["pass@2"], found["answer_entropy"].round(3)
    (array([0.75]), array([0.693]))
    """
    if any(k < 1 for k in ks):
        raise KnobError(f"every k must be at least 1, got {min(ks)}; nearest: 1")
    answers = _by_answer(p, group)
    solved = np.minimum(total(np.where(right, p, 0.0)), 1.0)
    each = np.minimum(_by_answer(np.where(right, p, 0.0), group), 1.0)
    found = {f"pass@{k}": _within(solved, k) for k in ks}
    found |= {f"distinct_correct@{k}": _within(each, k).sum(axis=1) for k in ks}
    readable = total(answers)
    share = answers / np.where(readable > 0, readable, np.nan)[:, None]
    return found | {"pass@inf": (solved > 0) * 1.0, "n_right": (each > 0).sum(axis=1), "answer_entropy": entropy(share)}


def _within(p: np.ndarray, k: int) -> np.ndarray:
    """Chance of an event of chance p within k draws, exact for small p too."""
    with np.errstate(divide="ignore"):
        return -np.expm1(k * np.log1p(-p))


def _by_answer(p: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mass of each answer (n, M), at the place of its first candidate."""
    place = np.arange(len(p))[:, None] * p.shape[1] + group
    read = group >= 0
    return np.bincount(place[read], weights=p[read], minlength=p.size).reshape(p.shape)
