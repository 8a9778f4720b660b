"""The report: sentences claim no more than the seeds allow, the page is one file, and outside text stays text."""

from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made import made_run
from siwork import report as facade_report
from siwork.markup import Html, element, script_json, text
from siwork.reporting import Comparison, compare, in_words, report
from siwork.reporting.compare import groups_of
from siwork.reporting.repeat import commands, repeat
from siwork.reporting.samples import cut
from siwork.reporting.words import sentence
from siwork.schema import Foreign, RunError, Unfinished
from siwork.store import Run, Writer, fork

FIGURES = 10  # pass@1, pass@k, coverage of solutions; diversity; tail in three; verifier in two; collapse
VOTE = "seed · cot(k=4) · vote · correct · sft"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def star(home):
    return [made_run(home / f"star-s{seed}", seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def flat(home):
    return [made_run(home / f"flat-s{seed}", seed=seed, gain=0, recipe=VOTE) for seed in range(3)]


@pytest.fixture(scope="module")
def both(star, flat):
    return compare([*star, *flat])


@pytest.fixture(scope="module")
def page(both, home):
    return report(both, home / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Elements of a page with their attributes, its text, and whether every element is closed."""

    VOID = ("meta", "br")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: dict[str, list[str]] = {}
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag, **attributes):
        return [
            a for t, a in self.elements if t == tag and all(a.get(k.rstrip("_")) == v for k, v in attributes.items())
        ]


def test_three_seeds_that_agree_make_a_claim(both):
    # pass@1, last round: 0.60, 0.55 and 0.50 by seed, from 0.20: differences 0.40, 0.35, 0.30
    # mean 0.35, sd 0.05, t(2) = 4.3027: 0.35 ± 4.3027 · 0.05 / √3 = 0.35 ± 0.1242
    lines = in_words(both)
    assert lines[0] == "star: round 0 to round 2, 3 seeds"
    assert lines[1] == "  pass@1 rose from 0.200 to 0.550 (difference +0.350 [+0.226, +0.474] over 3 seeds)"
    assert "  pass@4 stayed at 0.800 (3 seeds)" in lines


def test_an_interval_that_holds_0_makes_no_claim(both):
    # differences 0, −0.05 and −0.05, for the easiest problem has one right completion to lose: mean −1/30, sd 0.0289
    # −0.0333 ± 4.3027 · 0.0289 / √3 = −0.0333 ± 0.0717
    lines = in_words(both)
    line = lines[lines.index("flat: round 0 to round 2, 3 seeds") + 1]
    assert line == "  pass@1 0.200 → 0.167 (difference −0.033 [−0.105, +0.038] over 3 seeds): too few seeds to say"


def test_one_seed_makes_no_claim_about_the_recipe(star):
    lines = in_words(star[:1])
    assert lines[0] == "star: round 0 to round 2, one seed: too few seeds to say what the recipe does"
    # by problem 0, 0.5, 0.5, 0.5, 0.5: five problems are too few for an interval
    assert lines[1] == "  pass@1 0.200 → 0.600 (difference +0.400 over 5 problems)"
    assert not any(re.search(r"\b(rose|fell)\b", line) for line in lines)


def test_groups_come_in_the_order_given(star, flat):
    assert [group.name for group in groups_of([*star, *flat])] == ["star", "flat"]
    assert [group.name for group in groups_of([*flat, *star])] == ["flat", "star"]


def test_what_is_unknown_says_why(tmp_path):
    lines = in_words([made_run(tmp_path / "a", n_solutions=None)])
    (line,) = [line for line in lines if "solutions" in line]
    assert re.match(r"  share of all solutions found in 4 tries: unknown: .*a known number of solutions", line)


def test_a_single_round_says_that_nothing_can_have_changed(tmp_path):
    found = compare([made_run(tmp_path / "a", played=1)])
    assert in_words(found) == ["a: round 0 only, so nothing can have changed"]
    assert report(found, tmp_path / "a.html").stat().st_size > 1_000_000


def test_siblings_of_unequal_length_are_compared_at_the_last_common_round(tmp_path):
    runs = [made_run(tmp_path / "a-s0", updates=3), made_run(tmp_path / "a-s1", updates=3, played=2)]
    # round 1 in both: (0 + 4 · 2/4) / 5 = 0.4
    line = in_words(runs)[1]
    assert line.startswith("  pass@1 0.200 → 0.400 (difference +0.200 over 2 seeds)")


def test_runs_without_a_finished_round_are_named_or_refused(star, tmp_path):
    begun = made_run(tmp_path / "begun", played=0)
    with pytest.raises(Unfinished, match="no round is finished in begun"):
        compare([begun])
    path = report([star[0], begun], tmp_path / "r.html")
    assert "Left out, no round finished: begun." in path.read_text(encoding="utf-8")


def test_no_run_and_two_runs_of_one_name_are_refused(star, tmp_path):
    with pytest.raises(Foreign, match="no run is given"):
        report([], tmp_path / "r.html")
    with pytest.raises(RunError, match="two runs are called 'star-s0'"):
        report([star[0], made_run(tmp_path / "star-s0")], tmp_path / "r.html")


def test_groups_of_one_name_are_told_apart(tmp_path):
    runs = [made_run(tmp_path / "x-s0"), made_run(tmp_path / "x-s1", seed=1, recipe=VOTE)]
    assert [group.name for group in groups_of(runs)] == ["x", "x (2)"]


@pytest.mark.parametrize(
    ("seeds", "low", "high", "words"),
    [
        (3, 0.01, 0.19, "m rose from 0.400 to 0.500 nats (difference +0.100 [+0.010, +0.190] over 3 seeds)"),
        (3, 0.00, 0.20, "m 0.400 → 0.500 nats (difference +0.100 [+0.000, +0.200] over 3 seeds): too few seeds to say"),
        (4, 0.01, 0.19, "m rose from 0.400 to 0.500 nats (difference +0.100 [+0.010, +0.190] over 3 of 4 seeds)"),
        (
            2,
            float("nan"),
            float("nan"),
            "m 0.400 → 0.500 nats (difference +0.100 over 3 of 2 seeds): too few seeds to say",
        ),
        (1, 0.01, 0.19, "m 0.400 → 0.500 nats (difference +0.100 [+0.010, +0.190] over 3 problems)"),
    ],
)
def test_a_sentence_claims_only_what_the_interval_over_seeds_leaves(seeds, low, high, words):
    row = {"first_value": 0.4, "last_value": 0.5, "value": 0.1, "low": low, "high": high, "n": 3, "unit": "nats"}
    assert sentence("m", row | {"method": ""}, seeds).words == words


def test_the_page_is_one_file_that_loads_nothing(page):
    assert len(page.encode()) < 8_000_000
    found = Page(page)
    assert found.open == []
    loading = [a for _, a in found.elements for key in ("src", "srcset", "data", "action") if key in a]
    assert loading == []
    assert all(a["href"].startswith("#") for _, a in found.elements if "href" in a)
    (policy,) = found.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; script-src 'unsafe-inline'")
    assert "unsafe-eval" not in policy["content"]


def test_every_link_of_the_page_leads_somewhere(page):
    found = Page(page)
    ids = {a["id"] for _, a in found.elements if "id" in a}
    links = [a["href"][1:] for a in found.all("a")]
    assert len(links) == 7
    assert links[0] == "verdicts"
    assert set(links) <= ids


def test_headings_tables_and_figures_are_told_to_who_cannot_see_them(page):
    found = Page(page)
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    plots = found.all("div", class_="plot")
    assert len(plots) == FIGURES
    assert all(a["role"] == "img" and a["tabindex"] == "0" for a in plots)
    assert plots[0]["aria-label"] == (
        "Right in one try (pass@1). star: 0.200 in round 0, 0.550 in round 2; flat: 0.200 in round 0, 0.167 in round 2."
    )
    assert all(a.get("aria-label") for a in found.all("div", role="region"))


def test_every_number_stands_with_its_interval_and_n(page):
    words = "".join(Page(page).words["td"])
    # last round of star over seeds: 0.60, 0.55, 0.50: 0.55 ± 4.3027 · 0.05 / √3
    assert "0.550 [0.426, 0.674]" in words
    assert "n 3 seeds" in "".join(Page(page).words["span"])


def test_the_figures_of_the_page_are_those_of_the_table(page):
    data = json.loads(page.split('id="figure-data">')[1].split("</script>")[0])
    assert len(data) == FIGURES
    assert [axis["title"]["text"] for axis in (data[0]["layout"]["yaxis"], data[1]["layout"]["xaxis"])] == [
        "probability",
        "k, tries",
    ]


def test_outside_text_never_becomes_markup(tmp_path):
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e{answer}"
    run = made_run(tmp_path / "run", response=evil, name="</script><b>name", task="<i>task", recipe="<u>recipe")
    source = report([run], tmp_path / "r.html", title="<em>title").read_text(encoding="utf-8")
    found = Page(source)
    assert found.open == []
    tags = {tag for tag, _ in found.elements}
    assert not tags & {"img", "b", "i", "u", "em"}
    assert len(found.all("script")) == 3
    assert "\u202e" not in source
    assert "<img src=x onerror=alert(2)>⟨U+202E⟩" in "".join(found.words["pre"])
    assert "".join(found.words["h1"]) == "<em>title"


@given(st.text(alphabet=st.sampled_from('<>&/ab!"\u202e\x00') | st.characters(), max_size=80))
def test_text_is_shown_and_never_interpreted(value):
    shown = Page(f"<p>{text(value)}</p>").words.get("p", [])
    assert not re.search("[\x00-\x08\u202a-\u202e\ud800-\udfff]", "".join(shown))
    visible = re.sub(r"[^ -~\n\t]", "", value)
    assert re.sub(r"⟨U\+[0-9A-F]{4}⟩|[^ -~\n\t]", "", "".join(shown)) == visible
    text(value).encode()


@given(
    st.recursive(st.text() | st.integers(-9, 9) | st.none(), lambda inner: st.lists(inner, max_size=4), max_leaves=8)
)
def test_json_in_a_script_reads_back_and_cannot_end_it(value):
    written = script_json(value)
    assert json.loads(written) == value
    assert not set(written) & set("<>&\u2028")


def test_an_element_escapes_what_is_not_markup():
    made = element("p", "a<b", Html("<br>"), title='"x"', hidden=None, class_="k")
    assert made == '<p title="&quot;x&quot;" class="k">a&lt;b<br></p>'


def test_a_long_completion_is_cut_and_says_by_how_much():
    assert cut("x" * 605) == "x" * 600 + " … (5 more characters)"
    assert cut("x" * 600) == "x" * 600


def test_completions_of_a_hard_a_middle_and_an_easy_problem_are_shown_for_every_round(page):
    found = Page("<section><h2" + page.split('<h2 id="samples"')[1].split("</section>")[0] + "</section>")
    for problem in ("heldout/0, hardest fifth", "heldout/2, middle", "heldout/4, easiest fifth"):
        assert "".join(found.words["summary"]).count(problem) == 2  # once a recipe
    said = [words for words in found.words["pre"] if words.startswith("say ")]
    assert len(said) == 2 * 3 * 3 * 2  # recipes · problems · rounds · completions


def test_the_commands_are_ones_that_siwork_takes(star, flat):
    from siwork.cli.main import _parser

    first, second = (commands(group) for group in groups_of([*star, *flat]))
    assert len(first) == len(second) == 1
    words = shlex.split(first[0])
    assert words[0] == "siwork"
    options = _parser().parse_args(words[1:])
    assert (options.recipe, options.task, options.policy) == (star[0].recipe, "add(digits=2)", "tabular")
    assert (options.rounds, options.seeds, options.seed) == (2, 3, 0)
    assert (options.problems, options.heldout, options.beyond, options.samples) == (5, 5, 0, 4)


def test_seeds_with_a_gap_need_two_commands(star):
    (group,) = groups_of([star[0], star[2]])
    assert [re.search(r"--seeds.*?(?= --problems)", line)[0] for line in commands(group)] == [
        "--seeds 1",
        "--seeds 1 --seed 2",
    ]


def test_a_forked_run_is_named_with_its_source(star, tmp_path):
    made = fork(star[0].folder, tmp_path / "other", at=1)
    (group,) = groups_of([made])
    assert commands(group) == ["# other was forked from star-s0 at round 1"]


def test_versions_that_were_not_recorded_are_unknown(page, tmp_path):
    assert "other versions unknown: run.json does not record them: all runs." in page
    made = made_run(tmp_path / "a", made_with={"python": "3.11.7", "numpy": "2.4.6"})
    told = repeat(Comparison(groups_of([made]), {}, []))
    assert "Made with python 3.11.7, numpy 2.4.6: all runs." in told


def test_a_run_without_bands_or_truth_still_has_a_page(tmp_path):
    made = made_run(tmp_path / "a", updates=1)
    with Writer.create(tmp_path / "bare", made.manifest | {"name": "bare"}, made.problems()) as writer:
        for r in range(2):
            rows = made.rows(r).assign(run="bare", band=None, difficulty=None, gold=None, score=None, answer=None)
            writer.save_round(r, rows, {"policy": "made", "seconds": 1.0, "closing": r == 1}, lambda place: None)
    page = report([Run(tmp_path / "bare")], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "pass@1: unknown: " in page
    assert "none read" in page
    assert "heldout/0</summary>" in page


def test_a_run_without_held_out_problems_says_so_and_keeps_its_train_numbers(tmp_path):
    made = made_run(tmp_path / "a")
    problems = made.problems().query("split == 'train'").reset_index(drop=True)
    with Writer.create(tmp_path / "bare", made.manifest | {"name": "bare"}, problems) as writer:
        for r in range(2):
            rows = made.rows(r, split="train").assign(run="bare")
            writer.save_round(r, rows, {"policy": "made", "seconds": 1.0}, lambda place: None)
    page = report([Run(tmp_path / "bare")], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "interval over problems, on train" in page
    assert "Train problems, as no others were sampled." in page
    assert "unknown: the run has no held-out completions" in page
    assert "0.400" in page  # pass@1 of the train problems in round 1


def test_a_path_that_cannot_be_written_is_an_error_with_the_next_step(star, tmp_path):
    found, path = compare(star[:1]), tmp_path / "new" / "folder" / "r.html"
    assert facade_report(found, path) == path
    with pytest.raises(RunError, match="name a file in a folder that can be written"):
        report(found, tmp_path)
