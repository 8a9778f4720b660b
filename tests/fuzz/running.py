"""All inputs of one reader in a process of its own, which may die or hang without taking the run with it."""

from __future__ import annotations

import gc
import multiprocessing
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from .faults import Mark, kept, mark_of, smaller
from .judging import PATIENCE, judged
from .making import made
from .seeds import seeds_of

MEMORY = 6 << 30  # bytes of address space that a reader's process may take
THOROUGH = 50  # one of so many inputs is also measured and watched


class Told(NamedTuple):
    """What is known of a reader."""

    kinds: Counter[str]
    slowest: tuple[float, str]  # seconds, and the name of the input
    seconds: float
    peak: float  # MB
    faults: dict[Mark, tuple[int, str]]  # how often, and where the first one lies


def fuzzed(reader: str, inputs: int, seed: str) -> Told:
    """All inputs of a reader; where its process dies or hangs, a further one goes on behind that input."""
    spawn = multiprocessing.get_context("spawn")
    done, began = 0, time.perf_counter()
    told = Told(Counter(), (0.0, ""), 0.0, 0.0, {})
    while done < inputs:
        place, queue = spawn.Value("q", done), spawn.Queue()
        child = spawn.Process(target=_child, args=(reader, done, inputs, seed, place, queue))
        child.start()
        found = _awaited(child, place, queue)
        if found is None and child.exitcode == 1:
            raise SystemExit(f"the run itself fails for {reader}, see above")
        if found is None:
            number = place.value
            told.kinds["fault"] += 1
            told.faults["dead or hanging", str(number)] = (1, f"{seed}/{reader}/{number}")
            done = number + 1
        else:
            told = _joined(told, found)
            done = inputs
    return told._replace(seconds=time.perf_counter() - began)


def _awaited(child: Any, place: Any, queue: Any) -> Told | None:
    """What a process tells; None when it dies, or stands still at one input."""
    last, since = place.value, time.monotonic()
    while True:
        if not queue.empty():
            found: Told = queue.get()
            child.join()
            return found
        if place.value != last:
            last, since = place.value, time.monotonic()
        if not child.is_alive() and queue.empty():
            return None
        if time.monotonic() - since > 5 * PATIENCE:
            child.kill()
            child.join()
            return None
        time.sleep(0.1)


def _joined(told: Told, found: Told) -> Told:
    slowest, peak = max(told.slowest, found.slowest), max(told.peak, found.peak)
    return Told(told.kinds + found.kinds, slowest, 0.0, peak, told.faults | found.faults)


def _child(reader: str, begin: int, end: int, seed: str, place: Any, queue: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    told = Told(Counter(), (0.0, ""), 0.0, 0.0, {})
    seeds = seeds_of(reader)
    for given in seeds:  # what is loaded late is loaded now
        if (whole := judged(reader, given, True)).kind not in ("whole", "skips"):
            raise SystemExit(f"{reader}: an undamaged log is not read: {whole.why}")
    gc.freeze()
    for number in range(begin, end):
        place.value, name = number, f"{seed}/{reader}/{number}"
        given = made(seeds, name)
        verdict = judged(reader, given, number % THOROUGH == 0)
        told.kinds[verdict.kind] += 1
        told = told._replace(slowest=max(told.slowest, (verdict.seconds, name)))
        if verdict.fault is not None:
            mark = mark_of(verdict.fault)
            times, where = told.faults.get(mark) or (
                0,
                str(kept(reader, name, smaller(reader, given, mark), verdict.fault)),
            )
            told.faults[mark] = times + 1, where
    queue.put(told._replace(peak=_peak()))


def _peak() -> float:
    """Greatest resident memory of this process, MB."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
