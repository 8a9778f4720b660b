"""How new a round's prompts are beside those of earlier rounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from siwork.metrics.diversity import embedding_name, features, nearest_distance
from siwork.metrics.intervals import checked_level, grouped_mean
from siwork.metrics.tables.places import interval_columns, table_of, tables_of
from siwork.schema import SPLITS, check
from siwork.schema.tables import REAL, TEXT, WHOLE

_COLUMNS = {
    "run": TEXT,
    "split": TEXT,
    "round": WHOLE,
    "value": REAL,
    "low": REAL,
    "high": REAL,
    "n": WHOLE,
    "repeated": WHOLE,
    "left_out": WHOLE,
    **interval_columns("difficulty"),
    "method": TEXT,
}


def novelty(rows: Any, embed: Any = None, level: float = 0.95) -> pd.DataFrame:
    """How far each round's prompts are from the nearest prompt of the earlier rounds, and how hard they are.

    For loops that write their own problems: distance towards 0 is a proposer that repeats itself, distance with difficulty
    falling is one that drifts to the trivial.

    Parameters
    ----------
    rows : row table or run with column prompt, and difficulty where it is known; every row counts
    embed : what makes vectors of prompts, as in `diversity.features`; None is hashed character n-grams
    level : coverage of the intervals, between 0 and 1

    Returns
    -------
    DataFrame, a row a (run, split, round): value, the mean cosine distance in [0, 2] of the round's different prompts to the
    nearest of all earlier rounds of the (run, split), with low and high (t over prompts); n prompts, repeated, how many of
    them were there word for word (distance 0), left_out, those without a direction (empty); difficulty, mean over prompts,
    with _low and _high; method. The first round has no earlier one: null. More earlier prompts are nearer by chance, so the
    value falls slowly even for prompts that are drawn alike.

    Raises
    ------
    KnobError for a bad level or `embed`; SchemaError for a missing column.

    >>> rows = pd.DataFrame({"run": "a", "split": "train", "round": [0, 1, 1], "problem": list("xyz"), "prompt": ["a", "a", "b"]})
    >>> novelty(rows, lambda texts: [[text == "a", text == "b"] for text in texts])[["value", "repeated"]].values.tolist()[1]
    [0.5, 1]
    """
    checked_level(level)
    found: dict[tuple[str, str], dict[int, pd.DataFrame]] = {}
    for table in tables_of(rows, ["prompt"], ["difficulty"]):
        for key, own in _prompts(table):
            found.setdefault((key[0], key[1]), {})[key[2]] = own
    order = sorted(found, key=lambda place: (place[0], SPLITS.index(place[1])))
    return table_of((line for place in order for line in _lines(place, found[place], embed, level)), _COLUMNS)


def _prompts(table: pd.DataFrame) -> Iterator[tuple[tuple[str, str, int], pd.DataFrame]]:
    """Different prompts of each (run, split, round) with their mean difficulty."""
    names = ["run", "split", "round", "prompt", "difficulty"]
    own = check(table[[name for name in names if name in table]], needs=names[:4])
    difficulty = own["difficulty"] if "difficulty" in own else pd.Series(np.nan, own.index)
    plain = pd.DataFrame({name: own[name].to_numpy(object) for name in names[:4]})
    plain["difficulty"] = difficulty.to_numpy(float, na_value=np.nan)
    means = plain.groupby(names[:4], sort=False)["difficulty"].mean().reset_index()
    for (run, split, r), part in means.groupby(["run", "split", "round"], sort=True):
        yield (str(run), str(split), int(str(r))), part[["prompt", "difficulty"]]


def _lines(
    place: tuple[str, str], rounds: dict[int, pd.DataFrame], embed: Any, level: float
) -> Iterator[dict[str, Any]]:
    """Every different prompt is embedded once; only prompts that were not there before are compared."""
    texts = list(dict.fromkeys(text for r in sorted(rounds) for text in rounds[r]["prompt"]))
    vectors, code = features(texts, embed), {text: i for i, text in enumerate(texts)}
    name, seen = embedding_name(embed), 0  # prompts are numbered by first appearance: those below `seen` are earlier
    for r in sorted(rounds):
        at = np.array([code[text] for text in rounds[r]["prompt"]], np.int64)
        new = at >= seen
        distance = np.zeros(len(at))
        distance[new] = nearest_distance(vectors[at[new]], vectors[:seen]) if seen else np.nan
        hard = rounds[r]["difficulty"].to_numpy(float)
        sets = np.repeat([0, 1], len(at))
        both = grouped_mean(np.r_[distance, hard], sets, 2, level, (np.zeros(2), np.array([2.0, 1.0])))
        line = {"run": place[0], "split": place[1], "round": r, "n": len(at), "repeated": int((~new).sum())}
        ends = {"value": both.value[0], "low": both.low[0], "high": both.high[0]}
        line |= {"difficulty": both.value[1], "difficulty_low": both.low[1], "difficulty_high": both.high[1]}
        words = f"nearest of {seen} earlier prompts; {name}; {str(both.kind[0]).replace('problem', 'prompt')}"
        if not seen:
            words = "no earlier round"
        elif np.isnan(distance).all():
            words = "no prompt, or no earlier one, has a direction"
        left = int(np.isnan(distance).sum()) if seen else 0
        yield line | ends | {"left_out": left, "method": words}
        seen = max(seen, int(at.max(initial=-1)) + 1)
