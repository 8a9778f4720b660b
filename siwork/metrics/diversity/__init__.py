"""Diversity: of answers, of words, of embeddings; within a problem, or over a pool."""

from siwork.metrics.diversity.answers import answer_entropy, distinct_at_k, gini_simpson, hill_number, solution_coverage

__all__ = ["answer_entropy", "distinct_at_k", "gini_simpson", "hill_number", "solution_coverage"]
