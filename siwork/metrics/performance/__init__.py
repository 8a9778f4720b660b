"""Performance: solve rate, pass@k and what is built of them, one value a problem."""

from siwork.metrics.performance.rates import informative_fraction, pass_at_k, pass_hat_k, pass_spread, solve_rate

__all__ = ["informative_fraction", "pass_at_k", "pass_hat_k", "pass_spread", "solve_rate"]
