"""The house stands as it is drawn: names, arrows, sizes, manners."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import siwork
import siwork_widgets

ROOT = Path(__file__).parent.parent
MODULES = sorted([*(ROOT / "siwork").rglob("*.py"), *(ROOT / "widgets").rglob("*.py")])
README = (ROOT / "README.md").read_text()


def test_every_public_name_loads_and_stands_in_the_readme():
    assert siwork.__all__ == sorted(siwork.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for name in siwork.__all__:
        assert getattr(siwork, name) is not None
    table = README.split("## Names", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"`(\w+)`", table)) >= set(siwork.__all__)


def test_every_panel_loads_and_stands_in_the_readme():
    assert siwork_widgets.__all__ == sorted(siwork_widgets.__all__)
    for name in siwork_widgets.__all__:
        assert getattr(siwork_widgets, name) is not None
    table = README.split("## Names", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"`(\w+)`", table)) >= set(siwork_widgets.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        siwork.nonsense  # noqa: B018


def test_import_is_light():
    code = "import sys, siwork; print([m for m in ('torch', 'plotly', 'pandas', 'transformers') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_looking_wing_needs_no_torch():
    code = "import sys, siwork; siwork.measure, siwork.fig_curves, siwork.Run, siwork.report; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


def test_import_contracts_are_kept():
    found = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_short_documented_and_safe(module):
    text = module.read_text()
    tree = ast.parse(text)
    assert text.count("\n") < 350
    assert ast.get_docstring(tree)
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__"}
    assert not re.search(r"\b(pickle|marshal|shelve|trust_remote_code=True)\b", text)
    if "cli" not in module.parts:
        assert "print" not in called


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_functions_are_documented_and_say_what_they_raise(module):
    for node in ast.parse(module.read_text()).body:
        public = [node] if isinstance(node, ast.FunctionDef) else []
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and "Protocol" not in ast.dump(node):
            public = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            assert ast.get_docstring(node), node.name
        for function in public:
            if function.name.startswith("_"):
                continue
            assert ast.get_docstring(function), f"{module}: {function.name}"
            if any(isinstance(n, ast.Raise) and n.exc is not None for n in ast.walk(function)):
                assert "aise" in (ast.get_docstring(function) or ""), f"{module}: {function.name}"
            assert function.end_lineno - function.lineno - (ast.get_docstring(function) or "").count("\n") <= 50


def test_shipped_files_are_small_and_have_an_origin():
    for file in (ROOT / "data").rglob("*"):
        if file.is_file() and file.name != "PROVENANCE.md" and file.suffix != ".pyc":
            assert file.stat().st_size < 2_000_000, file
            home = next(folder for folder in file.parents if (folder / "PROVENANCE.md").is_file())
            first, *deeper = file.relative_to(home).parts  # what lies in folders below is told by the folder
            assert (home / "PROVENANCE.md").read_text().count(f"`{first}/" if deeper else first), file


def test_constraints_pin_the_cpu_build_and_no_cuda():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert any(line.startswith("torch==2.13.0+cpu") for line in lines)
    assert not [line for line in lines if re.match(r"(nvidia|triton|cuda)", line)]


def test_notebooks_carry_no_outputs_and_no_long_functions():
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(file.read_text())["cells"]:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == []
                assert cell["execution_count"] is None
                for node in ast.walk(ast.parse("".join(cell["source"]))):
                    if isinstance(node, ast.FunctionDef):
                        assert node.end_lineno - node.lineno < 5
