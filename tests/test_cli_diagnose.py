"""`siwork diagnose`: exit codes that a script can trust, JSON that a program can read, text that cannot steer a terminal."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelled_runs import labelled_run, saved
from siwork.cli import main
from siwork.cli.diagnose import plain, read_rows, shown
from siwork.clinic import SIZES, labelled
from siwork.diagnosis import NAMES, diagnose
from siwork.metrics import measure
from siwork.schema import SchemaError


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("diagnose")


@pytest.fixture(scope="module")
def healthy():
    return labelled("healthy", "small")


@pytest.fixture(scope="module")
def sudden(home):
    return labelled_run(home / "sudden", "sudden-collapse")


def few(rows):
    return rows[rows["problem"].isin(rows["problem"].unique()[:10])]


def keys_only(rows):
    return rows[["run", "round", "split", "problem", "sample"]]


@pytest.mark.parametrize(
    ("made", "code", "state"),
    [(lambda rows: rows, 0, "fine"), (few, 1, "watch"), (keys_only, 3, "unknown")],
)
def test_the_exit_code_is_the_worst_state_and_good_data_alone_are_not_fine(
    healthy, tmp_path, capsys, made, code, state
):
    rows = made(healthy)
    assert main(["diagnose", str(saved(rows, tmp_path / "rows.parquet"))]) == code
    assert f"healthy-s0: {state}, last good round" in capsys.readouterr().out


@pytest.fixture(scope="module")
def collapse(sudden):
    return diagnose(measure(sudden)).of("collapse")


def test_an_alarm_is_2_and_names_the_way_back(sudden, collapse, capsys):
    verdict, half = collapse, SIZES["small"].rounds // 2
    assert verdict.last_good in (half - 1, half)  # planted half-way
    assert main(["diagnose", str(sudden.folder)]) == 2
    told = capsys.readouterr().out
    assert told.startswith(f"sudden: alarm, last good round {verdict.last_good}\n")
    assert f"✕ alarm    collapse                since round {verdict.since}\n" in told
    assert " ".join(verdict.why.split()) in " ".join(told.split())
    assert f"siwork fork {sudden.folder} {sudden.folder}-again --at {verdict.last_good}" in told

    lines = told.splitlines()
    heads = [line.split()[2] for line in lines if line[:4].strip() in ("✕", "▲", "✓", "?")]
    assert sorted(heads) == sorted(NAMES)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nowhere", None, "nowhere is no run"),
        ("notes.txt", "a", "notes.txt is no table of rows; name a file that ends in .parquet, .csv, .jsonl"),
        ("bad.csv", "a,b\n1,2\n3,4,5\n", "bad.csv cannot be read as a table of rows"),
        ("empty.csv", "", "empty.csv cannot be read as a table of rows"),
        ("head.csv", "run,round,split,problem\n", "head.csv holds no row"),
        ("bad.jsonl", '{"a":\n', "bad.jsonl cannot be read as a table of rows (line 1 is no JSON object)"),
        ("numbers.jsonl", '{"run": "a"}\n\n4\n', "(line 3 is no JSON object)"),
        ("deep.jsonl", "[" * 100_000, "(line 1 is no JSON object)"),
        ("bad.parquet", "nothing", "bad.parquet cannot be read as a table of rows"),
        ("odd.csv", "run,round,split,problem,gold\na,0,train,x,yes\n", "column 'gold' must be bool"),
        ("split.csv", "run,round,split,problem,gold\na,0,tarin,x,True\n", "column 'split' must be one of"),
    ],
)
def test_what_cannot_be_read_is_3_and_one_sentence(tmp_path, capsys, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["diagnose", str(tmp_path / name), "--json"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("siwork: ")
    assert said in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["x", "--bogus"], ["x", "--error", "much"]])
def test_a_wrong_command_line_is_3_not_an_alarm(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(["diagnose", *words])
    assert left.value.code == 3
    assert capsys.readouterr().out == ""


def test_other_commands_keep_2_for_a_wrong_command_line(capsys):
    for words in (["recipes", "--bogus"], ["fork", "a", "b"], ["nonsense"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 2
    assert "unrecognized arguments: --bogus" in capsys.readouterr().err


def test_error_out_of_range_is_refused(healthy, tmp_path, capsys):
    path = saved(few(healthy), tmp_path / "rows.parquet")
    assert main(["diagnose", str(path), "--error", "2"]) == 3
    assert "nearest: 0.5" in capsys.readouterr().err


def test_json_is_one_document_without_nan(sudden, collapse, healthy, home, capsys):
    path = saved(few(healthy), home / "few.jsonl")
    assert main(["diagnose", str(sudden.folder), str(path), "--json"]) == 2
    runs = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert [run["run"] for run in runs] == ["sudden", "healthy-s0"]
    assert [len(run["verdicts"]) for run in runs] == [10, 10]
    first = runs[0]
    assert (first["state"], first["path"]) == ("alarm", str(sudden.folder))
    assert first["fork"].endswith(f"--at {first['last_good']}")
    assert runs[1]["fork"] is None
    (quality,) = [v for v in first["verdicts"] if v["name"] == "data_quality"]
    assert quality["value"] is None
    (found,) = [v for v in first["verdicts"] if v["name"] == "collapse"]
    assert (found["value"], found["low"], found["bound"]) == (collapse.value, collapse.low, collapse.bound)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_file_says_what_its_rows_say(healthy, tmp_path, suffix):
    rows = few(healthy).assign(answer=lambda r: r["answer"].where(r["sample"] > 0, None), response="None")
    found = measure(read_rows(saved(rows, tmp_path / f"rows{suffix}")))
    pd.testing.assert_frame_equal(found, measure(rows), rtol=1e-9)


def test_text_in_a_csv_stays_text(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('run,round,split,problem,answer,response,score\na,0,train,007,,"NA\n,x",\n')
    (row,) = read_rows(path).to_dict("records")
    assert (row["problem"], row["response"], row["round"]) == ("007", "NA\n,x", 0)
    assert row["answer"] is None or pd.isna(row["answer"])
    assert math.isnan(row["score"])


def test_two_runs_of_one_name_are_refused(healthy, tmp_path, capsys):
    paths = [saved(few(healthy), tmp_path / name) for name in ("a.parquet", "b.csv")]
    assert main(["diagnose", *map(str, paths)]) == 3
    assert "two runs are called 'healthy-s0'" in capsys.readouterr().err


def test_a_name_cannot_steer_the_terminal(healthy, tmp_path, capsys):
    path = saved(few(healthy).assign(run="\x1b[2Jrun\u202e"), tmp_path / "rows.parquet")
    assert main(["diagnose", str(path)]) == 1
    told = capsys.readouterr().out
    assert told.startswith("⟨U+001B⟩[2Jrun⟨U+202E⟩: watch")
    assert not {"\x1b", "\u202e"} & set(told)


@given(st.text())
def test_shown_text_has_no_control_but_the_line_end(text):
    assert all(sign == "\n" or ord(sign) >= 32 for sign in shown(text))


@given(
    st.recursive(
        st.floats() | st.integers() | st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_plain_values_are_json(value):
    written = json.dumps(plain(value), allow_nan=False)
    assert json.loads(written) == plain(value)
    assert plain(np.float64("nan")) is None
    assert type(plain(np.int64(3))) is int


def test_a_table_that_is_none_is_refused(tmp_path):
    with pytest.raises(SchemaError, match="cannot be read as a table of rows"):
        read_rows(tmp_path / "missing.csv")
