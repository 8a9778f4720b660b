"""The table of verdicts that ships: whole, of the rules as they stand, and judged by them."""

import pytest

from siwork.claims import CLAIMS, shipped_verdicts
from siwork.claims.deciding import OPEN, together, verdict_of
from siwork.claims.table import stale

TABLE = shipped_verdicts()
ASKED = pytest.mark.parametrize("name", CLAIMS)


def test_every_claim_is_there_with_the_rule_of_today():
    assert list(dict.fromkeys(TABLE["claim"])) == list(CLAIMS)
    assert stale(TABLE) == []


@ASKED
def test_every_verdict_is_what_the_rule_says_of_its_interval(name):
    own, claim = TABLE[TABLE["claim"] == name].to_dict("records"), CLAIMS[name]
    assert [(row["number"], row["rule"]) for row in own] == [(part.number, part.rule) for part in claim.parts]
    found = [verdict_of(part, row["low"], row["high"]) for part, row in zip(claim.parts, own, strict=True)]
    assert [row["part_verdict"] for row in own] == found
    assert {row["verdict"] for row in own} == {together(found, [part.either for part in claim.parts])}


@ASKED
def test_every_number_is_of_five_seeds_that_nothing_was_chosen_on(name):
    for row in TABLE[TABLE["claim"] == name].to_dict("records"):
        assert row["ran_on"] == "0 1 2 3 4"
        assert (row["seeds"] == 5) or row["why"]
        assert row["smallest"] <= row["value"] <= row["largest"]
        assert row["low"] <= row["value"] <= row["high"] or (row["why"] and row["part_verdict"] == OPEN)
        assert row["level"] == pytest.approx(1 - 0.05 / len(CLAIMS[name].parts))
        assert row["seconds"] <= 15 * 60


def test_some_fail_and_stay():
    assert "does not hold here" in set(TABLE["verdict"])
