"""Performance of selection: majority vote and best of k by score, exact over all k-subsets of a problem's samples."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from siwork.metrics.draws import none_drawn, whole
from siwork.schema import KnobError

_EXACT = 64  # draws up to which the vote is counted exactly
_LARGEST = 1_000_000  # samples of a problem up to which C(n, 64) is a finite float
_SUBSETS = 2000  # seeded subsets beyond


def maj_at_k(answer: ArrayLike, problem: ArrayLike, gold_answer: ArrayLike, k: ArrayLike) -> np.ndarray:
    """Probability that the commonest answer among k of a problem's samples, drawn without replacement, is right.

    Ties are split evenly. `Σ_m C(c, m) · [x^(k−m)] Π_wrong (Σ_{v<m} C(n_a, v) x^v + C(n_a, m) x^m z) / C(n, k)`, c the
    right votes, a term with z^r counting 1/(r+1). Not monotone in k: it falls where a wrong answer leads.

    Parameters
    ----------
    answer : labels (N,), strings or numbers; None and NaN are drawn but cast no vote
    problem : int array (N,), 0..G−1
    gold_answer : labels (G,), the right answer of each problem; None or NaN where unknown
    k : draws, one number or (G,), ≥ 1

    Returns
    -------
    array (G,) in [0, 1], higher is better: NaN where k > n (n = 0 too) or the right answer is unknown; 0 where nobody
    gave it, and where nobody votes. Exact for k ≤ 64 and for k = n; between, the mean of 2000 subsets drawn with a seed
    made of the counts, so equal counts give equal values.

    Raises
    ------
    KnobError for k < 1, lengths that differ, a problem outside 0..G−1, or answers that are strings where the right
    answers are none (or the reverse).

    Source: Wang et al. 2022, self-consistency (arXiv:2203.11171).

    >>> maj_at_k(["4", "4", "0", "3", "1", "1"], [0] * 6, ["4"], 3).round(4)
    array([0.3667])
    """
    codes, gold, known = _match(_labels(answer), _labels(gold_answer))
    owner = whole("problem", problem)
    if owner.shape != codes.shape or int(owner.max(initial=-1)) >= len(gold):
        raise KnobError(
            f"answer and problem must be flat, of one length, and problem below the {len(gold)} gold answers; "
            f"got {codes.shape}, {owner.shape} and problem up to {owner.max(initial=-1)}"
        )
    draws = _draws(k, len(gold))
    n = np.bincount(owner, minlength=len(gold))
    ballot = _ballot(codes, owner, gold)
    out = np.where(known & (n >= draws), 0.0, np.nan)
    full, part = (known & (ballot.right > 0) & where for where in (n == draws, n > draws))
    out[full] = ballot.full_vote()[full]
    for each in np.unique(draws[part]):
        for problems, wrong in ballot.tables(part & (draws == each)):
            right, size = ballot.right[problems], n[problems]
            out[problems] = _over_patterns(wrong, right, size - right - wrong.sum(axis=1), int(each))
    return out


def _draws(k: ArrayLike, groups: int) -> np.ndarray:
    draws = whole("k", k, 1)
    if draws.shape not in ((), (groups,)):
        raise KnobError(f"k must be one number, or one for each of the {groups} problems, got shape {draws.shape}")
    return np.broadcast_to(draws, (groups,))


def _labels(values: Any) -> np.ndarray:
    # a list goes through object, because NumPy would turn None and NaN among strings into words
    array = values if hasattr(values, "dtype") else np.fromiter(values, object, len(values))
    if getattr(array, "ndim", 1) != 1:
        raise KnobError(f"labels must be flat, got shape {array.shape}")
    return array


def _match(answer: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the answers (−1 no vote), codes of the right answers (−1 nobody gave it), which of these are known."""
    codes, names = pd.factorize(answer)
    labels, truth = pd.Index(names, dtype=object), pd.Index(gold, dtype=object)
    known = ~np.asarray(truth.isna())
    place = np.where(known, labels.get_indexer(truth), -1)
    if len(labels) and known.any() and (place < 0).all():
        words, right_words = ({isinstance(label, str) for label in some} for some in (labels, truth[known]))
        if words.isdisjoint(right_words):
            raise KnobError(
                f"answers and gold answers must be of one kind, got {labels[0]!r} and {truth[known][0]!r}; "
                "convert one of them"
            )
    return codes, place, known


class _Ballot(NamedTuple):
    """Votes counted: right votes of each problem, and the votes of each wrong answer, largest first."""

    right: np.ndarray  # (G,)
    owner: np.ndarray  # (wrong answers,) problem, ascending
    votes: np.ndarray  # (wrong answers,) descending within a problem

    def full_vote(self) -> np.ndarray:
        """Share of the vote that the right answer wins when all samples vote, (G,)."""
        groups, mine = len(self.right), self.right[self.owner]
        beaten = np.bincount(self.owner[self.votes > mine], minlength=groups)
        tied = np.bincount(self.owner[self.votes == mine], minlength=groups)
        return np.where(beaten > 0, 0.0, 1.0 / (1.0 + tied))

    def tables(self, wanted: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Problems of alike width with their table of wrong votes (problems, width), padded with 0 at most twofold."""
        answers = np.bincount(self.owner, minlength=len(self.right))
        start = np.cumsum(answers) - answers
        width = np.left_shift(1, np.ceil(np.log2(np.maximum(answers, 1))).astype(np.int64))
        found = []
        for size in np.unique(width[wanted]):
            problems = np.flatnonzero(wanted & (width == size))
            column = np.arange(size)
            holds = column < answers[problems, None]
            table = np.zeros(holds.shape, np.int64)
            table[holds] = self.votes[(start[problems, None] + column)[holds]]
            found.append((problems, table))
        return found


def _ballot(codes: np.ndarray, owner: np.ndarray, gold: np.ndarray) -> _Ballot:
    voted, types = codes >= 0, int(codes.max(initial=0)) + 1
    key = np.sort(owner[voted] * types + codes[voted])
    first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]][: len(key)])
    votes = np.diff(np.r_[first, len(key)])
    whose, label = np.divmod(key[first], types)
    mine = label == gold[whose]
    right = np.zeros(len(gold), np.int64)
    right[whose[mine]] = votes[mine]
    whose, votes = whose[~mine], votes[~mine]
    order = np.lexsort((-votes, whose))
    return _Ballot(right, whose[order], votes[order])


def _over_patterns(wrong: np.ndarray, right: np.ndarray, blank: np.ndarray, k: int) -> np.ndarray:
    """Value of each row, worked out once for each distinct pattern of counts."""
    rows = np.column_stack([wrong, right, blank])
    key = rows.astype(np.int16) if rows.max(initial=0) < 2**15 else rows  # 16 bits sort in linear time
    order = np.lexsort(key.T[::-1])
    new = np.r_[True, (key[order[1:]] != key[order[:-1]]).any(axis=1)]
    patterns = rows[order[new]]
    values = np.empty(len(patterns))
    exact = (k <= _EXACT) & (patterns.sum(axis=1) <= _LARGEST)
    block = max(8, 2**16 // (k * k // 2 + 1))
    places = np.flatnonzero(exact)
    for i in range(0, len(places), block):
        at = places[i : i + block]
        values[at] = _counted_vote(patterns[at, :-2].T, patterns[at, -2], patterns[at, -1], k)
    for place in np.flatnonzero(~exact):
        values[place] = _drawn_vote(patterns[place], k)
    out = np.empty(len(rows))
    out[order] = values[np.cumsum(new) - 1]
    return out


def _counted_vote(wrong: np.ndarray, right: np.ndarray, blank: np.ndarray, k: int) -> np.ndarray:
    """The polynomial of `maj_at_k` for patterns wrong (answers, patterns), right and blank (patterns,)."""
    most = wrong.max(axis=1, initial=0)
    ways, mine = _choose(wrong, min(k, int(most.max(initial=0)))), _choose(right, k)
    won = np.zeros(len(right))
    for m in range(1, min(k, int(right.max(initial=0))) + 1):
        rest = k - m
        rivals = int((most >= m).sum())
        # an answer with fewer than m votes in all can never tie: it counts like blanks
        poly = _choose(blank + wrong[rivals:].sum(axis=0), rest)[None]
        z, weight = _mean_over_z(min(rivals, rest // m))
        for j in range(rivals):
            poly = _times(poly, ways[:, j], m, z)
        won += mine[m] * (weight @ poly[:, rest] if len(poly) > 1 else poly[0, rest])
    return np.minimum(won / _choose(right + blank + wrong.sum(axis=0), k)[k], 1.0)


@lru_cache(maxsize=64)
def _mean_over_z(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights with Σ w z^r = 1/(r+1) for r = 0..degree: Gauss–Legendre on [0, 1], exact for polynomials."""
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return (nodes + 1) / 2, weights / 2


def _times(poly: np.ndarray, ways: np.ndarray, m: int, z: np.ndarray) -> np.ndarray:
    """Product of poly (nodes, degrees, patterns) with Σ_{v<m} ways_v x^v + ways_m x^m z, cut at its last degree."""
    degrees = poly.shape[1]
    ties = m < degrees
    out = np.repeat(poly, len(z), axis=0) if ties and len(poly) < len(z) else poly.copy()
    for v in range(1, min(m, degrees)):
        out[:, v:] += ways[v] * poly[:, :-v]
    if ties:
        out[:, m:] += z[:, None, None] * (ways[m] * poly[:, :-m])
    return out


def _choose(n: np.ndarray, top: int) -> np.ndarray:
    """C(n, v) for v = 0..top ≤ 64, (top+1, *n.shape)."""
    return _pascal()[: top + 1, n] if n.max(initial=0) < 256 else _binomials(n, top)


@lru_cache(maxsize=1)
def _pascal() -> np.ndarray:
    return _binomials(np.arange(256), _EXACT)


def _binomials(n: np.ndarray, top: int) -> np.ndarray:
    out = np.empty((top + 1, *n.shape))
    out[0] = 1.0
    for v in range(1, top + 1):
        out[v] = out[v - 1] * np.maximum(n - v + 1, 0) / v
    return out


def _drawn_vote(pattern: np.ndarray, k: int) -> float:
    """The same for one pattern (wrong…, right, blank), from seeded subsets."""
    rng = np.random.default_rng([k, *pattern.tolist()])
    drawn = rng.multivariate_hypergeometric(pattern, k, size=_SUBSETS, method="marginals")
    mine, rivals = drawn[:, -2], drawn[:, :-2]
    first = (mine > 0) & (rivals <= mine[:, None]).all(axis=1)
    return float(np.mean(first / (1.0 + (rivals == mine[:, None]).sum(axis=1))))


def best_of_k(score: ArrayLike, gold: ArrayLike, problem: ArrayLike, k: ArrayLike) -> np.ndarray:
    """Expected gold of the sample with the highest score among k of a problem's samples, drawn without replacement.

    Samples by ascending score on ranks r = 1..n: `Σ_r gold_(r) · C(r−1, k−1)/C(n, k)`; samples that tie on ranks (lo, hi]
    share [C(hi, k) − C(lo, k)]/C(n, k) equally. k = 1 is the mean, k = n the best scored.

    Parameters
    ----------
    score : float array (N,), any real, ±inf too; NaN (unscored) ranks below −inf
    gold : float array (N,), any finite real; NaN where unknown. The score itself gives the proxy's curve.
    problem : int array (N,), 0..G−1
    k : draws, one number or (G,), ≥ 1

    Returns
    -------
    array (G,), between the least and the greatest gold of the problem, higher is better; NaN where k > n (n = 0 too) or
    any gold of the problem is unknown. Unbiased for best of k fresh samples.

    Raises
    ------
    KnobError for k < 1, lengths that differ, problems that are not whole, or an infinite gold.

    Source: Nakano et al. 2021, WebGPT (arXiv:2112.09332), appendix; ties by the same count, shared.

    >>> best_of_k([0.1, 0.9, 0.9], [1, 1, 0], [0, 0, 0], 2)
    array([0.5])
    """
    fall, value = -np.asarray(score, float), np.asarray(gold, float)  # ascending −score is best first, NaN last
    owner = whole("problem", problem)
    if owner.ndim != 1 or not fall.shape == value.shape == owner.shape:
        raise KnobError(
            f"score, gold and problem must be flat and of one length, got {fall.shape}, {value.shape} and {owner.shape}"
        )
    if np.isinf(value).any():
        raise KnobError("gold must be finite, or NaN where unknown, got inf; clip the reward first")
    n = np.bincount(owner, minlength=np.size(k) if np.ndim(k) else 0)
    draws = _draws(k, len(n))
    order = _best_first(fall, owner, n)
    fall, value, owner = fall[order], value[order], owner[order]
    start, first = _ties(fall, owner, n)
    size = np.diff(np.r_[first, len(fall)])
    whose = owner[first]
    mean = value if len(first) == len(fall) else np.add.reduceat(value, first) / size
    above = first - start[whose]  # samples ranked above the tie
    best = _none_above(n, whose, above, draws) - _none_above(n, whose, above + size, draws)
    out = np.bincount(whose, mean * best, len(n)).astype(float)  # no samples: NumPy would give integers
    held = n > 0
    if held.any():  # keep rounding inside the problem's own golds
        least, most = (end.reduceat(value, start[held]) for end in (np.minimum, np.maximum))
        out[held] = np.clip(out[held], least, most)
    out[~held] = np.nan
    return out


def _best_first(fall: np.ndarray, owner: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Order of the samples: by problem, best score first."""
    if len(n) and n.min() == n.max():
        rows = np.argsort(owner, kind="stable").reshape(len(n), -1)  # one pass where problems already stand together
        return np.take_along_axis(rows, np.argsort(fall[rows], axis=1), axis=1).ravel()
    return np.lexsort((fall, owner))


def _ties(fall: np.ndarray, owner: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of the first sample of each problem (G,), and of each group of samples that tie."""
    start = np.cumsum(n) - n
    unscored = np.isnan(fall)
    new = np.r_[True, (fall[1:] != fall[:-1]) & ~(unscored[1:] & unscored[:-1])][: len(fall)]
    new[start[n > 0]] = True
    return start, np.flatnonzero(new)


def _none_above(n: np.ndarray, whose: np.ndarray, above: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Probability that k draws hold none of the `above` best of a problem, from one table for each (n, k)."""
    base = int(k.max(initial=0)) + 1
    pairs, place = np.unique(n * base + k, return_inverse=True)
    sizes, draws = np.divmod(pairs, base)
    start = np.cumsum(sizes + 1) - (sizes + 1)
    marked = np.arange((sizes + 1).sum()) - np.repeat(start, sizes + 1)
    table = none_drawn(np.repeat(sizes, sizes + 1), marked, np.repeat(draws, sizes + 1))
    return np.asarray(table[start[place][whose] + above])
