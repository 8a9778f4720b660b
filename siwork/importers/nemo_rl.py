"""NeMo-RL's batches: one file of lines a step, every value in a list of length one, tokens padded to the batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from siwork.files.lines import Skips, counted, existing, files, folders, number_in, objects
from siwork.files.values import real, shown, text
from siwork.importers.found import Collected, Found, together
from siwork.importers.shared import complete, log_probability, mean, nothing, numbers, run_name, step_of
from siwork.schema import ImportFormatError

_FILE = r"(train|val)_data_step\d+\.jsonl"
_OTHERS = ("filtered_rewards", "sample_loss_mask", "agent_ref")


class _Span(NamedTuple):
    """Which tokens of a row the policy wrote."""

    places: list[int]
    turns: int  # runs of such tokens
    ends: bool  # whether the last token before the padding is one of them


def read(path: Path) -> Found:
    """The batches of an experiment (`exp_<NNN>`), of a folder with one experiment, or of one file.

    Raises ImportFormatError when there is none, or several experiments are.
    """
    home = _home(existing(path))
    skips, tallies = Skips(), Counter[str]()
    places = [home] if home.is_file() else files(home, _FILE)
    table, partly = complete(together(_part(place, skips, tallies) for place in places))
    notes = (*_told(tallies, places), *partly)
    return Found("NeMo-RL batches", run_name(home), table, skips, notes, score="reward")


def _home(path: Path) -> Path:
    if path.is_file() or files(path, _FILE):
        return path
    found = [folder for folder in folders(path, r"exp_\d+") if files(folder, _FILE)]
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found[:5])
        raise ImportFormatError(f"{path} holds {len(found)} experiments, {names}; name one of them")
    if not found:
        raise nothing(
            path, "train_data_step<N>.jsonl or val_data_step<N>.jsonl; name a folder exp_<NNN> of logger.log_dir"
        )
    return found[0]


def _part(place: Path, skips: Skips, tallies: Counter[str]) -> pa.Table:
    part, split = Collected(skips), "heldout" if place.name.startswith("val") else "train"
    step = number_in(place.stem)
    for number, packed in objects(place, skips):
        one = {name: _unpacked(value) for name, value in packed.items()}
        span = _span(one)
        cut = _cut(one.get("content"), span)
        if cut is None or step is None:
            skips.add(place, number, "content is expected, a list of texts or messages, and a step in the file's name")
            continue
        row = {"round": step, "split": split, "prompt": cut[0], "response": cut[1], **_tokens(one, span)}
        others = {name: shown(one[name]) for name in _OTHERS if name in one}
        part.add(row, {"reward": real(one.get("rewards"))}, others)
        tallies["turns"] += span is not None and span.turns > 1
        tallies["masked"] += _masked(one)
    return part.table()


def _unpacked(value: Any) -> Any:
    """A value without the list of length one around it."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _span(one: dict[str, Any]) -> _Span | None:
    """The policy's tokens by the loss mask, without padding; None where the row has no mask."""
    mask, length = numbers(one.get("token_loss_mask")), step_of(one.get("input_lengths"))
    if mask is None or length is None or length > len(mask):
        return None
    places = [i for i, value in enumerate(mask[:length]) if value]
    turns = sum(1 for i in places if i == 0 or not mask[i - 1])
    return _Span(places, turns, bool(places) and places[-1] == length - 1)


def _cut(content: Any, span: _Span | None) -> tuple[str, str] | None:
    """Prompt and response of the messages of a row.

    Messages with roles are cut before the first answer. Without roles the last text is the answer, or the last but one where
    the mask says that the policy did not write the end; of several turns, answers are taken to be every other text.
    """
    pieces = [content] if isinstance(content, (str, dict)) else content
    if not isinstance(pieces, list) or not pieces:
        return None
    texts = [text(piece.get("content") if isinstance(piece, dict) else piece) for piece in pieces]
    known = [each for each in texts if each is not None]
    if len(known) < len(texts):
        return None
    first = _first(pieces, span)
    return "".join(known[:first]), "".join(known[first:])


def _first(pieces: list[Any], span: _Span | None) -> int:
    """Place of the first answer."""
    if any(isinstance(piece, dict) for piece in pieces):
        roles = [piece.get("role") if isinstance(piece, dict) else None for piece in pieces]
        return roles.index("assistant") if "assistant" in roles else len(pieces)
    back = 1 if span is None or not span.places else 2 * span.turns - span.ends
    return max(len(pieces) - back, 0)


def _tokens(one: dict[str, Any], span: _Span | None) -> dict[str, Any]:
    """What is known token by token, as numbers of the completion."""
    if span is None:
        return {"n_tokens": None, "logp": None, "advantage": real(one.get("advantages"))}
    logprobs = next((one[name] for name in ("generation_logprobs", "prev_logprobs") if name in one), None)
    advantage = mean(_of(one.get("advantages"), span))
    return {
        "n_tokens": len(span.places),
        "logp": log_probability(_of(logprobs, span), len(span.places)),
        "advantage": 0.0 if advantage is not None and _masked(one) else advantage,
    }


def _of(values: Any, span: _Span) -> list[float] | None:
    """The numbers of the policy's own tokens; of a list that is too short, none."""
    fits = isinstance(values, list) and len(values) > max(span.places, default=-1)
    return numbers([values[i] for i in span.places]) if fits else None


def _masked(one: dict[str, Any]) -> bool:
    """Whether the loss left the whole sample out."""
    return real(one.get("sample_loss_mask")) == 0


def _told(tallies: Counter[str], places: list[Path]) -> list[str]:
    sentences = {
        "turns": "{} completions have several turns, and rows of training name no roles: the answers were taken to be every "
        "other text.",
        "masked": "{} samples were masked out of the loss; their weight is 0.",
    }
    notes = counted(tallies, sentences)
    if places and not any(place.name.startswith("train") for place in places):
        notes.append(
            "Only validations are there; NeMo-RL writes no training file where it logs full responses of NeMo-Gym."
        )
    return notes
