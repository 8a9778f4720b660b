"""Chance without state: numbers that are a pure function of 64-bit keys, and what is done with rows of probabilities."""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from siwork.schema import KnobError

_STEP = np.uint64(0x9E3779B97F4A7C15)


class Chance(NamedTuple):
    """How the next token is chosen."""

    temperature: float
    top_p: float

    @classmethod
    def of(cls, temperature: float, top_p: float) -> Chance:
        """Checked. Raises KnobError for temperature < 0, or top_p outside (0, 1]."""
        if not 0 <= temperature < math.inf:
            raise KnobError(f"temperature must be ≥ 0 and finite, got {temperature}; nearest: 0")
        if not 0 < top_p <= 1:
            raise KnobError(f"top_p must be in (0, 1], got {top_p}; nearest: {1 if top_p > 1 else 0.01}")
        return cls(float(temperature), float(top_p))


def scramble(keys: np.ndarray) -> np.ndarray:
    """The splitmix64 output function of each key, uint64 of the same shape.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", constants of the reference C.

    >>> hex(scramble(np.array([0], np.uint64))[0])  # first output of the reference generator with seed 0
    '0xe220a8397b1dcdaf'
    """
    z = np.asarray(keys, np.uint64) + _STEP
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(keys: np.ndarray) -> np.ndarray:
    """One number in [0, 1) from each key, float64 of the same shape: the 53 highest scrambled bits."""
    return (scramble(keys) >> np.uint64(11)) * 2.0**-53


def normal(keys: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """`n` standard normal numbers from each key, (len(keys), n); a wider draw starts with the narrower one."""
    start = scramble(scramble(np.asarray(keys, np.uint64)) ^ scramble(np.array([seed], np.uint64)))
    draws = np.arange(2 * n, dtype=np.uint64) * _STEP
    u = uniform(start[:, None] + draws).reshape(len(start), n, 2)
    return np.sqrt(-2 * np.log1p(-u[..., 0])) * np.cos(2 * np.pi * u[..., 1])  # Box and Muller 1958


def key_of(text: str) -> int:
    """A 64-bit key that depends on the text only, the same on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def total(values: np.ndarray) -> np.ndarray:
    """Sum of each row, added from left to right, so that empty places at the end never change a digit."""
    return np.cumsum(values, axis=1)[:, -1] if values.size else np.zeros(len(values))


def log_total(z: np.ndarray) -> np.ndarray:
    """log Σ exp of each row; -inf for a row of -inf."""
    peak = z.max(axis=1, initial=-np.inf)
    with np.errstate(divide="ignore"):
        return peak + np.log(total(np.exp(z - np.where(np.isfinite(peak), peak, 0.0)[:, None])))


def entropy(p: np.ndarray) -> np.ndarray:
    """Shannon entropy of each row of probabilities, nats; NaN where a row holds NaN."""
    return total(-p * np.log(np.where(p == 0, 1.0, p)))


def tempered(logp: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
    """Each row of log-probabilities made sharper or flatter and cut to its nucleus, as weights that need no sum 1.

    temperature 0 leaves the likeliest place alone (the first of equals). The nucleus is the smallest set of likeliest
    places that holds `top_p` of the mass (Holtzman et al. 2020). Raises KnobError outside 0 ≤ temperature, 0 < top_p ≤ 1.

    >>> tempered(np.log([[0.5, 0.3, 0.2]]), 1.0, 0.6).round(1)
    array([[1. , 0.6, 0. ]])
    """
    if not 0 <= temperature < np.inf:
        raise KnobError(f"temperature must be a finite number ≥ 0, got {temperature}; nearest: {max(temperature, 0.0)}")
    if not 0 < top_p <= 1:
        raise KnobError(f"top_p must be above 0 and at most 1, got {top_p}; 1 keeps everything")
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        z = (logp - logp.max(axis=1, keepdims=True, initial=-np.inf)) / temperature
    if temperature == 0:
        z = np.where(np.arange(logp.shape[1]) == logp.argmax(axis=1)[:, None], 0.0, -np.inf)
    weight = np.exp(z)
    return weight if top_p == 1 else weight * _nucleus(weight, top_p)


def _nucleus(weight: np.ndarray, top_p: float) -> np.ndarray:
    order = np.argsort(-weight, axis=1, kind="stable")
    heavy = np.take_along_axis(weight, order, axis=1)
    upto = np.cumsum(heavy, axis=1)
    kept = np.zeros(weight.shape, bool)
    np.put_along_axis(kept, order, upto - heavy < top_p * upto[:, -1:], axis=1)
    return kept


def invert(weight: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Place of each number u in [0, 1) in its row's distribution: weight (m, M) and u (m, k) give (m, k) int."""
    upto = np.cumsum(weight, axis=1)
    u = u * total(weight)[:, None]
    place = np.zeros(u.shape, np.int32)
    for j in range(weight.shape[1]):
        place += upto[:, j, None] <= u
    return place
