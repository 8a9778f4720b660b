"""What the verifier says of training samples and which of them are kept, as series over rounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from siwork.metrics.calibration import ece, mass_edges
from siwork.metrics.catalogue.kinds import FEW
from siwork.metrics.limits import divide
from siwork.metrics.study import BINS
from siwork.schema import BANDS, TAIL
from siwork.simulation.play import Trace
from siwork.simulation.series import Mean, Share
from siwork.simulation.truths import Verdicts
from siwork.simulation.world import World


def judged(world: World, trace: Trace, exact: Verdicts) -> Iterator[Mean | Share]:
    """Scores against the truth."""
    right = trace.counts[:-1, : world.right, : world.train].sum(axis=1, dtype=np.int64)
    solved, each = exact.seen.solved, "mean of a problem's samples"
    yield Mean("mean_gold", right / world.k, each, solved.mean(axis=1))
    if world.verifier == "none":
        return
    yield Mean("mean_score", trace.mean, each, exact.score().mean(axis=1))
    hit = trace.passed[:, : world.right].sum(axis=1, dtype=np.int64)
    false = trace.passed[:, world.right :].sum(axis=1, dtype=np.int64)
    a, b = solved * exact.passes.right, exact.seen.wrong * exact.passes.wrong
    for name, part, whole, how, truth in (
        ("precision", hit, hit + false, "right / accepted", _over(a, a + b)),
        ("recall", hit, right, "accepted / right", _over(a, solved)),
        ("false_positive_rate", false, world.k - right, "accepted / wrong", _over(b, exact.seen.wrong)),
        ("false_negative_rate", right - hit, right, "rejected / right", _over(solved - a, solved)),
    ):
        yield Share(name, part, whole, f"{how}, accepted is score ≥ 0.5", truth, f"is {how.partition(' / ')[2]}")
    yield from _selection_cost(world, trace, exact)


def _selection_cost(world: World, trace: Trace, exact: Verdicts) -> Iterator[Mean]:
    """How far the best of k lies from the policy, in answers; of verdicts only."""
    lift = exact.lift()
    if lift is None:
        return
    right, wrong = (np.log(np.where(x > 0, x, 1.0)) for x in lift)
    kept = trace.kept[:, : world.right].sum(axis=1), trace.kept[:, world.right :].sum(axis=1)
    truth = exact.seen.solved * lift.right * right + exact.seen.wrong * lift.wrong * wrong
    how = "k1: mean of log(chance as the best of k / chance as a sample), unbiased"
    yield Mean("kl_selected", kept[0] * right + kept[1] * wrong, how, truth.mean(axis=1), np.inf, FEW, world.k)


def accepted(world: World, trace: Trace, exact: Verdicts) -> Iterator[Mean | Share]:
    """Where the training data come from."""
    rows, kept = trace.kept.sum(axis=1, dtype=np.int64), exact.kept()
    right = trace.kept[:, : world.right].sum(axis=1, dtype=np.int64)
    every, band = np.full(rows.shape, world.k), trace.ground.band[: world.train]
    yield Share("accept_rate", rows, every, "rows with weight > 0 / rows", kept.mean(axis=1) / world.k, "is there")
    yield Share("kept_precision", right, rows, "right / kept", _over(exact.kept_right(), kept), "has weight > 0")
    places: list[tuple[int | None, np.ndarray]] = [(b, band == b) for b in BANDS]
    tail = (None, np.isin(band, TAIL))
    for b, here in [*places, tail]:
        name = "tail_share" if b is None else "accepted_share"
        how = f"weight in {'bands 0, 1' if b is None else 'the band'} / weight"
        yield Share(name, rows * here, rows, how, _over(kept * here, kept), "has weight > 0", b)
    for b, here in places:
        x, how = here[None].astype(float), "problems of the band / problems"
        yield Mean("problem_share", x, how, np.full(world.rounds, here.mean()), band=b)
    served, touched = (rows > 0).astype(float), exact.touched()
    for b, here in [*places, tail]:
        name = "tail_coverage" if b is None else "accepted_coverage"
        how = "problems with a row of weight > 0" + (", bands 0, 1" if b is None else "")
        truth = divide(touched[:, here].sum(axis=1), np.array(here.sum()))
        yield Mean(name, np.where(here, served, np.nan), how, truth, band=b, lacking="a place in the band")


def _over(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Ratio of the sums over problems (rounds,), NaN where nothing is expected or nothing known."""
    return divide(part.sum(axis=1), whole.sum(axis=1))


def errors_of(world: World, trace: Trace) -> np.ndarray:
    """`ece` of each round (rounds,), with the bins of `measure`; NaN without a verifier."""
    right = trace.counts[:-1, : world.right, : world.train].sum(axis=(1, 2), dtype=np.int64)
    if world.verifier == "none":
        return np.full(world.rounds, np.nan)
    if trace.score is None or trace.place is None:  # two scores, 0 and 1: the gap of a bin is what is wrong in it
        hit = trace.passed[:, : world.right].sum(axis=(1, 2), dtype=np.int64)
        false = trace.passed[:, world.right :].sum(axis=(1, 2), dtype=np.int64)
        return np.asarray((right - hit + false) / (world.k * world.train))
    gold = (trace.place < world.right).astype(float).reshape(world.rounds, -1)
    score = trace.score.reshape(world.rounds, -1)
    many = next((s for s in score if len(np.unique(s)) > BINS), None)  # the first round with many scores sets the bins
    edges = None if many is None else mass_edges(many, BINS)
    return np.array([ece(s, y, BINS, edges=edges) for s, y in zip(score, gold, strict=True)])
