"""The error tree. Every message holds the rule, the value seen, the nearest valid one and the next step.

SiworkError
├── SchemaError          a table lacks a column, or a column holds what it may not
├── KnobError            a parameter has an unknown name, a wrong type or a value out of range
├── RecipeError          a formula cannot be read, or its parts do not go together
├── RunError             a run folder cannot be used
│   ├── Unfinished       the round asked for is not there yet
│   ├── Locked           another process is writing
│   └── Foreign          not a run folder, or one of a newer version
├── ImportFormatError    a foreign file is not what its format promises
└── MissingExtra         an optional package is not installed
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_FEW = 20  # valid values of which all are told where none is near


class SiworkError(Exception):
    """Base of every error that siwork raises on purpose.

    >>> str(ImportFormatError("no such file: \\udcff"))  # of a name that is no text; it can still be printed
    'no such file: \\\\udcff'
    """

    def __str__(self) -> str:
        return super().__str__().encode("utf-8", "backslashreplace").decode()


class SchemaError(SiworkError):
    """A table lacks a column, or a column holds what it may not."""


class KnobError(SiworkError, ValueError):
    """A parameter has an unknown name, a wrong type or a value out of range."""


class RecipeError(SiworkError, ValueError):
    """A formula cannot be read, or its parts do not go together."""


class RunError(SiworkError):
    """A run folder cannot be used."""


class Unfinished(RunError):
    """The round asked for is not there yet."""


class Locked(RunError):
    """Another process is writing to this run."""


class Foreign(RunError):
    """Not a run folder, or one that a newer version wrote."""


class ImportFormatError(SiworkError):
    """A foreign file is not what its format promises."""


class MissingExtra(SiworkError, ImportError):
    """An optional package is not installed."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """The part of a message that names the valid value nearest to `name`, or all of them when none is near and they are few.

    >>> nearest("coutdown", ["add", "countdown"]), nearest("zzz", ["add", "countdown"])
    ("nearest: 'countdown'", 'valid: add, countdown')
    """
    valid = sorted(valid)
    close = get_close_matches(str(name), valid, n=1, cutoff=0.5 if len(valid) <= _FEW else 0.0)
    return f"nearest: {close[0]!r}" if close else f"valid: {', '.join(valid)}"


def missing_extra(feature: str, package: str, extra: str) -> MissingExtra:
    """The error for a feature whose optional package is not installed; names the pip line.

    >>> str(missing_extra("policy 'tiny'", "torch", "lm"))
    "policy 'tiny' needs the package torch; install it with: pip install 'siwork[lm]'"
    """
    return MissingExtra(f"{feature} needs the package {package}; install it with: pip install 'siwork[{extra}]'")
