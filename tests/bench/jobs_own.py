"""The jobs of `metrics` by siwork: (inputs, part) → a job that returns a number; part: the first texts only."""

import numpy as np

from siwork.metrics import calibration, diversity, performance, uncertainty


def texts(function, **arguments):
    """A metric of strings."""
    return lambda inputs, part: lambda: function(inputs["texts"][:part], **arguments)


def scored(function, *names, **arguments):
    """A metric of arrays."""
    return lambda inputs, part: lambda: function(*(inputs[name] for name in names), **arguments)


def pass_at_k(n, c):
    """pass@8, mean over problems."""
    return performance.pass_at_k(n, c, 8).mean()


def bootstrap(mean):
    """Width of the 95 % percentile interval of the mean over problems, 9 999 resamples."""
    weights = uncertainty.bootstrap_weights(len(mean), 9999)
    low, high = np.percentile(uncertainty.cluster_bootstrap(mean[:, None], weights)[:, 0] / len(mean), [2.5, 97.5])
    return high - low


def chao1(counts, problem):
    """Chao1, mean over problems."""
    return diversity.chao1(counts, problem).mean()


JOBS = {
    "self_bleu": texts(diversity.self_bleu),
    "distinct_2": texts(diversity.distinct_n, n=2),
    "self_repetition": texts(diversity.self_repetition, n=4),
    "homogenization": texts(diversity.homogenization),
    "compression": texts(diversity.compression_ratio),
    "vendi": scored(diversity.vendi_score, "features"),
    "pass_at_k": scored(pass_at_k, "n", "c"),
    "chao1": scored(chao1, "counts", "owner"),
    "ece": scored(calibration.ece, "score", "gold", bins=15, by="width"),
    "auroc_within": scored(calibration.auroc_within, "score", "gold", "problem"),
    "cluster_se": scored(uncertainty.cluster_se, "score", "problem"),
    "bootstrap": scored(bootstrap, "mean"),
}
