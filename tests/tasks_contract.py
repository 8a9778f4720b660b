"""What every task must keep, as a class of tests to inherit; `task` is the task at its defaults, `others` vary knobs."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.schema import KnobError, check, parse_call
from siwork.tasks import Synthetic
from siwork.tasks.base import is_held_out


def tokens(task: Synthetic, text: str) -> list[str]:
    """The text read as the longest tokens first; fails when something is left over."""
    pattern = "|".join(map(re.escape, sorted(task.vocabulary, key=len, reverse=True)))
    found = re.findall(pattern, text)
    assert "".join(found) == text
    return found


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class TaskContract:
    task: ClassVar[Synthetic]
    others: ClassVar[tuple[Synthetic, ...]]
    n: ClassVar[int] = 120  # problems a split

    def every(self) -> tuple[Synthetic, ...]:
        return (self.task, *self.others)

    def test_formula_reads_back(self) -> None:
        for task in self.every():
            call = parse_call(str(task))
            assert call.name == task.name
            assert type(task).build(call.args, call.named) == task

    def test_vocabulary_is_small_and_the_same_for_all_knobs(self) -> None:
        assert len(set(self.task.vocabulary)) == len(self.task.vocabulary) < 250
        assert all(task.vocabulary == self.task.vocabulary for task in self.others)

    def test_problems_are_stable_and_splits_apart(self) -> None:
        longer = self.task.problems("train", self.n)
        pd.testing.assert_frame_equal(longer.head(40), self.task.problems("train", 40))
        pd.testing.assert_frame_equal(longer, self.task.problems("train", self.n))
        held_out = self.task.problems("heldout", 40, seed=1)
        beyond = self.task.problems("beyond", 40)
        for table in (longer, held_out, beyond):
            check(table, table="problems")
            assert table["prompt"].is_unique
        assert not longer["prompt"].map(is_held_out).any()
        assert held_out["prompt"].map(is_held_out).all()
        assert not set(longer["prompt"]) & set(beyond["prompt"])
        assert (beyond["difficulty"] > 0.8).all()

    def test_written_responses_are_right_and_short_enough(self) -> None:
        for task in self.every():
            draws = [task.draw(rng(seed), beyond=seed % 3 == 0) for seed in range(60)]
            for seed, (prompt, _, answer, n_solutions) in enumerate(draws):
                response = task.write(prompt, rng(seed))
                assert response == task.write(prompt, rng(seed))
                assert task.is_right(prompt, response)
                assert len(tokens(task, response)) + 1 <= task.max_tokens
                assert tokens(task, prompt)
                if answer is not None:
                    assert task.answer(prompt, response) == answer
                    assert task.solutions(prompt) == {answer}
                    assert n_solutions == 1

    def test_candidates_are_different_and_both_right_and_wrong(self) -> None:
        for task in self.every():
            for seed in range(20):
                prompt = task.draw(rng(seed), beyond=seed % 4 == 0).prompt
                found = task.candidates(prompt, rng(seed), n=24)
                assert found == task.candidates(prompt, rng(seed), n=24)
                assert len(set(found)) == len(found)
                assert 8 <= len(found) <= 24
                right = [task.is_right(prompt, response) for response in found]
                assert 1 <= sum(right) <= 12
                assert sum(right) < len(found)
                for response in found:
                    tokens(task, response)

    def test_hints_are_written_in_tokens(self) -> None:
        prompt = self.task.draw(rng()).prompt
        for kind in self.task.hints:
            text = self.task.hint_text(prompt, kind)
            assert tokens(self.task, text)
            assert self.task.hinted(prompt, kind) == f"{prompt}#{text}>"
        with pytest.raises(KnobError, match="no hint 'anser'"):
            self.task.hint_text(prompt, "anser")

    def test_foreign_prompts_are_refused_where_a_response_must_be_made(self) -> None:
        for make in (self.task.write, self.task.candidates):
            with pytest.raises(KnobError, match=f"a prompt of {self.task.name} .*got 'no prompt'"):
                make("no prompt", rng())
        assert not self.task.is_right("no prompt", self.task.write(self.task.draw(rng()).prompt, rng()))
        assert self.task.solutions("no prompt") is None

    def test_reading_never_raises(self) -> None:
        made = st.lists(st.sampled_from([*self.task.vocabulary, "#", ">"]), max_size=40).map("".join)
        drawn = st.integers(0, 1000).map(lambda seed: self.task.draw(rng(seed)).prompt)

        @given(prompt=st.text() | made | drawn, response=st.text() | made)
        def holds(prompt: str, response: str) -> None:
            self._read(prompt, response)

        holds()

    def _read(self, prompt: str, response: str) -> None:
        answer = self.task.answer(prompt, response)
        assert answer is None or isinstance(answer, str)
        right = self.task.is_right(prompt, response)
        assert right is True or right is False
        if right:
            assert answer is not None
            assert answer in (self.task.solutions(prompt) or {answer})

    def test_long_text_is_read_in_no_time(self) -> None:
        for unit in (*self.task.vocabulary[:3], "(", "=", ";", "9+", "BanoBati"):
            assert not self.task.is_right(unit * 100_000, unit * 100_000)
            assert not self.task.is_right(self.task.draw(rng()).prompt, unit * 100_000)

    def test_row_tables_get_arrow_answers_and_truth(self) -> None:
        prompts = self.task.problems("train", 10)["prompt"].tolist()
        responses = [self.task.write(prompt, rng()) for prompt in prompts]
        rows = pd.DataFrame({"prompt": [*prompts, prompts[0]], "response": [*responses, "<p>"]})
        assert self.task.check(rows).tolist() == [True] * 10 + [False]
        assert self.task.answers(rows).isna().tolist() == [False] * 10 + [True]
