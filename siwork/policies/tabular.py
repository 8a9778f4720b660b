"""A softmax over candidate responses with shared skills: quick, and everything about it is known exactly.

The logit of candidate s of problem p is

    z[p, s] = right[p, s] · skill[band p] + style[style of s] + base[p, s] + private[p, s]

with `skill` (5,), `style` (8,) and `private` (P, M) learnt, and `base` fixed by the knobs and the prompt. Training
on one problem moves the others through the skill of their band and through the styles they share.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from copy import copy
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
from siwork.policies.candidates import STYLES, Resolved, Table, arrow, unhinted
from siwork.policies.chance import entropy, invert, log_total, normal, tempered, total, uniform
from siwork.policies.exact import truth
from siwork.schema import BANDS, Knobbed, KnobError, RunError, check, format_call, knob
from siwork.tasks import Task
from siwork.tasks.base import band

OUTSIDE = float(
    np.log(1e-4)
)  # nats: floor of a response that is no candidate, and where it enters the list when trained on
UNKNOWN_DIFFICULTY = 0.5  # of a prompt that was never registered
SHARED_RATE, PRIVATE_RATE = 0.14, 0.2  # standard steps at sharing 1 and 0, nats a unit of gradient
_EASY, _SLOPE = 2.94, -7.54  # log-odds of solving at difficulty 0 (0.95), and their change up to difficulty 1 (0.01)
_FILE = "tabular.safetensors"


@dataclass(frozen=True)
class Tabular(Knobbed):
    """The base policy before any training; `build_for(task)` gives it for a task.

    >>> str(Tabular(skill=1.0))
    'tabular(skill=1.0)'
    """

    name: ClassVar[str] = "tabular"
    sentence: ClassVar[str] = "A softmax over candidate responses with shared skills; exact and quick."

    skill: float = knob(0.0, "Added to the log-odds of solving, on every problem.", low=-8.0, high=8.0, unit="nats")
    spread: float = knob(1.0, "Deviation of the logits of one problem's candidates.", low=0.0, high=5.0, unit="nats")
    noise: float = knob(0.8, "Deviation of the log-odds of equally hard problems.", low=0.0, high=5.0, unit="nats")
    candidates: int = knob(24, "Candidate responses asked of the task for each problem.", low=2, high=256)
    sharing: float = knob(
        0.5, "Share of learning that goes to skills and styles; the rest is private to a problem.", low=0.0, high=1.0
    )
    hint_strength: float = knob(
        3.0, "Added to the logits of right candidates by a hint in the prompt.", low=0.0, high=20.0, unit="nats"
    )
    seed: int = knob(0, "Which base policy of this kind.", low=0, high=2**32 - 1)

    def __str__(self) -> str:
        return format_call(self)

    def build_for(self, task: Task) -> TabularPolicy:
        """The base policy for a task; it knows no problem yet."""
        return TabularPolicy(self, task)

    def log_odds(self, difficulty: np.ndarray) -> np.ndarray:
        """Expected log-odds of solving a problem of each difficulty."""
        return self.skill + _EASY + _SLOPE * np.asarray(difficulty, float)

    def base(self, table: Table, difficulty: np.ndarray) -> np.ndarray:
        """Fixed part of the logits (P, M), -inf at empty places.

        Together with the skills of the base policy it gives each problem the odds exp(log_odds + noise) exactly,
        however many of its candidates are right.
        """
        chance = normal(table.key, table.live.shape[1] + 1, self.seed)
        z = np.where(table.listed, self.spread * chance[:, 1:], -np.inf)
        odds = self.log_odds(difficulty) + self.noise * chance[:, 0] - self.first_skill()[band(difficulty)]
        balance = log_total(np.where(table.right, -np.inf, z)) - log_total(np.where(table.right, z, -np.inf))
        z += table.right * np.where(np.isfinite(balance), odds + balance, 0.0)[:, None]
        return np.where(table.live & ~table.listed, 0.0, z)

    def first_skill(self) -> np.ndarray:
        """Skills of the base policy (5,), band 0 (hardest) first: the log-odds in the middle of each band."""
        return self.log_odds(0.9 - 0.2 * np.array(BANDS))


class Distribution(NamedTuple):
    """All that a policy can say to one prompt."""

    responses: list[str]
    probabilities: np.ndarray  # (m,), sum 1


class TabularPolicy:
    """The `Policy` of a task that is a table; see the module for its formula.

    Difficulties come from `register`, which the loop calls before round 0; a prompt that was never registered is taken
    as 0.5. A response is drawn as a whole: it is always finished, `n_tokens` is its characters and the end, and
    `entropy` is the entropy of the answer distribution divided by n_tokens, the mean a token. In `logp` and `train` a
    response that is no candidate counts as the one with the same canonical answer; where there is none, its logp is
    the floor `OUTSIDE`, and training on it makes it a candidate that starts there.
    """

    name = "tabular"

    def __init__(self, make: Tabular, task: Task) -> None:
        self.make, self.task = make, task
        self.skill, self.style = make.first_skill(), np.zeros(STYLES)
        self._adopt(Table(task, make.candidates), np.zeros(0), np.zeros((0, 0)))

    def _adopt(self, table: Table, difficulty: np.ndarray, private: np.ndarray) -> None:
        """Take a table, with difficulties and private logits of its first problems and candidates."""
        self.table, self.difficulty = table, np.full(len(table.facts), UNKNOWN_DIFFICULTY)
        self.difficulty[: len(difficulty)] = difficulty
        self.private = np.zeros(table.live.shape)
        self.private[: private.shape[0], : private.shape[1]] = private
        self._rebase()

    def _rebase(self) -> None:
        self._band, self._base = band(self.difficulty), self.make.base(self.table, self.difficulty)

    def _see(self, prompts: Iterable[str]) -> None:
        table = self.table.seen(unhinted(prompt) for prompt in prompts)
        if table is not self.table:
            self._adopt(table, self.difficulty, self.private)

    def register(self, problems: pd.DataFrame) -> None:
        """Fix the difficulties of problems (columns prompt, difficulty); what was learnt on them stays.

        Raises SchemaError when a column is missing or holds something else.
        """
        check(problems, needs=["prompt", "difficulty"], table="problems")
        prompts = problems["prompt"].tolist()
        self._see(prompts)
        self.difficulty[self._rows(prompts)] = problems["difficulty"].to_numpy(float)
        self._rebase()

    def _rows(self, prompts: Sequence[str]) -> np.ndarray:
        rows = self.table.rows or {}
        return np.array([rows[unhinted(prompt)] for prompt in prompts], int)

    # ── what it says ───────────────────────────────────────────────────────────────────────────────────
    def _logits(self, rows: np.ndarray, hinted: np.ndarray | float = 0.0) -> np.ndarray:
        ability = self.skill[self._band[rows]] + self.make.hint_strength * hinted
        shared = self.table.right[rows] * ability[:, None] + self.style[self.table.style[rows]]
        return self._base[rows] + self.private[rows] + shared

    def _log_probabilities(self, prompts: Sequence[str]) -> np.ndarray:
        """(len(prompts), M) at temperature 1, -inf at empty places; the prompts must have been seen."""
        hinted = np.array(["#" in prompt for prompt in prompts], float)
        z = self._logits(self._rows(prompts), hinted)
        return z - log_total(z)[:, None]

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
        asked: list[str] = arrow(prompts).to_pylist()
        streams = np.asarray(streams)
        if streams.shape != (len(asked), k):
            raise KnobError(f"streams must be (prompts, k) = {(len(asked), k)}, got {streams.shape}")
        self._see(asked)
        logp = self._log_probabilities(asked)
        column = invert(tempered(logp, temperature, top_p), uniform(streams))
        place = (self._rows(asked)[:, None] * logp.shape[1] + column).ravel()
        length = self.table.length.ravel()[place]
        mean_entropy = np.repeat(entropy(np.exp(logp)), k) / length
        if tell is not None:
            tell(1.0)
        response = self.table.texts.take(pa.array(place))
        drawn = np.take_along_axis(logp, column, axis=1).ravel()
        return Completions(response, length, np.ones(len(place), bool), drawn, mean_entropy)

    def logp(self, prompts: Texts, responses: Texts, finished: np.ndarray | None = None) -> np.ndarray:
        """(n,) nats of each whole response; `finished` changes nothing. Raises KnobError for lists of two lengths."""
        found = self._resolve(prompts, responses)
        if not len(found.code):
            return np.zeros(0)
        values = self._log_probabilities(found.prompts)[found.code, found.column]
        return np.where(found.column < 0, OUTSIDE, values)

    def _resolve(self, prompts: Texts, responses: Texts) -> Resolved:
        prompts = arrow(prompts)
        self._see(prompts.unique().to_pylist())
        return self.table.resolve(prompts, responses)

    def distribution(self, prompt: str, *, temperature: float = 1.0, top_p: float = 1.0) -> Distribution:
        """All responses to a prompt and their exact probabilities. Raises KnobError as `sample` does."""
        self._see([prompt])
        p = tempered(self._log_probabilities([prompt]), temperature, top_p)[0]
        texts = self.table.facts[int(self._rows([prompt])[0])].texts
        return Distribution(list(texts), p[: len(texts)] / p.sum())

    def truth(
        self, prompts: Texts, ks: Sequence[int] = (1,), *, temperature: float = 1.0, top_p: float = 1.0
    ) -> pd.DataFrame:
        """What estimators estimate, exactly: one row a prompt, columns as in `siwork.policies.exact.truth`.

        Raises KnobError when a k is below 1, and as `sample` does.
        """
        asked: list[str] = arrow(prompts).to_pylist()
        self._see(asked)
        p, rows = tempered(self._log_probabilities(asked), temperature, top_p), self._rows(asked)
        p /= total(p)[:, None]
        return pd.DataFrame({"prompt": asked, **truth(p, self.table.right[rows], self.table.group[rows], ks)})

    # ── how it learns ──────────────────────────────────────────────────────────────────────────────────
    def train(self, plan: Plan, tell: Callable[[float], None] | None = None) -> np.ndarray:
        """Plain gradient ascent, one step a batch; the mean log-probability before each step (steps,), nats.

        A step adds rate · SHARED_RATE · sharing · gradient to skills and styles, and rate · PRIVATE_RATE ·
        (1 − sharing) · problems in the batch · gradient to the private logits: coefficients of sum 1 move the
        average problem of a batch by as much however many problems there are.

        Raises KnobError for a hinted prompt, an empty batch, or coefficients of another shape or not finite.
        """
        prompts = arrow(plan.prompt)
        hinted = next((text for text in prompts.unique().to_pylist() if "#" in text), None)
        if hinted is not None:
            raise KnobError(f"train takes prompts without a hint, got {hinted!r}; next: {unhinted(hinted)!r}")
        found = self._resolve(prompts, plan.response)
        if (found.column < 0).any():
            found = self._admit(found, prompts, arrow(plan.response), plan.batches)
        rows = self._rows(found.prompts)[found.code] if len(found.code) else np.zeros(0, int)
        seen = np.zeros(len(plan.batches))
        for i, batch in enumerate(plan.batches):
            seen[i] = self._step(rows[batch], found.column[batch], batch, plan)
            if tell is not None:
                tell((i + 1) / len(plan.batches))
        return seen

    def _admit(
        self, found: Resolved, prompts: pa.StringArray, responses: pa.StringArray, batches: Sequence[np.ndarray]
    ) -> Resolved:
        """Make candidates of the responses in batches that are none; each starts with the floor's share of the mass."""
        used = np.concatenate([np.zeros(0, int), *batches])
        strange = pa.array(np.intersect1d(np.flatnonzero(found.column < 0), used))
        further: dict[str, list[str]] = {}
        for prompt, text in zip(prompts.take(strange).to_pylist(), responses.take(strange).to_pylist(), strict=True):
            further.setdefault(prompt, []).append(text)
        rows = self._rows(list(further))
        floor = OUTSIDE + log_total(self._logits(rows))
        old = self.table.live
        self._adopt(self.table.grown(further), self.difficulty, self.private)
        new = self.table.live[rows]
        new[:, : old.shape[1]] &= ~old[rows]
        self.private[rows] = np.where(new, self.private[rows] + floor[:, None] - self._logits(rows), self.private[rows])
        return self.table.resolve(prompts, responses)

    def _step(self, rows: np.ndarray, columns: np.ndarray, batch: np.ndarray, plan: Plan) -> float:
        if not len(rows):
            raise KnobError("a batch must hold at least one row, got none; leave it out of the plan")
        found = self._gather(rows, columns)
        coefficients = np.asarray(plan.coefficients(found.logp, batch), float)
        if coefficients.shape != found.logp.shape or not np.isfinite(coefficients).all():
            raise KnobError(f"coefficients must be {len(batch)} finite numbers, got {coefficients!r}")
        slope = self._slope(found, coefficients)
        shared = plan.rate * SHARED_RATE * self.make.sharing
        private = plan.rate * PRIVATE_RATE * (1 - self.make.sharing) * len(found.problems)
        self.skill += shared * slope["skill"]
        self.style += shared * slope["style"]
        self.private[found.problems] += private * slope["private"]
        return float(found.logp.mean())

    def _gather(self, rows: np.ndarray, columns: np.ndarray) -> _Batch:
        problems = np.flatnonzero(np.bincount(rows))
        place = np.zeros(len(self.table.facts), int)
        place[problems] = np.arange(len(problems))
        z = self._logits(problems)
        logp = z - log_total(z)[:, None]
        spot = place[rows] * z.shape[1] + columns
        return _Batch(problems, np.exp(logp), spot, logp.ravel()[spot])

    def _slope(self, batch: _Batch, coefficients: np.ndarray) -> dict[str, np.ndarray]:
        """Σ c ∇ log π with respect to skill (5,), style (8,), and the private logits of the batch's problems (t, M)."""
        p, table = batch.p, self.table
        private = np.bincount(batch.spot, weights=coefficients, minlength=p.size).reshape(p.shape)
        private -= private.sum(axis=1, keepdims=True) * p
        right = (private * table.right[batch.problems]).sum(axis=1)
        skill = np.bincount(self._band[batch.problems], weights=right, minlength=len(BANDS))
        style = np.bincount(table.style[batch.problems].ravel(), weights=private.ravel(), minlength=STYLES)
        return {"skill": skill, "style": style, "private": private}

    def parameters(self) -> dict[str, np.ndarray]:
        """The live parameter arrays by name: skill (5,), style (8,), private (P, M)."""
        return {"skill": self.skill, "style": self.style, "private": self.private}

    def gradient(
        self, prompts: Texts, responses: Texts, finished: np.ndarray | None, coefficients: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Σ c_i ∇ log π(y_i | x_i), (n,) rows, by name and shape of `parameters`; hint-free prompts and candidates.

        Raises KnobError when a response is no candidate.
        """
        found = self._resolve(prompts, responses)
        if (found.column < 0).any():
            raise KnobError("a response that is no candidate has no gradient; train on it first, it then becomes one")
        batch = self._gather(self._rows(found.prompts)[found.code], found.column)
        slope = self._slope(batch, np.asarray(coefficients, float))
        whole = np.zeros_like(self.private)
        whole[batch.problems] = slope["private"]
        return slope | {"private": whole}

    # ── copies and files ───────────────────────────────────────────────────────────────────────────────
    def copy(self) -> TabularPolicy:
        """An independent copy; the table, which nobody changes in place, is shared."""
        twin = copy(self)
        twin.skill, twin.style = self.skill.copy(), self.style.copy()
        twin.private, twin.difficulty = self.private.copy(), self.difficulty.copy()
        return twin

    def fingerprint(self) -> str:
        """16 hexadecimal digits of knobs, task and parameters; problems as at first sight leave no trace."""
        mark = blake2b(f"{self.make}\n{self.task}".encode(), digest_size=8)
        mark.update(self.skill.tobytes() + self.style.tobytes())
        table, prompts = self.table, list(self.table.rows or {})
        added = (table.live & ~table.listed).any(axis=1)
        moved = self.private.any(axis=1) | (self.difficulty != UNKNOWN_DIFFICULTY) | added
        for row in sorted(np.flatnonzero(moved).tolist(), key=prompts.__getitem__):
            facts = table.facts[row]
            mark.update(json.dumps([prompts[row], facts.texts[facts.listed :]]).encode())
            mark.update(self.difficulty[row].tobytes() + (self.private[row, : len(facts.texts)] + 0.0).tobytes())
        return mark.hexdigest()

    def save(self, folder: Path) -> None:
        """Write `tabular.safetensors` into an existing folder."""
        added = {
            prompt: facts.texts[facts.listed :]
            for prompt, facts in zip(self.table.rows or {}, self.table.facts, strict=True)
            if len(facts.texts) > facts.listed
        }
        about = {"make": str(self.make), "task": str(self.task), "prompts": list(self.table.rows or {}), "added": added}
        tensors = {**self.parameters(), "difficulty": self.difficulty}
        tensors["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        save_file(tensors, Path(folder) / _FILE)

    def load(self, folder: Path) -> TabularPolicy:
        """A policy of the same knobs and task with the parameters in `folder`.

        Raises RunError when the file is missing or damaged, or belongs to other knobs or another task.
        """
        path = Path(folder) / _FILE
        try:
            tensors = read_tensors(path.read_bytes())
            about = json.loads(tensors.pop("about").tobytes())
            written = (about["make"], about["task"])
            if written != (str(self.make), str(self.task)):
                raise RunError(
                    f"{path} is of {' for '.join(written)}, not of {self.make} for {self.task}; build that one"
                )
            return self.make.build_for(self.task)._filled(about["prompts"], about["added"], tensors)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path} holds no readable policy ({error}); go back to an earlier round") from None

    def _filled(self, prompts: list[str], added: dict[str, list[str]], tensors: dict[str, np.ndarray]) -> TabularPolicy:
        table = self.table.seen(prompts).grown(added)
        shapes = {
            "skill": (len(BANDS),),
            "style": (STYLES,),
            "private": table.live.shape,
            "difficulty": (len(prompts),),
        }
        for name, shape in shapes.items():
            if tensors[name].shape != shape or tensors[name].dtype != float or not np.isfinite(tensors[name]).all():
                raise ValueError(f"{name} must be {shape} finite numbers")
        self.skill, self.style = tensors["skill"], tensors["style"]
        self._adopt(table, tensors["difficulty"], tensors["private"])
        return self


class _Batch(NamedTuple):
    """The rows of one step, by place."""

    problems: np.ndarray  # (t,) rows of the table
    p: np.ndarray  # (t, M) probabilities
    spot: np.ndarray  # (b,) flat place of each row in p
    logp: np.ndarray  # (b,) nats
