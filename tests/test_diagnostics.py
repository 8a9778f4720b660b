"""What people who train such models ask to see: each question has a number here, by a name that loads."""

import pytest

import siwork
from siwork import metrics
from siwork.metrics.catalogue import is_known

# question → metrics of `measure` and functions that answer it
DIAGNOSTICS = {
    "pass@1 by round": ("pass@1",),
    "pass@k curve, spread, at least s of k": ("pass@k", "spread@k", "pass@8-2"),
    "out of range, accuracy by length": ("pass@1", "band_solve_rate"),
    "compression or new capability": ("metrics.gain_split",),
    "flips between rounds": ("metrics.ledger", "metrics.ledger_problems", "metrics.tail.flips"),
    "self-correction": ("confidence_level", "critique_score", "rss", "metrics.calibration.self_correction"),
    "turn curve, feedback taken up": ("pass@1", "revision_gain", "feedback_uptake"),
    "self-conditioning, horizon": ("step_accuracy_clean", "step_accuracy_after_error", "steps_to_error"),
    "length at equal accuracy": ("mean_tokens", "right_tokens", "repeated_lines"),
    "sample efficiency": ("samples_drawn", "samples_kept", "tokens_drawn"),
    "distinct right answers, coverage": ("distinct_correct", "solution_coverage"),
    "lexical diversity at one length": ("distinct_2", "self_bleu", "compression_ratio"),
    "embedding dispersion": ("cosine_distance", "vendi"),
    "answer entropy": ("answer_entropy",),
    "population diversity": ("agent_disagreement",),
    "task-set novelty": ("metrics.novelty",),
    "behaviours": ("behaviour_verification", "behaviour_backtracking", "behaviour_subgoals"),
    "training data by band, Gini": ("accepted_share", "accepted_gini", "accepted_gini_floor"),
    "hard-bin coverage": ("accepted_coverage",),
    "cost per success": ("samples_per_success",),
    "rank-frequency tail": ("metrics.tail.rank_tail", "metrics.tail.zipf_exponent", "metrics.collapse.tail_mass"),
    "generation–verification gap": ("gv_gap", "gv_gap_relative"),
    "verifier confusion": ("precision", "recall", "false_positive_rate", "false_negative_rate"),
    "reliability of scores": ("ece", "ece2_debiased", "brier", "auroc", "metrics.reliability_table"),
    "vote share against truth": ("vote_share", "vote_right", "metrics.vote_table"),
    "proxy against truth, onset": ("proxy_gold_gap", "metrics.parting", "metrics.transport_by_round"),
    "self-preference": ("self_preference",),
    "judge quality by round": ("kappa", "auroc_within"),
    "reward effectiveness, balance": ("top_precision", "balance_score"),
    "critique quality": ("error_found_rate", "false_alarm_rate"),
    "performance gap recovered": ("metrics.calibration.performance_gap_recovered",),
    "right for the wrong reason": ("wrong_reason_rate",),
    "token entropy": ("token_entropy",),
    "repetition, degeneration": ("rep_4", "degenerate_rate", "empty_rate", "unfinished_rate"),
    "held-out likelihood, divergence": (
        "perplexity",
        "base_perplexity",
        "kl_to_base",
        "metrics.collapse.kl_divergence",
    ),
    "mode share": ("mode_share",),
    "preference-pair health": ("chosen_drift", "rejected_drift", "pair_score_gap"),
    "plateau, reversal": ("metrics.plateau", "metrics.reversal_by_round"),
    "another selector": ("replay",),
}


@pytest.mark.parametrize("question", DIAGNOSTICS)
def test_it_has_an_answer(question):
    for name in DIAGNOSTICS[question]:
        if name.startswith("metrics."):
            found = metrics
            for part in name.split(".")[1:]:
                found = getattr(found, part)
            assert callable(found)
        else:
            assert is_known(name) or callable(getattr(siwork, name))
