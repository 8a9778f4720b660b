"""Texts to tokens and back, as one model's tokenizer has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from siwork.schema import KnobError

_ANCHOR = "\n"  # a text after it is read without the blank that some tokenizers put before a first word


class Reader:
    """A tokenizer with its chat template and its ends.

    tokenizer : of transformers
    ends : token numbers that end a completion; a finished response is read back with the first of them
    stop : text that ends one, too, and stays in the response; empty for none
    chat : whether prompts go into the chat template, if there is one
    """

    def __init__(self, tokenizer: Any, ends: Sequence[int], stop: str, chat: bool) -> None:
        self.tokenizer, self.ends, self.stop = tokenizer, tuple(ends), stop
        self.chat = chat and bool(tokenizer.chat_template)
        self._anchor = self._plain([_ANCHOR])[0] if self._blank_before() else []

    def _plain(self, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:
        """Without tokens put around; what looks like a special token is text, unless a template wrote it."""
        how = {"add_special_tokens": False, "split_special_tokens": not special}
        return self.tokenizer(list(texts), **how)["input_ids"] if len(texts) else []

    def _blank_before(self) -> bool:
        """Whether a text alone is read as if a blank stood before it (SentencePiece's dummy prefix)."""
        first = self.tokenizer.convert_ids_to_tokens(self._plain(["7"])[0])
        return bool(first) and first[0].startswith("▁")

    def prompts(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token numbers of each prompt, templated, ready to be continued. Raises KnobError for one without tokens."""
        if self.chat:
            chats = [[{"role": "user", "content": text}] for text in texts]
            said = self.tokenizer.apply_chat_template(chats, add_generation_prompt=True, tokenize=False)
            found = self._plain(said, special=True)
        else:
            found = [self._open(ids) for ids in self.tokenizer(list(texts))["input_ids"]] if len(texts) else []
        for text, ids in zip(texts, found, strict=True):
            if not ids:
                raise KnobError(f"hf: a prompt must have at least one token, got {text!r}")
        return [np.array(ids, np.int64) for ids in found]

    def _open(self, ids: list[int]) -> list[int]:
        """Without an end token that the tokenizer puts behind every text."""
        return ids[:-1] if len(ids) > 1 and ids[-1] in self.ends else ids

    def responses(self, texts: Sequence[str], finished: np.ndarray) -> list[np.ndarray]:
        """Token numbers of each response, with the end token where it finished and no stop text ended it."""
        after = len(self._anchor)
        found = self._plain([_ANCHOR + text for text in texts] if after else texts)
        rows = []
        for text, ids, done in zip(texts, found, finished, strict=True):
            own = ids[after:] if after and ids[:after] == self._anchor else self._plain([text])[0] if after else ids
            rows.append(np.array([*own, self.ends[0]] if done and not self._stopped(text) else own, np.int64))
        return rows

    def _stopped(self, text: str) -> bool:
        return bool(self.stop) and text.endswith(self.stop)

    def decode(self, rows: Sequence[np.ndarray]) -> list[str]:
        """The text of each row of new tokens, without special ones; what follows the stop text is cut off."""
        texts = self.tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if not self.stop:
            return texts
        return [text[: text.index(self.stop) + len(self.stop)] if self.stop in text else text for text in texts]
