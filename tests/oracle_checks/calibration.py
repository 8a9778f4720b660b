"""Calibration errors, Brier terms, ranking, agreement, revision, the gap."""

import re
from typing import Any

import numpy as np

from oracle_checks.harness import Checker, by_inputs
from siwork.metrics.calibration import (
    acceptance,
    ace,
    auroc,
    auroc_influence,
    auroc_pairs,
    auroc_within,
    average_precision,
    brier,
    brier_decomposition,
    calibrated_p,
    ece,
    ece2_debiased,
    ece_floor,
    fleiss_kappa,
    gv_gap,
    gv_gap_relative,
    kappa,
    krippendorff_alpha,
    log_loss,
    mce,
    no_accept,
    raw_agreement,
    reliability,
    rmsce,
    self_correction,
    smooth_ece,
    verdicts,
)
from siwork.metrics.uncertainty import influence_se, wilson


def _errors(given: dict[str, Any]) -> dict[str, Any]:
    s, y, bins = given["score"], given["label"], given["n_bins"]
    table = reliability(s, y, bins=bins, by="width")
    return {
        "ece": ece(s, y, bins, "width"),
        "mce": mce(s, y, bins, "width"),
        "ace_unweighted_equal_width": ace(s, y, bins, "width"),
        "rmsce": rmsce(s, y, bins, "width"),
        "ece_equal_mass_ties_together": ece(s, y, bins, "mass"),
        "ace_equal_mass_ties_together": ace(s, y, bins, "mass"),
        "ece2_debiased_equal_mass": ece2_debiased(s, y, bins=bins, by="mass"),
        "ece2_debiased_equal_width": ece2_debiased(s, y, bins=bins, by="width"),
        "ece_by_unique_score": lambda: ece(s, y, bins, "value"),
        "ece2_debiased_by_unique_score": lambda: ece2_debiased(s, y, bins=bins, by="value"),
        "null_floor_ece": ece_floor(s, y, bins=bins, by="width"),
        "bins": {
            "count": _filled(table, bins, table["count"]),
            "sum_score": _filled(table, bins, table["score"] * table["count"]),
            "sum_label": _filled(table, bins, table["gold"] * table["count"]),
        },
    }


def _filled(table: Any, bins: int, values: Any) -> np.ndarray:
    out = np.zeros(bins)
    out[table["bin"]] = values
    return out


def _clustered(given: dict[str, Any]) -> dict[str, Any]:
    s, y, group = (np.array(given[name]) for name in ("score", "label", "group"))
    bins = given["n_bins"]
    table = reliability(s, y, group, bins, "width").set_index("bin")
    edges = np.linspace(0, 1, bins + 1)

    def row(b: int) -> dict[str, Any]:
        gap = table.loc[b, "gold"] - table.loc[b, "score"]
        held = (s >= edges[b]) & ((s < edges[b + 1]) | (b == bins - 1))
        alone = ece2_debiased(s[held], y[held], group[held], bins=1, by="width")
        return {
            "n": table.loc[b, "count"],
            "n_groups": table.loc[b, "problems"],
            "gap": -gap,
            "var_cluster": gap**2 - alone,
        }

    return {
        "ece": ece(s, y, bins, "width"),
        "ece2_plugin": rmsce(s, y, bins, "width") ** 2,
        "ece2_debiased_iid": ece2_debiased(s, y, bins=bins, by="width"),
        "ece2_debiased_cluster": ece2_debiased(s, y, group, bins, "width"),
        "cluster_floor_ece": ece_floor(s, y, group, bins, "width"),
        "share_of_samples_in_bins_used": calibrated_p(s, y, group, bins, "width").share,
        "bins": {str(b): row(b) if b in table.index else np.nan for b in range(bins)},
    }


def _smooth(given: dict[str, Any]) -> dict[str, Any]:
    s, y = given["score"], given["label"]
    return {
        re.compile(r"sigma_([\d.]+)"): lambda width: smooth_ece(s, y, float(width)),
        "smece_fixed_point": smooth_ece(s, y),
        "has_mass_at_0_or_1": bool(set(s) & {0.0, 1.0}),
    }


def _brier_auc(given: dict[str, Any]) -> dict[str, Any]:
    s, y = given["score"], given["label"]

    def split(bins: str) -> dict[str, Any]:
        plain, corrected = (brier_decomposition(s, y, int(bins), "width", corrected=c) for c in (False, True))
        return {
            "brier": plain.brier,
            "reliability": plain.reliability,
            "resolution": plain.resolution,
            "uncertainty": plain.uncertainty,
            "wbv": plain.within_variance,
            "wbc": plain.within_covariance,
            "generalized_resolution": plain.resolution - plain.within_variance + plain.within_covariance,
            "reliability_bc": corrected.reliability,
            "resolution_bc": corrected.resolution,
            "uncertainty_bc": corrected.uncertainty,
        }

    def at(text: str) -> dict[str, Any]:
        rates, counts = acceptance(s, y, threshold=float(text)), verdicts(s, y, threshold=float(text))
        return {
            "tp": counts.accepted_right,
            "fp": counts.accepted_wrong,
            "fn": counts.rejected_right,
            "tn": counts.rejected_wrong,
            "accept_rate": rates.accept_rate,
            "precision": rates.precision,
            "recall": rates.recall,
            "fpr": rates.fpr,
            "fnr": rates.fnr,
            "precision_wilson95": wilson(counts.accepted_right, counts.accepted_right + counts.accepted_wrong),
        }

    return {
        "brier_score": brier(s, y),
        "log_loss_sklearn": log_loss(s, y),
        "auroc": auroc(s, y),
        "average_precision": average_precision(s, y),
        re.compile(r"decomposition_(\d+)_equal_width"): split,
        re.compile(r"at_([\d.]+)"): at,
    }


def _auroc_se(given: dict[str, Any]) -> dict[str, Any]:
    value, influence = auroc_influence(given["score"], given["label"])
    return {"auroc": value, "se_cluster": influence_se(influence, given["group"])}


def _stratified(given: dict[str, Any]) -> dict[str, Any]:
    s, y, problem = _rows(given["score"], given["label"])
    return {
        "pooled_auroc": auroc(s, y),
        "within_problem_auroc_pair_weighted": auroc_within(s, y, problem),
        "within_problem_auroc_mean": auroc_within(s, y, problem, "problems"),
        "n_problems_used": (auroc_pairs(s, y, problem)[1] > 0).sum(),
    }


def _rows(*tables: Any) -> tuple[np.ndarray, ...]:
    """Each table (problems, samples) flat, and the problem of each sample."""
    first = np.asarray(tables[0])
    return (*(np.ravel(table) for table in tables), np.repeat(np.arange(len(first)), first.shape[1]))


def _two_raters(given: dict[str, Any]) -> dict[str, Any]:
    a, b = given["rater_a"], given["rater_b"]
    return {
        "cohen_kappa_ab": kappa(a, b),
        "cohen_kappa_ab_quadratic": lambda: kappa(a, b, weights="quadratic"),
        "raw_agreement_ab": raw_agreement(a, b),
    }


def _raters(given: dict[str, Any]) -> dict[str, Any]:
    three = [given["rater_a"], given["rater_b"], given["rater_c"]]
    missing = [[np.nan if label is None else label for label in rater] for rater in given["with_missing"]]
    return {
        **_two_raters(given),
        "krippendorff_nominal_abc": krippendorff_alpha(three),
        "krippendorff_nominal_missing": krippendorff_alpha(missing),
        "fleiss_kappa_abc": fleiss_kappa(three),
    }


def _self_correction(given: dict[str, Any]) -> dict[str, Any]:
    found = self_correction(given["correct1"], given["correct2"])
    return {
        "acc1": found.acc1,
        "acc2": found.acc2,
        "confidence_level": found.confidence_level,
        "critique_score": found.critique_score,
        "rss": found.rss,
        "delta": found.delta,
        "delta_i_to_c": found.delta_i_to_c,
        "delta_c_to_i": found.delta_c_to_i,
    }


def _gap(given: dict[str, Any]) -> dict[str, Any]:
    s, y, problem = _rows(given["score"], given["label"])
    gap, base = gv_gap(s, y, problem, given["threshold"]), np.mean(given["label"])
    relative = gv_gap_relative(s, y, problem, given["threshold"])
    precision = acceptance(s, y, threshold=given["threshold"]).precision
    return {
        "J": base,
        "J_filtered": base + gap.mean(),
        "gap": gap.mean(),
        "gap_rel_mean_of_ratios": relative[~np.isnan(relative)].mean(),
        "gap_rel_ratio_of_means": gap.mean() / (1 - base),
        "problems_with_no_accept": no_accept(s, y, problem, given["threshold"]),
        "micro_precision": precision,
        "micro_gap": precision - base,
    }


CHECKERS: dict[str, Checker] = {
    "calibration_error": by_inputs(score__label__n_bins=_errors),
    "calibration_clustered": by_inputs(score__label__group__n_bins=_clustered),
    "smooth_ece": by_inputs(score__label=_smooth),
    "brier_auc": by_inputs(score__label=_brier_auc),
    "auroc_se": by_inputs(score__label__group=_auroc_se),
    "stratified_auroc": by_inputs(score__label=_stratified),
    "agreement": by_inputs(rater_a__rater_b=_two_raters, rater_a__rater_b__rater_c__with_missing=_raters),
    "self_correction": by_inputs(correct1__correct2=_self_correction),
    "gv_gap": by_inputs(label__score__threshold=_gap),
}
