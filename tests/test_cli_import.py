"""`siwork import` and `siwork diagnose --from`."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from logs import LOGS
from siwork.cli.main import main
from siwork.importers import FORMATS

VERL, TRL = str(LOGS / "verl" / "rollout_v0"), str(LOGS / "trl" / "grpo_text")


def test_the_report_is_told(capsys):
    assert main(["import", VERL, "--from", "verl"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("rollout_v0: verl dumps")
    assert "Truth is the field acc" in told


def test_rows_are_written_and_can_be_diagnosed(tmp_path, capsys):
    place = tmp_path / "rows.parquet"
    assert main(["import", VERL, "--from", "verl", "--name", "mine", "-o", str(place)]) == 0
    assert pd.read_parquet(place)["run"].unique().tolist() == ["mine"]
    assert f"siwork diagnose {place}" in capsys.readouterr().out
    assert main(["diagnose", str(place)]) == 1
    assert capsys.readouterr().out.startswith("mine: watch")


def test_a_diagnosis_in_one_command(capsys):
    assert main(["diagnose", TRL, "--from", "trl", "--gold", "correctness", "--score", "format_tag"]) == 1
    told = capsys.readouterr().out
    assert told.index("The score is the reward format_tag") < told.index("verifier_calibration")


def test_for_programs(capsys):
    assert main(["import", TRL, "--from", "trl", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 768
    assert told["missing"]["pass@k"] == ["gold"]
    assert {one["can"] for one in told["capabilities"]} == {"yes", "partly", "no"}
    assert main(["diagnose", TRL, "--from", "trl", "--gold", "correctness", "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)[0]["run"] == "grpo_text"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "verll"], "--from must be a format that siwork reads, got 'verll'; nearest: 'verl'"),
        (["--from", "verl", "--score", "score:x:1"], "--score is NAME or NAME:LOW:HIGH, got 'score:x:1'"),
        (["--from", "verl", "--gold", "ac"], "gold='ac': the log has no such column"),
        (
            ["--from", "verl", "-o", "rows.csv"],
            "--output must end in .parquet, got 'rows.csv'; nearest: 'rows.parquet'",
        ),
        (["--from", "trl"], "holds no completions_<step>.parquet"),
    ],
)
def test_what_cannot_be_is_one_sentence(words, said, capsys):
    assert main(["import", VERL, *words]) == 2
    assert said in capsys.readouterr().err


def test_help_names_every_format(capsys):
    with pytest.raises(SystemExit):
        main(["import", "--help"])
    told = "".join(capsys.readouterr().out.split())
    assert all(f"{name};" in told or f"{name}--" in told for name in FORMATS)


def test_a_log_is_followed_until_it_is_quiet(tmp_path, capsys):
    shutil.copytree(VERL, tmp_path / "log")
    assert main(["watch", str(tmp_path / "log"), "--from", "verl", "--every", "0.05", "--quiet", "1"]) == 1
    told = capsys.readouterr().out
    assert "rounds 1 to 11, 384 completions: watch" in told
    assert "watch  template_collapse since round 7" in told
    assert main(["watch", str(tmp_path), "--from", "trl", "--quiet", "0"]) == 3
