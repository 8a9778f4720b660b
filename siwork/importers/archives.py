"""Archives that others packed: how large and how deep they really become is measured before anyone unpacks them."""

from __future__ import annotations

import importlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from siwork.importers.depths import Depth
from siwork.schema import ImportFormatError

MOST = 1 << 31  # bytes of all members together
_RATIO, _FREE = 200, 1 << 23  # how much smaller packing may make a member, and the size up to which nobody asks
_STORED, _DEFLATED, _ZSTD = 0, 8, 93
_CHUNK = 1 << 16


def see_members(path: Path, most: int = MOST) -> None:
    """Look at an archive's members, what it says of them and what they become; all of them are JSON.

    Raises
    ------
    ImportFormatError when they are larger than they say, too large or packed too tightly; TooDeep when one is nested too
    deeply; zipfile.BadZipFile when it is none.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > most:
            raise ImportFormatError(
                f"{path} unpacks to {total:,} bytes, more than {most:,}; split it, or free it of events"
            )
        for member in members:
            if member.file_size > max(_FREE, _RATIO * member.compress_size):
                raise ImportFormatError(
                    f"{path}: {member.filename[:80]!r} unpacks to {member.file_size:,} bytes of almost nothing"
                )
            depth = Depth()
            if member.compress_size > path.stat().st_size or not _honest(file, member, depth):
                raise ImportFormatError(f"{path}: {member.filename[:80]!r} is not of the size that the archive says")
            depth.see(repr(member.filename[:60]))


def see_depth(path: Path) -> None:
    """Look at a file of JSON. Raises TooDeep."""
    depth = Depth()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            depth.add(piece)
    depth.see("it")


def _honest(file: IO[bytes], member: zipfile.ZipInfo, depth: Depth) -> bool:
    """Whether a member becomes exactly as large as the archive says; nothing beyond that is unpacked."""
    file.seek(member.header_offset)
    head = file.read(30)
    if len(head) < 30:
        return False
    file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
    size = 0
    for piece in _pieces(file, member):
        size += len(piece)
        if size > member.file_size:
            return False
        depth.add(piece)
    return size == member.file_size


def _pieces(file: IO[bytes], member: zipfile.ZipInfo) -> Iterator[bytes]:
    """What a member unpacks to, in pieces of at most a chunk."""
    if member.compress_type == _STORED:
        yield from _read(_Part(file, member.compress_size))
    elif member.compress_type == _DEFLATED:
        yield from _deflated(file, member.compress_size)
    elif member.compress_type == _ZSTD:
        yield from _zstd(file, member.compress_size)
    else:
        raise zipfile.BadZipFile(f"packed by method {member.compress_type}")


def _read(stream: Any) -> Iterator[bytes]:
    while data := stream.read(_CHUNK):
        yield data


def _deflated(file: IO[bytes], left: int) -> Iterator[bytes]:
    unpack = zlib.decompressobj(-15)
    try:
        while left > 0 and (data := file.read(min(_CHUNK, left))):
            left -= len(data)
            while data and not unpack.eof:
                yield unpack.decompress(data, _CHUNK)
                data = unpack.unconsumed_tail
        yield unpack.flush()
    except zlib.error as error:
        raise zipfile.BadZipFile(str(error)) from None


def _zstd(file: IO[bytes], left: int) -> Iterator[bytes]:
    zstandard: Any = importlib.import_module("zstandard")  # comes with inspect_ai
    try:
        with zstandard.ZstdDecompressor().stream_reader(_Part(file, left), read_across_frames=True) as stream:
            yield from _read(stream)
    except zstandard.ZstdError as error:
        raise zipfile.BadZipFile(str(error)) from None


class _Part:
    """So many bytes of a file, from where it is."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file, self._left = file, left

    def read(self, size: int = -1) -> bytes:
        """At most so many of the bytes that are left."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data
