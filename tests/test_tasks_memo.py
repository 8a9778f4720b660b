"""A text is judged once, whatever table it stands in, and always gets its own result."""

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.schema import SchemaError
from siwork.tasks.memo import Memo

pairs = st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.text(max_size=2)), max_size=20)


def table(drawn):
    made = pd.DataFrame({"prompt": [d[0] for d in drawn], "response": [d[1] for d in drawn]})
    return made.astype(pd.ArrowDtype(pa.string()))


@given(st.lists(pairs, max_size=4))
def test_results_are_those_of_the_function(tables):
    memo = Memo(lambda prompt, response: f"{prompt}|{response}", pa.string())
    for drawn in tables:
        assert memo(table(drawn)).tolist() == [f"{p}|{r}" for p, r in drawn]


def test_each_pair_is_asked_once():
    asked = []
    memo = Memo(lambda prompt, response: asked.append((prompt, response)) or True, pa.bool_())
    for drawn in ([("a", "x"), ("a", "x"), ("b", "x")], [("b", "x"), ("a", "y")]):
        memo(table(drawn))
    assert sorted(asked) == [("a", "x"), ("a", "y"), ("b", "x")]


def test_unknown_is_kept_and_the_index_too():
    memo = Memo(lambda _, response: response or None, pa.string())
    rows = table([("a", ""), ("a", "x")]).set_index(pd.Index([7, 9]))
    found = memo(rows)
    assert found.isna().tolist() == [True, False]
    assert found.index.tolist() == [7, 9]


def test_rows_without_responses_are_refused():
    with pytest.raises(SchemaError, match="'response'"):
        Memo(lambda *_: None, pa.string())(pd.DataFrame({"prompt": ["a"]}))
