"""Logs that ship: real runs of other trainers, small enough to be read in a second."""

from __future__ import annotations

from pathlib import Path

from siwork.schema import KnobError, RunError, nearest, shipped


def example(name: str) -> Path:
    """Folder of a log that ships, to try a reader on.

    Parameters
    ----------
    name : the trainer, which gives a folder with a folder a seed, or trainer/seed, as "trl/seed0"

    Raises
    ------
    KnobError when there is no such log; RunError when the installation lacks them.

    >>> example("trl/seed0").name
    'seed0'
    """
    home = shipped("logs")
    if home is None:
        raise RunError("the example logs are missing from this installation; install siwork again")
    kinds = [place for place in sorted(home.iterdir()) if place.is_dir()]
    seeds = [seed for kind in kinds for seed in sorted(kind.iterdir()) if seed.is_dir()]
    known = {place.relative_to(home).as_posix(): place for place in (*kinds, *seeds)}
    if name not in known:
        raise KnobError(f"no log ships as {name!r}; {nearest(name, known)}")
    return known[name]
