"""The contract test of the whole catalogue, and one claim asked with five seeds; what all claims took stands in their table."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from siwork.claims import CLAIMS, shipped_verdicts
from tests.bench.timing import shell

_ROOT = Path(__file__).parents[2]
_ASKED = "diverse-pairs"  # one of the quicker ones


def bench() -> list[str]:
    """Lines of the table."""
    test = [sys.executable, "-m", "pytest", "-q", "--numprocesses", str(min(2, os.cpu_count() or 1))]
    contract = _seconds(*test, "--rootdir", str(_ROOT), str(_ROOT / "tests" / "test_catalogue.py"))
    with tempfile.TemporaryDirectory() as folder:
        places = ["--folder", folder, "--output", f"{folder}/claims.csv"]
        claim = _seconds(sys.executable, "-m", "siwork", "claims", _ASKED, *places)
    table = shipped_verdicts().drop_duplicates("claim")
    minutes, longest = table["seconds"].sum() / 60, table["seconds"].max() / 60
    before = table.set_index("claim")["seconds"][_ASKED]
    return [
        f"contract test of the catalogue   {contract:.0f} s   (target ≤ 300)",
        f"claim {_ASKED}, 5 seeds   {claim:.0f} s, {before:.0f} s when its table was made   (target ≤ 900)",
        f"all {len(CLAIMS)} claims when their table was made   {minutes:.0f} min, the longest {longest:.0f}   (target ≤ 180)",
    ]


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    shell(*command)()
    return time.perf_counter() - began
