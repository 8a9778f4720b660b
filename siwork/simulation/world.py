"""A world: every slider of the simulation as a knob, and the problems that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from siwork.policies.candidates import STYLES
from siwork.policies.chance import log_total, normal, scramble, uniform
from siwork.policies.tabular import Tabular
from siwork.schema import Knobbed, KnobError, knob
from siwork.tasks.base import band

HELD_OUT = 3  # one problem in so many is never trained on
LARGEST = 1_100_000  # (samples + answers) · problems · rounds that are still recomputed at once


@dataclass(frozen=True)
class World(Knobbed):
    """A loop on the tabular policy, small enough to be recomputed while a slider moves.

    Two thirds of the problems are trained on and sampled at `temperature`; every third is held out and sampled at
    temperature 1, as in a run. Each answer of a problem is a candidate of its own.

    Raises KnobError for a value out of range and for knobs that do not go together.

    >>> World(fp=0.0, fn=0.0).formula
    'seed · cot(k=16) · noisy(0.0, 0.0) · correct · sft(steps=4, batch=65536, rate=5.0)'
    """

    name: ClassVar[str] = "world"

    problems: int = knob(300, "Problems; every third is held out of training.", low=15, high=3000, unit="problems")
    rounds: int = knob(10, "Updates; one policy more is measured.", low=1, high=50, unit="rounds")
    k: int = knob(16, "Samples of each problem in a round.", low=2, high=64, unit="samples")
    temperature: float = knob(1.0, "Temperature of the training samples.", low=0.1, high=3.0)

    skill: float = knob(0.0, "Added to the base policy's log-odds of solving.", low=-5.0, high=5.0, unit="nats")
    spread: float = knob(1.0, "Deviation of the logits of one problem's answers.", low=0.0, high=4.0, unit="nats")
    right: int = knob(4, "Right answers of each problem.", low=1, high=16, unit="answers")
    wrong: int = knob(12, "Wrong answers of each problem.", low=1, high=48, unit="answers")
    base: int = knob(0, "Which problems and base policy of this kind.", low=0, high=2**31 - 1)

    verifier: str = knob(
        "noisy",
        "Who scores: the true check with error rates, the same graded, the share of votes, or nobody.",
        choices=("noisy", "graded", "vote", "none"),
    )
    fp: float = knob(0.1, "Share of wrong answers that are accepted (noisy, graded).", low=0.0, high=1.0)
    fn: float = knob(0.1, "Share of right answers that are rejected (noisy, graded).", low=0.0, high=1.0)
    link: str = knob("flat", "Whether the error rates grow with difficulty.", choices=("flat", "difficulty"))
    calibration: float = knob(
        1.0,
        "Slope of a graded score's log-odds: 1 says what the evidence is worth, above it is overconfident.",
        low=0.05,
        high=20.0,
    )

    selection: str = knob(
        "correct", "What is kept: all, what passes, or the best scored.", choices=("correct", "best", "all")
    )
    threshold: float = knob(0.5, "Least score that passes.", low=0.0, high=1.0)
    best: int = knob(1, "Samples kept of each problem by selection=best.", low=1, high=64, unit="samples")
    repeats: str = knob("keep", "Whether repeated answers of a problem are kept or dropped.", choices=("keep", "drop"))
    cap: int = knob(64, "Most samples kept of each problem.", low=1, high=64, unit="samples")

    update: str = knob(
        "sft",
        "sft takes gradient steps on what is kept; refit makes its shares the new distribution of each problem.",
        choices=("sft", "refit"),
    )
    strength: float = knob(20.0, "Steps times learning rate of a round (sft).", low=0.0, high=400.0)
    steps: int = knob(4, "Gradient steps of a round, each on all that is kept (sft).", low=1, high=16, unit="steps")
    sharing: float = knob(0.5, "Share of learning that all problems share (sft).", low=0.0, high=1.0)
    start: str = knob(
        "last", "The policy that sft starts from: the last round's or the base.", choices=("last", "base")
    )
    real_share: float = knob(0.0, "Share of the training weight that real right answers hold.", low=0.0, high=0.95)
    data: str = knob(
        "replace", "Whether kept samples replace or join those of earlier rounds.", choices=("replace", "accumulate")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.verifier == "none" and self.selection != "all":
            raise KnobError(
                f"world: selection={self.selection} needs scores, and verifier is none; nearest: selection=all"
            )
        if self.verifier == "graded" and not self.fp + self.fn < self._tellable:
            raise KnobError(
                f"world: a graded score needs fp + fn below {self._tellable:g} with link={self.link}, got "
                f"{self.fp + self.fn:g}, no better than chance somewhere; lower one of them, or take verifier=noisy"
            )
        if self.update == "refit" and self.start == "base":
            raise KnobError(
                "world: refit keeps nothing of the policy, so start=base means nothing; nearest: start=last"
            )
        if self._size > LARGEST:
            raise KnobError(
                f"world: problems · (k + answers) · rounds must be at most {LARGEST:,}, so that sliders stay quick, got "
                f"{self._size:,}; nearest: problems={max(15, self.problems * LARGEST // self._size)}"
            )

    @property
    def _tellable(self) -> float:
        return 1.0 if self.link == "flat" else 0.5

    @property
    def _size(self) -> int:
        return self.problems * (self.k + self.answers) * (self.rounds + 1)

    @property
    def answers(self) -> int:
        """Answers of each problem, right and wrong."""
        return self.right + self.wrong

    @property
    def train(self) -> int:
        """Problems that are trained on."""
        return self.problems - self.problems // HELD_OUT

    @property
    def formula(self) -> str:
        """The world's loop in the notation of recipes; `graded` and `refit` exist here only."""
        sampler = f"cot(k={self.k}" + (f", temperature={self.temperature})" if self.temperature != 1 else ")")
        slots = ["seed", sampler, self._verifier, self._selector, self._update, self._stabiliser]
        return " · ".join(slot for slot in slots if slot)

    @property
    def _verifier(self) -> str:
        if self.verifier in ("vote", "none"):
            return self.verifier.removeprefix("none")
        more = "" if self.link == "flat" else ", link=difficulty"
        more += f", calibration={self.calibration}" if self.verifier == "graded" else ""
        return f"{self.verifier}({self.fp}, {self.fn}{more})"

    @property
    def _selector(self) -> str:
        passes = "correct" if self.threshold == 0.5 else f"correct(threshold={self.threshold})"
        parts = [{"correct": passes, "best": f"best(n={self.best})", "all": ""}[self.selection]]
        parts += ["divsel"] if self.repeats == "drop" else []
        parts += [f"balance(cap={self.cap})"] if self.cap < self.k else []
        return " + ".join(part for part in parts if part)

    @property
    def _update(self) -> str:
        if self.update == "refit":
            return "refit"
        return f"sft(steps={self.steps}, batch=65536, rate={self.strength / self.steps})"

    @property
    def _stabiliser(self) -> str:
        parts = ["reset"] if self.start == "base" else []
        parts += [f"mix(real, share={self.real_share})"] if self.real_share else []
        return " + ".join([*parts, *(["mix(accumulate)"] if self.data == "accumulate" else [])])


class Ground(NamedTuple):
    """The problems of a world, those trained on first, and the base policy; M answers, the right ones first."""

    logits: np.ndarray  # (M, P) nats, of the base policy
    right: np.ndarray  # (M, P) bool
    style: np.ndarray  # (M, P) int
    difficulty: np.ndarray  # (P,)
    band: np.ndarray  # (P,) int
    train: int  # problems trained on


def ground_of(world: World) -> Ground:
    """The problems and the base policy of a world, kept for the next call; problem i is the same in a larger world."""
    return _ground(world.problems, world.right, world.wrong, world.skill, world.spread, world.base)


@lru_cache(maxsize=8)
def _ground(problems: int, right: int, wrong: int, skill: float, spread: float, base: int) -> Ground:
    ids = np.arange(problems)
    ids = np.concatenate([ids[ids % HELD_OUT != HELD_OUT - 1], ids[ids % HELD_OUT == HELD_OUT - 1]])
    difficulty = uniform(_keys(ids[:, None], np.zeros(1, int), base))[:, 0]
    is_right = np.arange(right + wrong) < right
    logits = _logits(
        Tabular(skill=skill, spread=spread), difficulty, _draws(problems, right + wrong, base)[ids], is_right
    )
    style = (uniform(_keys(ids[:, None], 1 + np.arange(right + wrong), base)) * STYLES).astype(np.int64)
    wide = np.broadcast_to(is_right[:, None], logits.T.shape)
    train = problems - problems // HELD_OUT
    return Ground(np.ascontiguousarray(logits.T), wide.copy(), style.T.copy(), difficulty, band(difficulty), train)


def _keys(problem: np.ndarray, number: np.ndarray, base: int) -> np.ndarray:
    return (problem * 128 + number).astype(np.uint64) ^ scramble(np.array([base], np.uint64))


@lru_cache(maxsize=8)
def _draws(problems: int, answers: int, base: int) -> np.ndarray:
    return normal(np.arange(problems, dtype=np.uint64), answers + 1, base)


def _logits(make: Tabular, difficulty: np.ndarray, chance: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Logits of the base policy (P, M), as `Tabular.base` makes them."""
    z = make.spread * chance[:, 1:]
    odds = make.log_odds(difficulty) + make.noise * chance[:, 0]
    z[:, right] += (odds + log_total(z[:, ~right]) - log_total(z[:, right]))[:, None]
    return np.asarray(z - log_total(z)[:, None])
