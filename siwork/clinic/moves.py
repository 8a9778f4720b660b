"""What can be done to exact distributions: shifts, mixtures and sharpening, with shifts solved for a stated mean.

Rounds stand first: T rounds, P problems, M candidates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

_HALVINGS = 40
_FAR = 30.0  # nats: no shift is larger


def ramp(rounds: int, onset: int, bend: float = 1.0, grown: float = 1.0) -> np.ndarray:
    """Share of the harm done in rounds 0 … `rounds`, (rounds + 1,): 0 before the onset, 1 in the last round.

    grown : the share of the rounds from the onset on after which all of it is done

    >>> ramp(4, 2).round(2).tolist(), ramp(4, 1, grown=0.5).tolist()
    ([0.0, 0.0, 0.33, 0.67, 1.0], [0.0, 0.5, 1.0, 1.0, 1.0])
    """
    return np.clip((np.arange(rounds + 1) - onset + 1) / (grown * (rounds - onset + 1)), 0.0, 1.0) ** bend


def toward(path: np.ndarray, end: float, dose: np.ndarray) -> np.ndarray:
    """A path (T,) bent toward `end`: the path itself at dose 0, `end` at dose 1."""
    return path + dose * (end - path)


def shares(z: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Softmax of the logits z (…, M) over the candidates of a kind (P, M) bool alone; 0 where a problem has none.

    >>> shares(np.zeros((1, 3)), np.array([[True, True, False]]))
    array([[0.5, 0.5, 0. ]])
    """
    weight = np.exp(np.where(kind, z - np.where(kind, z, -np.inf).max(axis=-1, keepdims=True), -np.inf))
    return weight / weight.sum(axis=-1, keepdims=True)


def joined(solving: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Probabilities (T, P, M) from the chance of solving (T, P) and the shares among right and among wrong candidates."""
    return solving[..., None] * right + (1 - solving)[..., None] * wrong


def heated(p: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Probabilities p (T, P, M) at a temperature of each round (T,)."""
    weight = p ** (1 / temperature)[:, None, None]
    return weight / weight.sum(axis=-1, keepdims=True)


def solved(rising: Callable[[np.ndarray], np.ndarray], target: np.ndarray, low: float, high: float) -> np.ndarray:
    """x (T,) in low … high where a rising function, (T,) → (T,), meets its targets (T,); an end where it cannot.

    >>> solved(np.sqrt, np.array([1.0, 2.0]), 0, 9).round(6).tolist()
    [1.0, 4.0]
    """
    lower, upper = np.full(len(target), float(low)), np.full(len(target), float(high))
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        short = rising(middle) < target
        lower, upper = np.where(short, middle, lower), np.where(short, upper, middle)
    return (lower + upper) / 2


def raised(odds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Chances of solving (T, P): log-odds (P,) with one shift a round, so that their mean is the target (T,)."""
    shift = solved(lambda x: expit(odds + x[:, None]).mean(axis=1), target, -_FAR, _FAR)
    return expit(odds + shift[:, None])


def narrowed(z: np.ndarray, kind: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Shares ∝ p^γ (T, P, M) among candidates of a kind; γ ≥ 1 of each round leaves `keep` (T,) of the variety.

    Variety is the chance that two draws differ, 1 − Σ share², averaged over problems.

    >>> even = narrowed(np.array([[2.0, 1.0]]), np.array([[True, True]]), np.array([1.0, 0.1]))
    >>> (1 - (even**2).sum(axis=-1)).ravel().round(3).tolist()  # 0.393, and a tenth of it
    [0.393, 0.039]
    """
    many = kind.sum(axis=1) > 1
    if not many.any():
        return np.repeat(shares(z, kind)[None], len(keep), axis=0)
    width = int(np.flatnonzero(kind.any(axis=0)).max()) + 1
    some, which = z[many][:, :width], kind[many][:, :width]

    def alike(x: np.ndarray) -> np.ndarray:
        return (shares(np.exp(x)[:, None, None] * some, which) ** 2).sum(axis=-1).mean(axis=1)

    start = alike(np.zeros(1))
    x = solved(alike, 1 - keep * (1 - start), 0.0, 6.0)
    return shares(np.exp(np.where(keep < 1, x, 0.0))[:, None, None] * z, kind)


def dead(solving: np.ndarray, samples: int) -> np.ndarray:
    """Mean chance (T,) that all samples of a problem are right or all wrong, from chances of solving (T, P)."""
    return (solving**samples + (1 - solving) ** samples).mean(axis=-1)


def split(chance: np.ndarray, u: float) -> np.ndarray:
    """Each chance (P,) as 0 or 1 bool, by systematic sampling from one number u in [0, 1).

    A problem becomes 1 with its own chance, and the sum stays within one, also among problems of like chance.

    >>> split(np.array([0.5, 0.9, 0.5, 0.1]), 0.25).tolist()
    [False, True, True, False]
    """
    order = np.argsort(chance, kind="stable")
    upto = np.floor(np.cumsum(chance[order]) + u)
    chosen = np.zeros(len(chance), bool)
    chosen[order] = np.diff(upto, prepend=0.0) > 0
    return chosen
