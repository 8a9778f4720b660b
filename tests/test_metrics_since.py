"""Changes since the first round, which `measure` gives beside the levels."""

import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_rows import Maker, embed, frame, many_rows
from siwork.metrics import measure, over_seeds, round_difference, run_difference
from siwork.metrics.catalogue import CHANGE, DEFAULT, METRICS, is_known, metric_of, span_of
from siwork.metrics.uncertainty import wilson
from siwork.schema import KnobError

SINCE = [name for name in DEFAULT if name.endswith(CHANGE)]
SOME = [
    *("pass@1", "pass@2", "maj@2", "spread@2", "distinct_correct", "answer_entropy", "gini_simpson", "vendi", "rep_4"),
    *("precision", "false_positive_rate", "auroc_within", "proxy_gold_gap", "mean_tokens", "accept_rate", "tail_share"),
    *("accepted_share", "accepted_coverage", "solution_coverage", "support_kept", "dead_groups", "tail_solve_rate"),
]


class Stream:
    """What a run offers, and nothing more."""

    def __init__(self, rows):
        self.parts = [part for _, part in rows.groupby(["run", "round"])]

    def iter_rows(self, columns=None):
        for part in self.parts:
            yield part[[name for name in columns if name in part]]


def plain(rounds=3, problems=30, samples=4, seed=0, **columns):
    rng = np.random.default_rng(seed)
    place = np.indices((rounds, problems, samples)).reshape(3, -1)
    names = np.char.add("p", place[1].astype(str))
    rows = pd.DataFrame({"run": "a", "round": place[0], "split": "train", "problem": names, "sample": place[2]})
    return rows.assign(**{"gold": rng.random(len(rows)) < 0.3 + 0.2 * place[0], **columns})


def numbers(table, name):
    return table[name].to_numpy(float, na_value=np.nan)


def assert_same(got, expected, tolerance=1e-12):
    assert len(got) == len(expected)
    for name in ("run", "round", "split", "metric", "unit", "method"):
        assert got[name].tolist() == expected[name].tolist(), name
    for name in ("value", "low", "high", "n", "k", "band"):
        np.testing.assert_allclose(numbers(got, name), numbers(expected, name), rtol=tolerance, atol=tolerance)


def by_pairs(rows, names, k=None):
    """The same changes, two rounds at a time; an explicit k where rounds of a pair hold more samples than others."""
    parts = []
    for run in sorted(rows["run"].unique()):
        for split in ("train", "heldout"):
            here = rows[(rows["run"] == run) & (rows["split"] == split)]
            rounds = sorted(here["round"].unique())
            parts += [
                round_difference(here, name, rounds[0], r, k=k, embed=embed) for r in rounds[1:] for name in names
            ]
    return parts


tables = st.builds(
    lambda seed, runs, rounds, splits, problems, samples: frame(
        Maker(seed).rows(runs, rounds, splits, problems, samples)
    ),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 1, 2]),
    st.integers(1, 4),
    st.sampled_from([("train",), ("train", "heldout"), ("heldout",)]),
    st.integers(1, 6),
    st.integers(1, 5),
)
ORDER = ["run", "round", "split", "metric", "band"]


def ordered(table):
    return table.sort_values(ORDER, kind="stable", ignore_index=True)


# ── the same numbers as round_difference ──────────────────────────────────────────────────────────────────────


@settings(max_examples=8)
@given(tables, st.integers(1, 3))
def test_a_change_is_the_difference_of_the_round_and_the_first(rows, k):
    found = measure(rows, [name + CHANGE for name in SOME], k=k, embed=embed)
    parts = by_pairs(rows, SOME, k)
    expected = pd.concat(parts, ignore_index=True) if parts else found.iloc[:0]
    assert_same(ordered(found), ordered(expected), 1e-9)


def test_so_it_is_where_intervals_are_given():
    rows = frame(many_rows(1, problems=60, rounds=3))
    found = measure(rows, [name + CHANGE for name in SOME], k=2, embed=embed)
    assert_same(ordered(found), ordered(pd.concat(by_pairs(rows, SOME, 2), ignore_index=True)), 1e-9)
    assert found["low"].notna().mean() > 0.3


def test_the_means_of_changes_are_the_changes_of_means():
    table = measure(plain(), ["pass@k", "pass@1_change", "pass@k_change", "pass@2_change"])
    assert table["metric"].tolist() == [
        *("pass@1", "pass@2", "pass@4"),
        *2 * ["pass@1", "pass@2", "pass@4", "pass@1_change", "pass@4_change", "pass@2_change"],
    ]
    value = table.set_index(["metric", "round"])["value"]
    for k in (1, 2, 4):
        for r in (1, 2):
            level = value[f"pass@{k}", r] - value[f"pass@{k}", 0]
            assert value[f"pass@{k}_change", r] == pytest.approx(level, abs=1e-12)


def test_all_rounds_are_drawn_at_one_k():
    rows = plain(samples=8)
    rows = rows[(rows["round"] < 2) | (rows["sample"] < 4)]  # the last round has the fewest
    table = measure(rows, ["pass@k", "pass@k_change", "pass@8_change", "spread@k_change"])
    assert table[table["metric"] == "pass@4_change"]["k"].tolist() == [4, 4]
    assert set(table[table["metric"] == "spread@k_change"]["k"]) == {4}
    at_4 = round_difference(rows, "pass@4", 0, 1).iloc[0]
    first = table[(table["metric"] == "pass@4_change") & (table["round"] == 1)].iloc[0]
    assert first["value"] == pytest.approx(at_4["value"], abs=1e-12)
    eight = table[table["metric"] == "pass@8_change"]
    assert eight["value"].isna().tolist() == [False, True]
    assert eight["method"].iloc[1] == "30 problems have fewer than k=8 samples with known gold; ask for a smaller k"


def test_pass_at_k_comes_once():
    rows = plain(samples=1)
    assert measure(rows, ["pass@k_change", "pass@1_change"])["metric"].tolist() == ["pass@1_change"] * 2
    assert measure(rows, ["pass@k_change"])["metric"].tolist() == ["pass@1_change"] * 2
    assert measure(rows, ["pass@1_change", "pass@1_change"])["metric"].tolist() == ["pass@1_change"] * 2


# ── a run is read round by round ──────────────────────────────────────────────────────────────────────────────


@settings(max_examples=12)
@given(tables)
def test_a_run_gives_the_changes_of_its_rows(rows):
    assert_same(measure(Stream(rows), embed=embed), measure(rows, embed=embed), 1e-9)


def test_of_earlier_rounds_only_the_first_is_held():
    rows = plain(rounds=5, problems=40, samples=4)
    rows = rows[(rows["round"] != 3) | (rows["problem"] > "p2")].assign(score=rows["gold"].astype(float))
    names = ["pass@1_change", "precision_change", "pass@k_change"]
    assert_same(measure(Stream(rows), names), measure(rows, names))
    some = rows[rows["round"].isin([0, 4])]
    whole, ends = (measure(each, names, k=4) for each in (rows, some))
    assert_same(whole[whole["round"] == 4].reset_index(drop=True), ends)


def test_a_round_is_let_go_before_the_next_but_one_is_read(monkeypatch):
    monkeypatch.setattr("siwork.metrics.packs.TOGETHER", 0)  # as if every round were large
    rows, alive = plain(rounds=6, score=0.5, response="a b c d"), []

    class Fresh:
        def iter_rows(self, columns=None):
            for r in range(6):
                part = rows.loc[rows["round"] == r, [name for name in columns if name in rows]]
                assert sum(each() is not None for each in alive) <= 1, r
                alive.append(weakref.ref(part))
                yield part

    table = measure(Fresh(), ["pass@1_change", "vendi_change", "mean_score"])
    assert len(table) == 5 + 5 + 6
    assert len(alive) == 1 + 12  # one round too many to be read at once, then each twice


def test_the_first_round_of_a_split_is_its_own():
    late = plain(rounds=5).query("round >= 2").assign(split="heldout")
    rows = pd.concat([plain(rounds=5), late], ignore_index=True)
    table = measure(rows, ["pass@1_change"])
    assert table.query("split == 'heldout'")["round"].tolist() == [3, 4]
    assert table.query("split == 'heldout'")["method"].str.contains(" − round 2, ", regex=False).all()
    assert table.query("split == 'train'")["round"].tolist() == [1, 2, 3, 4]
    assert_same(measure(Stream(rows), ["pass@1_change"]), table)


def test_one_round_has_no_change():
    rows = plain(rounds=1)
    assert len(measure(rows, ["pass@1_change"])) == 0
    assert not measure(rows)["metric"].str.endswith(CHANGE).any()
    assert len(measure(Stream(rows), ["pass@k_change"])) == 0
    assert len(measure(rows.iloc[:0], ["pass@1_change"])) == 0


# ── who is paired ─────────────────────────────────────────────────────────────────────────────────────────────


def test_problems_that_one_round_lacks_are_left_out_and_counted():
    rows = plain(rounds=2).query("round == 0 or problem != 'p7'")
    row = measure(rows, ["pass@1_change"]).iloc[0]
    assert row["n"] == 29
    assert "1 of 30 problems left out for lack of a sample with known gold in both" in row["method"]
    other = plain(rounds=2)
    other = other.assign(problem=other["problem"].where(other["round"] == 0, "q" + other["problem"]))
    for rows in (other, Stream(other)):
        none = measure(rows, ["pass@1_change"]).iloc[0]
        assert pd.isna(none["value"])
        assert none["n"] == 0
        assert none["method"] == "no problem has a value in both: a sample with known gold is needed"


def test_a_metric_of_train_rows_changes_on_train_only():
    rows = plain(weight=1.0)
    both = pd.concat([rows, rows.assign(split="heldout")])
    table = measure(both, ["accept_rate_change", "pass@1_change"])
    assert set(table[table["metric"] == "accept_rate_change"]["split"]) == {"train"}
    assert set(table[table["metric"] == "pass@1_change"]["split"]) == {"train", "heldout"}
    assert len(measure(rows.assign(split="heldout"), ["accept_rate_change"])) == 0


def test_a_metric_by_band_changes_band_by_band():
    rng = np.random.default_rng(3)
    rows = plain(rounds=2, problems=200)
    rows = rows.assign(weight=(rng.random(len(rows)) < 0.5) * 1.0, band=rows["problem"].str[1:].astype(int) % 5)
    table = measure(rows, ["accepted_share_change"])
    assert table["band"].tolist() == [0, 1, 2, 3, 4]
    assert table["value"].sum() == pytest.approx(0, abs=1e-12)
    assert table["low"].notna().all()
    without = measure(rows.drop(columns="band"), ["accepted_share_change"])
    assert without["band"].tolist() == [0, 1, 2, 3, 4]
    assert without["method"].str.startswith("rows lack column 'band'").all()


# ── unknown, still, refused ───────────────────────────────────────────────────────────────────────────────────


def test_a_missing_column_is_said_in_every_later_round():
    rows = plain(rounds=3).drop(columns="gold")
    for source in (rows, Stream(rows)):
        table = measure(source, ["pass@1_change", "pass@k_change", "precision_change"])
        assert table["metric"].tolist() == ["pass@1_change", "pass@4_change", "precision_change"] * 2
        assert table["round"].tolist() == [1] * 3 + [2] * 3
        assert table[["value", "low", "high"]].isna().all(axis=None)
        assert table["n"].tolist() == [0] * 6
        assert table["method"].str.startswith("rows lack column").all()


def test_a_column_that_only_the_first_round_lacks_is_said_too():
    class Uneven(Stream):
        def iter_rows(self, columns=None):
            for part in super().iter_rows(columns):
                yield part.drop(columns="score", errors="ignore") if (part["round"] == 0).all() else part

    rows = plain(rounds=2, score=1.0)
    rows = pd.concat([rows, rows.assign(run="b", round=rows["round"] + 1)], ignore_index=True)
    table = measure(Uneven(rows), ["mean_score_change", "pass@1_change"]).set_index(["run", "metric"])
    assert table.loc[("a", "mean_score_change"), "method"].startswith("rows lack column 'score'")
    assert table.loc[("b", "mean_score_change"), "value"] == 0
    assert table["value"].isna().sum() == 1


def test_where_no_problem_differs_the_words_say_so():
    once = plain(rounds=1, problems=40, entropy=0.5, score=0.0, n_tokens=7)
    rows = pd.concat([once, once.assign(round=1)], ignore_index=True)
    names = ["pass@1", "token_entropy", "mean_tokens", "false_positive_rate", "gini_simpson"]
    table = measure(rows.assign(answer="A"), [name + CHANGE for name in names])
    assert table["value"].tolist() == [0.0] * 5
    assert table["method"].str.contains("no problem differs", regex=False).all()
    unbounded = table[
        table["metric"].isin(["token_entropy_change", "mean_tokens_change", "false_positive_rate_change"])
    ]
    assert unbounded[["low", "high"]].isna().all(axis=None)
    assert unbounded["method"].str.contains("no interval: no problem differs", regex=False).all()
    # a share of 40 problems that did not change: Wilson's bound on those that could have
    bound = table[table["metric"] == "pass@1_change"].iloc[0]
    assert (bound["low"], bound["high"]) == pytest.approx((-wilson(0, 40)[1], wilson(0, 40)[1]), abs=1e-12)
    assert "no problem differs, Wilson bound" in bound["method"]
    one = rows.assign(entropy=np.where((rows["round"] == 1) & (rows["problem"] == "p3"), 0.6, 0.5))
    moved = measure(one, ["token_entropy_change"]).iloc[0]
    assert moved["value"] == pytest.approx(0.1 / 40)
    assert "no problem differs" not in moved["method"]
    assert "no interval: too few pairs differ" in moved["method"]


@pytest.mark.parametrize("by", [(), ("round", "hint"), ("band", "round"), ("agent",)])
def test_changes_need_rounds_alone(by):
    rows = plain(hint="none", band=1, agent="u")
    with pytest.raises(
        KnobError, match=r"'pass@1_change' is a change since the first round, which needs by=\('round',\)"
    ):
        measure(rows, ["pass@1", "pass@1_change"], by=by)
    assert not measure(rows, by=by)["metric"].str.endswith(CHANGE).any()
    named = measure(rows, ["pass@1_change"], by=["run", "round", "split"])
    assert len(named) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("auroc_change", "'auroc' is neither a mean nor a ratio over problems"),
        ("perplexity_change", "'perplexity' is neither a mean nor a ratio"),
        ("distinct_corect_change", "got 'distinct_corect_change'; nearest: 'distinct_correct'"),
        ("pass@1_change_change", "got 'pass@1_change_change'"),
        ("_change", "got '_change'"),
    ],
)
@pytest.mark.parametrize("rounds", [1, 3])
def test_what_cannot_be_paired_is_refused(name, message, rounds):
    rows = plain(rounds=rounds, score=0.5, logp=-1.0, n_tokens=3)
    for source in (rows, Stream(rows)):
        with pytest.raises(KnobError, match=message):
            measure(source, [name])


def test_a_change_of_a_change_is_refused():
    with pytest.raises(KnobError, match="name 'pass@1'"):
        round_difference(plain(), "pass@1_change", 0, 1)
    with pytest.raises(KnobError, match="name 'pass@1'"):
        run_difference(plain(), "pass@1_change", "a", "b")


# ── the default, names and attributes ─────────────────────────────────────────────────────────────────────────


def test_the_default_holds_the_changes():
    table = measure(frame(many_rows(1, problems=8, rounds=3)), embed=embed)
    largest = int(table["metric"].str.extract(r"^pass@(\d+)$")[0].dropna().astype(int).max())
    expected = {name.replace("@k", f"@{largest}") for name in SINCE}
    assert {name for name in table["metric"] if name.endswith(CHANGE)} == expected
    assert (table.loc[table["metric"].str.endswith(CHANGE), "round"] > 0).all()
    places = [DEFAULT.index(name) if name in DEFAULT else -1 for name in table["metric"]]
    one = table[(table["round"] == 2) & (table["split"] == table["split"].iloc[0])].index
    assert max(places[i] for i in one) == len(DEFAULT) - 1


def test_a_change_is_a_metric_of_its_own():
    assert all(is_known(name + CHANGE) for name in METRICS)
    assert not is_known("pass@1_change_change")
    assert metric_of("mean_tokens_change").unit == "tokens"
    assert metric_of("pass@1_change").span == span_of("pass@1_change") == (-1.0, 1.0)
    assert metric_of("pass@1_change").meaning == "since the first round: chance that k samples hold a right one ↑"


def test_changes_of_sibling_runs_pool_over_seeds():
    rows = pd.concat([plain(rounds=2, seed=seed).assign(run=f"s{seed}") for seed in range(4)])
    pooled = over_seeds(measure(rows, ["pass@1", "pass@1_change"]))
    change = pooled[pooled["metric"] == "pass@1_change"].iloc[0]
    assert (change["n"], change["round"], change["conclusion"]) == (4, 1, "rises")


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_tables_know_their_level(level):
    rows = pd.concat([plain(), plain(seed=5).assign(run="b")])
    made = [
        measure(rows, ["pass@1"], level=level),
        measure(Stream(rows), ["pass@1_change"], level=level),
        measure(rows.iloc[:0], ["pass@1"], level=level),
        round_difference(rows, "pass@1", 0, 1, level=level),
        run_difference(rows, "pass@1", "a", "b", level=level),
    ]
    assert [table.attrs for table in made] == [{"level": level}] * 5
    wide, narrow = (measure(rows, ["pass@1_change"], level=each) for each in (0.95, 0.5))
    assert (numbers(wide, "low") < numbers(narrow, "low")).all()
