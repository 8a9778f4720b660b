"""Rows of the samples of a simulated world, as a run would have written them."""

import numpy as np
import pandas as pd

from siwork.simulation.play import play


def rows_of(world, seed):
    """Row table of a world and a seed, held-out rows without scores, and the problem table."""
    trace = play(world, seed)
    parts = [_held_out(world, trace, r) for r in range(world.rounds + 1)]
    parts += [_trained(world, trace, r) for r in range(world.rounds)]
    rows = pd.concat(parts, ignore_index=True).assign(run=f"seed {seed}", top_p=1.0)
    rows["sample"] = rows.groupby(["round", "problem"]).cumcount()
    problems = rows[["problem", "split"]].drop_duplicates().assign(n_solutions=world.right)
    return rows, problems


def _table(world, trace, r, answer, problem, split):
    return pd.DataFrame(
        {
            "round": r,
            "split": split,
            "problem": [f"p{p}" for p in problem],
            "answer": [f"{a}" for a in answer],
            "gold": answer < world.right,
            "band": trace.ground.band[problem],
            "difficulty": trace.ground.difficulty[problem],
            "logp": np.minimum(trace.logp[r, answer, problem], 0.0),
            "base_logp": np.minimum(trace.logp[0, answer, problem], 0.0),
            "temperature": 1.0 if split == "heldout" else world.temperature,
        }
    )


def _spread(counts):
    """Answer, problem, and place among its like, of every sample that is counted."""
    answer, problem = np.nonzero(counts)
    times = counts[answer, problem]
    nth = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(answer, times), np.repeat(problem, times), nth


def _held_out(world, trace, r):
    answer, problem, _ = _spread(trace.counts[r, :, world.train :].astype(int))
    return _table(world, trace, r, answer, problem + world.train, "heldout").assign(score=np.nan, weight=0.0)


def _trained(world, trace, r):
    if trace.score is not None:  # single samples are known; which of them were kept is what `correct` says
        answer = trace.place[r].astype(int).ravel()
        problem = np.broadcast_to(np.arange(world.train), trace.place[r].shape).ravel()
        score = trace.score[r].ravel()
        weight = (score >= world.threshold).astype(float)
    else:  # which of several equal samples was accepted or kept is nobody's concern
        answer, problem, nth = _spread(trace.counts[r, :, : world.train].astype(int))
        score = (nth < trace.passed[r, answer, problem]).astype(float)
        weight = (nth < trace.kept[r, answer, problem]).astype(float)
        score = np.full(len(score), np.nan) if world.verifier == "none" else score
    return _table(world, trace, r, answer, problem, "train").assign(score=score, weight=weight)
