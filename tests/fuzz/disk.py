"""Damage to the tree of files: links that lead nowhere, folders for files, names that few expect, what nobody may read."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .inputs import Input, Link, Pipe, Shut

_ODD = ("a\nb", "😀", "\udcff", "x" * 250, " ", ".", "..", "-rf", "a'b", "%s{}", "1", "step_99999999999999999999", "٣")


def misplaced(given: Input, rng: Random) -> Input:
    """The input after one accident to its files."""
    return rng.choice(_ACCIDENTS)(given, rng)


def _with(given: Input, name: str, entry: object) -> Input:
    return given._replace(tree={**given.tree, name: entry})


def _some(given: Input, rng: Random) -> str:
    return rng.choice(list(given.tree) or ["x"])


def _renamed(given: Input, rng: Random) -> Input:
    """One folder or file is called otherwise."""
    old = rng.choice(_some(given, rng).split("/"))
    stem, dot, end = old.rpartition(".")
    odd = rng.choice(_ODD)
    new = rng.choice((odd, f"{odd}{dot}{end}" if dot else odd, old.replace("0", odd), old.upper(), f"{stem}{dot}"))
    tree = {
        "/".join(new if part == old else part for part in name.split("/")): entry for name, entry in given.tree.items()
    }
    path = "/".join(new if part == old else part for part in given.path.split("/"))
    return given._replace(tree=tree, path=path if rng.random() < 0.8 else given.path)


def _replaced(given: Input, rng: Random) -> Input:
    """A file is something else."""
    name = _some(given, rng)
    content = given.tree.get(name)
    links = (Link(name.rpartition("/")[2]), Link("/nowhere/at/all"), Link("."), Link(".."), Link("/dev/null"))
    shut = Shut(content if isinstance(content, bytes) else b"")
    return _with(given, name, rng.choice((None, Pipe(), shut, *links)))


def _added(given: Input, rng: Random) -> Input:
    """Beside a file stands something else, which looks like it or like a folder of logs."""
    name = _some(given, rng)
    home, _, last = name.rpartition("/")
    beside = rng.choice(
        (last.replace("0", "7"), f"7{last}", f"{last}.tmp", "loop", "step_3", "v9-x", "exp_009", "checkpoint-9")
    )
    place = f"{home}/{beside}" if home else beside
    links = (Link("."), Link(".."), Link(beside), Link(last), Link("/nowhere"))
    return _with(given, place, rng.choice((None, Pipe(), Shut(b"{}"), b"", b"\x80\x04x", *links)))


def _moved(given: Input, rng: Random) -> Input:
    """A file stands in another folder."""
    name = _some(given, rng)
    tree = {key: entry for key, entry in given.tree.items() if key != name}
    home = rng.choice(("", "deep/" * 9, "completions/", "rollouts/step_1/", "train/"))
    return given._replace(tree={**tree, home + name.rpartition("/")[2]: given.tree.get(name)})


def _lost(given: Input, rng: Random) -> Input:
    name = _some(given, rng)
    return given._replace(tree={key: entry for key, entry in given.tree.items() if key != name})


def _asked(given: Input, rng: Random) -> Input:
    """Another path is named."""
    name = _some(given, rng)
    inside = name.rpartition("/")[0]
    odd = ("", "nowhere", "nowhere/1.jsonl", "x" * 5000, "a\0b", "\ud800", "\udcff", "..", "/dev/null", "loop/loop")
    path = rng.choice(
        (name, inside, inside.rpartition("/")[0], f"{name}/x", f"{given.path}/", f"{inside}/../{given.path}", *odd)
    )
    return given._replace(path=path, tree={**given.tree, "loop": Link("loop")})


_ACCIDENTS: tuple[Callable[[Input, Random], Input], ...] = (
    _renamed,
    _replaced,
    _replaced,
    _added,
    _moved,
    _lost,
    _asked,
)
