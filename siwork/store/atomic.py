"""Writing that is all there or not there at all.

Whatever is made in a run folder is made under a temporary name `.NAME.TOKEN.tmp` next to its place, flushed to the
disk and renamed. A leftover of a killed process is therefore known by its name; the next writer removes it.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from siwork.schema import RunError


def atomic_write(path: str | Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a file in one instant: a reader sees the old bytes or the new ones, never a part.

    Steps: 1 write a temporary file in the same folder; 2 flush it (fsync); 3 rename it over `path`; 4 flush the folder,
    so that the new name outlives a power cut.

    Accepted: a kill between 1 and 3 leaves the temporary file; of two writers at once the later one wins;
    permissions come from the umask, not from the file replaced; a symbolic link is replaced, not followed; on macOS
    fsync leaves the drive's own cache alone.

    Parameters
    ----------
    path : the file; its folder exists
    data : the whole content
    durable : False leaves out 2 and 4, for files that are worthless after a power cut

    Raises OSError when the system refuses; the old file is then untouched.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     atomic_write(f"{folder}/note", b"new")
    ...     Path(folder, "note").read_bytes()
    b'new'
    """
    path = Path(path)
    draft = temporary(path)
    try:
        with open(draft, "xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(draft, path)
        if durable:
            flush(path.parent)
    except BaseException:
        discard(draft)
        raise


def temporary(path: Path) -> Path:
    """A free temporary name next to `path`."""
    return path.with_name(f".{path.name}.{token_hex(4)}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file name is one that `temporary` gives."""
    return name.startswith(".") and name.endswith(".tmp")


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Flush every file and folder below `folder`, then itself. Raises OSError, RunError for a symbolic link."""
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            if os.path.islink(os.path.join(place, name)):
                raise RunError(f"{name} in {place} is a symbolic link; a run keeps only files of its own: write a copy")
        for name in files:
            flush(Path(place, name))
        flush(Path(place))


def discard(path: Path) -> None:
    """Remove a file or a folder as far as the system lets us; never follows a symbolic link, never raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()


def sweep(folder: Path) -> list[str]:
    """Remove the temporary files and folders directly in `folder`; their names."""
    names = sorted(name for name in os.listdir(folder) if is_temporary(name))
    for name in names:
        discard(folder / name)
    return names


@contextmanager
def writing(what: str, folder: Path, remedy: str | None = None) -> Iterator[None]:
    """Turn a refusal of the system inside the block into a RunError that says how to go on.

    Parameters
    ----------
    what : what is being written, as the message names it
    folder : the run folder
    remedy : the next step; None proposes to resume the run

    Raises RunError in place of the block's OSError.
    """
    try:
        yield
    except OSError as error:
        after = f"the rounds finished so far are kept: remove the cause, then: siwork resume {quoted(folder)}"
        raise RunError(f"could not write {what} in {folder} ({reason(error)}); {remedy or after}") from error


def reason(error: BaseException) -> str:
    """The system's reason in one line."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])  # copytree collects (source, target, reason)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return (str(error).splitlines() or [type(error).__name__])[0]


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))
