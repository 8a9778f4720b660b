"""Clustered errors, families of tests, onset, power."""

import math
import re
from typing import Any

import numpy as np

from oracle_checks.harness import Checker, by_inputs, by_kind
from siwork.metrics.collapse import reversal
from siwork.metrics.uncertainty import (
    benjamini_hochberg,
    change_point,
    clopper_pearson,
    cluster_se,
    cusum,
    detectable,
    holm,
    influence_se,
    paired_t,
    power,
    trend_weighted,
    wilson,
)


def _clustered(given: dict[str, Any]) -> dict[str, Any]:
    group, first, last = (np.array(given[name]) for name in ("group", "round0", "round1"))
    problems = np.arange(group.max() + 1)
    means = [np.bincount(group, x) / np.bincount(group) for x in (first, last)]
    paired = paired_t(*means)
    plain = cluster_se(first, group, correction=False)
    naive = first.std() / math.sqrt(len(first))
    return {
        "mean_pooled": first.mean(),
        "se_naive": naive,
        "se_clustered_no_correction": plain,
        "se_clustered_CR1": influence_se(first - first.mean(), group),
        "design_effect": plain**2 / naive**2,
        "effective_sample_size": len(first) * naive**2 / plain**2,
        "macro_mean_round0": means[0].mean(),
        "macro_se_round0": cluster_se(means[0], problems),
        "paired_diff_macro": paired.value,
        "paired_se": cluster_se(means[1] - means[0], problems),
        "paired_t95": [paired.low, paired.high],
        "unpaired_se": math.hypot(cluster_se(means[0], problems), cluster_se(means[1], problems)),
        "ttest_rel_p": reversal((means[0], means[1]), None, None).pass1.p,
    }


def _families(given: dict[str, Any]) -> dict[str, Any]:
    p, alpha = given["p"], given["alpha"]
    return {
        "holm_adjusted": holm(p),
        "holm_reject": holm(p) <= alpha,
        "bh_adjusted": benjamini_hochberg(p),
        "bh_reject": benjamini_hochberg(p) <= alpha,
        "by_adjusted": benjamini_hochberg(p, "by"),
    }


def _proportion(given: dict[str, Any]) -> dict[str, Any]:
    return {
        re.compile(r"wilson(\d\d)"): lambda level: wilson(given["k"], given["n"], int(level) / 100),
        re.compile(r"clopper_pearson(\d\d)"): lambda level: clopper_pearson(given["k"], given["n"], int(level) / 100),
    }


def _onset(given: dict[str, Any]) -> dict[str, Any]:
    slope, found = trend_weighted(given["value"], given["se"]), cusum(given["value"], given["se"], 0.5, 4.0)
    return {
        "cusum_down_k0_5": found.sums[1:],
        "cusum_first_alarm_h4_round": found.alarm,
        "wls_slope": slope.slope,
        "wls_slope_se": slope.se,
        "posterior_no_change_then_onset_1_to_T_minus_1": change_point(given["value"], given["se"]),
    }


def _power(given: dict[str, Any]) -> dict[str, Any]:
    parts = [given[name] for name in ("omega2", "sigma2_a", "k_a", "sigma2_b", "k_b")]
    test = (1 - given["alpha"], given["power"])
    problems = power(*parts, given["delta"], *test)
    return {
        "n_problems": problems,
        "n_problems_ceil": math.ceil(problems),
        re.compile(r"mde_at_(\d+)_problems"): lambda number: detectable(int(number), *parts, *test),
    }


CHECKERS: dict[str, Checker] = {
    "clustered_se": by_inputs(group__round0__round1=_clustered),
    "inference": by_kind(multiple_testing=_families, proportion=_proportion),
    "onset": by_inputs(value__se=_onset),
    "power": by_inputs(omega2__sigma2_a__k_a__sigma2_b__k_b__delta__alpha__power=_power),
}
