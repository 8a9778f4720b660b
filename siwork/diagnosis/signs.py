"""The signs that verdicts rest on: which metric, which way is harm, which bound."""

from __future__ import annotations

from typing import NamedTuple

EVAL, TRAIN = ("heldout", "train"), ("train", "heldout")  # which split is looked at first


class Sign(NamedTuple):
    """One symptom: a change since the first round, or a level."""

    metric: str  # as in the metric table; pass@k is the largest k there is
    label: str
    worse: int  # +1 a rise is harm, −1 a fall
    bound: str  # knob of `Bounds`
    splits: tuple[str, ...] = EVAL
    relative: bool = False  # the bound is a share of the first round's value
    least: float = 0.0  # first value below which a share of it says nothing
    level: bool = False  # held against the bound as it is, not as a change
    instead: tuple[str, ...] = ()  # asked only where none of these is known
    excuse: bool = False  # expected when the model gets better: asked only where pass@1 did not rise
    worst: str = "alarm"  # the most it may say
    means: str = ""  # of an alarm or watch that it decides, where that is less than the question asks


class Question(NamedTuple):
    """What a verdict asks, and what it says."""

    name: str
    signs: tuple[Sign, ...]
    means: str  # of an alarm or watch
    advice: str
    source: str


QUESTIONS = (
    Question(
        "diversity_decay",
        (
            Sign("distinct_correct", "distinct right answers", -1, "distinct", relative=True, least=0.05),
            Sign("right_variety", "chance that two right answers differ", -1, "variety", relative=True, least=0.05),
            Sign("pass@k", "right within k tries", -1, "reach"),
            Sign(
                "gini_simpson",
                "chance that two answers differ",
                -1,
                "answers",
                EVAL,
                True,
                0.05,
                instead=("distinct_correct",),
                means="Answers to one problem have become alike; whether right ones are lost cannot be said without truth.",
            ),
            Sign(
                "vendi",
                "different responses, in effect",
                -1,
                "answers",
                EVAL,
                True,
                1.05,
                instead=("distinct_correct", "gini_simpson"),
                means="Responses to one problem have become alike; whether right answers are lost cannot be said without "
                "answers and truth.",
            ),
        ),
        "The model finds fewer different right answers than it did: more samples will buy less, and later rounds have "
        "less to learn from.",
        "Train on one sample of each different answer (dedup), raise the sampling temperature, restart from the base "
        "each round, or mix in older data.",
        "2412.17256, 2504.13837",
    ),
    Question(
        "tail_narrowing",
        (
            Sign("tail_share", "hard problems' share of the training data", -1, "tail_share", TRAIN, True, 0.02),
            Sign("tail_coverage", "hard problems that give training data", -1, "tail_coverage", TRAIN),
            Sign("tail_solve_rate", "pass@1 on hard problems", -1, "tail_solved"),
            Sign(
                "accepted_gini",
                "inequality of accepted samples",
                1,
                "inequality",
                TRAIN,
                instead=("tail_share", "tail_coverage"),
                means="Ever fewer problems supply what is trained on; whether they are the easy ones cannot be said without "
                "difficulty.",
            ),
        ),
        "Easy problems crowd the hard ones out of what is trained on.",
        "Balance the selection by problem or band, give unsolved problems more samples or hints, and cap what an easy "
        "problem may contribute.",
        "2411.00750, 2510.26474",
    ),
    Question(
        "verifier_calibration",
        (
            Sign("false_positive_rate", "wrong samples accepted", 1, "false_accepts", TRAIN),
            Sign("false_negative_rate", "right samples rejected", 1, "false_rejects", TRAIN),
            Sign("ece2_debiased", "squared calibration error", 1, "miscalibration", TRAIN),
            Sign("auroc_within", "right ranked above wrong", -1, "ranking", TRAIN),
        ),
        "The judge errs in other ways than in the first round: thresholds set then no longer hold.",
        "Label a few dozen samples of this round by hand, refit the calibration or the threshold, or go back to a "
        "verifier that does not learn from the same samples.",
        "2512.11150",
    ),
    Question(
        "collapse",
        (
            Sign("pass@1", "right in one try", -1, "truth"),
            Sign("mean_gold", "right samples", -1, "truth", instead=("pass@1",)),
            Sign("mean_score", "mean score", -1, "truth", TRAIN, instead=("pass@1", "mean_gold")),
            Sign("token_entropy", "next-token entropy", -1, "token_entropy", relative=True, least=0.01),
            Sign("rep_4", "repeated 4-grams", 1, "repetition"),
            Sign("mode_share", "problems with one common answer", 1, "one_answer"),
            Sign(
                "support_kept", "first-round answers still found", -1, "support", relative=True, least=0.05, excuse=True
            ),
        ),
        "The loop has turned: it now trains on what it broke.",
        "Go back to the last good round (fork), lower the learning rate, add real data or an anchor to the base, and "
        "stop earlier.",
        "2305.17493, 2505.21444",
    ),
    Question(
        "reward_hacking",
        (Sign("proxy_gold_gap", "score above truth", 1, "score_above_truth", TRAIN),),
        "The score has risen more than the truth: the model has learnt to please the judge.",
        "Read the accepted completions that are wrong, close that hole in the verifier, and go back to the last good "
        "round (fork).",
        "2210.10760, 2407.04549",
    ),
    Question(
        "template_collapse",
        (
            Sign("cross_distance", "distance between responses to different problems", -1, "templates", relative=True),
            Sign("compression_ratio", "redundancy of all texts", 1, "redundancy", relative=True),
        ),
        "Responses to different problems have become alike, which entropy within a problem does not show.",
        "Read responses of several problems side by side; vary prompts, and reward what depends on the problem.",
        "2604.06268",
    ),
    Question(
        "length_collapse",
        (
            Sign("mean_tokens", "length", -1, "shorter", relative=True),
            Sign("mean_tokens", "length", 1, "longer", relative=True),
            Sign("mean_characters", "length", -1, "shorter", EVAL, True, instead=("mean_tokens",)),
            Sign("mean_characters", "length", 1, "longer", EVAL, True, instead=("mean_tokens",)),
            Sign("unfinished_rate", "responses cut off", 1, "unfinished"),
            Sign("empty_rate", "empty responses", 1, "empty"),
        ),
        "Responses shrink to nothing or run on to the cap; entropy and diversity read on them mislead.",
        "Look at what the verifier pays for length, filter by length in the selector, or raise the cap.",
        "open-r1 465",
    ),
    Question(
        "saturation",
        (Sign("gv_gap", "what the verifier adds to generation", -1, "gap_used", TRAIN, relative=True, least=0.02),),
        "What selection could add is used up: further rounds of this recipe have little left to gain.",
        "Stop here, or bring harder problems, more samples a problem or a better verifier.",
        "2412.02674",
    ),
    Question(
        "dead_groups",
        (Sign("dead_groups", "problems whose samples all score alike", 1, "dead", TRAIN, level=True),),
        "Most problems give a group-relative update nothing to learn from, and their samples are wasted.",
        "Draw more samples a problem, drop problems that are always or never solved, and pick those near one half.",
        "2402.03300",
    ),
)
