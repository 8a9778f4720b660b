"""Hand-made metric tables and runs for the tests of figures and report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from siwork.store import Run, Writer

CURVES = {  # metric: first value, change a round, half-width, split, unit
    "pass@1": (0.43, 0.016, 0.04, "heldout", ""),
    "pass@2": (0.55, 0.010, 0.04, "heldout", ""),
    "pass@4": (0.66, 0.003, 0.04, "heldout", ""),
    "pass@8": (0.75, -0.004, 0.04, "heldout", ""),
    "pass@16": (0.82, -0.012, 0.04, "heldout", ""),
    "distinct_correct": (5.9, -0.5, 0.4, "heldout", "answers"),
    "solution_coverage": (0.61, -0.05, 0.03, "heldout", ""),
    "answer_entropy": (1.9, -0.16, 0.1, "heldout", "nats"),
    "token_entropy": (0.8, -0.06, 0.05, "heldout", "nats"),
    "mean_score": (0.41, 0.05, 0.02, "train", ""),
    "mean_gold": (0.40, 0.02, 0.02, "train", ""),
    "accept_rate": (0.41, 0.05, 0.02, "train", ""),
}


def metric_table(
    run: str = "star", rounds: int = 6, *, tilt: float = 1.0, seeds: int = 0, n: int = 200
) -> pd.DataFrame:
    """A metric table of one run, or of `seeds` pooled runs; `tilt` scales how fast the values move."""
    lines = [
        _line(run, r, metric, split, start + tilt * step * r, half, unit)
        for metric, (start, step, half, split, unit) in CURVES.items()
        for r in range(rounds)
    ]
    lines += [line for r in range(rounds) for line in _band_lines(run, r, tilt)]
    table = pd.DataFrame(lines).assign(n=seeds or n)
    if seeds:
        spread = (table["high"] - table["value"]) / 2
        table = table.assign(
            least=table["value"] - spread, most=table["value"] + spread, method=f"t over {seeds} seeds"
        )
        if seeds < 3:
            table[["low", "high"]] = np.nan
    return table


def _line(run: str, r: int, metric: str, split: str, value: float, half: float, unit: str) -> dict[str, object]:
    ends = {"low": value - half, "high": value + half}
    about = {"unit": unit, "method": "macro mean; cluster t over problems, 95 %", "band": np.nan}
    return {"run": run, "round": r, "split": split, "metric": metric, "value": value, **ends, **about}


def _band_lines(run: str, r: int, tilt: float) -> list[dict[str, object]]:
    accepted = np.exp(0.35 * np.arange(5) * (1 + 0.25 * tilt * r))
    accepted /= accepted.sum()
    lines = []
    for band in range(5):
        for metric, value in (("accepted_share", accepted[band]), ("problem_share", 0.2)):
            lines.append(_line(run, r, metric, "train", value, 0.02, "") | {"band": band})
    return lines


BAND_DIFFICULTY = (0.9, 0.7, 0.5, 0.3, 0.1)  # of the five problems of a split, bands 0 … 4
SAMPLES = 4


def made_run(
    folder: Path,
    *,
    seed: int = 0,
    gain: int = 1,
    updates: int = 2,
    played: int | None = None,
    response: str = "say {answer}",
    n_solutions: int | None = 2,
    **manifest: object,
) -> Run:
    """A finished run of five train and five held-out problems with four completions each.

    Of the hardest problem none is right; of the others 1 + gain · round are, but on the easiest one `seed` fewer in the
    last round. The first right completion says "a", further ones "b".
    """
    about = {
        "recipe": "seed · cot(k=4) · gold · correct · sft",
        "task": "add(digits=2)",
        "policy": "tabular",
        "seed": seed,
        "rounds": updates,
        "problems": "problems(train=5, heldout=5, beyond=0, samples=4)",
    }
    problems = _problems(n_solutions)
    with Writer.create(folder, about | manifest, problems) as writer:
        name = Run(folder).name
        for r in range(updates + 1 if played is None else played):
            rows = [
                row
                for problem in problems.to_dict("records")
                if problem["split"] == "heldout" or r < updates
                for row in _completions(problem, _right(problem["band"], r, gain, seed * (r == updates)), response)
            ]
            info = {"policy": "made", "closing": r == updates, "seconds": 1.5}
            writer.save_round(r, pd.DataFrame(rows).assign(run=name, round=r), info, lambda place: None)
    return Run(folder)


def _right(band: int, r: int, gain: int, fewer: int) -> int:
    return 0 if band == 0 else min(SAMPLES, max(0, 1 + gain * r - (fewer if band == 4 else 0)))


def _problems(n_solutions: int | None) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"problem": f"{split}/{band}", "split": split, "task": "add", "prompt": f"{band}+<2>=", "difficulty": hard}
            | {"band": band, "answer": "a", "n_solutions": n_solutions}
            for split in ("train", "heldout")
            for band, hard in enumerate(BAND_DIFFICULTY)
        ]
    )


def _completions(problem: dict[str, object], right: int, response: str) -> list[dict[str, object]]:
    own = {key: problem[key] for key in ("problem", "split", "task", "difficulty", "band", "prompt")}
    said = {
        "hint": "none",
        "turn": 0,
        "parent": None,
        "agent": "a0",
        "temperature": 1.0,
        "top_p": 1.0,
        "finished": True,
    }
    rest = {
        "n_tokens": 5,
        "logp": -1.5,
        "entropy": 0.5,
        "base_logp": -1.5,
        "verifier": "gold",
        "pair": None,
        "side": None,
    }
    rows = []
    for j in range(SAMPLES):
        good = j < right
        answer = ("a" if j == 0 else "b") if good else "w"
        judged = {"score": float(good), "gold": good, "weight": float(good and problem["split"] == "train")}
        text = {"sample": j, "response": response.format(answer=answer), "answer": answer}
        rows.append(own | said | rest | judged | text)
    return rows
