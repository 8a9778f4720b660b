"""An input of the fuzz run: a small tree of files, what is named of it, and what is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple


class Link(NamedTuple):
    """A symbolic link."""

    target: str


class Pipe(NamedTuple):
    """A FIFO, at which a reader that opens it would wait for ever."""


class Shut(NamedTuple):
    """A file that its reader may not open."""

    content: bytes


class Place(NamedTuple):
    """A path below the input's folder, as a value of what is asked for."""

    path: str


Entry = bytes | Link | Pipe | Shut | None  # None: a folder
Tree = dict[str, Entry]


class Input(NamedTuple):
    """What a reader is given.

    tree : entries by their path below a folder
    path : what is handed to the reader, below that folder
    asked : what else it is asked for
    """

    tree: Tree
    path: str
    asked: dict[str, Any]


def laid(tree: Tree, home: Path) -> None:
    """Write a tree into a folder; an entry that the disk refuses, or one outside of the folder, is left out."""
    for name, entry in tree.items():
        place = home / name
        if ".." in place.parts or not place.is_relative_to(home):
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _laid(entry, place)
        except (OSError, ValueError):  # a name that no file can have, a file where a folder would be
            continue


def _laid(entry: Entry, place: Path) -> None:
    if entry is None:
        place.mkdir(exist_ok=True)
    elif isinstance(entry, Link):
        place.symlink_to(entry.target)
    elif isinstance(entry, Pipe):
        os.mkfifo(place)
    elif isinstance(entry, Shut):
        place.write_bytes(entry.content)
        place.chmod(0)
    else:
        place.write_bytes(entry)


def called(given: Input, home: Path) -> tuple[Path, dict[str, Any]]:
    """The path and the named arguments of the reader's call."""
    asked = {name: home / value.path if isinstance(value, Place) else value for name, value in given.asked.items()}
    return home / given.path, asked
