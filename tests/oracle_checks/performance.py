"""pass@k and its kin, best-of-k, votes."""

from typing import Any

import numpy as np

from oracle_checks.harness import NUMBER, Checker, by_inputs, by_kind
from siwork.metrics.diversity import distinct_at_k
from siwork.metrics.performance import (
    best_of_k,
    cover_at,
    crossover_k,
    informative_fraction,
    maj_at_k,
    pass_at_k,
    pass_hat_k,
)
from siwork.metrics.uncertainty import cluster_se


def _single(given: dict[str, Any]) -> dict[str, Any]:
    value = pass_at_k(given["n"], given["c"], given["k"])
    hat = pass_hat_k(given["n"], given["c"], given["k"])
    return {"pass_at_k": value, "pass_at_k_exact_fraction": value, "pass_hat_k": hat}


def _table(given: dict[str, Any]) -> dict[str, Any]:
    n, c = np.array(given["n"]), np.array(given["c"])
    problem = np.arange(len(n))

    def at(k: int) -> dict[str, Any]:
        values = pass_at_k(n, c, k)
        return {
            "pass_at_k": values.mean(),
            "pass_hat_k": pass_hat_k(n, c, k).mean(),
            "se_cluster_ddof1": cluster_se(values, problem),
            "se_cluster_miller": cluster_se(values, problem, correction=False),
        }

    return {
        **{str(k): at(k) for k in given["k"]},
        "pass_at_1_micro_pooled": c.sum() / n.sum(),
        "informative_group_fraction": {NUMBER: lambda group: informative_fraction(n, c, int(group)).mean()},
        "cover_at_tau_plugin": {NUMBER: lambda tau: cover_at(n, c, float(tau))},
    }


def _pair(given: dict[str, Any]) -> dict[str, Any]:
    n, first, last = given["n"], given["c_round0"], given["c_roundt"]
    return {
        "pass_at_k_round0": [pass_at_k(n, first, k).mean() for k in range(1, n + 1)],
        "pass_at_k_roundt": [pass_at_k(n, last, k).mean() for k in range(1, n + 1)],
        "crossover_k": crossover_k(n, first, last),
    }


def _best(given: dict[str, Any]) -> dict[str, Any]:
    score, gold = given["proxy"], given["gold"]
    problem = np.zeros(len(score), np.int64)
    at = {
        str(k): {"gold": best_of_k(score, gold, problem, k)[0], "proxy": best_of_k(score, score, problem, k)[0]}
        for k in given["k"]
    }
    return {**at, "k_gt_N": best_of_k(score, gold, problem, len(score) + 1)[0]}


def _votes(given: dict[str, Any]) -> dict[str, Any]:
    answers = given["answers"]
    counts = np.unique(answers, return_counts=True)[1]
    problem = np.zeros(len(answers), np.int64)
    return {
        str(k): {
            "maj_at_k": maj_at_k(answers, problem, [given["correct"]], k)[0],
            "distinct_at_k": distinct_at_k(counts, k),
        }
        for k in given["k"]
    }


CHECKERS: dict[str, Checker] = {
    "pass_at_k": by_kind(single=_single, table=_table, pair=_pair),
    "best_of_n": by_inputs(proxy__gold__k=_best),
    "maj_at_k": by_inputs(answers__correct__k=_votes),
}
