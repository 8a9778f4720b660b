"""Damage to zip archives: members that are missing, doubled, oddly named, of another size, locked, or bombs."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from random import Random

from .structure import document

Members = list[tuple[str, bytes]]
_NAMES = (
    "../x",
    "/etc/x",
    "samples/../../x",
    "C:\\x",
    "a" * 300,
    "\u202ex",
    "samples/",
    "",
    "header.json",
    "summaries.json",
)
_CENTRAL = b"PK\x01\x02"  # begins an entry of the list of members
_FLAGS, _METHOD, _PACKED, _UNPACKED, _OFFSET = (8, "<H"), (10, "<H"), (20, "<I"), (24, "<I"), (42, "<I")


def archive(data: bytes, rng: Random) -> bytes:
    """An archive with its members or its list of them changed; what is none stays as it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            members = [(info.filename, packed.read(info)) for info in packed.infolist()]
    except Exception:  # each way of unpacking raises errors of its own
        return data
    if rng.random() < 0.3:
        return _relisted(data, rng)
    members = rng.choice(_CHANGES)(members, rng) if members else members
    return packed_of(
        members, rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2))
    )


def packed_of(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these members; names may come twice."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as packed:
        warnings.simplefilter("ignore")  # of a name that comes twice
        for name, content in members:
            packed.writestr(name or "x", content)
    return out.getvalue()


def _relisted(data: bytes, rng: Random) -> bytes:
    """With one entry of the list of members saying something else."""
    places = [at for at in range(len(data) - 46) if data.startswith(_CENTRAL, at)]
    if not places:
        return data
    at = rng.choice(places)
    (offset, form), found = rng.choice((_FLAGS, _METHOD, _PACKED, _UNPACKED, _OFFSET)), bytearray(data)
    odd = rng.choice((0, 1, 8, 9, 12, 93, 99, 2**16 - 1, 2**31, 2**32 - 1))
    struct.pack_into(form, found, at + offset, odd % 2 ** (8 * struct.calcsize(form)))
    return bytes(found)


def _without(members: Members, rng: Random) -> Members:
    at = rng.randrange(len(members))
    return members[:at] + members[at + 1 :]


def _doubled(members: Members, rng: Random) -> Members:
    name, content = rng.choice(members)
    return [*members, (name, document(content, rng))]


def _named(members: Members, rng: Random) -> Members:
    at = rng.randrange(len(members))
    return [(rng.choice(_NAMES) if i == at else name, content) for i, (name, content) in enumerate(members)]


def _bent(members: Members, rng: Random) -> Members:
    at = rng.randrange(len(members))
    return [(name, document(content, rng) if i == at else content) for i, (name, content) in enumerate(members)]


def _torn(members: Members, rng: Random) -> Members:
    at = rng.randrange(len(members))
    return [(name, content[: len(content) // 2] if i == at else content) for i, (name, content) in enumerate(members)]


def _swollen(members: Members, rng: Random) -> Members:
    """With a member of nothing but spaces, which packs a thousandfold."""
    return [*members, ("samples/bomb_epoch_1.json", b" " * rng.choice((1 << 20, 1 << 24, 1 << 27)))]


_CHANGES: tuple[Callable[[Members, Random], Members], ...] = (
    _without, _without, _doubled, _named, _bent, _bent, _bent, _bent, _bent, _bent, _torn, _swollen,
)  # fmt: skip
