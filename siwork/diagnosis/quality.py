"""`data_quality`: whether the numbers can carry a verdict at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.special import chdtrc, stdtrit

from siwork.diagnosis.series import draws
from siwork.diagnosis.verdict import Verdict

_PROBLEMS, _SAMPLES = 25, 4  # fewer can hardly carry an interval, or a spread within a problem
_UNEQUAL, _UNREAD = 0.2, 0.3  # shares from which it is said
_BY_CHANCE = 0.001  # how rarely seeds are called apart when they are not


def quality(run: str, own: pd.DataFrame, apart: str = "") -> Verdict:
    """The verdict `data_quality` of one run: watch where something is amiss, fine otherwise, unknown without a known value.

    own : metric table of one run without rows by band
    apart : what is to be said of sibling runs that disagree
    """
    known = own[own["value"].notna()]
    faults = [*_faults(own, known), *([apart] if apart else [])]
    state = "unknown" if known.empty else "watch" if faults else "fine"
    n = int(known["n"].max()) if len(known) else 0
    many = "seeds" if "conclusion" in own else "problems"  # what n counts in a table pooled over seeds
    words = {
        "fine": f"{n} {many}, equal numbers of samples and the same problems in every round.",
        "watch": " ".join(faults),
        "unknown": "Nothing is known: no metric of this run has a value.",
    }
    meaning = (
        "Changes may be chance or come from other problems rather than from the model." if state == "watch" else ""
    )
    advice = (
        "Sample the same problems, equally often, in every round, and more of them; run more seeds." if meaning else ""
    )
    return Verdict(
        name="data_quality",
        run=run,
        state=state,
        since=None,
        metric="samples_drawn",
        split="train",
        round=None,
        value=math.nan,
        low=math.nan,
        high=math.nan,
        bound=math.nan,
        unit="",
        n=n,
        seen=words[state],
        means=meaning,
        advice=advice,
        evidence=own[own["metric"].isin(["samples_drawn", "unparsed_rate", "pass@1"])].reset_index(drop=True),
    )


def _faults(own: pd.DataFrame, known: pd.DataFrame) -> Iterator[str]:
    """What is amiss, a sentence each."""
    if known.empty:
        return
    most = int(known["n"].max())
    if most < _PROBLEMS and "conclusion" not in own:
        yield f"Only {most} problems: below {_PROBLEMS} most numbers have no interval."
    k = draws(own["metric"].unique())
    if k is not None and k < _SAMPLES:
        yield f"Only {k} sample{'' if k == 1 else 's'} a problem can be compared: diversity within a problem needs {_SAMPLES}."
    if own["round"].nunique() < 2:
        yield "One round only: nothing can have changed."
    yield from _unequal(own, known)
    strange = known[known["method"].astype(str).str.contains(" problems not in round | problems of round ", regex=True)]
    if len(strange):
        rounds = sorted({int(r) for r in strange["round"]})
        yield f"Round{'s' if len(rounds) > 1 else ''} {_listed(rounds)} held other problems than the first round."
    unread = known[(known["metric"] == "unparsed_rate") & (known["value"] > _UNREAD)]
    if len(unread):
        yield f"Up to {float(unread['value'].max()):.0%} of the answers could not be read."


def _unequal(own: pd.DataFrame, known: pd.DataFrame) -> Iterator[str]:
    """Unequal numbers of samples, between rounds or between problems."""
    for split, rows in known[known["metric"] == "samples_drawn"].groupby("split", sort=False):
        each = rows["value"].to_numpy(float) / np.maximum(rows["n"].to_numpy(float), 1)
        least = draws(own.loc[own["split"] == split, "metric"].unique())
        if each.max() > (1 + _UNEQUAL) * each.min():
            yield f"{split!s}: {each.min():.3g} to {each.max():.3g} samples a problem in different rounds."
        elif least and each.min() > (1 + _UNEQUAL) * least:
            yield f"{split!s}: {each.min():.3g} samples a problem on average, but some have only {least}."


def _listed(rounds: list[int]) -> str:
    return ", ".join(map(str, rounds[:6])) + (" …" if len(rounds) > 6 else "")


def seeds_apart(runs: Mapping[str, pd.DataFrame], level: float) -> str:
    """What is to be said where sibling runs disagree on how pass@1 changed, empty where they do not.

    Cochran's Q of the last common round's paired changes, which are independent between runs but for shared problems:
    Q = Σ (x − x̄)²/se² is χ² with one degree of freedom less than runs where seeds do not differ.
    """
    moved = {run: own[(own["metric"] == "pass@1_change") & own["low"].notna()] for run, own in runs.items()}
    split = "heldout" if all((own["split"] == "heldout").any() for own in moved.values()) else "train"
    tables = [own[own["split"] == split] for own in moved.values()]
    if len(tables) < 2 or any(table.empty for table in tables):
        return ""
    r = min(int(table["round"].max()) for table in tables)
    rows = pd.concat([table[table["round"] == r] for table in tables])
    if len(rows) < 2:
        return ""
    x, low, high, n = (rows[key].to_numpy(float) for key in ("value", "low", "high", "n"))
    se = (high - low) / (2 * stdtrit(np.maximum(n - 1, 1), 0.5 + level / 2))
    w = 1 / np.maximum(se, 1e-9) ** 2
    q = float(np.sum(w * (x - np.average(x, weights=w)) ** 2))
    if chdtrc(len(x) - 1, q) > _BY_CHANCE:
        return ""
    ends = f"{x.min():+.3f} to {x.max():+.3f}"
    return f"Seeds disagree: pass@1 changed by {ends} by round {r}, more than chance allows; do not conclude from one."
