"""`python -m tests.fuzz 100000 [--seed 0] [--reader trl]`: damaged logs, each reader in a process of its own."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from importlib.util import find_spec

from siwork.importers import FORMATS

from .running import Told, fuzzed

WEIGHTS = {"inspect": 0.1}  # parts of a share for readers that call a slow library


def main() -> int:
    """Run all readers, or one; status 1 when there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("inputs", type=int, help="how many, over all readers")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--reader", choices=list(FORMATS), action="append")
    options = parser.parse_args()
    readers = options.reader or list(FORMATS)
    shares = {reader: 1.0 if options.reader else WEIGHTS.get(reader, 1.0) for reader in readers}
    if find_spec("inspect_ai") is None and shares.pop("inspect", None):
        print("inspect        skipped: inspect-ai is not installed")
    print(
        f"{'reader':<14}{'inputs':>8}{'whole':>8}{'skips':>8}{'refused':>8}{'faults':>8}{'a second':>10}{'slowest':>10}{'peak':>9}"
    )
    all_told = {}
    for reader, share in shares.items():
        all_told[reader] = told = fuzzed(reader, round(options.inputs * share / sum(shares.values())), options.seed)
        print(_line(reader, told), flush=True)
    print(_line("all", _together(list(all_told.values()))))
    for reader, told in all_told.items():
        for mark, (times, place) in told.faults.items():
            print(f"FAULT {reader}: {' '.join(mark)}, {times} times, first in {place}")
    return int(any(told.faults for told in all_told.values()))


def _line(reader: str, told: Told) -> str:
    number = sum(told.kinds.values())
    kinds = "".join(f"{told.kinds[kind]:>8}" for kind in ("whole", "skips", "refused", "fault"))
    return f"{reader:<14}{number:>8}{kinds}{number / told.seconds:>10.0f}{told.slowest[0]:>8.2f} s{told.peak:>6.0f} MB"


def _together(several: list[Told]) -> Told:
    kinds = sum((told.kinds for told in several), Counter[str]())
    slowest, peak = max(told.slowest for told in several), max(told.peak for told in several)
    return Told(kinds, slowest, sum(told.seconds for told in several), peak, {})


if __name__ == "__main__":
    sys.exit(main())
