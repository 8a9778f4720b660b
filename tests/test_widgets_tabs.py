"""The tabs: the pictures and numbers of a snapshot, verdicts with their completions, untrusted names as text."""

import pandas as pd
import pytest

from hostile import PAYLOADS, RAN
from siwork.clinic import labelled
from siwork.figures.canvas import canvas
from siwork.reporting import in_words
from siwork.reporting.states import together
from siwork.reporting.verdicts import ill
from siwork_widgets.kit.figure import picture
from siwork_widgets.tabs.numbers import Numbers
from siwork_widgets.tabs.overview import Overview
from siwork_widgets.tabs.tabs import QuestionTab, reason
from siwork_widgets.watch.fitting import across, fitted
from siwork_widgets.watch.source import Snapshot, Source

QUESTIONS = ("Diversity", "Tail", "Verifier", "Collapse")
EMPTY = Snapshot(0, (), {}, None, {}, {}, (), False)


@pytest.fixture(scope="module")
def source():
    found = Source(labelled("tail-cut", "small", 0))
    assert found.wait(200).faults == ()
    return found


@pytest.fixture(scope="module")
def snapshot(source):
    return source.poll()


class Opened(list):
    """Points that were to be opened."""

    def __call__(self, point):
        self.append(dict(point))


def markup(widget):
    """All HTML below a widget."""
    own = [widget.value] if type(widget).__name__ == "HTML" else []
    return "".join([*own, *(markup(child) for child in getattr(widget, "children", ()))])


# ── a question ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_tab_shows_its_pictures_and_numbers(snapshot, source, name):
    opened = Opened()
    tab = QuestionTab(name, opened)
    tab.show(snapshot)
    shown = [figure.shown for figure in tab.pictures.children]
    assert [one["label"] for one in shown] == [picture.label for picture in snapshot.pictures[name]]
    assert all(one["spec"]["data"] for one in shown)
    point = next(p for trace in shown[0]["spec"]["data"] for p in trace.get("customdata") or () if p)
    tab.pictures.children[0]._on_point(point)
    assert opened == [point]
    for i in (0, len(tab.numbers.rows.rows) - 1):
        tab.numbers.rows._on_pick(i)
        assert len(source.rows(opened[-1])) or tab.numbers.rows.rows[i][4] == "unknown"


def test_a_tab_without_rounds_says_why():
    tab = QuestionTab("Tail", Opened())
    tab.show(EMPTY)
    (figure,) = tab.pictures.children
    assert figure.shown["why"] == "No run is open. Launch one or open one above."
    assert tab.numbers.rows.rows == []
    busy = EMPTY._replace(runs=(object(),), busy=True, doing="measuring star (1 of 2)")
    assert reason(busy, "Tail") == "measuring star (1 of 2) …"
    assert reason(busy._replace(busy=False), "Tail").startswith("No round is finished yet")


def test_the_same_snapshot_again_sends_nothing(snapshot):
    for tab in (QuestionTab("Tail", Opened()), Overview(Opened())):
        tab.show(snapshot)
        sent = Opened()
        for widget in below(tab):
            widget.observe(sent)
        tab.show(snapshot._replace(version=snapshot.version + 1, statuses={}))
        assert sent == []


def below(widget):
    return [widget, *(one for child in getattr(widget, "children", ()) for one in below(child))]


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────
def test_numbers_are_those_of_the_metric_table(snapshot):
    table = snapshot.comparison.table
    numbers = Numbers("Tail", Opened())
    numbers.show(table)
    numbers.metric.value, numbers.round.value = "tail_share", "all"
    own = table[table["metric"] == "tail_share"]
    assert [row[3] for row in numbers.rows.rows] == [str(r) for r in own["round"]]
    assert numbers.rows.rows[0][4].startswith(f"{own['value'].iloc[0]:.3f} [{own['low'].iloc[0]:.3f}, ")
    assert numbers.rows.rows[0][5] == f"{own['n'].iloc[0]:,}"
    assert numbers.rows.rows[0][6] == own["method"].iloc[0]


def test_numbers_are_sorted_and_picked_as_they_are_shown(snapshot):
    opened = Opened()
    numbers = Numbers("Tail", opened)
    numbers.show(snapshot.comparison.table)
    numbers.metric.value, numbers.round.value = "tail_share", "all"
    numbers.rows._on_sort(4, True)
    values = [float(row[4].split(" ")[0]) for row in numbers.rows.rows]
    assert values == sorted(values, reverse=True)
    numbers.rows._on_pick(0)
    assert str(opened[0]["round"]) == numbers.rows.rows[0][3]
    assert opened[0]["metric"] == "tail_share"


def test_what_is_chosen_stays_when_a_round_comes(snapshot):
    table = snapshot.comparison.table
    numbers = Numbers("Diversity", Opened())
    numbers.show(table[table["round"] < 2])
    numbers.metric.value, numbers.round.value = "answer_entropy", 1
    before = list(numbers.rows.rows)
    numbers.show(table)
    assert (numbers.metric.value, numbers.round.value) == ("answer_entropy", 1)
    assert numbers.rows.rows == before
    assert ("2", 2) in numbers.round.options


# ── overview ───────────────────────────────────────────────────────────────────────────────────────────
def test_verdicts_have_a_button_that_opens_what_shows_them(snapshot, source):
    opened = Opened()
    overview = Overview(opened)
    overview.show(snapshot)
    (group,) = overview.verdicts.children
    (diagnosis,) = snapshot.comparison.diagnoses.values()
    expected = ill(together(diagnosis))
    assert "tail_narrowing" in [one.name for one in expected]
    assert len(group.cards.children) == len(expected)
    for card, one in zip(group.cards.children, expected, strict=True):
        assert f"<code>{one.name}</code>" in card.words.value
        card.button.click()
        assert opened[-1]["verdict"] == one.name
        assert len(source.rows(opened[-1]))


def test_changes_are_told_in_words_and_in_numbers(snapshot):
    opened = Opened()
    overview = Overview(opened)
    overview.show(snapshot)
    said = in_words(snapshot.comparison)
    assert all(line.strip().split(" (")[0] in overview.words.value for line in said[1:])
    changes = snapshot.comparison.changes
    own = changes[(changes["metric"] == "pass@1") & (changes["split"] == "heldout")].iloc[0]
    row = overview.changes.rows[0]
    assert row[1] == "pass@1"
    assert row[2] == f"{own['first_value']:.3f} → {own['last_value']:.3f}"
    assert row[4] == f"{int(own['n']):,}"
    overview.changes._on_pick(0)
    assert opened == [{"run": own["run"], "round": int(own["round"]), "split": "heldout", "metric": "pass@1"}]


def test_names_are_text_wherever_they_are_shown():
    payloads = [PAYLOADS[name] for name in ("image", "closing", "attribute", "maths", "turned")]
    rows = labelled("healthy", "small", 0)
    rows = rows[rows["round"] < 2]
    tables = [rows.assign(run=f"{payload} {i}") for i, payload in enumerate(payloads[:3])]
    found = Source(pd.concat(tables, ignore_index=True)).wait(200)
    assert found.faults == ()
    overview, tab = Overview(Opened()), QuestionTab("Tail", Opened())
    for one in (overview, tab):
        one.show(found)
    shown = markup(overview) + markup(tab)
    assert RAN in shown  # as text
    for tag in ("<img", "<script", "</script", 'onmouseover="'):
        assert tag not in shown


# ── the room of a panel ────────────────────────────────────────────────────────────────────────────────
def test_pictures_have_two_panels_in_a_row_that_do_not_overlap(snapshot):
    for pictures in snapshot.pictures.values():
        for one in pictures:
            layout = one.spec["layout"]
            boxes = [
                (*axis["domain"], *layout[name.replace("x", "y", 1)]["domain"])
                for name, axis in layout.items()
                if name.startswith("xaxis") and axis.get("visible") is not False
            ]
            assert boxes
            assert across(one) <= 2 or len({round(box[3] - box[2], 3) for box in boxes}) > 1
            assert all(0 <= left < right <= 1 and 0 <= low < high <= 1.0001 for left, right, low, high in boxes)
            for i, (left, right, low, high) in enumerate(boxes):
                for other in boxes[:i]:
                    assert left >= other[1] or other[0] >= right or low >= other[3] or other[2] >= high


def test_a_picture_of_three_panels_becomes_higher():
    figure = canvas(3).figure()
    before = figure.layout.height
    found = fitted(picture(figure, "three panels"))
    rows = {tuple(found.spec["layout"][name]["domain"]) for name in ("yaxis", "yaxis2", "yaxis3")}
    assert len(rows) == 2
    assert found.spec["layout"]["height"] > before
