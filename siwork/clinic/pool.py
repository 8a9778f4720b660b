"""The problems and candidate responses that all runs of the clinic draw from, made once in a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from siwork.policies.candidates import Table
from siwork.tasks import synthetic, task_of

TASK = "countdown"
TRAIN, HELDOUT = 330, 130  # problems of each split; a run draws its own from them
LISTED = 24  # candidates asked of the task for each problem
CAP = 48  # tokens at which a runaway response is cut
_TIMES = 5  # how often a repeated response says the same
_STUBS = 3  # a stub holds 0, 1 or 2 characters and the end
_MARKED = 5  # one wrong answer in so many is marked
_RAMBLE = 4000  # characters of arithmetic without an end, which runaway responses go on with

_OPENINGS = ("Step by step.", "Let us think.", "We go slowly.")
_BODY = "Try each sign in turn until both sides agree."
_CLOSINGS = ("So the answer:", "This gives us:", "Then we write:", "Hence we have:")


class Pool(NamedTuple):
    """P problems, the train problems first, with up to M candidates each; flat arrays have P · M places."""

    problems: pd.DataFrame  # (P,) of PROBLEMS
    table: Table
    answers: pa.StringArray  # (P · M,) canonical, null where none can be read
    marked: np.ndarray  # (P, M) bool: the longest fifth of the wrong answers that can be read
    plain: np.ndarray  # (P,) int: the wrong answer with the fewest signs other than +


class Wardrobe(NamedTuple):
    """D ways of writing every candidate of the pool; the first is the candidate's own text."""

    texts: pa.StringArray  # (D · P · M,)
    tokens: np.ndarray  # (D, P, M) int, the end counted where finished
    reads: np.ndarray  # (D,) bool: the answer can still be read
    finished: np.ndarray  # (D,) bool
    same: tuple[np.ndarray | None, ...]  # (P, M) first candidate with this very text; None where all texts differ


@lru_cache(maxsize=1)
def pool() -> Pool:
    """The pool, the same in every process; the first call takes about two seconds.

    >>> pool().problems["split"].value_counts().to_dict()
    {'train': 330, 'heldout': 130}
    """
    task = synthetic(task_of(TASK), "the clinic")
    problems = pd.concat([task.problems("train", TRAIN), task.problems("heldout", HELDOUT)], ignore_index=True)
    table = Table(task, LISTED).seen(problems["prompt"].tolist())
    width = table.live.shape[1]
    answers = chain.from_iterable(f.answers + (None,) * (width - len(f.answers)) for f in table.facts)
    wrong = table.live & ~table.right & (table.group >= 0)
    return Pool(
        problems, table, pa.array(list(answers), pa.string()), _longest(table.length, wrong), _plain(table, wrong)
    )


def _longest(length: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """The longest fifth of the candidates `wrong` of each row, at least one."""
    order = np.argsort(np.where(wrong, -length, 1), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return wrong & (rank < np.ceil(wrong.sum(axis=1, keepdims=True) / _MARKED))


def _plain(table: Table, wrong: np.ndarray) -> np.ndarray:
    signs = np.array([[sum(text.count(sign) for sign in "-*/(") for text in row] for row in _texts(table)])
    return np.where(wrong, 100 * signs + table.length, 10_000).argmin(axis=1)


def _texts(table: Table) -> list[list[str]]:
    flat, width = table.texts.to_pylist(), table.live.shape[1]
    return [flat[i : i + width] for i in range(0, len(flat), width)]


# ── ways of writing ────────────────────────────────────────────────────────────────────────────────────────
def _own() -> Wardrobe:
    table = pool().table
    return Wardrobe(table.texts, table.length[None], np.array([True]), np.array([True]), (None,))


def _template() -> Wardrobe:
    """Twelve long texts that end with the answer; a word of a template counts as one token."""
    frames = [f"{first} {_BODY} {last} " for first in _OPENINGS for last in _CLOSINGS]
    table = pool().table
    said = table.texts.to_pylist()
    texts = [frame + text for frame in frames for text in said]
    words = np.array([len(frame.split()) for frame in frames])
    n = len(frames)
    return _with(texts, table.length + words[:, None, None], np.ones(n, bool), True, (None,) * n)


def _stub() -> Wardrobe:
    """The first 0, 1 or 2 characters and the end: too few to hold an answer."""
    rows = _texts(pool().table)
    cut = [[[text[:n] for text in row] for row in rows] for n in range(_STUBS)]
    same = tuple(np.array([[row.index(text) for text in row] for row in level]) for level in cut)
    tokens = np.broadcast_to(np.arange(1, _STUBS + 1)[:, None, None], (_STUBS, *same[0].shape))
    return _with(list(chain.from_iterable(chain(*cut))), tokens, np.zeros(_STUBS, bool), True, same)


def _runaway() -> Wardrobe:
    """The response goes on with arithmetic that never ends, up to the cap."""
    rng = np.random.default_rng(20_260_102)
    digits, signs = rng.integers(1, 10, _RAMBLE // 2), rng.integers(0, 4, _RAMBLE // 2)
    ramble = "".join(f"{digit}{'+-*/'[sign]}" for digit, sign in zip(digits.tolist(), signs.tolist(), strict=True))
    starts = rng.integers(0, (_RAMBLE - CAP) // 2, len(pool().answers)).tolist()
    said = pool().table.texts.to_pylist()
    texts = [f"{text}={ramble[2 * at :]}"[:CAP] for text, at in zip(said, starts, strict=True)]
    shape = (1, *pool().table.live.shape)
    return _with(texts, np.full(shape, CAP), np.zeros(1, bool), False, (None,))


def _repeated() -> Wardrobe:
    """The response says the same several times; no answer can be read from it."""
    texts = [" ".join([text] * _TIMES) for text in pool().table.texts.to_pylist()]
    tokens = pool().table.length[None] * _TIMES  # every copy has a blank or the end behind it
    return _with(texts, tokens, np.zeros(1, bool), True, (None,))


def _with(
    texts: list[str], tokens: np.ndarray, reads: np.ndarray, finished: bool, same: tuple[np.ndarray | None, ...]
) -> Wardrobe:
    """The candidates' own texts and further ones behind them."""
    own = _own()
    return Wardrobe(
        pa.concat_arrays([own.texts, pa.array(texts, pa.string())]),
        np.concatenate([own.tokens, tokens]),
        np.r_[True, reads],
        np.r_[True, np.full(len(reads), finished)],
        own.same + same,
    )


_MADE: dict[str, Callable[[], Wardrobe]] = {
    "own": _own,
    "template": _template,
    "stub": _stub,
    "runaway": _runaway,
    "repeated": _repeated,
}


@lru_cache(maxsize=len(_MADE))
def wardrobe(kind: str) -> Wardrobe:
    """The ways of writing of a kind: own, template, stub, runaway or repeated, kept for the next run.

    >>> wardrobe("template").texts[len(pool().answers)].as_py()
    'Step by step. Try each sign in turn until both sides agree. So the answer: (6*5+3)/3'
    """
    return _MADE[kind]()
