"""Pickled files, as `torch.save` and others write them: opening one runs whatever it says, so none is ever opened."""

from __future__ import annotations

import os
from pathlib import Path

from siwork.schema import ImportFormatError

_ENDS = (".pt", ".pth", ".pkl", ".ckpt", ".joblib")
_INSIDE = ("rollout_data", "dumped_data")  # where slime and SkyRL keep theirs
_INSTEAD = (
    "opening one can run any code, so siwork never does; write JSON lines instead: with the framework's own option where it "
    "has one, else in a place that you trust: for sample in samples: file.write(json.dumps(sample) + '\\n')"
)


def refuse_pickle(path: Path) -> None:
    """Nothing, unless the path is a pickled file, or a folder that holds some.

    Ask it of a file before reading, and of a folder only when nothing else was found in it: checkpoints lie beside many logs.

    Raises
    ------
    ImportFormatError when there is one, with what to do instead.

    >>> refuse_pickle(Path("rollout_data/0.pt"))
    Traceback (most recent call last):
    siwork.schema.errors.ImportFormatError: rollout_data/0.pt is a pickled file: opening one can run any code, ...
    """
    if path.is_dir():
        for folder in (path, *(path / name for name in _INSIDE)):
            if found := pickled_in(folder):
                raise ImportFormatError(
                    f"{folder} holds nothing but pickled files to read, {found[0].name} for one: {_INSTEAD}"
                )
    elif path.suffix.lower() in _ENDS or _looks(path):
        raise ImportFormatError(f"{path} is a pickled file: {_INSTEAD}")


def pickled_in(folder: Path) -> list[Path]:
    """The files of one folder that are pickled, by their names; none where there is no such folder."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(_ENDS))
    except OSError:
        return []
    return [folder / name for name in names]


def _looks(path: Path) -> bool:
    """Whether a file begins like one: protocol 2 to 5, bare or in the archive that Torch writes."""
    try:
        with path.open("rb") as file:
            head = file.read(200)
    except OSError:
        return False
    return (head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")) or (
        head.startswith(b"PK\x03\x04") and b"data.pkl" in head
    )
