"""What samplers read of the rows before them, and keep of those behind them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from siwork.schema import KnobError
from siwork.slots import Learned, State


def own(judged: pd.DataFrame | None, state: State) -> pd.DataFrame | None:
    """The rows that the state's agent wrote itself; None where nothing was sampled yet."""
    return None if judged is None else judged[(judged["agent"] == state.agent).fillna(False).to_numpy(bool)]


def scores(rows: pd.DataFrame, who: str, write: str) -> np.ndarray:
    """Scores (n,) of judged rows, NaN where there is none.

    who, write : the component that asks, and a formula that would do. Raises KnobError where nobody scored.
    """
    if "score" not in rows or (len(rows) and (rows["verifier"] == "none").all()):
        raise KnobError(f"{who} needs scored rows, and nobody scored them; write {write}")
    return rows["score"].to_numpy(float, na_value=np.nan)


def plain(rows: pd.DataFrame) -> np.ndarray:
    """Which rows (n,) are first attempts without a hint."""
    return np.asarray(((rows["hint"] == "none") & (rows["turn"] == 0)).fillna(False).to_numpy(bool))


def said(rows: pd.DataFrame) -> pd.Series:
    """What each row says: its answer, or its text where none can be read."""
    return rows["answer"].fillna(rows["response"])


def of_problems(problems: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """The lines (PROBLEMS) of those ids, one for each name; of a problem that stands there twice the first."""
    lines: pd.DataFrame = problems.drop_duplicates("problem").set_index("problem").loc[names.tolist()]
    return lines.reset_index()


def kept_under(state: State, name: str) -> pd.DataFrame | None:
    """What a sampler kept of earlier rounds."""
    return state.learned[name].rows if name in state.learned else None


def keeping(state: State, name: str, rows: pd.DataFrame) -> State:
    """The state with these rows kept under a sampler's name."""
    return state.having(learned={**state.learned, name: Learned(rows.reset_index(drop=True), {})})
