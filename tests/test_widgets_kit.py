"""The kit without a browser: what is packed, what is sent, what comes back."""

from __future__ import annotations

import json
import threading
import time

import ipywidgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from siwork.schema import KnobError, RunError
from siwork_widgets.kit.clock import Clock
from siwork_widgets.kit.figure import Figure, Plotlyjs, picture
from siwork_widgets.kit.packing import SENT, jsonable, pack, unpack
from siwork_widgets.kit.table import Table
from siwork_widgets.kit.text import Text

KEPT = st.sampled_from([*SENT, ">f8", ">i4"])
FEW = arrays.array_shapes(max_dims=3, max_side=8, min_side=0)


@pytest.fixture(autouse=True)
def _close_all():
    yield
    ipywidgets.Widget.close_all()


def heard(widget, content):
    widget._handle_custom_msg(content, [])


# packing


@given(array=KEPT.flatmap(lambda dtype: arrays.arrays(dtype, FEW)))
def test_packed_arrays_come_back_as_they_were(array):
    back = unpack(pack({"data": [{"z": array}]}))["data"][0]["z"]
    assert back.dtype == array.dtype.newbyteorder("<")
    assert back.tobytes() == array.astype(back.dtype).tobytes()
    assert back.shape == array.shape


@given(array=arrays.arrays(st.sampled_from(["i8", "u8", "f2"]), st.integers(1, 20)))
def test_types_that_no_browser_has_become_the_next_that_holds_them(array):
    sent = pack({"data": [{"y": array}]})["data"][0]["y"]
    assert sent["dtype"] in SENT
    assert np.array_equal(unpack(sent), array.astype(sent["dtype"]), equal_nan=True)


@given(values=st.lists(st.none() | st.floats(width=32) | st.integers(-(2**53), 2**53), min_size=16, max_size=40))
def test_long_lists_of_numbers_become_arrays(values):
    back = unpack(pack({"data": [{"y": values}]}))["data"][0]["y"]
    assert np.array_equal(back, np.array(values, "f8"), equal_nan=True)


@given(array=arrays.arrays(st.sampled_from(["f8", "i4", "u1"]), st.integers(0, 40)))
def test_plotly_s_own_arrays_are_read(array):
    figure = go.Figure(go.Scatter(y=array))
    back = unpack(pack(figure))["data"][0]["y"]
    assert np.array_equal(np.asarray(back), array, equal_nan=True)


def test_what_is_no_long_list_of_numbers_stays_a_list():
    trace = {"x": ["a"] * 20, "y": [1, 2.5, float("nan")], "flags": [True] * 20, "big": [2**60] * 20}
    packed = pack({"data": [trace], "layout": {"xaxis": {"range": list(range(20))}}})
    assert packed["data"][0] == trace | {"y": [1, 2.5, None]}
    assert packed["layout"]["xaxis"]["range"] == list(range(20))


def test_a_series_its_gaps_and_dates_are_packed():
    gaps = pd.Series(pd.array([1, None], "Int64"))
    days = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"]))
    trace = pack({"data": [{"x": days, "y": gaps, "z": pd.Series(["a", None]), "t": pd.NaT}]})["data"][0]
    assert trace["x"][0].startswith("2024-01-01T00:00:00")
    assert np.array_equal(unpack(trace["y"]), [1.0, np.nan], equal_nan=True)
    assert trace["z"] == ["a", None]
    assert trace["t"] is None


def test_customdata_stays_exact_and_other_text_is_made_to_be_seen():
    name = "run \u202eb" + "x" * 30_000
    trace = pack(
        {"data": [{"customdata": [{"run": name, "low": np.float64("nan"), "k": np.int64(3)}], "name": "a\x1b"}]}
    )
    assert trace["data"][0] == {"customdata": [{"run": name, "low": None, "k": 3}], "name": "a⟨U+001B⟩"}


def test_what_is_packed_can_be_sent_and_saved():
    packed = pack(go.Figure(go.Scatter(y=np.array([1.0, np.inf]), text=["\ud800", "b"])))
    json.dumps(jsonable(packed), allow_nan=False).encode()


def test_any_thread_may_pack():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(picture(go.Figure(go.Bar(y=[1])), "one"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(one == found[0] for one in found)


# figure


def test_all_figures_share_one_library():
    one, other = Figure(), Figure()
    assert one.plotlyjs is other.plotlyjs
    assert len(one.plotlyjs.source) < 2_000_000
    assert one.get_state()["plotlyjs"] == f"IPY_MODEL_{one.plotlyjs.model_id}"


def test_a_library_that_was_closed_is_made_again():
    before = Plotlyjs.shared()
    ipywidgets.Widget.close_all()
    after = Plotlyjs.shared()
    assert after is not before
    assert Figure().plotlyjs is after


def test_a_click_gives_the_point_back():
    got: list[dict] = []
    figure = Figure(on_point=got.append)
    heard(figure, {"open": {"run": "star", "round": 2}, "trace": 0, "index": 1, "said": ""})
    for nonsense in ({}, {"open": None}, {"open": 3}, "open", None):
        heard(figure, nonsense)
    assert got == [{"run": "star", "round": 2}]
    heard(Figure(), {"open": {"run": "star"}})


def test_equal_pictures_are_not_sent_again():
    figure, sent = Figure(), []
    shown = go.Figure(go.Scatter(y=np.arange(50.0)))
    figure.show(picture(shown, "a line"))
    figure.observe(sent.append, "shown")
    figure.show(picture(shown, "a line"))
    assert sent == []
    figure.show(picture(shown, "another line"))
    assert len(sent) == 1


def test_a_zoom_lasts_as_long_as_the_axes():
    def kept(title):
        return picture(go.Figure(layout={"xaxis": {"title": {"text": title}}}), "").spec["layout"]["uirevision"]

    assert kept("round") == kept("round") != kept("score")


def test_words_instead_of_a_picture_and_a_picture_instead_of_words():
    figure = Figure()
    figure.show(None, why="no round\u202e yet")
    assert figure.shown == {"why": "no round⟨U+202E⟩ yet"}
    figure.show(picture(go.Figure(), "empty", "how to read it"))
    assert figure.static()["state"]["shown"]["note"] == "how to read it"
    assert json.dumps(figure.static())


# text


def test_text_is_kept_as_it_is():
    text = Text("<b>a</b>\u202e\x1b[31m\r\n$x$")
    assert text.text == "<b>a</b>\u202e\x1b[31m\n$x$"
    assert [kind for kind, _ in text.spans] == ["", "mark", "mark", ""]


def test_spans_have_kinds():
    text = Text()
    text.show("x = ", ("removed", "3"), ("added", "4"))
    assert text.spans == [["", "x = "], ["removed", "3"], ["added", "4"]]
    with pytest.raises(KnobError, match="cannot be of kind 'adedd'; nearest: 'added'"):
        text.show(("adedd", "4"))


def test_long_text_is_cut_and_says_so():
    text = Text()
    text.show("a" * 19_990, ("soft", "b" * 1_000_000), "c")
    assert text.text == "a" * 19_990 + "b" * 10 + " … (999,991 more characters)"


def test_text_that_no_message_carries_is_written_out():
    text = Text("a\ud800b")
    assert text.text == "a⟨U+D800⟩b"
    assert json.dumps(text.static(), ensure_ascii=False).encode()


# table


def test_rows_are_cut_and_hidden_characters_marked():
    table = Table(["a", "b"], label="rows")
    table.show([["x" * 1_000_000, "a\u202e"]] * 700, note="Some.")
    assert len(table.rows) == 500
    assert table.rows[0][0] == "x" * 400 + " … (999,600 more characters)"
    assert table.rows[0][1] == [["", "a"], ["mark", "\u202e"]]
    assert table.note == "The first 500 rows; 200 more are not shown. Some."


def test_picking_and_sorting_come_back_when_they_can_be():
    picked, sorts = [], []
    table = Table(["a", "b"], label="rows", on_pick=picked.append, on_sort=lambda i, down: sorts.append((i, down)))
    table.show([["1", "2"], ["3", "4"]], chosen=0, sorted_by=(1, True))
    assert table.sorted_by == [1, True]
    for content in (
        {"pick": 1},
        {"pick": 2},
        {"pick": -1},
        {"pick": "1"},
        {"sort": 1, "down": True},
        {"sort": 2},
        None,
    ):
        heard(table, content)
    assert (picked, sorts, table.chosen) == ([1], [(1, True)], 1)
    assert table.static()["state"]["picks"] is False


def test_a_table_without_listeners_hears_nothing():
    table = Table(["a"], label="rows")
    table.show([["1"]])
    heard(table, {"pick": 0})
    heard(table, {"sort": 0})
    assert table.chosen is None


# clock


def test_every_tick_is_answered():
    calls = []
    clock = Clock(lambda: calls.append(1), seconds=0)
    heard(clock, {"tick": 0})
    heard(clock, {"tick": 1})
    heard(clock, {"something": 1})
    assert (len(calls), clock.answered) == (2, 2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RunError("no run\n<b>here</b>"), "no run <b>here</b>"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_an_error_is_said_and_the_clock_goes_on(error, said):
    errors = [error]

    def work():
        if errors:
            raise errors[0]

    clock = Clock(work)
    heard(clock, {"tick": 0})
    assert (clock.fault, clock.error, clock.answered) == (said, error, 1)
    errors.clear()
    heard(clock, {"tick": 1})
    assert (clock.fault, clock.error, clock.answered) == ("", None, 2)


def test_an_interrupt_passes_and_leaves_no_browser_waiting():
    def work():
        raise KeyboardInterrupt

    clock = Clock(work)
    with pytest.raises(KeyboardInterrupt):
        clock.tick()
    assert clock.answered == 1


def test_messages_of_two_threads_are_handled_one_after_the_other():
    seen, names = [], []

    def slow(change):
        seen.append("begin")
        time.sleep(0.05)
        seen.append("end")
        names.append(threading.current_thread().name)

    Clock(lambda: None, seconds=0)
    sliders = [ipywidgets.IntSlider(description=str(i)) for i in range(4)]
    for slider in sliders:
        slider.observe(slow, "value")
    data = {"content": {"data": {"method": "update", "state": {"value": 3}}}}
    threads = [threading.Thread(target=slider._handle_msg, args=(data,)) for slider in sliders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["begin", "end"] * 4
    assert len(set(names)) == 4
