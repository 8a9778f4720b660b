"""`make bench`: speed side by side with other tools, medians of one run. Name parts to run only those."""

from __future__ import annotations

import sys
from importlib import import_module

PARTS = (
    "imports",
    "tabular",
    "demo",
    "sampling",
    "hf",
    "serving",
    "engine",
    "rounds",
    "sidebyside",
    "catalogue",
    "metrics",
    "scale",
    "verdicts",
    "panels",
    "simulation",
    "importing",
)


def main() -> None:
    """Run the parts named on the command line, or all."""
    for part in sys.argv[1:] or PARTS:
        for line in import_module(f"tests.bench.{part}").bench():
            print(line, flush=True)


if __name__ == "__main__":
    main()
