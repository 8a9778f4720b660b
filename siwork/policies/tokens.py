"""Text to tokens and back, the longest token first; padded batches of token sequences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from siwork.schema import KnobError

PAD, END, BEGIN = 0, 1, 2  # BEGIN stands between a prompt and its response
_SPECIAL = 3
_REMEMBERED = 200_000  # encoded texts kept
_NOTHING = np.zeros(0, np.int64)


class Tokens:
    """The tokens of a vocabulary; pad is 0, end 1, begin 2, then the vocabulary in its order.

    vocabulary : different strings, none of them empty. Raises KnobError for another one.

    >>> tokens = Tokens(("1", "2", "12", "+"))
    >>> tokens.encode("12+1").tolist(), tokens.decode([5, 6, 3])
    ([5, 6, 3], '12+1')
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        if not self.vocabulary or not all(isinstance(text, str) and text for text in self.vocabulary):
            raise KnobError(f"a vocabulary is made of strings that are not empty, got {self.vocabulary[:10]!r}")
        if len(set(self.vocabulary)) < len(self.vocabulary):
            twice = next(text for i, text in enumerate(self.vocabulary) if text in self.vocabulary[:i])
            raise KnobError(f"a vocabulary names every token once, got {twice!r} twice; drop one of the two")
        self.strings = ("",) * _SPECIAL + self.vocabulary
        self._index = {text: i for i, text in enumerate(self.strings) if text}
        self._reader = re.compile("|".join(map(re.escape, sorted(self.vocabulary, key=len, reverse=True))))
        self._known: dict[str, np.ndarray] = {}
        self._runs_on = self._running_on()

    def _running_on(self) -> np.ndarray:
        """(tokens, tokens) bool: whether a longer token may be read where a first token is followed by a second."""
        runs_on = np.zeros((len(self), len(self)), bool)
        for longer in self.vocabulary:
            for first in (longer[:i] for i in range(1, len(longer)) if longer[:i] in self._index):
                rest = longer[len(first) :]
                for second in self.vocabulary:
                    runs_on[self._index[first], self._index[second]] |= rest.startswith(second) or second.startswith(
                        rest
                    )
        lacking = sorted(set("".join(self.vocabulary)) - set(self.vocabulary))
        if runs_on.any() and lacking:
            a, b = (self.strings[i] for i in np.argwhere(runs_on)[0])
            raise KnobError(
                f"{a!r} and {b!r} may run into another token, so every character must be one; add {lacking}"
            )
        return runs_on

    def rereads(self, ids: np.ndarray) -> np.ndarray:
        """(n,) bool: whether the text of a padded row of tokens (n, l) may be read back as other tokens."""
        if not self._runs_on.any():
            return np.zeros(len(ids), bool)
        return self._runs_on[ids[:, :-1], ids[:, 1:]].any(axis=1)

    def __len__(self) -> int:
        return len(self.strings)

    def encode(self, text: str) -> np.ndarray:
        """Token numbers (l,) int64 of a text; shared by all callers, so read-only.

        Raises KnobError when a part of the text is no token.
        """
        ids = self._known.get(text)
        if ids is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            ids = self._known[text] = self._encoded(text)
        return ids

    def _encoded(self, text: str) -> np.ndarray:
        parts = self._reader.findall(text)
        if sum(map(len, parts)) != len(text):
            place = self._fault(text)
            here = text[max(place - 20, 0) : place + 20]
            raise KnobError(
                f"no token begins with {text[place]!r}, character {place + 1} of a text, near {here!r}; "
                f"the vocabulary is made of {''.join(sorted(set(''.join(self.vocabulary))))!r}"
            )
        ids = np.array([self._index[part] for part in parts], np.int64)
        ids.flags.writeable = False
        return ids

    def _fault(self, text: str) -> int:
        place = 0
        while match := self._reader.match(text, place):
            place = match.end()
        return place

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token numbers; pad, end and begin are empty."""
        return "".join([self.strings[i] for i in ids])

    def decode_rows(self, ids: np.ndarray) -> pa.StringArray:
        """The texts of padded rows of token numbers (n, l); rows that are equal are read once."""
        n, width = ids.shape
        data = pa.py_buffer(np.ascontiguousarray(ids, np.int32))
        rows = pa.Array.from_buffers(pa.binary(4 * width), n, [None, data]).dictionary_encode()
        texts = [self.decode(np.frombuffer(row.as_py(), np.int32)) for row in rows.dictionary]
        return pa.array(texts, pa.string()).take(rows.indices)

    def encode_prompt(self, text: str) -> np.ndarray:
        """Token numbers of a prompt with begin behind. Raises as `encode`."""
        return np.append(self.encode(text), BEGIN)

    def prompts(self, texts: pa.StringArray) -> tuple[list[np.ndarray], np.ndarray]:
        """The different prompts as tokens with begin behind, and which of them each text is. Raises as `encode`."""
        coded = texts.dictionary_encode()
        return [self.encode_prompt(text) for text in coded.dictionary.to_pylist()], coded.indices.to_numpy()

    def rows(self, prompts: pa.StringArray, responses: pa.StringArray, finished: np.ndarray) -> Sequences:
        """(n,) sequences of two parts: prompt and begin; response, and end where finished. Raises as `encode`."""
        asked, which = self.prompts(prompts)
        coded = responses.dictionary_encode()
        said = [self.encode(text) for text in coded.dictionary.to_pylist()]
        said += [np.append(ids, END) for ids in said]
        parts: list[np.ndarray] = [_NOTHING] * (2 * len(which))
        parts[::2] = [asked[i] for i in which]
        parts[1::2] = [said[i] for i in coded.indices.to_numpy() + len(coded.dictionary) * finished]
        return Sequences(parts, joined=2)


class Sequences:
    """Token sequences of unequal length in one array; `padded` makes a batch of some of them.

    parts : token arrays; joined : how many parts make a sequence
    """

    def __init__(self, parts: Sequence[np.ndarray], joined: int = 1) -> None:
        sizes = np.array([len(part) for part in parts], np.int64).reshape(-1, joined)
        self.first = sizes[:, 0]  # length of each sequence's first part
        self.length = sizes.sum(axis=1)
        self._start = np.cumsum(self.length) - self.length
        self._flat = np.concatenate([*parts, np.array([PAD])])

    def __len__(self) -> int:
        return len(self.length)

    def padded(self, rows: np.ndarray, at_least: int = 0) -> np.ndarray:
        """The sequences `rows` (b,), padded on the right to the longest of them (b, l) int64."""
        length = self.length[rows]
        column = np.arange(length.max(initial=at_least))
        place = self._start[rows, None] + column
        return self._flat[np.where(column < length[:, None], place, -1)]
