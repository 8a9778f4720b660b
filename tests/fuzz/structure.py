"""Damage to what bytes mean: JSON lines, JSON documents, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

_RAW = {  # what no Python object is written as
    "\x01deep": "[" * 100_000,
    "\x01nested": "[" * 400 + "]" * 400,
    "\x01objects": '{"a":' * 400 + "1" + "}" * 400,
    "\x01digits": "1" + "0" * 5000,
    "\x01large": "1e999",
    "\x01half": '"\\ud800"',
}
_TEXTS = (
    "",
    " ",
    "1",
    "-1",
    "1e3",
    "true",
    "nan",
    "\ud800",
    "a\0b",
    "user",
    "stop",
    "٣",
    "😀",
    "\u2028",
    "<b>&",
    "x" * 100_000,
)
_NUMBERS = (
    0,
    1,
    -1,
    2,
    -7,
    0.5,
    1e308,
    -1e308,
    5e-324,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    10**30,
    10**400,
)
_OTHERS = (None, True, False, float("nan"), float("inf"), -float("inf"), [], {}, [[]], [None], {"": None}, [{}], *_RAW)


def lines(data: bytes, rng: Random) -> bytes:
    """A file of JSON lines with one value of one line changed, or its lines moved."""
    found = data.splitlines(keepends=True)
    if not found:
        return data
    at, how = rng.randrange(len(found)), rng.random()
    if how < 0.06:
        rng.shuffle(found)
    elif how < 0.12:
        found.insert(at, rng.choice(found))
    elif how < 0.17:
        found[at] = found[at].rstrip(b"\n") + found[at - 1]
    elif how < 0.2:
        found = [document(each, rng) + b"\n" for each in found]
    elif how < 0.35:
        found = _everywhere(found, rng)
    else:
        found[at] = document(found[at], rng) + b"\n"
    return b"".join(found)


def _everywhere(found: list[bytes], rng: Random) -> list[bytes]:
    """One field of all lines lost, or one odd value in all of them."""
    try:
        rows = [json.loads(each) for each in found]
        name = rng.choice(list(rows[0]))
        odd, drop = _odd(rng), rng.random() < 0.3
        for row in rows:
            row.pop(name) if drop else row.update({name: odd})
    except (ValueError, AttributeError, IndexError, KeyError, TypeError, RecursionError):
        return found
    return [_written(row) + b"\n" for row in rows]


def document(data: bytes, rng: Random) -> bytes:
    """JSON with one value changed; what is no JSON stays as it is."""
    try:
        found = json.loads(data)
        return _written(changed(found, rng))
    except (ValueError, RecursionError, OverflowError):
        return data


def changed(value: Any, rng: Random) -> Any:
    """A value with one of its parts, at any depth, changed."""
    spots = list(_spots(value))
    if not spots:
        return _odd(rng)
    home, name = rng.choice(spots)
    rng.choice(_CHANGES)(home, name, rng)
    return value


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value: what holds it, and its name or number there."""
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, name
        yield from _spots(value[name])


def _odd(rng: Random) -> Any:
    return rng.choice(rng.choice((_TEXTS, _NUMBERS, _NUMBERS, _OTHERS, _OTHERS)))


def _replaced(home: Any, name: Any, rng: Random) -> None:
    home[name] = _odd(rng)


def _gone(home: Any, name: Any, rng: Random) -> None:
    del home[name]


def _wrapped(home: Any, name: Any, rng: Random) -> None:
    home[name] = rng.choice((lambda one: [one], lambda one: {"a": one}, lambda one: [one, one], lambda one: [[one]]))(
        home[name]
    )


def _unwrapped(home: Any, name: Any, rng: Random) -> None:
    inner = home[name]
    parts = list(inner.values()) if isinstance(inner, dict) else inner if isinstance(inner, list) else [inner]
    home[name] = parts[0] if parts else None


def _retyped(home: Any, name: Any, rng: Random) -> None:
    one = home[name]
    if isinstance(one, str):
        home[name] = rng.choice((len(one), one.encode("utf-8", "replace").hex(), list(one[:50]), one * 3, one[:1]))
    else:
        home[name] = rng.choice((str(one), repr(one), bool(one)))


def _scaled(home: Any, name: Any, rng: Random) -> None:
    one = home[name]
    number = one if isinstance(one, (int, float)) else 1
    home[name] = rng.choice((-number, number * 10**15, number + 0.5, 10**19, -number - 1))


def _renamed(home: Any, name: Any, rng: Random) -> None:
    if isinstance(home, dict):
        new = rng.choice(
            (name + "x", name.upper(), "", "\ud800", "reward", "score", "step", "round", "acc", "log_x", "a/b")
        )
        home[new] = home.pop(name)
    else:
        home.insert(name, _odd(rng))


def _repeated(home: Any, name: Any, rng: Random) -> None:
    if isinstance(home, dict):
        home[f"{name}\x02"] = _odd(rng)  # written as the same name again
    else:
        home.append(home[name])


def _grown(home: Any, name: Any, rng: Random) -> None:
    if isinstance(home, dict):
        home.update({f"new_{i}": _odd(rng) for i in range(rng.choice((1, 3, 30)))})
    else:
        home.extend([home[name]] * rng.choice((1, 100)))


def _traded(home: Any, name: Any, rng: Random) -> None:
    other = rng.choice(list(home) if isinstance(home, dict) else range(len(home)))
    home[name], home[other] = home[other], home[name]


_CHANGES: tuple[Callable[[Any, Any, Random], None], ...] = (
    _replaced, _replaced, _replaced, _replaced, _gone, _gone, _wrapped, _unwrapped, _retyped, _scaled, _renamed, _repeated,
    _grown, _traded,
)  # fmt: skip


def _written(value: Any) -> bytes:
    text = json.dumps(value).replace("\\u0002", "")
    for mark, raw in _RAW.items():
        text = text.replace(json.dumps(mark), raw)
    return text.encode()


def cells(data: bytes, rng: Random) -> bytes:
    """A CSV file with one cell, row or column changed."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8", "replace"))))
    except csv.Error:
        return data
    if not rows or not rows[0]:
        return data
    at, column, how = rng.randrange(len(rows)), rng.randrange(len(rows[0])), rng.random()
    if how < 0.5:
        rows[at] = [str(_odd(rng)) if i == column else each for i, each in enumerate(rows[at])]
    elif how < 0.6:
        rows[at] = rows[at] + ["more"]
    elif how < 0.7:
        rows[at] = rows[at][:column]
    elif how < 0.8:
        rows = [row[:column] + row[column + 1 :] for row in rows]
    else:
        rows.insert(at, rows[0])
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")
