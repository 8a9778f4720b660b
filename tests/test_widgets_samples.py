"""Completions: their names, their differences, what is listed, and the tab that shows them."""

import json
import re
import shutil
from threading import Event
from types import SimpleNamespace

import ipywidgets as w
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile import PAYLOADS
from made import made_run
from siwork.schema import KnobError
from siwork_widgets.samples.diffing import LONGEST, UNITS, difference
from siwork_widgets.samples.picked import facts
from siwork_widgets.samples.points import in_words
from siwork_widgets.samples.reading import PAGE, Held, Wish, across, completion, listing, per_token, reference
from siwork_widgets.samples.reference import Reference
from siwork_widgets.samples.samples import Samples
from siwork_widgets.watch.opening import TableRun

ANY = st.text(st.characters(exclude_categories=()), max_size=12)  # halves of characters, too
WHOLE = st.integers(0, 10**18 - 1)


@pytest.fixture(autouse=True)
def _close_all():
    yield
    w.Widget.close_all()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    return [made_run(home / f"star-s{seed}", seed=seed) for seed in (0, 1)]


def snapshot(*runs, version=1):
    return SimpleNamespace(runs=runs, version=version)


def opened(*runs, **more):
    tab = Samples(**more)
    tab.show(snapshot(*runs))
    tab.wait()
    return tab


def pick(tab, i):
    tab.pages.table._heard(None, {"pick": i}, [])
    tab.wait()


def column(tab, name):
    place = tab.pages.table.columns.index(name)
    return [row[place] for row in tab.pages.table.rows]


# ── references ─────────────────────────────────────────────────────────────────────────────────────────


@given(ANY, WHOLE, st.sampled_from(["train", "heldout", "beyond"]), ANY, WHOLE, st.integers(0, 9), ANY)
def test_a_reference_comes_back_whatever_the_names(run, r, split, problem, sample, turn, hint):
    place = Reference(run, r, split, problem, sample, turn, hint)
    assert Reference.read(f"  {place}\n") == place
    assert str(place).isascii()
    assert str(place).isprintable()


@given(st.text(max_size=60))
def test_what_is_no_reference_is_an_error_in_words(line):
    with pytest.raises(KnobError, match="reference"):
        Reference.read(line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("siwork:a/0/heldout/p", "siwork:<run>/<round>"),
        ("http:a/0/heldout/p/1", "siwork:<run>/<round>"),
        ("siwork:a/x/heldout/p/1", "round of a reference"),
        ("siwork:a/-1/heldout/p/1", "round of a reference"),
        ("siwork:a/0/test/p/1", "train, heldout, beyond"),
        ("siwork:a/0/heldout/p/1.5", "sample of a reference"),
        ("siwork:a/0/heldout/p/1?turn=one", "turn of a reference"),
        ("siwork:a/0/heldout/p/1?trun=1", "nearest: 'turn'"),
        ("siwork:%ff/0/heldout/p/1", "UTF-8"),
    ],
)
def test_every_wrong_part_of_a_reference_is_named(line, said):
    with pytest.raises(KnobError, match=said.replace("|", "[|]")):
        Reference.read(line)


# ── differences ────────────────────────────────────────────────────────────────────────────────────────


def joined(spans):
    return "".join(span if isinstance(span, str) else span[1] for span in spans)


@given(ANY, ANY, st.sampled_from(UNITS))
def test_spans_joined_are_the_texts_and_what_is_unmarked_is_in_both(before, after, unit):
    found = difference(before, after, unit)
    assert joined(found.before) == before
    assert joined(found.after) == after
    common = [joined(span for span in side if isinstance(span, str)) for side in (found.before, found.after)]
    assert common[0] == common[1]


def test_words_that_differ_are_marked_on_their_own_side():
    found = difference("take 3 + 4 now", "take 3 - 4 now")
    assert found.before == ("take 3", ("removed", " +"), " 4 now")
    assert found.after == ("take 3", ("added", " -"), " 4 now")
    assert difference("abc", "abd", "characters").after == ("ab", ("added", "d"))
    assert difference("a\nb\n", "a\nc\n", "lines").after == ("a\n", ("added", "c\n"))
    assert difference("same", "same").note == "The two texts are equal."


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("a b " * 4000, "b a " * 4000, "by lines"),
        ("ab" * 9000, "ba" * 9000, "words would take too long|characters would take too long"),
        ("y\n" * 9000, "y\nz\n" * 5000, "Too much to compare"),
        ("x" * 1_000_000, "x" * 999_999 + "y", "The first 20,000 characters are equal"),
        ("x" * 1_000_000, "y" * 1_000_000, "only the first 20,000 characters are compared"),
    ],
)
def test_long_and_repeating_texts_are_compared_more_coarsely(before, after, said):
    found = difference(before, after, "characters")
    assert re.search(said, found.note)
    assert joined(found.before) == before
    assert joined(found.after) == after
    assert LONGEST == 20_000


# ── what is listed ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("source", ["run", "table"])
@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        (Wish(), lambda rows: rows["round"] >= 0),
        (Wish(round=1), lambda rows: rows["round"] == 1),
        (Wish(split="train"), lambda rows: rows["split"] == "train"),
        (Wish(round=2, split="train"), lambda rows: rows["round"] < 0),
        (Wish(band=4), lambda rows: rows["band"] == 4),
        (Wish(truth="right"), lambda rows: rows["gold"]),
        (Wish(truth="wrong", split="heldout"), lambda rows: ~rows["gold"] & (rows["split"] == "heldout")),
        (Wish(truth="unknown"), lambda rows: rows["gold"].isna()),
        (Wish(used="kept"), lambda rows: rows["weight"] > 0),
        (Wish(used="not kept"), lambda rows: rows["weight"] == 0),
        (Wish(text="say b"), lambda rows: rows["response"].str.contains("say b")),
        (Wish(text="3+<2>="), lambda rows: rows["band"] == 3),
        (Wish(text="heldout/0"), lambda rows: rows["problem"] == "heldout/0"),
        (Wish(text=".*"), lambda rows: rows["round"] < 0),
        (Wish(text="\ud800"), lambda rows: rows["round"] < 0),
    ],
)
def test_filters_keep_the_rows_they_name(runs, source, wish, kept):
    rows = runs[0].rows()
    page = listing(runs[0] if source == "run" else Held(rows), wish)
    wanted = rows[kept(rows).fillna(False).to_numpy(bool)]
    assert page.found == len(wanted)
    if page.found:
        assert page.rows["response"].tolist() == wanted["response"].tolist()[:PAGE]
    assert page.rows["problem"].tolist() == wanted["problem"].tolist()[:PAGE]


@pytest.mark.parametrize(
    "order", ["round", "problem", "sample", "band", "answer", "gold", "score", "weight", "response"]
)
@pytest.mark.parametrize("down", [False, True])
def test_any_column_sorts_and_equal_rows_keep_their_order(runs, order, down):
    rows = runs[0].rows()
    found = listing(runs[0], Wish(order=order, down=down)).rows
    key = rows[order].sort_values(ascending=not down, kind="stable").index
    assert found["problem"].tolist() == rows.loc[key, "problem"].tolist()[:PAGE]
    assert found["sample"].tolist() == rows.loc[key, "sample"].tolist()[:PAGE]


def test_the_unknown_comes_last_and_likelihood_is_by_token(runs):
    rows = runs[0].rows(0).assign(logp=lambda rows: -(rows["sample"] + 1.0))
    rows.loc[rows["sample"] == 0, "logp"] = None
    rows.loc[rows["sample"] == 1, "n_tokens"] = 100
    for down, first in ((True, 1), (False, 3)):
        found = listing(Held(rows), Wish(order="logp_token", down=down)).rows
        assert found["sample"].iloc[0] == first
        assert found["sample"].iloc[-1] == 0
        assert np.isnan(per_token(found)[-1])


def test_pages_hold_every_row_once(runs):
    many = pd.concat([runs[0].rows().assign(problem=lambda rows, i=i: rows["problem"] + f"/{i}") for i in range(5)])
    source = Held(many.reset_index(drop=True))
    pages = [listing(source, Wish(page=i)) for i in range(3)]
    assert [page.start for page in pages] == [0, PAGE, 2 * PAGE]
    read = pd.concat([page.rows for page in pages])
    assert read["problem"].tolist() == many["problem"].tolist()
    assert listing(source, Wish(page=9)).start == 2 * PAGE


def test_one_completion_is_found_whole_or_the_error_says_what_is_there(runs):
    place = Reference("star-s0", 1, "heldout", "heldout/3", 2)
    row = completion(runs[0], place)
    assert row["prompt"] == "3+<2>="
    assert row["pair"] is None
    assert reference(row) == place
    with pytest.raises(KnobError, match="samples of the problem: 0 … 3"):
        completion(runs[0], place._replace(sample=9))
    with pytest.raises(KnobError, match="no problem 'heldout/9'"):
        completion(runs[0], place._replace(problem="heldout/9"))
    others = across(runs[0], place)
    assert others["round"].tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_a_table_without_sample_numbers_gets_them():
    table = pd.DataFrame({"run": "log", "round": 0, "split": "train", "problem": list("xxy"), "response": list("abc")})
    run = TableRun("log", table)
    page = listing(run, Wish())
    assert page.rows["sample"].tolist() == [0, 1, 0]
    assert completion(run, Reference("log", 0, "train", "x", 1))["response"] == "b"


def test_what_is_unknown_says_so():
    said = dict(facts({"run": "a", "answer": None, "pair": None, "score": None, "score_vote": 0.25}))
    assert said["answer"] == "none could be read"
    assert said["pair"] == "in no pair"
    assert said["score"] == said["truth"] == said["log-probability"] == said["hint"] == "unknown"
    assert said["score of vote"] == "0.250"


def test_a_point_says_what_is_behind_it():
    assert in_words({"metric": "ece", "run": "a", "round": 3, "low": 0.1, "high": 0.2, "share": 0.5}) == (
        "ece · a · round 3 · 0.100 to 0.200 · share: 0.5"
    )
    assert in_words({"band": 9}) == "band 9"


# ── the tab ────────────────────────────────────────────────────────────────────────────────────────────


def test_filters_and_heads_change_the_list(runs):
    tab = opened(*runs)
    assert tab.pages.count.value == "rows 1-100 of 100"
    tab.filters.split.value = "heldout"
    tab.filters.truth.value = "wrong"
    tab.wait()
    rows = runs[0].rows(split="heldout")
    assert tab.pages.count.value == f"rows 1-{(~rows['gold']).sum()} of {(~rows['gold']).sum()}, of 60 completions"
    assert set(column(tab, "truth")) == {"wrong"}
    tab.pages.table._heard(None, {"sort": tab.pages.table.columns.index("round"), "down": True}, [])
    tab.wait()
    assert column(tab, "round") == sorted(column(tab, "round"), reverse=True)
    assert tab.pages.table.sorted_by == [0, True]
    tab.filters.text.value = "nowhere"
    tab.wait()
    assert tab.pages.count.value == "none of 60 completions"
    tab.filters.run.value = "star-s1"
    tab.filters.clear()
    tab.filters.round.value = 2
    tab.wait()
    assert tab.pages.count.value == "rows 1-20 of 20"


def test_pages_turn_and_stop_at_the_ends(runs):
    table = pd.concat([runs[0].rows().assign(problem=lambda rows, i=i: rows["problem"] + f"/{i}") for i in range(5)])
    tab = opened(TableRun("star-s0", table.reset_index(drop=True)))
    assert tab.pages.back.disabled
    tab.pages.next.click()
    tab.pages.next.click()
    tab.wait()
    assert tab.pages.count.value == "rows 401-500 of 500"
    assert tab.pages.next.disabled
    tab.pages.back.click()
    tab.wait()
    assert tab.pages.count.value == "rows 201-400 of 500"
    tab.filters.band.value = 0
    tab.wait()
    assert tab.pages.count.value.startswith("rows 1-100 of 100")


def test_a_picked_row_is_shown_whole_with_its_problem_across_rounds(runs):
    tab = opened(*runs)
    tab.filters.split.value = "heldout"
    tab.filters.round.value = 2
    tab.filters.band.value = 3
    tab.wait()
    pick(tab, 1)
    assert tab.picked.prompt.text == "3+<2>="
    assert tab.picked.response.text == "say b"
    said = dict(tab.picked.facts.rows)
    assert said["truth"] == "right"
    assert (said["log-probability"], said["log-probability a token"]) == ("−1.50 nats", "−0.300 nats")
    assert tab.picked.reference.value == "siwork:star-s0/2/heldout/heldout%2F3/1"
    assert tab.across.table.columns == ["round", "sample 0", "sample 1", "sample 2", "sample 3"]
    assert tab.across.table.rows[0] == ["0", "✓ a", "✗ w", "✗ w", "✗ w"]
    assert tab.across.table.rows[2] == ["2", "✓ a", "✓ b", "✓ b", "✗ w"]
    assert tab.across.table.chosen == 2
    assert tab.across.a.text.spans == [["", "say"], ["removed", " w"]]
    assert tab.across.b.text.spans == [["", "say"], ["added", " b"]]
    tab.across.table._heard(None, {"pick": 0}, [])
    tab.wait()
    assert tab.across.note.text == "The two texts are equal."
    tab.across.b.sample.value = 0
    tab.across.unit.value = "characters"
    tab.wait()
    assert tab.across.b.text.spans == [["", "say "], ["added", "a"]]


def test_kept_rows_carry_a_mark(runs):
    tab = opened(*runs)
    tab.filters.used.value = "kept"
    tab.wait()
    pick(tab, 0)
    assert any("✓●" in cell for row in tab.across.table.rows for cell in row)


def test_references_open_what_they_name(runs):
    tab = opened(*runs)
    tab.go.value = "siwork:star-s1/0/train/train%2F2/1"
    tab.wait()
    assert tab.picked.reference.value == tab.go.value
    assert tab.pages.table.chosen is None  # of another run than the list's
    for line, said in (
        ("siwork:star-s9/0/train/x/1", "nearest: 'star-s"),
        ("siwork:star-s1/7/train/x/1", "round 7 of"),
        ("siwork:star-s1/0/train/x/1", "no problem 'x'"),
        ("what", "a reference reads"),
    ):
        tab.go.value = line
        tab.wait()
        assert said in tab.said.text
    tab.go.value = "siwork:star-s0/0/train/train%2F0/0"
    tab.wait()
    assert tab.said.text == ""
    assert tab.pages.table.chosen == 0


def test_rows_behind_a_point_are_shown_until_they_are_closed(runs):
    asked = []

    def behind(point):
        asked.append(point)
        rows = pd.concat([run.rows(2, split="heldout") for run in runs], ignore_index=True)
        return rows[(rows["band"] == 1).to_numpy(bool)]

    tab = opened(*runs, rows_behind=behind)
    tab.filters.truth.value = "wrong"
    tab.open_rows({"run": "star", "round": 2, "split": "heldout", "band": 1})
    tab.wait()
    assert len(asked) == 1
    assert tab.behind.text.endswith("star · round 2 · heldout · hard")
    assert tab.pages.table.columns[0] == "run"
    assert set(column(tab, "run")) == {"star-s0", "star-s1"}
    assert tab.pages.count.value == "rows 1-8 of 8"
    tab.filters.truth.value = "wrong"
    tab.wait()
    assert set(column(tab, "truth")) == {"wrong"}
    assert len(asked) == 1
    pick(tab, 0)
    assert dict(tab.picked.facts.rows)["truth"] == "wrong"
    tab.unpoint.click()
    tab.wait()
    assert tab.pages.table.columns[0] == "round"
    assert tab._pointing.layout.display == "none"


def test_a_point_that_cannot_be_opened_is_a_sentence(runs):
    def behind(point):
        raise KnobError("no run here is called 'x'; valid: star")

    tab = opened(*runs, rows_behind=behind)
    tab.open_rows({"run": "x"})
    tab.wait()
    assert tab.said.text == "no run here is called 'x'; valid: star"
    tab.unpoint.click()
    tab.wait()
    assert tab.pages.count.value == "rows 1-100 of 100"


def test_new_rounds_and_runs_leave_the_choice_where_it_is(tmp_path, runs):
    grown = made_run(tmp_path / "new", played=1)
    tab = opened(runs[0], grown)
    tab.filters.run.value = "new"
    tab.filters.round.value = 0
    tab.filters.truth.value = "right"
    tab.wait()
    pick(tab, 1)
    table = TableRun("new", runs[0].rows().assign(run="new"))
    tab.show(snapshot(runs[1], runs[0], table, version=2))
    tab.wait()
    assert (tab.filters.run.value, tab.filters.round.value, tab.filters.truth.value) == ("new", 0, "right")
    assert [value for _, value in tab.filters.round.options] == [None, 0, 1, 2]
    assert tab.pages.table.chosen == 1
    assert tab.said.text == ""


def test_a_run_that_vanished_is_a_sentence(runs):
    tab = opened(*runs)
    tab.filters.run.value = "star-s1"
    tab.show(snapshot(runs[0], version=2))
    tab.wait()
    assert tab.said.text == "The run 'star-s1' is not there any more. This is 'star-s0'."
    assert tab.pages.count.value == "rows 1-100 of 100"
    tab.show(snapshot(version=3))
    tab.wait()
    assert tab.said.text.startswith("The run 'star-s0' is not there any more. No run with a finished round")
    assert tab.pages.count.value == "no completion"


def test_a_folder_that_goes_away_is_a_sentence(tmp_path):
    run = made_run(tmp_path / "gone")
    tab = opened(run)
    shutil.rmtree(run.folder)
    tab.filters.truth.value = "right"
    pick(tab, 0)
    assert "gone" in tab.said.text


class Slow(TableRun):
    """A run whose rows come when they are let go."""

    def __init__(self, name, table):
        super().__init__(name, table)
        object.__setattr__(self, "go", Event())
        object.__setattr__(self, "reads", [])

    def rows(self, rounds=None, columns=None, split=None):
        self.reads.append(split)
        assert self.go.wait(30)
        return super().rows(rounds, columns, split)


def test_slow_rows_hold_nobody_up_and_the_newest_wish_wins(runs):
    run = Slow("star-s0", runs[0].rows())
    tab = Samples()
    tab.show(snapshot(run))
    for split in ("train", "beyond", "heldout"):
        tab.filters.split.value = split
    assert tab.pages.count.value == "reading …"
    assert tab.clock.seconds > 0
    run.go.set()
    tab.wait()
    assert tab.pages.count.value == "rows 1-60 of 60"
    assert set(run.reads) == {None, "heldout"}
    tab.tick()
    assert tab.clock.seconds == 0


# ── what completions may hold ──────────────────────────────────────────────────────────────────────────


def below(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from below(child)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_completions_are_text_and_nothing_else(tmp_path, payload):
    text = PAYLOADS[payload]
    name = text[:40]
    rows = (
        made_run(tmp_path / "run").rows(0, split="heldout").assign(run=name, response=text, answer=text, problem=text)
    )
    rows = rows.assign(prompt=text, verifier=text, hint=text)
    rows["sample"] = range(len(rows))
    tab = opened(TableRun(name, rows), rows_behind=lambda point: rows)
    pick(tab, 0)
    tab.across.b.sample.value = 1
    tab.open_rows({"run": text, "kind": text})
    tab.wait()
    pick(tab, 0)
    assert tab.picked.prompt.text.startswith(text[:200].replace("\ud800", ""))
    assert Reference.read(tab.picked.reference.value).problem == text
    for widget in below(tab):
        assert not isinstance(widget, w.HTML | w.HTMLMath)
        assert not getattr(widget, "description_allow_html", False)
        if hasattr(widget, "static"):
            assert len(json.dumps(widget.static())) < 3_000_000
        else:
            assert len(json.dumps(widget.get_state(), default=str)) < 3_000_000
