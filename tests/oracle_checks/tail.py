"""Bands, concentration, turnover."""

import re
from typing import Any

import numpy as np

from oracle_checks.harness import Checker, by_inputs
from siwork.metrics.performance import solve_rate
from siwork.metrics.tail import (
    band_of,
    band_share,
    coverage_by_band,
    effective_problems,
    gini,
    head_tail_ratio,
    kl_from_uniform,
    log_head_tail,
    lorenz,
    representation,
    top_share,
    transitions,
    weighted_head_tail,
)


def _gini(given: dict[str, Any]) -> dict[str, Any]:
    accepted = given["accepted_per_problem"]
    return {
        "gini": gini(accepted),
        "gini_skbio_trapezoids": gini(accepted),
        "lorenz": lorenz(accepted),
        "coverage_ge1": coverage_by_band(accepted, np.zeros(len(accepted)))[0],
        "effective_problems_exp_entropy": effective_problems(accepted, 1),
        "effective_problems_inv_simpson": effective_problems(accepted, 2),
        "kl_from_uniform_nats": kl_from_uniform(accepted),
        re.compile(r"top(\d+)pct_share"): lambda percent: top_share(accepted, int(percent) / 100),
    }


def _bands(given: dict[str, Any]) -> dict[str, Any]:
    accepted, band = given["accepted"], band_of(given["n_select"], given["c_select"])
    share, ratio, covered = band_share(accepted, band), representation(accepted, band), coverage_by_band(accepted, band)
    heldout, chosen = (
        solve_rate(given["n_heldout"], given["c_heldout"]),
        solve_rate(given["n_select"], given["c_select"]),
    )

    def row(b: int) -> dict[str, Any]:
        held = band == b
        return {
            "bin": b,
            "n_problems": held.sum(),
            "problem_share": held.mean(),
            "data_share": share[b],
            "representation_ratio": ratio[b],
            "coverage": covered[b],
            "heldout_round0_solve_rate": heldout[held].mean() if held.any() else np.nan,
            "selection_half_solve_rate": chosen[held].mean() if held.any() else np.nan,
        }

    return {
        "bin_of_problem": band,
        "bins": {str(b): row(b) for b in range(5)},
        "head_tail_ratio": head_tail_ratio(accepted, band),
        "log_head_tail_ratio_plus_half": log_head_tail(accepted, band),
        "representation_weighted_head_tail": weighted_head_tail(accepted, band),
    }


def _turnover(given: dict[str, Any]) -> dict[str, Any]:
    found = transitions(given["n0"], given["c0"], given["n1"], given["c1"])
    return {
        "newly_solved": found.gained,
        "forgotten": found.lost,
        "unsolved_both": found.never,
        "retained": found.kept,
        "expected_newly_solved_if_no_change": found.expected_gained,
        "expected_forgotten_if_no_change": found.expected_lost,
    }


CHECKERS: dict[str, Checker] = {
    "gini": by_inputs(accepted_per_problem=_gini),
    "difficulty_bins": by_inputs(c_select__n_select__c_heldout__n_heldout__accepted=_bands),
    "turnover": by_inputs(c0__n0__c1__n1=_turnover),
}
