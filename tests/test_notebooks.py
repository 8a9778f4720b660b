"""Every notebook runs from top to bottom in a real kernel, with warnings as its users get them, and leads to the next."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SHOWN = {"application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json"}  # a figure or a panel


def prose(path):
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert any(SHOWN & set(o.get("data", {})) for o in outputs)
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_its_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)]+)\)", prose(path))
    assert links
    assert [link for link in links if not (FOLDER / link).is_file()] == []


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if re.match("0[1-8]", p.stem)], ids=lambda p: p.stem)
def test_a_lesson_asks_before_it_tells(path):
    text = prose(path)
    assert text.startswith("# ")
    assert re.search(r"^\*.+\?\*$", text, re.M)  # one question, under the title
    assert "Before you run the next cell" in text.replace("\n", " ")
    assert "## What to try next" in text


def test_the_start_page_names_every_notebook():
    assert {f"{p.stem}.ipynb" for p in NOTEBOOKS} - {"start.ipynb"} == set(
        re.findall(r"\((\d\d_\w+\.ipynb)\)", prose(FOLDER / "start.ipynb"))
    )
