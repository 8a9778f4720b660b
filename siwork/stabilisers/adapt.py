"""Sampling temperature and threshold, chosen anew in every round by a trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from siwork.schema import knob
from siwork.slots import Component, State, Trial

TEMPERATURES = (0.6, 0.8, 1.0, 1.2, 1.4)
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
_START = {"temperature": 1.0, "threshold": 0.5}


@dataclass(frozen=True)
class Adapt(Component):
    """Before a round is sampled, some of its problems are sampled at each temperature, and the best balance score decides.

    For a temperature and a threshold τ, of the k completions of a problem n are selected, those with score ≥ τ, and u are different
    texts among the selected that are right: balance = min(u/target, 1) · u/n, 0 where nothing is selected, averaged over
    problems. With several verifiers the last one says what is right (≥ ½) and the first one is the score that τ cuts, so
    `prm + gold` moves both; alone the score says both, and with a 0/1 check every τ is alike and only the temperature moves.

    The best pair is put into the state as `temperature` and `threshold`, and samplers and selectors that have knobs of these names
    take it from there. Of equals those nearest to what was in use are taken (1.0 and 0.5 at first). All temperatures are tried
    with the same luck; of a population the first policy is tried. It reads the recipe's verifiers and nothing else.

    Source: "B-STaR". Departs from it in: right by the recipe's last verifier, five values of each.
    """

    slot = "stabiliser"
    name = "adapt"
    sentence = "Choose temperature and threshold anew in every round, by the balance score of a trial."
    source = "B-STaR: Monitoring and Balancing Exploration and Exploitation in Self-Taught Reasoners"
    departs = "right is what the recipe's last verifier says; five temperatures and five thresholds"

    of: str = knob("both", "What is chosen.", choices=("both", "temperature", "threshold"))
    problems: int = knob(30, "Training problems of a trial.", low=1, high=100_000, unit="problems")
    k: int = knob(8, "Completions of each at a temperature.", low=1, high=4096, unit="samples")
    target: int = knob(4, "Different right responses wanted of a problem.", low=1, high=4096, unit="responses")

    def begin(self, state: State, problems: pd.DataFrame, trial: Trial, rng: np.random.Generator) -> State:
        """The state with the temperature and threshold of the best balance."""
        few = problems.iloc[np.sort(rng.permutation(len(problems))[: self.problems])].reset_index(drop=True)
        seed = int(rng.integers(2**63))
        now = {name: float(state.tuned.get(name, start)) for name, start in _START.items()}
        heats = TEMPERATURES if self.of != "threshold" else (now["temperature"],)
        bounds = THRESHOLDS if self.of != "temperature" else (now["threshold"],)
        found: list[tuple[float, float, float, float]] = []
        for heat in heats:
            rows = trial(state, few, self.k, np.random.default_rng(seed), temperature=heat)
            for bound in bounds:
                far = abs(heat - now["temperature"]) + abs(bound - now["threshold"])
                found.append((-round(balance(rows, bound, self.target), 12), far, heat, bound))
        _, _, heat, bound = min(found)
        chosen = {"temperature": heat, "threshold": bound}
        return state.having(tuned={**state.tuned, **{n: x for n, x in chosen.items() if self.of in ("both", n)}})

    def before(self, state: State, train: pd.DataFrame, rng: np.random.Generator) -> tuple[State, pd.DataFrame]:
        """Nothing before the update."""
        return state, train

    def after(self, state: State, rows: pd.DataFrame) -> State:
        """Nothing more."""
        return state


def balance(rows: pd.DataFrame, threshold: float, target: int) -> float:
    """Mean over problems of min(u/target, 1) · u/n: n rows with score ≥ threshold, u different right texts among them.

    rows : problem, response, score and, after it, the further verifiers' scores (`score_…`), the last of which says what is right
    """
    names = [name for name in rows.columns if name == "score" or name.startswith("score_")]
    score, truth = (rows[name].to_numpy(float, na_value=-np.inf) for name in ("score", names[-1]))
    selected = score >= threshold
    problem, known = pd.factorize(rows["problem"])
    n = np.bincount(problem[selected], minlength=len(known))
    right = rows[selected & (truth >= 0.5)].drop_duplicates(["problem", "response"])
    unique = right.groupby("problem").size().reindex(known, fill_value=0).to_numpy(float)
    return float((np.minimum(unique / target, 1.0) * unique / np.maximum(n, 1)).mean())
