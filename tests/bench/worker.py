"""Does jobs when asked and says how long they took: `python -P worker.py jobs.py`. Imports nothing but what the jobs do.

Each line of the input asks for one job: its name, the file of its inputs (.npz or .json), on what part of them (null:
all) and how many calls to average over. `JOBS` of the jobs file holds, by name, a function (inputs, part) → job; what it
does, imports above all, is not timed, and each job is made once.
"""

import json
import os
import runpy
import sys
import time


def read(path):
    """The inputs in a file, by name."""
    if path.endswith(".json"):
        with open(path) as file:
            return json.load(file)
    import numpy as np

    with np.load(path) as arrays:
        return dict(arrays)


def main():
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print must not stand among the answers
    makers = runpy.run_path(sys.argv[1])["JOBS"]
    inputs, jobs = {}, {}
    for line in sys.stdin:
        asked = json.loads(line)
        path, key = asked["inputs"], (asked["job"], asked["inputs"], asked["part"])
        if path not in inputs:
            inputs = {path: read(path)}
            jobs = {}
        if key not in jobs:
            jobs[key] = makers[asked["job"]](inputs[path], asked["part"])
        job = jobs[key]
        began = time.process_time()
        for _ in range(asked["calls"]):
            value = job()
        seconds = (time.process_time() - began) / asked["calls"]
        print(
            json.dumps({"seconds": seconds, "value": None if value is None else float(value)}), file=answers, flush=True
        )


if __name__ == "__main__":
    main()
