"""A knob is one parameter, declared once: default, range, unit and a sentence.

Controls of panels, help texts, formulas and manifests are all derived from this declaration.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from functools import cache
from math import isfinite
from typing import Any, ClassVar, get_type_hints

from siwork.schema.errors import KnobError, nearest


@dataclass(frozen=True)
class Knob:
    """What is known of a parameter beside its name, type and default."""

    sentence: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    shown: bool = False  # a formula prints it even at its default, by position

    @property
    def range(self) -> str:
        """The allowed values in words: `0 … 1`, `≥ 1`, `flat, difficulty`, or `any`."""
        if self.choices:
            return ", ".join(self.choices)
        if self.low is None and self.high is None:
            return "any"
        if self.high is None:
            return f"≥ {self.low:.15g}"
        return f"≤ {self.high:.15g}" if self.low is None else f"{self.low:.15g} … {self.high:.15g}"


def knob(
    default: Any,
    sentence: str,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    shown: bool = False,
) -> Any:
    """Declare a dataclass field as a knob.

    Parameters
    ----------
    default : the value when nothing is said; it also sets the type together with the annotation
    sentence : what the knob does, one sentence, shown wherever the knob is
    low, high : inclusive range; None is open
    unit : unit of the value, empty for a pure number
    choices : the only values allowed (text knobs)
    shown : a formula prints the knob even at its default, by position
    """
    return field(default=default, metadata={"knob": Knob(sentence, low, high, unit, choices, shown)})


class Knobbed:
    """Base of frozen dataclasses whose fields are knobs: checks every value when an object is made.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Mill(Knobbed):
    ...     name = "mill"
    ...     speed: float = knob(1.0, "Turns a second.", low=0, high=9, unit="1/s")
    >>> Mill(speed=12.0)
    Traceback (most recent call last):
    siwork.schema.errors.KnobError: mill: knob 'speed' must be in 0 … 9, got 12.0; nearest: 9
    """

    name: ClassVar[str]

    def __post_init__(self) -> None:
        kind: Any = type(self)
        types = _types(kind)
        for spot in knobs_of(type(self)):
            value = checked_value(self.name, spot, types[spot.name], getattr(self, spot.name))
            object.__setattr__(self, spot.name, value)

    @classmethod
    def build(cls, args: tuple[Any, ...] = (), named: dict[str, Any] | None = None) -> Any:
        """An object of this class from positional and named values as a formula gives them.

        Raises KnobError for too many values, an unknown name, a value given twice, or one out of range.
        """
        names = [f.name for f in knobs_of(cls)]
        if len(args) > len(names):
            raise KnobError(f"{cls.name} takes at most {len(names)} values ({', '.join(names)}), got {len(args)}")
        values = dict(zip(names, args, strict=False))
        for key, value in (named or {}).items():
            if key not in names:
                hint = nearest(key, names) if names else "it has no knobs"
                raise KnobError(f"{cls.name} has no knob {key!r}; {hint}")
            if key in values:
                raise KnobError(f"{cls.name}: knob {key!r} is given twice; drop one of the two")
            values[key] = value
        return cls(**values)


@cache
def _types(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def knobs_of(cls: type) -> list[Field[Any]]:
    """The fields of a dataclass that are knobs, in order."""
    return [f for f in fields(cls) if "knob" in f.metadata]


def checked_value(owner: str, spot: Field[Any], kind: Any, value: Any) -> Any:
    """The value of a knob, a whole number made a float where one is wanted.

    owner : name of the component, for the message; kind : bool, int, float or str

    Raises KnobError for a value of another kind, out of range, or none of the choices.
    """
    info: Knob = spot.metadata["knob"]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise KnobError(
            f"{owner}: knob {spot.name!r} takes {kind.__name__}, got {value!r}; its default is {spot.default!r}"
        )
    if info.choices and value not in info.choices:
        raise KnobError(
            f"{owner}: knob {spot.name!r} must be one of {info.range}, got {value!r}; {nearest(value, info.choices)}"
        )
    if kind in (int, float):
        _check_range(owner, spot.name, info, value)
    return value


def _check_range(owner: str, name: str, info: Knob, value: float) -> None:
    low = -float("inf") if info.low is None else info.low
    high = float("inf") if info.high is None else info.high
    if not isfinite(value):
        raise KnobError(f"{owner}: knob {name!r} must be a finite number, got {value!r}")
    if not low <= value <= high:
        raise KnobError(
            f"{owner}: knob {name!r} must be in {info.range}, got {value!r}; nearest: {min(max(value, low), high):.15g}"
        )
