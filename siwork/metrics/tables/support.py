"""Types of answer or word that a run no longer gives, beside what chance alone loses, and the mass of the rare ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from siwork.metrics.cells import Cells, reduce_rows
from siwork.metrics.draws import none_drawn, whole
from siwork.metrics.intervals import checked_level, grouped_ratio
from siwork.metrics.tables.places import (
    FEW,
    KEYS,
    check_first,
    gathered,
    interval_columns,
    late_half,
    table_of,
    tables_of,
)
from siwork.metrics.tail import transitions
from siwork.metrics.texts import sample_texts
from siwork.metrics.tokens import WORD, words
from siwork.schema import KnobError, nearest
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


class Seen(NamedTuple):
    """Answers, or words of texts, of all rounds."""

    cells: Cells
    row: np.ndarray  # (pieces,) the sample it stands in
    type: np.ndarray  # (pieces,)
    late: np.ndarray  # (rows,) bool, in the second half of its problem's samples
    size: np.ndarray  # (units,) samples

    def of_group(self, g: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the pieces of group g, and samples of each problem in it, (problems,)."""
        cells = self.cells
        here, size = cells.group == g, np.zeros(len(cells.names), np.int64)
        size[cells.problem[here]] = self.size[here]
        return np.flatnonzero(here[cells.unit[self.row]]), size

    def problem(self, pieces: np.ndarray) -> np.ndarray:
        """Problem of each of the pieces."""
        return self.cells.problem[self.cells.unit[self.row[pieces]]]


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
        model that does not change stays level
    problems, left_out, method

    Raises
    ------
    KnobError for a bad `of`, level or rare, a first round that is not there, or rounds without a common problem;
    SchemaError for a missing column.

    Source: Good 1953 for why the halves; the null is siwork's own.

    >>> rows = pd.DataFrame({"run": "a", "split": "train", "round": [0] * 4 + [1] * 4, "problem": list("xxyy") * 2})
    >>> support_table(rows.assign(answer=list("ABCC" + "AACC")))[["lost", "expected_lost"]].values.tolist()[1]
    [1, 0.5]
    """
    if of not in _OF:
        raise KnobError(f"of must be answer or token, got {of!r}; {nearest(of, _OF)}")
    most = int(whole("rare", rare, 1))
    checked_level(level)
    table = sampled_rows(rows) if of == "token" else gathered(rows, ["answer"], ["sample"])
    if table is None:
        return table_of([], _COLUMNS)
    seen = seen_in(table, of)
    cells = seen.cells
    check_first(cells.keys["round"], first)
    lines = [line for place in dict.fromkeys(cells.places()) for line in _lines(seen, place, first, level, most, of)]
    later = [line for line in lines if line["round"] > first]
    if later and not any(line["problems"] for line in later):
        raise KnobError(
            f"rounds must share problems to be paired, got {later[0]['method']}; ask the same in every round"
        )
    return table_of(lines, _COLUMNS)


def sampled_rows(rows: Any) -> pd.DataFrame | None:
    """The plain rows of a fixed sample of texts, whatever the size of the run; None for a run without a round."""
    parts = []
    for table in tables_of(rows, ["response"], ["sample"]):
        cells = reduce_rows(table, ("round",), ["response", "sample"])
        least = cells.least_samples()
        k = np.array([least.get(place, 1) for place in cells.places()], np.int64)
        parts.append(table.iloc[np.sort(sample_texts(cells, k).rows)])
    return pd.concat(parts) if parts else None


def seen_in(table: pd.DataFrame, of: str) -> Seen:
    """The answers of rows, or the words of their texts; `row` is the place in the table."""
    cells = reduce_rows(table, ("round",), ["response" if of == "token" else "answer", "sample"])
    late, size = late_half(cells, cells.plain), cells.count(cells.plain)
    rows = np.flatnonzero(cells.plain)
    if of == "token":
        tokens = words(cells.texts["response"].take(rows), WORD)
        return Seen(cells, rows[tokens.text_of()], tokens.ids, late, size)
    answer = cells.columns["answer"]
    rows = rows[answer[rows] >= 0]
    kind = cells.problem[cells.unit[rows]] * (int(answer.max(initial=0)) + 1) + answer[rows]
    return Seen(cells, rows, pd.factorize(kind)[0], late, size)


def _lines(
    seen: Seen, place: tuple[str, str], first: int, level: float, rare: int, of: str
) -> Iterator[dict[str, Any]]:
    rounds = seen.cells.keys["round"].to_numpy(np.int64)
    groups = {int(rounds[g]): g for g, each in enumerate(seen.cells.places()) if each == place}
    for r in sorted(r for r in groups if r >= first):
        line: dict[str, Any] = {"run": place[0], "split": place[1], "first": first, "round": r}
        if first not in groups:
            yield line | {"problems": 0, "method": f"round {first} has no rows of this split"}
            continue
        yield line | _of_rounds(seen, groups[first], groups[r], level, rare, of)


def _of_rounds(seen: Seen, g0: int, g1: int, level: float, rare: int, of: str) -> dict[str, Any]:
    (a, n0), (b, n1) = seen.of_group(g0), seen.of_group(g1)
    common = (n0 > 0) & (n1 > 0)
    out = int(((n0 > 0) | (n1 > 0)).sum() - common.sum())
    line: dict[str, Any] = {"problems": int(common.sum()), "left_out": out}
    if not common.any():
        return line | {"method": "no common problem of the two rounds"}
    a, b = a[common[seen.problem(a)]], b[common[seen.problem(b)]]
    line |= {"types0": len(np.unique(seen.type[a])), "types": len(np.unique(seen.type[b]))}
    if g1 != g0:
        line |= _loss(seen, a, b, n0, n1, of)
    kinds = "answers of a problem" if of == "answer" else "words of a fixed sample of responses"
    line["method"] = f"types: {kinds}; null: samples of a problem exchangeable"
    return line | _mass(seen, a, a[seen.late[seen.row[a]]] if g1 == g0 else b, level, rare, line)


def _loss(seen: Seen, a: np.ndarray, b: np.ndarray, n0: np.ndarray, n1: np.ndarray, of: str) -> dict[str, float]:
    """Types lost and gained beside their exact expectation; a and b are the pieces of the two rounds."""
    both = np.r_[a, b]
    problems = len(n0)
    kind, types = pd.factorize(seen.type[both])
    code, cell = pd.factorize(kind * problems + seen.problem(both))
    once = pd.DataFrame({"cell": code, "row": seen.row[both]}).drop_duplicates().index.to_numpy()
    c0, c1 = (np.bincount(code[once[side]], minlength=len(cell)) for side in (once < len(a), once >= len(a)))
    kind, problem = np.divmod(np.asarray(cell), problems)
    size = (n0 + n1)[problem]
    seen0, seen1 = (np.bincount(kind, c, len(types)) > 0 for c in (c0, c1))
    lost, gained = int((seen0 & ~seen1).sum()), int((seen1 & ~seen0).sum())
    expected = []
    for draws in (n1, n0):
        chance = none_drawn(size, c0 + c1, draws[problem])
        log_p = np.log(chance, out=np.full(len(chance), -np.inf), where=chance > 0)
        expected.append(float(np.exp(np.bincount(kind, log_p, len(types))).sum()))
    p = transitions(n0[problem], c0, n1[problem], c1).p_lost if of == "answer" else np.nan
    excess = {"excess_lost": lost - expected[0], "excess_gained": gained - expected[1]}
    return {
        "lost": lost,
        "gained": gained,
        "expected_lost": expected[0],
        "expected_gained": expected[1],
        "p_lost": p,
    } | excess


def _mass(
    seen: Seen, a: np.ndarray, pieces: np.ndarray, level: float, rare: int, line: dict[str, Any]
) -> dict[str, Any]:
    pick = seen.type[a[~seen.late[seen.row[a]]]]
    counts = np.bincount(pick, minlength=int(seen.type.max(initial=0)) + 1)
    hit = (counts[seen.type[pieces]] > 0) & (counts[seen.type[pieces]] <= rare)
    problem, problems = seen.problem(pieces), len(seen.cells.names)
    part, all_of = np.bincount(problem[hit], minlength=problems), np.bincount(problem, minlength=problems)
    found = grouped_ratio(part.astype(float), all_of.astype(float), np.zeros(problems, np.int64), 1, level)
    value, low, high, n, kind = (x[0] for x in found)
    few = "; few_problems" if line["problems"] < FEW and "few" not in str(kind) else ""
    words = f"tail mass: {kind}" if n and len(pick) else "no second half to measure the tail mass in"
    if not len(pick):
        value = low = high = np.nan
    ends = {"tail_mass": value, "tail_mass_low": low, "tail_mass_high": high}
    return ends | {"method": f"{line['method']}; {words}{few}"}
