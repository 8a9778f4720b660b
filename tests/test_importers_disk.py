"""What a disk may hold where a log is expected: links in circles, pipes, odd names, lines and columns without end."""

from __future__ import annotations

import json
import os
import signal
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork import from_verl
from siwork.files.lines import MOST_COLUMNS, Skips, _parsed, objects
from siwork.importers import FORMATS
from siwork.importers.found import Collected, together
from siwork.schema import ImportFormatError

READERS = [name for name in FORMATS if name != "inspect"]  # which needs a package
LINE = {"input": "p", "output": "r", "score": 1.0}


@pytest.fixture
def soon():
    """A test that hangs is an error after ten seconds."""
    signal.alarm(10)
    yield
    signal.alarm(0)


def asked(name):
    return {"columns": {"prompt": "a", "response": "b"}} if name == "table" else {}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", READERS)
def test_links_in_circles_and_pipes_are_no_logs(tmp_path, name):
    names = (
        "1.jsonl",
        "results.jsonl",
        "completions.jsonl",
        "samples_t.jsonl",
        "a_rollouts_0.jsonl",
        "details_t.parquet",
    )
    for kind in (lambda place: place.symlink_to(place.name), os.mkfifo):
        for each in names:
            kind(tmp_path / each)
        (tmp_path / "loop").symlink_to(".")
        with pytest.raises(ImportFormatError, match=tmp_path.name):
            FORMATS[name](tmp_path, **asked(name))
        with pytest.raises(ImportFormatError, match=tmp_path.name):
            FORMATS[name](tmp_path / names[0], **asked(name))
        for each in tmp_path.iterdir():
            each.unlink()


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "\udcff", "nowhere"])
def test_a_path_that_cannot_be_there_is_a_sentence_that_can_be_printed(tmp_path, name, path):
    with pytest.raises(ImportFormatError, match="does not exist") as error:
        FORMATS[name](tmp_path / path, **asked(name))
    assert str(error.value).encode()


def test_a_folder_whose_name_is_no_text(tmp_path):
    home = tmp_path / "\udcff"
    home.mkdir()
    (home / "1.jsonl").write_text(json.dumps(LINE) + "\nno line\n")
    found = from_verl(home)
    assert found.rows["run"].tolist() == ["�"]
    assert str(found).encode()


@pytest.mark.usefixtures("soon")
def test_a_line_of_100_megabytes_is_counted_and_never_held_whole(tmp_path):
    place = tmp_path / "1.jsonl"
    with place.open("wb") as file:
        file.write(json.dumps(LINE).encode() + b'\n{"input": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + json.dumps(LINE).encode())
    tracemalloc.start()
    began = time.monotonic()
    found = from_verl(tmp_path)
    assert time.monotonic() - began < 10
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
    assert (len(found.rows), found.report.skipped) == (2, 1)
    assert "line 2: the line is longer than 64 MiB" in found.report.places


# ── columns ────────────────────────────────────────────────────────────────────────────────────────────
def test_a_log_whose_lines_have_names_of_their_own_keeps_the_first_columns(tmp_path):
    for step in (1, 2):
        rows = [{**LINE, f"metric_{step}_{i}": i} for i in range(MOST_COLUMNS)]
        (tmp_path / f"{step}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = from_verl(tmp_path)
    assert len(found.rows) == 2 * MOST_COLUMNS
    assert sum(str(name).startswith("reward_") for name in found.rows) == MOST_COLUMNS
    words = f"{MOST_COLUMNS + 1:,} values stand in further columns: the first {MOST_COLUMNS:,} of the log were kept"
    assert any(note.startswith(words) for note in found.report.notes)
    assert found.rows["reward_metric_1_7"].notna().sum() == 1


def test_rows_are_the_same_however_many_are_put_together(monkeypatch):
    def filled(size):
        monkeypatch.setattr("siwork.importers.found._PIECE", size)
        part = Collected()
        for i in range(7):
            part.add({"round": i, "prompt": "p"}, {f"r{i % 3}": 0.5}, {"late": "x"} if i > 4 else {})
        return part.table()

    assert filled(2).sort_by("round").to_pylist() == filled(100).to_pylist()
    assert Collected().table().num_rows == together([]).num_rows == 0


# ── parsing ────────────────────────────────────────────────────────────────────────────────────────────
def result(parse, line):
    try:
        return repr(parse(line))
    except (ValueError, RecursionError) as error:
        return type(error).__name__, str(error)


ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
JSON = st.recursive(
    st.none() | st.floats() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@given(
    st.builds(
        lambda value, before, after, code: (before + json.dumps(value, ensure_ascii=False) + after).encode(
            code, "replace"
        ),
        JSON,
        st.sampled_from(["", " ", "\n", "x"]),
        st.sampled_from(["", "\n", "\r\n", " \t\n", "x", "\n\n", "{}"]),
        ENCODINGS,
    )
    | st.binary(max_size=20)
)
def test_the_quick_way_reads_what_json_reads(line):
    assert result(_parsed, line) == result(json.loads, line)


def test_an_endless_number_is_counted(tmp_path):
    (tmp_path / "x").write_text('{"a": 1' + "0" * 5000 + "}\n{}\n")
    skips = Skips()
    assert [one for _, one in objects(tmp_path / "x", skips)] == [{}]
    assert skips.count == 1
