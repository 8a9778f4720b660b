"""The capability report: what can be said from a log, what cannot, why, and what would make it possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import NamedTuple

import pandas as pd

from siwork.files.values import text
from siwork.importers.found import OTHER, REWARD, Found
from siwork.metrics.catalogue import DEFAULT, metric_of

_AGAIN = 0.5  # share of problems that must come again before rounds are compared by problem


class Capability(NamedTuple):
    """One thing that one may want to know of a run."""

    question: str
    can: str  # yes, partly or no
    why: str
    next: str = ""  # what would make it possible


@dataclass(frozen=True)
class Report:
    """What a log can and cannot say.

    kind, run : what wrote the log, and the run's name
    capabilities : question by question
    notes : what was found in the log and done about it
    missing : metrics of `siwork.measure` that these rows cannot have, with the columns that they lack
    skipped : how many places could not be read, and the first of them, in words
    """

    kind: str
    run: str
    capabilities: tuple[Capability, ...]
    notes: tuple[str, ...]
    missing: dict[str, tuple[str, ...]]
    skipped: int
    places: str

    @property
    def table(self) -> pd.DataFrame:
        """The capabilities as a table: question, can, why, next."""
        return pd.DataFrame(self.capabilities, columns=list(Capability._fields))

    def __str__(self) -> str:
        lines = [f"{self.run}: {self.kind}"]
        for one in self.capabilities:
            lines.append(_line(one.can, f"{one.question} {one.why}" + (f" Next: {one.next}." if one.next else "")))
        lines += [_line("note", note) for note in self.notes]
        lines += [_line("skipped", self.places)] if self.skipped else []
        return "\n".join(lines)


def _line(mark: str, words: str) -> str:
    return fill(words, 100, initial_indent=f"  {mark:<9}", subsequent_indent=" " * 11, break_long_words=False)


def report_of(rows: pd.DataFrame, found: Found, said: Sequence[str] = ()) -> Report:
    """The report on imported rows.

    rows : as `Imported.rows`
    said : further notes
    """
    notes = tuple(text(note) or "" for note in (*found.notes, *said))
    known = {str(name) for name in rows if _known(rows, str(name))}
    missing = {name: lack for name in DEFAULT if (lack := tuple(n for n in metric_of(name).needs if n not in known))}
    questions = tuple(_questions(rows))
    return Report(found.kind, str(rows["run"].iloc[0]), questions, notes, missing, found.skips.count, str(found.skips))


def _known(rows: pd.DataFrame, name: str) -> bool:
    """Whether a column is there and anything in it is known."""
    return name in rows and bool(rows[name].notna().any())


def _questions(rows: pd.DataFrame) -> Iterator[Capability]:
    for split, own in rows.groupby("split", sort=False):
        yield _rounds(str(split), own)
    yield _right(rows)
    yield _answers(rows)
    yield Capability("Do the texts grow alike?", "yes", "every completion is there as text.")
    yield _tail(rows)
    yield _verifier(rows)
    yield _sureness(rows)
    yield _lengths(rows)


def _rounds(split: str, rows: pd.DataFrame) -> Capability:
    """How rounds can be compared: by problem where problems come again."""
    rounds = sorted(rows["round"].unique().tolist())
    size = rows.groupby(["round", "problem"]).size()
    counts = (
        f"{len(rows):,} completions, {rows['problem'].nunique():,} problems, {_range(size.min(), size.max())} a problem"
    )
    question = f"What changes from round to round ({split})?"
    if len(rounds) < 2:
        return Capability(question, "no", f"only round {rounds[0]} is there: {counts}.", "log more than one step")
    first, last = (set(rows.loc[rows["round"] == r, "problem"].unique()) for r in (rounds[0], rounds[-1]))
    again = len(first & last) / max(len(first), 1)
    span = f"{len(rounds)} rounds from {rounds[0]} to {rounds[-1]}: {counts}; {again:.0%} of the first's problems are in the last"
    if again >= _AGAIN:
        return Capability(question, "yes", f"{span}, so changes are paired by problem.")
    return Capability(
        question,
        "partly",
        f"{span}, so a change may come from other problems.",
        "log the same problems at several steps, a validation set for example",
    )


def _right(rows: pd.DataFrame) -> Capability:
    question = "How often is it right (pass@k)?"
    if not _known(rows, "gold"):
        return Capability(question, "no", "the log says nothing about truth.", f"pass gold=: {_candidates(rows)}")
    size = int(rows.groupby(["round", "split", "problem"]).size().min())
    share = rows["gold"].notna().mean()
    partly = "" if share == 1 else f"; truth is known of {share:.0%} of the completions"
    return Capability(
        question, "yes" if share == 1 else "partly", f"k up to {size}, the fewest completions of a problem{partly}."
    )


def _candidates(rows: pd.DataFrame) -> str:
    """Columns that hold nothing but 0 and 1."""
    found = [
        str(name).removeprefix(REWARD).removeprefix(OTHER)
        for name in rows
        if str(name).startswith((REWARD, OTHER))
        and set(rows[name].dropna().astype(str).str.lower().unique()[:9]) <= _BINARY
    ]
    asked = "a column of the log, a function of a row, or a task"
    return f"{asked}; of 0 and 1 only are {', '.join(found)}" if found else asked


_LENGTH = {"n_tokens": "the number of tokens", "finished": "whether a response ended"}
_BINARY = {"0", "1", "0.0", "1.0", "true", "false"}


def _answers(rows: pd.DataFrame) -> Capability:
    question = "Does it still find different answers?"
    if not _known(rows, "answer"):
        return Capability(
            question,
            "no",
            "the log holds no answers apart from the texts.",
            "pass answer=: a column, or a function of a response",
        )
    if not _known(rows, "gold"):
        return Capability(question, "partly", "answers are known, but not which are right.", "pass gold=")
    return Capability(question, "yes", "answers and their truth are known.")


def _tail(rows: pd.DataFrame) -> Capability:
    question = "Do hard problems still give training data?"
    if _known(rows, "band") and _known(rows, "weight"):
        return Capability(question, "yes", "difficulty and use in training are known.")
    lack = "difficulty" if not _known(rows, "band") else "which completions were trained on"
    return Capability(
        question,
        "no",
        f"the log does not hold {lack}; the samples whose fate is asked may not decide on it.",
        "join a column difficulty and band, measured beforehand, to .rows"
        if lack == "difficulty"
        else "log the advantages",
    )


def _verifier(rows: pd.DataFrame) -> Capability:
    question = "Can the verifier be believed?"
    if not _known(rows, "score"):
        return Capability(
            question, "no", "no reward is the verifier's score.", "name one: score='name', or score=('name', low, high)"
        )
    if not _known(rows, "gold"):
        return Capability(question, "no", "a score without truth says nothing about the verifier.", "pass gold=")
    both = rows[["score", "gold"]].dropna()
    if both.empty:
        return Capability(
            question, "no", "no row has both a score and its truth.", "pass gold= for the rows with a score"
        )
    if (both["score"].astype(float) == both["gold"].astype(float)).all():
        return Capability(
            question,
            "no",
            "score and truth are the same wherever both are known.",
            "pass gold= from another source than the reward",
        )
    return Capability(question, "yes", "score and truth are known.")


def _sureness(rows: pd.DataFrame) -> Capability:
    known = [name for name in ("logp", "entropy") if _known(rows, name)]
    question = "Does it grow sure of itself (log-probability, token entropy)?"
    if len(known) == 2:
        return Capability(question, "yes", "both are known.")
    why = f"only {known[0]} is known." if known else "neither is in the log."
    return Capability(question, "partly" if known else "no", why, "log them for every completion")


def _lengths(rows: pd.DataFrame) -> Capability:
    question = "Does length run away, are responses cut off?"
    shares = {words: _share_known(rows, name) for name, words in _LENGTH.items()}
    if all(share == 1 for share in shares.values()):
        return Capability(question, "yes", "tokens and ends are known.")
    lack = " and ".join(words for words, share in shares.items() if not share)
    part = "; ".join(
        f"{words} is known of {share:.0%} of the completions" for words, share in shares.items() if 0 < share < 1
    )
    said = [f"{lack} is not in the log"] if lack else []
    return Capability(
        question, "partly", "; ".join(["characters can be counted", *said, *([part] if part else [])]) + "."
    )


def _share_known(rows: pd.DataFrame, name: str) -> float:
    return float(rows[name].notna().mean()) if name in rows else 0.0


def _range(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"
