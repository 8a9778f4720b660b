"""Lengths of responses: collapse to nothing and run-away to the cap, of all samples and by truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.draws import whole
from siwork.schema import KnobError

_QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}


def length_stats(n_tokens: ArrayLike, finished: ArrayLike, gold: ArrayLike | None = None) -> pd.DataFrame:
    """Quantiles of length, share unfinished and share empty, of all samples, of right and of wrong ones.

    Parameters
    ----------
    n_tokens : int array (N,), tokens of each response, its end token counted when it finished
    finished : bool array (N,), whether the end token was reached
    gold : array (N,), 1 right, 0 wrong, NaN where unknown (such samples are in `all` only); None gives `all` only

    Returns
    -------
    DataFrame indexed by group (all, right, wrong) with n samples; q05, q25, median, q75, q95 and mean in tokens, quantiles
    interpolated linearly; unfinished and empty, shares in [0, 1], empty meaning no token but the end token. NaN, not 0,
    in a group without samples. Read every diversity and likelihood beside it: both move with length.

    Raises
    ------
    KnobError for lengths that are not whole or negative, finished or gold that are not 0 or 1, or arrays that differ in
    length.

    >>> stats = length_stats([1, 4, 8, 8], [True, True, False, False], [0, 1, 1, 0])
    >>> stats.loc["wrong", ["n", "median", "unfinished", "empty"]].tolist()
    [2.0, 4.5, 0.5, 0.5]
    """
    size, done = whole("n_tokens", n_tokens), np.asarray(finished, float)
    truth = np.full(size.shape, np.nan) if gold is None else np.asarray(gold, float)
    if size.ndim != 1 or done.shape != size.shape or truth.shape != size.shape:
        raise KnobError(
            f"n_tokens, finished and gold must be flat and of one length, got {size.shape}, {done.shape} and {truth.shape}"
        )
    if not np.isin(done, (0.0, 1.0)).all() or not np.isin(truth[~np.isnan(truth)], (0.0, 1.0)).all():
        raise KnobError("finished must be 0 or 1, and gold 0, 1 or NaN; a score is no truth, threshold it first")
    groups = {"all": slice(None)} if gold is None else {"all": slice(None), "right": truth == 1, "wrong": truth == 0}
    rows = {name: _of_group(size[which], done[which] == 1) for name, which in groups.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("group")


def _of_group(size: np.ndarray, done: np.ndarray) -> dict[str, float]:
    n = len(size)
    if not n:
        return {"n": 0, **dict.fromkeys([*_QUANTILES, "mean", "unfinished", "empty"], float("nan"))}
    levels = dict(zip(_QUANTILES, np.quantile(size, list(_QUANTILES.values())).tolist(), strict=True))
    shares = {"unfinished": 1.0 - float(done.mean()), "empty": float((size <= done).mean())}
    return {"n": n, **levels, "mean": float(size.mean()), **shares}
