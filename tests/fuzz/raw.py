"""Damage to bytes, whatever they mean."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

_ODD = (
    b"\0",
    b"\n",
    b"\r\n",
    b'"',
    b"{",
    b"}",
    b"[",
    b"\\",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"NaN",
    b",",
)


def damaged(data: bytes, rng: Random, other: bytes) -> bytes:
    """The bytes after one accident.

    other : content of another file, for splices
    """
    return rng.choice(_ACCIDENTS)(data, rng, other)


def _cut(data: bytes, rng: Random, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _beheaded(data: bytes, rng: Random, other: bytes) -> bytes:
    return data[rng.randrange(len(data) + 1) :]


def _flipped(data: bytes, rng: Random, other: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 40)) if found else 0):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _overwritten(data: bytes, rng: Random, other: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    noise = rng.randbytes(rng.choice((1, 2, 4, 8, 64)))
    return data[:at] + noise + data[at + len(noise) :]


def _inserted(data: bytes, rng: Random, other: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(_ODD) * rng.choice((1, 1, 1, 3000)) + data[at:]


def _lost(data: bytes, rng: Random, other: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 2, 8, 100)) :]


def _spliced(data: bytes, rng: Random, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _swapped(data: bytes, rng: Random, other: bytes) -> bytes:
    return other


def _twice(data: bytes, rng: Random, other: bytes) -> bytes:
    return data + data


def _recoded(data: bytes, rng: Random, other: bytes) -> bytes:
    if rng.random() < 0.25:
        return b"\xef\xbb\xbf" + data
    return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-16-be", "utf-32", "latin-1")), "replace")


def _ended(data: bytes, rng: Random, other: bytes) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\0", b"\x0b")))


def _emptied(data: bytes, rng: Random, other: bytes) -> bytes:
    return rng.choice(
        (b"", b"", b"\n", b"\0" * 4096, b"\xef\xbb\xbf", b"[]", b"{}", b"null", b"PAR1", b"ARROW1", b"PK")
    )


_ACCIDENTS: tuple[Callable[[bytes, Random, bytes], bytes], ...] = (
    _cut,
    _cut,
    _beheaded,
    _flipped,
    _flipped,
    _overwritten,
    _inserted,
    _inserted,
    _lost,
    _spliced,
    _swapped,
    _twice,
    _recoded,
    _ended,
    _emptied,
)
