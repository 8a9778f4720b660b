"""Tables, knobs and the grammar: what passes, and what each error says."""

import contextlib
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.schema import (
    TABLES,
    Knobbed,
    KnobError,
    RecipeError,
    SchemaError,
    arrow_schema,
    check,
    format_call,
    knob,
    missing_extra,
    nearest,
    parse_call,
    parse_formula,
)
from siwork.schema.numbers import number


@dataclass(frozen=True)
class Mill(Knobbed):
    name = "mill"
    kind: str = knob("wind", "Power.", choices=("wind", "water"), shown=True)
    speed: float = knob(1.0, "Turns.", low=0, high=9, unit="1/s")
    stones: int = knob(2, "Stones.", low=1)
    label: str = knob("", "Any text.")
    open: bool = knob(True, "Doors.")


def test_whole_numbers_become_real_ones_where_reals_are_wanted():
    assert Mill(speed=3).speed == 3.0
    assert isinstance(Mill(speed=3).speed, float)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"speed": 12.0}, "must be in 0 … 9, got 12.0; nearest: 9"),
        ({"speed": float("nan")}, "must be a finite number"),
        ({"stones": 0}, "must be in ≥ 1, got 0; nearest: 1"),
        ({"stones": 1.5}, "takes int, got 1.5; its default is 2"),
        ({"stones": True}, "takes int, got True"),
        ({"kind": "waterr"}, "must be one of wind, water, got 'waterr'; nearest: 'water'"),
        ({"sped": 1.0}, "has no knob 'sped'; nearest: 'speed'"),
    ],
)
def test_knob_errors_name_rule_value_and_nearest(values, words):
    with pytest.raises(KnobError, match="mill") as caught:
        Mill.build((), values)
    assert words in str(caught.value)


def test_positions_and_names_may_not_clash():
    with pytest.raises(KnobError, match="'kind' is given twice"):
        Mill.build(("wind",), {"kind": "water"})
    with pytest.raises(KnobError, match="at most 5 values"):
        Mill.build(("wind", 1.0, 2, "", True, 7), {})


texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
mills = st.builds(
    Mill, st.sampled_from(["wind", "water"]), st.floats(0, 9), st.integers(1, 10**9), texts, st.booleans()
)


@given(mills)
def test_a_call_reads_back_to_the_same_object(mill):
    call = parse_call(format_call(mill))
    assert Mill.build(call.args, call.named) == mill


def test_formula_by_hand():
    slots = parse_formula("seed · cot(k=8, temperature=0.7) + hint(answer, on=fail) | gold")
    assert [[c.name for c in slot] for slot in slots] == [["seed"], ["cot", "hint"], ["gold"]]
    assert slots[0 + 1][0].named == {"k": 8, "temperature": 0.7}
    assert slots[1][1].args == ("answer",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got nothing"),
        ("a · ", "expected a component's name, got the end"),
        ("a(b=1, b=2)", "'b' of a is written twice"),
        ("a(b=1, 2)", "expected a named argument"),
        ("a(1", "expected ',' or ')'"),
        ("a b", "expected '+', '·' or the end, got 'b'"),
        ("a; import os", "got '; import os' at character 2"),
        ("__import__('os')", "at character 12"),
        ("a(1.2.3)", "at character 3"),
        ("x" * 3000, "at most 2000 characters, got 3000"),
    ],
)
def test_formula_errors_say_where(text, words):
    with pytest.raises(RecipeError) as caught:
        parse_formula(text)
    assert words in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(RecipeError):
        parse_formula(text)


def test_parse_call_takes_one_name_only():
    with pytest.raises(RecipeError, match="one name with its arguments"):
        parse_call("a + b")


def test_nearest_lists_all_when_nothing_is_near():
    assert nearest("zzz", ["add", "expr"]) == "valid: add, expr"
    assert (
        nearest("zzz", [f"name-{i}" for i in range(30)] + ["zebra"]) == "nearest: 'zebra'"
    )  # of many the nearest alone


@given(st.floats(-2e5, 2e5), st.floats(-2e5, 2e5), st.booleans())
def test_a_number_that_rounds_to_zero_has_no_minus(value, beside, sign):
    text = number(value, beside, sign=sign)
    zero = not set(text) & set("123456789")
    assert ("−" in text) == (value < 0 and not zero)
    assert text.startswith("+") == (sign and (value >= 0 or zero))
    shown = float(text.replace("−", "-").replace(",", ""))
    assert abs(shown - value) <= 0.5 * 10.0 ** -len(text.partition(".")[2]) * (1 + 1e-9)


def test_missing_extra_names_feature_package_and_pip_line():
    assert "pip install 'siwork[lm]'" in str(missing_extra("policy 'tiny'", "torch", "lm"))


def frame(**changes):
    row = {
        "run": "a", "round": 0, "split": "train", "problem": "p", "sample": 0, "task": "t", "prompt": "x", "hint": "none",
        "turn": 0, "agent": "m", "temperature": 1.0, "top_p": 1.0, "response": "y", "n_tokens": 1, "finished": True,
        "verifier": "none", "weight": 1.0,
    }  # fmt: skip
    return pd.DataFrame({name: [value] for name, value in (row | changes).items() if value is not ...})


def test_check_gives_arrow_types_and_keeps_other_columns():
    rows = check(frame(extra="kept", gold=None))
    assert rows["round"].dtype == pd.ArrowDtype(pa.int64())
    assert rows["gold"].dtype == pd.ArrowDtype(pa.bool_())
    assert rows["extra"].tolist() == ["kept"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"response": ...}, "rows lack column 'response' (string): the completion"),
        ({"weight": -1.0}, "'weight' must be ≥ 0 and finite, got -1.0"),
        ({"score": 1.5}, "'score' must be ≥ 0 and ≤ 1, got 1.5"),
        ({"split": "test"}, "must be one of train, heldout, beyond, got 'test'"),
        ({"round": None}, "'round' may not be null, 1 of 1 are"),
        ({"round": "one"}, "'round' must be int64"),
        ({"gold": 1}, "'gold' must be bool"),
        ({"prompt": 3}, "'prompt' must be string"),
    ],
)
def test_check_names_the_column_and_the_rule(changes, words):
    with pytest.raises(SchemaError) as caught:
        check(frame(**changes))
    assert words in str(caught.value)


def test_check_says_how_to_get_what_is_missing():
    with pytest.raises(SchemaError, match=r"gold.*task\.check\(rows\), or gold= of a reader"):
        check(frame(), needs=["gold"])


def test_two_rows_may_not_share_a_key():
    with pytest.raises(SchemaError, match="two rows share the key"):
        check(pd.concat([frame(), frame()]))


def test_text_that_no_file_can_hold_is_refused():
    torn = pd.DataFrame({"response": pd.Series(["\udc80"], dtype=object)})
    with pytest.raises(SchemaError, match="'response' must be string"):
        check(torn, needs=[])


def test_nan_is_unknown_not_a_number():
    assert check(frame(score=float("nan")))["score"].isna().tolist() == [True]


def test_an_infinite_weight_is_refused():
    with pytest.raises(SchemaError, match="weight"):
        check(frame(weight=float("inf")))


def test_every_column_has_a_meaning_and_travels_with_it():
    for columns in TABLES.values():
        schema = arrow_schema(columns)
        assert all(schema.field(c.name).metadata[b"meaning"] for c in columns)
