"""lighteval: the figures of real runs, and every trap of the format."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from logs import LOGS, counted, figures
from siwork.importers.evaluations import from_lighteval
from siwork.schema import ImportFormatError, KnobError

DATE = "2026-11-20T11-17-46.861411"


def right(row):
    """Right when the number in the tag, else the last one, is the target."""
    tagged = re.search(r"<answer>(-?[0-9]+)</answer>", row["response"])
    return (tagged[1] if tagged else (re.findall(r"-?[0-9]+", row["response"]) or [None])[-1]) == row["target"]


def doc(i=0, texts=("a", "b"), choices=("a",), gold=0, metric=None, **response):
    return {
        "doc": {
            "query": f"question {i}",
            "choices": list(choices),
            "gold_index": gold,
            "id": str(i),
            "task_name": "t|0",
        },
        "metric": metric or {"pass@k:k=1&n=2": 0.5},
        "model_response": {"input": None, "text": list(texts), **response},
    }


def write(folder, rows, task="t|0", date=DATE):
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"details_{task}_{date}.parquet"
    pq.write_table(pa.Table.from_pylist(rows), place)
    return place


def notes(found):
    return " ".join(found.report.notes)


def test_figures_of_a_real_run():
    rows = from_lighteval(LOGS / "lighteval", gold=right).rows
    assert counted(rows) == figures("lighteval")
    assert set(rows["split"]) == {"heldout"}
    assert not [name for name in rows if "reward" in name or "n_tokens" in name]


@pytest.mark.parametrize("inner", ["details", "details/ckpt-8", "details/ckpt-8/*", "details/ckpt-8/*/*"])
def test_folders_within_and_one_file(inner):
    path = next((LOGS / "lighteval").glob(inner))
    found = from_lighteval(path, gold=right)
    assert counted(found.rows)[8] == figures("lighteval")[8]


def test_truth_is_asked_for():
    found = from_lighteval(LOGS / "lighteval")
    assert "gold" not in found.rows
    assert "what is right is not stored: truth is unknown" in notes(found)
    with pytest.raises(KnobError, match="no such column"):
        from_lighteval(LOGS / "lighteval", gold="pass@k")


def test_problems_are_known_by_their_ids_in_any_order(tmp_path):
    write(tmp_path / "details" / "m-1" / DATE, [doc(0), doc(1)])
    write(tmp_path / "details" / "m-2" / DATE, [doc(1), doc(0)])
    rows = from_lighteval(tmp_path).rows
    assert rows.groupby("problem")["round"].nunique().tolist() == [2, 2]


def test_a_model_with_an_organisation_and_the_newest_date(tmp_path):
    home = tmp_path / "details" / "org" / "model-step-4"
    write(home / DATE, [doc(0, ["new"])])
    old = "2026-11-19T11-17-46.861411"
    write(home / old, [doc(0, ["old"])], date=old)
    found = from_lighteval(tmp_path)
    assert found.rows[["round", "response"]].values.tolist() == [[4, "new"]]
    assert "1 older file" in notes(found)


def test_right_answers(tmp_path):
    rows = [doc(0, gold=1, choices=["a", "b"]), doc(1, gold=5), doc(2, choices=["x", "y", "z"], gold=2)]
    found = from_lighteval(write(tmp_path, rows), gold=lambda row: row["target"])
    assert found.rows.groupby("problem").size().tolist() == [2, 2, 2]
    assert "1 questions have no choice at their gold_index" in notes(found)
    several = from_lighteval(
        write(tmp_path / "b", [doc(0, ["b"], choices=["a", "b"], gold=[0, 1])]),
        gold=lambda row: row["target"] == '["a", "b"]',
    )
    assert several.rows["gold"].tolist() == [True]


def test_metrics_of_a_single_sample_lose_the_address_of_a_function(tmp_path):
    metric = {"em:f=<function sc at 0x7f6b40c32de0>": 1.0, "odd": float("nan")}
    found = from_lighteval(write(tmp_path, [doc(0, ["a"], metric=metric)]), gold="em:f=sc")
    assert found.rows["gold"].tolist() == [True]


def test_text_without_its_reasoning_is_kept_beside(tmp_path):
    place = write(tmp_path, [doc(0, ["<think>b</think>a"], text_post_processed=["a"])])
    assert from_lighteval(place, answer="post_processed").rows["answer"].tolist() == ["a"]


def test_no_sampled_text(tmp_path):
    place = tmp_path / "details_t_x.parquet"
    rows = [doc(0, []), doc(1, ["a"])]
    pq.write_table(pa.Table.from_pylist(rows), place)
    assert "1 questions have no sampled text" in notes(from_lighteval(place))
    pq.write_table(pa.Table.from_pylist(rows[1:] + rows[:1]).slice(1), place)
    with pytest.raises(ImportFormatError, match="name a generative task"):
        from_lighteval(place)


def test_files_of_another_kind(tmp_path):
    place = tmp_path / "details_old.parquet"
    pq.write_table(pa.table({"full_prompt": ["a"], "predictions": [["b"]]}), place)
    with pytest.raises(ImportFormatError, match=r"before 0\.11: read them with from_table"):
        from_lighteval(place)
    pq.write_table(pa.table({"a": ["a"]}), place)
    with pytest.raises(ImportFormatError, match="lacks the columns doc and model_response, it has a"):
        from_lighteval(place)
    place.write_bytes(b"PAR1 broken")
    with pytest.raises(ImportFormatError, match=r"1 place could not be read: .*: no Parquet file"):
        from_lighteval(place)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportFormatError, match="--save-details"):
        from_lighteval(tmp_path / "empty")


def test_columns_of_another_type(tmp_path):
    place = tmp_path / "details_t.parquet"
    pq.write_table(pa.table({"doc": [1, 2], "metric": ["a", "b"], "model_response": [None, None]}), place)
    with pytest.raises(ImportFormatError, match="2 places could not be read"):
        from_lighteval(place)


def test_half_a_file_is_counted(tmp_path):
    write(tmp_path / "m-1", [doc(0)])
    place = write(tmp_path / "m-2", [doc(i) for i in range(50)])
    place.write_bytes(place.read_bytes()[:-40])
    report = from_lighteval(tmp_path).report
    assert report.skipped == 1
