"""Claims as data: what they say of themselves, what they refuse, and the mark of their rule."""

from dataclasses import MISSING, fields, replace

import pytest

from siwork.claims import CLAIMS
from siwork.claims.claim import Arm, Base, Claim, Part
from siwork.claims.own import OWN
from siwork.claims.theorems import THEOREMS
from siwork.loop import Sizes
from siwork.metrics.catalogue import is_known
from siwork.recipes import Recipe
from siwork.schema import KnobError, parse_call
from siwork.tasks import task_of

ASKED = pytest.mark.parametrize("name", CLAIMS)


def test_there_are_fourteen():
    assert len(CLAIMS) == 14


@ASKED
def test_a_claim_can_be_played_and_measured(name):
    claim = CLAIMS[name]
    for arm in claim.arms.values():
        task = task_of(arm.task or claim.task)
        Recipe.read(arm.recipe).see_fit(task, None)
    for part in claim.parts:
        names = filter(None, (part.metric, part.less))
        if claim.arms:
            assert all(is_known(metric) or metric in OWN for metric in names)
        else:
            assert parse_call(part.metric).name in THEOREMS
    assert all((claim.says, claim.source, claim.stated, claim.chosen, claim.because))


@ASKED
def test_every_arm_is_looked_at_or_explained(name):
    claim = CLAIMS[name]
    read = {arm for part in claim.parts for arm in (part.arm, part.against)}
    assert all(arm in read or arm in claim.because for arm in claim.arms)


@ASKED
def test_the_mark_changes_with_rule_and_setting_and_with_nothing_else(name):
    claim = CLAIMS[name]
    first = claim.parts[0]
    others = [
        replace(claim, parts=(replace(first, least=first.least * 2), *claim.parts[1:])),
        replace(claim, rounds=claim.rounds + 1),
        replace(claim, sizes=Sizes(train=1)),
        replace(claim, task="hidden"),
    ]
    if claim.arms:
        arm = next(iter(claim.arms))
        others.append(replace(claim, arms={**claim.arms, arm: Arm("cot · gold · nofit", train=7)}))
    assert len({claim.mark, *(other.mark for other in others)}) == len(others) + 1
    assert replace(claim, says="x", source="y", stated="z", chosen="", because="").mark == claim.mark


def test_the_mark_tells_every_field_that_is_not_at_its_default():
    base, part = Base(5, traces="right-anew", primed=3), Part("a", "pass@1", "above", 0.1, against="b")
    bases = [replace(base, **{f.name: "add" if f.name in ("task", "traces") else 7}) for f in fields(Base)]
    parts = [replace(part, **{name: value}) for name, value in OTHERS.items()]
    claims = [
        Claim("c", "", "", "", "expr", 1, {"a": Arm("cot", each), "b": Arm("cot")}, (part,))
        for each in (None, base, *bases)
    ]
    claims += [Claim("c", "", "", "", "expr", 1, {"a": Arm("cot"), "b": Arm("cot")}, (each,)) for each in parts]
    assert len({claim.mark for claim in claims}) == len(claims)


OTHERS = {
    "arm": "b", "metric": "vendi", "claimed": "below", "least": 0.2, "line": 1.0, "of": "mean", "since": 1,
    "against": "", "less": "vendi", "split": "train", "relative": True, "either": "x",
}  # fmt: skip


def test_no_default_changes_as_marks_leave_it_out():
    assert set(OTHERS) == {each.name for each in fields(Part)}
    found = [each for of in (Base, Arm, Part) for each in fields(of) if each.default is not MISSING]
    assert {each.name: each.default for each in found if each.name != "task"} == {
        "width": 64, "layers": 3, "heads": 2, "hidden": 176, "pool": 40_000, "traces": "", "primed": 0,
        "base": None, "train": 0, "line": 0.0, "of": "last", "since": 0, "against": "", "less": "",
        "split": "heldout", "relative": False, "either": "",
    }  # fmt: skip
    assert {each.default for each in found if each.name == "task"} == {""}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"claimed": "abov"}, "claimed must be one of above, below, within, got 'abov'"),
        ({"of": "end"}, "of must be one of first, last, change, bend, slope, mean, got 'end'"),
        ({"relative": True}, "relative takes a share of another arm's pass@1, and against names none"),
        ({"least": 0.0}, "least is the smallest effect worth the name, above 0, got 0"),
        ({"least": float("nan")}, "least is the smallest effect"),
    ],
)
def test_a_part_that_cannot_be_is_refused(bad, words):
    with pytest.raises(KnobError, match=words):
        Part(**({"arm": "a", "metric": "pass@1", "claimed": "above", "least": 0.1} | bad))


def test_a_part_of_an_arm_that_is_not_there_is_refused():
    part = Part("lop", "pass@1", "above", 0.1)
    with pytest.raises(KnobError, match="claim c has no arm 'lop'; nearest: 'loop'"):
        Claim("c", "", "", "", "expr", 1, {"loop": Arm("vanilla")}, (part,))


def test_numbers_and_rules_are_said_in_words():
    part = Part("a", "pass@32", "below", 0.01, of="slope", since=1, against="b", less="pass@4", split="beyond")
    assert part.number == "pass@32 − pass@4 of a − b, beyond: slope a round since round 1"
    assert Part("a", "pass@1", "within", 0.02).rule == "within 0 ± 0.02"
    assert Part("a", "pass@1", "above", 0.02, of="first").number == "pass@1 of a, held-out: round 0"
    shares = Part("a", "x", "above", 1, of="change", against="b", relative=True)
    assert shares.number == "x of a − b, held-out: change since round 0, as a share of b"
