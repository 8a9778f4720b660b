"""Edge cases that the project itself decided."""

from typing import Any

import numpy as np

from oracle_checks.harness import Checker, by_inputs
from siwork.metrics.calibration import (
    acceptance,
    auroc,
    average_precision,
    brier,
    brier_decomposition,
    ece,
    log_loss,
    verdicts,
)
from siwork.metrics.diversity import distinct_n, self_bleu, vendi_score
from siwork.metrics.diversity.embeddings import zero_rows
from siwork.metrics.performance import best_of_k, maj_at_k, pass_at_k
from siwork.metrics.tail import coverage_by_band, gini
from siwork.metrics.uncertainty import cluster_se, cluster_t

_OUT_OF_RANGE = (
    "error: a probability outside [0,1] raises ValueError; ranking metrics (AUROC, best-of-n) accept any real score"
)
_ZERO_ROW = (
    "error or drop with a count: a zero vector has no direction; siwork drops it and reports n_dropped=1, giving 1.0"
)


def _scores(values: list[Any]) -> np.ndarray:
    return np.array([np.nan if value == "NaN" else value for value in values], float)


def _raises(function: Any, *arguments: Any) -> bool:
    try:
        function(*arguments)
    except ValueError:
        return True
    return False


def _calibration(given: dict[str, Any]) -> Any:
    s, y, bins = _scores(given["score"]), np.array(given["label"], float), given["n_bins"]
    if (s > 1).any():
        refused = all(_raises(metric, s, y) for metric in (brier, ece, log_loss, brier_decomposition))
        ranks = not np.isnan(auroc(s, y)) and not np.isnan(best_of_k(s, y, np.zeros(len(s), np.int64), 1)[0])
        return _OUT_OF_RANGE if refused and ranks else "a score out of range is taken, or ranking refuses it"
    unscored, parts = verdicts(s, y).unscored, brier_decomposition(s, y, bins, "width")
    return {
        "n_scored": len(s) - unscored,
        "n_unscored": unscored,
        "ece": ece(s, y, bins, "width"),
        "brier": brier(s, y),
        "log_loss": log_loss(s, y),
        "auroc": auroc(s, y),
        "average_precision": average_precision(s, y),
        "resolution": parts.resolution,
        "uncertainty": parts.uncertainty,
    }


def _best(given: dict[str, Any]) -> dict[str, Any]:
    s = _scores(given["proxy"])
    return {"gold": best_of_k(s, given["gold"], np.zeros(len(s), np.int64), given["k"])[0]}


def _accept(given: dict[str, Any]) -> dict[str, Any]:
    s, y, threshold = _scores(given["score"]), given["label"], given["threshold"]
    rates, each = acceptance(s, y, threshold=threshold), verdicts(s, y, np.arange(len(s)), threshold)
    names = ("accept_rate", "precision", "recall", "fpr", "fnr")
    return {"accepted": each.accepted_right + each.accepted_wrong > 0, **{name: getattr(rates, name) for name in names}}


def _pass(given: dict[str, Any]) -> dict[str, Any]:
    n, c = np.array(given["n"], int), np.array(given["c"], int)

    def at(k: int) -> dict[str, Any]:
        values = pass_at_k(n, c, k)[n > 0]
        return {
            "pass_at_k": values.mean() if len(values) else np.nan,
            "n_problems": len(values),
            "n_problems_below_k": np.isnan(values).sum(),
            "n_problems_without_samples": (n == 0).sum(),
            "se": cluster_se(values, np.arange(len(values))),
            "wilson95_over_problems": lambda: cluster_t(values),
        }

    return {str(k): at(k) for k in given["k"]} if isinstance(given["k"], list) else at(given["k"])


def _votes(given: dict[str, Any]) -> dict[str, Any]:
    problem = np.zeros(len(given["answers"]), np.int64)
    return {"maj_at_k": maj_at_k(given["answers"], problem, [given["correct"]], given["k"])[0]}


def _vendi(given: dict[str, Any]) -> Any:
    dropped, value = zero_rows(given["X"]), vendi_score(given["X"], given["q"])
    return _ZERO_ROW if (dropped, value) == (1, 1.0) else f"dropped {dropped}, giving {value}"


def _gini(given: dict[str, Any]) -> dict[str, Any]:
    accepted = given["accepted_per_problem"]
    return {"gini": gini(accepted), "coverage": coverage_by_band(accepted, np.zeros(len(accepted)))[0]}


def _error(given: dict[str, Any]) -> dict[str, Any]:
    return {"se": cluster_se(given["values"], np.arange(len(given["values"])))}


_edges = by_inputs(
    score__label__n_bins=_calibration,
    score__label__threshold=_accept,
    proxy__gold__k=_best,
    n__c__k=_pass,
    answers__correct__k=_votes,
    texts__n=lambda given: {"distinct_n": distinct_n(given["texts"], given["n"])},
    texts=lambda given: {"self_bleu": self_bleu(given["texts"])},
    X__q=_vendi,
    accepted_per_problem=_gini,
    values=_error,
)

CHECKERS: dict[str, Checker] = {"edge_policy": _edges}
