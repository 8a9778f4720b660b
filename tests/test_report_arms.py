"""What exchanging a slot does, and what a loop makes of a verifier's errors: the numbers by hand, and their pages."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from hostile import PAYLOADS
from siwork.arms import ablations, by_seed, noise_grid
from siwork.figures import fig_ablation, fig_surface
from siwork.loop import Sizes, prepare, resume
from siwork.reporting.ablation import QUESTIONS, ablation_table
from siwork.reporting.armpages import ablation_page, surface_page
from siwork.reporting.contrasts import conclusion
from siwork.reporting.surface import surface_table
from siwork.schema import KnobError, RunError, SchemaError, Unfinished
from siwork.store import Run

SIZES = Sizes(train=24, heldout=24, beyond=0, samples=8)
SETTING = {"task": "countdown(numbers=3)", "policy": "tabular", "rounds": 2, "problems": SIZES}


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    home = tmp_path_factory.mktemp("arms")
    found = ablations("vanilla", "selector", ["best(n=2)", "none"], folder=home, **SETTING)
    for folder in by_seed(found):
        resume(folder)
    return {name: [Run(folder) for folder in folders] for name, folders in found.items()}


@pytest.fixture(scope="module")
def table(arms):
    return ablation_table(arms)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    home = tmp_path_factory.mktemp("cells")
    found = noise_grid([0, 0.4], seeds=[0, 1, 2], folder=home, **SETTING)
    for folder in by_seed(found):
        resume(folder)
    return {rates: [Run(folder) for folder in folders] for rates, folders in found.items()}


def last_truth(run):
    """Right samples by problem in the closing round, held-out."""
    rows = run.rows([2], ["problem", "gold"], "heldout")
    return rows.assign(gold=rows["gold"].astype(float)).groupby("problem")["gold"].mean()


def by_hand(values, level):
    """Mean and t interval."""
    values = np.asarray(values, float)
    half = student.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [values.mean(), values.mean() - half, values.mean() + half]


# ── one slot exchanged ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arm", ["best(n=2)", "none"])
def test_differences_are_paired_by_problem_and_seed_and_adjusted_by_bonferroni(arms, table, arm):
    m = int(table["value"].notna().sum())
    assert table.attrs == {"level": 0.95, "comparisons": m, "given": "correct"}
    pairs = zip(arms["correct"], arms[arm], strict=True)
    each = [(last_truth(theirs) - last_truth(ours)).mean() for ours, theirs in pairs]
    row = table.set_index(["arm", "metric"]).loc[arm, "pass@1"]
    assert row[["value", "low", "high"]].tolist() == pytest.approx(by_hand(each, 1 - 0.05 / m))
    assert row[["low_alone", "high_alone"]].tolist() == pytest.approx(by_hand(each, 0.95)[1:])
    assert row[["least", "most"]].tolist() == pytest.approx([min(each), max(each)])
    ends = [np.mean([last_truth(run).mean() for run in runs]) for runs in (arms["correct"], arms[arm])]
    assert row[["given", "other"]].tolist() == pytest.approx(ends)
    assert (row["seeds"], row["problems"], row["round"], row["split"]) == (3, 24, 2, "heldout")
    assert row["formula"] == arms[arm][0].recipe


def test_every_question_has_its_metrics_and_what_cannot_be_says_why(arms, table):
    assert (
        set(table["question"])
        == {"performance", "diversity", "tail", "verifier", "collapse"}
        == set(QUESTIONS.values())
    )
    assert table["metric"].tolist() == [name.replace("@k", "@8") for name in QUESTIONS] * 2
    gap = ablation_table(arms, metrics=["proxy_gold_gap", "ece"]).set_index(["arm", "metric"])
    assert gap.loc["none", "proxy_gold_gap"]["conclusion"] == "the same in every seed"  # gold scores both
    assert "neither a mean nor a ratio" in gap.loc["none", "ece"]["conclusion"]
    assert np.isnan(gap.loc["none", "ece"]["value"])


def test_the_adjusted_interval_is_the_wider_and_more_comparisons_widen_it(arms, table):
    known = table.dropna(subset=["low"])
    assert len(known) > 6
    assert (known["low"] < known["low_alone"]).all()
    assert (known["high"] > known["high_alone"]).all()
    few = ablation_table(arms, metrics=["pass@1"]).set_index("arm")
    many = table[table["metric"] == "pass@1"].set_index("arm")
    assert few.attrs["comparisons"] == 2
    assert ((few["high"] - few["low"]) < (many["high"] - many["low"])).all()
    alone = ablation_table({name: arms[name] for name in ("correct", "none")}, metrics=["pass@1"])
    assert alone[["low", "high"]].iloc[0].tolist() == alone[["low_alone", "high_alone"]].iloc[0].tolist()


def test_a_direction_is_claimed_by_the_adjusted_interval_alone(table):
    for row in table.dropna(subset=["value"]).to_dict("records"):
        clear = row["low"] > 0 or row["high"] < 0
        assert row["conclusion"].startswith("it is ") == clear, row


@pytest.mark.parametrize(
    ("metric", "words"),
    [("answer_entropy", "it is higher"), ("pass@1", "it is higher: better"), ("dead_groups", "it is higher: worse")],
)
def test_only_what_has_a_better_end_is_called_better_or_worse(metric, words):
    row = {"value": 0.2, "low": 0.1, "high": 0.3, "least": 0.1, "most": 0.3, "seeds": 3, "method": ""}
    assert conclusion(metric, row, "it")[1] == words


def test_one_seed_has_an_interval_over_problems_and_no_claim(arms):
    single = ablation_table({name: runs[:1] for name, runs in arms.items()}, metrics=["mean_logp"])
    assert single["seeds"].tolist() == [1, 1]
    assert single["high"].notna().any()
    assert all("do not conclude" in words or words.startswith("the same") for words in single["conclusion"])
    known = single.dropna(subset=["low"])
    assert (known["high"] - known["low"] > known["high_alone"] - known["low_alone"]).all()


def test_a_sweep_that_did_not_end_is_no_table(arms, tmp_path):
    ours = arms["correct"][0]
    begun = prepare("unfiltered", seed=0, folder=tmp_path / "begun", **SETTING)
    with pytest.raises(Unfinished, match="begun has 0 of 3 rounds; go on with: siwork resume"):
        ablation_table({"correct": [ours], "none": [begun]})
    short = prepare("unfiltered", seed=0, folder=tmp_path / "short", **SETTING | {"rounds": 0})
    resume(short.folder)
    with pytest.raises(RunError, match="same number of rounds, got 0, 2"):
        ablation_table({"correct": [ours], "none": [short]})
    with pytest.raises(RunError, match="No seed is in both"):
        ablation_table({"correct": [ours], "none": [arms["none"][1]]})
    with pytest.raises(KnobError, match="needs an alternative"):
        ablation_table({"correct": [ours]})


# ── a surface ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_cell_is_the_end_of_its_runs_over_seeds(cells):
    found = surface_table(cells).set_index(["metric", "fp", "fn"])
    assert len(found) == 8
    for rates, runs in cells.items():
        accuracy = [last_truth(run).mean() for run in runs]
        row = found.loc[("pass@1", *rates)]
        assert row[["value", "low", "high"]].astype(float).tolist() == pytest.approx(by_hand(accuracy, 0.95))
        assert (row["n"], row["seeds"], row["round"], row["split"]) == (3, 3, 2, "heldout")
        hard = []
        for run in runs:
            rows = run.rows([1], ["weight", "band"], "train").astype(float)
            hard.append(rows.loc[rows["band"] <= 1, "weight"].sum() / rows["weight"].sum())
        row = found.loc[("tail_share", *rates)]
        assert row[["value", "low", "high"]].astype(float).tolist() == pytest.approx(np.clip(by_hand(hard, 0.95), 0, 1))
        assert (row["round"], row["split"]) == (1, "train")


def test_one_seed_a_cell_has_intervals_over_problems(cells):
    found = surface_table({rates: runs[:1] for rates, runs in cells.items()})
    one = found[found["metric"] == "pass@1"]
    assert one["n"].tolist() == [24] * 4
    assert one["seeds"].tolist() == [1] * 4
    assert one["value"].tolist() == pytest.approx([last_truth(runs[0]).mean() for runs in cells.values()])


def test_where_nothing_is_accepted_the_share_of_hard_problems_is_unknown(tmp_path):
    (places,) = noise_grid([1], seeds=[0], folder=tmp_path, **SETTING | {"rounds": 1}).values()
    nothing = prepare(
        "seed · cot · noisy(0.0, 1.0) · correct · sft", seed=0, folder=tmp_path / "no", **SETTING | {"rounds": 1}
    )
    runs = {(1.0, 1.0): [resume(places[0])], (0.0, 1.0): [resume(nothing.folder)]}
    found = surface_table(runs).set_index(["metric", "fp"])
    assert pd.isna(found.loc[("tail_share", 0.0), "value"])
    assert not pd.isna(found.loc[("pass@1", 0.0), "value"])
    words = [note.text for note in fig_surface(surface_table(runs)).layout.annotations]
    assert words.count("unknown") == 1


def test_a_surface_needs_finished_runs_of_some_update(tmp_path):
    with pytest.raises(KnobError, match="got none"):
        surface_table({})
    begun = prepare("ladder", seed=0, folder=tmp_path / "begun", **SETTING)
    with pytest.raises(Unfinished, match="begun has 0 of 3 rounds"):
        surface_table({(0.1, 0.1): [begun]})
    still = prepare("ladder", seed=0, folder=tmp_path / "still", **SETTING | {"rounds": 0})
    with pytest.raises(RunError, match="at least one update"):
        surface_table({(0.1, 0.1): [resume(still.folder)]})


# ── pages ──────────────────────────────────────────────────────────────────────────────────────────────


def figures_of(page):
    data = re.search(r'<script type="application/json" id="figure-data">(.*?)</script>', page, re.DOTALL).group(1)
    return json.loads(data)


def test_the_page_of_an_ablation_has_one_figure_and_every_number(arms, table):
    page = ablation_page(table, "selector", arms["correct"])
    (figure,) = figures_of(page)
    dots = [trace for trace in figure["data"] if trace.get("mode") == "markers"]
    assert len(dots) == int(table["value"].notna().sum())
    body = page.partition("<script")[0]
    assert f"1 − 0.05/{table.attrs['comparisons']}" in body
    assert body.count("<tr>") == 1 + len(table) + 1 + 3
    for arm in arms:
        assert arms[arm][0].recipe in body


def test_the_page_of_a_surface_has_a_cell_for_every_pair_of_rates(cells):
    found = surface_table(cells, link="difficulty")
    page = surface_page(found, next(iter(cells.values())))
    (figure,) = figures_of(page)
    assert [trace["type"] for trace in figure["data"]] == ["heatmap"] * 2
    assert page.partition("<script")[0].count("<tr>") == 1 + len(found)
    assert "rates that grow with difficulty" in json.dumps(figure)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_stay_text(arms, cells, table, payload):
    evil = table.assign(arm=payload, formula=payload, method=payload, conclusion=payload)
    evil.attrs = table.attrs | {"given": payload}
    bad = surface_table(cells).assign(link=payload, method=payload)
    pages = ablation_page(evil, payload, arms["correct"]), surface_page(bad, next(iter(cells.values())))
    for page in pages:
        body = page.partition("</head>")[2]
        assert payload not in re.sub(r"<script.*?</script>", "", body, flags=re.DOTALL) or not re.search(
            r"[<>&\"]", payload
        )
        for text in json.dumps(figures_of(page), ensure_ascii=False).split('"'):
            assert "<img" not in text
            assert "<script" not in text


# ── figures ────────────────────────────────────────────────────────────────────────────────────────────


def test_marks_of_an_ablation_stand_where_the_table_says(table):
    figure = fig_ablation(table)
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    known = table.dropna(subset=["value"]).sort_values(["metric"], kind="stable")
    assert sorted(float(trace.x[0]) for trace in dots) == pytest.approx(sorted(known["value"]))
    bars = sorted(tuple(trace.x) for trace in figure.data if trace.mode == "lines")
    ends = [pair for names in ("low high", "low_alone high_alone") for pair in known[names.split()].to_numpy().tolist()]
    assert bars == sorted((low, high) for low, high in ends if not np.isnan(low))
    assert all("n = 3 seeds × " in trace.hovertext[0] for trace in dots)


def test_cells_of_a_surface_stand_where_the_table_says(cells):
    found = surface_table(cells)
    for trace, metric in zip(fig_surface(found).data, ("pass@1", "tail_share"), strict=True):
        own = found[found["metric"] == metric].set_index(["fp", "fn"])["value"]
        wanted = [[own[fp, fn] for fp in (0.0, 0.4)] for fn in (0.0, 0.4)]
        assert np.asarray(trace.z) == pytest.approx(np.array(wanted, float))
        assert list(trace.x) == list(trace.y) == ["0", "0.4"]
        assert "0.4 of the wrong accepted, 0 of the right rejected" in trace.hovertext[0][1]
        assert "n = 3 seeds" in trace.hovertext[0][1]


def test_a_cell_that_was_not_played_stays_empty(cells):
    found = surface_table(cells)
    figure = fig_surface(found[~((found["fp"] == 0.4) & (found["fn"] == 0.4))])
    assert np.isnan(np.asarray(figure.data[0].z, float)[1, 1])
    assert figure.data[0].hovertext[1][1] == "not played"


@pytest.mark.parametrize("draw", [fig_ablation, fig_surface])
@pytest.mark.parametrize("x", [None, pd.DataFrame(), pd.DataFrame({"run": ["a"]})])
def test_another_table_is_refused(draw, x):
    with pytest.raises(SchemaError, match="pass that one"):
        draw(x)


def test_a_surface_with_a_cell_twice_is_refused(cells):
    found = surface_table(cells)
    with pytest.raises(SchemaError, match="pass@1 twice at fp=0, fn=0"):
        fig_surface(pd.concat([found, found.iloc[:1]]))
