"""A small share of the fuzz run: damaged logs give rows with counted skips or one error, and each number one input."""

from __future__ import annotations

import signal
import traceback
from importlib.util import find_spec

import pytest

from fuzz import packed
from fuzz.faults import mark_of, smaller
from fuzz.inputs import Input, laid
from fuzz.judging import Late, judged
from fuzz.making import made
from fuzz.seeds import seeds_of
from siwork.importers import FORMATS

INPUTS = 80  # of each reader
needs_inspect = pytest.mark.skipif(find_spec("inspect_ai") is None, reason="needs the package inspect-ai")
READERS = [pytest.param(name, marks=needs_inspect if name == "inspect" else ()) for name in FORMATS]


def told(verdict):
    return verdict.why + "".join(traceback.format_exception(verdict.fault)) if verdict.fault else ""


@pytest.mark.parametrize("reader", READERS)
def test_damaged_logs_give_rows_or_one_error(reader):
    seeds = seeds_of(reader)
    for given in seeds:
        assert judged(reader, given, True).kind in ("whole", "skips")
    for number in range(INPUTS // 8 if reader == "inspect" else INPUTS):
        name = f"test/{reader}/{number}"
        verdict = judged(reader, made(seeds, name), number % 50 == 0)
        assert verdict.kind != "fault", f"{name}: {told(verdict)}"


def test_a_number_is_one_input_for_ever():
    seeds = seeds_of("verl")
    assert [made(seeds, f"0/verl/{i}") for i in range(20)] == [made(seeds, f"0/verl/{i}") for i in range(20)]


# ── the judge ──────────────────────────────────────────────────────────────────────────────────────────
def with_reader(monkeypatch, read):
    monkeypatch.setitem(FORMATS, "verl", read)
    return Input({"1.jsonl": b"a\nb\nbad\nc\n", "2.jsonl": b"d"}, ".", {})


def test_other_errors_warnings_and_nameless_ones_are_faults_and_are_made_small(monkeypatch):
    def read(path, **_):
        if b"bad" in (path / "1.jsonl").read_bytes():
            raise KeyError("bad")

    given = with_reader(monkeypatch, read)
    verdict = judged("verl", given)
    assert verdict.why == "KeyError: 'bad'"
    assert smaller("verl", given, mark_of(verdict.fault)).tree == {"1.jsonl": b"bad"}


def test_a_reader_that_waits_is_late(monkeypatch):
    monkeypatch.setattr("fuzz.judging.PATIENCE", 1)
    verdict = judged("verl", with_reader(monkeypatch, lambda path, **_: signal.pause()))
    assert isinstance(verdict.fault, Late)


def test_archives_are_damaged_in_their_members_and_in_their_list():
    from random import Random

    whole = packed.packed_of([("header.json", b'{"a": 1}'), ("samples/a.json", b'{"b": [1, 2]}')])
    made_ = {packed.archive(whole, Random(i)) for i in range(40)}
    assert len(made_) > 20
    assert packed.archive(b"no archive", Random(0)) == b"no archive"


def test_nothing_is_laid_outside_of_the_folder_of_an_input(tmp_path):
    laid({"../x": b"", "a/../../y": b"", "/z": b"", "in": b""}, tmp_path / "home")
    assert [str(place.relative_to(tmp_path)) for place in tmp_path.rglob("*")] == ["home", "home/in"]
