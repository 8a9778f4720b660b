"""Tables with named columns: the figures of real ones, all kinds of files, and every trap."""

from __future__ import annotations

import json
import pickle
import re
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_values import anything, written
from logs import LOGS, counted, figures
from siwork.importers.evaluations import from_table
from siwork.schema import ImportFormatError, KnobError

HF = LOGS / "hf_datasets"
LONG = {"prompt": "prompt", "response": "completion", "round": "round"}
WIDE = {"prompt": "problem", "response": "responses", "reward": "rewards", "round": "iteration", "target": "answer"}
TWO = {"prompt": "q", "response": "a"}


def right(row):
    tagged = re.search(r"<answer>(-?[0-9]+)</answer>", row["response"])
    return (tagged[1] if tagged else (re.findall(r"-?[0-9]+", row["response"]) or [None])[-1]) == row["target"]


def notes(found):
    return " ".join(found.report.notes)


@pytest.mark.parametrize(
    ("name", "path", "columns", "gold"),
    [
        ("hf_datasets/long", "long_parquet", LONG, "is_correct"),
        ("hf_datasets/long", "long_parquet/train-00000-of-00001.parquet", {**LONG, "gold": "is_correct"}, None),
        ("hf_datasets/wide", "wide_save_to_disk", WIDE, "rewards"),
        ("hf_datasets/wide", "wide_save_to_disk/train", WIDE, "rewards"),
        ("hf_datasets/jsonl", "long_jsonl/part.jsonl", LONG, "is_correct"),
    ],
)
def test_figures_of_real_tables(name, path, columns, gold):
    assert counted(from_table(HF / path, columns, gold=gold).rows) == figures(name)


@pytest.mark.parametrize(("folder", "name"), [("step-0", "rows"), ("step-12", "rows"), ("step-12-grouped", "grouped")])
def test_figures_of_distilabel(folder, name):
    columns = {"prompt": "instruction", "response": "generation", "target": "answer"}
    found = from_table(LOGS / "distilabel" / folder, columns, gold=right)
    step = int(folder.split("-")[1])
    assert counted(found.rows) == {step: figures(f"distilabel/{name}")[step]}
    assert "Round is the step in the name of the folder" in notes(found)


def test_columns_that_mean_what_ours_do():
    names = {
        **LONG,
        "problem": "uid",
        "sample": "sample_id",
        "logp": "logprob",
        "target": "gold",
        "score": "is_correct",
    }
    rows = from_table(HF / "long_parquet", names).rows
    assert rows["problem"].iloc[0] == "p000"
    assert rows["logp"].max() < 0
    assert rows["score"].isin([0.0, 1.0]).all()


# ── names ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("columns", [None, {}, {"prompt": "prompt"}, {"response": "completion"}])
def test_nothing_is_guessed_but_the_likely_names_are_told(columns):
    with pytest.raises(KnobError) as error:
        from_table(HF / "long_parquet", columns)
    assert "the table has uid, prompt, gold, completion" in str(error.value)
    assert "'prompt': 'prompt', 'response': 'completion', 'target': 'gold', 'reward': 'reward'" in str(error.value)


def test_names_that_are_not_there():
    with pytest.raises(KnobError, match=r"no column 'complet'; nearest: 'completion'"):
        from_table(HF / "long_parquet", {"prompt": "prompt", "response": "complet"})
    with pytest.raises(KnobError, match=r"no column 'rond'; nearest: 'round'"):
        from_table(HF / "long_jsonl", {**LONG, "round": "rond"})
    with pytest.raises(KnobError, match=r"'promt' is no name of ours; nearest: 'prompt'"):
        from_table(HF / "long_parquet", {**LONG, "promt": "prompt"})
    with pytest.raises(KnobError, match="needs the name of one column"):
        from_table(HF / "long_parquet", {**LONG, "target": ["gold", "uid"]})
    with pytest.raises(KnobError, match=r"gold='is_corect'.*nearest: 'is_correct'"):
        from_table(HF / "long_parquet", LONG, gold="is_corect")


def test_rewards_by_name_and_a_score_that_was_not_named_among_them():
    frame = pd.DataFrame({"q": ["1", "1"], "a": ["x", "y"], "r1": [1, 0], "r2": [-1.0, 3.0]})
    rows = from_table(frame, {**TWO, "reward": ["r1", "r2"], "reward_again": "r1"}, score=("r2", -1, 3)).rows
    assert rows["score"].tolist() == [0.0, 1.0]
    assert {"reward_r1", "reward_r2", "reward_again"} <= set(rows)
    assert from_table(frame, TWO, score="r1").rows["score"].tolist() == [1.0, 0.0]


def test_a_score_out_of_range_and_truth_that_is_an_answer():
    frame = pd.DataFrame({"q": ["1"], "a": ["x"], "r": [-1.0], "gold": ["42"]})
    with pytest.raises(ImportFormatError, match=r"score lies in 0 … 1, got -1 … -1; name the column 'reward'"):
        from_table(frame, {**TWO, "score": "r"})
    with pytest.raises(ImportFormatError, match=r"got '42'; a right answer is 'target'"):
        from_table(frame, {**TWO, "gold": "gold"})


# ── shapes ─────────────────────────────────────────────────────────────────────────────────────────────
def test_lists_of_completions_are_taken_apart_with_the_lists_beside_them(tmp_path):
    rows = [
        {"q": "1", "a": ["x", None, "z"], "r": [1.0, 0.5, 0.0], "label": ["u", "v", "w"], "target": ["t1", "t2", "t3"]},
        {"q": "2", "a": ["x", "y"], "r": [1.0]},
        {"q": "3", "a": [], "r": []},
        {"q": "4", "a": "x", "r": 1.0},
    ]
    place = tmp_path / "wide.jsonl"
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = from_table(
        place, {**TWO, "reward": "r", "target": "target"}, gold=lambda row: row["target"] == "t1\nt2\nt3"
    )
    assert found.rows["response"].tolist() == ["x", "z", "x"]
    assert found.rows["reward_r"].tolist() == [1.0, 0.0, 1.0]
    assert found.rows["log_label"].tolist()[:2] == ["u", "w"]
    assert found.rows["gold"].tolist() == [True, True, False]
    assert "1 completions are null" in notes(found)
    assert "wide.jsonl line 2: column 'r' holds 1 values beside 2 completions" in found.report.places
    assert "line 3: column 'a' holds no text and no list of texts" in found.report.places


def test_messages_are_one_completion_and_lists_of_messages_are_several():
    say = [{"role": "assistant", "content": "x"}]
    frame = pd.DataFrame({"q": [[{"role": "user", "content": "1"}]] * 2, "a": [say, [say, say]]})
    rows = from_table(frame, TWO).rows
    assert rows["prompt"].unique().tolist() == ["1"]
    assert rows["response"].tolist() == ["x", "x", "x"]


def test_frames_and_what_can_become_one():
    frame = pd.DataFrame({"q": ["1"], "a": [np.array(["x", "y"], object)], "s": [np.int64(3)], "n": [pd.NA]})
    rows = from_table(frame, {**TWO, "round": "s"}).rows
    assert rows["round"].tolist() == [3, 3]
    listed = pd.DataFrame({"q": ["1"], "a": [("x", "y")], "r": [[np.float32(1), np.int64(0)]]})
    assert from_table(listed, {**TWO, "reward": "r"}).rows["reward_r"].tolist() == [1.0, 0.0]
    assert from_table(pa.table({"q": ["1"], "a": ["x"]}), TWO).report.run == "table"
    with pytest.raises(KnobError, match="needs a path, a DataFrame"):
        from_table(3, TWO)
    with pytest.raises(ImportFormatError, match="two columns have one name"):
        from_table(pd.DataFrame([["1", "x", "y"]], columns=["q", "a", "a"]), TWO)


# ── values ─────────────────────────────────────────────────────────────────────────────────────────────
def test_rounds_that_are_names():
    frame = pd.DataFrame({"q": ["1"] * 3, "a": ["x"] * 3, "r": ["ckpt-10", "ckpt-9", "ckpt-10"]})
    found = from_table(frame, {**TWO, "round": "r"})
    assert found.rows["round"].tolist() == [10, 9, 10]
    frame["r"] = ["late", "base", "late"]
    found = from_table(frame, {**TWO, "round": "r"})
    assert found.rows["round"].tolist() == [1, 0, 1]
    assert "Round counts the names in order" in notes(found)
    frame["r"] = ["1", " 2 ", "3.0"]
    assert from_table(frame, {**TWO, "round": "r"}).rows["round"].tolist() == [1, 2, 3]


def test_rounds_and_splits_that_are_none_are_counted():
    frame = pd.DataFrame(
        {"q": ["1"] * 5, "a": ["x"] * 5, "r": [0, -1, None, 0.5, 1], "s": ["train", "test", "", "x", "?"]}
    )
    found = from_table(frame, {**TWO, "round": "r"})
    assert found.rows["round"].tolist() == [0, 1]
    assert found.report.skipped == 3
    found = from_table(frame, {**TWO, "split": "s"})
    assert found.rows["split"].tolist() == ["train", "heldout"]
    assert "nor a folder by a step: all is round 0" in notes(found)


def test_values_of_another_kind_are_unknown_and_counted():
    frame = pd.DataFrame(
        {"q": ["1"] * 4, "a": list("abcd"), "n": [3, -3, "x", float("inf")], "l": [-1.0, 2.0, np.nan, -2]}
    )
    found = from_table(frame, {**TWO, "n_tokens": "n", "logp": "l", "reward": "n"})
    assert found.rows["logp"].isna().tolist() == [False, True, True, False]
    assert found.rows["n_tokens"].tolist() == [3, pd.NA, pd.NA, pd.NA]
    assert "3 values of n_tokens are of another kind or out of range" in notes(found)
    assert "1 values of logp" in notes(found)
    assert "2 values of reward" in notes(found)


# ── files ──────────────────────────────────────────────────────────────────────────────────────────────
def test_csv(tmp_path):
    place = tmp_path / "rows.csv"
    long = "y" * 200_000
    place.write_bytes(f'\ufeffq,a,r,ok\r\n1,"x,\n""z""",2,True\r\n1,,2,False\r\n1,{long},2,1\r\n1,x\r\n\r\n'.encode())
    found = from_table(place, {**TWO, "round": "r"}, gold="ok")
    assert found.rows["response"].tolist() == ['x,\n"z"', "", long]
    assert found.rows["gold"].tolist() == [True, False, True]
    assert "line 6: 4 fields are expected, got 2" in found.report.places
    place.write_bytes(b'q,a\n1,"x')
    with pytest.raises(ImportFormatError, match="no CSV"):
        from_table(place, TWO)
    place.write_bytes(b"")
    with pytest.raises(ImportFormatError, match="a line of column names is expected"):
        from_table(place, TWO)
    place.write_bytes(b"q,q\n1,2\n")
    with pytest.raises(ImportFormatError, match="line 1: two columns have one name"):
        from_table(place, TWO)


def test_json_as_a_list_and_as_lines(tmp_path):
    place = tmp_path / "rows.json"
    place.write_text('[{"q": "1", "a": "x"}, 3]')
    found = from_table(place, TWO)
    assert found.rows["response"].tolist() == ["x"]
    assert "a JSON object is expected, got int" in found.report.places
    place.write_text('{"q": "1", "a": "x"}\n{"q": "1", "a": "y"}\n')
    assert len(from_table(place, TWO).rows) == 2
    place.write_text("[" * 100_000)
    with pytest.raises(ImportFormatError, match="is no JSON file"):
        from_table(place, TWO)


def test_arrow_as_a_stream_and_as_a_file(tmp_path):
    table = pa.table({"q": ["1"], "a": ["x"]})
    place = tmp_path / "rows.arrow"
    with pa.ipc.new_file(place, table.schema) as writer:
        writer.write(table)
    assert from_table(place, TWO).rows["response"].tolist() == ["x"]
    with pa.ipc.new_stream(place, table.schema) as writer:
        writer.write(table)
    assert from_table(place, TWO).rows["response"].tolist() == ["x"]
    place.write_bytes(place.read_bytes()[:-100])
    with pytest.raises(ImportFormatError, match="no Arrow file to its end"):
        from_table(place, TWO)


def test_the_state_of_a_data_set_says_which_shards_are_its(tmp_path):
    for name, response in (("data-00000-of-00001.arrow", "x"), ("old.arrow", "y"), ("cache-abc.arrow", "z")):
        table = pa.table({"q": ["1"], "a": [response]})
        with pa.ipc.new_stream(tmp_path / name, table.schema) as writer:
            writer.write(table)
    (tmp_path / "state.json").write_text(
        '{"_data_files": [{"filename": "data-00000-of-00001.arrow"}, {"filename": "../../etc/passwd"}]}'
    )
    assert from_table(tmp_path, TWO).rows["response"].tolist() == ["x"]


def test_splits_of_a_data_set_and_steps_of_folders(tmp_path):
    for step in (1, 12):
        for split in ("train", "test"):
            home = tmp_path / f"step-{step}" / split
            home.mkdir(parents=True)
            pq.write_table(pa.table({"q": ["1"], "a": [f"{step} {split}"]}), home / "part.parquet")
    rows = from_table(tmp_path, TWO).rows
    assert rows[["round", "split", "response"]].values.tolist() == [
        [1, "heldout", "1 test"],
        [1, "train", "1 train"],
        [12, "heldout", "12 test"],
        [12, "train", "12 train"],
    ]


def test_folders_of_several_kinds_and_of_none(tmp_path):
    with pytest.raises(ImportFormatError, match=r"several kinds \(arrow, jsonl, parquet\)"):
        from_table(HF, LONG)
    with pytest.raises(ImportFormatError, match=r"holds no \.csv"):
        from_table(tmp_path, LONG)
    with pytest.raises(ImportFormatError, match="does not exist"):
        from_table(tmp_path / "nowhere", LONG)


@pytest.mark.parametrize("name", ["rows.pkl", "rows.pt", "rows.parquet", "rows.arrow", "rows.jsonl", "rows.csv"])
def test_no_pickle_is_opened(tmp_path, name):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    place = tmp_path / name
    place.write_bytes(pickle.dumps(Trap()))
    with pytest.raises((ImportFormatError, KnobError)):
        from_table(place, TWO)


@given(
    st.lists(
        st.one_of(anything({"q": "1", "a": ["x", "y"], "r": [1.0, 0.0], "s": 3}), st.binary(max_size=30)), max_size=5
    )
)
def test_any_lines(tmp_path_factory, lines):
    place = tmp_path_factory.mktemp("any") / "rows.jsonl"
    place.write_bytes(written([{"q": "1", "a": ["sure"], "r": [1.0], "s": 0}, *lines]))
    columns = {**TWO, "reward": "r", "round": "s", "n_tokens": "r", "target": "s"}
    assert "sure" in set(from_table(place, columns).rows["response"])


@given(st.binary(max_size=200), st.sampled_from(["csv", "json", "jsonl", "parquet", "arrow"]))
def test_any_bytes(tmp_path_factory, content, kind):
    place = tmp_path_factory.mktemp("any") / f"rows.{kind}"
    start = {"csv": b"q,a\n", "parquet": b"PAR1", "arrow": b"\xff\xff\xff\xff"}.get(kind, b"")
    place.write_bytes(start + content)
    with suppress(ImportFormatError, KnobError):
        from_table(place, TWO)


def test_any_damage_to_an_arrow_shard_is_an_error_and_no_crash(tmp_path):
    whole = next((HF / "wide_save_to_disk").rglob("*.arrow")).read_bytes()
    place = tmp_path / "rows.arrow"
    draw = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for spot in draw.integers(0, len(whole), 4):
            damaged[spot] = draw.integers(0, 256)
        place.write_bytes(damaged)
        with suppress(ImportFormatError, KnobError):
            from_table(place, WIDE)


def test_without_the_rest_only_named_columns_are_read(tmp_path):
    table = pa.table({"q": ["p"] * 2, "a": ["r", "s"], "ok": [1, 0], "odd": pa.array([2**62, 1], pa.duration("s"))})
    pq.write_table(table, tmp_path / "t.parquet")
    with pa.ipc.new_stream(tmp_path / "t.arrow", table.schema) as stream:
        stream.write_table(table)
    table.select(["q", "a", "ok"]).to_pandas().to_csv(tmp_path / "t.csv", index=False)
    for end in ("parquet", "arrow", "csv"):
        rows = from_table(tmp_path / f"t.{end}", TWO, rest=False, gold="ok").rows
        assert rows["gold"].tolist() == [True, False]
        assert [name for name in rows if str(name).startswith("log_")] == ["log_ok"]
        assert "log_ok" not in from_table(tmp_path / f"t.{end}", TWO, rest=False).rows
    with pytest.raises(KnobError, match="no column 'anser'; valid: a, ok, q"):
        from_table(tmp_path / "t.csv", {**TWO, "response": "anser"}, rest=False)


def test_columns_within_objects_have_dotted_names(tmp_path):
    lines = [{"q": "1 + 1?", "out": {"text": str(i), "check": {"acc": i == 2, "tag": 0.5}}} for i in (1, 2)]
    asked = {"prompt": "q", "response": "out.text", "gold": "out.check.acc", "reward": "out.check.tag"}
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, [*lines, {"q": "1 + 1?", "out": None}])))
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "a.parquet")
    for name, more in (("a.jsonl", {}), ("a.parquet", {}), ("a.parquet", {"rest": False})):
        rows = from_table(tmp_path / name, asked, **more).rows
        assert rows["response"].tolist() == ["1", "2"]
        assert rows["gold"].tolist() == [False, True]
        assert rows["reward_out.check.tag"].tolist() == [0.5, 0.5]
    with pytest.raises(KnobError, match=r"no column 'out.chek'; nearest: 'out.check'"):
        from_table(tmp_path / "a.jsonl", asked | {"gold": "out.chek"})
