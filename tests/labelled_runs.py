"""Run folders of labelled runs, for the tests of what reads them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from siwork.clinic import labelled
from siwork.store import Run, Writer

_OF_PROBLEM = ["problem", "split", "task", "prompt", "difficulty", "band"]


def labelled_run(folder: Path, case: str, seed: int = 0, *, response: str | None = None, **lost: object) -> Run:
    """The folder of a labelled run of size small; `lost` columns are set to that value, None for null."""
    rows = labelled(case, "small", seed).assign(run=folder.name)
    problems = rows.drop_duplicates("problem")[_OF_PROBLEM].assign(answer=None, n_solutions=None)
    if response is not None:
        rows = rows.assign(response=response)
    rows = rows.assign(**lost)
    last = int(rows["round"].max())
    about = {"recipe": f"seed · cot · {case}", "task": "countdown", "policy": "tabular", "seed": seed, "rounds": last}
    with Writer.create(folder, about, problems.reset_index(drop=True)) as writer:
        for r in range(last + 1):
            own = rows[rows["round"] == r].reset_index(drop=True)
            info = {"policy": "made", "closing": r == last, "seconds": 1.0}
            writer.save_round(r, own, info, lambda place: None)
    return Run(folder)


def saved(rows: pd.DataFrame, path: Path) -> Path:
    """Rows as a file, by its suffix."""
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        rows.to_json(path, orient="records", lines=True)
    else:
        rows.to_parquet(path)
    return path
