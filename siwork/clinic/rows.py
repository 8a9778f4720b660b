"""`labelled`: a run of a planted case as a row table, drawn from distributions that are known exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.clinic.cases import CASES, SIZES
from siwork.clinic.plants import MAKERS
from siwork.clinic.pool import HELDOUT, TASK, TRAIN, Wardrobe, pool, wardrobe
from siwork.clinic.start import Drawn, Plan, Size, Start, start
from siwork.policies.chance import entropy, invert, key_of
from siwork.policies.weights import OUTSIDE
from siwork.schema import ROWS, KnobError, arrow_schema, nearest

_SCHEMA = arrow_schema(ROWS)
_TOLD = ("split", "problem", "prompt", "difficulty", "band")  # columns that rows share with their problem


def labelled(case: str, size: str | Size = "usual", seed: int = 0, effect: float = 1.0) -> pd.DataFrame:
    """The rows of a run in which a known failure (or none) was planted.

    Problems, base policy and draws depend on the seed alone: runs of one seed are twins, alike until the harm begins.
    Healthy cases ignore `effect`; a failure at effect 0 is a healthy run.

    Parameters
    ----------
    case : name in CASES
    size : name in SIZES, or a Size
    seed : whole number ≥ 0
    effect : ≥ 0, size of the harm as a share of what the case's sentence states; shares end at 1

    Returns
    -------
    DataFrame with the columns and Arrow types of the row table that a run of the tabular policy on countdown has; the run is
    named `case-s0`. Rounds 0 … rounds; the last one is closing, so it has no train rows. As in the tabular policy `logp` is
    the log of the chance with which the response was drawn, `base_logp` that under round 0 (log 1e-4 for a text that round
    0 never says) and `entropy` the exact entropy over responses divided by n_tokens. `weight` is 1 for train rows with
    score ≥ 0.5. Null are `parent`, `pair`, `side`, and `answer` where none can be read; a template's answer stands behind
    its colon. attrs: `case`, and `onset`, the first harmed round, None where there is none.

    Raises
    ------
    KnobError for an unknown case or size, more problems than the pool holds, or a seed or effect out of range.

    >>> rows = labelled("sudden-collapse", "scant")
    >>> len(rows), rows.attrs["onset"]
    (5120, 3)
    >>> held = rows[rows["split"] == "heldout"].groupby("round")
    >>> bool(held["gold"].mean()[6] < 0.2 and held["score"].mean()[6] > 0.8)
    True
    """
    sizes, plan = planned(case, size, seed, effect)
    return _rows(sizes, plan, case, np.random.default_rng([seed, 2, key_of(case)]))


def planned(case: str, size: str | Size = "usual", seed: int = 0, effect: float = 1.0) -> tuple[Start, Plan]:
    """The exact distributions that `labelled` draws from: the base policy and what the case makes of it. Raises as `labelled`.

    >>> begun, plan = planned("healthy", "scant")
    >>> plan.p.shape, bool(np.allclose(plan.p[0], begun.p))
    ((7, 100, 24), True)
    """
    if case not in CASES:
        raise KnobError(f"no case is called {case!r}; {nearest(case, CASES)}")
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise KnobError(f"seed must be a whole number in 0 … 2³² − 1, got {seed!r}; nearest: 0")
    if not 0 <= effect < np.inf:
        raise KnobError(f"effect must be a finite number ≥ 0, got {effect!r}; 1 is the stated size")
    begun = start(_size(size), seed)
    plan = MAKERS[case](begun, float(effect), np.random.default_rng([seed, 1, key_of(case)]))
    return begun, plan if effect > 0 else plan._replace(onset=None)


def _size(size: str | Size) -> Size:
    if isinstance(size, str):
        if size not in SIZES:
            raise KnobError(f"no size is called {size!r}; {nearest(size, SIZES)}")
        return SIZES[size]
    if not isinstance(size, Size):
        raise KnobError(f"size must be one of {', '.join(SIZES)} or a Size, got {size!r}; nearest: 'usual'")
    if not (1 <= size.train <= TRAIN and 1 <= size.heldout <= HELDOUT and size.samples >= 1 and size.rounds >= 1):
        raise KnobError(
            f"a size must have 1 … {TRAIN} train and 1 … {HELDOUT} heldout problems, samples and rounds ≥ 1, got {size}"
        )
    return size


class _Draws(NamedTuple):
    """The responses of a run, each (T, P, k)."""

    column: np.ndarray  # int, which candidate
    way: np.ndarray  # int, which way of writing
    logp: np.ndarray  # nats
    entropy: np.ndarray  # nats a token
    n_tokens: np.ndarray  # int


def _draws(begun: Start, plan: Plan, worn: Wardrobe) -> _Draws:
    rounds, problems, width = plan.p.shape
    k = begun.size.samples
    u, v = np.random.default_rng([begun.seed, 3]).random((2, rounds, problems, k))
    column = invert(plan.p.reshape(-1, width), u.reshape(-1, k)).reshape(u.shape)
    chance = _chances(plan, len(worn.reads))  # (T, D)
    way = (v[..., None] >= np.cumsum(chance, axis=1)[:, None, None, :-1]).sum(axis=-1)
    logp, whole = np.empty(u.shape), entropy(chance)[:, None] + np.zeros((rounds, problems))
    for d, same in enumerate(worn.same):
        mass = plan.p if same is None else _merged(plan.p, same[begun.rows])
        whole += chance[:, d, None] * entropy(mass.reshape(-1, width)).reshape(rounds, problems)
        t, p, j = np.nonzero(way == d)
        at = column[t, p, j]
        logp[t, p, j] = np.log(chance[t, d] * mass[t, p, at if same is None else same[begun.rows[p], at]])
    tokens = worn.tokens[way, begun.rows[:, None], column]
    return _Draws(column, way, np.minimum(logp, 0.0), np.maximum(whole, 0.0)[..., None] / tokens, tokens)


def _chances(plan: Plan, ways: int) -> np.ndarray:
    """Chance of each way of writing (T, D): `share` is spread evenly over all ways but the first."""
    share = np.broadcast_to(plan.share, len(plan.p))[:, None]
    return np.hstack([1 - share, np.repeat(share / max(ways - 1, 1), ways - 1, axis=1)])


def _merged(p: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Mass of each text, (T, P, M), at the place of the first candidate (P, M) that has it."""
    rounds, problems, width = p.shape
    place = np.arange(rounds * problems)[:, None] * width + np.tile(same, (rounds, 1))
    return np.bincount(place.ravel(), p.ravel(), p.size).reshape(p.shape)


def _rows(begun: Start, plan: Plan, case: str, rng: np.random.Generator) -> pd.DataFrame:
    worn = wardrobe(plan.dress)
    columns = _columns(begun, plan, worn, rng)
    shape = columns["gold"].shape
    columns["home"] = begun.rows[:, None]
    columns["round"], columns["sample"] = np.arange(shape[0])[:, None, None], np.arange(shape[2])
    closing = np.arange(shape[0])[:, None] == shape[0] - 1  # the last round is evaluated only
    lasting = np.flatnonzero(np.repeat(~(closing & _train(begun)), shape[2]))
    flat = {name: np.broadcast_to(values, shape).reshape(-1)[lasting] for name, values in columns.items()}
    rows = _table(flat, worn, {"run": f"{case}-s{begun.seed}", "verifier": plan.verifier})
    rows.attrs.update(onset=plan.onset, case=case)
    return rows


def _train(begun: Start) -> np.ndarray:
    return np.arange(len(begun.rows)) < begun.size.train


def _columns(begun: Start, plan: Plan, worn: Wardrobe, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What was said, judged and used, each (T, P, k); `response` and `answer` as places of texts, -1 for no answer."""
    table, drawn, home = pool().table, _draws(begun, plan, worn), begun.rows[:, None]
    place = home * table.live.shape[1] + drawn.column  # of the pool's candidates
    reads = worn.reads[drawn.way]
    group = np.where(reads, table.group[home, drawn.column], -1)
    gold = table.right[home, drawn.column] & reads
    score = plan.score(Drawn(gold, group, pool().marked[home, drawn.column] & reads), rng)
    kept = rng.random(score.shape) < np.broadcast_to(plan.kept, score.shape[:2])[..., None]
    first = np.log(np.maximum(plan.p[0], 1e-300))[np.arange(len(home))[:, None], drawn.column]
    return {
        "response": drawn.way * table.live.size + place,
        "answer": np.where(group >= 0, place, -1),
        "n_tokens": drawn.n_tokens,
        "finished": worn.finished[drawn.way],
        "logp": drawn.logp,
        "entropy": drawn.entropy,
        "base_logp": np.where(drawn.way == 0, np.minimum(first, 0.0), OUTSIDE),
        "score": score,
        "weight": ((score >= 0.5) & _train(begun)[:, None] & kept).astype(float),
        "gold": gold,
    }


def _table(flat: dict[str, np.ndarray], worn: Wardrobe, named: dict[str, str]) -> pd.DataFrame:
    """Columns (n,) as a row table; `response` and `answer` are places of texts, `home` the problem's row in the pool."""
    known = pool()
    n, home, answer = len(flat["home"]), pa.array(flat["home"]), flat["answer"]
    same = {"task": TASK, "hint": "none", "turn": 0, "agent": "policy", "temperature": 1.0, "top_p": 1.0, **named}
    arrays = {name: pa.repeat(pa.scalar(value, _SCHEMA.field(name).type), n) for name, value in same.items()}
    arrays |= {name: pa.nulls(n, _SCHEMA.field(name).type) for name in ("parent", "pair", "side")}
    arrays |= {name: pa.array(flat[name]) for name in flat if name != "home"}
    arrays |= {name: _told(name).take(home) for name in _TOLD}
    arrays["response"] = worn.texts.take(pa.array(flat["response"]))
    arrays["answer"] = known.answers.take(pa.array(answer, mask=answer < 0))
    fields = [field for field in _SCHEMA if field.name in arrays]
    table = pa.table([arrays[field.name].cast(field.type) for field in fields], names=[field.name for field in fields])
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def _told(name: str) -> pa.Array:
    return pa.array(pool().problems[name].array.__arrow_array__().combine_chunks())
