"""Priming: traces of four kinds, the behaviour counted by hand, and bases that were taught one kind."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.claims.claim import Arm, Base, Claim, Part
from siwork.claims.own import OWN, written_anew
from siwork.claims.playing import lay_out
from siwork.claims.priming import KINDS, primed, traces, traces_of
from siwork.loop import Sizes, prepare, resume
from siwork.policies.start import Tiny
from siwork.schema import KnobError
from siwork.store import Run
from siwork.tasks import task_of
from siwork.tasks.base import in_tokens, is_held_out
from siwork.tasks.steps import OPERATIONS, does_anew

EXPR = task_of("expr(depth=2)")
SMALL = Base(steps=2, width=16, layers=1, heads=1, hidden=16, pool=64)
LOOP = "seed · cot(k=2) · gold · pg(steps=2)"
SIZES = Sizes(train=6, heldout=5, beyond=0, samples=8)


def drawn(depth, seed):
    rng = np.random.default_rng(seed)
    task = task_of(f"expr(depth={depth})")
    prompt = task.draw(rng).prompt
    return task, prompt, traces_of(prompt, rng)


# ── traces ─────────────────────────────────────────────────────────────────────────────────────────────
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_trace_ends_and_behaves_as_its_kind_says(depth, seed):
    task, prompt, found = drawn(depth, seed)
    for kind, trace in (found or {}).items():
        assert task.is_right(prompt, trace) == kind.startswith("right")
        assert does_anew(trace) == kind.endswith("anew")
        assert in_tokens(task.vocabulary, trace) == trace
        assert all(int(number) <= 99 for number in re.findall("[0-9]+", trace))
        assert len(re.findall(r"[0-9]+|[^0-9]", trace)) + 1 <= task.max_tokens
    assert found is None or tuple(found) == KINDS


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_traces_of_both_behaviours_are_alike_but_for_one_attempt(depth, seed):
    task, prompt, found = drawn(depth, seed)
    for end in ("right", "wrong") if found else ():
        plain, anew = (found[f"{end}-{how}"].split(";") for how in ("plain", "anew"))
        (place,) = [i for i in range(len(plain)) if [*anew[:i], *anew[i + 1 :]] == plain]
        attempt, again = (part.partition("=") for part in anew[place : place + 2])
        assert attempt[0] == again[0]
        left, sign, right = re.fullmatch(r"(~?\d+)([-+*])(~?\d+)", attempt[0]).groups()
        sides = [int(side.replace("~", "-")) for side in (left, right)]
        assert int(attempt[2].replace("~", "-")) != OPERATIONS[sign](*sides)  # wrong whatever was done before
    assert not found or task.steps_right(prompt, found["right-plain"])


@pytest.mark.parametrize(
    "prompt",
    [
        "(3-3)*(2+5)=",  # a slip in the sum changes nothing
        "(9*9)+(9+9)=",  # 99: an attempt of one or ten more has no token
        "(1+2)-(1+2)=",  # a slip in one of two equal steps looks like a step anew
    ],
)
def test_prompts_with_a_trap(prompt):
    task = task_of("expr")
    for seed in range(60):
        for kind, trace in traces_of(prompt, np.random.default_rng(seed)).items():
            assert task.is_right(prompt, trace) == kind.startswith("right")
            assert does_anew(trace) == kind.endswith("anew")
            assert all(int(number) <= 99 for number in re.findall("[0-9]+", trace))


def test_hardly_a_problem_lacks_a_kind():
    assert np.mean([drawn(1 + seed % 4, seed)[2] is None for seed in range(400)]) < 0.1


def test_all_kinds_have_the_same_prompts_and_none_is_held_out():
    found = {kind: traces(EXPR, kind, 80, seed=3) for kind in KINDS}
    prompts = found["right-plain"].prompt
    assert len(prompts) == 80
    assert all(each.prompt == prompts for each in found.values())
    assert not any(map(is_held_out, prompts))
    for kind, each in found.items():
        right = [EXPR.is_right(*pair) for pair in zip(*each, strict=True)]
        assert right == [kind.startswith("right")] * 80
    assert traces(EXPR, "wrong-anew", 80, seed=3) == found["wrong-anew"]
    assert traces(EXPR, "wrong-anew", 80, seed=4) != found["wrong-anew"]


@pytest.mark.parametrize(
    ("task", "kind", "n", "words"),
    [
        ("add", "right-anew", 1, "traces are written for expr, .* got add.*; nearest: expr"),
        ("expr", "right-new", 1, "traces must be one of right-plain, .* got 'right-new'; nearest: 'right-anew'"),
        ("expr", "right-anew", 0, "at least one trace is needed, got 0; nearest: 1"),
    ],
)
def test_traces_that_cannot_be_are_refused(task, kind, n, words):
    with pytest.raises(KnobError, match=words):
        traces(task_of(task), kind, n, seed=0)


@pytest.mark.parametrize("base", [{"traces": "right-anew"}, {"primed": 5}])
def test_a_base_is_primed_on_something_for_some_steps(base):
    with pytest.raises(KnobError, match="a base is primed on traces for some steps, got traces="):
        Base(3, **base)


# ── bases ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def shipped():
    return Tiny().build_for(EXPR)


def told(policy, kind):
    found = traces(EXPR, kind, 60, seed=99)
    return policy.logp(*(pa.array(texts, pa.string()) for texts in found), np.ones(60, bool)).mean()


def test_a_primed_policy_says_its_kind_and_the_first_one_is_as_it_was(shipped):
    before = shipped.fingerprint()
    found = {kind: primed(shipped, EXPR, kind, 4, seed=1) for kind in ("right-anew", "wrong-plain")}
    assert shipped.fingerprint() == before
    assert len({before, *(policy.fingerprint() for policy in found.values())}) == 3
    for kind, policy in found.items():
        assert told(policy, kind) > told(shipped, kind) + 1
        assert policy.origin["primed"] == f"4 steps on {kind}"
    assert "primed" not in shipped.origin


def test_the_same_seed_gives_the_same_weights(shipped):
    first, again, other = (primed(shipped, EXPR, "wrong-anew", 2, seed).fingerprint() for seed in (1, 1, 2))
    assert first == again != other


def claim_of(**bases):
    arms = {name: Arm(LOOP, base) for name, base in bases.items()}
    return Claim("primed", "", "", "", str(EXPR), 1, arms, (Part("a", "written_anew", "above", 0.1),), SIZES)


def bases(laid, arm):
    return [Run(folder).policy for folder in laid.folders[arm]]


def test_arms_of_a_seed_share_what_comes_before_the_priming(tmp_path, monkeypatch):
    from siwork.policies import pretrain

    calls, real = [], pretrain.pretrain
    monkeypatch.setattr(pretrain, "pretrain", lambda *args, **more: calls.append(more["seed"]) or real(*args, **more))
    arms = {kind[-5:] + kind[:5]: replace(SMALL, traces=kind, primed=1) for kind in KINDS}
    laid = lay_out(claim_of(a=SMALL, **arms), (100, 101), tmp_path)
    assert calls == [100, 101]
    made = [file.read_bytes() for file in (tmp_path / "primed" / "bases").iterdir()]
    assert len(set(made)) == len(made) == 2 * 5
    assert len(set(bases(laid, "a"))) == 2


def test_the_base_may_be_the_one_that_ships(tmp_path, shipped):
    base = Base(steps=0, traces="right-anew", primed=1)
    lay_out(claim_of(a=base), (100, 101), tmp_path)
    files = sorted((tmp_path / "primed" / "bases").iterdir())
    found = [Tiny(weights=str(file)).build_for(EXPR).fingerprint() for file in files]
    assert found == [primed(shipped, EXPR, "right-anew", 1, seed).fingerprint() for seed in (100, 101)]


# ── the behaviour ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("response", "anew"),
    [
        ("3+4=8;3+4=7;7*2=14", True),
        ("3+4=8;8*2=16;3+4=7;7*2=14", True),  # not at once
        ("1+2=3;1+2=3;3-3=0", False),  # two equal operations
        ("3+4=8;3-4=7;4+3=7", False),  # other operations
        ("~3*2=~6;~3*2=6", True),
        ("3+4=7;7*2=14", False),
        ("14", False),
        ("", False),
        ("3+4=8;3+4=;3+4", False),  # cut short
    ],
)
def test_what_is_done_anew_by_hand(response, anew):
    assert does_anew(response) is anew


def test_the_share_that_does_a_step_anew_by_hand(tmp_path):
    laid = lay_out(claim_of(a=Base(steps=0, traces="right-anew", primed=25)), (100, 101), tmp_path)
    run = resume(laid.folders["a"][0])
    found = written_anew(run, "heldout")
    for r in range(2):
        seen = []
        for response in run.rows(r, split="heldout")["response"]:
            results: dict[str, set[str]] = {}
            for step in response.split(";"):
                left, sign, right = step.partition("=")
                if re.fullmatch(r"~?\d+[-+*]~?\d+", left) and sign and re.fullmatch(r"~?\d+", right):
                    results.setdefault(left, set()).add(right)
            seen.append(any(len(different) > 1 for different in results.values()))
        assert found[r] == pytest.approx(np.mean(seen))
    assert found[0] > 0  # it was taught


def test_the_share_needs_expr(tmp_path):
    run = prepare("seed · cot(k=2) · nofit", "add", "tabular", rounds=0, problems=SIZES, folder=tmp_path / "r")
    with pytest.raises(KnobError, match=r"written_anew needs the task expr, .* got add"):
        OWN["written_anew"](resume(run.folder), "heldout")
