"""Damaged inputs, each from its number alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from . import columns, packed, structure
from .disk import misplaced
from .inputs import Input
from .raw import damaged

_MEANINGS: dict[str, Callable[[bytes, Random], bytes]] = {  # what understands a file, by the end of its name
    "jsonl": structure.lines,
    "json": structure.document,
    "csv": structure.cells,
    "tsv": structure.cells,
    "parquet": columns.parquet,
    "arrow": columns.arrow,
    "eval": packed.archive,
}


def made(seeds: Sequence[Input], name: str) -> Input:
    """One of the inputs after one to three accidents; equal names give equal inputs.

    name : seed, reader and number, for example "0/trl/17"
    """
    rng = Random(name)
    given = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        level = rng.random()
        given = misplaced(given, rng) if level < 0.12 else _within(given, rng, level < 0.4)
    return given


def _within(given: Input, rng: Random, bare: bool) -> Input:
    """With one file changed, as bytes or as what they mean."""
    files = {name: entry for name, entry in given.tree.items() if isinstance(entry, bytes)}
    if not files:
        return given
    name = rng.choice(list(files))
    means = _MEANINGS.get(name.rpartition(".")[2])
    changed = (
        damaged(files[name], rng, rng.choice(list(files.values()))) if bare or not means else means(files[name], rng)
    )
    return given._replace(tree={**given.tree, name: changed})
