"""Numbers that claims of the literature speak of and no metric of siwork measures: each takes a run, a value a round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from siwork.policies import Policy, restored
from siwork.schema import KnobError
from siwork.slots import State
from siwork.store import Run
from siwork.tasks import Task, task_of
from siwork.tasks.expr import Expr
from siwork.tasks.grammar import Grammar
from siwork.tasks.language import words_of
from siwork.tasks.steps import does_anew

_SURE = 0.9  # share of right completions at which a length counts as reached
_TEXTS = 400  # texts of the language behind a divergence
_KEYS = ["round", "problem", "gold"]


def known_share(run: Run, split: str) -> pd.Series:
    """Share of the gain in pass@1 that comes from problems which the base solved at least once.

    Of Σ(pᵢ(r) − pᵢ(0)) over problems, the part of those with a right completion in round 0; NaN where there is no gain, and in
    round 0. It may lie outside 0 … 1 when one part gains what the other loses.
    """
    rates = _rates(run, split)
    gain = rates.sub(rates[0], axis=0)
    total = gain.sum()
    return (gain[rates[0] > 0].sum() / total).where(total > 0)


def newly_solved(run: Run, split: str) -> pd.Series:
    """Share of the problems that the base never solved of which a round has a right completion; NaN where it solved all.

    A problem that is solved once in a thousand tries is solved newly by luck, too, so compare it with another arm.
    """
    rates = _rates(run, split)
    never = rates[rates[0] == 0]
    return (never > 0).mean() if len(never) else pd.Series(np.nan, rates.columns)


def length_reached(run: Run, split: str) -> pd.Series:
    """Longest length up to which at least nine in ten completions are right at every length; 0 when not even the shortest is.

    For `add`: the digits of the longer operand, held-out problems and those beyond taken together, whatever `split` is.
    """
    rows = pd.concat([run.rows(None, _KEYS, name) for name in ("heldout", "beyond")], ignore_index=True)
    known = run.problems().drop_duplicates("problem").set_index("problem")["prompt"].astype(object)
    digits = known.map(lambda prompt: max(map(len, str(prompt).rstrip("=").split("+"))))
    sure = rows["gold"].astype(float).groupby([rows["round"], rows["problem"].map(digits)]).mean().unstack() >= _SURE
    lengths = np.array([0, *sure.columns])
    return sure.apply(lambda right: float(lengths[int(np.cumprod(right).sum())]), axis=1)


def vote_truth(run: Run, split: str) -> pd.Series:
    """Correlation of score and truth over completions, Pearson's r; NaN where one of them does not vary."""
    rows = run.rows(None, [*_KEYS, "score"], split)
    pairs = rows[["score", "gold"]].astype(float).groupby(rows["round"])
    return pairs.apply(lambda own: own["score"].corr(own["gold"]) if own.nunique().min() > 1 else np.nan)


def orm_precision(run: Run, split: str) -> pd.Series:
    """Share right among the quarter of a problem's completions that the verifier `orm` scores best, mean over problems.

    NaN in rounds in which it scores nothing, as it is not fitted yet; problems with a completion without score are left out.
    """
    return _picked(run, split, 0.25).mean()


def orm_gain(run: Run, split: str) -> pd.Series:
    """What choosing a problem's completion by the verifier `orm` adds to taking one at random, mean over problems.

    Of the same rounds and problems as `orm_precision`.
    """
    return (_picked(run, split, 0.0) - _rates(run, split)).mean()


def _picked(run: Run, split: str, share: float) -> pd.DataFrame:
    """Share right among the best scored completions, at least one, of equal scores the first; a row a problem, a column a round."""
    rows = run.rows(None, [*_KEYS, "score_orm"], split)
    score = rows["score_orm"].astype(float)
    scored = score.notna().groupby([rows["round"], rows["problem"]]).transform("all").to_numpy(bool)
    rows = rows.assign(score_orm=score)[scored].sort_values("score_orm", ascending=False, kind="stable")
    groups = rows.groupby(["round", "problem"])
    best = rows[groups.cumcount() < (groups["gold"].transform("size") * share).astype(int).clip(lower=1)]
    found = best["gold"].astype(float).groupby([best["problem"], best["round"]]).mean().unstack()
    return found.reindex(columns=range(run.rounds_done))


def language_gap(run: Run, split: str) -> pd.Series:
    """Divergence of the model from the language in nats a text: mean of log p − log q over texts drawn from it.

    KL(language ‖ model) given the prompts of the split; p is exact, q the model's, the 400 texts are the same in all rounds
    and arms. Raises KnobError for a task other than `grammar`.
    """
    task = _language(run, "language_gap")
    prompts, texts = _texts(task, run, split)
    truth = np.array([task.log_probability_given(p, text) for p, text in zip(prompts, texts, strict=True)])
    found = {r: float((truth - _score(_policy(run, task, r), prompts, texts)).mean()) for r in range(run.rounds_done)}
    return pd.Series(found)


def repeated_4grams(run: Run, split: str) -> pd.Series:
    """Share of the runs of four words, in all texts of a round together, that were there before; of the language's own words.

    Of rounds with equally many texts; 0 when no four words follow each other twice. Raises KnobError as `language_gap`.
    """
    _language(run, "repeated_4grams")
    known = run.problems().drop_duplicates("problem").set_index("problem")["prompt"].astype(object)
    rows = run.rows(None, ["round", "problem", "response"], split)
    texts = rows["problem"].map(known).astype(object) + rows["response"].astype(object)
    return texts.groupby(rows["round"]).apply(_repeated)


def written_anew(run: Run, split: str) -> pd.Series:
    """Share of completions that do a step anew: the same operation on the same numbers twice, with different results.

    Raises KnobError for a task other than `expr`.
    """
    if not isinstance(task_of(run.task), Expr):
        raise KnobError(f"written_anew needs the task expr, whose steps may be done anew, got {run.task}")
    rows = run.rows(None, ["round", "response"], split)
    return rows["response"].astype(object).map(does_anew).groupby(rows["round"]).mean()


def _repeated(texts: pd.Series) -> float:
    grams = [tuple(words[i : i + 4]) for words in map(words_of, texts) if words for i in range(len(words) - 3)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _language(run: Run, metric: str) -> Grammar:
    task = task_of(run.task)
    if not isinstance(task, Grammar):
        raise KnobError(f"{metric} needs the task grammar, whose texts have exact probabilities, got {run.task}")
    return task


def _texts(task: Grammar, run: Run, split: str) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng([run.seed, 0xC1A1])
    prompts = run.problems().query("split == @split")["prompt"].astype(object).tolist()
    asked = [prompts[i % len(prompts)] for i in range(_TEXTS)]
    return asked, [task.write(prompt, rng) for prompt in asked]


def _policy(run: Run, task: Task, r: int) -> Policy:
    """The policy whose completions round r shows."""
    base = restored(run.policy, task, run.base_path)
    state = State(task, base, base)
    return (state.load(run.state_path(r - 1)) if r else state).policy


def _score(policy: Policy, prompts: list[str], texts: list[str]) -> np.ndarray:
    import pyarrow as pa

    return policy.logp(pa.array(prompts, pa.string()), pa.array(texts, pa.string()), np.ones(len(texts), bool))


def _rates(run: Run, split: str) -> pd.DataFrame:
    """Share of right completions, a row a problem, a column a round."""
    rows = run.rows(None, _KEYS, split)
    return rows["gold"].astype(float).groupby([rows["problem"], rows["round"]]).mean().unstack()


OWN: dict[str, Callable[[Run, str], pd.Series]] = {
    one.__name__: one
    for one in (
        known_share,
        newly_solved,
        length_reached,
        vote_truth,
        orm_precision,
        orm_gain,
        language_gap,
        repeated_4grams,
        written_anew,
    )
}
