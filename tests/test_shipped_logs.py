"""The logs in `data/logs`: readers find in them what plain code finds, and diagnose says what their origin says of them."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from siwork import diagnose, from_rows, from_trl, from_verl, measure

LOGS = Path(__file__).parent.parent / "data" / "logs"
SEEDS = ("seed0", "seed1", "seed2")
RUNS = [*(f"trl/{seed}" for seed in SEEDS), "trl_rows/seed0", *(f"verl/{seed}" for seed in SEEDS)]


@cache
def imported(name):
    """A run as its reader gives it."""
    kind, path = name.split("/")[0], LOGS / name
    if kind == "verl":
        return from_verl(path, run=name)
    return (from_trl if kind == "trl" else from_rows)(path, gold="correct", score="judge", run=name)


def raw(name):
    """The same run by plain code: round, split, prompt, right, score."""
    path = LOGS / name
    if name.startswith("verl/"):
        places = [(place, split) for split in ("rollout", "validation") for place in (path / split).glob("*.jsonl")]
        lines = [
            json.loads(line) | {"in": split}
            for place, split in places
            for line in place.read_text(encoding="utf-8").splitlines()
        ]
        names = {"step": "round", "in": "split", "input": "prompt", "acc": "right"}
        found = pd.DataFrame(lines)[[*names, "score"]].rename(columns=names)
        return found.replace({"split": {"rollout": "train", "validation": "heldout"}})
    found = pd.concat([pd.read_parquet(place) for place in path.rglob("*.parquet")])
    names = {"step": "round", "correct": "right", "judge": "score", "reward_correct": "right", "reward_judge": "score"}
    return found.rename(columns=names).assign(split="train")[["round", "split", "prompt", "right", "score"]]


def counted(rows, problem, right):
    """Rows, problems, pass@1 and mean score of each round of each split."""
    return {
        key: (
            len(own),
            own[problem].nunique(),
            round(float(own.groupby(problem)[right].mean().mean()), 9),
            round(float(own["score"].mean()), 9),
        )
        for key, own in rows.astype({right: float, "score": float}).groupby(["split", "round"])
    }


def told():
    """What PROVENANCE.md says of each run: rows, problems, ends of reward and pass@1, alarms, watches."""
    lines = re.findall(
        r"^\| `((?:trl|trl_rows|verl)/\w+)/?` (.*)\|$", (LOGS / "PROVENANCE.md").read_text(), re.MULTILINE
    )
    return {name: [cell.strip() for cell in rest.strip("| ").split("|")] for name, rest in lines}


@pytest.mark.parametrize("name", RUNS)
def test_readers_find_what_plain_code_finds(name):
    ours = counted(imported(name).rows, "problem", "gold")
    assert ours == counted(raw(name), "prompt", "right")
    assert {size / problems for size, problems, *_ in ours.values()} == {8}


@pytest.mark.parametrize("name", RUNS)
def test_figures_stand_in_the_provenance(name):
    found = raw(name)
    means = found.astype({"right": float}).groupby(["split", "round"])[["score", "right"]].mean()
    ends = means.groupby("split").agg(lambda own: f"{own.iloc[0]:.2f} → {own.iloc[-1]:.2f}")
    held = ends.loc["heldout", "right"] if "heldout" in ends.index else "–"
    expected = [str(len(found)), str(found["prompt"].nunique()), *ends.loc["train", ["score", "right"]], held]
    assert told()[name][:5] == expected


@pytest.mark.parametrize("name", RUNS)
def test_verdicts_stand_in_the_provenance(name):
    verdicts = diagnose(measure(imported(name).rows))
    for state, cell in zip(("alarm", "watch"), told()[name][5:7], strict=True):
        assert ", ".join(v.name for v in verdicts if v.state == state) == cell.strip("–")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_flawed_judge_is_hacked_and_a_true_one_is_not(seed):
    assert "reward_hacking" in told()[f"trl/{seed}"][5]
    assert "diversity_decay" in told()[f"trl/{seed}"][5]
    assert "diversity_decay" in told()[f"verl/{seed}"][5]
    assert "reward_hacking" not in "".join(told()[f"verl/{seed}"][5:])


@pytest.mark.parametrize("seed", SEEDS)
def test_without_truth_the_reward_rises_and_no_more_can_be_said(seed):
    found = from_trl(LOGS / "trl" / seed, score="judge")
    table = measure(found.rows, ["mean_score", "mean_score_change", "pass@1"])
    rise = table[(table["metric"] == "mean_score_change") & table["value"].notna()].iloc[-1]
    assert rise["low"] > 0.3
    can = dict(zip(found.report.table["question"], found.report.table["can"], strict=True))
    assert can["How often is it right (pass@k)?"] == "no"
    assert diagnose(table).of("reward_hacking").state == "unknown"


def test_the_callback_knows_what_trl_does_not_write():
    theirs, ours = imported("trl/seed0").rows, imported("trl_rows/seed0").rows
    assert ours["response"].tolist() == theirs["response"].tolist()
    assert ours[["logp", "entropy", "n_tokens", "finished"]].notna().all(axis=None)
    assert not {"logp", "entropy", "n_tokens", "finished"} & set(theirs)
    assert set(ours["problem"].str.match(r"split-\d+$")) == {True}


def test_they_are_small_and_hold_no_paths():
    files = [place for place in LOGS.rglob("*") if place.is_file() and place.suffix != ".pyc"]
    assert sum(place.stat().st_size for place in files) < 4_000_000
    for place in files:
        if place.suffix in (".json", ".jsonl"):
            assert not re.search(r"/(home|tmp|root|work)/", place.read_text(encoding="utf-8")), place


def test_a_verdict_claims_no_more_than_its_sign_can_show():
    found = {v.name: v for v in diagnose(measure(from_trl(LOGS / "trl" / "seed0", score="judge").rows))}
    assert "cannot be said without answers and truth" in found["diversity_decay"].means
    assert found["tail_narrowing"].means.startswith("No alarm: the bound is passed by an estimate that has no interval")
    assert "without difficulty" in found["tail_narrowing"].means
    assert "or gold= of a reader" in found["reward_hacking"].seen


def test_a_truth_that_is_the_score_is_told_apart_from_a_good_judge():
    found = {v.name: v for v in diagnose(measure(imported("verl/seed0").rows))}
    for name in ("verifier_calibration", "reward_hacking"):
        assert found[name].state == "fine"
        assert "only if the truth comes from another source" in found[name].seen
    assert "another source" not in found["collapse"].seen
