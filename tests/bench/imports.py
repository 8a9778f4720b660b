"""What `import siwork` costs beside `import pandas`."""

from __future__ import annotations

import sys
from statistics import median

from tests.bench.timing import in_turn, ratio, shell


def bench() -> list[str]:
    """Lines of the table."""
    jobs = {name: shell(sys.executable, "-c", f"import {name}") for name in ("siwork", "pandas")}
    seconds = in_turn(jobs, times=9)
    own, pandas = median(seconds["siwork"]), median(seconds["pandas"])
    return [
        f"import siwork {own:.3f} s, import pandas {pandas:.3f} s   ratio {ratio(seconds, 'siwork', 'pandas'):.2f}   (target ≤ 1.3)"
    ]
