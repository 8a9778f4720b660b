"""`siwork demo` in a fresh folder: whole time, time to the first round's figures, memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def _resident(pid: int) -> float:
    """Resident memory of a process and all that descend from its session's runs, MB."""
    total = 0.0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
            if int(entry.name) == pid or b"siwork.launcher" in words:
                total += int((entry / "statm").read_text().split()[1]) * 4096 / 1e6
        except (OSError, ValueError):
            continue
    return total


def bench() -> list[str]:
    """Lines of the table."""
    peak, done = 0.0, threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        demo = subprocess.Popen([sys.executable, "-m", "siwork", "demo"], cwd=folder, stdout=subprocess.PIPE, text=True)

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.1):
                peak = max(peak, _resident(demo.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        first, rate = 0.0, ""
        for line in demo.stdout or ():
            rate = line.strip() if "GFLOP" in line else rate
            if not first and "round 0" in line:
                first = time.perf_counter() - began
        demo.wait()
        whole = time.perf_counter() - began
        done.set()
        watcher.join()
    return [
        rate,
        f"siwork demo                                        {whole:.1f} s   (target < 60 s)",
        f"  first round's figures after                      {first:.1f} s   (target < 15 s)",
        f"  peak memory of all its processes together        {peak:.0f} MB   (target < 1 500 MB)",
    ]
