"""`siwork claims` at the command line."""

import pytest

from siwork.claims import CLAIMS
from siwork.claims.table import read_verdicts
from siwork.cli.main import main
from siwork.sweep import Progress


def test_the_rule_is_said_and_nothing_is_played(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["claims", "tail", "--rule"]) == 0
    said = capsys.readouterr().out
    for part in CLAIMS["tail"].parts:
        assert f"{part.number}: {part.rule}" in said
    assert all(arm.recipe in said for arm in CLAIMS["tail"].arms.values())
    assert not any(tmp_path.iterdir())


def test_all_are_listed(capsys):
    assert main(["claims", "--list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in CLAIMS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tial"], "no claim is called 'tial'; nearest: 'tail'"),
        (["tail", "--seeds", "1"], "--seeds must be at least 2, got 1; nearest: 2"),
        (["tail", "--seed", "-1"], "--seed must be at least 0, got -1; nearest: 0"),
        (["tail", "--at-once", "-3"], "--at-once must be at least 1, got -3; nearest: 1"),
        (["tail", "-o", "claims.txt"], "--output must end in .csv, got 'claims.txt'; nearest: 'claims.csv'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["claims", *words]) == 2
    assert said in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_another_file_is_not_overwritten(capsys, tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    assert main(["claims", "theorems", "-o", str(tmp_path / "mine.csv")]) == 2
    assert "is no table of verdicts" in capsys.readouterr().err
    assert (tmp_path / "mine.csv").read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize("there", [b"", b"\x89PNG\r\n\x1a\n\x00\xff", b"a\n1,2\n1,2,3\n"])
@pytest.mark.parametrize("command", ["claims", "measure"])
def test_a_file_that_is_no_table_is_one_sentence_before_anything_is_played(
    capsys, tmp_path, monkeypatch, there, command
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_bytes(there)
    name = {"claims": "tail", "measure": "east"}[command]
    assert main([command, name, "-o", "mine.csv"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "siwork: mine.csv cannot be read as a table (" in said.err
    assert said.err.endswith("; name another file with --output\n")
    assert said.err.count("\n") == 1
    assert (tmp_path / "mine.csv").read_bytes() == there
    assert [each.name for each in tmp_path.iterdir()] == ["mine.csv"]


def test_a_claim_whose_runs_were_stopped_says_once_how_to_go_on(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stopped = []

    def played(sweep, told):
        stopped.extend(sweep.runs)
        return [Progress(run, "stopped" if i else "failed", 0) for i, run in enumerate(sweep.runs)]

    monkeypatch.setattr("siwork.cli.progress.played", played)
    assert main(["claims", "exploration", "--seeds", "2"]) == 1
    said = capsys.readouterr()
    assert len(stopped) > 2
    assert said.out.count("The rounds so far are kept; go on with the same command.\n") == 1
    assert "siwork resume" not in said.out + said.err
    assert said.err.startswith(f"siwork: {stopped[0].name} failed: ")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "claims.csv").exists()


def test_a_claim_is_asked_and_its_verdict_kept(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["claims", "theorems", "--seeds", "3"]) == 0
    said = capsys.readouterr().out
    assert said.index("The rule:") < said.index("What came of it:")
    table = read_verdicts(tmp_path / "claims.csv")
    assert f"theorems: {table['verdict'][0]} · seeds 0 1 2" in said
    assert table["mark"].unique().tolist() == [CLAIMS["theorems"].mark]
    assert table["seeds"].tolist() == [3] * len(CLAIMS["theorems"].parts)
    assert main(["claims", "theorems", "--seeds", "4"]) == 0
    again = read_verdicts(tmp_path / "claims.csv")
    assert again["seeds"].tolist() == [4] * len(table)
