"""The kit's scripts, each with a model and a page made for the test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node (20 or later): apt-get install nodejs")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_scripts_do_what_they_say(file):
    found = subprocess.run(["node", "--test", str(file)], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr
