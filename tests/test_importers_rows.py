"""Rows that a callback wrote, and files that only look like them."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from siwork import from_rows
from siwork.schema import ImportFormatError


def write(folder, number, **columns):
    row = {
        "round": [0, 0],
        "split": ["train"] * 2,
        "prompt": ["p"] * 2,
        "response": ["a", "b"],
        "temperature": [1.0, 1.0],
    }
    known = {name: value for name, value in (row | columns).items() if value is not None}
    pq.write_table(pa.table(known), folder / f"generations_{number:06d}_0.parquet")


def test_a_column_that_one_file_lacks_is_unknown_there(tmp_path):
    write(tmp_path, 0)
    write(tmp_path, 1, temperature=None, round=[1, 1])
    found = from_rows(tmp_path)
    assert found.rows["temperature"].isna().tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    "column", [{"round": [-1, 0]}, {"split": ["train", "test"]}, {"n_tokens": [-3, 1]}, {"score": [0, 2]}]
)
def test_what_no_callback_writes_is_refused_with_the_file(tmp_path, column):
    write(tmp_path, 0, **column)
    with pytest.raises(
        ImportFormatError, match=rf"generations_000000_0\.parquet is no file of a callback.*{next(iter(column))}"
    ):
        from_rows(tmp_path)


def test_rewards_are_finite_or_unknown(tmp_path):
    write(tmp_path, 0, reward_right=[math.inf, 0.5])
    assert from_rows(tmp_path).rows["reward_right"].isna().tolist() == [True, False]
