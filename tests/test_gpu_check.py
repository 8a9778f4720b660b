"""`make gpu-check` says what it can where there is no GPU; its comparison itself runs on the CPU here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent


SMALL = "import sys; from tests.gpu import check; check.PROMPTS, check.SAMPLES, check.STEPS, check.ROWS = 4, 4, 3, 4; "


def checked(code):
    env = os.environ | {"OMP_NUM_THREADS": "1"}  # so small a model gains nothing from more
    return subprocess.run([sys.executable, *code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=200)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here: make gpu-check runs it")
def test_without_a_gpu_it_says_so_in_one_sentence():
    told = checked(["-m", "tests.gpu"])
    assert told.returncode == 0, told.stderr
    assert told.stdout == (
        "torch sees no GPU, so the GPU path of hf was not run; a CUDA build of torch on a machine with one runs it\n"
    )


def test_its_comparison_holds_the_cpu_against_itself():
    told = checked(["-c", f"{SMALL} sys.exit(check.main('cpu'))"])
    assert told.returncode == 0, told.stdout + told.stderr
    rows = [line.split() for line in told.stdout.splitlines() if re.match(r"(all|LoRA 8) ", line)]
    assert [re.search(r"b?float\d\d", " ".join(row))[0] for row in rows] == ["float32", "bfloat16"] * 2
    for row in rows:
        scored, trained = float(row[-2]), float(row[-1])
        assert (scored == trained == 0) == ("float32" in row)


def test_a_distance_beyond_the_limit_is_exit_status_1():
    code = f"{SMALL} check.LIMITS['bfloat16'] = 1e-9; sys.exit(check.main('cpu'))"
    told = checked(["-c", code])
    assert told.returncode == 1, told.stderr
    assert told.stdout.count("beyond 1e-09") == 2
