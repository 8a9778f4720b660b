"""Work on several cores: Python threads, each with one torch thread.

Small matrices gain little from torch's own threads, which also wait for each other after every operation, and lose
much when the machine is busy. A piece of work that has one torch thread gives the same bits however many run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

import torch

from siwork.schema import KnobError

_Result = TypeVar("_Result")
_chosen: int | None = None


def use_threads(n: int | None) -> None:
    """How many threads sampling, scoring and training use; None is as many as torch would.

    Results do not depend on it. Raises KnobError when n < 1.

    >>> use_threads(2)
    >>> threads()
    2
    >>> use_threads(None)
    """
    global _chosen
    if n is not None and n < 1:
        raise KnobError(f"threads must be at least 1, got {n}; nearest: 1")
    _chosen = n


def threads() -> int:
    """How many threads are used."""
    return _chosen or torch.get_num_threads()


class Workers:
    """A pool of threads for the length of a `with` block, where the caller too has one torch thread."""

    def __enter__(self) -> Workers:
        self._before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(threads(), "siwork", torch.set_num_threads, (1,))
        torch.set_num_threads(1)
        return self

    def map(self, work: Callable[..., _Result], *items: Iterable[Any]) -> Iterator[_Result]:
        """The results of `work` in the order of the items."""
        return self._pool.map(work, *items)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._before)
