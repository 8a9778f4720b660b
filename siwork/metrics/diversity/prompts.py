"""How much a response tells of its prompt."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from siwork.schema import KnobError


def _scored(logp: ArrayLike) -> np.ndarray:
    table = np.asarray(logp, float)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise KnobError(f"logp must be (M, M), each response under each prompt, got shape {table.shape}")
    if (table > 1e-6).any():
        raise KnobError(f"logp must be log-probabilities ≤ 0 in nats, got {np.nanmax(table):g}; the sign turned?")
    return table


def _information(table: np.ndarray) -> float:
    if len(table) < 2 or np.isnan(table).any():
        return float("nan")
    mixture = logsumexp(table, axis=1) - np.log(len(table))
    with np.errstate(invalid="ignore"):  # −inf − (−inf): a response that no prompt gives
        return float(np.mean(np.diag(table) - mixture))


def prompt_information(logp: ArrayLike) -> float:
    """How far responses tell their prompts apart: mean_i log π(y_i|x_i) − log (1/M Σ_j π(y_i|x_j)).

    Falls to 0 when every prompt gets the same template, even where entropy stays: the sign of template collapse.

    Parameters
    ----------
    logp : float array (M, M), nats: logp[i, j] = log π(y_i | x_j), y_i a response to prompt x_i. M² scorings: M = 16

    Returns
    -------
    float, nats, at most log M, higher = more of the prompt is in the response; a lower bound, in expectation, on the
    mutual information of prompt and response. Below 0 when responses suit other prompts better. NaN for M < 2, when an
    entry is unknown, or when a response is impossible under every prompt. Depends on M: compare at equal M.

    Raises
    ------
    KnobError for a shape that is not (M, M), or a log-probability above 0.

    Source: template collapse, RAGEN-2 (arXiv:2604.06268); this estimator is InfoNCE with the exact critic (van den Oord
    et al. 2018, arXiv:1807.03748).

    >>> round(prompt_information([[-1.0, -9.0], [-9.0, -1.0]]), 4)
    0.6928
    """
    return _information(_scored(logp))


def prompt_information_se(logp: ArrayLike) -> float:
    """Delete-one jackknife standard error of `prompt_information` over prompts.

    `sqrt((M−1)/M · Σ_k (θ_(−k) − θ̄)²)`; leaving prompt k out removes its response and its column.

    Parameters
    ----------
    logp : float array (M, M), as `prompt_information` takes it

    Returns
    -------
    float ≥ 0, nats; NaN for M < 3, or where the value is NaN or infinite. An interval is ± t_{M−1} of it.

    Raises
    ------
    KnobError as `prompt_information` does.

    >>> prompt_information_se([[-1.0, -5.0, -5.0], [-5.0, -1.0, -5.0], [-5.0, -5.0, -1.0]])
    0.0
    """
    table = _scored(logp)
    size = len(table)
    left = np.array([_information(np.delete(np.delete(table, k, 0), k, 1)) for k in range(size)])
    if size < 3 or not np.isfinite(left).all():
        return float("nan")
    return float(np.sqrt((size - 1) / size * np.sum((left - left.mean()) ** 2)))
