"""Verdicts on the page: they stand first, say in how many seeds, and show the completions as text."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelled_runs import labelled_run
from siwork.clinic import SIZES
from siwork.diagnosis import NAMES, STATES, Diagnosis, Rates, diagnose
from siwork.metrics import measure
from siwork.reporting import compare, report
from siwork.reporting.compare import Comparison
from siwork.reporting.states import TITLES, counts, deciding, good, majority, rates, since, together
from siwork.reporting.strip import strip
from siwork.reporting.verdicts import verdicts

LAST = SIZES["small"].rounds
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> [a](javascript:alert(3)) "
    "<a href='javascript:alert(4)'>x</a><style>*{display:none}</style>\u202e{answer}"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("verdicts")


@pytest.fixture(scope="module")
def sudden(home):
    return [labelled_run(home / f"sudden-s{seed}", "sudden-collapse", seed, response=HOSTILE) for seed in (0, 1)]


@pytest.fixture(scope="module")
def healthy(home):
    return labelled_run(home / "healthy-s0", "healthy")


@pytest.fixture(scope="module")
def both(sudden, healthy):
    return compare([*sudden, healthy])


@pytest.fixture(scope="module")
def page(both, home):
    return report(both, home / "r.html").read_text(encoding="utf-8")


def body(page):
    return page.split("<body>")[1].split('<script type="application/json"')[0]


def verdict_section(page):
    return body(page).split('id="verdicts"')[1].split("</section>")[0]


def test_a_comparison_holds_the_verdicts_of_each_run(both, healthy):
    assert [*both.diagnoses] == ["sudden", "healthy"]
    assert both.diagnoses["sudden"].runs == ["sudden-s0", "sudden-s1"]
    alone = diagnose(measure(healthy))
    assert [(v.name, v.state, v.since) for v in both.diagnoses["healthy"]] == [
        (v.name, v.state, v.since) for v in alone
    ]
    assert not both.table["metric"].str.endswith("_change").any()


def test_verdicts_are_the_first_section(page):
    assert re.findall(r"<h2 id=\"(\w+)\"", body(page))[:2] == ["verdicts", "findings"]
    assert re.search(r'href="#(\w+)"', body(page))[1] == "verdicts"


def test_each_group_has_its_state_its_last_good_round_and_every_verdict_once(page, both):
    last = both.diagnoses["sudden"].last_good
    sudden, healthy = verdict_section(page).split("<h3>")[1:]
    assert sudden.startswith('sudden <span class="state alarm"><span aria-hidden="true">✕</span> alarm</span></h3>')
    assert f"Worst state: alarm in 2 of 2 seeds. Last good round: {good([*last.values()])}." in sudden
    assert f"siwork fork sudden-s0 sudden-s0-again --at {last['sudden-s0']}" in sudden
    assert '<span class="state alarm">' not in healthy
    assert f"Last good round: {LAST}." in healthy
    assert "siwork fork" not in healthy
    for part in (sudden, healthy):
        fine = re.search(r"no sign of: (.*?)\.</p>", part)[1].split(", ")
        heads = [head.lower() for head in re.findall(r"<h4>(.*?) <code>", part)]
        assert sorted(fine + heads) == sorted(title.lower() for title in TITLES.values())


def test_an_alarm_says_since_when_in_how_many_seeds_and_against_which_bound(page, both):
    card = verdict_section(page).split("<code>collapse</code>")[1].split("</article>")[0]
    verdict = both.diagnoses["sudden"].of("collapse", "sudden-s0")
    assert verdict.since in (LAST // 2, LAST // 2 + 1)  # planted half-way
    assert f"alarm in 2 of 2 seeds, since round {verdict.since}" in card
    assert f"sudden-s0: {deciding(verdict)}" in card
    assert f"bound −{-verdict.bound:.3f}" in deciding(verdict)
    for words in (verdict.seen, verdict.means, verdict.advice):
        assert words.replace("'", "&#x27;") in card
    assert rates(verdict)[1:] in card
    assert card.count("<li>") == 2  # seed by seed
    assert '<svg class="strip"' in card


def test_completions_of_a_card_are_text(page, both):
    card = verdict_section(page).split("<code>collapse</code>")[1].split("</article>")[0]
    verdict = both.diagnoses["sudden"].of("collapse", "sudden-s0")
    assert f"completions that show it: sudden-s0, round {verdict.round}, {verdict.split}" in card
    assert card.count("&lt;/script&gt;&lt;script&gt;alert(1)") == 8
    assert "⟨U+202E⟩" in card
    assert not re.search(r"<(?:script|img|a|style)\b", verdict_section(page))
    assert "\u202e" not in page


def test_headings_do_not_jump(page):
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", body(page))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_is_small_and_loads_nothing(page):
    assert len(page.encode()) < 8_000_000
    assert not re.search(r"<[^>]+\s(?:src|srcset|action|formaction|data)=", body(page))
    assert all(target.startswith("#") for target in re.findall(r'<[^>]+\shref="([^"]*)"', body(page)))


def test_without_truth_or_scores_what_cannot_be_said_is_unknown_with_its_reason(tmp_path):
    run = labelled_run(tmp_path / "bare", "healthy", gold=None, score=None, answer=None)
    found = compare([run])
    part = verdict_section(report(found, tmp_path / "r.html").read_text(encoding="utf-8"))
    unknown = [v for v in found.diagnoses["bare"] if v.state == "unknown"]
    assert "reward_hacking" in {v.name for v in unknown}
    assert part.count('class="card unknown"') == len(unknown)
    assert all(v.seen.replace("'", "&#x27;") in part for v in unknown)


def test_seeds_that_disagree_are_said_to(both, sudden, healthy):
    mixed = Diagnosis(v for one in both.diagnoses.values() for v in one if v.run != "sudden-s1")
    group = both.groups[0]._replace(runs=[sudden[0], healthy])
    found = Comparison([group], {}, [])
    vars(found)["diagnoses"] = {group.name: mixed}  # in place of those made from `own`
    part = verdicts(found)
    assert "Worst state: alarm in 1 of 2 seeds, fine in 1; the seeds disagree." in part
    assert f"Last good round: {mixed.last_good['sudden-s0']}, {LAST} by seed." in part
    card = part.split("<code>collapse</code>")[1].split("</article>")[0]
    assert '<span class="state fine">' in card.split("</p>")[0]  # one of two is not more than half
    assert "alarm in 1 of 2 seeds, fine in 1; the seeds disagree; alarm since round" in card


@given(st.lists(st.sampled_from(STATES), min_size=1, max_size=9))
def test_the_shared_state_is_the_worst_that_more_than_half_reach(states):
    shared = STATES.index(majority(states))
    reached = [sum(STATES.index(state) <= rank for state in states) for rank in range(len(STATES))]
    assert 2 * reached[shared] > len(states)
    assert shared == 0 or 2 * reached[shared - 1] <= len(states)
    assert majority(states) in states
    assert sum(int(n) for n in re.findall(r"in (\d+)", counts(states))) in (0, len(states))


def test_together_holds_every_verdict_of_every_run(both):
    found = together(both.diagnoses["sudden"])
    assert sorted(one.name for one in found) == sorted(NAMES)
    assert all([v.run for v in one.each] == ["sudden-s0", "sudden-s1"] for one in found)
    ranks = [STATES.index(one.state) for one in found]
    assert ranks == sorted(ranks)
    assert all(one.shown.state in (one.state, one.worst) for one in found)


def test_words_of_several_seeds(both):
    first = both.diagnoses["sudden"].of("collapse", "sudden-s0")
    assert since([replace(first, since=r) for r in (4, None, 4)]) == "since round 4"
    assert since([replace(first, since=r) for r in (5, 3)]) == "since round 3 to 5, by seed"
    assert good([1, 2, None]) == "1, 2, none by seed"


def test_a_number_without_a_bound_is_not_drawn(both):
    diagnosis = both.diagnoses["sudden"]
    assert strip(diagnosis.of("data_quality", "sudden-s0"), True) == ""
    drawn = strip(diagnosis.of("collapse", "sudden-s0"), True)
    ends = [float(x) for x in re.findall(r'\b(?:cx|x1|x2)="([\d.]+)"', drawn)]
    assert min(ends) == 30
    assert max(ends) == 250


def test_rates_are_told_or_said_to_be_missing(both):
    verdict = both.diagnoses["sudden"].of("collapse", "sudden-s0")
    known = Rates(0.01, 0.0, 0.02, 0.9, 0.8, 0.95, 2, "sudden-collapse", "all", "60 problems", 500)
    assert rates(replace(verdict, rates=known)) == str(known)
    assert rates(replace(verdict, rates=None)) == "error rates not measured"
