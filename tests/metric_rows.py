"""Small row tables with everything in them: hints, revisions, pairs, nulls, ties, several runs, rounds and splits."""

import random

import numpy as np
import pandas as pd

TEXTS = (
    "",
    "7",
    "a",
    "the answer is 7 .",
    "the answer is 8 .",
    "first the answer , next the answer , first the answer , next the answer",
    "let me check : 3 + 4 = 7 . wait , that is 8",
    "<<3+4=7>> and $x=2$ then we work backwards to get 7",
    "line one\nline two\nline one\n\nline one",
    "b b b b b b b b b b b b",
    "Ünïcödé → 七 = 7 ✓ ok ok ok ok ok",
    "<<1+1=2>> <<1 + 1=2>> <<2+2=4>>",
    " ".join(f"word{i % 17} = {i % 5} ," for i in range(40)),
    " ".join(f"step {i % 7} gives {i % 11} ;" for i in range(60)),
    "make sure to verify : instead of 9 try again " * 20,
)


def embed(texts):
    """Three numbers a text; an empty text has no direction."""
    return np.array([[len(text), text.count("7"), len(set(text))] for text in texts], float).reshape(len(texts), 3)


class Maker:
    """Draws the values of one table in a manner that is itself drawn: all right, unscored, one answer, …"""

    def __init__(self, seed):
        self.random = random.Random(seed)
        pick = self.random.choice
        self.truth = pick(["mixed", "mixed", "mixed", "right", "wrong", "sparse", "unknown"])
        self.scores = pick(["binary", "tenths", "fine", "sparse", "none", "gold"])
        self.answers = pick(["few", "few", "one", "many", "sparse", "none"])
        self.texts = pick([TEXTS, TEXTS, TEXTS[:4], TEXTS[12:], TEXTS[3:4]])
        self.weights = pick([(0.0, 1.0), (0.0, 1.0, 2.5), (0.0,), (1.0,)])
        self.bands = pick([(0, 1, 2, 3, 4, None), (0, 4), (None,)])
        self.logps = pick(["all", "sparse", "infinite", "none"])
        self.temperature = pick([1.0, 1.0, 0.7])
        self.lengths = pick(["all", "all", "sparse"])

    def maybe(self, value, p=0.3):
        return None if self.random.random() < p else value

    def gold(self):
        known = {"right": True, "wrong": False, "unknown": None}
        value = known.get(self.truth, self.random.random() < 0.5)
        return self.maybe(value) if self.truth == "sparse" else value

    def score(self, gold):
        draw = self.random
        value = {
            "binary": float(draw.random() < 0.5),
            "tenths": draw.randrange(11) / 10,
            "gold": float(bool(gold)),
            "none": None,
        }.get(self.scores, draw.random())
        return self.maybe(value) if self.scores == "sparse" else value

    def answer(self, problem):
        value = {"one": "A", "many": str(self.random.randrange(40)), "none": None}.get(
            self.answers,
            f"{problem}{self.random.choice('AAAB')}" if self.random.random() < 0.4 else "AB"[self.random.randrange(2)],
        )
        return self.maybe(value) if self.answers == "sparse" else value

    def length(self, value):
        return self.maybe(value) if self.lengths == "sparse" else value

    def logp(self):
        value = -self.random.random() * 9
        if self.logps == "infinite" and self.random.random() < 0.3:
            return float("-inf")
        return {"none": None, "sparse": self.maybe(value)}.get(self.logps, value)

    def row(self, run, r, split, problem, sample, **more):
        draw, gold = self.random, self.gold()
        row = {
            "run": run, "round": r, "split": split, "problem": problem, "sample": sample, "hint": "none", "turn": 0,
            "parent": None, "agent": draw.choice("uv"), "verifier": draw.choice(["u", "v", "none"]),
            "temperature": self.temperature if r == 0 else 1.0, "top_p": 1.0,
            "response": draw.choice(self.texts), "answer": self.answer(problem), "n_tokens": self.length(draw.randrange(9)),
            "finished": self.length(draw.random() < 0.7), "logp": self.logp(), "base_logp": self.logp(),
            "entropy": self.maybe(draw.random() * 2), "gold": gold, "score": self.score(gold),
            "weight": draw.choice(self.weights), "pair": None, "side": draw.choice(["chosen", "rejected", None, None]),
            "steps": draw.choice([None, "", "1", "0", "1101", "111", "10"]), "claimed_error": self.maybe(draw.randrange(3)),
        }  # fmt: skip
        return row | more

    def rows(self, runs=1, rounds=2, splits=("train", "heldout"), problems=3, samples=4):
        """A list of rows; the number of samples differs from problem to problem, and hints and revisions come on top."""
        draw, found = self.random, []
        facts = {f"p{i}": (draw.choice(self.bands), draw.choice([None, 0, 3, 45])) for i in range(problems)}
        for run in "ab"[:runs]:
            for r in range(rounds):
                for split in splits:
                    for problem in draw.sample(sorted(facts), draw.randint(1, problems)):
                        own = [self.row(run, r, split, problem, i) for i in range(draw.randint(1, samples))]
                        more = [self.row(run, r, split, problem, len(own) + i) for i in range(draw.randrange(3))]
                        for row in more:
                            revises = draw.choice([None, *range(len(own))])
                            row |= {"turn": 1, "parent": revises} if draw.random() < 0.7 else {"hint": "answer"}
                        for row in own + more:
                            row["band"], row["n_solutions"] = facts[problem]
                        found += own + more
        draw.shuffle(found)
        return found


WHOLE = ("round", "sample", "turn", "parent", "n_tokens", "band", "n_solutions", "pair", "claimed_error")


def frame(rows):
    """The rows as a table whose columns may hold nulls."""
    table = pd.DataFrame(rows, dtype=object)
    types = {name: "Int64" for name in WHOLE} | {"gold": "boolean", "finished": "boolean"}
    types |= {name: "Float64" for name in ("score", "weight", "logp", "base_logp", "entropy", "temperature", "top_p")}
    types |= {name: "str" for name in ("answer", "side", "steps")}
    return table.astype({name: kind for name, kind in types.items() if name in table})


def many_rows(seed, problems=24, samples=6, rounds=1, scores="fine"):
    """A plain table that is large enough for intervals: rounds of the same problems, every column filled."""
    maker = Maker(seed)
    maker.truth, maker.scores, maker.answers, maker.logps = "mixed", scores, "few", "all"
    maker.lengths = "all"
    maker.texts, maker.weights, maker.bands, maker.temperature = TEXTS[3:], (0.0, 1.0), (0, 1, 2, 3, 4), 1.0
    rows = []
    for i in range(problems):
        band = i % 5
        for r in range(rounds):
            own = [maker.row("a", r, "train", f"p{i:03}", j) for j in range(samples)]
            own += [maker.row("a", r, "train", f"p{i:03}", samples + j, turn=1, parent=j) for j in range(2)]
            rows += [row | {"band": band, "n_solutions": 45} for row in own]
    return rows
