"""What objects show in a notebook: the facts, escaped, without style sheets, and never an error."""

import pickle
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import siwork
from hostile import PAYLOADS
from siwork.diagnosis import Diagnosis
from siwork.metrics import MetricTable, round_difference
from siwork.store.run import Status
from siwork.store.shown import state_words

SIZES = siwork.Sizes(train=30, heldout=20, beyond=10, samples=8)
VOID = {"br", "hr", "img", "input", "meta", "link"}


class Page(HTMLParser):
    """Elements, text and titles of a piece of HTML; an element that is not closed is an error."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.words, self.lines, self.attributes = [], [], [], 0, set()
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def shown(thing):
    page = Page(thing._repr_html_())
    assert set(page.tags) <= {
        *("div", "span", "strong", "code", "table", "thead", "tbody", "tr", "th", "td", "details", "summary")
    }
    assert page.attributes <= {"class", "style", "title", "scope", "open", "aria-hidden"}
    return page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    for seed in range(2):
        siwork.run(
            "vanilla", "countdown", "tabular", rounds=3, problems=SIZES, seed=seed, folder=home / f"vanilla-s{seed}"
        )
    return home


@pytest.fixture(scope="module")
def table(folder):
    return siwork.measure(siwork.Run(folder / "vanilla-s0"))


def renamed(folder, home, name):
    """A copy of the run whose run.json calls it by that name."""
    shutil.copytree(folder / "vanilla-s0", home)
    run = home / "run.json"
    run.write_text(run.read_text().replace('"vanilla-s0"', as_json(name)))
    return siwork.Run(home)


def as_json(name):
    return pd.Series([name]).to_json(orient="values")[1:-1]


def test_a_run_says_what_it_is_and_how_it_does(folder):
    text = shown(siwork.Run(folder / "vanilla-s0")).text
    for word in ("vanilla-s0", "seed · cot · gold · correct · sft", "countdown", "tabular", "finished: 3 of 3 rounds"):
        assert word in text
    assert str(folder / "vanilla-s0") in text


def test_a_vanished_folder_gives_a_sentence(folder, tmp_path):
    run = renamed(folder, tmp_path / "gone", "gone")
    both = siwork.Runs([run, folder / "vanilla-s1"])
    (run.folder / "run.json").write_text("{")
    assert "run.json" in shown(run).text
    shutil.rmtree(run.folder)
    assert "is no run: it does not exist" in shown(run).text
    assert "is no run: it does not exist" in shown(both).text
    assert "vanilla-s1" in shown(both).text


def test_runs_are_a_small_table(folder):
    page = shown(siwork.Runs(folder))
    assert page.tags.count("tr") == 3
    assert "vanilla-s1 seed · cot · gold · correct · sft countdown tabular 1 finished: 3 of 3 rounds" in page.text


def test_many_runs_end_with_a_count(folder):
    many = siwork.Runs(folder)
    object.__setattr__(many, "folders", many.folders * 40)
    page = shown(many)
    assert page.tags.count("tr") == 61
    assert "and 20 more" in page.text


def test_a_running_run_tells_its_stage():
    status = Status("running", 1, 4, "sample", 0.25, 7, 12.4)
    assert state_words(status) == "running: 1 of 4 rounds done, sample 25%, about 12 s left"
    assert state_words(status._replace(state="dead")) == "dead: 1 of 4 rounds"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_names_are_text(folder, tmp_path, payload):
    name = PAYLOADS[payload]
    run = renamed(folder, tmp_path / "hostile", name)
    own = siwork.measure(run, ["pass@1", "right_variety", "pass@1_change"])
    for thing in (run, siwork.Runs([run]), own, siwork.diagnose(own), siwork.diagnose(own)[0]):
        html = thing._repr_html_()
        shown(thing)  # no elements or attributes but ours
        assert len(html) < 100_000
        assert "tex2jax_ignore" in html  # $…$ is no formula
        assert not re.search("[\u202e\u2067\x00\x1b]", html)


def test_a_large_table_folds_to_a_line_a_metric(table):
    assert len(table) > 500
    page = shown(table)
    assert page.tags.count("details") == 3
    first = table.query("metric == 'pass@1' and split == 'heldout'")
    assert f"0: {first['value'].iloc[0]:.3f}" in page.text
    assert f"3: {first['value'].iloc[-1]:.3f}" in page.text
    change = table.query("metric == 'pass@1_change' and split == 'heldout' and round == 3")
    assert f"{change['value'].iloc[0]:+.3f}".replace("-", "−") in page.text
    assert page.tags.count("tr") <= 3 * 61
    assert "95% intervals" in page.text


def test_a_table_of_many_runs_counts_what_it_leaves_out(table):
    many = pd.concat([table.assign(run=f"run {i}") for i in range(4)])
    page = shown(many)
    assert page.tags.count("tr") <= 3 * 61
    assert re.search(r"and \d+ lines more", page.text)
    assert "4 runs" in page.text


def test_a_small_table_has_every_row(table):
    page = shown(table.query("metric == 'pass@1'"))
    assert page.tags.count("tr") == 1 + len(table.query("metric == 'pass@1'"))
    assert "unknown" not in page.text


def test_unknown_values_give_the_reason(folder):
    rows = siwork.Run(folder / "vanilla-s0").rows().drop(columns="gold")
    small = siwork.measure(rows, ["pass@1"])
    assert small["method"].iloc[0] in shown(small).text
    large = siwork.measure(rows)
    assert "unknown:" in shown(large).text


def test_bands_and_pooled_seeds_stand_in_the_lines(folder):
    runs = siwork.Runs(folder)
    page = shown(siwork.measure(runs, ["pass@1"], by=("round", "band")).query("split == 'heldout' and round == 0"))
    assert "pass@1 · band 0" in page.text
    page = shown(siwork.over_seeds(round_difference(runs, "pass@1", 0, 3)))
    assert "over seeds" in page.text
    assert any(word in page.text for word in ("rises", "falls", "do not conclude"))


def test_a_selection_of_columns_is_a_plain_frame(table):
    some = table[["metric", "value"]].head(3)
    assert some._repr_html_() == pd.DataFrame(some)._repr_html_()
    for odd in (table.head(3).rename(columns={"low": "value"}), table.head(3).T, table.head(3).set_index("run")):
        assert "dataframe" in odd._repr_html_()
    with pd.option_context("display.notebook_repr_html", False):
        assert table._repr_html_() is None


def test_it_is_a_frame_in_everything(table):
    plain = pd.DataFrame(table)
    assert type(plain) is pd.DataFrame
    pd.testing.assert_frame_equal(table, plain)
    assert table.equals(plain)
    for made in (table[table["n"] > 1], pd.concat([table, table]), table.assign(x=1), table.query("round == 0")):
        assert type(made) is MetricTable
        assert made.attrs == {"level": 0.95}
    again = pickle.loads(pickle.dumps(table))  # noqa: S301
    assert type(again) is MetricTable
    assert again.attrs == table.attrs
    pd.testing.assert_frame_equal(again, table)
    assert isinstance(table["value"], pd.Series)
    assert table.groupby("metric")["value"].mean().notna().any()
    assert repr(table.head(2)) == repr(plain.head(2))
    assert siwork.over_seeds(table, level=0.9).attrs == {"level": 0.9}


def test_an_empty_table_shows_its_head(table):
    assert "0 rows" in shown(table.head(0)).text


def test_a_verdict_has_its_number_bound_and_rounds(table):
    verdict = replace(
        siwork.diagnose(table)[0], state="alarm", since=2, last_good=1, value=-0.3, low=-0.4, high=-0.2, bound=-0.1
    )
    text = shown(verdict).text
    for word in (
        "✕ alarm",
        verdict.name,
        "since round 2",
        "last good round 1",
        "−0.300 [−0.400, −0.200]",
        "bound −0.100",
    ):
        assert word in text
    unknown = replace(verdict, state="unknown", value=np.nan, low=np.nan, high=np.nan, since=None, rates=None)
    assert "error rates not measured" in shown(unknown).text
    assert "nan" not in shown(unknown).text


def test_a_diagnosis_tells_one_run_whole_and_many_in_lines(table):
    one = siwork.diagnose(table)
    text = shown(one).text
    assert "vanilla-s0" in text
    assert "no sign of" in text
    many = Diagnosis(replace(verdict, run=f"run {i}") for i in range(70) for verdict in one)
    page = shown(many)
    assert "of 70 runs" in page.text
    assert "and 10 more" in page.text
    assert page.tags.count("details") == 12
    assert "No verdicts" in shown(Diagnosis()).text
