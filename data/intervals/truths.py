"""The truth of each metric in a population, from its exact distributions."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from populations import CUT, PROBLEMS, Design, Judge, Pool, drawn, judge, pool, score_edges
from scipy.stats import binom

from siwork.policies.chance import entropy
from siwork.schema import BANDS

VOTES = 400  # simulated votes of each problem of a pool


def truth_of(design: Design, metric: str) -> np.ndarray | None:
    """Truth of a metric, one number or one a band, (1,) or (5,); None where no formula is known here."""
    name, _, draws = metric.replace("^", "@^").partition("@")
    k = int(draws.strip("^")) if draws else design.samples
    of = pool(design.population)
    if metric.startswith(("pass@", "pass^", "spread@", "informative@")):
        return np.array([_counted(metric, of.rate, k).mean()])
    if name in _VOTES:
        return np.array([_VOTES[name](design, k)])
    if metric in _ANSWERS:
        return np.atleast_1d(_ANSWERS[metric](of, design.samples))
    if metric in _TAIL:
        return _TAIL[metric](of, _accepted(design), design.samples)
    if design.judge and name in _JUDGED:
        return np.array([_JUDGED[name](of, judge(design.population, design.judge), k)])
    return None


def _counted(metric: str, p: np.ndarray, k: int) -> np.ndarray:
    some, every = 1 - (1 - p) ** k, p**k
    stem = metric.rstrip("0123456789")
    return {"pass@": some, "pass^": every, "spread@": some - p, "informative@": some - every}[stem]


# ── answers ────────────────────────────────────────────────────────────────────────────────────────────
def by_answer(of: Pool, mass: np.ndarray) -> np.ndarray:
    """Mass of each readable answer, (P, M) at the place of its code."""
    out, read = np.zeros_like(of.chance), of.answer >= 0
    np.add.at(out, (np.nonzero(read)[0], of.answer[read]), mass[read])
    return out


def _seen(p: np.ndarray, n: int) -> np.ndarray:
    return (1 - (1 - p) ** n).sum(axis=1)


def _per_sample(value: Callable[[Pool], np.ndarray]) -> Callable[[Pool, int], float]:
    return lambda of, n: float((of.chance * value(of)).sum(axis=1).mean())


def _gini_simpson(of: Pool, n: int) -> float:
    mass = by_answer(of, of.chance)
    read = mass.sum(axis=1)
    value = 1 - ((mass / read[:, None]) ** 2).sum(axis=1)
    return float(np.average(value, weights=binom.sf(1, n, np.minimum(read, 1.0))))


def _shares(of: Pool, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of each answer in a mass of the candidates (P, M), and the mass of a problem, (P,)."""
    mass = by_answer(of, mass)
    whole = np.minimum(mass.sum(axis=1), 1.0)
    return mass / np.maximum(whole, 1e-300)[:, None], whole


def _varied(of: Pool, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Chance that two right answers differ, and that two of n samples are right, (P,) each."""
    share, rate = _shares(of, of.chance * of.right)
    return 1 - (share**2).sum(axis=1), binom.sf(1, n, rate)


def _right_variety(of: Pool, n: int) -> float:
    value, there = _varied(of, n)
    return float(np.average(value, weights=there))


def paired(first: Design, later: Design, metric: str) -> list[float]:
    """Truth before and after of right_variety or support_kept, over the problems that have a value in both."""
    n, pools = first.samples, [pool(each.population) for each in (first, later)]
    if metric == "right_variety":
        values, there = zip(*(_varied(of, n) for of in pools), strict=True)
    else:  # the answer of a readable sample of the first round is among n // 2 others, or among so many of the later one
        m = max(1, n // 2)
        shares, read = zip(*(_shares(of, of.chance) for of in pools), strict=True)
        values = [(shares[0] * (1 - (1 - q) ** m)).sum(axis=1) for q in shares]
        there = [binom.sf(m, n, read[0]), binom.sf(m - 1, n, read[1])]
    return [float(np.average(value, weights=there[0] * there[1])) for value in values]


def exact_entropy(of: Pool) -> float:
    """Mean entropy of the readable answers, nats."""
    mass = by_answer(of, of.chance)
    return float(entropy(mass / mass.sum(axis=1, keepdims=True)).mean())


def _perplexity(of: Pool, n: int, column: str = "logp") -> float:
    return float(np.exp(-(of.chance * getattr(of, column)).sum() / (of.chance * of.length).sum()))


def _quantile(q: float) -> Callable[[Pool, int], float]:
    def at(of: Pool, n: int) -> float:
        order = np.argsort(of.length, axis=None)
        reached = np.cumsum(of.chance.ravel()[order]) / PROBLEMS
        return float(of.length.ravel()[order][np.searchsorted(reached, q - 1e-9)])

    return at


_ANSWERS: dict[str, Callable[[Pool, int], float]] = {
    "distinct_correct": lambda of, n: _seen(by_answer(of, of.chance * of.right), n).mean(),
    "solution_coverage": lambda of, n: (_seen(by_answer(of, of.chance * of.right), n) / of.solutions).mean(),
    "distinct_answers": lambda of, n: _seen(by_answer(of, of.chance), n).mean(),
    "gini_simpson": _gini_simpson,
    "right_variety": _right_variety,
    "unparsed_rate": _per_sample(lambda of: of.answer < 0),
    "mean_gold": _per_sample(lambda of: of.right),
    "token_entropy": _per_sample(lambda of: -of.logp / of.length),
    "mean_logp": _per_sample(lambda of: of.logp),
    "mean_tokens": _per_sample(lambda of: of.length),
    "unfinished_rate": _per_sample(lambda of: of.length > 9),
    "empty_rate": lambda of, n: 1 - of.rate.mean(),  # of wrong ones that are left empty
    "kl_to_base": _per_sample(lambda of: of.logp - of.base_logp),
    "perplexity": _perplexity,
    "base_perplexity": lambda of, n: _perplexity(of, n, "base_logp"),
    "length_5": _quantile(0.05),
    "length_50": _quantile(0.5),
    "length_95": _quantile(0.95),
}


# ── votes: simulated apart from the estimators ─────────────────────────────────────────────────────────
@lru_cache(maxsize=4)
def _polls(population: str, k: int) -> np.ndarray:
    """Votes (VOTES · P, M) for each answer, of k samples of each problem; the last column counts unreadable ones."""
    of, rng = pool(population), np.random.default_rng([zlib.crc32(population.encode()), k])
    problem = np.tile(np.arange(PROBLEMS), VOTES)
    answer = of.answer[problem[:, None], drawn(of.chance, problem, k, rng)]
    width = of.chance.shape[1] + 1
    flat = np.arange(len(problem))[:, None] * width + np.where(answer < 0, width - 1, answer)
    return np.bincount(flat.ravel(), minlength=len(problem) * width).reshape(-1, width).astype(np.int16)


def _maj(design: Design, k: int) -> float:
    of, votes = pool(design.population), _polls(design.population, k)[:, :-1]
    right = by_answer(of, of.chance * of.right) > 0
    top = (votes == votes.max(axis=1, keepdims=True)) & (votes > 0)
    hit = (top & np.tile(right, (VOTES, 1))).sum(axis=1)
    return float((hit / np.maximum(top.sum(axis=1), 1)).mean())


def _vote_right(design: Design, k: int) -> float:
    votes = _polls(design.population, k)[:, :-1]
    return _maj(design, k) / float((votes.sum(axis=1) > 0).mean())


def _vote_share(design: Design, k: int) -> float:
    votes = _polls(design.population, k)[:, :-1]
    read = votes.sum(axis=1)
    return float((votes.max(axis=1)[read > 0] / read[read > 0]).mean())


def _answer_entropy(design: Design, k: int) -> float:
    """Expected Miller–Madow entropy of (k + 1) // 2 readable answers."""
    of, half = pool(design.population), max((k + 1) // 2, 2)
    mass = by_answer(of, of.chance)
    rng, problem = np.random.default_rng([half, 3]), np.tile(np.arange(PROBLEMS), VOTES)
    answer = drawn(mass / mass.sum(axis=1, keepdims=True), problem, half, rng)
    width = mass.shape[1]
    flat = (np.arange(len(problem))[:, None] * width + answer).ravel()
    count = np.bincount(flat, minlength=len(problem) * width).reshape(-1, width)
    mm = entropy(count / half) + ((count > 0).sum(axis=1) - 1) / (2 * half)
    has = binom.sf(half - 1, k, np.minimum(mass.sum(axis=1), 1.0))  # problems with enough readable answers
    return float(np.average(mm, weights=np.tile(has, VOTES)))


_VOTES = {"maj": _maj, "vote_right": _vote_right, "vote_share": _vote_share, "answer_entropy": _answer_entropy}


# ── tail ───────────────────────────────────────────────────────────────────────────────────────────────
def _accepted(design: Design) -> np.ndarray:
    """Chance that a sample of each problem is accepted, (P,)."""
    of = pool(design.population)
    return _judged(of, judge(design.population, design.judge))[0] if design.judge else of.rate


def _banded(value: np.ndarray, of: Pool) -> np.ndarray:
    return np.array([value[of.band == b].mean() for b in BANDS])


_TAIL: dict[str, Callable[[Pool, np.ndarray, int], np.ndarray]] = {
    "accept_rate": lambda of, a, n: np.array([a.mean()]),
    "accepted_share": lambda of, a, n: np.array([a[of.band == b].sum() / a.sum() for b in BANDS]),
    "problem_share": lambda of, a, n: np.array([(of.band == b).mean() for b in BANDS]),
    "accepted_coverage": lambda of, a, n: _banded(1 - (1 - a) ** n, of),
    "band_solve_rate": lambda of, a, n: _banded(of.rate, of),
    "tail_share": lambda of, a, n: np.array([a[of.band <= 1].sum() / a.sum()]),
    "tail_coverage": lambda of, a, n: np.array([(1 - (1 - a) ** n)[of.band <= 1].mean()]),
    "tail_solve_rate": lambda of, a, n: np.array([of.rate[of.band <= 1].mean()]),
    "samples_per_success": lambda of, a, n: 1 / _banded(of.rate, of),
    "accepted_reach": lambda of, a, n: np.array([(1 - (1 - a) ** n).mean()]),
}


# ── judges ─────────────────────────────────────────────────────────────────────────────────────────────
def _levels(of: Pool, who: Judge) -> np.ndarray:
    """Chance of each truth and level of a sample, (P, 2, L)."""
    return np.stack([1 - of.rate, of.rate], axis=1)[..., None] * who.chance


def _judged(of: Pool, who: Judge) -> tuple[np.ndarray, np.ndarray]:
    """Chances of each problem that a sample is accepted, and that it is accepted and right, (P,) each."""
    accepted = _levels(of, who)[..., who.score >= CUT].sum(axis=2)
    return accepted.sum(axis=1), accepted[:, 1]


def _confusion(of: Pool, who: Judge) -> np.ndarray:
    """Chances [[rejected wrong, accepted wrong], [rejected right, accepted right]]."""
    accepted, good = (x.mean() for x in _judged(of, who))
    rate = of.rate.mean()
    return np.array([[1 - accepted - rate + good, accepted - good], [rate - good, good]])


def _kappa(of: Pool, who: Judge) -> float:
    table = _confusion(of, who)
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    return (float(np.trace(table)) - chance) / (1 - chance)


def _auroc(levels: np.ndarray) -> np.ndarray:
    """Chance that right is above wrong, ties half, times both masses; levels (…, 2, L) → (…,)."""
    wrong, right = levels[..., 0, :], levels[..., 1, :]
    return (right * (np.cumsum(wrong, axis=-1) - wrong / 2)).sum(axis=-1)


def _pooled_auroc(of: Pool, who: Judge, n: int) -> float:
    every = _levels(of, who).mean(axis=0)
    return float(_auroc(every) / every.sum(axis=1).prod())


def _auroc_within(of: Pool, who: Judge, n: int) -> float:
    levels = _levels(of, who)
    return float(_auroc(levels).sum() / levels.sum(axis=2).prod(axis=1).sum())


def _average_precision(of: Pool, who: Judge, n: int) -> float:
    every = _levels(of, who).mean(axis=0)[:, ::-1]
    reached = np.cumsum(every, axis=1)
    return float((every[1] / every[1].sum() * reached[1] / reached.sum(axis=0)).sum())


def _mean(value: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[Pool, Judge, int], float]:
    """Mean over samples of a function of score and truth."""
    return lambda of, who, n: float(sum((_levels(of, who).mean(axis=0)[y] * value(who.score, y)).sum() for y in (0, 1)))


def _brier(of: Pool, who: Judge, n: int) -> float:
    return _mean(lambda s, y: (s - y) ** 2)(of, who, n)


def _murphy(of: Pool, who: Judge) -> tuple[float, float]:
    """Reliability and resolution over the bins."""
    every, edges = _levels(of, who).mean(axis=0), score_edges(who)
    code = np.arange(len(who.score)) if edges is None else np.searchsorted(edges[1:-1], who.score, "right")
    size, right, said = (np.bincount(code, x) for x in (every.sum(0), every[1], every.sum(0) * who.score))
    size = np.maximum(size, 1e-300)
    return float(((said - right) ** 2 / size).sum()), float((size * (right / size - every[1].sum()) ** 2).sum())


def _skill(of: Pool, who: Judge, n: int) -> float:
    rate = of.rate.mean()
    return 1 - _brier(of, who, n) / (rate * (1 - rate))


def _gv_gap(of: Pool, who: Judge, n: int) -> float:
    accepted, good = _judged(of, who)
    none = (1 - accepted) ** n
    missed = (of.rate - good) / np.maximum(1 - accepted, 1e-300)  # right among the rejected
    return float(((1 - none) * good / np.maximum(accepted, 1e-300) - (of.rate - none * missed)).mean())


def _order(of: Pool, who: Judge, n: int, most: int) -> float:
    """Truth of the `most` best scored of n samples, ties split."""
    levels = _levels(of, who)
    both = levels.sum(axis=1)
    right = levels[:, 1] / np.maximum(both, 1e-300)
    below = np.clip(np.cumsum(both, axis=1), 0.0, 1.0)
    ranks = [binom.cdf(j, n, 1 - below) for j in range(most)]  # at most j samples above a level
    return float(np.mean([(np.diff(rank, axis=1, prepend=0.0) * right).sum(axis=1) for rank in ranks]))


_JUDGED: dict[str, Callable[[Pool, Judge, int], float]] = {
    "mean_score": _mean(lambda s, y: s),
    "proxy_gold_gap": _mean(lambda s, y: s - y),
    "precision": lambda of, who, n: _confusion(of, who)[1, 1] / _confusion(of, who)[:, 1].sum(),
    "kept_precision": lambda of, who, n: _confusion(of, who)[1, 1] / _confusion(of, who)[:, 1].sum(),
    "recall": lambda of, who, n: _confusion(of, who)[1, 1] / of.rate.mean(),
    "false_negative_rate": lambda of, who, n: _confusion(of, who)[1, 0] / of.rate.mean(),
    "false_positive_rate": lambda of, who, n: _confusion(of, who)[0, 1] / (1 - of.rate.mean()),
    "kappa": lambda of, who, n: _kappa(of, who),
    "auroc": _pooled_auroc,
    "auroc_within": _auroc_within,
    "average_precision": _average_precision,
    "brier": _brier,
    "log_loss": _mean(lambda s, y: -np.log(np.clip(s if y else 1 - s, 2.220446049250313e-16, 1.0))),
    "brier_reliability": lambda of, who, n: _murphy(of, who)[0],
    "ece2_debiased": lambda of, who, n: _murphy(of, who)[0],
    "brier_resolution": lambda of, who, n: _murphy(of, who)[1],
    "brier_skill": _skill,
    "gv_gap": _gv_gap,
    "dead_groups": lambda of, who, n: float((_levels(of, who).sum(axis=1) ** n).sum(axis=1).mean()),
    "best": lambda of, who, n: _order(of, who, n, 1),
    "top_precision": lambda of, who, n: _order(of, who, n, int(np.ceil(0.25 * n))),
}
