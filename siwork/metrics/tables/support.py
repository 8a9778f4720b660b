"""Types of answer or word that a run no longer gives, beside what chance alone loses, and the mass of the rare ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.cells import Cells, reduce_rows
from siwork.metrics.draws import none_drawn, whole
from siwork.metrics.intervals import checked_level, divide, grouped_ratio
from siwork.metrics.tables.places import FEW, KEYS, check_first, gathered, interval_columns, late_half, table_of, tables_of
from siwork.metrics.tail import transitions
from siwork.metrics.texts import SAMPLES, sample_texts
from siwork.schema import SPLITS, KnobError, nearest
from siwork.schema.tables import REAL, TEXT, WHOLE

_OF = ("answer", "token")
_LOSS = ("lost", "gained", "expected_lost", "expected_gained", "excess_lost", "excess_gained", "p_lost")
_COLUMNS = {
    **KEYS,
    "types0": WHOLE,
    "types": WHOLE,
    **{name: WHOLE if name in ("lost", "gained") else REAL for name in _LOSS},
    **interval_columns("tail_mass"),
    "problems": WHOLE,
    "left_out": WHOLE,
    "method": TEXT,
}
_NEVER = -700.0  # log of a chance that adds nothing


class _Seen(NamedTuple):
    """Pieces (answers, or words of texts) of all rounds of a place."""

    round: np.ndarray  # (pieces,)
    problem: np.ndarray  # (pieces,)
    sample: np.ndarray  # (pieces,) number of the sample it stands in
    type: np.ndarray  # (pieces,)
    late: np.ndarray  # (pieces,) bool, in the second half of its problem's samples
    size: dict[int, np.ndarray]  # round → samples of each problem (G,)


def support_table(rows: Any, of: str = "answer", first: int = 0, level: float = 0.95, rare: int = 1) -> pd.DataFrame:
    """Types that a later round no longer gives, with the exact expectation of no change, and the mass of rare types.

    The null: samples of a problem are exchangeable between the two rounds, so a type is lost when all samples that hold it
    fall to the first, Π_i C(N_i − C_i, n_i)/C(N_i, n_i) over problems i, N_i samples of both rounds, C_i of them with the
    type, n_i of the later round. `collapse.support_loss` has the null for samples that are exchangeable over all problems,
    which rows are not: it expects more lost types than an unchanged model loses of its answers, and fewer of its words.

    Parameters
    ----------
    rows : row table or run; plain samples
    of : "answer", a type is an answer of a problem; "token", a type is a word or mark of the responses, of a fixed sample
        of up to 512 problems and 16 samples of each
    first : round that later ones are compared with
    level : coverage of the intervals, between 0 and 1
    rare : greatest count of a rare type

    Returns
    -------
    DataFrame, a row a (run, split, round), the first round too:
    types0, types : types seen in the first and in this round, in common problems
    lost, gained, expected_, excess_ of both : null in the first round
    p_lost : chance of as many lost types or more with no change; null for tokens, which a text loses together
    tail_mass, _low, _high : share of this round's answers (tokens) whose type is rare in the first half of the first
        round's samples (at most `rare` there, at least one); in the first round the share in its second half, so that a
        model that does not change stays level; linearised t over problems
    problems, left_out, method

    Raises
    ------
    KnobError for a bad `of`, level or rare, a first round that is not there, or rounds without a common problem;
    SchemaError for a missing column.

    Source: Good 1953 for why the halves; the null is siwork's own.

    >>> rows = pd.DataFrame({"run": "a", "split": "train", "round": [0] * 4 + [1] * 4, "problem": list("xxyy") * 2})
    >>> support_table(rows.assign(answer=list("ABCC" + "AACC")))[["lost", "expected_lost"]].values.tolist()[1]
    [1.0, 0.6666666666666666]
    """
    if of not in _OF:
        raise KnobError(f"of must be answer or token, got {of!r}; {nearest(of, _OF)}")
    most = int(whole("rare", rare, 1))
    checked_level(level)
    cells = _sampled(rows) if of == "token" else _answers(rows)
    if cells is None:
        return table_of([], _COLUMNS)
    check_first(cells.keys["round"], first)
    found = {place: _pieces(cells, place, of) for place in dict.fromkeys(cells.places())}
    order = sorted(found, key=lambda place: (place[0], SPLITS.index(place[1])))
    lines = [line for place in order for line in _lines(place, found[place], first, level, most, of)]
    later = [line for line in lines if line["round"] > first]
    if later and not any(line["problems"] for line in later):
        raise KnobError(f"rounds must share problems to be paired, got {later[0]['method']}; ask the same in every round")
    return table_of(lines, _COLUMNS)


def _answers(rows: Any) -> Cells | None:
    table = gathered(rows, ["answer"], ["sample"])
    return None if table is None else reduce_rows(table, ("round",), ["answer", "sample"])


def _sampled(rows: Any) -> Cells | None:
    """The plain rows of a fixed sample of texts, whatever the size of the run."""
    parts = []
    for table in tables_of(rows, ["response"], ["sample"]):
        cells = reduce_rows(table, ("round",), ["response", "sample"])
        chosen = sample_texts(cells, np.full(cells.groups, SAMPLES)).rows if False else _chosen(cells)
        parts.append(table.iloc[chosen])
    if not parts:
        return None
    cells = reduce_rows(pd.concat(parts, ignore_index=True), ("round",), ["response", "sample"])
    return cells


def _chosen(cells: Cells) -> np.ndarray:
    least = cells.least_samples()
    return np.sort(sample_texts(cells, np.array([least.get(place, 1) for place in cells.places()], np.int64)).rows)
