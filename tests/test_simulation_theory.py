"""Laws against many simulated seeds, and where they do not hold."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from siwork.schema import KnobError
from siwork.simulation import Gaussian, World, gaussian, gaussian_theory, simulate, theory
from siwork.simulation.play import play

ORACLES = json.loads((Path(__file__).parent / "golden" / "oracles" / "recursion_theory.json").read_text())["cases"]
COSTS = [case for case in ORACLES if case["kind"] == "best_of_n_kl" and case["inputs"]["n"] > 1]
DRIFT = World(problems=60, rounds=7, k=6, verifier="none", selection="all", update="refit")
BEST = World(problems=90, rounds=2, k=8, selection="best", fp=0.0, fn=0.0)


def values(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def law(world, name):
    return values(theory(world), law=name)["value"].to_numpy(float)


def by_seed(world, metric, seeds):
    """Estimates and truths of a metric of the training samples, (seeds, rounds) each."""
    tables = [simulate(world, seed) for seed in seeds]
    here = np.flatnonzero(((tables[0]["metric"] == metric) & (tables[0]["split"] == "train")).to_numpy())
    columns = ("value", "truth")
    return [np.stack([t[name].to_numpy(float, na_value=np.nan)[here] for t in tables]) for name in columns]


def close(found, truth, errors=4.0):
    """Within standard errors of the mean over seeds."""
    return np.abs(found.mean(axis=0) - truth) < errors * found.std(axis=0) / np.sqrt(len(found)) + 1e-12


@pytest.mark.parametrize(("data", "name"), [("replace", "drift"), ("accumulate", "accumulated drift")])
def test_heterozygosity_falls_as_the_law_says(data, name):
    world = World(**{**vars(DRIFT), "data": data})
    found, exact = by_seed(world, "gini_simpson", range(150))
    expected = law(world, name)
    assert len(expected) == world.rounds
    assert close(exact, expected).all()
    assert close(found, expected).all()
    t = np.arange(world.rounds)
    factor = (1 - 1 / 6) ** t if data == "replace" else np.r_[1, np.cumprod(1 - 1 / (6 * t[1:] ** 2))]
    np.testing.assert_allclose(expected, exact[0, 0] * factor)
    other = values(theory(world), law="drift" if data == "accumulate" else "accumulated drift").iloc[0]
    assert np.isnan(other["value"])
    assert f"take data={'replace' if data == 'accumulate' else 'accumulate'}" in other["why"]


@pytest.mark.parametrize("data", ["replace", "accumulate"])
def test_without_information_the_solve_rate_stays(data):
    world = World(**{**vars(DRIFT), "data": data})
    found = by_seed(world, "pass@1", range(100))[1]
    assert close(found, law(world, "martingale")).all()
    assert found[:, -1].std() > 0.005


def test_pure_drift_comes_to_an_end_and_accumulated_drift_does_not():
    long = {**vars(DRIFT), "rounds": 50, "problems": 30}
    other = World(**{**long, "data": "accumulate"})
    replace, accumulate = (by_seed(world, "gini_simpson", range(5))[1] for world in (World(**long), other))
    assert replace[:, -1].max() < 0.01
    bound = np.sin(np.pi / np.sqrt(6)) / (np.pi / np.sqrt(6))  # Π over all fits
    assert law(other, "accumulated drift")[-1] / accumulate[0, 0] == pytest.approx(bound, rel=0.01)
    assert accumulate[:, -1].mean() / accumulate[0, 0] == pytest.approx(bound, rel=0.05)


@pytest.mark.parametrize("case", [c for c in ORACLES if c["kind"] == "wright_fisher"], ids=lambda c: c["id"])
def test_drift_agrees_with_the_reference(case):
    n, T = case["inputs"]["n"], case["inputs"]["T"]
    for data, key in (("replace", "E_heterozygosity"), ("accumulate", "E_heterozygosity_accumulate")):
        world = World(**{**vars(DRIFT), "k": n, "rounds": T + 1, "cap": 64, "data": data})
        curve = law(world, "drift" if data == "replace" else "accumulated drift")
        assert curve[T] / curve[0] == pytest.approx(case["expected"][key] / case["expected"]["H0"], rel=1e-8)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"update": "sft"}, "take update=refit"),
        ({"verifier": "noisy", "selection": "correct"}, "take selection=all"),
        ({"repeats": "drop"}, "take repeats=keep"),
        ({"cap": 3}, "take cap ≥ k"),
        ({"temperature": 0.5}, "take temperature=1"),
        ({"real_share": 0.1}, "take real_share=0"),
    ],
)
def test_an_assumption_that_fails_is_named(knobs, words):
    table = values(theory(World(**{**vars(DRIFT), **knobs})), law="drift")
    assert len(table) == 1
    assert table["value"].isna().all()
    assert words in table["why"].iloc[0]


# ── best of n ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_best_of_a_true_verdict_costs_what_the_law_says():
    found, exact = by_seed(BEST, "kl_selected", range(100))
    assert exact[:, 0] == pytest.approx(np.full(100, law(BEST, "accept/reject")[0]))
    assert close(found[:, :1], exact[0, 0]).all()
    assert close(found - exact, 0.0).all()
    assert (exact < law(BEST, "best-of-n bound")).all()


@pytest.mark.parametrize(
    "knobs", [{"fp": 0.3, "fn": 0.1}, {"fp": 0.5, "fn": 0.5}, {"fp": 0.9, "fn": 0.4, "temperature": 0.6}]
)
def test_a_verdict_that_errs_costs_less_in_answers(knobs):
    """The answer tells less than answer and verdict together."""
    world = World(**{**vars(BEST), **knobs})
    found, exact = by_seed(world, "kl_selected", range(80))
    assert -1e-12 <= exact[0, 0] < law(world, "accept/reject")[0]
    assert close(found - exact, 0.0).all()
    if knobs["fp"] == 1 - knobs["fn"]:
        assert exact[0, 0] == pytest.approx(0, abs=1e-12)  # the verdict knows nothing


def test_the_cost_is_that_of_the_enumerated_best_of_three():
    world = World(problems=15, rounds=1, k=3, selection="best", fp=0.3, fn=0.2)
    p = play(world, 0).drawn[0, :4, : world.train].sum(axis=0)
    cost = []
    for s in p:
        kinds = {(1, 1): s * 0.8, (1, 0): s * 0.2, (0, 1): (1 - s) * 0.3, (0, 0): (1 - s) * 0.7}  # (right, accepted)
        chosen = {1: 0.0, 0: 0.0}
        for a, pa in kinds.items():
            for b, pb in kinds.items():
                for c, pc in kinds.items():
                    best = max((a, b, c), key=lambda kind: kind[1])  # the first of equals
                    chosen[best[0]] += pa * pb * pc
        cost.append(sum(q * np.log(q / share) for q, share in ((chosen[1], s), (chosen[0], 1 - s))))
    assert by_seed(world, "kl_selected", [0])[1][0, 0] == pytest.approx(np.mean(cost), rel=1e-9)


@pytest.mark.parametrize("case", COSTS, ids=lambda c: c["id"])
def test_the_bound_agrees_with_the_reference(case):
    world = World(**{**vars(BEST), "k": case["inputs"]["n"]})
    np.testing.assert_allclose(law(world, "best-of-n bound"), case["expected"]["kl_continuous"])


def test_best_of_n_is_only_told_of_best_of_n():
    table = theory(World())
    assert "take selection=best, best=1" in values(table, law="best-of-n bound")["why"].iloc[0]
    graded = theory(World(verifier="graded", selection="best"))
    assert "take verifier=noisy" in values(graded, law="accept/reject")["why"].iloc[0]
    assert values(graded, law="best-of-n bound")["value"].notna().all()


# ── Gaussian ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variance", ["ml", "unbiased"])
@pytest.mark.parametrize("data", ["replace", "accumulate"])
def test_the_variance_follows_its_law(variance, data):
    world = Gaussian(n=8, rounds=6, sigma=2.0, variance=variance, data=data)
    played = values(gaussian(world, range(3000)), metric="variance")["value"].to_numpy().reshape(3000, 7)
    laws = gaussian_theory(world)
    assert close(played, values(laws, law="expected")["value"].to_numpy()).all()
    typical = values(laws, law="typical")
    known = typical["value"].notna().to_numpy()
    assert close(np.log(played[:, known]), np.log(typical["value"].to_numpy()[known])).all()
    assert known.sum() == (7 if data == "replace" else 2)
    assert (typical["why"].str.len() > 0).to_numpy().tolist() == (~known).tolist()


@pytest.mark.parametrize("case", [c for c in ORACLES if c["kind"] == "gaussian"], ids=lambda c: c["id"])
def test_the_expected_variance_agrees_with_the_reference(case):
    T = case["inputs"]["T"]
    for data in ("replace", "accumulate"):
        curve = values(gaussian_theory(Gaussian(n=case["inputs"]["n"], rounds=T, data=data)), law="expected")
        assert curve["value"].iloc[T] == pytest.approx(case["expected"][f"{data}_ml_E_var"], rel=1e-8)


def test_gaussian_tables_and_luck():
    one = gaussian(Gaussian(n=20, rounds=3), [4])
    assert one.columns.tolist() == ["run", "metric", "round", "value"]
    assert values(one, round=0)["value"].tolist() == [0.0, 1.0]
    more = gaussian(Gaussian(n=20, rounds=9), [4, 5])
    both = one.merge(more, on=["run", "metric", "round"])
    pd.testing.assert_series_equal(both["value_x"], both["value_y"], check_names=False)
    wider = gaussian(Gaussian(n=20, rounds=3, sigma=3.0), [4])  # the same luck, wider
    np.testing.assert_allclose(values(wider, metric="variance")["value"], 9 * values(one, metric="variance")["value"])
    with pytest.raises(KnobError, match="at least one seed, got none"):
        gaussian(Gaussian(), [])
