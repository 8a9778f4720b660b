"""Inspect: the figures of real logs, every trap of the format, and archives that lie about their size."""

from __future__ import annotations

import json
import shutil
import struct
import sys
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs import LOGS, counted, figures
from siwork.importers.archives import see_members
from siwork.importers.depths import Depth
from siwork.importers.evaluations import from_inspect
from siwork.schema import ImportFormatError, MissingExtra

INSPECT = LOGS / "inspect_ai"
REAL = json.loads(next(INSPECT.glob("*.json")).read_text())


@pytest.fixture
def reader():
    """The package whose reader is used."""
    pytest.importorskip("inspect_ai", reason="needs the package inspect-ai: pip install 'siwork[inspect]'")


def write(place, samples=None, **told):
    """A log like the real one with other samples and another header."""
    log = json.loads(json.dumps(REAL))
    log["eval"] |= {"metadata": None, "tags": None, "task_args": {}, "task_id": place.stem, **told}
    log["status"] = told.pop("status", "success")
    if samples is not None:
        log["samples"] = samples
    place.write_text(json.dumps(log))
    return place


def sample(id="q", epoch=1, said="4", **more):
    """The first real sample with another id and output."""
    one = json.loads(json.dumps(REAL["samples"][0]))
    one["output"]["choices"][0]["message"]["content"] = said
    one["output"]["completion"] = said
    return one | {"id": id, "epoch": epoch, **more}


def notes(found):
    return " ".join(found.report.notes)


@pytest.mark.usefixtures("reader")
class TestLogs:
    def test_figures_of_real_logs(self):
        found = from_inspect(INSPECT, gold="exact", score="judge")
        assert counted(found.rows) == figures("inspect_ai")
        assert found.rows["sample"].unique().tolist() == [0, 1, 2, 3]
        assert found.rows["score"].between(0, 1).all()
        assert "Round is the number in eval.metadata" in notes(found)
        assert set(found.rows["split"]) == {"heldout"}

    def test_truth_is_not_guessed_but_a_candidate_is_named(self):
        found = from_inspect(next(INSPECT.glob("*.eval")))
        assert "gold" not in found.rows
        assert "Scorers that grade C and I only: exact; gold='exact' says that it is the truth." in notes(found)
        assert "which are opinions: judge" in notes(found)

    @pytest.mark.parametrize(
        ("told", "round", "words"),
        [
            ({"metadata": {"step": "12"}, "tags": ["round:3"]}, 12, "eval.metadata"),
            ({"metadata": {"checkpoint": "step-7"}}, 7, "eval.metadata"),
            ({"tags": ["toy", "round:3"], "task_args": {"round": 9}}, 3, "the tags"),
            ({"task_args": {"round": 9}}, 9, "the task's arguments"),
            ({"model": "local/ckpt-40"}, 40, "the model's name"),
            ({"model": "org/Qwen2.5-7B"}, 0, "the order of creation"),
        ],
    )
    def test_rounds(self, tmp_path, told, round, words):
        found = from_inspect(write(tmp_path / "a.json", [sample()], **{"model": "m", **told}))
        assert found.rows["round"].tolist() == [round]
        assert words in notes(found)

    def test_models_without_a_step_in_the_order_of_creation(self, tmp_path):
        write(tmp_path / "a.json", [sample(said="late")], model="m/x", created="2026-11-20T12:00:00+00:00")
        write(tmp_path / "b.json", [sample(said="early")], model="m/y", created="2026-11-20T12:00:00+02:00")
        rows = from_inspect(tmp_path).rows
        assert rows[["round", "response"]].values.tolist() == [[0, "early"], [1, "late"]]

    def test_the_last_of_several_tries(self, tmp_path):
        write(tmp_path / "a.json", [sample(said="first")], task_id="t", created="2026-11-20T10:00:00+00:00")
        write(tmp_path / "b.json", [sample(said="again")], task_id="t", created="2026-11-20T11:00:00+00:00")
        found = from_inspect(tmp_path)
        assert found.rows["response"].tolist() == ["again"]
        assert "1 logs are earlier tries" in notes(found)

    def test_samples_with_an_error_are_counted(self, tmp_path):
        error = {"message": "timeout", "traceback": "", "traceback_ansi": ""}
        failed = sample(epoch=2, error=error, scores={})
        empty = sample(epoch=3)
        empty["output"]["choices"] = []
        found = from_inspect(write(tmp_path / "a.json", [sample(), failed, empty]))
        assert len(found.rows) == 1
        assert "2 samples ended in an error or without an output" in notes(found)

    def test_values_of_scorers(self, tmp_path):
        values = {
            "letter": "P",
            "n": 3,
            "flag": True,
            "deep": {"a": "C", "b": 0.5, "c": None},
            "several": [1, 0],
            "nan": None,
        }
        scores = {name: {"value": value} for name, value in values.items() if value is not None}
        scores |= {"words": {"value": "good"}, "nan": {"value": float("nan")}}
        rows = from_inspect(write(tmp_path / "a.json", [sample(scores=scores)])).rows
        got = {str(name)[7:]: rows[name].iloc[0] for name in rows if str(name).startswith("reward_")}
        known = {name: value for name, value in got.items() if name not in ("words", "nan", "deep_c")}
        assert known == {
            "letter": 0.5,
            "n": 3.0,
            "flag": 1.0,
            "deep_a": 1.0,
            "deep_b": 0.5,
            "several_0": 1.0,
            "several_1": 0.0,
        }
        assert rows["reward_words"].isna().all()
        assert rows["reward_nan"].isna().all()

    def test_attachments_and_messages(self, tmp_path):
        long = "x" * 200
        mark = "0123456789abcdef0123456789abcdef"
        one = sample(target=["a", "b"], attachments={mark: long})
        one["input"] = [{"role": "system", "content": "s"}, {"role": "user", "content": f"attachment://{mark}"}]
        rows = from_inspect(write(tmp_path / "a.json", [one]), gold=lambda row: row["target"] == "a\nb").rows
        assert rows["prompt"].tolist() == [f"system: s user: {long}"]
        assert rows["gold"].tolist() == [True]

    def test_files_that_are_no_logs(self, tmp_path):
        write(tmp_path / "a.json", [sample()])
        (tmp_path / "b.json").write_text('{"version": 2}')
        (tmp_path / "c.json").write_text("[" * 50_000)
        (tmp_path / "d.eval").write_bytes(b"PK broken")
        whole = next(INSPECT.glob("*.eval")).read_bytes()
        (tmp_path / "e.eval").write_bytes(whole[: len(whole) // 2])
        report = from_inspect(tmp_path).report
        assert report.skipped == 4
        assert "no log that inspect_ai can read" in report.places
        with pytest.raises(ImportFormatError, match="no completion was found"):
            from_inspect(tmp_path / "d.eval")

    def test_no_logs(self, tmp_path):
        with pytest.raises(ImportFormatError, match=r"holds no \.eval or \.json log"):
            from_inspect(tmp_path)

    def test_an_archive_that_fills_the_memory_is_refused_before_it_is_read(self, tmp_path):
        with pytest.raises(ImportFormatError, match="of almost nothing"):
            from_inspect(bomb(tmp_path))

    def test_real_archives_are_of_the_size_that_they_say(self, tmp_path):
        real = next(INSPECT.glob("*.eval"))
        see_members(real)
        with pytest.raises(ImportFormatError, match="not of the size"):
            see_members(lying(shutil.copy(real, tmp_path / "a.eval"), 10))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(MissingExtra, match=r"from_inspect needs the package inspect-ai; .*siwork\[inspect\]"):
        from_inspect(INSPECT)


# ── archives ───────────────────────────────────────────────────────────────────────────────────────────
def bomb(folder):
    place = folder / "bomb.eval"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b"0" * (1 << 27))
    return place


def lying(place, size):
    """The archive with another size of its first member in the list at its end."""
    content = bytearray(place.read_bytes())
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 24, size)
    place.write_bytes(content)
    return place


def test_sizes(tmp_path):
    place = tmp_path / "a.eval"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"word " * 100_000)
        archive.writestr("b", b"", zipfile.ZIP_STORED)
    see_members(place)
    with pytest.raises(ImportFormatError, match="unpacks to 500,000 bytes, more than 1,000"):
        see_members(place, most=1000)
    with pytest.raises(ImportFormatError, match="'a' is not of the size that the archive says"):
        see_members(lying(place, 5000))
    with pytest.raises(ImportFormatError, match="of almost nothing"):
        see_members(bomb(tmp_path))


def test_a_bomb_that_says_it_is_small(tmp_path):
    with pytest.raises(ImportFormatError, match="not of the size"):
        see_members(lying(bomb(tmp_path), 100))


def test_unknown_ways_of_packing(tmp_path):
    place = tmp_path / "a.eval"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"a")
    with pytest.raises(zipfile.BadZipFile, match="packed by method 12"):
        see_members(place)
    place.write_bytes(b"no archive")
    with pytest.raises(zipfile.BadZipFile):
        see_members(place)


def test_deep_nesting_is_found_before_anyone_reads_it(tmp_path):
    real = next((LOGS / "inspect_ai").glob("*.eval"))
    place = tmp_path / "deep.eval"
    with zipfile.ZipFile(real) as old, zipfile.ZipFile(place, "w") as new:
        for member in old.infolist():
            deep = b"[" * 100_000 if member.filename.startswith("samples/q00") else old.read(member)
            new.writestr(member.filename, deep)
    with pytest.raises(ImportFormatError, match=r"samples/q00_epoch_1\.json' is nested more than 200 levels"):
        from_inspect(place)
    (tmp_path / "deep.json").write_bytes(b'{"a":' * 100_000)
    with pytest.raises(ImportFormatError, match=r"deep\.json.*it is nested more than 200 levels"):
        from_inspect(tmp_path / "deep.json")


def _levels(value):
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(_levels, value.values() if isinstance(value, dict) else value), default=0)


@given(
    st.recursive(
        st.text('a"\\[]{}') | st.none(),
        lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text('b"\\[{'), one, max_size=3),
    ),
    st.integers(1, 9),
)
def test_depth_is_that_of_the_nested_lists_whatever_the_texts_and_the_pieces(value, size):
    text, depth = json.dumps(value).encode(), Depth()
    for start in range(0, len(text), size):
        depth.add(text[start : start + size])
    assert depth.greatest == _levels(value)
