"""`siwork clinic`: runs with planted failures, and what is found in them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from siwork.cli.diagnose import facts, wrapped
from siwork.cli.rates import rates_markdown
from siwork.clinic import CASES, SIZES, labelled
from siwork.diagnosis import diagnose
from siwork.metrics import measure
from siwork.reporting.page import save
from siwork.reporting.patients import Patient, expectation, findings, index_page, patient_page
from siwork.schema import KnobError, nearest

_HEALTHY = "healthy"


def clinic(options: argparse.Namespace) -> int:
    """`siwork clinic [CASE…]`: list the cases, or make, diagnose and show them. Raises KnobError, RunError."""
    if options.rates:
        print(rates_markdown())
        return 0
    if not options.cases:
        _list(options.json)
        return 0
    names = _chosen(options.cases)
    healthy = admitted(_HEALTHY, options.size, options.seed)
    setting = f"Size {options.size}, seed {options.seed}"
    patients, told = [], []
    for name in names:
        patient = healthy if name == _HEALTHY else admitted(name, options.size, options.seed)
        if options.output:
            save(patient_page(patient, healthy, setting), options.output / f"{name}.html")
        if options.json:
            told.append(_facts(patient))
        else:
            print("\n".join(_told(patient, healthy)), flush=True)
        patients.append(patient._replace(rows=patient.rows.iloc[:0]))  # a large run's rows are not held
    if options.json:
        print(json.dumps(told, ensure_ascii=False, indent=2, allow_nan=False))
    if options.output:
        page = save(index_page(patients, healthy, setting), Path(options.output) / "index.html")
        if not options.json:
            print(f"{page}, with a page for each case beside it")
    return 0


def admitted(name: str, size: str, seed: int) -> Patient:
    """A labelled run, measured and diagnosed. Raises KnobError for an unknown case or size, or a seed out of range."""
    rows = labelled(name, size, seed)
    case, table = CASES[name], measure(rows)
    return Patient(name, case.sentence, case.hint, case.verdict, rows.attrs["onset"], rows, table, diagnose(table))


def _chosen(cases: list[str]) -> list[str]:
    """The names without repetition; `all` is every case."""
    if "all" in cases:
        return list(CASES)
    for name in cases:
        if name not in CASES:
            raise KnobError(f"no case is called {name!r}; {nearest(name, CASES)}; see: siwork clinic")
    return list(dict.fromkeys(cases))


def _list(as_json: bool) -> None:
    if as_json:
        told = [
            {"case": c.name, "planted": c.sentence, "expected": c.verdict or None, "hint": c.hint}
            for c in CASES.values()
        ]
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for title, planted in (("Healthy runs", False), ("Planted failures", True)):
        print(title)
        for case in CASES.values():
            if bool(case.verdict) == planted:
                print(f"  {case.name}")
                print("\n".join(wrapped(case.sentence, 6)))
        print()
    sizes = ", ".join(
        f"{name} ({s.train} + {s.heldout} problems × {s.samples} × {s.rounds} rounds)" for name, s in SIZES.items()
    )
    print("\n".join(wrapped(f"Sizes: {sizes}.", 0)))
    print("See one with: siwork clinic diversity-decay")


def _told(patient: Patient, healthy: Patient) -> Iterator[str]:
    yield patient.name
    yield from wrapped(patient.sentence, 2)
    yield f"  expected: {expectation(patient)}"
    yield f"  found:    {findings(patient)}"
    if patient.expected:
        yield from wrapped(patient.diagnosis.of(patient.expected).seen, 12)
    if patient.name != healthy.name:
        yield f"  healthy:  {findings(healthy)}"
    yield from wrapped(f"look at:  {patient.hint}", 2)
    yield ""


def _facts(patient: Patient) -> dict[str, Any]:
    return {
        "case": patient.name,
        "planted": patient.sentence,
        "expected": patient.expected or None,
        "onset": patient.onset,
        "state": patient.diagnosis.state,
        "verdicts": [facts(verdict) for verdict in patient.diagnosis],
    }
