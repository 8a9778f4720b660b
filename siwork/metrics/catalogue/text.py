"""Diversity and repetition of the responses themselves, on a fixed sample of texts cut to one length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from siwork.metrics.catalogue.kinds import POSITIVE, SHARE, Estimate, Metric, PerProblem, Whole, unknown
from siwork.metrics.collapse import diversity_simctg, rep_n, repeated_lines
from siwork.metrics.diversity import (
    compression_ratio,
    distinct_equations,
    distinct_n,
    embedding_name,
    mattr,
    mean_cosine_distance,
    mtld,
    pairwise_bleu,
    self_bleu,
    self_repetition,
    vendi_score,
)
from siwork.metrics.diversity.embeddings import cross_of, problem_sums
from siwork.metrics.intervals import student_t
from siwork.metrics.study import Study
from siwork.metrics.texts import Sampled
from siwork.metrics.tokens import Tokens
from siwork.metrics.uncertainty import jackknife_groups

POOL = 1024  # texts of a pool over problems
BYTES = 65_536  # of a pool that is compressed
JACKKNIFE = 20  # groups of problems
FEWEST, MANY = 40, 100  # problems that its interval needs, where it holds soon and where late
_TEXTS = ("response",)
_READS = ("sample", "round")  # which rows come first


def _sampled(
    study: Study, value: np.ndarray, how: str, span: Any, lacking: str, notes: Sequence[str] | None = None
) -> PerProblem:
    """A mean over the sampled problems."""
    texts = study.texts
    among = texts.short.copy()
    among[texts.problem[1]] = True
    which = _which(study, among)
    notes = which if notes is None else [f"{note}, {each}" for note, each in zip(notes, which, strict=True)]
    how = f"{how}, first {{k}} responses of a problem"
    return PerProblem(
        texts.spread(value), how, span, lacking, texts.draws, texts.short, among=among, drawn="samples", notes=notes
    )


def _which(study: Study, among: np.ndarray) -> list[str]:
    cells = study.cells
    chosen, every = cells.by_group(among), cells.by_group(cells.count(cells.plain) > 0)
    return [
        "every problem" if some == all_ else f"a fixed sample of {some} problems"
        for some, all_ in zip(chosen.tolist(), every.tolist(), strict=True)
    ]


def _tokens(study: Study) -> Tokens:
    """The sampled responses cut to the common length of their group."""
    lengths = np.array([each.length for each in study.common])
    return study.texts.cut(lengths)


def _cut_words(study: Study) -> list[str]:
    return [f"cut to {each.length} tokens" for each in study.common]


def within(function: Callable[[Tokens, np.ndarray], np.ndarray], how: str) -> Callable[[Study], PerProblem]:
    """A metric of the tokens of one problem's responses: (tokens, problem) → (problems,)."""

    def make(study: Study) -> PerProblem:
        value = function(_tokens(study), study.texts.problem[0])
        return _sampled(study, value, how, SHARE, "responses that are long enough", _cut_words(study))

    return make


def of_each(function: Callable[[Sampled], np.ndarray], how: str, span: Any = SHARE) -> Callable[[Study], PerProblem]:
    """Mean of a value of each response: texts → (texts,), NaN leaves."""

    def make(study: Study) -> PerProblem:
        value, code = function(study.texts), study.texts.problem[0]
        known, size = ~np.isnan(value), len(study.texts.problem[1])
        sums, n = np.bincount(code[known], value[known], size), np.bincount(code[known], minlength=size)
        mean = np.divide(sums, n, out=np.full(size, np.nan), where=n > 0)
        made = _sampled(study, mean, how, span, "responses that are long enough")
        lost = np.bincount(study.texts.group[~known], minlength=study.cells.groups)
        return made._replace(lost=lost, out="responses too short for it left out")

    return make


def embedded(function: Callable[[np.ndarray, np.ndarray], np.ndarray], most: str) -> Callable[[Study], PerProblem]:
    """A metric of the embeddings of one problem's responses: (features, problem) → (problems,)."""

    def make(study: Study) -> PerProblem:
        texts = study.texts
        value = function(texts.features(study.embed), texts.problem[0])
        span = (1.0, texts.draws.astype(float)) if most == "k" else (0.0, 2.0)
        return _sampled(study, value, f"embedding: {embedding_name(study.embed)}", span, "responses with a direction")

    return make


def pooled(
    function: Callable[[Study, np.ndarray], float], how: str, fewest: int | None = FEWEST
) -> Callable[[Study], Whole]:
    """A metric of one pool of texts over problems, (study, places of texts) → float, with a jackknife over problems.

    fewest : problems that the interval needs; None where the jackknife does not hold
    """

    def make(study: Study) -> Whole:
        return Whole([_pool(study, g, function, how, fewest) for g in range(study.cells.groups)])

    return make


def pool_of(study: Study, g: int) -> tuple[np.ndarray, int]:
    """Texts of group g that make its pool, in a fixed mixed order, and how many there are of each problem."""
    texts, here = study.texts, study.texts.of_group(g)
    places = np.arange(here.start, here.stop)
    problems = len(np.unique(texts.unit[here]))
    each = max(1, min(int(texts.draws[g]), POOL // max(problems, 1)))
    places = places[texts.nth[here] < each]
    return places[np.argsort(texts.shuffle[places], kind="stable")], each


def _pool(
    study: Study, g: int, function: Callable[[Study, np.ndarray], float], how: str, fewest: int | None
) -> Estimate:
    places, each = pool_of(study, g)
    words = f"{how}, {len(places)} responses ({each} a problem)"
    return _jackknifed(study, places, function, words, fewest)


def _jackknifed(
    study: Study,
    places: np.ndarray,
    function: Callable[[Study, np.ndarray], float],
    words: str,
    fewest: int | None,
) -> Estimate:
    problem = study.texts.unit[places]
    n = len(np.unique(problem))
    if not n:
        return unknown("no response was read")
    value = function(study, places)
    if np.isnan(value):
        return unknown(f"{words}: too little text", n)
    if fewest is None:
        return Estimate(value, np.nan, np.nan, n, f"{words}; its jackknife does not hold, so no interval")
    if n < fewest:
        return Estimate(value, np.nan, np.nan, n, f"{words}; fewer than {fewest} problems, so no interval")
    error = jackknife_groups(lambda keep: function(study, places[keep]), problem, JACKKNIFE)
    half = float(student_t(np.array([JACKKNIFE]), study.level)[0]) * error
    return Estimate(value, value - half, value + half, n, f"{words}; delete-group jackknife over problems")


def _compression(study: Study) -> Whole:
    """The bytes that every round has, at most two windows of gzip, of the texts of the pool in their mixed order."""

    def one(g: int) -> Estimate:
        places, each = pool_of(study, g)
        size = study.common[g].size
        budget = min(size[each - 1] if len(size) >= each else BYTES, BYTES)
        if len(places) and budget < 1000:
            return unknown(f"{budget} bytes of text in the shortest round: the frame of gzip weighs in below 1000")
        reach = np.cumsum(study.texts.size[places])
        places = places[: np.searchsorted(reach, budget) + 1]  # the last one is cut
        words = f"gzip level 9 of {budget} bytes"
        return _jackknifed(
            study, places, lambda s, i: compression_ratio([s.texts.text[j] for j in i], budget=budget), words, MANY
        )

    return Whole([one(g) for g in range(study.cells.groups)])


def _equations(study: Study) -> PerProblem:
    texts = study.texts
    value = distinct_equations(texts.text, texts.problem[0])
    return _sampled(study, value, "unique / all equations", SHARE, "an equation")


def _cross(study: Study) -> Whole:
    """Mean distance of responses to different problems, from the sums of each problem, which the jackknife leaves out."""

    def one(g: int) -> Estimate:
        places, each = pool_of(study, g)
        words = f"mean cosine distance of responses to different problems, {len(places)} responses ({each} a problem)"
        code = np.full(len(study.texts.unit), -1)
        code[places] = np.unique(study.texts.unit[places], return_inverse=True)[1]
        sums, size = problem_sums(study.texts.features(study.embed)[places], code[places])

        def left(_: Study, kept: np.ndarray) -> float:
            held = np.bincount(code[kept], minlength=len(size)) > 0
            return cross_of(sums[held], size[held])

        return _jackknifed(study, places, left, words, FEWEST)

    return Whole([one(g) for g in range(study.cells.groups)])


def _metric(make: Callable[[Study], Any], meaning: str, unit: str = "", span: Any = SHARE) -> Metric:
    return Metric(_TEXTS, make, meaning, unit, span, _READS)


METRICS: dict[str, Metric] = {
    "vendi": _metric(
        embedded(lambda x, p: vendi_score(x, problem=p), "k"),
        "effective number of different responses ↑",
        "responses",
        POSITIVE,
    ),
    "cosine_distance": _metric(
        embedded(lambda x, p: mean_cosine_distance(x, problem=p), "2"), "how far responses lie apart ↑", "", (0.0, 2.0)
    ),
    "cross_distance": _metric(
        _cross,
        "how far responses to different problems lie apart: falls in template collapse ↑",
        "",
        (0.0, 2.0),
    ),
    "self_bleu": _metric(
        within(lambda t, p: self_bleu(t, problem=p), "self-BLEU-4"), "likeness to the other responses ↓"
    ),
    "pairwise_bleu": _metric(
        within(lambda t, p: pairwise_bleu(t, problem=p), "mean BLEU-4 of pairs"), "likeness of two responses ↓"
    ),
    "distinct_2": _metric(
        within(lambda t, p: distinct_n(t, 2, problem=p), "distinct-2"), "different bigrams / bigrams ↑"
    ),
    "distinct_equations": _metric(_equations, "different equations / equations ↑"),
    "compression_ratio": _metric(_compression, "redundancy of all texts, bytes / compressed bytes ↓", "", POSITIVE),
    "distinct_2_pool": _metric(
        pooled(lambda s, i: float(distinct_n(_tokens(s).take(i), 2)), "distinct-2 of one pool"),
        "different bigrams / bigrams over problems ↑",
    ),
    "self_bleu_pool": _metric(
        pooled(lambda s, i: float(self_bleu(_tokens(s).take(i))), "self-BLEU-4 of one pool"),
        "likeness to responses to other problems ↓",
    ),
    "self_repetition": _metric(
        pooled(lambda s, i: float(self_repetition(_tokens(s).take(i))), "4-grams shared with other texts", None),
        "4-grams that other texts repeat ↓",
        "",
        POSITIVE,
    ),
    "mtld": _metric(
        pooled(lambda s, i: float(mtld(_tokens(s).take(i).ids)), "texts of one pool in a row", None),
        "length that keeps a type-token ratio ↑",
        "tokens",
        POSITIVE,
    ),
    "mattr": _metric(
        pooled(lambda s, i: float(mattr(_tokens(s).take(i).ids)), "windows of 50 tokens of one pool"),
        "types in a window / its length ↑",
    ),
    "rep_4": _metric(
        of_each(lambda texts: rep_n(texts.tokens, 4), "1 − different / all 4-grams of a response"),
        "4-grams repeated within a response ↓",
    ),
    "degenerate_rate": _metric(
        of_each(lambda texts: _degenerate(rep_n(texts.tokens, 4)), "responses with rep-4 above one half"),
        "responses that repeat themselves ↓",
    ),
    "simctg_diversity": _metric(
        of_each(lambda texts: diversity_simctg(texts.tokens), "Π (1 − rep-n), n = 2, 3, 4"), "freedom from repetition ↑"
    ),
    "repeated_lines": _metric(
        of_each(lambda texts: repeated_lines(texts.text), "lines that stood in the response before / lines"),
        "steps written twice ↓",
    ),
}


def _degenerate(rep: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(rep), np.nan, (rep > 0.5).astype(float))
