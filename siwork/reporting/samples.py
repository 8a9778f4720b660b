"""Completions to read: the same few held-out problems, from the first round to the last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from siwork.figures.marks import BAND_WORDS
from siwork.markup import Html, element, join
from siwork.reporting.compare import Comparison, Group
from siwork.reporting.sections import section
from siwork.store import Run

_ROUNDS = 12  # shown at most, evenly spaced
_EACH = 2  # completions of a problem and round
_LONGEST = 600  # characters of a prompt or response
_COLUMNS = ["round", "problem", "sample", "band", "prompt", "response", "answer", "score", "gold"]


def samples(comparison: Comparison) -> Html:
    """A few completions of each group's first run."""
    parts = [part for group in comparison.groups for part in _of_group(group)]
    note = (
        "The first completions of a hard, a middle and an easy held-out problem, not chosen for what they say. "
        "They are model output: text, nothing else."
    )
    return section("samples", "Completions", element("p", note, class_="soft"), *parts)


def _of_group(group: Group) -> list[Html]:
    run = group.runs[0]
    rows = _rows(run)
    head = element("h3", f"{group.name}: run {run.name}, seed {run.seed}")
    if rows.empty:
        return [head, element("p", "unknown: the run has no held-out completions")]
    return [head, *(_of_problem(part, i == 0) for i, (_, part) in enumerate(rows.groupby("problem", sort=False)))]


def _rows(run: Run) -> pd.DataFrame:
    """The first completions of three problems in at most a dozen rounds; one round is read at a time."""
    last = run.rounds_done - 1
    rounds = np.unique(np.linspace(0, last, min(last + 1, _ROUNDS)).astype(int))
    parts: list[pd.DataFrame] = []
    chosen: list[str] = []
    for rows in run.iter_rows(rounds.tolist(), _COLUMNS, "heldout"):
        chosen = chosen or _chosen(rows)
        mine = rows[rows["problem"].isin(chosen)].sort_values("sample", kind="stable")
        parts.append(mine.groupby("problem").head(_EACH))
    found = pd.concat(parts, ignore_index=True).astype(object)
    order = found["problem"].map({problem: i for i, problem in enumerate(chosen)})
    return found.assign(place=order).sort_values(["place", "round", "sample"], kind="stable")


def _chosen(rows: pd.DataFrame) -> list[str]:
    """The first problem of the hardest, the middle and the easiest band; the first three where there are no bands."""
    firsts = rows.drop_duplicates("problem")
    if firsts["band"].isna().all():
        return firsts["problem"].head(3).tolist()
    bands = sorted(firsts["band"].dropna().unique())
    wanted = dict.fromkeys([bands[0], bands[len(bands) // 2], bands[-1]])
    return [firsts.loc[firsts["band"] == band, "problem"].iloc[0] for band in wanted]


def _of_problem(rows: pd.DataFrame, opened: bool) -> Html:
    first = rows.iloc[0]
    band = "" if pd.isna(first["band"]) else f", {BAND_WORDS[int(first['band'])]}"
    prompt = element("pre", cut(first["prompt"]))
    head = element(
        "tr", *(element("th", name, scope="col") for name in ("round", "response", "answer", "truth", "score"))
    )
    body = [element("tr", *(element("td", cell) for cell in _cells(row))) for row in rows.to_dict("records")]
    table = element("table", element("thead", head), element("tbody", *body), class_="samples")
    box = element(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label=f"completions of {first['problem']}"
    )
    summary = element("summary", f"{first['problem']}{band}")
    return element("details", summary, prompt, box, open="" if opened else None)


def examples_table(rows: pd.DataFrame, about: str) -> Html:
    """Any completions as a table that scrolls by itself, each with its prompt; `about` says what they are.

    rows : columns of the row table, of which prompt, response, answer, gold and score are shown as far as they are there
    """
    head = element(
        "tr",
        *(element("th", name, scope="col") for name in ("round", "prompt", "response", "answer", "truth", "score")),
    )
    every = rows.astype(object).reindex(columns=["round", "prompt", "response", "answer", "gold", "score"])
    body = []
    for row in every.to_dict("records"):
        first, *others = _cells(row)
        prompt = element("pre", "unknown" if pd.isna(row["prompt"]) else cut(row["prompt"]))
        body.append(element("tr", *(element("td", cell) for cell in (first, prompt, *others))))
    table = element("table", element("thead", head), element("tbody", *body), class_="samples examples")
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=about)


def _cells(row: dict[Any, Any]) -> list[object]:
    answer = element("span", "none read", class_="unsure") if pd.isna(row["answer"]) else cut(row["answer"])
    truth = "unknown" if pd.isna(row["gold"]) else "right" if row["gold"] else "wrong"
    score = "unknown" if pd.isna(row["score"]) else f"{row['score']:.2f}"
    return [f"{row['round']}", element("pre", cut(row["response"])), answer, truth, score]


def cut(text: object) -> Html:
    """A text, shortened when it is long, as HTML that shows it."""
    whole = str(text)
    left = len(whole) - _LONGEST
    return join(whole[:_LONGEST] + (f" … ({left:,} more characters)" if left > 0 else ""))
