"""The command line in a process of its own."""

import subprocess
import sys


def siwork(folder, *words, timeout=200, **more):
    """What `siwork` with these words did in a folder: its code, output and errors."""
    command = [sys.executable, "-m", "siwork", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, **more)
