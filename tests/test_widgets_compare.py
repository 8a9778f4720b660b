"""Two groups side by side: the numbers of run_difference and over_seeds, and words that claim no more than they may."""

import json
import shutil
from types import SimpleNamespace

import ipywidgets as w
import numpy as np
import pandas as pd
import pytest

from hostile import PAYLOADS
from made import made_run
from siwork.loop import Sizes, run
from siwork.metrics import measure, over_seeds, rows_behind, run_difference
from siwork.recipes import RECIPES, Recipe
from siwork.reporting.compare import groups_of
from siwork.reporting.contrasts import BETTER, OPEN, OTHER, UNKNOWN, WORSE
from siwork.reporting.differences import Differences, Pairs, Side, chosen_first, offered, paired
from siwork.schema import RecipeError
from siwork.schema.numbers import interval
from siwork.store import Runs
from siwork_widgets.compare.comparing import Compare
from siwork_widgets.compare.contrasts import drawn, line, worst_first
from siwork_widgets.compare.oneslot import one_slot_changes
from siwork_widgets.kit.packing import unpack
from siwork_widgets.watch.opening import KnownRun, TableRun
from siwork_widgets.watch.source import Source

SIZES = Sizes(train=24, heldout=24, beyond=0, samples=8)
FORMULAS = {"keep": "seed · cot(k=8) · gold · correct · sft", "all": "seed · cot(k=8) · sft"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    about = {"task": "countdown(numbers=3)", "policy": "tabular", "rounds": 2, "problems": SIZES}
    return {
        f"{name}-s{seed}": run(formula, seed=seed, folder=home / f"{name}-s{seed}", **about)
        for name, formula in FORMULAS.items()
        for seed in (0, 1, 2)
    }


MEASURED = [
    "pass@1",
    "pass@8",
    "distinct_correct",
    "solution_coverage",
    "mean_tokens",
    "accept_rate",
    "accepted_share",
    "ece",
]


def snapshot_of(runs, version=1):
    """What a source gives out once these runs are measured, of a few metrics."""
    groups = groups_of(list(runs))
    tables = {run.name: measure(run, [*MEASURED, "pass@1_change"]) for run in runs}
    pooled = [_pooled(group, [tables[run.name] for run in group.runs]) for group in groups]
    comparison = SimpleNamespace(groups=groups, table=pd.concat(pooled, ignore_index=True))
    own = pd.concat(list(tables.values()), ignore_index=True)
    return SimpleNamespace(version=version, runs=tuple(runs), comparison=comparison, tables={"own": own})


def _pooled(group, tables):
    whole = pd.concat(tables, ignore_index=True)
    several = over_seeds(whole, group={run.name: group.name for run in group.runs})
    return several if len(tables) > 1 else whole.assign(run=group.name)


@pytest.fixture(scope="module")
def snapshot(runs):
    return snapshot_of(runs.values())


@pytest.fixture(scope="module")
def differences():
    return Differences()


@pytest.fixture
def tab(snapshot, differences, monkeypatch):
    monkeypatch.setattr(
        "siwork_widgets.compare.comparing.Differences", lambda: differences
    )  # measured once for all tests
    made = Compare()
    made.show(snapshot)
    made.wait()
    yield made
    w.Widget.close_all()


def side(runs, name, seeds=(0, 1, 2)):
    return Side(name, tuple(runs[f"{name}-s{seed}"] for seed in seeds))


def row_of(tab, metric):
    return next(row for row in tab.table.rows if row[0].split(" (")[0] == metric)


def number_of(row, name):
    return float("nan") if pd.isna(row[name]) else float(row[name])


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────


def directly(runs, metric, split, seeds=(0, 1, 2)):
    """The difference over seeds, round by round, without the panel."""
    parts = []
    for seed in seeds:
        names = f"keep-s{seed}", f"all-s{seed}"
        parts.append(run_difference(Runs([runs[name] for name in names]), metric, *names))
    whole = pd.concat(parts)
    whole = whole[(whole["split"] == split).to_numpy(bool)]
    return (over_seeds(whole) if len(seeds) > 1 else whole).set_index("round")


@pytest.mark.parametrize("metric", ["pass@1", "pass@8", "distinct_correct", "solution_coverage", "mean_tokens"])
def test_differences_are_those_of_run_difference_and_over_seeds(runs, tab, metric):
    wanted = directly(runs, metric, "heldout")
    pairs = paired(side(runs, "keep"), side(runs, "all"), "heldout")
    found = Differences().over_rounds(metric, pairs, "heldout").set_index("round")
    assert found.index.tolist() == wanted.index.tolist() == [0, 1, 2]
    for name in ("value", "low", "high", "n"):
        assert found[name].astype(object).fillna(-9).tolist() == wanted[name].astype(object).fillna(-9).tolist()
    ends = [number_of(wanted.loc[2], name) for name in ("value", "low", "high")]
    assert row_of(tab, metric)[3] == interval(*ends, sign=True)
    assert row_of(tab, metric)[5] == "24 × 3"


def test_values_of_both_sides_are_those_of_the_groups(snapshot, tab):
    table = snapshot.comparison.table
    for place, group in ((1, "keep"), (2, "all")):
        assert tab.a.value == "keep"
        mine = (table["run"] == group) & (table["metric"] == "pass@1") & (table["split"] == "heldout")
        last = table[(mine & (table["round"] == 2)).to_numpy(bool)].iloc[0]
        shown = interval(*(number_of(last, name) for name in ("value", "low", "high")))
        assert row_of(tab, "pass@1")[place] == shown


def test_the_round_and_the_split_are_those_chosen(runs, tab):
    tab.round.value = 1
    tab.wait()
    wanted = directly(runs, "pass@1", "heldout").loc[1]
    ends = [number_of(wanted, name) for name in ("value", "low", "high")]
    assert row_of(tab, "pass@1")[3] == interval(*ends, sign=True)
    tab.round.value = None
    tab.split.value = "train"
    tab.wait()
    wanted = directly(runs, "accept_rate", "train").loc[1]  # the closing round trains on nothing
    ends = [number_of(wanted, name) for name in ("value", "low", "high")]
    assert row_of(tab, "accept_rate")[3] == interval(*ends, sign=True)


def test_one_run_a_side_has_an_interval_over_problems_and_no_claim(runs, tab):
    tab.a.value, tab.b.value = "keep-s1", "all-s1"
    tab.wait()
    wanted = directly(runs, "mean_tokens", "heldout", [1]).loc[2]
    ends = [number_of(wanted, name) for name in ("value", "low", "high")]
    assert row_of(tab, "mean_tokens")[3] == interval(*ends, sign=True)
    assert row_of(tab, "mean_tokens")[5] == "24 × 1"
    assert all("do not conclude" in row[4] or row[4].startswith("the same") for row in tab.table.rows)
    assert tab.said.text == "One seed (1), paired by problem."


def test_a_run_is_measured_once_for_the_same_rounds(runs, monkeypatch):
    calls = []
    counted = "siwork.reporting.differences.run_difference"
    monkeypatch.setattr(counted, lambda *args: calls.append(args[1]) or run_difference(*args))
    differences, pairs = Differences(), paired(side(runs, "keep"), side(runs, "all"), "heldout")
    for _ in range(3):
        differences.over_rounds("pass@1", pairs, "heldout")
    assert len(calls) == 3  # seeds
    differences.over_rounds("pass@8", pairs, "heldout")
    assert len(calls) == 6


# ── what does not pair ─────────────────────────────────────────────────────────────────────────────────


def test_seeds_that_are_not_in_both_are_words_instead_of_a_number(runs):
    found = paired(side(runs, "keep", [0, 1]), side(runs, "all", [2]), "heldout")
    assert found.runs == ()
    assert "No seed is in both (A: 0, 1; B: 2)" in found.why
    some = paired(side(runs, "keep", [0, 1]), side(runs, "all", [1, 2]), "heldout")
    assert some.seeds == (1,)
    assert some.note == "only the seeds in both count: 1"


def test_other_problems_are_words_instead_of_a_number(runs, tmp_path):
    small = Sizes(train=24, heldout=12, beyond=0, samples=8)
    other = run(
        FORMULAS["all"], "countdown(numbers=3)", "tabular", rounds=1, problems=small, seed=0, folder=tmp_path / "x"
    )
    found = paired(side(runs, "keep"), Side("x", (other,)), "heldout")
    assert found.runs == ()
    assert "different heldout problems" in found.why


def test_the_same_name_of_another_problem_is_another_problem(tmp_path):
    one, two = made_run(tmp_path / "a"), made_run(tmp_path / "b")
    assert paired(Side("a", (one,)), Side("b", (two,)), "heldout").seeds == (0,)
    rows = two.rows().assign(prompt="else")
    assert paired(Side("a", (one,)), Side("b", (TableRun("b", rows),)), "heldout").runs == ()


def test_the_tab_says_why_nothing_pairs(tab):
    tab.a.value, tab.b.value = "keep-s0", "all-s1"
    tab.wait()
    assert tab.said.text.startswith("No seed is in both (A: 0; B: 1)")
    assert tab.table.rows == []
    assert tab.figure.shown["why"] == tab.said.text


def test_metrics_that_do_not_pair_say_so(tab):
    tab.metrics.value = ("pass@1", "ece")
    tab.wait()
    assert row_of(tab, "pass@1")[3] != "unknown"
    assert row_of(tab, "ece")[3] == "unknown"
    assert "cannot be paired" in row_of(tab, "ece")[4]


# ── words ──────────────────────────────────────────────────────────────────────────────────────────────


def told(metric, value, low, high, *, least=None, most=None, seeds=3, method="seeds: t"):
    ends = {"least": value if least is None else least, "most": value if most is None else most}
    about = {"round": 1, "split": "heldout", "value": value, "low": low, "high": high, "seeds": seeds, "problems": 9}
    table = pd.DataFrame([about | ends | {"method": method, "n": seeds}])
    own = pd.DataFrame({"run": [], "round": [], "split": [], "metric": [], "value": []})
    return line(metric, table, own, Pairs((0,), ()), None)


@pytest.mark.parametrize(
    ("found", "says", "words"),
    [
        (told("pass@1", 0.2, 0.1, 0.3), BETTER, "B is higher: better"),
        (told("pass@1", -0.2, -0.3, -0.1), WORSE, "B is lower: worse"),
        (told("unfinished_rate", 0.2, 0.1, 0.3), WORSE, "B is higher: worse"),
        (told("mean_tokens", 9.0, 1.0, 17.0), OTHER, "B is higher"),
        (told("pass@1", 0.2, -0.1, 0.5), OPEN, "do not conclude"),
        (told("pass@1", 0.2, 0.1, 0.3, least=-0.1), OPEN, "do not conclude"),
        (told("pass@1", 0.2, np.nan, np.nan), OPEN, "do not conclude"),
        (told("pass@1", 0.2, 0.1, 0.3, seeds=1), OPEN, "these two runs differ"),
        (told("pass@1", 0.0, -0.1, 0.1, seeds=1, method="no problem differs"), OPEN, "the same: no problem differs"),
        (told("pass@1", 0.0, np.nan, np.nan), OPEN, "the same in every seed"),
        (told("pass@1", np.nan, np.nan, np.nan, method="no gold"), UNKNOWN, "no gold"),
    ],
)
def test_a_direction_is_told_only_beyond_doubt(found, says, words):
    assert found.says == says
    assert found.cells[4].startswith(words)


def test_the_worst_stands_first():
    lines = [
        told("pass@1", 0.2, 0.1, 0.3),
        told("pass@2", -0.2, -0.3, -0.1),
        told("pass@4", -0.2, -0.21, -0.19),
        told("pass@8", np.nan, np.nan, np.nan),
        told("mean_tokens", 2.0, 1.0, 3.0),
        told("pass@3", 0.1, -0.1, 0.3),
    ]
    assert [one.metric for one in worst_first(lines)] == [
        "pass@4",
        "pass@2",
        "mean_tokens",
        "pass@1",
        "pass@3",
        "pass@8",
    ]


def test_metrics_are_offered_where_they_are_known(snapshot):
    own = snapshot.tables["own"]
    held, train = offered(own, "heldout"), offered(own, "train")
    assert "accept_rate" in train
    assert "accept_rate" not in held
    assert not any(name.endswith("_change") for name in held)
    assert "accepted_share" not in train  # by band
    assert chosen_first(held, "heldout")[:2] == ["pass@1", "pass@8"]


# ── pictures ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_picture_has_the_interval_the_line_of_no_difference_and_points_that_open_rows(runs, snapshot):
    a, b = side(runs, "keep"), side(runs, "all")
    table = Differences().over_rounds("mean_tokens", paired(a, b, "heldout"), "heldout")
    shown = drawn("mean_tokens", table, a, b, "heldout")
    line_trace = next(trace for trace in shown.spec["data"] if "customdata" in trace)
    assert np.asarray(unpack(line_trace["y"])).tolist() == table["value"].tolist()
    assert shown.spec["layout"]["shapes"][0]["y0"] == 0
    low, high = shown.spec["layout"]["yaxis"]["range"]
    assert low < 0 < high
    assert line_trace["customdata"][1] == {"run": "all", "round": 1, "split": "heldout", "metric": "mean_tokens"}
    rows = rows_behind(Runs(b.runs), line_trace["customdata"][1], runs={"all": [run.name for run in b.runs]})
    assert set(rows["run"]) == {"all-s0", "all-s1", "all-s2"}
    assert set(rows["round"]) == {1}
    assert shown.label.startswith("mean_tokens, all − keep: ")


def test_picking_a_row_draws_and_explains_its_metric(tab):
    place = [row[0] for row in tab.table.rows].index("pass@8")
    tab.table._heard(None, {"pick": place}, [])
    tab.wait()
    assert tab.figure.shown["label"].startswith("pass@8, all − keep")
    assert tab.how.text.startswith("pass@8: ")
    assert tab.table.chosen == place


def test_curves_of_the_chosen_groups_lie_over_each_other(tab):
    assert tab.overlay.shown["label"].endswith("heldout: keep, all")
    tab.curves.value = ("all",)
    tab.wait()
    assert tab.overlay.shown["label"].endswith("heldout: all")
    tab.curves.value = ()
    tab.wait()
    assert "choose groups" in tab.overlay.shown["why"]


# ── following ──────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_one_group_and_the_same_twice_are_sentences(runs):
    tab = Compare()
    assert tab.said.text == "No round is measured yet."
    tab.show(Source().poll())  # nothing is open
    assert tab.said.text == "No round is measured yet."
    tab.show(snapshot_of([runs["keep-s0"]], version=10))
    tab.wait()
    assert tab.said.text.startswith("There is one group of runs only")
    assert tab.a.value == "keep"  # a group of one


def test_new_runs_leave_the_choice_where_it_is(runs, snapshot):
    few = snapshot_of([run for name, run in runs.items() if name != "all-s2"], version=0)
    tab = Compare()
    tab.show(few)
    tab.a.value, tab.b.value, tab.metrics.value = "all", "keep", ("pass@8",)
    tab.wait()
    assert tab.said.text == "Paired by seed (0, 1) and by problem; only the seeds in both count: 0, 1."
    tab.show(snapshot)
    tab.wait()
    assert (tab.a.value, tab.b.value, tab.metrics.value) == ("all", "keep", ("pass@8",))
    assert tab.said.text == "Paired by seed (0, 1, 2) and by problem."


def test_what_if_waits_until_it_is_opened(tab):
    accordion = tab.children[-2]
    assert accordion.selected_index is None
    assert not tab.whatif.run.options
    accordion.selected_index = 0
    assert set(tab.whatif.run.options) == set(tab._sides) - {"keep", "all"}
    tab.whatif.wait()


# ── ablations ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", RECIPES)
def test_every_change_is_a_valid_recipe_that_differs_in_its_slot_alone(name):
    recipe = Recipe.read(name)
    changes = one_slot_changes(name)
    assert len({change.formula for change in changes}) == len(changes) > 5
    for change in changes:
        other = Recipe.read(change.formula)
        assert [slot for slot in recipe.slots if recipe.slots[slot] != other.slots[slot]] == [change.slot]
        kinds = dict.fromkeys(kind for kind, _ in change.spans)
        assert {"added", "removed"} & set(kinds)
        after = "".join(text for kind, text in change.spans if kind in ("", "added"))
        assert after == change.formula.replace(" · ", "")


def test_an_unreadable_recipe_has_no_changes(tmp_path):
    with pytest.raises(RecipeError):
        one_slot_changes("rows of x")
    tab = Compare()
    tab.show(snapshot_of([TableRun("x", made_run(tmp_path / "x").rows())]))
    assert tab.ablation.run.disabled
    assert "no recipe to change" in tab.ablation.said.text


def test_two_clicks_run_an_ablation_with_the_same_seeds_and_preselect_the_pair(runs, tmp_path):
    begun, told = [], []

    def ablate(siblings, formulas):
        begun.append(([run.seed for run in siblings], *formulas))
        return [tmp_path / f"new-s{run.seed}" for run in siblings]

    tab = Compare(ablate=ablate, on_launched=told.append)
    three = [run for name, run in runs.items() if name != "all-s2"]
    tab.show(snapshot_of(three))
    tab.b.value = "keep-s0"
    words = [label for label, _ in tab.ablation.change.options]
    tab.ablation.change.value = [tab.ablation.change.options[words.index("selector: correct → best")][1]]
    assert tab.ablation.formula.text == "seed · cot(k=8) · gold · correct → best · sft"
    tab.ablation.run.click()
    assert begun == [([0, 1, 2], "seed · cot(k=8) · gold · best · sft")]
    assert [[place.name for place in places] for places in told] == [["new-s0", "new-s1", "new-s2"]]
    assert tab.ablation.said.text.startswith("Begun: new-s0, new-s1, new-s2")
    about = {"task": "countdown(numbers=3)", "policy": "tabular", "rounds": 1, "problems": SIZES}
    new = [run(begun[0][1], seed=seed, folder=tmp_path / f"new-s{seed}", **about) for seed in (0, 1, 2)]
    tab.show(snapshot_of([*three, *new], version=2))
    tab.wait()
    assert (tab.a.value, tab.b.value) == ("keep", "new")
    assert tab.said.text == "Paired by seed (0, 1, 2) and by problem."


def test_several_changes_are_begun_at_once(runs, snapshot, tmp_path):
    begun = []
    tab = Compare(ablate=lambda siblings, formulas: begun.append(formulas) or [tmp_path / "x-s0"])
    tab.show(snapshot)
    changes = dict(tab.ablation.change.options)
    tab.ablation.change.value = [changes[f"selector: correct → {name}"] for name in ("balance", "best")]
    first, second = tab.ablation.formula.text.splitlines()
    assert first == "seed · cot(k=8) · gold · correct → balance · sft"
    assert second == "seed · cot(k=8) · gold · correct → best · sft"
    tab.ablation.run.click()
    assert begun == [["seed · cot(k=8) · gold · balance · sft", "seed · cot(k=8) · gold · best · sft"]]
    tab.ablation.change.value = []
    tab.ablation.run.click()
    assert len(begun) == 1
    assert tab.ablation.said.text == "Choose at least one change."


def test_an_ablation_that_cannot_be_is_a_sentence(runs, snapshot):
    def ablate(siblings, formula):
        raise RecipeError("no such thing")

    tab = Compare(ablate=ablate, on_launched=lambda places: pytest.fail("nothing was begun"))
    tab.show(snapshot)
    tab.ablation.run.click()
    assert tab.ablation.said.text == "no such thing"
    refused = Compare(ablate=lambda siblings, formula: [], on_launched=lambda places: pytest.fail("nothing was begun"))
    refused.show(snapshot)
    refused.ablation.run.click()
    assert refused.ablation.said.text == "Nothing was begun; the launcher says why."


# ── names may hold anything ────────────────────────────────────────────────────────────────────────────


def below(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from below(child)


@pytest.mark.parametrize("payload", ["script", "attribute", "maths", "turned"])
def test_hostile_names_are_text_and_nothing_else(tmp_path, payload):
    text = PAYLOADS[payload]
    named = [
        made_run(tmp_path / "a", name=text),
        made_run(tmp_path / "b", gain=0, name=f"{text} b", recipe="cot · sft"),
    ]
    tab = Compare()
    tab.show(snapshot_of(named))
    tab.wait()
    assert tab.said.text == "One seed (0), paired by problem."
    for widget in below(tab):
        if isinstance(widget, w.HTML | w.HTMLMath):
            assert text not in widget.value
        assert not getattr(widget, "description_allow_html", False)
        if hasattr(widget, "static"):
            json.dumps(widget.static())
    drawn_text = json.dumps(tab.figure.static()["state"]["shown"]["spec"]["layout"]["annotations"])
    assert "<script" not in drawn_text
    assert "<img" not in drawn_text


def test_a_run_that_vanishes_is_a_sentence(tmp_path):
    runs = [KnownRun(made_run(tmp_path / "a")), KnownRun(made_run(tmp_path / "b", recipe="cot · sft"))]
    tab = Compare()
    tab.show(snapshot_of(runs))
    tab.wait()
    shutil.rmtree(tmp_path / "b")
    tab._differences = Differences()
    tab.metrics.value = ("pass@1", "mean_tokens")
    tab.wait()
    assert "/b" in tab.said.text
    assert tab.said.spans[0][0] == "fault"
