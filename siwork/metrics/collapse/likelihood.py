"""Likelihood: perplexity, bits per byte, and distances between policies, in nats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from siwork.metrics.draws import whole
from siwork.schema import KnobError, nearest

_ABOVE = 1e-6  # rounding may lift a log-probability this far above 0


def _logs(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, float)
    if (array > _ABOVE).any():
        raise KnobError(f"{name} must be log-probabilities ≤ 0 in nats, got {np.nanmax(array):g}; the sign turned?")
    return array


def _loss_per_unit(logp: ArrayLike, units: ArrayLike, name: str, problem: ArrayLike | None) -> np.ndarray:
    """−Σ logp / Σ units of each problem (one for problem=None), NaN without a unit."""
    log, size = _logs("logp", logp), whole(name, units)
    code = None if problem is None else whole("problem", problem)
    if log.ndim != 1 or size.shape != log.shape or (code is not None and code.shape != log.shape):
        raise KnobError(f"logp, {name} and problem must be flat and of one length, got {log.shape} and {size.shape}")
    unknown = np.isnan(log)
    if unknown.any():
        log, size, code = log[~unknown], size[~unknown], code if code is None else code[~unknown]
    groups = 1 if problem is None else int(np.max(problem, initial=-1)) + 1
    loss = np.array([-log.sum()]) if code is None else np.bincount(code, -log, groups)
    total = np.array([size.sum()]) if code is None else np.bincount(code, size, groups)
    return np.divide(loss, total, out=np.full(groups, np.nan), where=total > 0)


def perplexity(logp: ArrayLike, n_tokens: ArrayLike, problem: ArrayLike | None = None) -> Any:
    """Perplexity exp(−Σ logp / Σ tokens), every token with the same weight.

    Under round 0, of generated text, its fall is a retreat into what was likely; under round t, of held-out real text,
    its rise is forgetting. The mean of the perplexities of texts is another number.

    Parameters
    ----------
    logp : float array (N,), nats: log-probability of each text; NaN where unknown, such texts leave both sums
    n_tokens : int array (N,), tokens of each text
    problem : int array (N,), the number 0..G−1 of the problem of each text, for one value each; None pools all

    Returns
    -------
    float, or array (G,), ≥ 1 (inf with an impossible text); NaN without a token. Its log is the loss per token, in
    nats, on which intervals are made. Other tokenizer, other number: see `bits_per_byte`.

    Raises
    ------
    KnobError for a log-probability above 0, token counts that are not whole or negative, or lengths that differ.

    >>> round(perplexity([-2.0, -4.0], [2, 1]), 4)
    7.3891
    """
    loss = _loss_per_unit(logp, n_tokens, "n_tokens", problem)
    with np.errstate(over="ignore"):
        value = np.maximum(np.exp(loss), 1.0)
    return float(value[0]) if problem is None else value


def bits_per_byte(logp: ArrayLike, n_bytes: ArrayLike, problem: ArrayLike | None = None) -> Any:
    """Bits per byte of text, −Σ logp / (log 2 · Σ bytes): a likelihood that policies of unlike tokenizers share.

    Parameters
    ----------
    logp : float array (N,), nats: log-probability of each text; NaN where unknown, such texts leave both sums
    n_bytes : int array (N,), UTF-8 bytes of each text
    problem : int array (N,), the number 0..G−1 of the problem of each text, for one value each; None pools all

    Returns
    -------
    float, or array (G,), ≥ 0 (inf with an impossible text); NaN without a byte.

    Raises
    ------
    KnobError for a log-probability above 0, byte counts that are not whole or negative, or lengths that differ.

    >>> round(bits_per_byte([-2.0, -4.0], [10, 10]), 4)
    0.4328
    """
    value = np.maximum(_loss_per_unit(logp, n_bytes, "n_bytes", problem) / np.log(2.0), 0.0)
    return float(value[0]) if problem is None else value


def kl_estimate(logp: ArrayLike, base_logp: ArrayLike, kind: str = "k1") -> np.ndarray:
    """Estimate of KL(π_t ‖ π_0) from each sample y ~ π_t; the mean over samples is the estimate.

    With log r = base_logp − logp: k1 = −log r is unbiased and may be negative; k2 = (log r)²/2 is biased, with little
    variance; k3 = r − 1 − log r is unbiased and ≥ 0, but its variance is infinite where r has a heavy tail. Report k1
    of whole responses with an interval over problems; keep k3 for single tokens.

    Parameters
    ----------
    logp : float array (N,), nats: log π_t(y) of samples of π_t, at temperature 1 and without top-p
    base_logp : float array (N,), nats: log π_0(y) of the same samples; −inf where π_0 cannot give them
    kind : "k1", "k2" or "k3"

    Returns
    -------
    float array (N,), nats, higher = further from round 0; NaN where either is unknown, inf where base_logp is −inf.
    Samples of another temperature or of top-p < 1 make all three wrong, which no function can see. The other direction,
    KL(π_0 ‖ π_t), which sees lost modes, wants samples of π_0: swap the policies.

    Raises
    ------
    KnobError for an unknown kind, a log-probability above 0, a logp of −inf, or shapes that differ.

    Source: Schulman 2020 (joschu.net/blog/kl-approx.html).

    >>> kl_estimate([-1.0, -2.0], [-2.0, -1.5])
    array([ 1. , -0.5])
    """
    if kind not in ("k1", "k2", "k3"):
        raise KnobError(f"kind must be k1, k2 or k3, got {kind!r}; {nearest(kind, ['k1', 'k2', 'k3'])}")
    now, base = _logs("logp", logp), _logs("base_logp", base_logp)
    if now.shape != base.shape:
        raise KnobError(f"logp and base_logp must be of one shape, got {now.shape} and {base.shape}")
    if np.isinf(now).any():
        raise KnobError(
            "logp must be finite, or NaN where unknown, got -inf; a policy cannot give what it calls impossible"
        )
    with np.errstate(over="ignore"):  # r may exceed every number
        ratio = base - now
        if kind == "k1":
            return -ratio
        return 0.5 * ratio**2 if kind == "k2" else np.maximum(np.expm1(ratio) - ratio, 0.0)


def _distributions(p: ArrayLike, q: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as float arrays (…, V) that sum to exactly 1."""
    both = []
    for name, values in (("p", p), ("q", q)):
        array = np.asarray(values, float)
        total = array.sum(-1, keepdims=True) if array.ndim else array
        if not array.ndim or not ((array >= 0).all() and (np.abs(total - 1.0) <= 1e-6).all()):
            seen = array.min(initial=np.inf) if not (array >= 0).all() else total.flat[np.abs(total - 1.0).argmax()]
            raise KnobError(
                f"{name} must be probabilities ≥ 0 that sum to 1 over the last axis, got {seen:g}; divide counts by their sum"
            )
        both.append(array / total)
    if both[0].shape[-1] != both[1].shape[-1]:
        raise KnobError(f"p and q must have one vocabulary, got {both[0].shape[-1]} and {both[1].shape[-1]} entries")
    return both[0], both[1]


def kl_divergence(p: ArrayLike, q: ArrayLike) -> np.ndarray:
    """KL(p ‖ q) = Σ p log(p/q) of distributions, exact.

    Parameters
    ----------
    p, q : float arrays (…, V) that broadcast, probabilities over the last axis (sums within 1e-6 of 1, then made 1)

    Returns
    -------
    array (…), nats, ≥ 0; inf where q is 0 and p is not.

    Raises
    ------
    KnobError where p or q is no distribution, unknown entries included, or the vocabularies differ.

    >>> kl_divergence([0.5, 0.5], [[0.5, 0.5], [1.0, 0.0]])
    array([ 0., inf])
    """
    p, q = _distributions(p, q)
    return np.asarray(np.maximum(rel_entr(p, q).sum(-1), 0.0))[()]


def js_divergence(p: ArrayLike, q: ArrayLike) -> np.ndarray:
    """Jensen–Shannon divergence ½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q)/2.

    Takes and raises what `kl_divergence` does. Returns array (…), nats, in [0, log 2]; its square root is the distance
    that SciPy's `jensenshannon` returns. From counts it is biased up, the more the fewer: compare at equal n.

    >>> js_divergence([1.0, 0.0], [0.0, 1.0]).round(4)
    np.float64(0.6931)
    """
    p, q = _distributions(p, q)
    middle = 0.5 * (p + q)
    return np.asarray(np.clip(0.5 * (rel_entr(p, middle) + rel_entr(q, middle)).sum(-1), 0.0, np.log(2.0)))[()]


def total_variation(p: ArrayLike, q: ArrayLike) -> np.ndarray:
    """Total variation ½ Σ |p − q|: the largest difference of the probabilities of any event.

    Takes and raises what `kl_divergence` does. Returns array (…) in [0, 1].

    >>> total_variation([0.5, 0.5], [1.0, 0.0])
    np.float64(0.5)
    """
    p, q = _distributions(p, q)
    return np.asarray(np.minimum(0.5 * np.abs(p - q).sum(-1), 1.0))[()]
