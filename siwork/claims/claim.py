"""A claim of the literature in miniature: what is played, and the rule by which it is judged, written down before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from hashlib import sha256
from typing import Any

from siwork.loop import Sizes
from siwork.schema import KnobError, nearest

SIDES = ("above", "below", "within")
SHAPES = ("first", "last", "change", "bend", "slope", "mean")


@dataclass(frozen=True)
class Base:
    """A base model that is trained first, with the seed of the run; see `siwork pretrain`."""

    steps: int  # of pre-training; 0 takes the weights that ship for the task, whatever the sizes below
    width: int = 64
    layers: int = 3
    heads: int = 2
    hidden: int = 176
    pool: int = 40_000
    task: str = ""  # what it is taught, where that is not what is played
    traces: str = ""  # kind of the traces that it is primed on after that, see `siwork.claims.priming`; "" for none
    primed: int = 0  # steps on them

    def __post_init__(self) -> None:
        if bool(self.traces) != (self.primed > 0):
            raise KnobError(
                f"a base is primed on traces for some steps, got traces={self.traces!r}, primed={self.primed}; give both or none"
            )

    @property
    def told(self) -> str:
        """How it was made, in words.

        >>> Base(0, traces="right-anew", primed=60).told
        'the base that ships, primed for 60 steps on traces right-anew'
        """
        taught = f" on {self.task}" if self.task else ""
        own = f"a base of its own{taught}, {self.steps} steps, width {self.width}, {self.layers} layers"
        after = f", primed for {self.primed} steps on traces {self.traces}" if self.traces else ""
        return (own if self.steps else "the base that ships") + after


@dataclass(frozen=True)
class Arm:
    """One of the recipes that a claim compares."""

    recipe: str
    base: Base | None = None  # None takes the weights that ship for the task
    train: int = 0  # training problems, where they are not those of the claim
    task: str = ""  # where it is not that of the claim

    @property
    def apart(self) -> str:
        """What of it is not as in the other arms beside the recipe, in words, "" for nothing.

        >>> Arm("cot · gold · correct · sft", Base(300, width=32), train=75).apart
        '75 training problems; a base of its own, 300 steps, width 32, 3 layers'
        """
        words = [f"on {self.task}"] if self.task else []
        words += [f"{self.train} training problems"] if self.train else []
        words += [self.base.told] if self.base else []
        return "; ".join(words)


@dataclass(frozen=True)
class Part:
    """One number that the rule looks at, a value a seed, and where its interval must lie.

    arm : the arm it is measured on, "" for a closed form; against : the arm that is subtracted, seed by seed, "" for none
    metric : of `siwork.metrics`, or of `siwork.claims.own`; less : a metric that is subtracted, "" for none
    claimed : "above" or "below" the line, or "within" ±least of it
    least : the smallest effect worth the name, > 0, in the unit of the number
    line : where no effect is
    of : "first" for round `since`, "last" round, "change" between the two, "bend", how much more of that came in the second
        half than in the first, least-squares "slope" a round from `since` on, or "mean" from there on
    split : of the rows; relative : as a share of the other arm's value
    either : of the parts with the same word, one is enough; "" for a part that must hold
    """

    arm: str
    metric: str
    claimed: str
    least: float
    line: float = 0.0
    of: str = "last"
    since: int = 0
    against: str = ""
    less: str = ""
    split: str = "heldout"
    relative: bool = False
    either: str = ""

    def __post_init__(self) -> None:
        for name, value, valid in (("claimed", self.claimed, SIDES), ("of", self.of, SHAPES)):
            if value not in valid:
                raise KnobError(f"{name} must be one of {', '.join(valid)}, got {value!r}; {nearest(value, valid)}")
        if self.relative and not self.against:
            raise KnobError(
                f"relative takes a share of another arm's {self.metric}, and against names none; name that arm"
            )
        if not self.least > 0:
            raise KnobError(
                f"least is the smallest effect worth the name, above 0, got {self.least:g}; 0.02 for a rate"
            )

    @property
    def number(self) -> str:
        """What is measured, in words.

        >>> Part("loop", "pass@32", "below", 0.005, of="slope", since=1).number
        'pass@32 of loop, held-out: slope a round since round 1'
        >>> Part("dive", "answer_entropy", "above", 0.1, against="dpo", relative=True).number
        'answer_entropy of dive − dpo, held-out: last round, as a share of dpo'
        """
        if not self.arm:
            return self.metric
        metric = self.metric + (f" − {self.less}" if self.less else "")
        arms = self.arm + (f" − {self.against}" if self.against else "")
        since = "" if self.since == 0 and self.of == "mean" else f" since round {self.since}"
        shape = {"first": f"round {self.since}", "last": "last round", "change": f"change{since}"}
        shape |= {"bend": "change in the second half less that in the first"}
        shape |= {"slope": f"slope a round{since}", "mean": f"mean{since}"}
        share = f", as a share of {self.against}" if self.relative else ""
        where = {"heldout": "held-out"}.get(self.split, self.split)
        return f"{metric} of {arms}, {where}: {shape[self.of]}{share}"

    @property
    def rule(self) -> str:
        """Where its interval must lie, and what refutes it, in words.

        >>> Part("loop", "pass@32", "below", 0.005).rule
        'below 0; an effect under 0.005 is none'
        """
        if self.claimed == "within":
            return f"within {self.line:g} ± {self.least:g}"
        return f"{self.claimed} {self.line:g}; an effect under {self.least:g} is none"


@dataclass(frozen=True)
class Claim:
    """One claim of the literature, asked of a small model.

    name : by which it is called; says : the claim, one sentence; source : the paper; stated : what the paper says, in short
    task, rounds, sizes : what all arms share; arms : by name; parts : all must hold, or of those with the same `either` one
    chosen : on which seeds the setting was chosen before, and how; because : what to bear in mind when it is read
    """

    name: str
    says: str
    source: str
    stated: str
    task: str
    rounds: int
    arms: Mapping[str, Arm]
    parts: tuple[Part, ...]
    sizes: Sizes = field(default_factory=Sizes)
    chosen: str = ""
    because: str = ""

    def __post_init__(self) -> None:
        for part in self.parts if self.arms else ():
            for arm in filter(None, (part.arm, part.against)):
                if arm not in self.arms:
                    raise KnobError(f"claim {self.name} has no arm {arm!r}; {nearest(arm, self.arms)}")

    @property
    def mark(self) -> str:
        """Twelve characters that change with anything that is played, or with the rule by which it is judged.

        A table of verdicts keeps it, so nobody need believe that the rule was there first: the mark of another rule differs.
        What is at its default is left out, so that a field which comes later changes no mark; hence no default may change.
        """
        kept = {"task": self.task, "rounds": self.rounds, "sizes": str(self.sizes)}
        kept |= {"arms": {name: _told(arm) for name, arm in self.arms.items()}}
        whole: dict[str, Any] = kept | {"parts": [_told(part) for part in self.parts]}
        return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def metrics(self) -> dict[str, set[str]]:
        """Names of metrics that its parts read, by split."""
        found: dict[str, set[str]] = {}
        for part in self.parts:
            found.setdefault(part.split, set()).update(filter(None, (part.metric, part.less)))
        return found


def _told(of: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not at their default, those within it the same way."""
    values = {each.name: getattr(of, each.name) for each in fields(of)}
    free = {each.name for each in fields(of) if each.default is not MISSING and values[each.name] == each.default}
    return {name: _told(value) if is_dataclass(value) else value for name, value in values.items() if name not in free}
