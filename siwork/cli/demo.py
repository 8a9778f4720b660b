"""`siwork demo`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from siwork.cli.options import at_least
from siwork.cli.progress import follow
from siwork.demo import RECIPES as SHOWN
from siwork.demo import free_folder, matmul_rate, prepare_demo
from siwork.recipes import RECIPES
from siwork.schema.numbers import counted
from siwork.store import Run
from siwork.sweep import Sweep


def demo(options: argparse.Namespace) -> int:
    """Play both recipes, say in words what happened, write the report."""
    from siwork.reporting import compare, in_words, report

    at_least(options, seeds=1, rounds=0)
    began = time.monotonic()
    print(f"This machine multiplies matrices at {matmul_rate():.0f} GFLOP/s now.")
    for name in SHOWN:
        print(f"  {name}: {RECIPES[name].formula}")
    folders = prepare_demo(free_folder(Path("runs")), seeds=options.seeds, rounds=options.rounds)
    print(f"{counted(len(folders), 'run')} of {counted(options.rounds, 'round')} each, in {folders[0].parent}\n")
    if not follow(Sweep(folders)):
        return 1
    runs = [Run(folder) for folder in folders]
    found = compare(runs)
    path = report(found, options.output, title="siwork demo: a loop and its remedy on countdown")
    print()
    for line in in_words(found):
        print(line)
    print(f"\n{path} ({path.stat().st_size / 1e6:.1f} MB), {time.monotonic() - began:.0f} s in all")
    return 0
