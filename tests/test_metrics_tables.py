"""Tables from rows: parting, transport, reliability, votes, Lorenz, novelty, support, reversal, plateau."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, hypergeom

from made import made_run
from rounds_made import Stream, rows_of, still
from siwork.metrics import measure, tables
from siwork.metrics.calibration import hacking_index, mass_edges, reliability, transport, vote_reliability
from siwork.metrics.collapse import good_turing_tail_mass, reversal, support_loss
from siwork.metrics.diversity import hashed_ngrams, nearest_distance
from siwork.metrics.intervals import grouped_mean, grouped_ratio
from siwork.metrics.tail import gini, gini_floor, transitions
from siwork.schema import KnobError, SchemaError


def judged(rng, problems=40, samples=6, rounds=4, score=0.0, gold=0.0):
    """Rows with a noisy score; both means drift by that much a round."""
    rate = rng.uniform(0.25, 0.75, (problems, 1))
    truth = [rng.random((problems, samples)) < rate + gold * r for r in range(rounds)]
    noise = [0.1 * rng.standard_normal((problems, samples)) for _ in range(rounds)]
    scores = [np.clip(rate + score * r + each, 0, 1) for r, each in enumerate(noise)]
    return rows_of(truth, score=scores)


# ── score and truth ───────────────────────────────────────────────────────────────────────────────────────────


def test_parting_is_the_paired_change():
    rows = judged(np.random.default_rng(0), rounds=3, score=0.02, gold=-0.05)
    table = tables.parting(rows)
    means = rows.assign(gold=rows["gold"].astype(float)).groupby(["round", "problem"])[["score", "gold"]].mean()
    for r in (1, 2):
        found = hacking_index(*(means.loc[t, name] for t in (0, r) for name in ("score", "gold")))
        row = table[table["round"] == r].iloc[0]
        for part in ("score", "gold", "index"):
            alone = getattr(found, part)
            assert row[part] == pytest.approx(alone.value, abs=1e-12)
            assert row[f"{part}_low"] < alone.low < alone.high < row[f"{part}_high"]  # simultaneous bands are wider
        assert row["problems"] == 40
    pd.testing.assert_frame_equal(tables.parting(Stream(rows)), table)


def test_bands_of_a_run_that_does_not_change_hold_all_at_once():
    runs, rng, missed, alarms = 80, np.random.default_rng(1), 0, 0
    for _ in range(runs):
        table = tables.parting(judged(rng, problems=15, rounds=6), draws=300)
        out = [
            (table[f"{part}_low"] > 0).any() or (table[f"{part}_high"] < 0).any() for part in ("score", "gold", "index")
        ]
        missed += any(out)
        alarms += table["alarm"].any()
    assert missed <= binom(runs, 0.05).ppf(0.9995)
    assert alarms <= binom(runs, 0.01).ppf(0.9995)


def test_a_hacked_judge_alarms_since_its_onset():
    rng = np.random.default_rng(2)
    calm, hacked = judged(rng, rounds=2), judged(rng, rounds=2)
    parts = [calm, *(hacked[hacked["round"] == 1].assign(round=r, score=1.0, gold=False) for r in (2, 3, 4))]
    table = tables.parting(pd.concat(parts))
    assert table["alarm"].tolist() == [False, True, True, True]
    assert table["onset"].tolist() == [2] * 4
    back = pd.concat([*parts, calm[calm["round"] == 1].assign(round=5)])
    assert tables.parting(back)["onset"].isna().all()


def test_problems_that_all_change_alike_still_have_a_bound():
    gold = [np.ones((12, 3), bool), np.zeros((12, 3), bool)]
    rows = rows_of(gold, score=[np.full((12, 3), 0.2), np.full((12, 3), 0.9)])
    row = tables.parting(rows).iloc[0]
    assert (row["gold"], row["gold_low"]) == (-1.0, -1.0)
    assert -1 < row["gold_high"] < -0.3
    assert row["alarm"]
    same = tables.parting(rows.assign(score=0.2, gold=True)).iloc[0]
    assert same["score_low"] < 0 < same["score_high"]
    assert not same["alarm"]


def test_parting_counts_every_row_with_both_and_null_where_there_is_none():
    rows = judged(np.random.default_rng(0), problems=12, rounds=2)
    hinted = rows.assign(hint="answer", sample=rows["sample"] + 6, score=1.0, gold=True)
    both = pd.concat([rows.assign(hint="none"), hinted])
    assert tables.parting(both)["score"].iloc[0] == pytest.approx(tables.parting(rows)["score"].iloc[0] / 2, abs=1e-12)
    blind = rows.assign(score=rows["score"].where((rows["round"] == 0) | (rows["problem"] != "p3")))
    assert tables.parting(blind)[["problems", "left_out"]].values.tolist() == [[11, 1]]
    lone = tables.parting(rows[rows["problem"] == "p3"]).iloc[0]
    assert pd.isna(lone["alarm"])
    assert "score: one problem, so no interval" in lone["method"]
    with pytest.raises(KnobError, match="share problems"):
        tables.parting(rows.assign(score=np.nan))
    with pytest.raises(SchemaError, match="lack column 'score'"):
        tables.parting(rows.drop(columns="score"))
    assert len(tables.parting(rows[rows["round"] == 0])) == 0


def test_an_alarm_lasts_to_the_end_or_not_at_all():
    lasting = tables.proxy.lasting
    assert np.isnan(lasting([1, 2, 3], [True, True, False]))
    assert lasting([1, 2, 3], [True, True, True]) == 1
    assert lasting([3, 1, 2], [True, False, None]) == 3
    assert lasting([1, 2, 3], [False, None, True]) == 3
    assert np.isnan(lasting([], []))


def test_transport_by_round_is_transport():
    rng = np.random.default_rng(3)
    rows = judged(rng, problems=100, samples=8, rounds=3)
    rows.loc[rows["round"] == 2, "score"] = np.clip(rows["score"] + 0.25, 0, 1)
    table = tables.transport_by_round(rows)
    first, last = (rows[rows["round"] == r] for r in (0, 2))
    found = transport(
        *(each[name] for each in (first, last) for name in ("score", "gold")), first["problem"], last["problem"]
    )
    row = table.iloc[1]
    assert (row["ece2"], row["gap"], row["p"]) == pytest.approx((found.ece2, found.gap, found.p), abs=1e-12)
    assert (row["gap_low"], row["gap_high"]) == pytest.approx((found.gap_low, found.gap_high), abs=1e-12)
    assert table["holds"].tolist() == [True, False]
    assert row["p_adjusted"] == pytest.approx(2 * row["p"])
    fresh = rows.assign(problem=rows["problem"] + rows["round"].astype(str))
    assert tables.transport_by_round(fresh)["n"].iloc[0] == 200
    none = tables.transport_by_round(rows.assign(score=rows["score"].where(rows["round"] == 0)))
    assert none["ece2"].isna().all()
    assert none["holds"].isna().all()
    assert "no bin" in none["method"].iloc[0]
    with pytest.raises(KnobError, match="first must be a round"):
        tables.transport_by_round(rows, first=9)


# ── reliability, votes, Lorenz ────────────────────────────────────────────────────────────────────────────────


def test_reliability_uses_the_bins_of_the_first_round():
    rows = judged(np.random.default_rng(0), rounds=3, score=0.1)
    table = tables.reliability_table(rows)
    edges = mass_edges(rows.loc[rows["round"] == 0, "score"], 10)
    for r in range(3):
        own = rows[rows["round"] == r]
        expected = reliability(own["score"], own["gold"], own["problem"], edges=edges)
        got = table[table["round"] == r][expected.columns]
        np.testing.assert_allclose(got.to_numpy(float), expected.to_numpy(float))
    assert table.loc[table["round"] == 2, "count"].iloc[0] < table.loc[table["round"] == 0, "count"].iloc[0]
    pd.testing.assert_frame_equal(tables.reliability_table(Stream(rows)), table)
    pooled = tables.reliability_table(rows, by=())
    assert pooled["count"].sum() == len(rows)
    assert "round" not in pooled
    pd.testing.assert_frame_equal(tables.reliability_table(Stream(rows), by=()), pooled)


def test_scores_of_few_values_have_a_bin_each_in_every_round():
    rows = rows_of(still(np.random.default_rng(0), 20, 4), score=[np.full((20, 4), 0.7), np.full((20, 4), 0.7)])
    rows.loc[::2, "score"] = 1.0
    rows.loc[(rows["round"] == 1) & (rows["sample"] == 3), "score"] = 0.8
    table = tables.reliability_table(rows)
    assert table.groupby("round")["bin"].apply(list).tolist() == [[0, 1], [0, 1]]
    assert table.loc[table["round"] == 1, "greatest"].tolist() == [0.8, 1.0]
    banded = tables.reliability_table(rows.assign(band=rows["problem"].str[-1].astype(int) % 2), by=("round", "band"))
    assert banded[["round", "band"]].drop_duplicates().values.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    kept = tables.reliability_table(Stream(rows.assign(weight=rows["sample"] % 2.0)), by=("kept",))
    assert kept["kept"].tolist() == [False, True]


def test_reliability_with_nothing_to_show():
    rows = judged(np.random.default_rng(0), problems=5, rounds=2)
    part = tables.reliability_table(rows.assign(score=rows["score"].where(rows["round"] == 1)))
    assert part["count"].iloc[0] == 0
    assert pd.isna(part["gold"].iloc[0])
    assert part["method"].iloc[0] == "no sample has both score and known gold"
    assert part["round"].tolist().count(1) == 10  # bins by the first round that has scores
    with pytest.raises(KnobError, match=r"write \('round',\)"):
        tables.reliability_table(rows, by="round")
    with pytest.raises(SchemaError, match="lack column 'nonsense'"):
        tables.reliability_table(rows, by=("nonsense",))
    assert len(tables.reliability_table(rows.iloc[:0])) == 0


def voted(rng, problems=60, samples=8, rounds=2):
    rate = rng.uniform(0.1, 0.95, (problems, 1))
    answers = [
        np.where(rng.random((problems, samples)) < rate, "R", rng.choice(list("XYZ"), (problems, samples)))
        for _ in range(rounds)
    ]
    return rows_of([a == "R" for a in answers], answer=answers)


def test_votes_are_those_of_vote_reliability():
    rows = voted(np.random.default_rng(0))
    table = tables.vote_table(rows)
    own = rows[rows["round"] == 1]
    code, names = pd.factorize(own["problem"])
    votes = vote_reliability(own["answer"], code, ["R"] * len(names))
    place = np.minimum((votes.share * 5).astype(int), 4)
    for b in np.unique(place):
        row = table[(table["round"] == 1) & (table["bin"] == b)].iloc[0]
        right = votes.right[place == b]
        assert row["problems"] == len(right)
        assert row["score"] == pytest.approx(votes.share[place == b].mean())
        assert row["gold"] == pytest.approx(right.mean())
        found = grouped_mean(right, np.zeros(len(right), np.int64), 1, span=(0.0, 1.0))
        ends = [row[name] if pd.notna(row[name]) else np.nan for name in ("low", "high")]
        assert ends == pytest.approx([found.low[0], found.high[0]], abs=1e-12, nan_ok=True)
    assert (table["k"] == 8).all()
    pd.testing.assert_frame_equal(tables.vote_table(Stream(rows)), table)


def test_votes_are_taken_at_equal_n():
    rows = voted(np.random.default_rng(0))
    uneven = rows[(rows["round"] == 0) | (rows["sample"] < 5)]
    table = tables.vote_table(uneven)
    assert (table["k"] == 5).all()
    cut = rows[rows["sample"] < 5]
    pd.testing.assert_frame_equal(table, tables.vote_table(cut.sample(frac=1, random_state=0)))
    unread = rows.assign(answer=rows["answer"].where(rows["problem"] != "p0"))
    assert tables.vote_table(unread)["left_out"].tolist()[0] == 1
    nothing = tables.vote_table(rows.assign(answer=None))
    assert nothing["problems"].tolist() == [0, 0]
    assert nothing["method"].iloc[0].startswith("no problem has a readable answer")


def test_two_right_answers_count_as_what_they_are():
    # a problem with two right answers, tied with each other; and one whose tie is right and wrong
    rows = rows_of([np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)], answer=[np.array([list("AABB"), list("AABB")])])
    row = tables.vote_table(rows).iloc[0]
    assert (row["score"], row["gold"], row["problems"]) == (0.5, 0.75, 2)


def test_lorenz_by_hand_and_at_most_101_points():
    weight = np.array([[1.0, 0, 0, 0], [2.0, 1, 1, 0], [0, 0, 0, 0]])
    rows = rows_of([np.ones((3, 4), bool)], split="train", weight=[weight])
    table = tables.lorenz_table(pd.concat([rows, rows.assign(split="heldout")]))
    assert table["accepted_share"].tolist() == pytest.approx([0, 0, 0.25, 1])
    assert table["gini"].iloc[0] == pytest.approx(gini([1, 3, 0]))
    assert table["floor"].iloc[0] == pytest.approx(gini_floor([4, 4, 4], [1, 3, 0]))
    assert pd.isna(table["gini_low"].iloc[0])
    assert "fewer than 20 problems" in table["method"].iloc[0]
    rng = np.random.default_rng(0)
    many = (rng.random((251, 8)) < rng.random((251, 1))).astype(float)
    big = rows_of([np.ones((251, 8), bool)] * 2, split="train", weight=[many, 0 * many])
    table = tables.lorenz_table(Stream(big))
    first = table[table["round"] == 0]
    assert len(first) == 101
    held = np.r_[0, np.cumsum(np.sort(many.sum(axis=1))) / many.sum()]
    assert first["accepted_share"].to_numpy(float) == pytest.approx(
        np.interp(np.arange(101) / 100, np.arange(252) / 251, held)
    )
    assert first["gini_low"].iloc[0] < first["gini"].iloc[0] < first["gini_high"].iloc[0]
    assert table.iloc[-1]["method"] == "no row has weight > 0"
    assert pd.isna(table.iloc[-1]["gini"])


# ── novelty and support ───────────────────────────────────────────────────────────────────────────────────────


def test_novelty_is_the_distance_to_all_earlier_prompts():
    prompts = [["1+2=", "3+4=", "5+6="], ["1+2=", "say ten", "3+5="], ["say ten", "say one"]]
    parts = [
        pd.DataFrame({"round": r, "prompt": p, "problem": p, "difficulty": 0.1 * r}) for r, p in enumerate(prompts)
    ]
    rows = pd.concat([*parts, parts[1]]).assign(run="a", split="train")
    table = tables.novelty(rows)
    assert pd.isna(table["value"].iloc[0])
    assert table["method"].iloc[0] == "no earlier round"
    first = np.r_[0.0, nearest_distance(hashed_ngrams(prompts[1][1:]), hashed_ngrams(prompts[0]))]
    assert table["value"].iloc[1] == pytest.approx(first.mean())
    earlier = hashed_ngrams([*prompts[0], *prompts[1][1:]])
    assert table["value"].iloc[2] == pytest.approx(nearest_distance(hashed_ngrams(["say one"]), earlier)[0] / 2)
    assert table["repeated"].tolist() == [0, 1, 1]
    assert table["n"].tolist() == [3, 3, 2]
    assert table["difficulty"].tolist() == pytest.approx([0.0, 0.1, 0.2])
    assert table["method"].iloc[2].startswith("nearest of 5 earlier prompts; character 3-grams")
    pd.testing.assert_frame_equal(tables.novelty(Stream(rows)), table)
    assert tables.novelty(rows.drop(columns="difficulty"))["difficulty"].isna().all()
    with pytest.raises(SchemaError, match="lack column 'prompt'"):
        tables.novelty(rows.drop(columns="prompt"))


def test_an_empty_prompt_has_no_direction():
    rows = pd.DataFrame(
        {"run": "a", "split": "train", "round": [0, 1, 1], "problem": list("xyz"), "prompt": ["one", "", "two"]}
    )
    row = tables.novelty(rows).iloc[1]
    assert row["left_out"] == 1
    assert row["value"] > 0.5


def drawn(rng, problems=25, samples=8, rounds=2):
    share = rng.dirichlet(np.full(10, 0.3), problems)
    answers = [np.array([rng.choice(10, samples, p=p) for p in share]).astype(str) for _ in range(rounds)]
    return rows_of([a == "0" for a in answers], answer=answers)


def test_support_by_hand():
    rows = rows_of([np.zeros((2, 3), bool)] * 2, answer=[[list("AAB"), list("CCC")], [list("AAA"), ["C", "D", None]]])
    table = tables.support_table(rows)
    later = table.iloc[1]
    assert later[["types0", "types", "lost", "gained"]].tolist() == [3, 3, 1, 1]
    one, four = hypergeom(6, 1, 3).pmf(0), hypergeom(6, 4, 3).pmf(0)
    assert later["expected_lost"] == pytest.approx(2 * one + 0 + four, abs=1e-12)  # B, D; A of five cannot be lost
    assert later["p_lost"] == pytest.approx(1 - (1 - one) ** 2, abs=1e-12)
    # rare in the first half (A A, C C): nothing; so with rare=2 both of them
    assert table["tail_mass"].tolist() == [0.0, 0.0]
    wide = tables.support_table(rows, rare=2)
    assert wide["tail_mass"].tolist() == pytest.approx([1 / 2, 4 / 5])
    assert table["problems"].tolist() == [2, 2]
    assert pd.isna(table["lost"].iloc[0])


def test_support_of_answers_has_the_ledger_s_null():
    rows = drawn(np.random.default_rng(0))
    counts = rows.groupby(["problem", "answer", "round"]).size().unstack(fill_value=0)
    found = transitions(8, counts[0], 8, counts[1])
    row = tables.support_table(rows).iloc[1]
    assert (row["lost"], row["gained"]) == (found.lost, found.gained)
    assert row["expected_lost"] == pytest.approx(found.expected_lost, abs=1e-9)
    assert row["p_lost"] == found.p_lost
    pd.testing.assert_frame_equal(tables.support_table(Stream(rows)), tables.support_table(rows))


def test_support_of_a_model_that_does_not_change():
    runs, rng = 80, np.random.default_rng(1)
    excess, pooled, p, mass = [], [], [], []
    for _ in range(runs):
        rows = drawn(rng)
        table = tables.support_table(rows)
        excess.append(float(table["excess_lost"].iloc[1]))
        p.append(float(table["p_lost"].iloc[1]))
        mass.append(np.diff(table["tail_mass"].to_numpy(float))[0])
        counts = rows.groupby(["problem", "answer", "round"]).size().unstack(fill_value=0)
        pooled.append(support_loss(counts[0], counts[1]).excess_lost)
    for values in (excess, mass):
        assert abs(np.mean(values)) <= 3.5 * np.std(values, ddof=1) / np.sqrt(runs)
    assert np.sum(np.array(p) <= 0.05) <= binom(runs, 0.05).ppf(0.9995)
    assert np.mean(np.array(excess) - pooled) > 0.5  # the null that pools the problems expects too many lost answers


def test_words_come_in_clumps_and_the_null_knows():
    rng, excess, pooled = np.random.default_rng(2), [], []
    for _ in range(25):
        pool = rng.integers(0, 400, (15, 60))
        texts = [
            [[" ".join(np.repeat(rng.choice(own, 8), 3).astype(str)) for _ in range(5)] for own in pool] for _ in (0, 1)
        ]
        rows = rows_of([np.zeros((15, 5), bool)] * 2, response=texts)
        row = tables.support_table(rows, "token").iloc[1]
        excess.append(float(row["excess_lost"]))
        words = [" ".join(np.ravel(each)).split() for each in texts]
        names = sorted(set(words[0] + words[1]))
        counts = [np.bincount(pd.Index(names).get_indexer(w), minlength=len(names)) for w in words]
        pooled.append(support_loss(*counts).excess_lost)
        assert row["lost"] == ((counts[0] > 0) & (counts[1] == 0)).sum()
        assert pd.isna(row["p_lost"])
    assert abs(np.mean(excess)) <= 3.5 * np.std(excess, ddof=1) / 5
    assert np.mean(pooled) > 10


def test_a_lost_tail_is_found():
    rng = np.random.default_rng(3)
    answers = [rng.choice(12, (150, 12), p=np.r_[0.5, np.full(11, 0.5 / 11)]).astype(str), np.full((150, 12), "0")]
    table = tables.support_table(rows_of([a == "0" for a in answers], answer=answers))
    assert table["p_lost"].iloc[1] < 1e-9
    assert table["tail_mass_low"].iloc[0] > 0.05
    assert table["tail_mass"].iloc[1] < table["tail_mass_low"].iloc[0]
    assert good_turing_tail_mass([2, 1, 1]) == 0.5  # the naive tail, on the sample that names it, would read 0.5 too


def test_the_tail_mass_is_a_ratio_over_problems():
    rows = drawn(np.random.default_rng(4), problems=60)
    half = rows[(rows["round"] == 0) & (rows["sample"] < 4)].groupby(["problem", "answer"]).size()
    rare = set(half[half == 1].index)
    later = rows[rows["round"] == 1]
    hit = pd.Series([key in rare for key in zip(later["problem"], later["answer"], strict=True)], later.index)
    part, whole = hit.groupby(later["problem"]).sum(), later.groupby("problem").size()
    found = grouped_ratio(part.to_numpy(float), whole.to_numpy(float), np.zeros(60, np.int64), 1)
    row = tables.support_table(rows).iloc[1]
    ends = [row[name] for name in ("tail_mass", "tail_mass_low", "tail_mass_high")]
    assert ends == pytest.approx([found.value[0], found.low[0], found.high[0]], abs=1e-12)


def test_support_refuses_what_it_cannot_say():
    rows = drawn(np.random.default_rng(0), problems=4)
    with pytest.raises(KnobError, match=r"of must be answer or token, got 'tokens'; nearest: 'token'"):
        tables.support_table(rows, "tokens")
    with pytest.raises(SchemaError, match="lack column 'response'"):
        tables.support_table(rows, "token")
    with pytest.raises(KnobError, match="share problems"):
        tables.support_table(rows.assign(problem=rows["problem"] + rows["round"].astype(str)))
    lone = tables.support_table(rows[rows["sample"] == 0])
    assert lone["tail_mass"].isna().iloc[0]
    assert "no second half" in lone["method"].iloc[0]
    assert len(tables.support_table(rows[rows["round"] == 0])) == 1


# ── reversal and plateau ──────────────────────────────────────────────────────────────────────────────────────


def test_reversal_is_that_of_the_values():
    rng = np.random.default_rng(0)
    reach = rng.random((50, 8)) < 0.45
    narrow = np.repeat(rng.random((50, 1)) < 0.62, 8, axis=1)
    labels = [np.char.add("a", rng.integers(0, 3, (50, 8)).astype(str)), np.full((50, 8), "a0")]
    rows = rows_of([reach, narrow], answer=[np.where(g, a, "w") for g, a in zip((reach, narrow), labels, strict=True)])
    row = tables.reversal_by_round(rows).iloc[0]
    values = measure(rows, ["pass@1", "pass@4"]).set_index(["metric", "round"])["value"]
    assert row["k"] == 4
    assert row["pass1"] == pytest.approx(values["pass@1", 1] - values["pass@1", 0], abs=1e-12)
    assert row["passk"] == pytest.approx(values["pass@4", 1] - values["pass@4", 0], abs=1e-12)
    assert row["state"] == "shown"
    assert row["reason"] == "pass1 rose and passk and diversity fell"
    pair = (reach.mean(axis=1), narrow.mean(axis=1))
    assert row["pass1_low"] == pytest.approx(reversal(pair, pair, pair).pass1.low)
    assert pd.isna(row["beyond"])
    far = pd.concat([rows, rows_of([reach, reach], split="beyond", answer=[reach, reach]).astype({"answer": str})])
    table = tables.reversal_by_round(far)
    assert table["split"].tolist() == ["heldout"]
    assert table["beyond"].iloc[0] == 0
    assert table["beyond_n"].iloc[0] == 50


def test_plain_learning_is_no_reversal():
    rng = np.random.default_rng(1)
    rate = rng.uniform(0.1, 0.6, (60, 1))
    golds = [rng.random((60, 8)) < np.clip(rate + 0.12 * r, 0, 1) for r in range(4)]
    rows = rows_of(golds, answer=[np.where(g, "R", "W") for g in golds])
    assert tables.reversal_by_round(rows)["state"].tolist() == ["none"] * 3
    # of all answers there are fewer as accuracy rises: not what the default looks at
    assert tables.reversal_by_round(rows, diversity="gini_simpson")["diversity"].iloc[2] < 0


def test_reversal_is_seldom_shown_without_a_change():
    rng, shown = np.random.default_rng(2), 0
    for _ in range(40):
        golds = still(rng, 30, 6, 3)
        rows = rows_of(golds, answer=[np.where(g, "R", "W") for g in golds])
        shown += (tables.reversal_by_round(rows)["state"] == "shown").any()
    assert shown <= binom(40, 0.05).ppf(0.999)


def test_reversal_says_what_it_lacks():
    rows = rows_of(still(np.random.default_rng(0), 10, 1), answer=[np.full((10, 1), "A")] * 2)
    row = tables.reversal_by_round(rows).iloc[0]
    assert row["state"] == "unknown"
    assert "passk" in row["reason"]
    with pytest.raises(KnobError, match="mean over problems"):
        tables.reversal_by_round(rows.assign(score=1.0), diversity="auroc")
    with pytest.raises(KnobError, match="nearest"):
        tables.reversal_by_round(rows, diversity="gini_simson")
    with pytest.raises(SchemaError, match="lack column 'answer'"):
        tables.reversal_by_round(rows.drop(columns="answer"))
    with pytest.raises(KnobError, match="share problems"):
        tables.reversal_by_round(rows.assign(problem=rows["problem"] + rows["round"].astype(str)))
    assert len(tables.reversal_by_round(rows[rows["round"] == 0])) == 0


def test_plateau_by_hand():
    rng = np.random.default_rng(0)
    golds = [rng.random((60, 8)) < p for p in (0.3, 0.7, 0.68, 0.2, 0.25)]
    rows = rows_of(golds, n_tokens=[np.full((60, 8), 9 - r) for r in range(5)])
    table = measure(rows.assign(answer="1"), ["pass@1", "right_tokens", "mean_tokens", "answer_entropy"])
    found = tables.plateau(table).set_index("metric")
    assert found.loc["pass@1", ["round", "later", "worse", "since"]].tolist() == [1, 3, 2, 3]
    assert found.loc["pass@1", "fell"]
    own = table[(table["metric"] == "pass@1") & (table["round"] == 1)].iloc[0]
    assert found.loc["pass@1", "low"] == own["low"]
    assert found.loc["right_tokens", "round"] == 4  # fewer are better, and no later round
    assert found.loc["right_tokens", "method"] == "no later round"
    assert pd.isna(found.loc["right_tokens", "fell"])
    assert pd.isna(found.loc["mean_tokens", "round"])
    for metric in ("mean_tokens", "answer_entropy"):  # scattered wrong answers are no better than few
        assert "name it in `higher`" in found.loc[metric, "method"]
    assert tables.plateau(table, {"mean_tokens": True}).set_index("metric").loc["mean_tokens", "round"] == 0
    with pytest.raises(SchemaError, match="lack column 'value'"):
        tables.plateau(table.drop(columns="value"))
    assert len(tables.plateau(table.iloc[:0])) == 0


# ── all of them on a run ──────────────────────────────────────────────────────────────────────────────────────

ON_ROWS = [name for name in tables.__all__ if name != "plateau"]


@pytest.mark.parametrize("name", ON_ROWS)
def test_a_stored_run_gives_what_its_rows_give(name, tmp_path):
    run = made_run(tmp_path / "r", updates=3)
    table = getattr(tables, name)(run)
    assert len(table) > 0
    assert {"run", "split", "method"} <= set(table.columns)
    assert table["method"].notna().all()
    pd.testing.assert_frame_equal(getattr(tables, name)(run.rows()), table)


@pytest.mark.parametrize("name", ON_ROWS)
def test_what_is_no_row_table_is_refused(name):
    with pytest.raises(SchemaError, match="a row table or a run is needed"):
        getattr(tables, name)("rows")
    with pytest.raises(SchemaError, match="lack column"):
        getattr(tables, name)(pd.DataFrame({"run": ["a"], "split": ["train"], "problem": ["x"], "round": [0]}))


@pytest.mark.parametrize("name", sorted({*ON_ROWS} - {"ledger_problems"}))
def test_a_level_beyond_1_is_refused(name):
    rows = drawn(np.random.default_rng(0), 3).assign(response="x", prompt="y", score=0.5, weight=1.0)
    with pytest.raises(KnobError, match="level must lie between 0 and 1, got 2"):
        getattr(tables, name)(rows, level=2)
