"""The metrics that `measure` knows, by name: what each needs, how it is made, what it means."""

from __future__ import annotations

import re

from siwork.metrics.catalogue import calibration, collapse, diversity, judges, performance, tail, text, traces
from siwork.metrics.catalogue.kinds import Metric
from siwork.metrics.intervals import UNBOUNDED
from siwork.schema import KnobError, nearest

FAMILIES: dict[str, dict[str, Metric]] = {
    "performance": performance.METRICS,
    "diversity": {**diversity.METRICS, **text.METRICS},
    "tail": tail.METRICS,
    "calibration": {**calibration.METRICS, **judges.METRICS},
    "collapse": collapse.METRICS,
    "traces": traces.METRICS,
}
METRICS: dict[str, Metric] = {name: metric for family in FAMILIES.values() for name, metric in family.items()}

DEFAULT = (
    "pass@k",
    # diversity
    "distinct_correct", "right_variety", "solution_coverage", "answer_entropy", "gini_simpson", "unparsed_rate",
    "token_entropy", "support_kept", "mode_share", "vendi", "cross_distance", "compression_ratio",
    # tail
    "accept_rate", "accepted_share", "problem_share", "accepted_coverage", "tail_share", "tail_coverage",
    "tail_solve_rate", "accepted_gini", "accepted_gini_floor",
    # verifier
    "mean_score", "mean_gold", "proxy_gold_gap", "precision", "false_positive_rate", "false_negative_rate",
    "auroc_within", "ece", "ece_floor", "ece2_debiased", "gv_gap", "dead_groups",
    # collapse
    "samples_drawn", "mean_tokens", "mean_characters", "unfinished_rate", "empty_rate", "rep_4", "mean_logp", "kl_to_base",
    # since the first round
    "pass@1_change", "pass@k_change",
    "distinct_correct_change", "solution_coverage_change", "right_variety_change", "answer_entropy_change", "gini_simpson_change",
    "token_entropy_change", "support_kept_change", "mode_share_change", "vendi_change",
    "tail_share_change", "tail_coverage_change", "tail_solve_rate_change",
    "mean_score_change", "mean_gold_change", "proxy_gold_gap_change", "precision_change", "false_positive_rate_change",
    "false_negative_rate_change", "auroc_within_change", "gv_gap_change", "dead_groups_change",
    "mean_tokens_change", "mean_characters_change", "unfinished_rate_change", "empty_rate_change", "rep_4_change",
)  # fmt: skip
CHANGE = "_change"  # ends the name of a metric's change since the first round

_FAMILY = re.compile(r"(pass@|pass\^|maj@|best@|informative@|spread@)(k|[1-9]\d{0,8})\Z")
_AT_LEAST = re.compile(r"pass@([1-9]\d{0,8})-([1-9]\d{0,8})\Z")
NAMES = ("pass@k", *(f"{stem}k" for stem in performance.FAMILIES if stem != "pass@"), "pass@8-2", *METRICS)


def metric_of(name: str) -> Metric:
    """The metric of a name; `pass@8`, `maj@8` … for any whole number, `maj@k` … at the group's own k.

    `<metric>_change` is that metric, read as its change since the first round. Raises KnobError with the nearest name for an
    unknown one.
    """
    if is_known(name) and str(name).endswith(CHANGE):
        metric = metric_of(name.removesuffix(CHANGE))
        return metric._replace(meaning=f"since the first round: {metric.meaning}", span=span_of(name))
    if match := _FAMILY.match(str(name)):
        return performance.FAMILIES[match[1]](None if match[2] == "k" else int(match[2]))
    if match := _AT_LEAST.match(str(name)):
        return performance.at_least(int(match[1]), int(match[2]))
    if name not in METRICS:
        close = nearest(str(name).removesuffix(CHANGE), NAMES)
        raise KnobError(
            f"metrics must be of those that `siwork metrics` lists, got {name!r}"
            + (f"; {close}" if close.startswith("nearest") else "")
        )
    return METRICS[name]


def is_known(name: str) -> bool:
    """Whether `measure` knows a metric of this name."""
    level = str(name).removesuffix(CHANGE)
    return level in METRICS or bool(_FAMILY.match(level) or _AT_LEAST.match(level))


def span_of(name: str) -> tuple[float, float]:
    """Least and greatest possible value of a metric by its name, ±inf for one that is not known here."""
    if name.endswith((CHANGE, "_difference")):
        least, most = span_of(name.rpartition("_")[0])
        return least - most, most - least
    return metric_of(name).span if is_known(name) else UNBOUNDED
