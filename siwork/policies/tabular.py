"""A softmax over candidate responses with shared skills: quick, and everything about it is known exactly.

Training on one problem moves the others through the skill of their difficulty band, the styles of response they share
and the sharpness of all; see `siwork.policies.weights` for the formula.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save_file

from siwork.policies.base import Completions, Plan, Texts
from siwork.policies.candidates import Table, unhinted
from siwork.policies.chance import entropy, invert, log_total, normal, tempered, total, uniform
from siwork.policies.exact import truth
from siwork.policies.texts import arrow, asked_for
from siwork.policies.weights import OUTSIDE, SHARED, Weights
from siwork.schema import Knobbed, KnobError, RunError, SchemaError, check, format_call, knob
from siwork.tasks import Synthetic, Task, synthetic

SHARED_RATE, PRIVATE_RATE = 0.05, 0.06  # standard steps at sharing 1 and 0, nats a unit of gradient
STEEPEST = 3.0  # bound of sharpness either way: base logits times e³ leave one response, times e⁻³ leave all
_EASY, _SLOPE = 2.94, -7.54  # log-odds of solving at difficulty 0 (0.95), and their change up to difficulty 1 (0.01)
_FILE = "tabular.safetensors"


@dataclass(frozen=True)
class Tabular(Knobbed):
    """The base policy before any training; `build_for(task)` gives it for a task.

    >>> str(Tabular(skill=1.0))
    'tabular(skill=1.0)'
    """

    name: ClassVar[str] = "tabular"
    any_task: ClassVar[bool] = False
    sentence: ClassVar[str] = "A softmax over candidate responses with shared skills; exact and quick."

    skill: float = knob(0.0, "Added to the log-odds of solving, on every problem.", low=-8.0, high=8.0, unit="nats")
    spread: float = knob(1.0, "Deviation of the logits of one problem's candidates.", low=0.0, high=5.0, unit="nats")
    noise: float = knob(0.8, "Deviation of the log-odds of equally hard problems.", low=0.0, high=5.0, unit="nats")
    candidates: int = knob(24, "Candidate responses asked of the task for each problem.", low=2, high=256)
    sharing: float = knob(
        0.5, "Share of learning that all problems share; the rest is private to a problem.", low=0.0, high=1.0
    )
    hint_strength: float = knob(
        3.0, "Added to the logits of right candidates by a hint in the prompt.", low=0.0, high=20.0, unit="nats"
    )
    seed: int = knob(0, "Which base policy of this kind.", low=0, high=2**32 - 1)

    def __str__(self) -> str:
        return format_call(self)

    def build_for(self, task: Task) -> TabularPolicy:
        """The base policy for a task; it knows no problem yet. Raises KnobError for a task without candidates."""
        return TabularPolicy(self, synthetic(task, f"policy {self.name!r}"))

    def restore(self, task: Task, folder: Path) -> TabularPolicy:
        """The policy of a task with the parameters that `save` wrote into a folder. Raises RunError as `load`."""
        return self.build_for(task).load(folder)

    def log_odds(self, difficulty: np.ndarray) -> np.ndarray:
        """Expected log-odds of solving a problem of each difficulty."""
        return self.skill + _EASY + _SLOPE * np.asarray(difficulty, float)

    def base(self, table: Table, difficulty: np.ndarray) -> np.ndarray:
        """Logits of the base policy (P, M), nats, 0 at places the task did not list.

        Each problem is solved with odds exp(log_odds + noise), however many of its candidates are right.
        """
        chance = normal(table.key, table.live.shape[1] + 1, self.seed)
        z = np.where(table.listed, self.spread * chance[:, 1:], -np.inf)
        odds = self.log_odds(difficulty) + self.noise * chance[:, 0]
        balance = log_total(np.where(table.right, -np.inf, z)) - log_total(np.where(table.right, z, -np.inf))
        z += table.right * np.where(np.isfinite(balance), odds + balance, 0.0)[:, None]
        return np.where(table.listed, z - log_total(z)[:, None], 0.0)


class Distribution(NamedTuple):
    """All that a policy can say to one prompt."""

    responses: list[str]
    probabilities: np.ndarray  # (m,), sum 1


class TabularPolicy:
    """The `Policy` of a task that is a table.

    Difficulties come from `register`, which the loop calls before round 0; a prompt that was never registered is taken
    as 0.5. A response is drawn as a whole: it is always finished, `n_tokens` is its characters and the end, and
    `entropy` is the entropy of the distribution over responses divided by n_tokens, the mean a token. In `logp` and
    `train` a response that is no candidate counts as the one with the same canonical answer; where there is none, its
    logp is the floor `OUTSIDE` (1e-4), and training on it makes it a candidate that starts there.
    """

    name = "tabular"
    whole_only = True  # it has no probability of a part of a response

    def __init__(self, make: Tabular, task: Synthetic) -> None:
        self.make, self.task = make, task
        self.weights = Weights(task, make.candidates, make.base, make.hint_strength)

    def register(self, problems: pd.DataFrame) -> None:
        """Fix the difficulties of problems (columns prompt, difficulty); what was learnt on them stays.

        Raises SchemaError when a column is missing or holds something else.
        """
        known = check(problems, needs=["prompt", "difficulty"], table="problems")
        if known["difficulty"].isna().any():
            raise SchemaError(
                "problems: column 'difficulty' may not be null for the tabular policy, which is made from it"
            )
        self.weights.register(problems["prompt"].tolist(), problems["difficulty"].to_numpy(float))

    def sample(
        self,
        prompts: Texts,
        k: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        streams: np.ndarray,
        tell: Callable[[float], None] | None = None,
    ) -> Completions:
        """k completions for each prompt, one uniform number a completion through the inverse distribution function.

        Raises KnobError when temperature < 0, top_p is outside (0, 1], or streams are not (len(prompts), k).
        """
        texts, streams = asked_for(prompts, k, streams)
        asked: list[str] = texts.to_pylist()
        logp = self.weights.log_probabilities(asked)
        column = invert(tempered(logp, temperature, top_p), uniform(streams))
        place = (self.weights.rows(asked)[:, None] * logp.shape[1] + column).ravel()
        table = self.weights.table
        length = table.length.ravel()[place]
        mean_entropy = np.repeat(entropy(np.exp(logp)), k) / length
        drawn = np.take_along_axis(logp, column, axis=1).ravel()
        if tell is not None:
            tell(1.0)
        return Completions(table.texts.take(pa.array(place)), length, np.ones(len(place), bool), drawn, mean_entropy)

    def logp(self, prompts: Texts, responses: Texts, finished: np.ndarray | None = None) -> np.ndarray:
        """(n,) nats of each whole response; `finished` changes nothing. Raises KnobError for lists of two lengths."""
        found = self.weights.resolve(prompts, responses)
        values = self.weights.log_probabilities(found.prompts)
        inside = found.column >= 0
        out = np.full(len(inside), OUTSIDE)
        out[inside] = values[found.code[inside], found.column[inside]]
        return out

    # ── the truth ──────────────────────────────────────────────────────────────────────────────────────
    def _chances(self, prompts: list[str], temperature: float, top_p: float) -> np.ndarray:
        weight = tempered(self.weights.log_probabilities(prompts), temperature, top_p)
        return weight / total(weight)[:, None]

    def distribution(self, prompt: str, *, temperature: float = 1.0, top_p: float = 1.0) -> Distribution:
        """All responses to a prompt and their exact probabilities. Raises KnobError as `sample` does."""
        p = self._chances([prompt], temperature, top_p)[0]
        texts = self.weights.table.facts[int(self.weights.rows([prompt])[0])].texts
        return Distribution(list(texts), p[: len(texts)])

    def truth(
        self, prompts: Texts, ks: Sequence[int] = (1,), *, temperature: float = 1.0, top_p: float = 1.0
    ) -> pd.DataFrame:
        """What estimators estimate, exactly: one row a prompt, columns as in `siwork.policies.exact.truth`.

        Raises KnobError when a k is below 1, and as `sample` does.
        """
        asked: list[str] = arrow(prompts).to_pylist()
        p, rows, table = self._chances(asked, temperature, top_p), self.weights.rows(asked), self.weights.table
        return pd.DataFrame({"prompt": asked, **truth(p, table.right[rows], table.group[rows], ks)})

    # ── how it learns ──────────────────────────────────────────────────────────────────────────────────
    def train(self, plan: Plan, tell: Callable[[float], None] | None = None) -> np.ndarray:
        """Plain gradient ascent, one step a batch; the mean log-probability before each step (steps,), nats.

        A step adds rate · SHARED_RATE · sharing · gradient to the shared numbers, and rate · PRIVATE_RATE ·
        (1 − sharing) · problems in the batch · gradient to the private logits: coefficients of sum 1 move the
        average problem of a batch by as much however many problems it holds. Sharpness stays within ± STEEPEST.

        Raises KnobError for a hinted prompt, an empty batch, or coefficients of another shape or not finite.
        """
        found = self.weights.resolve(plan.prompt, plan.response)
        hinted = next((text for text in found.prompts if "#" in text), None)
        if hinted is not None:
            raise KnobError(f"train takes prompts without a hint, got {hinted!r}; next: {unhinted(hinted)!r}")
        if (found.column < 0).any():
            found = self.weights.admit(found, plan.response, np.concatenate([np.zeros(0, int), *plan.batches]))
        rows = self.weights.rows(found.prompts)[found.code]
        seen = np.zeros(len(plan.batches))
        for i, batch in enumerate(plan.batches):
            seen[i] = self._step(rows[batch], found.column[batch], batch, plan)
            if tell is not None:
                tell((i + 1) / len(plan.batches))
        return seen

    def _step(self, rows: np.ndarray, columns: np.ndarray, index: np.ndarray, plan: Plan) -> float:
        if not len(rows):
            raise KnobError("a batch must hold at least one row, got none; leave it out of the plan")
        weights = self.weights
        batch = weights.gather(rows, columns)
        coefficients = np.asarray(plan.coefficients(batch.logp, index), float)
        if coefficients.shape != batch.logp.shape or not np.isfinite(coefficients).all():
            raise KnobError(f"coefficients must be {len(rows)} finite numbers, got {coefficients!r}; check the update")
        slope = weights.slope(batch, coefficients)
        shared = plan.rate * SHARED_RATE * self.make.sharing
        for name in SHARED:
            weights.arrays()[name] += shared * slope[name]
        np.clip(weights.sharpness, -STEEPEST, STEEPEST, out=weights.sharpness)
        private = plan.rate * PRIVATE_RATE * (1 - self.make.sharing) * len(batch.problems)
        weights.private[batch.problems] += private * slope["private"]
        return float(batch.logp.mean())

    def lengths(self, responses: Texts, finished: np.ndarray | None = None) -> np.ndarray:
        """(n,) characters and the end of each response."""
        return np.array([len(text) + 1 for text in arrow(responses).to_pylist()], np.int64)

    def toward(self, other: TabularPolicy, share: float) -> None:
        """Move the parameters by `share` of the way to another policy of the same task; beyond it, or away when negative."""
        far = other.weights.arrays() | {"private": self.weights.placed(other.weights)}
        for name, own in self.weights.arrays().items():
            own += share * (far[name] - own)
        np.clip(self.weights.sharpness, -STEEPEST, STEEPEST, out=self.weights.sharpness)

    def parameters(self) -> dict[str, np.ndarray]:
        """The live parameter arrays by name: sharpness (1,), skill (5,), style (8,), private (P, M)."""
        return self.weights.arrays()

    def gradient(
        self, prompts: Texts, responses: Texts, finished: np.ndarray | None, coefficients: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Σ c_i ∇ log π(y_i | x_i) over rows (n,), by name and shape of `parameters`; the prompts without hints.

        Raises KnobError when a response is no candidate.
        """
        found = self.weights.resolve(prompts, responses)
        if (found.column < 0).any():
            raise KnobError("a response that is no candidate has no gradient; train on it first, it then becomes one")
        batch = self.weights.gather(self.weights.rows(found.prompts)[found.code], found.column)
        slope = self.weights.slope(batch, np.asarray(coefficients, float))
        whole = np.zeros_like(self.weights.private)
        whole[batch.problems] = slope["private"]
        return slope | {"private": whole}

    # ── copies and files ───────────────────────────────────────────────────────────────────────────────
    def copy(self) -> TabularPolicy:
        """An independent copy with the same parameters."""
        twin = TabularPolicy(self.make, self.task)
        twin.weights = self.weights.copy()
        return twin

    def fingerprint(self) -> str:
        """16 hexadecimal digits of knobs, task and parameters; a problem that is as at first sight leaves no trace."""
        made = f"{self.make}\n{self.task}\n".encode()
        return blake2b(made + self.weights.digest(), digest_size=8).hexdigest()

    def save(self, folder: Path) -> None:
        """Write `tabular.safetensors` into an existing folder."""
        weights = self.weights
        about = {"make": str(self.make), "task": str(self.task)}
        known = {"prompts": list(weights.table.rows), "added": weights.added()}
        text = np.frombuffer(json.dumps(about | known).encode(), np.uint8)
        save_file({**weights.arrays(), "difficulty": weights.difficulty, "about": text}, Path(folder) / _FILE)

    def load(self, folder: Path) -> TabularPolicy:
        """A policy of the same knobs and task with the parameters in `folder`.

        Difficulties are facts of problems: those registered here hold for the loaded policy too, before the file's.
        Raises RunError when the file is missing or damaged, or belongs to other knobs or another task.
        """
        path = Path(folder) / _FILE
        try:
            tensors = read_tensors(path.read_bytes())
            about = json.loads(tensors.pop("about").tobytes())
            if (about["make"], about["task"]) != (str(self.make), str(self.task)):
                raise RunError(
                    f"{path} is of {about['make']} for {about['task']}, not of {self.make} for {self.task}; build that one"
                )
            loaded = TabularPolicy(self.make, self.task)
            loaded._fill(about["prompts"], about["added"], tensors)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(f"{path} holds no readable policy ({error}); go back to an earlier round") from None
        told = self.weights.told()
        loaded.weights.register(list(told), np.array(list(told.values()), float))
        return loaded

    def _fill(self, prompts: list[str], added: dict[str, list[str]], tensors: dict[str, np.ndarray]) -> None:
        table = self.weights.table.seen(prompts).grown(added)
        shapes = {name: self.weights.arrays()[name].shape for name in SHARED}
        shapes |= {"private": table.live.shape, "difficulty": (len(prompts),)}
        for name, shape in shapes.items():
            found = tensors[name]
            if found.shape != shape or found.dtype != float or not np.isfinite(found).all():
                raise ValueError(f"{name} must be {shape} finite numbers, got {found.shape}")
        if not ((tensors["difficulty"] >= 0) & (tensors["difficulty"] <= 1)).all():
            raise ValueError("difficulty must be in 0 … 1")
        for name in SHARED:
            self.weights.arrays()[name][:] = tensors[name]
        self.weights.adopt(table, tensors["difficulty"], tensors["private"])
