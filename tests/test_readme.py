"""The README is true: its table is the catalogue, its lines run, its commands exist."""

import re
import subprocess
import sys
from pathlib import Path

from siwork.claims import shipped_verdicts
from siwork.claims.words import markdown as claims_markdown
from siwork.cli.catalogue import markdown, metrics_markdown
from siwork.cli.main import _parser
from siwork.cli.rates import rates_markdown
from siwork.importers.formats import markdown as formats_markdown

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_table_of_recipes_is_the_catalogue():
    table = README.split("<!-- recipes -->", 1)[1].split("<!-- /recipes -->", 1)[0].strip()
    assert table == markdown()  # `siwork recipes --markdown` prints it anew


def test_the_table_of_claims_is_that_of_the_verdicts():
    table = README.split("<!-- claims -->", 1)[1].split("<!-- /claims -->", 1)[0].strip()
    assert table == claims_markdown(shipped_verdicts())  # `siwork claims --markdown` prints it anew


def test_the_table_of_metrics_is_the_catalogue():
    table = README.split("<!-- metrics -->", 1)[1].split("<!-- /metrics -->", 1)[0].strip()
    assert table == metrics_markdown()  # `siwork metrics --markdown` prints it anew


def test_the_table_of_rates_is_the_measured_one():
    table = README.split("<!-- rates -->", 1)[1].split("<!-- /rates -->", 1)[0].strip()
    assert table == rates_markdown()  # `siwork clinic --rates` prints it anew


def test_the_table_of_formats_is_that_of_the_readers():
    table = README.split("<!-- formats -->", 1)[1].split("<!-- /formats -->", 1)[0].strip()
    assert table == formats_markdown()


def test_its_ten_lines_run(tmp_path):
    code = re.search(r"## Ten lines\n\n```python\n(.*?)```", README, re.DOTALL).group(1)
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert told.returncode == 0, told.stderr
    assert "2 seeds" in told.stdout
    assert "plotly" in (tmp_path / "first.html").read_text()


def test_its_workbench_opens():
    code = re.search(r"## The workbench\n.*?```python\n(.*?)```", README, re.DOTALL).group(1)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert told.returncode == 0, told.stderr


def test_its_commands_are_those_there_are():
    named = set(re.findall(r"^    siwork (\w+)", README, re.MULTILINE))
    known = set(next(a for a in _parser()._actions if a.choices).choices)
    assert named <= known
    assert known - named <= {"tasks", "metrics"}  # written as `recipes | tasks | metrics`


def test_the_picture_is_there():
    for path in re.findall(r"!\[[^]]+\]\(([^)]+)\)", README):
        assert (Path(__file__).parent.parent / path).stat().st_size > 10_000
