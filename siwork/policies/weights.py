"""The numbers of a tabular policy: logits of the candidates of every problem, and their exact gradient.

    z[p, s] = exp(sharpness) · base[p, s] + right[p, s] · skill[band p] + style[style of s] + private[p, s]

`base` is fixed by the knobs, the prompt and its difficulty. Learnt, and 0 in the base policy, are the shared
`sharpness` (1,), `skill` (5,) and `style` (8,), and `private` (P, M). Sharpening is the shared move that helps where
the base policy is mostly right and hurts where it is mostly wrong (Huang et al. 2024, arXiv 2412.01951).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from siwork.policies.base import Texts
from siwork.policies.candidates import STYLES, Resolved, Table, unhinted
from siwork.policies.chance import log_total
from siwork.policies.texts import arrow
from siwork.schema import BANDS
from siwork.tasks import Synthetic
from siwork.tasks.base import band

OUTSIDE = float(np.log(1e-4))  # nats: floor of a response that is no candidate, and where it enters when trained on
UNKNOWN_DIFFICULTY = 0.5  # of a prompt that was never registered
SHARED = ("sharpness", "skill", "style")  # names of the parameters that all problems share


class Batch(NamedTuple):
    """The rows of one step, by place."""

    problems: np.ndarray  # (t,) rows of the table
    p: np.ndarray  # (t, M) probabilities
    spot: np.ndarray  # (b,) flat place of each row in p
    logp: np.ndarray  # (b,) nats


class Weights:
    """Parameters over a table that grows as problems are seen.

    Parameters
    ----------
    task, n : the task and how many candidates it is asked for
    base : (table, difficulty (P,)) → logits of the base policy (P, M), nats, 0 at empty places
    hint_strength : nats a hint adds to right candidates
    """

    def __init__(
        self,
        task: Synthetic,
        n: int,
        base: Callable[[Table, np.ndarray], np.ndarray],
        hint_strength: float,
    ) -> None:
        self.sharpness, self.skill, self.style = np.zeros(1), np.zeros(len(BANDS)), np.zeros(STYLES)
        self._base_of, self._hint_strength = base, hint_strength
        self.adopt(Table(task, n), np.zeros(0), np.zeros((0, 0)))

    def adopt(self, table: Table, difficulty: np.ndarray, private: np.ndarray) -> None:
        """Take a table, with difficulties and private logits of its first problems and candidates."""
        self.table = table
        self.private = np.zeros(table.live.shape)
        self.private[: private.shape[0], : private.shape[1]] = private
        known = np.full(len(table.facts), UNKNOWN_DIFFICULTY)
        known[: len(difficulty)] = difficulty
        self._place(known)

    def _place(self, difficulty: np.ndarray) -> None:
        self.difficulty, self.band = difficulty, band(difficulty)
        self._base = self._base_of(self.table, difficulty)

    def see(self, prompts: Iterable[str]) -> None:
        """Know the problems of these prompts from now on; hints are dropped."""
        table = self.table.seen(unhinted(prompt) for prompt in prompts)
        if table is not self.table:
            self.adopt(table, self.difficulty, self.private)

    def register(self, prompts: Sequence[str], difficulty: np.ndarray) -> None:
        """Fix the difficulties of problems; what was learnt on them stays."""
        self.see(prompts)
        known = self.difficulty.copy()
        known[self.rows(prompts)] = difficulty
        self._place(known)

    def told(self) -> dict[str, float]:
        """Registered difficulties by prompt; one of exactly 0.5 counts as unknown."""
        known = zip(self.table.rows, self.difficulty.tolist(), strict=True)
        return {prompt: value for prompt, value in known if value != UNKNOWN_DIFFICULTY}

    def rows(self, prompts: Sequence[str]) -> np.ndarray:
        """Table rows (n,) of prompts that have been seen."""
        return np.array([self.table.rows[unhinted(prompt)] for prompt in prompts], int)

    # ── logits ─────────────────────────────────────────────────────────────────────────────────────────
    def logits(self, rows: np.ndarray) -> np.ndarray:
        """z of those table rows (n, M), without hints."""
        ability = self.skill[self.band[rows]]
        shared = self.table.right[rows] * ability[:, None] + self.style[self.table.style[rows]]
        z = np.exp(self.sharpness) * self._base[rows] + shared + self.private[rows]
        return np.where(self.table.live[rows], z, -np.inf)

    def _pull(self, prompts: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """What notes in the prompts add (n, M): to candidates of the note's own answer where that is wrong, else to right ones."""
        lifted = np.zeros((len(rows), self.table.live.shape[1]), bool)
        for i, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
            mark = prompt.find("#")
            if mark >= 0:
                lifted[i] = self._like(row, prompt[mark + 1 : -1])
        return self._hint_strength * lifted

    def _like(self, row: int, note: str) -> np.ndarray:
        facts = self.table.facts[row]
        if note in facts.texts and not facts.right[facts.texts.index(note)]:
            answer = facts.answers[facts.texts.index(note)]
            same = [
                text == note or (answer is not None and other == answer)
                for text, other in zip(facts.texts, facts.answers, strict=True)
            ]
            return np.pad(np.array(same), (0, self.table.live.shape[1] - len(same)))
        right: np.ndarray = self.table.right[row]
        return right

    def log_probabilities(self, prompts: Sequence[str]) -> np.ndarray:
        """log π (n, M) at temperature 1, -inf at empty places; unknown prompts are seen first."""
        self.see(prompts)
        rows = self.rows(prompts)
        z = self.logits(rows) + (self._pull(prompts, rows) if any("#" in prompt for prompt in prompts) else 0.0)
        return z - log_total(z)[:, None]

    def resolve(self, prompts: Texts, responses: Texts) -> Resolved:
        """Which prompt and which candidate each row is; unknown prompts are seen first."""
        prompts = arrow(prompts)
        self.see(prompts.unique().to_pylist())
        return self.table.resolve(prompts, responses)

    def admit(self, found: Resolved, responses: Texts, used: np.ndarray) -> Resolved:
        """Make candidates of the responses of rows `used` that are none; each starts with exp(OUTSIDE) of the mass."""
        strange = np.intersect1d(np.flatnonzero(found.column < 0), used)
        prompts = [found.prompts[code] for code in found.code[strange]]
        further: dict[str, list[str]] = {}
        for prompt, text in zip(prompts, arrow(responses).take(pa.array(strange)).to_pylist(), strict=True):
            further.setdefault(prompt, []).append(text)
        rows, old = self.rows(list(further)), self.table.live
        floor = OUTSIDE + log_total(self.logits(rows))
        self.adopt(self.table.grown(further), self.difficulty, self.private)
        new = self.table.live[rows]
        new[:, : old.shape[1]] &= ~old[rows]
        lift = np.where(new, floor[:, None] - self.logits(rows), 0.0)
        self.private[rows] += lift
        return self.table.resolve(pa.array(found.prompts, pa.string()).take(pa.array(found.code)), responses)

    # ── gradient ───────────────────────────────────────────────────────────────────────────────────────
    def gather(self, rows: np.ndarray, columns: np.ndarray) -> Batch:
        """The distributions of the problems that the rows (b,) and candidates (b,) of a step touch."""
        problems = np.flatnonzero(np.bincount(rows))
        place = np.zeros(len(self.table.facts), int)
        place[problems] = np.arange(len(problems))
        z = self.logits(problems)
        logp = z - log_total(z)[:, None]
        spot = place[rows] * z.shape[1] + columns
        return Batch(problems, np.exp(logp), spot, logp.ravel()[spot])

    def slope(self, batch: Batch, coefficients: np.ndarray) -> dict[str, np.ndarray]:
        """Σ c ∇ log π with respect to the shared numbers, and to the private logits of the batch's problems (t, M)."""
        p, table = batch.p, self.table
        private = np.bincount(batch.spot, weights=coefficients, minlength=p.size).reshape(p.shape)
        private -= private.sum(axis=1, keepdims=True) * p
        right = (private * table.right[batch.problems]).sum(axis=1)
        skill = np.bincount(self.band[batch.problems], weights=right, minlength=len(BANDS))
        style = np.bincount(table.style[batch.problems].ravel(), weights=private.ravel(), minlength=STYLES)
        sharpness = np.exp(self.sharpness) * (private * self._base[batch.problems]).sum()
        return {"sharpness": sharpness, "skill": skill, "style": style, "private": private}

    def arrays(self) -> dict[str, np.ndarray]:
        """The live parameter arrays by name."""
        return {"sharpness": self.sharpness, "skill": self.skill, "style": self.style, "private": self.private}

    def placed(self, other: Weights) -> np.ndarray:
        """Private logits of other weights at the places of this table (P, M); 0 for what they never met."""
        found = np.zeros(self.private.shape)
        for prompt, row in other.table.rows.items():
            here = self.table.rows.get(prompt)
            if here is not None:
                column = {text: i for i, text in enumerate(self.table.facts[here].texts)}
                known = [(column[text], i) for i, text in enumerate(other.table.facts[row].texts) if text in column]
                at, of = np.array(known, int).T
                found[here, at] = other.private[row, of]
        return found

    # ── copies and marks ───────────────────────────────────────────────────────────────────────────────
    def copy(self) -> Weights:
        """The same numbers, independent; the table, which nobody changes in place, is shared."""
        twin = copy(self)
        for name, array in self.arrays().items():
            setattr(twin, name, array.copy())
        return twin

    def added(self) -> dict[str, tuple[str, ...]]:
        """Candidates that came from training data, by prompt."""
        known = zip(self.table.rows, self.table.facts, strict=True)
        return {prompt: f.texts[f.listed :] for prompt, f in known if len(f.texts) > f.listed}

    def digest(self) -> bytes:
        """32 bytes of all parameters; a problem that is as at first sight leaves no trace."""
        mark, prompts, added = blake2b(digest_size=32), list(self.table.rows), self.added()
        for name in SHARED:
            mark.update((self.arrays()[name] + 0.0).tobytes())  # turns -0.0 into 0.0
        moved = self.private.any(axis=1) | (self.difficulty != UNKNOWN_DIFFICULTY)
        for row in sorted(np.flatnonzero(moved).tolist(), key=prompts.__getitem__):
            own = self.private[row, : len(self.table.facts[row].texts)] + 0.0
            mark.update(json.dumps([prompts[row], added.get(prompts[row], ())]).encode())
            mark.update(self.difficulty[row].tobytes() + own.tobytes())
        return mark.digest()
