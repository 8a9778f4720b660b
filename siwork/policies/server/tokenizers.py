"""The tokenizer of a served model, where it can be found here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from siwork.policies.reading import Reader
from siwork.policies.server.client import Model
from siwork.policies.server.knobs import Server
from siwork.schema import KnobError


def reader_of(make: Server, model: Model) -> Reader | None:
    """Reads texts as the model does; None where no tokenizer was named and none lies where the server says the model does.

    Raises KnobError for a tokenizer that was named and cannot be opened.
    """
    source = make.tokenizer or (model.root if make.is_local and (Path(model.root) / "config.json").is_file() else "")
    if not source:
        return None
    try:
        return _opened(source, make)
    except ImportError:
        why = "the package transformers is needed: pip install 'siwork[lm]'"
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and others
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    if make.tokenizer:
        raise KnobError(
            f"server: no tokenizer could be opened as {make.tokenizer!r} ({why}); name its folder or hub id"
        )
    return None  # it was only looked for


def _opened(source: str, make: Server) -> Reader:
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.eos_token_id is None:
        raise ValueError("it has no end token")
    ends = tuple(dict.fromkeys([tokenizer.eos_token_id, *_ends(GenerationConfig, source)]))
    return Reader(tokenizer, ends, make.stop, make.route != "completions")


def _ends(kind: Any, source: str) -> list[int]:
    """End tokens that the model's makers name beside the tokenizer's."""
    try:
        named = kind.from_pretrained(source).eos_token_id
    except OSError:  # there is no generation_config.json
        return []
    return [named] if isinstance(named, int) else list(named or [])
