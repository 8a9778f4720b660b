"""The cases of the clinic in words: what was planted, which verdict must see it, and where to look."""

from __future__ import annotations

from dataclasses import dataclass

from siwork.clinic.start import Size


@dataclass(frozen=True)
class Case:
    """One kind of labelled run; numbers in the sentence are those of effect 1.

    What grows from a third of the run, and dead groups, are whole after 60 % of the rounds that are left.
    """

    name: str
    sentence: str  # what was planted
    verdict: str  # the verdict that must alarm, empty for a healthy run
    hint: str  # what to look at in the figures


SIZES = {
    "scant": Size(60, 40, 8, 6),
    "small": Size(150, 80, 8, 8),
    "usual": Size(200, 100, 16, 10),
    "large": Size(300, 100, 16, 20),
}

_CASES = (
    Case(
        "healthy",
        "Nothing is wrong: the log-odds of a right answer rise by 0.08 a round at first, then more slowly; "
        "the verifier tells the truth.",
        "",
        "pass@1 rises a little, and every other line stays inside its interval.",
    ),
    Case(
        "healthy-noisy",
        "Nothing is wrong, but everything wobbles: each round shifts all log-odds (sd 0.12), each problem walks its own way "
        "(sd 0.15 a round), candidates and temperature jitter, and the verifier errs at constant rates.",
        "",
        "Lines jump from round to round without a direction; intervals are wide enough to hold the jumps.",
    ),
    Case(
        "healthy-fast",
        "Nothing is wrong: pass@1 climbs to 0.8 by the last round, and the mix among right answers stays as it was.",
        "",
        "Entropy over all answers falls because wrong answers go; the variety of right answers stays.",
    ),
    Case(
        "diversity-decay",
        "From round 1 the leading right answer of each problem takes over (p ∝ p^γ among right answers): the chance that two "
        "right answers differ falls by 95 %, half of it by 40 % of the run, while the chance of a right answer is untouched.",
        "diversity_decay",
        "right_variety falls while pass@1 stays; pass@k loses what pass@1 keeps.",
    ),
    Case(
        "tail-cut",
        "From a third of the run, right answers to hard problems (bands 0 and 1) are trained on ever more rarely, at the end "
        "with 10 % of the chance they had, and the log-odds of solving those problems fall by 0.5.",
        "tail_narrowing",
        "tail_share and tail_coverage of the train rows fall; the bands of pass@1 drift apart.",
    ),
    Case(
        "hackable-verifier",
        "The verifier accepts the longest fifth of a problem's wrong answers; from a third of the run the model moves there: "
        "by the end the score is up by 0.25 and the truth down by 0.2.",
        "reward_hacking",
        "mean_score rises while mean_gold falls: the gap opens.",
    ),
    Case(
        "drifting-calibration",
        "The graded score is P(right | signal) with AUROC 0.9; from a third of the run its log-odds shift up by 2 and sharpen "
        "by 30 %, so false accepts grow from about 0.1 to 0.4. The model stays healthy.",
        "verifier_calibration",
        "false_positive_rate rises and auroc_within stays: the same order, other numbers. pass@1 shows nothing.",
    ),
    Case(
        "sudden-collapse",
        "The score is the share of a problem's votes; half-way, 85 % of the problems put 97 % of their mass on one plain wrong "
        "answer at once, and the votes agree with it.",
        "collapse",
        "mean_score jumps to nearly 1 in the round in which pass@1 and answer_entropy fall.",
    ),
    Case(
        "slow-collapse",
        "From round 1 every problem is solved less often (pass@1 down by 0.3 by the end), the policy sharpens (γ up to 4), and "
        "up to 35 % of the responses say the same five times and hold no readable answer.",
        "collapse",
        "pass@1 and entropy fall while rep_4 climbs: no single round looks bad, the direction does.",
    ),
    Case(
        "template-collapse",
        "From a third of the run a growing share of responses, 90 % by the end, is wrapped into one of twelve long texts that "
        "are the same for every problem; the answer behind the colon stays what it was.",
        "template_collapse",
        "cross_distance falls while pass@1 and answer_entropy stay; read two responses to different problems side by side.",
    ),
    Case(
        "length-collapse",
        "From a third of the run a growing share of responses, 85 % by the end, is a stub of 1 to 3 tokens (even seeds) or runs "
        "on until it is cut at 48 tokens (odd seeds); neither holds a readable answer.",
        "length_collapse",
        "mean_tokens leaves its level; unfinished_rate tells the runaway from the stub.",
    ),
    Case(
        "dead-groups",
        "From round 1 each problem's chance of being solved is pushed to 0 or 1, their mean kept: by the end 95 % of the groups "
        "have one score only and teach a policy gradient nothing.",
        "dead_groups",
        "dead_groups climbs to nearly 1 while pass@1 hardly moves.",
    ),
)
CASES = {case.name: case for case in _CASES}
