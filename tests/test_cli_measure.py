"""`siwork measure` as a user meets it, and the cards that it fills."""

import pandas as pd
import pytest

from siwork.against import SIZES, Setting, own_runs
from siwork.cli import main
from siwork.cli.catalogue import card_of
from siwork.measured import COLUMNS, from_csv, in_full, in_short
from siwork.recipes import RECIPES
from tests.command import siwork

QUICK = ["--problems", "6", "--heldout", "8", "--samples", "4", "--rounds", "1", "--seeds", "2"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measure")
    return folder, siwork(folder, "measure", "promptbreeder", "self-verified", *QUICK)


def test_methods_are_played_compared_and_written(measured):
    folder, told = measured
    assert told.returncode == 0, told.stderr
    assert "2 of 55 methods · 6 problems, 8 held-out × 4 samples · 1 round · 2 seeds" in told.stdout
    assert "self-verified  not measured: needs a prompted model" in told.stdout
    table = from_csv((folder / "measured.csv").read_text())
    assert list(table.columns) == list(COLUMNS)
    assert table["name"].tolist() == ["promptbreeder"] * 4 + ["self-verified"]
    first = table.iloc[0]
    assert (first["reference"], first["formula"]) == (RECIPES["vanilla"].formula, RECIPES["promptbreeder"].formula)
    assert (first["samples"], first["given_samples"], first["rounds"], first["seeds"]) == (96, 96, 1, 2)
    assert first["own"] == pytest.approx(
        first["base"], abs=0.3
    )  # nothing is trained; only the luck of the draws differs
    assert in_short(card_of("promptbreeder"), table) in told.stdout
    names = {place.name for place in (folder / "runs" / "measured").iterdir()}
    assert names == {
        f"countdown-numbers-3-{end}-s{seed}" for end in ("promptbreeder", "vanilla-k16") for seed in (0, 1)
    }


def test_a_second_time_nothing_is_played_and_the_table_is_the_same(measured):
    folder, _ = measured
    rows = folder / "runs" / "measured" / "countdown-numbers-3-vanilla-k16-s0" / "rounds" / "0000" / "rows.parquet"
    before, table = rows.stat().st_mtime_ns, (folder / "measured.csv").read_bytes()
    assert siwork(folder, "measure", "promptbreeder", "self-verified", *QUICK, "-o", "again.csv").returncode == 0
    assert rows.stat().st_mtime_ns == before
    assert (folder / "again.csv").read_bytes() == table


def test_methods_that_were_measured_before_stay_in_the_table(measured):
    folder, _ = measured
    (folder / "more.csv").write_bytes((folder / "measured.csv").read_bytes())
    assert siwork(folder, "measure", "self-rewarding", *QUICK, "-o", "more.csv").returncode == 0
    table = from_csv((folder / "more.csv").read_text())
    names = ("promptbreeder", "self-verified", "self-rewarding")
    assert list(dict.fromkeys(table["name"])) == [name for name in RECIPES if name in names]
    kept = table[table["name"] == "promptbreeder"].reset_index(drop=True)
    first = from_csv((folder / "measured.csv").read_text()).query("name == 'promptbreeder'")
    pd.testing.assert_frame_equal(kept, first.reset_index(drop=True))


def test_another_file_is_not_overwritten(measured):
    folder, _ = measured
    (folder / "mine.csv").write_text("a,b\n1,2\n")
    told = siwork(folder, "measure", "self-rewarding", *QUICK, "-o", "mine.csv")
    assert told.returncode == 2
    assert "mine.csv is no table of siwork measure, it lacks name, formula, task" in told.stderr
    assert (folder / "mine.csv").read_text() == "a,b\n1,2\n"


def test_a_run_that_fails_is_named_and_does_not_end_the_others(measured):
    folder, _ = measured
    base = folder / "runs" / "measured" / "countdown-numbers-3-promptbreeder-s2" / "base" / "policy.safetensors"
    own_runs(["promptbreeder"], _quick(folder)._replace(seeds=[2]))
    base.write_bytes(b"damaged")
    told = siwork(folder, "measure", "promptbreeder", "vanilla", *QUICK, "--seeds", "3", "-o", "third.csv")
    assert told.returncode == 1
    assert "countdown-numbers-3-promptbreeder-s2 failed: " in told.stderr
    table = pd.read_csv(folder / "third.csv").set_index("name")
    assert "promptbreeder-s2 failed: " in table.loc["promptbreeder", "why"]
    assert table.loc["vanilla", "why"].isna().all()
    assert len(table.loc["vanilla"]) == 4


def _quick(folder):
    sizes = SIZES.__class__(train=6, heldout=8, beyond=0, samples=4)
    return Setting(folder / "runs" / "measured", range(2), 1, sizes)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["promptbreder"], "no method is called 'promptbreder'; nearest: 'promptbreeder'"),
        (["cot"], "no method is called 'cot'"),
        (["nosuch"], "no method is called 'nosuch'; nearest: '"),
        (["east", "--heldout", "0"], "--heldout must be at least 1, got 0; nearest: 1"),
        (["east", "-o", "table.parquet"], "--output must end in .csv, got 'table.parquet'; nearest: 'table.csv'"),
        (["east", "--seeds", "0"], "--seeds must be at least 1"),
        (["east", "--rounds", "0"], "--rounds must be at least 1"),
        (["east", "--at-once", "0"], "--at-once must be at least 1, got 0; nearest: 1"),
        (["east", "--samples", "0"], "nearest: 1"),
    ],
)
def test_wrong_words_are_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["measure", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert "valid: " not in said.err
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_runs_is_refused(measured, monkeypatch, capsys):
    folder, _ = measured
    monkeypatch.chdir(folder)
    assert main(["measure", "promptbreeder", *QUICK, "--samples", "5"]) == 2
    assert "holds another run: problems is" in capsys.readouterr().err


def test_the_card_says_what_was_measured(capsys):
    assert main(["recipes", "vanilla"]) == 0
    told = capsys.readouterr().out
    for line in in_full(card_of("vanilla")):
        assert line in told
    assert main(["recipes", "self-rewarding"]) == 0
    assert "changed here    not measured" in capsys.readouterr().out
