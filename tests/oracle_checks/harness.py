"""Reading a folder of reference values and comparing every expected leaf with what a checker offers.

A file is `cases[{id, inputs, expected}]` with a `tolerance`; null stands for NaN, "inf" for infinity. A checker takes a
case and returns what siwork says: a dict shaped as `expected`, whose leaves are values or functions without arguments.
A key may be a compiled pattern with one group: its value is then a function of the text of that group.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Checker = Callable[[dict[str, Any]], Any]

# Expected keys that say what another package gives where it differs, or that siwork has no number for.
OTHERS = re.compile(
    r"(netcal|torchmetrics|sklearn|shaib|relplot|lexicalrichness|uncertainty_calibration|skbio|statsmodels|nltk)_.*"
    r"|.*_package_raw"
    r"|gini_skbio_rectangles"  # smaller by 1/n
    r"|self_bleu4_sacrebleu_.*"
    r"|se_delong_independent"  # takes samples of one problem as independent
    r"|zlib6_bytes"  # no codec of siwork
)
NUMBER = re.compile(r"(\d+(?:\.\d+)?|inf)")
SCHEMA = "siwork-oracle/1"
_TOLERANCES = {"abs", "rel", "abs_exact", "abs_relplot"}


class Fault(AssertionError):
    """A reference value that siwork does not agree with, or that nobody compares."""


class Tolerance(NamedTuple):
    """A difference up to the larger of abs and rel · |expected| is agreement."""

    abs: float
    rel: float


def by_inputs(**checkers: Checker) -> Checker:
    """The checker of a case by its input keys, written as names joined by two underscores, in any order."""
    table = {frozenset(keys.split("__")): checker for keys, checker in checkers.items()}

    def check(case: dict[str, Any]) -> dict[str, Any]:
        if frozenset(case["inputs"]) not in table:
            raise Fault(f"unknown kind of case: inputs {sorted(case['inputs'])}")
        return table[frozenset(case["inputs"])](case["inputs"])

    return check


def by_kind(**checkers: Checker) -> Checker:
    """The checker of a case by its `kind`."""

    def check(case: dict[str, Any]) -> dict[str, Any]:
        if case.get("kind") not in checkers:
            raise Fault(f"unknown kind of case: {case.get('kind')!r}")
        return checkers[case["kind"]](case["inputs"])

    return check


def folder_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(file name without ending, tolerance, case) of every case of every file but the index."""
    for file in sorted(folder.glob("*.json")):
        if file.name != "index.json":
            data = json.loads(file.read_text(encoding="utf-8"))
            for case in data["cases"]:
                yield file.stem, data["tolerance"], case


def folder_faults(folder: Path, checkers: dict[str, Checker]) -> list[str]:
    """What stands in the folder and is not read, or is missing from it; empty when all is well."""
    index = folder / "index.json"
    if not index.is_file():
        return [f"no index.json in {folder}"]
    listed = {entry["file"]: entry["n_cases"] for entry in json.loads(index.read_text(encoding="utf-8"))["files"]}
    present = {file.name for file in folder.glob("*.json")} - {"index.json"}
    faults = [f"{name} is in the index but absent" for name in sorted(set(listed) - present)]
    faults += [f"{name} is present but not in the index" for name in sorted(present - set(listed))]
    faults += [f"{name} has no checker" for name in sorted(present) if name.removesuffix(".json") not in checkers]
    for name in sorted(present & set(listed)):
        data = json.loads((folder / name).read_text(encoding="utf-8"))
        if data.get("schema") != SCHEMA:
            faults.append(f"{name} has the schema {data.get('schema')!r}, not {SCHEMA!r}")
        ids = [case["id"] for case in data["cases"]]
        if len(ids) != listed[name] or len(set(ids)) != len(ids) or not ids:
            faults.append(f"{name} has {len(ids)} cases, {len(set(ids))} different, the index says {listed[name]}")
    return faults


def check_case(checkers: dict[str, Checker], name: str, tolerance: dict[str, float], case: dict[str, Any]) -> int:
    """Compare one case and return how many leaves were compared; Fault where one disagrees or nobody knows it."""
    if name not in checkers:
        raise Fault(f"{name}.json has no checker")
    allowed = _tolerance(tolerance)
    offered = checkers[name](case)
    compared = 0
    for path, expected in _leaves(case["expected"]):
        if any(OTHERS.fullmatch(part) for part in path):
            continue
        where = f"{name}:{case['id']}:{'/'.join(path)}"
        got = _at(offered, path, where)
        if not _agree(got() if callable(got) else got, expected, allowed):
            raise Fault(f"{where}: got {got() if callable(got) else got!r}, expected {expected!r} within {allowed}")
        compared += 1
    if not compared:
        raise Fault(f"{name}:{case['id']}: nothing to compare")
    return compared


def _tolerance(given: dict[str, float]) -> Tolerance:
    if not given or set(given) - _TOLERANCES:
        raise Fault(f"unknown tolerance {given}")
    return Tolerance(given.get("abs", given.get("abs_exact", 0.0)), given.get("rel", 0.0))


def _leaves(expected: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    parts: Any = ()
    if isinstance(expected, dict) and expected:
        parts = expected.items()
    elif isinstance(expected, list) and any(isinstance(part, dict) for part in expected):
        parts = ((str(i), part) for i, part in enumerate(expected))
    else:
        yield path, expected
    for key, part in parts:
        yield from _leaves(part, (*path, key))


def _at(offered: Any, path: tuple[str, ...], where: str) -> Any:
    """What the checker offers at a path; the whole of it for an expectation in words, whose path is empty."""
    for part in path:
        if not isinstance(offered, dict):
            raise Fault(f"{where}: unknown expected key")
        offered = _known(offered, part, where)
    if isinstance(offered, dict):
        raise Fault(f"{where}: a value where parts were known")
    return offered


def _known(offered: dict[Any, Any], part: str, where: str) -> Any:
    if part in offered:
        return offered[part]
    for key, function in offered.items():
        if isinstance(key, re.Pattern) and (match := key.fullmatch(part)):
            return function(match[1])
    raise Fault(f"{where}: unknown expected key")


def _agree(got: Any, expected: Any, allowed: Tolerance) -> bool:
    if isinstance(expected, list):
        values = np.asarray(got, object).tolist()
        return (
            isinstance(values, list)
            and len(values) == len(expected)
            and all(_agree(x, y, allowed) for x, y in zip(values, expected, strict=True))
        )
    if expected is None:
        return bool(np.all(np.isnan(np.asarray(got, float))))
    if expected == "inf":
        return bool(got == math.inf)
    if isinstance(expected, bool | str):
        return isinstance(got, bool | np.bool_ | str) and bool(got == expected)
    if not isinstance(expected, int | float) or isinstance(got, bool | np.bool_ | str) or np.ndim(got):
        return False
    return abs(float(got) - expected) <= max(allowed.abs, allowed.rel * abs(expected))
