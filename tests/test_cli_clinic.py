"""`siwork clinic`: planted failures are listed, found, and shown on pages that load nothing."""

from __future__ import annotations

import json
import re

import pytest

from siwork.cli import main
from siwork.cli.clinic import admitted
from siwork.clinic import CASES, SIZES
from siwork.reporting.patients import _FIGURES, expectation, findings, patient_page

ONSET = SIZES["small"].rounds // 2  # of the sudden collapse
SMALL = ["--size", "small"]


def test_without_a_case_all_are_listed(capsys):
    assert main(["clinic"]) == 0
    told = capsys.readouterr().out
    listed = re.findall(r"^  (\S+)$", told, re.MULTILINE)
    assert sorted(listed) == sorted(CASES)
    healthy, planted = told.split("Planted failures")
    assert "healthy-fast" in healthy
    assert "sudden-collapse" in planted


def test_the_list_is_told_to_programs(capsys):
    assert main(["clinic", "--json"]) == 0
    found = {case["case"]: case["expected"] for case in json.loads(capsys.readouterr().out)}
    assert found == {case.name: case.verdict or None for case in CASES.values()}


def test_a_case_says_what_was_expected_and_found(capsys):
    assert main(["clinic", "sudden-collapse", *SMALL]) == 0
    told = capsys.readouterr().out
    assert f"expected: alarm: collapse since round {ONSET}\n" in told
    assert re.search(rf"found:    alarm: .*\bcollapse since round ({ONSET}|{ONSET + 1})\b", told)
    assert re.search(r"healthy:  no alarm", told)


def test_a_case_as_json(capsys):
    assert main(["clinic", "sudden-collapse", "healthy", *SMALL, "--seed", "1", "--json"]) == 0
    planted, healthy = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert (planted["expected"], planted["onset"], planted["state"]) == ("collapse", ONSET, "alarm")
    assert (healthy["expected"], healthy["onset"]) == (None, None)
    assert healthy["state"] != "alarm"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["suden-collapse"], "no case is called 'suden-collapse'; nearest: 'sudden-collapse'"),
        (["healthy", "--size", "smal"], "no size is called 'smal'; nearest: 'small'"),
        (["healthy", "--size", "small", "--seed", "-1"], "seed must be a whole number"),
    ],
)
def test_errors_name_the_nearest(capsys, words, said):
    assert main(["clinic", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_pages_are_self_contained_and_linked(tmp_path, capsys):
    assert main(["clinic", "tail-cut", "healthy", *SMALL, "-o", str(tmp_path / "pages")]) == 0
    assert str(tmp_path / "pages" / "index.html") in capsys.readouterr().out
    names = {file.name for file in (tmp_path / "pages").iterdir()}
    assert names == {"index.html", "tail-cut.html", "healthy.html"}
    index = (tmp_path / "pages" / "index.html").read_text()
    assert set(re.findall(r'href="([^"#]+)"', index)) == {"tail-cut.html", "healthy.html"}
    assert len(index) < 100_000
    page = (tmp_path / "pages" / "tail-cut.html").read_text()
    assert len(page.encode()) < 8_000_000
    assert 'content="default-src &#x27;none&#x27;' in page
    body = page.split("<body>")[1].split("<script")[0]
    assert not re.search(r"\b(?:src|action|srcset)=", body)
    assert re.findall(r'href="([^"]+)"', body) == ["index.html"]
    assert CASES["tail-cut"].sentence in body
    assert "healthy-s0" in body
    assert re.findall(r"<h([1-6])", body)[:3] == ["1", "2", "2"]


@pytest.mark.parametrize("case", [name for name in CASES if name != "tail-cut"])
def test_every_case_has_a_figure_that_holds_both_runs(case, clinic_healthy):
    patient = clinic_healthy if case == "healthy" else admitted(case, "small", 0)
    assert patient.expected in _FIGURES
    page = patient_page(patient, clinic_healthy, "Size small, seed 0")
    data = json.loads(page.split('id="figure-data">')[1].split("</script>")[0])
    assert len(data) == 1
    assert {trace.get("legendgroup") for trace in data[0]["data"]} >= {f"{case}-s0", "healthy-s0"}
    titles = " ".join(note["text"] for note in data[0]["layout"]["annotations"])
    assert "unknown:" not in titles
    assert expectation(patient).split(" since")[0] in page
    assert findings(patient).replace("'", "&#x27;") in page


@pytest.fixture(scope="module")
def clinic_healthy():
    return admitted("healthy", "small", 0)
