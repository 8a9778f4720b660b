"""Reading runs: always what is on the disk, whole or an error that says how to go on."""

import json
import os
import pickle
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siwork.schema import Foreign, KnobError, RunError, SchemaError, Unfinished, check
from siwork.store import Run, Runs, Writer, fork, log_file
from siwork.store.lock import holder
from siwork.store.texts import cut_torn_line, read_lines
from store_rows import INFO, MANIFEST, no_state, problems, rows


def make(place, n=2, **change):
    manifest = {**MANIFEST, **change}
    with Writer.create(place, manifest, problems()) as writer:
        for r in range(n):
            closing = r == manifest["rounds"]
            writer.save_round(r, rows(r, run=writer.manifest["name"]), {**INFO, "closing": closing}, no_state)
    return Run(place)


@pytest.fixture
def run(tmp_path):
    return make(tmp_path / "a")


# ── rows ───────────────────────────────────────────────────────────────────────────────────────────────
def test_rows_are_those_written(run):
    assert run.rows()["response"].tolist() == rows(0)["response"].tolist() + rows(1)["response"].tolist()
    assert run.rows(1)["response"].tolist() == rows(1)["response"].tolist()
    assert run.rows([1, 0, 1])["round"].tolist() == [1] * 6 + [0] * 6
    assert run.rows(np.int64(1))["round"].unique().tolist() == [1]
    check(run.rows())


def test_columns_and_split_are_chosen(run):
    some = run.rows(columns=["gold", "sample"], split="heldout")
    assert list(some.columns) == ["gold", "sample"]
    assert some["sample"].tolist() == [2, 5, 2, 5]  # every third of six rows, in two rounds
    assert some["gold"].dtype == pd.ArrowDtype(pa.bool_())
    assert len(run.rows(split="beyond")) == 0
    with pytest.raises(
        KnobError, match="split must be one of train, heldout, beyond, got 'heldot'; nearest: 'heldout'"
    ):
        run.rows(split="heldot")
    with pytest.raises(SchemaError, match=r"the rows of .* lack column 'respons'; nearest: 'response'"):
        run.rows(columns=["respons"])


def test_iter_rows_gives_one_round_at_a_time(run):
    parts = list(run.iter_rows(columns=["round"]))
    assert [part["round"].unique().tolist() for part in parts] == [[0], [1]]
    with pytest.raises(KnobError):  # at the call, not at the first round
        run.iter_rows(split="x")


def test_a_new_round_is_seen_at_once(run):
    with Writer(run.folder) as writer:
        writer.save_round(2, rows(2), INFO, no_state)
        assert run.rounds_done == 3
        assert len(run.rows()) == 18


def test_a_column_that_some_rounds_lack_is_null_there_and_narrow_types_are_widened(run):
    with Writer(run.folder) as writer:
        writer.save_round(2, rows(2).assign(score_x=range(6), note=None), INFO, no_state)
        writer.save_round(3, rows(3).assign(score_x=0.5, note="n"), INFO, no_state)
    back = run.rows(columns=["score_x", "note"])
    assert back["score_x"].isna().sum() == 12
    assert back["score_x"].tolist()[12:] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] + [0.5] * 6
    assert back["note"].tolist()[18:] == ["n"] * 6
    assert all(list(part.dtypes) == list(back.dtypes) for part in run.iter_rows(columns=["score_x", "note"]))
    with pytest.raises(SchemaError, match="lack column 'score_x'"):
        run.rows(0, columns=["score_x"])
    with Writer(run.folder) as writer:
        writer.save_round(4, rows(4).assign(score_x="text"), INFO, no_state)
    with pytest.raises(RunError, match=r"rounds of .* differ in a column .*score_x.*read them apart"):
        run.rows()


def test_a_run_without_rounds_has_empty_tables(tmp_path):
    run = make(tmp_path / "a", n=0)
    assert len(run.rows()) == 0
    assert run.rows(columns=["gold"]).dtypes.tolist() == [pd.ArrowDtype(pa.bool_())]
    assert list(run.iter_rows()) == []
    assert len(run.rounds()) == 0
    with pytest.raises(Unfinished, match=r"round 0 of .* is not finished; no round is. Wait, or: siwork resume"):
        run.rows(0)


def test_unfinished_names_the_last_round(run):
    for ask in (lambda: run.rows(2), lambda: run.rows([0, -1]), lambda: run.round_info(7), lambda: run.state_path(2)):
        with pytest.raises(Unfinished, match=r"is not finished; the last one that is: 1\. Wait, or: siwork resume"):
            ask()


def test_an_empty_round_is_a_round(run):
    with Writer(run.folder) as writer:
        writer.save_round(2, rows(2).iloc[:0], INFO, no_state)
    assert len(run.rows(2)) == 0
    assert run.rounds()["n_rows"].tolist() == [6, 6, 0]


def test_a_run_travels_to_another_process(run):
    assert pickle.loads(pickle.dumps(run)) == run  # noqa: S301


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8),
    st.lists(st.floats(allow_nan=False) | st.none(), min_size=8, max_size=8),
)
def test_any_text_and_number_survives(tmp_path_factory, texts, numbers):
    n = len(texts)
    table = rows(0, n=n).assign(response=pd.Series(texts, dtype=object), extra=pd.Series(numbers[:n], dtype="Float64"))
    place = tmp_path_factory.mktemp("any") / "a"
    with Writer.create(place, MANIFEST, problems()) as writer:
        writer.save_round(0, table, INFO, no_state)
    back = Run(place).rows()
    assert back["response"].tolist() == texts
    assert [None if x is pd.NA else x for x in back["extra"]] == numbers[:n]


# ── the other tables ───────────────────────────────────────────────────────────────────────────────────
def test_the_table_of_rounds(run):
    with Writer(run.folder) as writer:
        info = {**INFO, "recipe": "other", "closing": True, "n_train": 4, "stages": {"sample": 1.0}, "seconds": 3}
        writer.save_round(2, rows(2), info, no_state)
    table = run.rounds()
    assert table["recipe"].tolist() == [MANIFEST["recipe"]] * 2 + ["other"]
    assert table["closing"].tolist() == [False, False, True]
    assert table["n_accepted"].tolist() == [2, 2, 2]
    assert table["n_train"].isna().tolist() == [True, True, False]
    assert "stages" not in table
    assert run.round_info(2)["stages"] == {"sample": 1.0}
    check(table, table="rounds")


def test_texts_of_the_manifest(run):
    assert (run.recipe, run.task, run.policy) == (MANIFEST["recipe"], "countdown(numbers=4)", "tiny")
    assert (run.rounds_wanted, run.name, run.seed) == (3, "a", 0)
    with pytest.raises(RunError, match=r"base is missing; bring it back"):
        _ = run.base_path


def test_events_tolerate_an_unfinished_last_line_only(run):
    before = run.events()
    with open(run.folder / "events.jsonl", "ab") as file:
        file.write(b'{"event": "to')
    assert run.events() == before
    with open(run.folder / "events.jsonl", "ab") as file:
        file.write(b"\n")
    with pytest.raises(RunError, match=rf"events.jsonl is broken, line {len(before) + 1}, character 11"):
        run.events()
    (run.folder / "events.jsonl").unlink()
    assert run.events() == []


@pytest.mark.parametrize("whole", [b"", b"{}\n", b"{}\n{}\n", b'{"a": "' + b"x" * 200_000 + b'"}\n'])
@pytest.mark.parametrize("torn", [b"", b"x", b"x" * 65536, b"x" * 140_000])
def test_cut_torn_line(tmp_path, whole, torn):
    path = tmp_path / "x"
    path.write_bytes(whole + torn)
    cut_torn_line(path)
    assert path.read_bytes() == whole
    assert len(read_lines(path)) == whole.count(b"\n")


def test_last_words(run):
    assert run.last_words() == ""
    with log_file(run.folder) as log:
        log.write("first\nRunError: é\n".encode())
    assert run.last_words() == "RunError: é"
    with log_file(run.folder) as log:
        log.write(b"later\n")
    assert run.last_words() == "later"


# ── status ─────────────────────────────────────────────────────────────────────────────────────────────
def fail_in_round_1(writer):
    writer.save_round(0, rows(0), INFO, no_state)
    writer.beat("train", 1, 0.5)
    writer.state_path(1)


def test_status_through_a_run_s_life(tmp_path):
    run = make(tmp_path / "a", n=0)
    assert run.status() == ("new", 0, 3, None, 0.0, None, None)
    with Writer(run.folder) as writer:
        writer.beat("sample", 0, 0.25)
        assert run.status() == ("running", 0, 3, "sample", 0.25, os.getpid(), None)
    assert run.status()[:5] == ("stopped", 0, 3, None, 0.0)
    with pytest.raises(Unfinished), Writer(run.folder) as writer:
        fail_in_round_1(writer)
    assert run.status() == ("dead", 1, 3, "train", 0.5, None, None)
    with pytest.raises(KeyboardInterrupt), Writer(run.folder):
        raise KeyboardInterrupt
    assert run.status().state == "stopped"
    with Writer(run.folder) as writer:
        for r in (1, 2):
            writer.save_round(r, rows(r), INFO, no_state)
        writer.save_round(3, rows(3), {**INFO, "closing": True}, no_state)
        assert run.status()[:3] == ("running", 3, 3)
    assert run.status()[:3] == ("finished", 3, 3)


def test_a_writer_that_comes_or_goes_during_the_look_is_not_taken_for_dead(run, monkeypatch):
    def look_between(before, after):
        monkeypatch.setattr("siwork.store.run.holder", lambda folder: (before(), holder(folder), after())[1])
        return run.status().state

    writers = [Writer(run.folder)]
    assert look_between(lambda: writers[0].close(), lambda: None) == "stopped"
    assert look_between(lambda: None, lambda: len(writers) == 2 or writers.append(Writer(run.folder))) == "running"
    writers[1].close()


def test_time_left(run):
    def beat(since):
        text = json.dumps({"stage": "train", "round": 2, "share": 0.5, "since": since})
        (run.folder / "heartbeat").write_text(text)
        return run.status().seconds_left

    with Writer(run.folder):
        now = datetime.now(UTC)
        # rounds took 2 s each; of 3 updates and the closing round two are done, so round 2 and the closing one remain
        assert beat((now - timedelta(seconds=1)).isoformat()) == pytest.approx(2 + (2 - 1), abs=0.5)
        assert beat((now - timedelta(seconds=50)).isoformat()) == pytest.approx(2)
        assert beat("yesterday") == pytest.approx(4)
        assert beat(None) == pytest.approx(4)
    assert run.status().seconds_left is None


@pytest.mark.parametrize("text", ["", "[]", '{"share": "x", "round": 2}', '{"share": 7, "round": 2}', "\xff"])
def test_a_broken_heartbeat_does_not_matter(run, text):
    with Writer(run.folder):
        (run.folder / "heartbeat").write_text(text)
        status = run.status()
    assert status.state == "running"
    assert 0 <= status.share <= 1


def test_status_does_not_mind_a_damaged_round(run):
    (run.folder / "rounds" / "0001" / "round.json").write_text("{")
    assert run.status()[:3] == ("stopped", 2, 3)


def test_request_stop_is_refused_in_a_sentence(run, tmp_path):
    (run.folder / "stop").symlink_to(tmp_path / "no" / "where")
    with pytest.raises(RunError, match="leads out of the run folder"):
        run.request_stop()
    (run.folder / "stop").unlink()
    (run.folder / "stop").symlink_to(run.folder / "no" / "where")
    with pytest.raises(
        RunError, match=r"could not write stop in .*\(No such file or directory\); check its permissions"
    ):
        run.request_stop()


# ── not a run, broken, damaged ─────────────────────────────────────────────────────────────────────────
def test_foreign_folders(tmp_path, run):
    with pytest.raises(Foreign, match=r"run.json is missing; runs inside it: a\. Pass one, or Runs\(folder\)"):
        Run(tmp_path)
    with pytest.raises(Foreign, match=r"b is no run: it does not exist; beside it: a$"):
        Run(tmp_path / "b")
    with pytest.raises(Foreign, match=r"run.json is missing; pass the folder of a run, or make one with: siwork run"):
        Run(run.folder / "rounds")
    with pytest.raises(Foreign, match="it is not a folder"):
        Run(run.folder / "run.json")


def test_a_newer_format_and_another_program_s_file(run):
    path = run.folder / "run.json"
    path.write_text(json.dumps({**run.manifest, "version": 2, "siwork": "9.1"}))
    with pytest.raises(
        Foreign, match=r"has format 2 \(siwork 9.1\), this siwork reads up to 1; .*pip install -U siwork"
    ):
        Run(run.folder)
    path.write_text('{"name": "x", "version": 1}')
    with pytest.raises(
        Foreign, match=r"is no run: its run.json lacks recipe, task, policy, seed, rounds; pass a folder"
    ):
        Run(run.folder)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{\n "name": "a",\n "seed" 3\n}', r"run.json is broken, line 3, character 9: Expecting ':'"),
        (b'{\n "name": "\xff"}', "line 2: not UTF-8"),
        (b"[1]", "expected an object {…}, got list"),
        (b'{"a":' * 50_000, "nested too deeply"),
        (b"1" * 5000, "line 1: Exceeds the limit"),
        (b" " * 16_000_001, "larger than 16000000 bytes"),
        (json.dumps({**MANIFEST, "version": 1, "name": "a", "seed": "x"}).encode(), "'seed' must be int, got 'x'"),
    ],
)
def test_a_broken_manifest(run, data, says):
    (run.folder / "run.json").write_bytes(data)
    with pytest.raises(RunError, match=says):
        Run(run.folder)
    with pytest.raises(RunError, match=says):
        _ = run.seed


def flip(path):
    """Change the last byte of the responses."""
    chunk = pq.read_metadata(path).row_group(0).column(list(rows(0).columns).index("response"))
    data = bytearray(path.read_bytes())
    data[chunk.dictionary_page_offset + chunk.total_compressed_size - 1] ^= 0xFF
    path.write_bytes(data)


def shorten(path):
    pq.write_table(pq.read_table(path).slice(1), path)


def retype(path):
    table = pq.read_table(path)
    place = table.column_names.index("round")
    pq.write_table(table.set_column(place, "round", pa.array(["x"] * len(table))), path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), r"rows.parquet cannot be read \(No such file or directory\)"),
        (lambda path: path.write_bytes(b"PAR1junk"), r"rows.parquet cannot be read"),
        (lambda path: path.write_bytes(b""), r"rows.parquet cannot be read"),
        (flip, r"rows.parquet cannot be read \(.*CRC"),
        (shorten, "rows.parquet has 5 rows, round.json says 6"),
        (retype, r"column 'round' is string, not int64"),
        (lambda path: pq.write_table(pq.read_table(path).drop_columns("prompt"), path), "column 'prompt' is missing"),
        (
            lambda path: pq.write_table(pq.read_table(path).rename_columns({"hint": "task"}), path),
            "two columns have one name",
        ),
        (lambda path: (path.parent / "round.json").unlink(), "round.json cannot be read"),
        (lambda path: (path.parent / "round.json").write_text("{\n"), r"round.json is broken, line 2"),
        (
            lambda path: (path.parent / "round.json").write_text("{}"),
            "round.json has no whole number 'n_rows', got None",
        ),
    ],
)
def test_a_damaged_round(tmp_path, spoil, says):
    run = make(tmp_path / "a", n=3)
    spoil(run.folder / "rounds" / "0001" / "rows.parquet")
    end = rf"good rounds: 0, 2\. Go on from the last good one before it: siwork fork {run.folder} --at 1"
    with pytest.raises(RunError, match=rf"round 1 of {run.folder} is damaged: .*{says}.*; {end}"):
        run.rows()
    assert len(run.rows([0, 2])) == 12
    forked = fork(run.folder, tmp_path / "b", 1)
    assert len(forked.rows()) == 6


def test_all_rounds_damaged(run):
    for r in (0, 1):
        flip(run.folder / "rounds" / f"{r:04d}" / "rows.parquet")
    with pytest.raises(RunError, match=r"round 1 of .*; no other round is good\. .* --at 0"):
        run.rows(1)


def test_a_round_json_with_odd_values(run):
    path = run.folder / "rounds" / "0001" / "round.json"
    path.write_text(json.dumps({**run.round_info(1), "seconds": "long"}))
    with pytest.raises(RunError, match=r"a round.json of .* is not what it should be: .*seconds"):
        run.rounds()
    path.write_text(json.dumps({**run.round_info(1), "seconds": 1.0, "x": 3}))
    (run.folder / "rounds" / "0000" / "round.json").write_text(json.dumps({**run.round_info(0), "x": "three"}))
    with pytest.raises(RunError, match=r"a round.json of .* is not what it should be"):
        run.rounds()


def test_damaged_problems(run):
    pq.write_table(pq.read_table(run.folder / "problems.parquet").drop_columns("band"), run.folder / "problems.parquet")
    with pytest.raises(
        RunError, match=r"problems.parquet cannot be read \(column 'band' is missing\); take it from a copy"
    ):
        run.problems()


@pytest.mark.parametrize("name", ["run.json", "problems.parquet", "events.jsonl", "rounds", "rounds/0001/rows.parquet"])
def test_links_out_of_the_folder_are_not_followed(run, tmp_path, name):
    shutil.move(run.folder / name, tmp_path / "moved")
    (run.folder / name).symlink_to(tmp_path / "moved")
    with pytest.raises(RunError, match=r"leads out of the run folder, to .*moved"):
        Run(run.folder).rows(), run.problems(), run.events()


def test_a_state_with_a_link_out_is_refused_and_a_link_to_the_run_itself_is_fine(run, tmp_path):
    link = run.folder / "rounds" / "0001" / "state" / "w"
    link.symlink_to(tmp_path)
    with pytest.raises(RunError, match="leads out of the run folder"):
        run.state_path(1)
    link.unlink()
    link.symlink_to(run.folder / "run.json")
    assert run.state_path(1).is_dir()
    (tmp_path / "alias").symlink_to(run.folder)
    assert len(Run(tmp_path / "alias").rows()) == 12


def test_a_round_that_is_replaced_while_it_is_read(run):
    """The reader sees the old round 1, the new one or none; never an error, never a mixture."""
    stop = threading.Event()
    seen, faults, rng = set(), [], np.random.default_rng(0)

    def look():
        while not stop.is_set():
            try:
                seen.add(len(run.rows()))
            except RunError as error:
                faults.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    with Writer(run.folder) as writer:
        began = time.monotonic()
        while time.monotonic() < began + 1.5 or (not seen >= {12, 15} and time.monotonic() < began + 20):
            for n in (9, 6):
                writer.drop_round(1)
                writer.save_round(1, rows(1, n=n), INFO, no_state)
                time.sleep(rng.uniform(0, 0.03))
    stop.set()
    reader.join()
    assert faults == []
    assert seen <= {6, 12, 15}
    assert seen >= {12, 15}


# ── forks ──────────────────────────────────────────────────────────────────────────────────────────────
def test_fork_copies_the_first_rounds_and_changes_keys(run, tmp_path):
    (run.folder / "base").mkdir()
    (run.folder / "base" / "w").write_text("base")
    made = fork(run.folder, tmp_path / "deep" / "b", 1, {"recipe": "seed · sft", "seed": 5})
    assert (made.rounds_done, made.name, made.recipe, made.seed) == (1, "b", "seed · sft", 5)
    assert made.manifest["forked_from"] == {"folder": "a", "at": 1}
    assert made.rows()["run"].unique().tolist() == ["b"]  # rows say the run they are read from
    assert made.rounds()["recipe"].tolist() == [MANIFEST["recipe"]]  # made under the old recipe
    assert made.rounds()["run"].tolist() == ["b"]
    assert (made.base_path / "w").read_text() == "base"
    assert made.status().state == "stopped"
    assert os.listdir(tmp_path / "deep") == ["b"]
    with Writer(made.folder) as writer:
        writer.save_round(1, rows(1, run="b"), INFO, no_state)
    assert run.rounds_done == 2
    assert fork(run.folder, tmp_path / "c", 0).status().state == "new"


@pytest.mark.parametrize(
    ("at", "changes", "says"),
    [
        (3, {}, r"at must be in 0 … 2, the finished rounds of .*, got 3; nearest: 2"),
        (-1, {}, r"at must be in 0 … 2, .* got -1; nearest: 0"),
        (1, {"task": "add"}, "a fork keeps task of its source; begin a new run"),
        (1, {"recpie": "x"}, "run.json has no key 'recpie' to change; nearest: 'recipe'"),
        (1, {"seed": "x"}, "'seed' must be int, got 'x'"),
    ],
)
def test_fork_checks_what_it_is_asked(run, tmp_path, at, changes, says):
    with pytest.raises(RunError, match=says):
        fork(run.folder, tmp_path / "b", at, changes)
    assert sorted(os.listdir(tmp_path)) == ["a"]


def test_fork_overwrites_nothing(run, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b-2").touch()
    with pytest.raises(RunError, match=r"b exists and a fork overwrites nothing; a free name: .*b-3"):
        fork(run.folder, tmp_path / "b", 1)


def test_fork_takes_over_what_a_killed_fork_left(run, tmp_path):
    (tmp_path / ".b.tmp" / "rounds").mkdir(parents=True)
    (tmp_path / ".b.tmp" / "old").touch()
    assert len(fork(run.folder, tmp_path / "b", 2).rows()) == 12
    assert sorted(os.listdir(tmp_path / "b")) == ["lock", "problems.parquet", "rounds", "run.json"]
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_fork_refuses_links_and_missing_files_and_leaves_nothing(run, tmp_path):
    (run.folder / "rounds" / "0000" / "state" / "w").symlink_to(tmp_path)
    with pytest.raises(RunError, match="is a symbolic link"):
        fork(run.folder, tmp_path / "b", 1)
    (run.folder / "problems.parquet").unlink()
    with pytest.raises(RunError, match=r"could not write the copy in .*\(No such file.*; .*a is unchanged"):
        fork(run.folder, tmp_path / "b", 0)
    assert sorted(os.listdir(tmp_path)) == ["a"]


# ── siblings ───────────────────────────────────────────────────────────────────────────────────────────
def test_runs_are_siblings_when_all_but_the_seed_is_equal(tmp_path):
    for name, change in {"s1": {"seed": 1}, "s0": {}, "other": {"policy": "tabular"}}.items():
        make(tmp_path / name, **change)
    runs = Runs(tmp_path)
    assert runs.names == ["other", "s0", "s1"]
    assert len(runs) == 3
    assert runs["s1"].seed == 1
    with pytest.raises(Foreign, match=r"none of these runs is called 's2'; nearest: 's[01]'"):
        runs["s2"]
    assert {key[2]: [run.name for run in group] for key, group in runs.groups().items()} == {
        "tabular": ["other"],
        "tiny": ["s0", "s1"],
    }
    assert len(runs.rows()) == 3 * 12
    assert [part["run"][0] for part in runs.iter_rows(rounds=(r for r in [0]))] == ["other", "s0", "s1"]
    assert runs.rounds()["run"].tolist() == ["other"] * 2 + ["s0"] * 2 + ["s1"] * 2
    assert Runs([Run(tmp_path / "s1"), tmp_path / "s0"]).names == ["s0", "s1"]
    assert Runs(tmp_path / "s0").names == ["s0"]


def test_other_problems_make_another_group(tmp_path):
    make(tmp_path / "s0")
    make(tmp_path / "s1", seed=1, problems="problems(train=9)")
    tasks = [task for _, task, _ in Runs(tmp_path).groups()]
    assert tasks == [f"{MANIFEST['task']} with problems problems(train={n})" for n in (2, 9)]


def test_runs_refuses_nothing_and_twins(tmp_path):
    with pytest.raises(Foreign, match=r"run.json is missing"):
        Runs(tmp_path)
    make(tmp_path / "s0")
    make(tmp_path / "s1", name="s0")
    with pytest.raises(RunError, match=r"two runs are called 's0': .*s0 and .*s1; leave one out, or change its name"):
        Runs(tmp_path)


def test_a_column_of_one_run_is_null_in_the_others(tmp_path):
    make(tmp_path / "s0")
    with Writer(make(tmp_path / "s1").folder) as writer:
        writer.save_round(2, rows(2, run="s1").assign(score_x=0.5), INFO, no_state)
    assert Runs(tmp_path).rows(columns=["score_x"])["score_x"].isna().sum() == 24
    with pytest.raises(SchemaError, match=r"the rows of these 2 runs lack column 'score_y'"):
        Runs(tmp_path).rows(columns=["score_y"])
