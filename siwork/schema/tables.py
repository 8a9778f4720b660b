"""The four tables: every column with its type, unit, meaning and whether it may be null."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa


class Column(NamedTuple):
    """One column of a table."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    kept: bool = False  # stands in the table even where every value is null

    @property
    def needed(self) -> bool:
        """Whether the table has to have the column."""
        return self.kept or not self.nullable


TEXT, WHOLE, REAL, TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()

SPLITS = ("train", "heldout", "beyond")
BANDS = (0, 1, 2, 3, 4)  # 0 the hardest
TAIL, MIDDLE, HEAD = (0, 1), (2,), (3, 4)

KEY = ("run", "round", "split", "problem", "sample")

ROWS = (
    Column("run", TEXT, "name of the run"),
    Column("round", WHOLE, "round the completion was sampled in; round 0 is the base policy", low=0),
    Column(
        "split",
        TEXT,
        "train: used by the loop; heldout: never trained on; beyond: harder than trained on",
        choices=SPLITS,
    ),
    Column("problem", TEXT, "stable id of the problem"),
    Column("sample", WHOLE, "index of the completion among those of its problem in the round", low=0),
    Column("task", TEXT, "name of the task"),
    Column("difficulty", REAL, "fixed before any outcome: 0 easy … 1 hard", nullable=True, low=0, high=1),
    Column("band", WHOLE, "fifth of the difficulty: 0 the hardest … 4 the easiest", nullable=True, low=0, high=4),
    Column("prompt", TEXT, "the prompt without any hint"),
    Column("hint", TEXT, "kind of what was added to the prompt, or how else the text came about, or 'none'"),
    Column("turn", WHOLE, "0 first attempt, 1 … revisions", low=0),
    Column("parent", WHOLE, "sample that this one revises (turn ≥ 1), or was made from", nullable=True, low=0),
    Column("agent", TEXT, "who wrote it, where there are several"),
    Column(
        "temperature", REAL, "sampling temperature; null when unknown, as in a log from elsewhere", nullable=True, low=0
    ),
    Column("top_p", REAL, "nucleus mass", low=0, high=1),
    Column("response", TEXT, "the completion"),
    Column("answer", TEXT, "canonical answer read from the completion", nullable=True),
    Column(
        "n_tokens",
        WHOLE,
        "length of the response, the end token counted when finished; null when unknown",
        "tokens",
        nullable=True,
        low=0,
    ),
    Column("finished", TRUTH, "the end token was reached; null when unknown", nullable=True),
    Column("logp", REAL, "log-probability of the whole response at temperature 1", "nats", nullable=True, high=1e-6),
    Column("entropy", REAL, "mean next-token entropy over the response", "nats", nullable=True, low=0),
    Column(
        "base_logp",
        REAL,
        "log-probability of the same response under the round-0 policy",
        "nats",
        nullable=True,
        high=1e-6,
    ),
    Column("verifier", TEXT, "who gave the score, or 'none'"),
    Column("score", REAL, "the verifier's score", nullable=True, low=0, high=1),
    Column("weight", REAL, "how much the update used the row; 0 is rejected or not trained on", low=0),
    Column("pair", WHOLE, "number of the preference pair", nullable=True, low=0),
    Column("side", TEXT, "side in the pair", nullable=True, choices=("chosen", "rejected")),
    Column("gold", TRUTH, "truth; null when unknown", nullable=True),
    Column("steps", TEXT, "each written step as it was executed, in order: 1 right, 0 wrong", nullable=True),
    Column(
        "claimed_error", WHOLE, "place of the first wrong step by the verifier, null for none", nullable=True, low=0
    ),
)

PROBLEMS = (
    Column("problem", TEXT, "stable id of the problem"),
    Column("split", TEXT, "train, heldout or beyond", choices=SPLITS),
    Column("task", TEXT, "name of the task"),
    Column("prompt", TEXT, "the prompt without any hint"),
    Column("difficulty", REAL, "fixed before any outcome: 0 easy … 1 hard", nullable=True, low=0, high=1, kept=True),
    Column(
        "band", WHOLE, "fifth of the difficulty: 0 the hardest … 4 the easiest", nullable=True, low=0, high=4, kept=True
    ),
    Column("answer", TEXT, "canonical form of one right answer", nullable=True),
    Column("n_solutions", WHOLE, "number of different right answers, null when not enumerable", nullable=True, low=0),
)

ROUNDS = (
    Column("run", TEXT, "name of the run"),
    Column("round", WHOLE, "number of the round", low=0),
    Column("recipe", TEXT, "formula of the recipe"),
    Column("policy", TEXT, "fingerprint of the policy that sampled the round"),
    Column("closing", TRUTH, "the last policy is evaluated only; nothing is trained"),
    Column("n_rows", WHOLE, "rows of the round", low=0),
    Column("n_accepted", WHOLE, "train rows with weight > 0", low=0),
    Column("seconds", REAL, "wall time of the round", "s", low=0),
)

METRICS = (
    Column("run", TEXT, "name of the run, or of the group of sibling runs"),
    Column("round", WHOLE, "number of the round", nullable=True, low=0),
    Column("split", TEXT, "train, heldout or beyond", choices=SPLITS),
    Column("metric", TEXT, "name of the metric"),
    Column("value", REAL, "estimate; null when unknown", nullable=True),
    Column("low", REAL, "lower end of the interval", nullable=True),
    Column("high", REAL, "upper end of the interval", nullable=True),
    Column("n", WHOLE, "number of independent units behind the value (problems, or runs)", low=0),
    Column("unit", TEXT, "unit of the value, empty for a pure number"),
    Column("method", TEXT, "estimator and interval, or the reason why the value is unknown"),
)

TABLES = {"rows": ROWS, "problems": PROBLEMS, "rounds": ROUNDS, "metrics": METRICS}

REMEDY = {
    "gold": "task.check(rows), or gold= of a reader",
    "score": "a recipe with a verifier, or score= of a reader",
    "logp": "rows sampled by siwork have it; imported rows need their log-probabilities logged",
    "base_logp": "rows sampled by siwork have it",
    "answer": "task.answers(rows), or answer= of a reader",
    "band": "task.problems(...) has it, or pass bands of a separate probe",
    "difficulty": "task.problems(...) has it",
    "steps": "a task that executes steps adds it",
    "sample": "number the completions of each problem from 0",
}


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The pyarrow schema of a table; unit and meaning travel as field metadata."""
    return pa.schema([pa.field(c.name, c.type, c.nullable, {"unit": c.unit, "meaning": c.meaning}) for c in columns])
