"""Every metric of the catalogue again, slowly: loops over rows that are dictionaries, without any code of siwork.metrics.

`slow_table(rows, names)` gives {(run, round, split, metric, band): (value, n)}; an unknown value is None.
"""

import gzip
import math
import re
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations, pairwise, product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

UNKNOWN = (None, 0)


class Group(NamedTuple):
    """Rows that are measured together, and the common ground of its run and split."""

    rows: list[dict[str, Any]]
    k: int
    length: int  # tokens that texts are cut to
    budgets: list[int]  # bytes of the first 1, 2, … samples a problem in the shortest round
    edges: list[float] | None  # inner edges of score bins; None is one bin a value
    embed: Any
    first: Any = None  # rows of the first round that these compare with; None where rounds are not told apart

    @property
    def problems(self):
        return by_problem(self.rows)


def by_problem(rows):
    found = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["problem"]):
        found[row["problem"]].append(row)
    return dict(found)


def is_plain(row):
    return row["hint"] == "none" and row["turn"] == 0


def plain(g):
    return [row for row in g.rows if is_plain(row)]


def known(rows, *names):
    return [row for row in rows if all(row[name] is not None for name in names)]


def average(values):
    """The mean over those that have a value, and how many have one."""
    found = [value for value in values if value is not None]
    return (sum(found) / len(found), len(found)) if found else UNKNOWN


def mean(values):
    return average(values)[0]


def ratio(pairs):
    """Σ part / Σ whole of (part, whole) a problem, and the problems that have a whole."""
    total = sum(whole for _, whole in pairs)
    n = sum(whole > 0 for _, whole in pairs)
    return (sum(part for part, _ in pairs) / total, n) if total > 0 else UNKNOWN


def share(g, among, of):
    """Share of the rows that are `of` among those that are `among`, pooled."""
    rows = [[row for row in own if among(row)] for own in g.problems.values()]
    return ratio([(sum(bool(of(row)) for row in own), len(own)) for own in rows])


def problem_means(rows, value):
    """Mean over problems of the mean of a problem's rows; a row without a value leaves."""
    return average([mean([value(row) for row in own]) for own in by_problem(rows).values()])


# ── performance ───────────────────────────────────────────────────────────────────────────────────────────────


def over_draws(rows, k, value, leaves=lambda own: False, asks=lambda own: True):
    """Mean over problems of the mean of `value` over every draw of k rows; unknown where a problem has fewer."""
    found = []
    for own in by_problem(rows).values():
        if len(own) < k and asks(own):
            return UNKNOWN
        found.append(None if leaves(own) or len(own) < k else mean([value(draw) for draw in combinations(own, k)]))
    return average(found)


def golds(draw):
    return [row["gold"] for row in draw]


def pass_(g, k):
    return over_draws(known(plain(g), "gold"), k, lambda draw: float(any(golds(draw))))


def pass_hat(g, k):
    return over_draws(known(plain(g), "gold"), k, lambda draw: float(all(golds(draw))))


def spread(g, k):
    return over_draws(known(plain(g), "gold"), k, lambda draw: any(golds(draw)) - sum(golds(draw)) / k)


def informative(g, k):
    return over_draws(known(plain(g), "gold"), k, lambda draw: float(len(set(golds(draw))) == 2))


def at_least(g, k, s):
    return over_draws(known(plain(g), "gold"), k, lambda draw: float(sum(golds(draw)) >= s))


def tops(votes):
    """The commonest of the votes, those of None left out."""
    counts = Counter(vote for vote in votes if vote is not None)
    return {vote for vote, times in counts.items() if times == max(counts.values())}


def right_answers(rows):
    return {row["answer"] for row in rows if row["gold"] and row["answer"] is not None}


def won(votes, right):
    top = tops(votes)
    return len(top & right) / len(top) if top else 0.0


def maj(g, k):
    rows = known(plain(g), "gold")
    right = {problem: right_answers(own) for problem, own in by_problem(rows).items()}
    return over_draws(
        rows,
        k,
        lambda draw: won([row["answer"] for row in draw], right[draw[0]["problem"]]),
        leaves=lambda own: any(golds(own)) and not right[own[0]["problem"]],
    )


def rank(row):
    return -math.inf if row["score"] is None else row["score"]


def best(g, k):
    def value(draw):
        top = max(map(rank, draw))
        return mean([float(row["gold"]) for row in draw if rank(row) == top])

    return over_draws(known(plain(g), "gold"), k, value)


OF_K = {"pass@": pass_, "pass^": pass_hat, "spread@": spread, "informative@": informative, "maj@": maj, "best@": best}


def unparsed_rate(g):
    rows = plain(g)
    if any(row["gold"] for row in rows) and all(row["answer"] is None for row in rows):
        return UNKNOWN
    return problem_means(rows, lambda row: float(row["answer"] is None))


# ── diversity of answers ──────────────────────────────────────────────────────────────────────────────────────


def answers(rows):
    return [row["answer"] for row in rows if row["answer"] is not None]


def right_but_which(own):
    return any(row["gold"] and row["answer"] is None for row in own)


def distinct_correct(g):
    return over_draws(known(plain(g), "gold"), g.k, lambda draw: float(len(right_answers(draw))), right_but_which)


def solution_coverage(g):
    def number(own):
        found = [row["n_solutions"] for row in own if row["n_solutions"]]
        return found[0] if found and found[0] >= len(right_answers(own)) else None

    return over_draws(
        known(plain(g), "gold"),
        g.k,
        lambda draw: len(right_answers(draw)) / number(draw),
        leaves=lambda own: number(own) is None or right_but_which(own),
        asks=lambda own: number(own) is not None,
    )


def distinct_answers(g):
    return over_draws(plain(g), g.k, lambda draw: float(len(set(answers(draw)))), lambda own: not answers(own))


def per_answers(g, value, least=1):
    """Mean over problems of a value of its readable answers, those with fewer than `least` left out."""
    lists = [answers(own) for own in by_problem(plain(g)).values()]
    return average([value(own) if len(own) >= least else None for own in lists])


def entropy_of(draw):
    shares = [times / len(draw) for times in Counter(draw).values()]
    return -sum(p * math.log(p) for p in shares) + (len(shares) - 1) / (2 * len(draw))


def answer_entropy(g):
    half = max((g.k + 1) // 2, 2)
    return per_answers(g, lambda own: mean([entropy_of(draw) for draw in combinations(own, half)]), half)


def gini_simpson(g):
    return per_answers(g, lambda own: mean([float(a != b) for a, b in combinations(own, 2)]), 2)


def right_variety(g):
    def value(own):
        pairs = [a["answer"] != b["answer"] for a, b in combinations([row for row in own if row["gold"]], 2)]
        return mean(map(float, pairs)) if pairs and not right_but_which(own) else None

    return average([value(own) for own in by_problem(plain(g)).values()])


def support_kept(g):
    """Every answer of the first round asked for among every draw of this one; in the first round, among the others."""
    m, now = max(1, g.k // 2), by_problem(plain(g))
    then = {} if g.first is None else by_problem([row for row in g.first if is_plain(row)])

    def value(problem):
        asked, here = answers(then[problem]), answers(now[problem])
        if len(asked) <= m or len(here) < m:
            return None
        pools = [here[:i] + here[i + 1 :] if g.rows is g.first else here for i in range(len(asked))]
        return mean([float(a in draw) for a, own in zip(asked, pools, strict=True) for draw in combinations(own, m)])

    return average([value(problem) for problem in now if problem in then])


def seen(own, times):
    return sum(count == times for count in Counter(own).values())


def chao1(g):
    return per_answers(g, lambda own: len(set(own)) + seen(own, 1) * (seen(own, 1) - 1) / (2 * (seen(own, 2) + 1)))


def answer_coverage(g):
    def value(own):
        n, once, twice = len(own), seen(own, 1), seen(own, 2)
        if n == 1 or not once:
            return 1.0
        if twice:
            return 1 - once / n * ((n - 1) * once / ((n - 1) * once + 2 * twice))
        return 1 - once / n * ((n - 1) * (once - 1) / ((n - 1) * (once - 1) + 2))

    return per_answers(g, value)


def mode_share(g):
    top = [tops(answers(own)) for own in by_problem(plain(g)).values() if answers(own)]
    votes = Counter()
    for own in top:
        for answer in own:
            votes[answer] += Fraction(1, len(own))
    return (float(max(votes.values()) / len(top)), len(top)) if top else UNKNOWN


def agent_disagreement(g):
    def value(own):
        pairs = [(a["agent"] == b["agent"], a["answer"] != b["answer"]) for a, b in combinations(own, 2)]
        same = mean([float(differ) for together, differ in pairs if together])
        across = mean([float(differ) for together, differ in pairs if not together])
        return None if same is None or across is None else across - same

    return average([value(known(own, "answer")) for own in by_problem(plain(g)).values()])


# ── diversity of texts ────────────────────────────────────────────────────────────────────────────────────────


def drawn(g):
    """The first min(k, 16) responses of each problem, and whether a problem has fewer."""
    draws, texts, short = min(g.k, 16), {}, False
    for problem, own in by_problem(plain(g)).items():
        own = sorted(own, key=lambda row: (row["sample"], row["round"]))
        short |= len(own) < draws
        if len(own) >= draws:
            texts[problem] = [row["response"] for row in own[:draws]]
    return texts, short


def split_words(text):
    return re.findall(r"\w+|[^\w\s]", text)


def per_text(value):
    """Mean over problems of the mean over its responses."""

    def metric(g):
        texts, short = drawn(g)
        return UNKNOWN if short else average([mean([value(text) for text in own]) for own in texts.values()])

    return metric


def per_problem_texts(value):
    """Mean over problems of a value of its responses, as words cut to the common length."""

    def metric(g):
        texts, short = drawn(g)
        found = [value([split_words(text)[: g.length] for text in own]) for own in texts.values()]
        return UNKNOWN if short else average(found)

    return metric


def of_vectors(value):
    def metric(g):
        texts, short = drawn(g)
        return UNKNOWN if short else average([value(vectors(g, own)) for own in texts.values()])

    return metric


def vectors(g, texts):
    rows = np.asarray(g.embed(list(texts)), float)
    return [row / np.linalg.norm(row) for row in rows if np.linalg.norm(row) > 0]


def vendi(rows):
    if not rows:
        return None
    share = np.linalg.eigvalsh(np.array([[a @ b for a in rows] for b in rows]) / len(rows))
    share = [x for x in share if x > 1e-10]
    return math.exp(-sum(x / sum(share) * math.log(x / sum(share)) for x in share))


def cosine_distance(rows):
    return mean([1 - float(a @ b) for a, b in combinations(rows, 2)])


def cross_distance(g):
    texts, _ = drawn(g)
    rows = {problem: vectors(g, own) for problem, own in texts.items()}
    value = mean([1 - float(a @ b) for p, q in combinations(rows, 2) for a in rows[p] for b in rows[q]])
    return value, len(texts)


def grams(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def counted(text):
    """Length of a text and the counts of its n-grams, n = 1..4."""
    return len(text), [Counter(grams(text, n)) for n in (1, 2, 3, 4)]


def bleu(text, references):
    """nltk's sentence_bleu with method1 smoothing, of counted texts."""
    size, counts = text
    if not size:
        return 0.0
    closest = min((length for length, _ in references), key=lambda length: (abs(length - size), length))
    logs = []
    for n in range(4):
        match = sum(min(times, max(other[n][gram] for _, other in references)) for gram, times in counts[n].items())
        if n == 0 and not match:
            return 0.0
        logs.append(math.log((match or 0.1) / max(sum(counts[n].values()), 1)))
    brevity = 1.0 if size > closest else math.exp(1 - closest / size)
    return brevity * math.exp(sum(logs) / 4)


def self_bleu(texts):
    texts = [counted(text) for text in texts]
    return mean([bleu(text, texts[:i] + texts[i + 1 :]) for i, text in enumerate(texts)]) if len(texts) > 1 else None


def pairwise_bleu(texts):
    texts = [counted(text) for text in texts]
    return mean([bleu(a, [b]) for i, a in enumerate(texts) for j, b in enumerate(texts) if i != j])


def distinct_2(texts):
    found = [gram for text in texts for gram in grams(text, 2)]
    return len(set(found)) / len(found) if found else None


def equations(text):
    marks = r"<<([^<>]+)>>|\$\$([^$]+)\$\$|\$([^$\n]+)\$"
    found = ["".join("".join(groups).split()) for groups in re.findall(marks, text)]
    return [equation for equation in found if equation]


def distinct_equations(g):
    texts, short = drawn(g)
    found = [[equation for text in own for equation in equations(text)] for own in texts.values()]
    return UNKNOWN if short else average([len(set(own)) / len(own) if own else None for own in found])


def pool(g):
    """The responses of all problems in their mixed order, as (problem, text)."""
    texts, _ = drawn(g)
    found = []
    for problem, own in texts.items():
        name = pd.util.hash_array(np.array([problem], object))
        for nth, text in enumerate(own):
            found.append((int(pd.util.hash_array(name ^ np.uint64(nth))[0]), problem, text))
    return [(problem, text) for _, problem, text in sorted(found)]


def of_pool(value):
    def metric(g):
        found = pool(g)
        return value([split_words(text)[: g.length] for _, text in found]) if found else None, len(dict(found))

    return metric


def self_repetition(texts):
    sets = [set(grams(text, 4)) for text in texts]
    shared = [sum(sum(gram in other for other in sets) - 1 for gram in own) for own in sets]
    return mean([math.log(1 + times) for times in shared])


def in_a_row(texts):
    return [word for text in texts for word in text]


def mattr(texts):
    words = in_a_row(texts)
    width = min(50, len(words))
    windows = [words[i : i + width] for i in range(len(words) - width + 1)] if words else []
    return mean([len(set(window)) / width for window in windows])


def mtld(texts):
    words = in_a_row(texts)
    if len(set(words)) == len(words):
        return None
    return (len(words) / factors(words) + len(words) / factors(words[::-1])) / 2


def factors(words):
    """Runs of at least ten words whose type-token ratio fell below 0.72, and the part of the last one."""
    found, start = 0.0, 0
    for stop in range(1, len(words)):
        run = words[start:stop]
        if len(run) >= 10 and len(set(run)) / len(run) < 0.72:
            found, start = found + 1, stop
    run = words[start:]
    return found + (1 - len(set(run)) / len(run)) / (1 - 0.72)


def compression_ratio(g):
    found = pool(g)
    if not found:
        return None, 0
    budget = min(g.budgets[min(g.k, 16) - 1], 65_536)
    size, texts = 0, []
    for problem, text in found:
        texts.append((problem, text))
        size += len(text.encode()) + 1
        if size >= budget:
            break
    if budget < 1000:
        return None, 0
    data = "\n".join(text for _, text in texts).encode()[:budget]
    n = len({problem for problem, _ in texts})
    return (len(data) / len(gzip.compress(data, 9, mtime=0)) if data.strip(b"\n") else None), n


def rep(words, n):
    found = grams(words, n)
    return 1 - len(set(found)) / len(found) if found else None


def simctg(words):
    if len(words) < 4:
        return None
    return math.prod(1 - rep(words, n) for n in (2, 3, 4))


def repeated_lines(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return sum(line in lines[:i] for i, line in enumerate(lines)) / len(lines) if lines else None


def degenerate(text):
    value = rep(split_words(text), 4)
    return None if value is None else float(value > 0.5)


# ── tail ──────────────────────────────────────────────────────────────────────────────────────────────────────


def kept(row):
    return row["weight"] > 0


def accepted_share(g):
    def pairs(band):
        banded = [known(own, "band") for own in g.problems.values()]
        return [
            (sum(row["weight"] for row in own if row["band"] == band), sum(row["weight"] for row in own))
            for own in banded
        ]

    return [ratio(pairs(band)) for band in range(5)]


def bands_of(own):
    return {row["band"] for row in own if row["band"] is not None}


def problem_share(g):
    each = [bands_of(own) for own in g.problems.values()]
    return [average([float(band in own) if own else None for own in each]) for band in range(5)]


def in_bands(value):
    def metric(g):
        return [average([value(own) for own in g.problems.values() if band in bands_of(own)]) for band in range(5)]

    return metric


def solve_rate(own):
    return mean([float(row["gold"]) for row in own if is_plain(row) and row["gold"] is not None])


def tail_share(g):
    banded = [known(own, "band") for own in g.problems.values()]
    weights = [[(row["weight"], row["band"] in (0, 1)) for row in own] for own in banded]
    return ratio([(sum(w for w, tail in own if tail), sum(w for w, _ in own)) for own in weights])


def of_tail(value):
    return lambda g: average([value(own) for own in g.problems.values() if bands_of(own) & {0, 1}])


def samples_per_success(g):
    def cost(band):
        rows = [row for row in known(plain(g), "gold") if row["band"] == band]
        right = sum(golds(rows))
        return (len(rows) / right, len(by_problem(rows))) if right else UNKNOWN

    return [cost(band) for band in range(5)]


def accepted(g):
    return [sum(kept(row) for row in own) for own in g.problems.values()]


def of_accepted(value):
    def metric(g):
        x = accepted(g)
        return (value(x) if sum(x) else None), len(x)

    return metric


def gini(x):
    return sum(abs(a - b) for a, b in product(x, x)) / (2 * len(x) * sum(x))


def top_fifth(x):
    top = math.ceil(Fraction(len(x), 5))
    return sum(sorted(x, reverse=True)[:top]) / sum(x)


def kl_from_uniform(x):
    w = [a / sum(x) for a in x if a]
    return math.log(len(x)) + sum(p * math.log(p) for p in w)


def gini_floor(g):
    """Mean Gini had the accepted rows fallen on the rows at random."""
    tries, total = [len(own) for own in g.problems.values()], sum(accepted(g))
    if not total:
        return None, 0
    n, apart = sum(tries), Fraction(0)
    for a, b in combinations(tries, 2):
        for x, y in product(range(a + 1), range(b + 1)):
            if 0 <= total - x - y <= n - a - b:
                ways = math.comb(a, x) * math.comb(b, y) * math.comb(n - a - b, total - x - y)
                apart += Fraction(abs(x - y) * ways, math.comb(n, total))
    return float(apart / (len(tries) * total)), len(tries)


def log_head_tail(g):
    head = sum(row["weight"] for row in g.rows if row["band"] in (3, 4))
    tail = sum(row["weight"] for row in g.rows if row["band"] in (0, 1))
    return (math.log((head + 0.5) / (tail + 0.5)) if head + tail else None), len(g.problems)


def balance_score(g):
    def value(own):
        own = [row for row in own if kept(row) and row["gold"] is not None]
        if not own or right_but_which(own):
            return None
        different = len(right_answers(own))
        return min(different / 8, 1) * different / len(own)

    return average([value(own) for own in g.problems.values()])


def accepted_reach(g):
    return over_draws(g.rows, g.k, lambda draw: float(any(map(kept, draw))))


# ── verifier ──────────────────────────────────────────────────────────────────────────────────────────────────


def accepts(row):
    return row["score"] is not None and row["score"] >= 0.5


def of_scored(among, of):
    """`share` of the rows of a group with any score; without one there was no verifier."""

    def make(g):
        scored = any(row["score"] is not None for row in g.rows)
        return share(g, lambda row: scored and among(row), of)

    return make


def judged(row):
    return row["gold"] is not None


def gap(g, chosen=lambda row: True):
    rows = [row for row in known(g.rows, "score", "gold") if chosen(row)]
    return problem_means(rows, lambda row: row["score"] - row["gold"])


def both(g):
    return known(g.rows, "score", "gold")


def pooled(value):
    """A value of all rows with score and gold."""

    def metric(g):
        return value(both(g)), len(by_problem(both(g)))

    return metric


def concordance(rows):
    """Pairs of a right and a wrong row that the score ranks right, ties one half; and all pairs."""
    pairs = [(a["score"], b["score"]) for a in rows for b in rows if a["gold"] and not b["gold"]]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs), len(pairs)


def auroc(rows):
    good, pairs = concordance(rows)
    return good / pairs if pairs else None


def auroc_within(g):
    return ratio([concordance(own) for own in by_problem(both(g)).values()])


def average_precision(rows):
    right, value, before = sum(golds(rows)), 0.0, 0.0
    for cut in sorted({row["score"] for row in rows}, reverse=True):
        above = [row["gold"] for row in rows if row["score"] >= cut]
        if right:
            value += (sum(above) / right - before) * sum(above) / len(above)
            before = sum(above) / right
    return value if right else None


def bins(g):
    """The rows with score and gold, by bin of the score."""
    found = defaultdict(list)
    for row in both(g):
        place = row["score"] if g.edges is None else sum(edge <= row["score"] for edge in g.edges)
        found[place].append(row)
    return list(found.values())


def bin_gap(rows):
    return mean([row["score"] - row["gold"] for row in rows])


def bin_variance(rows):
    """Variance over problems of the gap of a bin; None with one problem."""
    problems, middle = by_problem(rows), bin_gap(rows)
    if len(problems) < 2:
        return None
    square = sum(sum(row["score"] - row["gold"] - middle for row in own) ** 2 for own in problems.values())
    return len(problems) / (len(problems) - 1) * square / len(rows) ** 2


def over_bins(value):
    """Σ n_b/N · value of the bins that have one; unknown where none has."""

    def metric(g):
        found = [(len(rows) / len(both(g)), value(rows)) for rows in bins(g)]
        told = [size * each for size, each in found if each is not None]
        return (sum(told) if told else None), len(by_problem(both(g)))

    return metric


def floor_of(rows):
    variance = bin_variance(rows)
    return None if variance is None else math.sqrt(2 * variance / math.pi)


def debiased(rows):
    variance = bin_variance(rows)
    return None if variance is None else bin_gap(rows) ** 2 - variance


def mce(g):
    gaps = [abs(bin_gap(rows)) for rows in bins(g) if len(rows) >= 20]
    return (max(gaps) if gaps else None), len(by_problem(both(g)))


def smooth_ece(rows, steps=4000):
    """The width at which the integral of the smoothed residual equals it, from trapezoids."""
    if not rows:
        return None
    t = np.linspace(0, 1, steps + 1)
    score, rest = (np.array([value(row) for row in rows]) for value in (rank, lambda r: r["score"] - r["gold"]))
    places = np.array([2 * j + sign * score for j in (-1, 0, 1) for sign in (1, -1)])  # reflected at 0 and 1

    def error(width):
        kernel = np.exp(-((t[:, None, None] - places) ** 2) / (2 * width**2)) / (width * math.sqrt(2 * math.pi))
        density = np.abs((kernel.sum(axis=1) * rest).sum(axis=1) / len(rest))
        return float((density[1:] + density[:-1]).sum() / 2 / steps)

    low, high = 2 / steps, 1.0
    if error(low) <= low:
        return 0.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > middle else (low, middle)
    return low


def brier(rows):
    return mean([(row["score"] - row["gold"]) ** 2 for row in rows])


def log_loss(row):
    p = min(max(row["score"], 2.220446049250313e-16), 1 - 2.220446049250313e-16)
    return -math.log(p) if row["gold"] else -math.log1p(-p)


def row_ratio(value):
    def metric(g):
        return ratio([(sum(map(value, own)), len(own)) for own in by_problem(both(g)).values()])

    return metric


def rate(rows):
    return mean([float(row["gold"]) for row in rows])


def bias(rows):
    return len(rows) * rate(rows) * (1 - rate(rows)) / (len(rows) - 1) if len(rows) > 1 else 0.0


def brier_reliability(g):
    n, groups = len(both(g)), bins(g)
    value = sum(len(rows) * bin_gap(rows) ** 2 - bias(rows) for rows in groups) / n if n > 1 else None
    return value, len(by_problem(both(g)))


def brier_resolution(g):
    rows, groups = both(g), bins(g)
    n, base = len(rows), rate(rows)
    if n < 2:
        return None, len(by_problem(rows))
    value = sum(len(own) * (rate(own) - base) ** 2 - bias(own) for own in groups) / n + base * (1 - base) / (n - 1)
    return value, len(by_problem(rows))


def brier_skill(rows):
    base = rate(rows)
    return 1 - brier(rows) / (base * (1 - base)) if rows and 0 < base < 1 else None


def kappa(rows):
    if not rows:
        return None
    p, q = mean([float(accepts(row)) for row in rows]), rate(rows)
    chance = p * q + (1 - p) * (1 - q)
    seen_ = mean([float(accepts(row) == row["gold"]) for row in rows])
    return (seen_ - chance) / (1 - chance) if len({(accepts(row), row["gold"]) for row in rows}) > 1 or p != q else None


def gv_gap(own):
    picked = [row for row in own if accepts(row)]
    return rate(picked) - rate(own) if picked else 0.0


def gv_gap_relative(own):
    return gv_gap(own) / (1 - rate(own)) if rate(own) < 1 else None


def top_precision(own):
    """Mean gold of the best scored quarter: every order of the rows that ties allow is as likely."""
    size, hits = math.ceil(Fraction(len(own), 4)), Fraction(0)
    left = size
    for value in sorted({rank(row) for row in own}, reverse=True):
        tie = [row["gold"] for row in own if rank(row) == value]
        taken = min(left, len(tie))
        hits += Fraction(sum(tie) * taken, len(tie))
        left -= taken
    return float(hits / size)


def over_judged(value):
    def metric(g):
        return average([value(own) for own in by_problem(known(g.rows, "gold")).values()])

    return metric


def dead_groups(g):
    scores = [[row["score"] for row in own] for own in by_problem(known(plain(g), "score")).values()]
    return average([float(max(own) - min(own) <= 1e-12) if len(own) > 1 else None for own in scores])


def vote_share(g):
    return per_answers(g, lambda own: max(Counter(own).values()) / len(own))


def vote_right(g):
    problems = by_problem(known(plain(g), "gold")).values()
    return average([won(answers(own), right_answers(own)) if answers(own) else None for own in problems])


def self_preference(g):
    rows = [{**row, "own": row["agent"] == row["verifier"]} for row in both(g)]
    rows = [row for own in by_problem(rows).values() if len({row["own"] for row in own}) == 2 for row in own]
    cells = {(own, gold): [] for own in (True, False) for gold in (True, False)}
    for row in rows:
        cells[row["own"], row["gold"]].append(row["score"])
    n = len(by_problem(rows))
    if not all(cells.values()):
        return None, n
    return mean([mean(cells[True, gold]) - mean(cells[False, gold]) for gold in (True, False)]), n


# ── collapse ──────────────────────────────────────────────────────────────────────────────────────────────────


def quantile(numerator):
    def metric(g):
        rows = known(plain(g), "n_tokens")
        x = sorted(row["n_tokens"] for row in rows)
        place = math.ceil(Fraction(numerator, 100) * len(x))
        return (float(x[max(place, 1) - 1]) if x else None), len(by_problem(rows))

    return metric


def share_of(value, bad):
    return None if value is None else float(bad(value))


def finite(value):
    return value is not None and math.isfinite(value)


def perplexity(column):
    def metric(g):
        rows = [row for row in plain(g) if finite(row[column]) and row["n_tokens"]]
        pairs = [(-sum(r[column] for r in own), sum(r["n_tokens"] for r in own)) for own in by_problem(rows).values()]
        value, n = ratio(pairs)
        return (None if value is None else math.exp(value)), n

    return metric


def drift(row):
    return row["logp"] - row["base_logp"] if finite(row["logp"]) and finite(row["base_logp"]) else None


def kl_to_base(g):
    if any(row["temperature"] != 1 or row["top_p"] != 1 for row in plain(g)):
        return UNKNOWN
    return problem_means(plain(g), drift)


def total(value):
    def metric(g):
        found = [value(row) for row in g.rows]
        return (None if None in found else float(sum(found))), len(g.problems)

    return metric


def attempt(row):
    return row["round"], row["sample"]


def revisions(g):
    """(problem, first attempt, its revision) of those with known gold."""
    for problem, own in g.problems.items():
        for row in known(own, "parent", "gold"):
            if row["turn"] == 1:
                first = [
                    r for r in known(own, "gold") if r["turn"] == 0 and attempt(r) == (row["round"], row["parent"])
                ]
                for old in first:
                    yield problem, old, row


def revised(before, value):
    def metric(g):
        pairs = [(p, old, new) for p, old, new in revisions(g) if before is None or old["gold"] == before]
        return mean([float(value(old, new)) for _, old, new in pairs]), len({p for p, _, _ in pairs})

    return metric


def rss(g):
    pairs = list(revisions(g))
    n = len({p for p, _, _ in pairs})
    if len({old["gold"] for _, old, _ in pairs}) < 2:
        return None, n
    first, then = (mean([float(pair[i]["gold"]) for pair in pairs]) for i in (1, 2))
    return (then - first**2) / (2 * first * (1 - first)), n


def stepped(g):
    return [row for row in plain(g) if row["steps"]]


def step_ratio(which):
    def metric(g):
        found = []
        for own in by_problem(stepped(g)).values():
            steps = [step for row in own for step in which(row["steps"])]
            found.append((steps.count("1"), len(steps)))
        return ratio(found)

    return metric


def before_error(steps):
    return steps.split("0")[0]


def clean(steps):
    return steps[: len(before_error(steps)) + 1]


def after_error(steps):
    return steps[len(before_error(steps)) + 1 :]


def row_share(among, of):
    return lambda g: share(g._replace(rows=stepped(g)), among, of)


def of_side(side, value):
    return lambda g: problem_means([row for row in g.rows if row["side"] == side], value)


def pair_score_gap(g):
    def value(own):
        ends = [mean([row["score"] for row in own if row["side"] == side]) for side in ("chosen", "rejected")]
        return None if None in ends else ends[0] - ends[1]

    return average([value(own) for own in g.problems.values()])


HABITS = {
    "verification": ("check", "verify", "confirm", "make sure"),
    "backtracking": ("wait", "instead", "try again"),
    "subgoals": ("first", "next", "step 1", "then we"),
    "backward_chaining": ("work backwards", "to get", "to reach"),
}


def habit(phrases):
    return per_text(lambda text: float(any(f" {phrase} " in f" {text.lower()} " for phrase in phrases)))


SLOW = {
    "unparsed_rate": unparsed_rate,
    "mean_gold": lambda g: problem_means(g.rows, lambda row: row["gold"]),
    "distinct_correct": distinct_correct,
    "solution_coverage": solution_coverage,
    "distinct_answers": distinct_answers,
    "answer_entropy": answer_entropy,
    "gini_simpson": gini_simpson,
    "right_variety": right_variety,
    "support_kept": support_kept,
    "chao1": chao1,
    "answer_coverage": answer_coverage,
    "mode_share": mode_share,
    "agent_disagreement": agent_disagreement,
    "token_entropy": lambda g: problem_means(plain(g), lambda row: row["entropy"]),
    "mean_logp": lambda g: problem_means(plain(g), lambda row: row["logp"] if finite(row["logp"]) else None),
    "vendi": of_vectors(vendi),
    "cosine_distance": of_vectors(cosine_distance),
    "cross_distance": cross_distance,
    "self_bleu": per_problem_texts(self_bleu),
    "pairwise_bleu": per_problem_texts(pairwise_bleu),
    "distinct_2": per_problem_texts(distinct_2),
    "distinct_equations": distinct_equations,
    "compression_ratio": compression_ratio,
    "distinct_2_pool": of_pool(distinct_2),
    "self_bleu_pool": of_pool(self_bleu),
    "self_repetition": of_pool(self_repetition),
    "mtld": of_pool(mtld),
    "mattr": of_pool(mattr),
    "rep_4": per_text(lambda text: rep(split_words(text), 4)),
    "degenerate_rate": per_text(degenerate),
    "simctg_diversity": per_text(lambda text: simctg(split_words(text))),
    "repeated_lines": per_text(repeated_lines),
    "accept_rate": lambda g: share(g, lambda row: True, kept),
    "accepted_share": accepted_share,
    "problem_share": problem_share,
    "accepted_coverage": in_bands(lambda own: float(any(map(kept, own)))),
    "band_solve_rate": in_bands(solve_rate),
    "tail_share": tail_share,
    "tail_coverage": of_tail(lambda own: float(any(map(kept, own)))),
    "tail_solve_rate": of_tail(solve_rate),
    "samples_per_success": samples_per_success,
    "accepted_gini": of_accepted(gini),
    "accepted_gini_floor": gini_floor,
    "top_fifth_share": of_accepted(top_fifth),
    "kl_from_uniform": of_accepted(kl_from_uniform),
    "log_head_tail": log_head_tail,
    "balance_score": balance_score,
    "accepted_reach": accepted_reach,
    "mean_score": lambda g: problem_means(g.rows, lambda row: row["score"]),
    "proxy_gold_gap": gap,
    "proxy_gold_gap_kept": lambda g: gap(g, kept),
    "precision": lambda g: share(g, lambda row: judged(row) and accepts(row), lambda row: row["gold"]),
    "recall": of_scored(lambda row: row["gold"], accepts),
    "false_positive_rate": of_scored(lambda row: row["gold"] is False, accepts),
    "false_negative_rate": of_scored(lambda row: row["gold"], lambda row: not accepts(row)),
    "kept_precision": lambda g: share(g, lambda row: judged(row) and kept(row), lambda row: row["gold"]),
    "auroc_within": auroc_within,
    "auroc": pooled(auroc),
    "average_precision": pooled(average_precision),
    "ece": over_bins(lambda rows: abs(bin_gap(rows))),
    "ece_floor": over_bins(floor_of),
    "ece2_debiased": over_bins(debiased),
    "mce": mce,
    "smooth_ece": pooled(smooth_ece),
    "brier": row_ratio(lambda row: (row["score"] - row["gold"]) ** 2),
    "log_loss": row_ratio(log_loss),
    "brier_reliability": brier_reliability,
    "brier_resolution": brier_resolution,
    "brier_skill": pooled(brier_skill),
    "kappa": pooled(kappa),
    "dead_groups": dead_groups,
    "gv_gap": over_judged(gv_gap),
    "gv_gap_relative": over_judged(gv_gap_relative),
    "top_precision": over_judged(top_precision),
    "vote_share": vote_share,
    "vote_right": vote_right,
    "self_preference": self_preference,
    "mean_tokens": lambda g: problem_means(plain(g), lambda row: row["n_tokens"]),
    "mean_characters": lambda g: problem_means(plain(g), lambda row: len(row["response"])),
    "right_tokens": lambda g: problem_means(plain(g), lambda row: row["n_tokens"] if row["gold"] else None),
    "length_5": quantile(5),
    "length_50": quantile(50),
    "length_95": quantile(95),
    "unfinished_rate": lambda g: problem_means(plain(g), lambda row: share_of(row["finished"], lambda done: not done)),
    "empty_rate": lambda g: problem_means(plain(g), lambda row: share_of(row["n_tokens"], lambda size: size <= 1)),
    "perplexity": perplexity("logp"),
    "base_perplexity": perplexity("base_logp"),
    "kl_to_base": kl_to_base,
    "samples_drawn": total(lambda row: 1),
    "samples_kept": total(kept),
    "tokens_drawn": total(lambda row: row["n_tokens"]),
    "confidence_level": revised(True, lambda old, new: new["gold"]),
    "critique_score": revised(False, lambda old, new: new["gold"]),
    "revision_gain": revised(None, lambda old, new: new["gold"] - old["gold"]),
    "feedback_uptake": revised(False, lambda old, new: new["answer"] != old["answer"]),
    "rss": rss,
    "step_accuracy": step_ratio(lambda steps: steps),
    "step_accuracy_clean": step_ratio(clean),
    "step_accuracy_after_error": step_ratio(after_error),
    "steps_to_error": lambda g: problem_means(stepped(g), lambda row: len(before_error(row["steps"]))),
    "wrong_reason_rate": row_share(lambda row: row["gold"], lambda row: "0" in row["steps"]),
    "error_found_rate": row_share(
        lambda row: "0" in row["steps"], lambda row: row["claimed_error"] == row["steps"].find("0")
    ),
    "false_alarm_rate": row_share(lambda row: "0" not in row["steps"], lambda row: row["claimed_error"] is not None),
    "chosen_logp": of_side("chosen", lambda row: row["logp"] if finite(row["logp"]) else None),
    "rejected_logp": of_side("rejected", lambda row: row["logp"] if finite(row["logp"]) else None),
    "chosen_drift": of_side("chosen", drift),
    "rejected_drift": of_side("rejected", drift),
    "pair_score_gap": pair_score_gap,
    **{f"behaviour_{name}": habit(phrases) for name, phrases in HABITS.items()},
}
TRAIN_ONLY = {
    "accept_rate", "accepted_share", "problem_share", "accepted_coverage", "accepted_gini", "accepted_gini_floor",
    "top_fifth_share", "kl_from_uniform", "log_head_tail", "balance_score", "accepted_reach", "kept_precision",
    "tail_share", "tail_coverage",
}  # fmt: skip


# ── groups and their common ground ────────────────────────────────────────────────────────────────────────────


def slow_table(rows, names, by=("round",), k=None, embed=None):
    """{(*keys, metric, band): (value, n)}, keys being run, the columns of `by`, and split."""
    places = defaultdict(lambda: defaultdict(list))
    for row in rows:
        places[row["run"], row["split"]][tuple(row[name] for name in by)].append(row)
    found = {}
    for (run, split), groups in places.items():
        order = sorted(groups, key=lambda key: by_round(key, by))
        ground = common_ground([groups[key] for key in order], k, embed)
        firsts = {}
        for key in order if "round" in by else []:
            firsts.setdefault(without_round(key, by), groups[key])
        for key, own in groups.items():
            ground = ground._replace(first=firsts.get(without_round(key, by)))
            for name in names:
                if split == "train" or name not in TRAIN_ONLY:
                    for metric, band, told in told_of(name, ground._replace(rows=own)):
                        found[run, *key, split, metric, band] = told
    return found


def by_round(key, by):
    """Sorts groups by round, then by the other columns, null last."""
    return sorted((name != "round", i, x is None, x) for i, (name, x) in enumerate(zip(by, key, strict=True)))


def without_round(key, by):
    return tuple(x for name, x in zip(by, key, strict=True) if name != "round")


def told_of(name, g):
    """(metric, band, (value, n)) of one name, which may be a family or by band."""
    if name == "pass@k":
        sizes = sorted({1 << i for i in range(40) if 1 << i < g.k} | {g.k})
        return [(f"pass@{size}", None, pass_(g, size)) for size in sizes]
    if match := re.fullmatch(r"pass@(\d+)-(\d+)", name):
        return [(name, None, at_least(g, *map(int, match.groups())))]
    if match := re.fullmatch(r"(\w+[@^])(k|\d+)", name):
        return [(name, None, OF_K[match[1]](g, g.k if match[2] == "k" else int(match[2])))]
    told = SLOW[name](g)
    return [(name, band, each) for band, each in enumerate(told)] if isinstance(told, list) else [(name, None, told)]


def common_ground(groups, k, embed):
    """One k, one length, one byte budget and one set of bins for all rounds of a run and split."""
    if k is None:
        sizes = [len(own) for rows in groups for own in by_problem([r for r in rows if is_plain(r)]).values()]
        k = min(sizes, default=1)
    length, budgets, edges = 0, [], None
    for rows in groups:
        texts = list(drawn(Group(rows, k, 0, [], None, embed))[0].values())
        if texts:
            length = length or max(1, int(quarter(sorted(len(split_words(own[0])) for own in texts))))
            each = [sum(len(own[i].encode()) + 1 for own in texts) for i in range(len(texts[0]))]
            sums = [sum(each[: i + 1]) for i in range(len(each))]
            budgets = [min(pair) for pair in zip(budgets, sums, strict=False)] or budgets or sums
        if edges is None:
            edges = inner_edges([row["score"] for row in rows if row["score"] is not None])
    return Group([], k, length, budgets, edges, embed)


def quarter(x):
    """The 25 % quantile, linear between two values."""
    place = Fraction(len(x) - 1, 4)
    low = math.floor(place)
    return x[low] + (place - low) * (x[min(low + 1, len(x) - 1)] - x[low])


def inner_edges(scores):
    """Least scores of the second, third … of ten bins of equal mass, tied scores together in the lowest; None for few."""
    if len(set(scores)) <= 10:
        return None
    ordered = sorted(scores)
    lowest = {value: ordered.index(value) * 10 // len(ordered) for value in ordered}
    return [b for a, b in pairwise(sorted(lowest)) if lowest[a] != lowest[b]]
