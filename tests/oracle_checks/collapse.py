"""Likelihood, divergence, support, laws of recursion."""

from typing import Any

import numpy as np

from oracle_checks.harness import Checker, by_inputs, by_kind
from siwork.metrics.calibration import best_of_n_kl
from siwork.metrics.collapse import (
    bits_per_byte,
    drift,
    gaussian_recursion,
    good_turing_tail_mass,
    js_divergence,
    kl_divergence,
    kl_estimate,
    known_sigma_mean_variance,
    perplexity,
    support_loss,
    support_mass,
    tail_mass,
    total_variation,
    unseen_mass,
)
from siwork.metrics.diversity import distinct_at_k


def _perplexity(given: dict[str, Any]) -> dict[str, Any]:
    tokens = [len(text) for text in given["token_logprobs"]]
    logp = [sum(text) for text in given["token_logprobs"]]
    whole = perplexity(logp, tokens)
    return {
        "perplexity_token_weighted": whole,
        "perplexity_mean_of_sequences": perplexity(logp, tokens, np.arange(len(logp))).mean(),
        "nll_per_token": np.log(whole),
        "bits_per_byte": bits_per_byte(logp, given["n_bytes"]),
        "mean_sequence_nll": np.log(whole) * sum(tokens) / len(tokens),
    }


def _divergences(given: dict[str, Any]) -> dict[str, Any]:
    p, q = given["p"], given["q"]
    js = js_divergence(p, q)
    return {
        "kl_p_q_nats": kl_divergence(p, q),
        "kl_q_p_nats": kl_divergence(q, p),
        "js_divergence_nats": js,
        "js_divergence_bits": js / np.log(2),
        "entropy_p_nats": np.log(len(p)) - kl_divergence(p, np.full(len(p), 1 / len(p))),
        "tv": total_variation(p, q),
    }


def _estimates(given: dict[str, Any]) -> dict[str, Any]:
    # there the samples are of q; here of the policy whose log-probability comes first
    return {kind: kl_estimate(given["logq"], given["logp"], kind).mean() for kind in ("k1", "k2", "k3")}


def _support(given: dict[str, Any]) -> dict[str, Any]:
    first, last = given["counts_round0"], given["counts_roundt"]
    found, least = support_loss(first, last), min(sum(first), sum(last))
    return {
        "types_round0": found.types0,
        "types_roundt": found.typest,
        "types_lost": found.lost,
        "types_gained": found.gained,
        "expected_lost_if_no_change": found.expected_lost,
        "expected_gained_if_no_change": found.expected_gained,
        "mass_of_round0_support": support_mass(first, last),
        "singleton_mass_round0": tail_mass(first, first),
        "singleton_set_mass_roundt": tail_mass(first, last),
        "good_turing_expected_singleton_set_mass": good_turing_tail_mass(first),
        "good_turing_unseen_mass_round0": unseen_mass(first),
        "rarefied_types_at_min": [distinct_at_k(counts, least) for counts in (first, last)],
    }


def _gaussian(given: dict[str, Any]) -> dict[str, Any]:
    n, T, sigma = given["n"], given["T"], given["sigma0"]
    out: dict[str, Any] = {}
    for variance in ("ml", "unbiased"):
        law = gaussian_recursion(n, T, sigma, variance)
        out |= {
            f"replace_{variance}_E_var": law.var,
            f"replace_{variance}_E_sd": law.sd,
            f"replace_{variance}_E_logvar": law.log_var,
            f"replace_{variance}_var_of_mean": law.var_of_mean,
        }
    return out | {
        "accumulate_ml_E_var": gaussian_recursion(n, T, sigma, "ml", "accumulate").var,
        "accumulate_ml_E_var_limit": gaussian_recursion(n, np.inf, sigma, "ml", "accumulate").var,
        "known_sigma_replace_var_of_mean": known_sigma_mean_variance(n, T, sigma),
        "known_sigma_accumulate_var_of_mean": known_sigma_mean_variance(n, T, sigma, "accumulate"),
    }


def _drift(given: dict[str, Any]) -> dict[str, Any]:
    law = drift(given["p"], given["n"], given["T"])
    return {
        "H0": drift(given["p"], given["n"], 0).heterozygosity,
        "E_heterozygosity": law.heterozygosity,
        "E_heterozygosity_accumulate": drift(given["p"], given["n"], given["T"], "accumulate").heterozygosity,
        "extinct_after_1": law.extinct_after_1,
        "extinct_by_T": law.extinct_by_T,
        "expected_support_T": law.support,
        "fixation_limit": law.fixation,
    }


def _selection(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "kl_continuous": best_of_n_kl(given["n"]),
        "kl_exact_binary_score": best_of_n_kl(given["n"], given["binary_accept_prob"]),
    }


CHECKERS: dict[str, Checker] = {
    "perplexity": by_inputs(token_logprobs__n_bytes=_perplexity),
    "kl_js": by_inputs(p__q=_divergences, logp__logq=_estimates),
    "support": by_inputs(counts_round0__counts_roundt=_support),
    "recursion_theory": by_kind(gaussian=_gaussian, wright_fisher=_drift, best_of_n_kl=_selection),
}
