"""The measured error rates of the verdicts as tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from siwork.diagnosis import operating_curves


def rates_markdown() -> str:
    """How often verdicts alarm, a row a case and a column a size; the README holds it word for word."""
    table = operating_curves()
    sizes = list(dict.fromkeys(table["size"]))
    about = table.drop_duplicates("size").set_index("size")
    heads = [
        f"{about.loc[size, 'problems']} × {about.loc[size, 'samples']} × {about.loc[size, 'rounds']}" for size in sizes
    ]
    lines = [f"| {' | '.join(['run', 'alarm of', *heads])} |", "|" + "---|" * (2 + len(sizes))]
    for case, own in table.groupby("case", sort=False):
        shown = own[own["planted"]] if own["planted"].any() else own[own["verdict"] == "any"]
        cells = [_cell(row) for row in shown.set_index("size").loc[sizes].to_dict("records")]
        lines.append(f"| `{case}` | {_whose(shown)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _whose(shown: pd.DataFrame) -> str:
    verdict = shown["verdict"].iloc[0]
    return "any verdict" if verdict == "any" else f"`{verdict}`"


def _cell(row: dict[Any, Any]) -> str:
    words = f"{row['alarm']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"
    if row["planted"]:
        words = f"{row['alarm']:.0%} [{row['low']:.0%}, {row['high']:.0%}]"
        words += "" if pd.isna(row["delay"]) else f", {row['delay']:g} later"
    return words
