"""A trained outcome verifier: fitted on the truth of earlier rounds, never on rows of the problem that it scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack
from scipy.special import expit

from siwork.policies import Policy
from siwork.schema import KnobError, knob
from siwork.slots import Learned, State
from siwork.verifiers.keys import fold_of
from siwork.verifiers.labels import Scored, labels_knob, recal_knob

FOLDS = 5
_GRAMS = 2**12  # hashed features of prompts, and as many of responses
_KEPT = ["prompt", "response", "answer", "finished", "n_tokens"]
_PENALTY = {"text": 1.0, "policy": 10.0}  # of ½ |w|²; states are standardised and many


@dataclass(frozen=True)
class Orm(Scored):
    """A linear classifier of right and wrong, fitted when a round is judged on that round and those before it.

    A row is scored as the verifier was when the round began. Problems are dealt into 5 folds by their text: rows of a problem
    that was fitted on are scored by the model of the other folds, rows of a new problem by the model of all. Until a right and
    a wrong row were seen there is nothing to score by: with first=gold the truth stands in, for rows of the train split
    alone (the first round of V-STaR trains on right samples); with first=nothing rows stay unscored, so that
    `correct` keeps none of them and the first round trains nothing.

    on=text reads hashed character 1- to 3-grams of prompt and response, the length, whether it ended and whether an answer
    could be read, and works for every policy. on=policy reads the last hidden state of the policy of round 0 at the end
    of the response, so that rows of all rounds are seen by the same eyes.

    Source: Cobbe et al. 2021; "V-STaR". Departs from both in: a linear model of fixed features instead of a trained
    language model (V-STaR trains its by preference).
    """

    slot = "verifier"
    name = "orm"
    sentence = "A verifier trained on the truth of earlier rounds, never on the problem that it scores."
    source = "V-STaR: Training Verifiers for Self-Taught Reasoners"
    departs = "a linear model of fixed features instead of a language model trained by preference"
    reads_gold = True

    on: str = knob(
        "text", "What it reads of a row: its text, or the round-0 policy's hidden state.", choices=("text", "policy")
    )
    rounds: int = knob(
        0, "Earlier rounds that it is fitted on, the latest; 0 is all.", low=0, high=10_000, unit="rounds"
    )
    first: str = knob("gold", "What scores train rows until it is fitted.", choices=("gold", "nothing"))
    recal: str = recal_knob()
    labels: int = labels_knob()

    @property
    def asks_policy(self) -> tuple[str, ...]:
        """Hidden states, where it reads the policy's."""
        return ("hidden",) if self.on == "policy" else ()

    @property
    def key(self) -> str:
        """Under which name the state holds what it learned."""
        return f"{self.name}-{self.on}"

    def raw(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """P(right) of each row by the models fitted on other problems; NaN where there is none.

        Raises KnobError for on=policy with a policy that shows no hidden states.
        """
        known = state.learned.get(self.key)
        if known is None or np.isnan(known.arrays["weights"][FOLDS]).all():
            return self._start(state, rows)
        if rows.empty:
            return np.zeros(0)
        return foretold(self._features(state, rows), rows["prompt"].tolist(), known)

    def _start(self, state: State, rows: pd.DataFrame) -> np.ndarray:
        found = np.full(len(rows), np.nan)
        here = (rows["split"] == "train").to_numpy(bool)
        if self.first == "gold" and here.any():
            found[here] = state.task.check(rows[here]).to_numpy(float)
        return found

    def learn(self, state: State, rows: pd.DataFrame, rng: np.random.Generator) -> State:
        """The state with models fitted on these rows, their truth, and the rounds before them. Raises as `raw` does."""
        known = state.learned.get(self.key)
        age = 0 if known is None else int(known.rows["age"].max()) + 1
        fresh = rows[_KEPT].assign(right=state.task.check(rows), age=age).astype({"age": "int64[pyarrow]"})
        kept = fresh if known is None else pd.concat([known.rows, fresh], ignore_index=True)
        kept = kept[(kept["age"] > age - self.rounds).to_numpy(bool)] if self.rounds else kept
        kept = kept.reset_index(drop=True)
        right = kept["right"].to_numpy(bool)
        weights = fitted(self._features(state, kept), right, fold_of(kept["prompt"].tolist(), FOLDS), _PENALTY[self.on])
        return state.having(learned={**state.learned, self.key: Learned(kept, {"weights": weights})})

    def _features(self, state: State, rows: pd.DataFrame) -> Any:
        return text_features(rows) if self.on == "text" else hidden_features(state.base, rows)


def foretold(x: Any, prompt: list[str], known: Learned) -> np.ndarray:
    """P(right) (n,) of features x (n, d), by the models of other folds for prompts that were fitted on."""
    seen = set(known.rows["prompt"].tolist())
    model = np.where([text in seen for text in prompt], fold_of(prompt, FOLDS), FOLDS)
    odds = np.stack([x @ w[:-1] + w[-1] for w in known.arrays["weights"]], axis=1)
    return expit(odds[np.arange(len(prompt)), model])


def fitted(x: Any, right: np.ndarray, fold: np.ndarray, penalty: float, times: np.ndarray | None = None) -> np.ndarray:
    """Logistic regressions (FOLDS + 1, d + 1), the last column the intercept: without each fold, and of all rows.

    x : (n, d) features, dense or sparse; right : bool (n,); fold : int (n,); times : (n,) how often each row counts, None for
    once. A model is NaN where its rows are of one class.
    """
    from sklearn.linear_model import LogisticRegression

    found = np.full((FOLDS + 1, x.shape[1] + 1), np.nan)
    for i in range(FOLDS + 1):
        use = np.flatnonzero(fold != i)
        if len(np.unique(right[use])) == 2:
            model = LogisticRegression(C=1 / penalty, solver="lbfgs", max_iter=5000, tol=1e-5)
            model.fit(x[use], right[use], None if times is None else times[use])
            found[i] = np.r_[model.coef_[0], model.intercept_]
    return found


def text_features(rows: pd.DataFrame) -> csr_matrix:
    """Hashed character n-grams of prompt and response and four simple numbers, sparse (n, 2 · 4096 + 4)."""
    from sklearn.feature_extraction.text import HashingVectorizer

    grams = HashingVectorizer(analyzer="char", ngram_range=(1, 3), n_features=_GRAMS, lowercase=False, dtype=np.float64)
    said = rows["response"].tolist()
    n = rows["n_tokens"].to_numpy(float, na_value=0.0)
    numbers = [
        np.log1p([len(text) for text in said]) / 5,
        np.log1p(n) / 5,
        rows["finished"].to_numpy(float, na_value=0.0),
        rows["answer"].isna().to_numpy(float),
    ]
    parts = [_each_once(grams, rows["prompt"].tolist()), _each_once(grams, said), csr_matrix(np.stack(numbers, axis=1))]
    return csr_matrix(hstack(parts))


def _each_once(grams: Any, texts: Sequence[str]) -> csr_matrix:
    code, known = pd.factorize(np.array(texts, object))
    return csr_matrix(grams.transform(known))[code]


def hidden_features(policy: Policy, rows: pd.DataFrame) -> np.ndarray:
    """The policy's last hidden state at the end of each response, (n, d) float64, each row divided by its length √(mean x²).

    Raises KnobError for a policy without hidden states.
    """
    show = getattr(policy, "hidden", None)
    if show is None:
        raise KnobError(
            f"orm(on=policy) needs a policy that shows its hidden states, and {policy.name} has none; take on=text"
        )
    state = np.asarray(show(rows["prompt"].tolist(), rows["response"].tolist(), rows["finished"].to_numpy(bool)), float)
    size = np.sqrt(np.mean(state**2, axis=1, keepdims=True))
    return np.asarray(state / np.maximum(size, 1e-12))
