"""Which completions are of one problem: ids of the log, else the prompt's text without the marks of a chat template."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from siwork.files.values import series

_ROLES = "system|user|assistant|model|human|developer|tool"
_MARKS = re.compile(
    r"<\|im_start\|>\s*(?:" + _ROLES + r")\s*|<\|im_end\|>"  # ChatML: Qwen and others
    r"|<\|start_header_id\|>\s*(?:" + _ROLES + r")\s*<\|end_header_id\|>|<\|eot_id\|>|<\|begin_of_text\|>"  # Llama 3
    r"|<start_of_turn>\s*(?:" + _ROLES + r")\s*|<end_of_turn>|<bos>"  # Gemma
    r"|\[/?INST\]|</?s>|<<SYS>>|<</SYS>>"  # Llama 2, Mistral
    r"|<｜(?:User|Assistant|begin▁of▁sentence|end▁of▁sentence)｜>"  # DeepSeek
    r"|<\|(?:user|assistant|system|end|endoftext)\|>",  # Phi, Zephyr
    re.IGNORECASE,
)
_BARE = re.compile(
    r"^(?:system|user)\n|\n(?:user|assistant)\n(?:<think>\n?)?", re.IGNORECASE
)  # ChatML without its marks
_SPACE = re.compile(r"\s+")


def normalised(prompt: str) -> str:
    """A prompt without the marks of a chat template and with single spaces; equal for one problem before and after templating.

    >>> normalised("<|im_start|>user\\nWhat is 6 + 5?<|im_end|>\\n<|im_start|>assistant\\n")
    'What is 6 + 5?'
    >>> normalised("user\\nWhat is 6 + 5?\\nassistant\\n"), normalised(" What is  6 + 5? ")
    ('What is 6 + 5?', 'What is 6 + 5?')
    """
    bare = _BARE.sub(" ", prompt) if prompt[:7].lower() in ("system\n",) or prompt[:5].lower() == "user\n" else prompt
    return _SPACE.sub(" ", _MARKS.sub(" ", bare)).strip()


class Problems(NamedTuple):
    """The problem of each row, and what was seen on the way."""

    problem: pd.Series  # id, (rows,)
    prompt: pd.Series  # normalised text, (rows,)
    notes: tuple[str, ...]


def problems_of(table: pa.Table) -> Problems:
    """The problem of each completion.

    By the log's own ids where every row has one; else by the normalised prompt and, where the log has it, the right answer,
    so that one prompt with two right answers is two problems.
    """
    raw, prompt = _normalised(table)
    texts = prompt.to_pylist()
    if "key" in table.column_names and table["key"].null_count == 0:
        return Problems(_series(table["key"]), _series(prompt), _clashes(table["key"].to_pylist(), texts))
    target = table["target"].to_pylist() if "target" in table.column_names else [None] * table.num_rows
    named = {pair: problem_id(*pair) for pair in dict.fromkeys(zip(texts, target, strict=True))}
    ids = [named[pair] for pair in zip(texts, target, strict=True)]
    return Problems(series(ids, pa.string()), _series(prompt), _merged(raw, list(named)))


def _normalised(table: pa.Table) -> tuple[list[str], pa.Array]:
    """The different prompts as the log has them, and the normalised one of each row."""
    if not table.num_rows:
        return [], pa.array([], pa.string())
    codes = table["prompt"].combine_chunks().dictionary_encode()
    raw = [each or "" for each in codes.dictionary.to_pylist()]
    return raw, pa.array(map(normalised, raw), pa.string()).take(codes.indices)


def problem_id(prompt: str, target: str | None = None) -> str:
    """A short stable name of a normalised prompt with its right answer.

    >>> problem_id("What is 6 + 5?") == problem_id("What is 6 + 5?"), problem_id("a", "1") == problem_id("a", "2")
    (True, False)
    """
    key = prompt if target is None else f"{prompt}\0{target}"
    return blake2b(key.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _clashes(keys: Sequence[str], prompts: Sequence[str]) -> tuple[str, ...]:
    """What is said of ids that stand for several prompts."""
    times = Counter(key for key, _ in set(zip(keys, prompts, strict=True)))
    several = sum(count > 1 for count in times.values())
    if not several:
        return ()
    return (f"{several} of {len(times)} problem ids stand before different prompts; the ids were believed.",)


def _merged(raw: Sequence[str], named: Sequence[tuple[str, str | None]]) -> tuple[str, ...]:
    """What is said of prompts that were merged, and of prompts that are several problems.

    raw : the different prompts of the log
    named : the different pairs of a normalised prompt and a right answer
    """
    notes = []
    times = Counter(prompt for prompt, _ in named)
    if less := len(set(raw)) - len(times):
        notes.append(
            f"{less} prompts differ from another one only in white space or template marks; each pair is one problem."
        )
    if several := sum(count > 1 for count in times.values()):
        notes.append(f"{several} prompts come with different right answers; each answer is a problem of its own.")
    return tuple(notes)


def samples_of(frame: pd.DataFrame) -> pd.Series:
    """Indices of completions among those of their problem, in the order in which they were written.

    frame : round, split, problem
    """
    return frame.groupby(["round", "split", "problem"], sort=False, dropna=False).cumcount()


def first_of_repeats(table: pa.Table, batch: Sequence[int]) -> tuple[np.ndarray, int]:
    """Which rows remain when batches that hold exactly what an earlier batch of their split holds are left out.

    batch : number of the batch (a file, a line) of each row, (rows,)

    Returns
    -------
    bool array (rows,), and how many batches were left out
    """
    names = [name for name in table.column_names if name not in ("round", "sample")]
    marks = pd.util.hash_pandas_object(table.select(names).to_pandas(), index=False).to_numpy()
    code = pd.factorize(np.asarray(batch))[0]
    order = np.argsort(code, kind="stable")
    seen: set[bytes] = set()
    keep, repeated = np.ones(len(code), bool), 0
    for rows in np.split(order, np.flatnonzero(np.diff(code[order])) + 1):
        mark = marks[rows].tobytes()
        if mark in seen:
            keep[rows], repeated = False, repeated + 1
        seen.add(mark)
    return keep, repeated


def _series(column: pa.Array | pa.ChunkedArray) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(pc.cast(column, pa.string())))
