"""`Bounds`: how much harm is too much, each with where the number comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from siwork.schema import Knobbed, knob


@dataclass(frozen=True)
class Bounds(Knobbed):
    """How large a harm must be for an alarm, once it is there beyond doubt; from half of it on it is watched.

    The sizes are conventions, set on labelled runs so that healthy ones stay silent (`operating_curves` has the measured
    rates). `error` is not a convention: it is the chance that noise alone alarms anywhere in a run, over all verdicts and
    all rounds together, and looking after every round is paid for.

    Raises
    ------
    KnobError for a value out of range, naming the nearest one.

    >>> Bounds(score_above_truth=0.05).score_above_truth
    0.05
    """

    name: ClassVar[str] = "Bounds"

    error: float = knob(0.05, "Chance that noise alone alarms anywhere in a run.", low=1e-6, high=0.5)
    distinct: float = knob(0.2, "Fall of distinct right answers, as a share of the first round's.", low=0.0, high=1.0)
    variety: float = knob(0.3, "Fall of the chance that two right answers differ, as a share.", low=0.0, high=1.0)
    reach: float = knob(0.08, "Fall of pass@k at the largest k.", low=0.0, high=1.0)
    answers: float = knob(
        0.5, "Fall of answer or response diversity where truth is unknown, as a share.", low=0.0, high=1.0
    )
    tail_share: float = knob(
        0.3, "Fall of the hard problems' share of the training data, as a share.", low=0.0, high=1.0
    )
    tail_coverage: float = knob(0.1, "Fall of the share of hard problems that give training data.", low=0.0, high=1.0)
    tail_solved: float = knob(0.08, "Fall of pass@1 on the hard problems.", low=0.0, high=1.0)
    inequality: float = knob(
        0.15, "Rise of the Gini index of accepted samples, where bands are unknown.", low=0.0, high=1.0
    )
    false_accepts: float = knob(0.1, "Rise of the share of wrong samples that are accepted.", low=0.0, high=1.0)
    false_rejects: float = knob(0.1, "Rise of the share of right samples that are rejected.", low=0.0, high=1.0)
    miscalibration: float = knob(
        0.02, "Rise of the squared calibration error; 0.02 is 0.14 of probability.", low=0.0, high=1.0
    )
    ranking: float = knob(0.1, "Fall of the chance to rank a right sample above a wrong one.", low=0.0, high=1.0)
    score_above_truth: float = knob(0.05, "Rise of the mean score above the mean truth.", low=0.0, high=1.0)
    truth: float = knob(0.05, "Fall of pass@1.", low=0.0, high=1.0)
    token_entropy: float = knob(0.9, "Fall of the next-token entropy, as a share.", low=0.0, high=1.0)
    support: float = knob(0.6, "Fall of the share of first-round answers still found, as a share.", low=0.0, high=1.0)
    repetition: float = knob(0.15, "Rise of the share of repeated 4-grams.", low=0.0, high=1.0)
    one_answer: float = knob(0.25, "Rise of the share of problems with one common answer.", low=0.0, high=1.0)
    templates: float = knob(
        0.3, "Fall of the distance between responses to different problems, as a share.", low=0.0, high=1.0
    )
    redundancy: float = knob(0.5, "Rise of the compression ratio of all texts, as a share.", low=0.0, high=10.0)
    shorter: float = knob(0.5, "Fall of the length of a response, as a share.", low=0.0, high=1.0)
    longer: float = knob(
        2.0, "Rise of the length of a response, as a share: 2 is three times as long.", low=0.0, high=100.0
    )
    unfinished: float = knob(0.15, "Rise of the share of responses cut off.", low=0.0, high=1.0)
    empty: float = knob(0.1, "Rise of the share of empty responses.", low=0.0, high=1.0)
    gap_used: float = knob(0.8, "Fall of the generation–verification gap, as a share.", low=0.0, high=1.0)
    dead: float = knob(0.7, "Share of problems whose samples all have one score.", low=0.0, high=1.0)
