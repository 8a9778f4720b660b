"""Text to tokens and back, and padded batches."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.policies.tokens import BEGIN, END, PAD, Sequences, Tokens
from siwork.schema import KnobError
from siwork.tasks import TASKS, Synthetic

NUMBERS = Tokens(("0", "1", "2", "12", "102", "+"))
ids_of_numbers = st.lists(st.integers(3, 8), max_size=6)


def test_special_tokens_come_first_and_the_longest_token_is_read():
    assert (PAD, END, BEGIN, len(NUMBERS)) == (0, 1, 2, 9)
    # 102 is one token (7), then + (8), then 12 (6), then 1 (4)
    assert NUMBERS.encode("102+121").tolist() == [7, 8, 6, 4]
    assert NUMBERS.encode("").tolist() == []
    assert NUMBERS.encode_prompt("1+").tolist() == [4, 8, BEGIN]
    assert NUMBERS.decode([BEGIN, 7, 8, PAD, 6, END]) == "102+12"


def test_characters_that_mean_something_in_patterns_are_plain_tokens():
    tokens = Tokens((".", "*", "(", "a*", "a", "|"))
    assert tokens.encode("a*.|(").tolist() == [6, 3, 8, 5]


def test_a_text_is_encoded_once_and_nobody_can_change_it():
    first = NUMBERS.encode("1+2")
    assert NUMBERS.encode("1+2") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 5


@pytest.mark.parametrize(("text", "fault", "place"), [("1+x2", "x", 3), ("é", "é", 1), ("12+ ", " ", 4)])
def test_a_strange_character_is_named_with_its_place(text, fault, place):
    with pytest.raises(KnobError, match=rf"no token begins with '{fault}', character {place} of a text"):
        NUMBERS.encode(text)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ((), "not empty"),
        (("a", ""), "not empty"),
        (("a", 1), "not empty"),
        (("a", "b", "a"), "every token once, got 'a' twice"),
        # "a" then "bc" would be read as "ab", and "c" is no token
        (("a", "ab", "bc"), r"'a' and 'bc' may run into another token.*add \['b', 'c'\]"),
    ],
)
def test_a_vocabulary_that_cannot_be_read_back_is_refused(vocabulary, message):
    with pytest.raises(KnobError, match=message):
        Tokens(vocabulary)


@pytest.mark.parametrize("name", sorted(name for name, kind in TASKS.items() if issubclass(kind, Synthetic)))
def test_every_task_has_a_vocabulary_that_reads_its_own_texts(name):
    task, rng = TASKS[name](), np.random.default_rng(0)
    tokens = Tokens((*task.vocabulary, *(mark for mark in "#>" if mark not in task.vocabulary)))
    for _ in range(50):
        prompt = task.draw(rng).prompt
        response = task.write(prompt, rng)
        assert tokens.decode(tokens.encode(prompt)) == prompt
        assert tokens.decode(tokens.encode(response)) == response
        assert len(tokens.encode(response)) + 1 <= task.max_tokens


@given(ids_of_numbers)
def test_decoded_tokens_read_back_to_the_same_text(ids):
    text = NUMBERS.decode(ids)
    assert NUMBERS.decode(NUMBERS.encode(text)) == text


@given(ids_of_numbers)
def test_what_does_not_reread_reads_back_as_the_same_tokens(ids):
    row = np.array([[*ids, END, *[PAD] * (6 - len(ids))]])
    if not NUMBERS.rereads(row)[0]:
        assert NUMBERS.encode(NUMBERS.decode(ids)).tolist() == ids


def test_rereads_marks_the_rows_that_may_read_as_other_tokens():
    rows = np.array([[4, 5, END], [4, 8, 5], [4, END, PAD], [6, 4, END], [4, 3, 5]])
    # 1 2 → 12; 1 + 2; 1; 12 1; 1 0 2 → 102
    assert NUMBERS.rereads(rows).tolist() == [True, False, False, False, True]
    assert not Tokens(("a", "b")).rereads(np.array([[3, 4], [3, 3]])).any()


def test_equal_rows_are_decoded_to_equal_texts():
    rows = np.array([[7, 8, END], [4, END, PAD], [7, 8, END], [END, PAD, PAD]])
    assert NUMBERS.decode_rows(rows).to_pylist() == ["102+", "1", "102+", ""]
    assert NUMBERS.decode_rows(rows[:0]).to_pylist() == []


def test_rows_join_prompt_begin_response_and_the_end_where_finished():
    prompts, responses = pa.array(["1+", "2", "1+"]), pa.array(["12", "", "12"])
    rows = NUMBERS.rows(prompts, responses, np.array([True, True, False]))
    assert rows.first.tolist() == [3, 2, 3]
    assert rows.length.tolist() == [5, 3, 4]
    assert rows.padded(np.array([2, 1])).tolist() == [[4, 8, 2, 6], [5, 2, 1, 0]]
    assert rows.padded(np.array([1]), at_least=5).tolist() == [[5, 2, 1, 0, 0]]


@given(st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=6), st.data())
def test_padded_gives_each_row_its_own_tokens(lists, data):
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), min_size=1, max_size=8))
    padded = Sequences([np.array(ids, np.int64) for ids in lists]).padded(np.array(rows))
    assert [[i for i in row if i] for row in padded.tolist()] == [lists[r] for r in rows]
    assert padded.shape[1] == max(len(lists[r]) for r in rows)
