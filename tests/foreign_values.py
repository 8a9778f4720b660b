"""Foreign lines of all kinds, for properties of the readers: records with fields that are gone or of another kind."""

from __future__ import annotations

import json

from hypothesis import strategies as st

_TEXT = st.text(st.characters(exclude_categories=()), max_size=6)  # with halves of surrogate pairs
_SCALAR = st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), _TEXT)
_VALUE = st.recursive(
    _SCALAR,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=6,
)


def anything(record):
    """A record with some of its fields, at any depth, replaced by any JSON value or gone, and fields of its own."""
    return st.one_of(_changed(record), _VALUE)


def _changed(value):
    if isinstance(value, dict) and value:
        kept = st.fixed_dictionaries({}, optional={name: _changed(each) for name, each in value.items()})
        return st.one_of(kept, kept.flatmap(lambda one: _VALUE.map(lambda more: {**one, "more": more})), _VALUE)
    if isinstance(value, list) and value:
        return st.one_of(st.tuples(*map(_changed, value)).map(list), st.lists(_changed(value[0]), max_size=2), _VALUE)
    return st.one_of(st.just(value), st.just(value), st.just(value), _VALUE)


def written(lines):
    """Lines as bytes of a file: records as JSON with NaN and Infinity as Python writes them, bytes as they are."""
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)
