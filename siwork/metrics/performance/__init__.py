"""Performance: solve rate, pass@k and what is built of them, one value a problem."""

from siwork.metrics.performance.curves import (
    Crossing,
    beta_fit,
    cover_at,
    crossover_interval,
    crossover_k,
    pass_at_least,
    solve_rate_variance,
)
from siwork.metrics.performance.rates import informative_fraction, pass_at_k, pass_hat_k, pass_spread, solve_rate
from siwork.metrics.performance.votes import best_of_k, maj_at_k

__all__ = [
    "Crossing",
    "best_of_k",
    "beta_fit",
    "cover_at",
    "crossover_interval",
    "crossover_k",
    "informative_fraction",
    "maj_at_k",
    "pass_at_k",
    "pass_at_least",
    "pass_hat_k",
    "pass_spread",
    "solve_rate",
    "solve_rate_variance",
]
