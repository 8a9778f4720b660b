"""The failure clinic: labelled runs are valid rows, exactly what their case says, and the same every time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm

from siwork.clinic import CASES, SIZES, Size, labelled
from siwork.clinic.moves import dead, narrowed, raised, ramp, shares, solved, split
from siwork.clinic.plants import MAKERS
from siwork.clinic.pool import pool, wardrobe
from siwork.clinic.rows import planned
from siwork.loop import Sizes, run
from siwork.schema import KnobError, check
from siwork.tasks import task_of

FAILURES = [name for name, case in CASES.items() if case.verdict]
HEALTHY = [name for name, case in CASES.items() if not case.verdict]
GROWING = {"tail-cut", "hackable-verifier", "drifting-calibration", "template-collapse", "length-collapse"}


def solving(case, size="usual", seed=3, effect=1.0):
    begun, plan = planned(case, size, seed, effect)
    return begun, plan, (plan.p * begun.right).sum(axis=-1)


def variety(p, right):
    share = np.where(right, p, 0) / (p * right).sum(axis=-1, keepdims=True)
    return (1 - (share**2).sum(axis=-1)).mean(axis=-1)


# ── rows ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "real"
    sizes = Sizes(train=4, heldout=3, beyond=0, samples=16)
    return run("vanilla", "countdown", "tabular", rounds=1, problems=sizes, folder=folder).rows()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_rows_are_those_of_a_run(case, seed, real):
    rows = check(labelled(case, "small", seed))
    assert rows.dtypes.to_dict() == real.dtypes.to_dict()
    assert list(rows.columns) == list(real.columns)
    assert set(rows["run"]) == {f"{case}-s{seed}"}
    size = SIZES["small"]
    table = rows.groupby(["round", "split"])["problem"].nunique().unstack()
    assert (table["heldout"] == size.heldout).all()
    assert (table["train"].dropna() == size.train).all()
    assert table["train"].isna().tolist() == [False] * size.rounds + [True]  # the last round is closing
    assert (rows.groupby(["round", "problem"]).size() == size.samples).all()


def test_problem_columns_are_those_of_the_task():
    rows = labelled("healthy", "small", 4)
    task = task_of("countdown")
    known = pd.concat([task.problems("train", 330), task.problems("heldout", 130)]).set_index("problem")
    told = known.loc[rows["problem"].tolist()]
    for name in ("split", "task", "prompt", "difficulty", "band"):
        assert (told[name].to_numpy() == rows[name].to_numpy()).all()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_gold_and_answers_are_what_the_task_says(case, seed):
    rows = labelled(case, "small", seed)
    rows = pd.concat([rows.sample(400, random_state=0), rows[rows["round"] == 6].head(400)])
    bare = rows.assign(response=rows["response"].str.split(": ").list[-1])  # a template ends with `: answer`
    task = task_of("countdown")
    assert (task.check(bare) == rows["gold"]).all()
    pd.testing.assert_series_equal(task.answers(bare), rows["answer"], check_names=False)


@pytest.mark.parametrize("case", CASES)
def test_the_same_call_gives_the_same_rows_and_another_seed_others(case):
    rows = labelled(case, "small", 5)
    pd.testing.assert_frame_equal(rows, labelled(case, "small", 5))
    other = labelled(case, "small", 6)
    assert not rows["response"].equals(other["response"])
    assert rows.attrs == {"case": case, "onset": rows.attrs["onset"]}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failing_run_is_the_healthy_run_of_its_seed_until_the_onset(case):
    rows, twin = labelled(case, "small", 2), labelled("healthy", "small", 2)
    onset = rows.attrs["onset"]
    columns = ["round", "problem", "response", "logp", "base_logp", "entropy", "gold"]
    before = rows["round"] < onset
    pd.testing.assert_frame_equal(rows.loc[before, columns], twin.loc[before, columns])
    assert twin.attrs["onset"] is None
    touched = [*columns, "score", "weight"]
    assert not rows.loc[~before, touched].equals(twin.loc[~before, touched])


@pytest.mark.parametrize("case", CASES)
def test_weight_is_the_vanilla_selection(case):
    rows = labelled(case, "small", 1)
    accepted = ((rows["split"] == "train") & (rows["score"] >= 0.5)).astype(float)
    if case == "tail-cut":
        hard = (rows["band"] <= 1) & (rows["round"] >= rows.attrs["onset"])
        assert (rows["weight"] <= accepted).all()
        assert (rows["weight"] == accepted)[~hard].all()
        assert rows["weight"][hard].sum() < accepted[hard].sum()
    else:
        assert (rows["weight"] == accepted).all()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_logp_and_entropy_are_those_of_the_distribution_of_texts(case, seed):
    rows = labelled(case, Size(2, 3, 4096, 3), seed)
    rows = rows[rows["split"] == "heldout"]
    for _, group in rows.groupby(["round", "problem"]):
        said = group.groupby("response")
        assert (said["logp"].nunique() == 1).all()  # one text, one chance
        p = np.exp(said["logp"].first().to_numpy(float))
        assert 0.95 < p.sum() < 1 + 1e-9
        share = said.size().to_numpy(float) / len(group)
        assert (np.abs(share - p) < 5 * np.sqrt(p * (1 - p) / len(group)) + 1e-3).all()
        whole = (group["entropy"] * group["n_tokens"]).to_numpy(float)
        assert np.ptp(whole) < 1e-9
        assert whole[0] == pytest.approx(-(group["logp"].mean()), abs=0.15)


@pytest.mark.parametrize("case", CASES)
def test_base_logp_is_that_of_round_0(case):
    rows = labelled(case, "small", 1)
    first = rows[rows["round"] == 0]
    assert np.allclose(first["logp"], first["base_logp"], atol=1e-12)
    known = first.drop_duplicates(["problem", "response"]).set_index(["problem", "response"])["logp"]
    again = rows[rows["split"] == "heldout"].set_index(["problem", "response"])["base_logp"]
    both = again[again.index.isin(known.index)]
    assert np.allclose(both, known.loc[both.index], atol=1e-12)


def test_lengths_tell_stub_from_runaway():
    stub, long = (labelled("length-collapse", "small", seed) for seed in (0, 1))
    last = stub[stub["round"] == 6]
    assert stub["finished"].all()
    assert (last["n_tokens"] <= 3).mean() == pytest.approx(0.85, abs=0.05)
    assert (last["n_tokens"] == last["response"].str.len() + 1).all()
    cut = ~long["finished"]
    assert (long["n_tokens"][cut] == 48).all()
    assert (long["response"][cut].str.len() == 48).all()
    assert cut[long["round"] == 6].mean() == pytest.approx(0.85, abs=0.05)
    assert not cut[long["round"] < long.attrs["onset"]].any()


# ── exact targets ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_every_round_is_a_distribution_over_candidates(case, seed):
    begun, plan, _ = solving(case, "small", seed)
    assert np.allclose(plan.p.sum(axis=-1), 1)
    assert (plan.p >= 0).all()
    assert not plan.p[:, ~(begun.right | begun.wrong)].any()
    if case != "healthy-noisy":
        assert np.allclose(plan.p[0], begun.p)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", FAILURES)
def test_effect_0_is_healthy_and_the_onset_is_in_place(case, size):
    _, healthy, _ = solving("healthy", size)
    _, plan, _ = solving(case, size, effect=0.0)
    assert np.allclose(plan.p, healthy.p, atol=1e-12)
    assert not np.any(plan.share)
    assert np.all(np.asarray(plan.kept) == 1)
    assert plan.onset is None
    rounds = SIZES[size].rounds
    onset = planned(case, size)[1].onset
    assert onset == (rounds // 3 if case in GROWING else rounds // 2 if case == "sudden-collapse" else 1)


def test_an_undosed_graded_score_is_the_chance_of_being_right():
    for case in ("drifting-calibration", "healthy-noisy"):
        rows = labelled(case, Size(300, 100, 64, 1), 7, effect=0.0)
        rows = rows[rows["round"] == 0]
        part = rows.groupby((rows["score"] * 5).astype(int))
        assert np.allclose(part["score"].mean(), part["gold"].mean(), atol=0.03)


@pytest.mark.parametrize("case", FAILURES)
def test_more_effect_is_more_harm(case):
    def change(effect):
        plan, healthy = planned(case, "usual", 3, effect)[1], planned("healthy", "usual", 3)[1]
        scored = abs(labelled(case, "small", 3, effect)["score"] - labelled(case, "small", 3, 0.0)["score"]).mean()
        far = abs(plan.p - healthy.p).sum() + np.sum(plan.share) + np.sum(1 - np.asarray(plan.kept))
        return far + (scored if case == "drifting-calibration" else 0)

    low, middle, high = (change(effect) for effect in (0.25, 0.5, 1.0))
    assert 0 < low < middle < high


def test_healthy_rises_by_a_twelfth_of_a_nat_at_first():
    begun, plan, p = solving("healthy")
    step = np.diff(logit(p), axis=0)
    assert np.allclose(step[0], 0.0761, atol=1e-3)
    assert (np.diff(step.mean(axis=1)) < 0).all()
    assert np.allclose(variety(plan.p, begun.right), variety(begun.p, begun.right))


def test_healthy_fast_climbs_and_keeps_the_mix_of_right_answers():
    begun, plan, p = solving("healthy-fast")
    assert p[0].mean() == pytest.approx(begun.solving.mean())
    assert p[-1].mean() == pytest.approx(0.8)
    assert (np.diff(p.mean(axis=1)) > 0).all()
    mix = np.where(begun.right, plan.p, 0) / p[..., None]
    assert np.allclose(mix, begun.by_right)


def test_healthy_noisy_wobbles_around_healthy():
    plans = [solving("healthy-noisy", "large", seed) for seed in range(6)]
    off = [logit(p).mean(axis=1) - begun.rising.mean(axis=1) for begun, _, p in plans]
    assert abs(np.mean(off)) < 0.1
    assert 0.08 < np.std(off) < 0.2
    for _, plan, _ in plans[:2]:
        assert plan.onset is None
    rows = pd.concat([labelled("healthy-noisy", "large", seed) for seed in (0, 2)])
    accepted = rows["score"] >= 0.5
    rates = rows.assign(accepted=accepted).groupby(["round", "gold"])["accepted"].mean().unstack()
    assert np.allclose(rates[False], 0.08, atol=0.02)
    assert np.allclose(rates[True], 0.88, atol=0.02)


def test_diversity_decay_keeps_right_mass_and_loses_variety():
    begun, plan, p = solving("diversity-decay")
    assert np.allclose(p, begun.healthy, atol=1e-9)
    left = variety(plan.p, begun.right) / variety(begun.p, begun.right)
    assert left[-1] == pytest.approx(0.05, abs=1e-6)
    assert left[4] == pytest.approx(1 - 0.95 / 2, abs=1e-3)  # half-way at 40 % of the run
    assert (np.diff(left) < 0).all()
    assert np.allclose((plan.p * begun.right).argmax(axis=-1), begun.by_right.argmax(axis=-1))
    half = solving("diversity-decay", effect=0.5)
    assert variety(half[1].p, begun.right)[-1] / variety(begun.p, begun.right) == pytest.approx(0.525, abs=1e-6)


def test_tail_cut_touches_the_tail_only():
    begun, plan, p = solving("tail-cut")
    hard = begun.band <= 1
    assert np.allclose(plan.kept[-1, hard], 0.1)
    assert np.allclose(np.asarray(plan.kept)[:, ~hard], 1)
    assert np.allclose(p[:, ~hard], begun.healthy[:, ~hard])
    assert np.allclose(logit(p[-1, hard]), begun.rising[-1, hard] - 0.5)


def test_a_hackable_verifier_is_satisfied_while_the_truth_falls():
    begun, plan, p = solving("hackable-verifier")
    marked = pool().marked[begun.rows]
    score = p + (plan.p * marked).sum(axis=-1)
    assert (score[-1] - score[0]).mean() == pytest.approx(0.25, abs=1e-6)
    assert (p[-1] - p[0]).mean() == pytest.approx(-0.2, abs=1e-6)
    assert not (marked & begun.right).any()
    rows = labelled("hackable-verifier", "small")
    assert (rows["score"] >= rows["gold"].astype(float)).all()


def test_drifting_calibration_doses_false_accepts_and_leaves_the_policy():
    begun, _, p = solving("drifting-calibration")
    assert np.allclose(p, begun.healthy)
    gap, prior = np.sqrt(2) * norm.ppf(0.9), logit(begun.solving.mean())
    accept = [1 - norm.cdf((gap**2 / 2 - prior - shift / scale) / gap) for shift, scale in ((0, 1), (2, 1.3))]
    assert 0.08 < accept[0] < 0.16
    assert 0.35 < accept[1] < 0.48
    rows = labelled("drifting-calibration", Size(20, 130, 128, 3), 3)
    prior = logit(planned("drifting-calibration", Size(20, 130, 128, 3), 3)[0].solving.mean())
    wrong = rows[(rows["round"] == 3) & ~rows["gold"]]
    expected = 1 - norm.cdf((gap**2 / 2 - prior - 2 / 1.3) / gap)
    assert (wrong["score"] >= 0.5).mean() == pytest.approx(expected, abs=0.02)


def test_sudden_collapse_strikes_at_once_and_the_votes_agree():
    begun, plan, p = solving("sudden-collapse")
    struck = plan.p[5].max(axis=1) > 0.96
    assert struck[p[5] < 0.04].mean() > 0.9
    assert (plan.p[5] != plan.p[4]).any(axis=1).mean() > 0.8
    top = plan.p[5][struck].argmax(axis=1)
    assert begun.wrong[struck][np.arange(struck.sum()), top].mean() > 0.99
    assert p[4].mean() - p[5].mean() > 0.3
    rows = labelled("sudden-collapse", "small", 1)
    votes = rows[rows["answer"].notna()].groupby(["round", "problem", "answer"]).size()
    share = votes / votes.groupby(["round", "problem"]).transform("sum")
    read = rows[rows["answer"].notna()]
    key = pd.MultiIndex.from_frame(read[["round", "problem", "answer"]])
    assert np.allclose(read["score"], share.loc[key])
    assert (rows.loc[rows["answer"].isna(), "score"] == 0).all()


def test_slow_collapse_falls_steadily_and_sharpens():
    _, plan, p = solving("slow-collapse")
    seen = (1 - plan.share) * p.mean(axis=1)  # repeated responses are never right
    assert seen[-1] - seen[0] == pytest.approx(-0.3, abs=1e-6)
    assert (np.diff(seen) < 0).all()
    assert plan.share[-1] == pytest.approx(0.35)
    whole = -(plan.p * np.log(np.maximum(plan.p, 1e-300))).sum(axis=-1).mean(axis=1)
    assert whole[-1] < 0.75 * whole[0]
    last = labelled("slow-collapse", "small")
    last = last[last["response"].str.contains(" ")]
    assert last["answer"].isna().all()
    assert (last["n_tokens"] == last["response"].str.len() + 1).all()


def test_template_collapse_keeps_the_answers():
    begun, plan, p = solving("template-collapse")
    assert np.allclose(p, begun.healthy)
    assert plan.share[-1] == pytest.approx(0.9)
    rows, twin = labelled("template-collapse", "small", 1), labelled("healthy", "small", 1)
    pd.testing.assert_series_equal(rows["answer"], twin["answer"])
    pd.testing.assert_series_equal(rows["gold"], twin["gold"])
    dressed = rows[rows["response"].str.contains(":")]
    assert dressed["response"].str.split(": ").list[0].nunique() == 12


def test_dead_groups_have_one_score_and_the_mean_is_kept():
    begun, plan, p = solving("dead-groups")
    at = dead(p, 16)
    assert at[-1] == pytest.approx(0.95, abs=1e-6)
    grown = int(np.argmax(at > 0.95 - 1e-6))  # whole before the end, and stays
    assert 1 < grown < len(at) - 1
    assert (np.diff(at[: grown + 1]) > 0).all()
    assert np.allclose(at[grown:], 0.95, atol=1e-6)
    for part in np.split(np.arange(p.shape[1]), [begun.size.train]):
        assert abs(p[:, part].mean(axis=1) - begun.solving[part].mean()).max() < 0.08
    assert np.allclose(np.where(begun.right, plan.p, 0) / p[..., None], begun.by_right)


# ── the catalogue ──────────────────────────────────────────────────────────────────────────────────────────
def test_every_case_is_told_and_made():
    assert list(CASES) == list(MAKERS)
    assert len(HEALTHY) == 3
    for name, case in CASES.items():
        assert case.name == name
        assert case.sentence.endswith(".")
        assert case.hint.endswith(".")
        assert not case.verdict or any(digit in case.sentence for digit in "0123456789")


def test_the_pool_has_a_marked_and_a_plain_wrong_answer_for_every_problem():
    known = pool()
    wrong = known.table.live & ~known.table.right & (known.table.group >= 0)
    assert known.marked.any(axis=1).all()
    assert not (known.marked & ~wrong).any()
    assert wrong[np.arange(len(wrong)), known.plain].all()
    for kind in ("template", "runaway", "repeated"):
        made, live = wardrobe(kind), known.table.live
        texts = np.array(made.texts.to_pylist(), object).reshape(len(made.reads), *live.shape)
        for p in range(0, len(live), 50):
            seen = texts[:, p, live[p]].ravel().tolist()
            assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_the_smallest_run_works(case, seed):
    rows = check(labelled(case, Size(1, 1, 1, 1), seed))
    assert len(rows) == 3


@pytest.mark.parametrize("effect", [0.3, 1.7, 50.0])
@pytest.mark.parametrize("case", FAILURES)
def test_any_effect_gives_valid_rows(case, effect):
    check(labelled(case, "small", 1, effect))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"case": "helthy"}, "nearest: 'healthy'"),
        ({"size": "usul"}, "nearest: 'usual'"),
        ({"size": 3}, "or a Size"),
        ({"size": Size(331, 1, 1, 1)}, "1 … 330 train"),
        ({"size": Size(1, 1, 1, 0)}, "rounds ≥ 1"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 1.5}, "seed must be"),
        ({"effect": -0.1}, "effect must be"),
        ({"effect": float("nan")}, "effect must be"),
    ],
)
def test_what_cannot_be_is_said(wrong, said):
    with pytest.raises(KnobError, match=said):
        labelled(**{"case": "healthy", "size": "small"} | wrong)


# ── moves ──────────────────────────────────────────────────────────────────────────────────────────────────
@given(st.lists(st.floats(-6, 6), min_size=1, max_size=30), st.floats(0.05, 0.95))
def test_raised_meets_its_mean_with_one_shift(odds, target):
    odds = np.array(odds)
    p = raised(odds, np.array([target]))[0]
    assert p.mean() == pytest.approx(target, abs=1e-6)
    assert np.ptp(logit(p) - odds) < 1e-6


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 1, exclude_max=True))
def test_split_keeps_the_sum_within_one(chance, u):
    chance = np.array(chance)
    chosen = split(chance, u)
    assert abs(chosen.sum() - chance.sum()) <= 1 + 1e-9
    assert not chosen[chance == 0].any()


def test_split_is_fair():
    chance = np.array([0.1, 0.25, 0.6, 0.6, 0.9])
    often = np.mean([split(chance, u) for u in (np.arange(1000) + 0.5) / 1000], axis=0)
    assert np.allclose(often, chance, atol=0.002)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.0))
def test_narrowed_leaves_the_asked_share_of_variety(seed, keep):
    rng = np.random.default_rng(seed)
    z, kind = rng.normal(size=(20, 8)), rng.random((20, 8)) < 0.6
    kind[:, 0] = True
    kind[0, 1] = True
    p = narrowed(z, kind, np.array([1.0, keep]))
    assert np.allclose(p[0], shares(z, kind))
    assert variety(p[1], kind) == pytest.approx(keep * variety(p[0], kind), abs=1e-6)
    assert not p[:, ~kind].any()


def test_narrowed_leaves_problems_of_one_answer_as_they_are():
    kind = np.array([[True, False], [False, True]])
    assert np.array_equal(narrowed(np.zeros((2, 2)), kind, np.array([1.0, 0.1])), np.array([kind, kind], float))


@given(st.integers(1, 30), st.data())
def test_ramp_starts_at_the_onset_and_ends_at_1(rounds, data):
    onset = data.draw(st.integers(1, rounds))
    grown = ramp(rounds, onset)
    assert (grown[:onset] == 0).all()
    assert (np.diff(grown[onset - 1 :]) > 0).all()
    assert grown[-1] == 1


def test_solved_stops_at_an_end_where_there_is_no_root():
    assert np.allclose(solved(expit, np.array([2.0, -1.0]), -3, 3), [3, -3])
