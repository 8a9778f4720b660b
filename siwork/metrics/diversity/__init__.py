"""Diversity: of answers, of words, of embeddings; within a problem, or over a pool."""

from siwork.metrics.diversity.answers import answer_entropy, distinct_at_k, gini_simpson, hill_number, solution_coverage
from siwork.metrics.diversity.bleu import pairwise_bleu, self_bleu, self_bleu_texts
from siwork.metrics.diversity.compression import compression_ratio
from siwork.metrics.diversity.embeddings import (
    Separation,
    mean_cosine_distance,
    nearest_distance,
    separation,
    vendi_score,
    zero_rows,
)
from siwork.metrics.diversity.equations import EQUATION, distinct_equations
from siwork.metrics.diversity.features import embedding_name, features, hashed_ngrams
from siwork.metrics.diversity.lexical import hdd, mattr, mtld, pattr, ttr
from siwork.metrics.diversity.ngrams import distinct_n, distinct_n_texts, ead, self_repetition
from siwork.metrics.diversity.overlap import homogenization
from siwork.metrics.diversity.prompts import prompt_information, prompt_information_se
from siwork.metrics.diversity.richness import chao1, coverage

__all__ = [
    "EQUATION",
    "Separation",
    "answer_entropy",
    "chao1",
    "compression_ratio",
    "coverage",
    "distinct_at_k",
    "distinct_equations",
    "distinct_n",
    "distinct_n_texts",
    "ead",
    "embedding_name",
    "features",
    "gini_simpson",
    "hashed_ngrams",
    "hdd",
    "hill_number",
    "homogenization",
    "mattr",
    "mean_cosine_distance",
    "mtld",
    "nearest_distance",
    "pairwise_bleu",
    "pattr",
    "prompt_information",
    "prompt_information_se",
    "self_bleu",
    "self_bleu_texts",
    "self_repetition",
    "separation",
    "solution_coverage",
    "ttr",
    "vendi_score",
    "zero_rows",
]
