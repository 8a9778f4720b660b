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
from siwork.tasks.base import is_held_out, slipped


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
    easiest_beyond: ClassVar[float] = 0.8  # every problem of beyond is harder, as a rank among those trained on

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
        assert (beyond["difficulty"] > self.easiest_beyond).all()

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
                    right = task.solutions(prompt) or ()
                    assert {answer, task.answer(prompt, response)} <= set(right)
                    assert n_solutions == len(right)

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

    # ── what a component may ask ───────────────────────────────────────────────────────────────────────
    def having(self, ask: str) -> tuple[Synthetic, ...]:
        """The tasks, where they offer this; a test of what is not offered is that it is refused."""
        if ask in self.task.offers:
            return self.every()
        arguments = {"page": (rng(),), "pieces": ("",), "item": ("",)}
        two = {"relabel": ("", ""), "is_sound": ("", ""), "opinion": ("", "")}
        given = {**arguments, **two, "paraphrase": ("", rng()), "repair": ("", "", rng()), "mutate": ("", "", rng())}
        with pytest.raises(KnobError, match=f"task {self.task.name!r} has no {ask!r}; tasks that have it: [a-z]"):
            getattr(self.task, ask)(*given[ask])
        return ()

    def asked(self, task: Synthetic, n: int = 12) -> list[tuple[str, str]]:
        """Pairs of a drawn prompt and a candidate, a random text of tokens, or text that is none."""
        found = []
        for seed in range(n):
            prompt = task.draw(rng(seed), beyond=seed % 4 == 0).prompt
            said = [task.vocabulary[i] for i in rng(seed).integers(len(task.vocabulary), size=(6 * (seed % 3)))]
            texts = ["".join(said), "é?", *task.candidates(prompt, rng(seed))]
            found += [(prompt, text) for text in texts]
        return found

    def test_offers_are_what_is_overridden(self) -> None:
        assert {"write", "item", "mutate"} <= self.task.offers
        assert ("hint" in self.task.offers) == bool(self.task.hints)
        assert ("executed" in self.task.offers) == self.task.has_steps
        assert all(task.offers == self.task.offers for task in self.others)

    def test_a_drawn_prompt_is_read_as_the_drawn_problem(self) -> None:
        for task in self.having("item"):
            for seed in range(60):
                item = task.draw(rng(seed), beyond=seed % 3 == 0)
                assert task.item(item.prompt) == item

    def test_whatever_is_read_as_a_problem_can_be_answered(self) -> None:
        for task in self.having("item"):
            marks = [*task.vocabulary, "#", ">"]
            for seed in range(150):
                prompt, luck = task.draw(rng(seed)).prompt, rng(seed)
                for _ in range(4):  # one or more small changes of a prompt often are another prompt
                    prompt = slipped(task.vocabulary, prompt, luck)
                    self._is_a_problem_or_none(task, prompt)
                self._is_a_problem_or_none(task, "".join(marks[i] for i in luck.integers(len(marks), size=8)))

    def _is_a_problem_or_none(self, task: Synthetic, prompt: str) -> None:
        item = task.item(prompt)
        if item is None:
            return
        response = task.write(prompt, rng())
        assert task.is_right(prompt, response)
        assert len(tokens(task, response)) + 1 <= task.max_tokens
        assert tokens(task, prompt)
        assert item.prompt == prompt
        assert np.isfinite(item.hardness)
        if task.solutions(prompt) is not None:
            assert item.n_solutions == len(task.solutions(prompt) or ())
            assert item.answer is None or item.answer in (task.solutions(prompt) or ())

    def test_a_paraphrase_has_the_same_right_answers(self) -> None:
        for task in self.having("paraphrase"):
            changed = 0
            for seed in range(60):
                item = task.draw(rng(seed), beyond=seed % 4 == 0)
                other = task.paraphrase(item.prompt, rng(seed))
                assert other == task.paraphrase(item.prompt, rng(seed))
                assert task.solutions(other) == task.solutions(item.prompt)
                assert task.item(other) == item._replace(prompt=other)
                for response in task.candidates(item.prompt, rng(seed)):
                    assert task.is_right(other, response) == task.is_right(item.prompt, response)
                changed += other != item.prompt
            assert changed >= 30
            with pytest.raises(KnobError, match=f"a (prompt of {task.name}|{task.name} prompt) "):
                task.paraphrase("no prompt", rng())

    def test_hindsight_gives_a_problem_that_is_answered(self) -> None:
        for task in self.having("relabel"):
            found = 0
            for prompt, response in self.asked(task):
                other = task.relabel(prompt, response)
                if other is not None:
                    found += 1
                    assert not task.is_right(prompt, response)
                    assert task.is_right(other, response)
                    assert task.item(other) is not None
            assert found >= 10

    def test_repaired_responses_are_right_and_begin_alike(self) -> None:
        for task in self.having("repair"):
            mended = 0
            for prompt, response in self.asked(task):
                better = task.repair(prompt, response, rng())
                assert better == task.repair(prompt, response, rng())
                if task.is_right(prompt, response):
                    assert better == response
                elif better is not None:
                    mended += 1
                    assert task.is_right(prompt, better)
                    assert len(tokens(task, better)) + 1 <= task.max_tokens
            assert mended >= 10
            assert task.repair("no prompt", "1", rng()) is None

    def test_a_mutant_is_another_text_of_tokens(self) -> None:
        for task in self.having("mutate"):
            for seed, (prompt, response) in enumerate(self.asked(task)):
                mutant = task.mutate(prompt, response, rng(seed))
                assert mutant == task.mutate(prompt, response, rng(seed))
                assert mutant != response
                tokens(task, mutant)

    def test_a_sound_response_is_right(self) -> None:
        for task in self.having("is_sound"):
            pairs = self.asked(task)
            assert all(task.is_right(*pair) for pair in pairs if task.is_sound(*pair))
            assert not all(task.is_sound(*pair) for pair in pairs)
            for seed in range(20):
                prompt = task.draw(rng(seed)).prompt
                assert task.is_sound(prompt, task.write(prompt, rng(seed)))

    def test_pieces_are_the_response_in_tokens(self) -> None:
        for task in self.having("pieces"):
            for _, response in self.asked(task):
                parts = task.pieces(response)
                assert "".join(parts) == response
                assert all(parts)
                if response != "é?":
                    assert [token for part in parts for token in tokens(task, part)] == tokens(task, response)
            written = [task.write(task.draw(rng(seed)).prompt, rng(seed)) for seed in range(20)]
            assert max(len(task.pieces(response)) for response in written) > 1 or task != self.task

    def test_a_page_is_no_problem_itself(self) -> None:
        for task in self.having("page"):
            pages = [task.page(rng(seed)) for seed in range(20)]
            assert pages == [task.page(rng(seed)) for seed in range(20)]
            assert len(set(pages)) > 10
            assert all(tokens(task, page) and task.item(page) is None for page in pages)

    def test_an_opinion_is_a_share(self) -> None:
        for task in self.having("opinion"):
            assert all(0 <= task.opinion(*pair) <= 1 for pair in self.asked(task))

    def test_a_note_stands_behind_the_prompt(self) -> None:
        prompt = self.task.draw(rng()).prompt
        assert self.task.with_text(prompt, "note") == f"{prompt}#note>"

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
            with pytest.raises(
                KnobError, match=f"a (prompt of {self.task.name}|{self.task.name} prompt) .*got 'no prompt'"
            ):
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
        self._asked_of_any_text(prompt, response)
        if right:
            assert answer is not None
            assert answer in (self.task.solutions(prompt) or {answer})

    def _asked_of_any_text(self, prompt: str, response: str) -> None:
        """None of these may raise, whatever the text."""
        task, offers = self.task, self.task.offers
        item = task.item(prompt)
        assert item is None or item.prompt == prompt
        tokens(task, task.mutate(prompt, response, rng()))
        if "relabel" in offers:
            assert task.relabel(prompt, response) != prompt
        if "repair" in offers:
            better = task.repair(prompt, response, rng())
            assert better is None or task.is_right(prompt, better)
        if "is_sound" in offers:
            assert task.is_sound(prompt, response) in (True, False)
        if "pieces" in offers:
            assert "".join(task.pieces(response)) == response
        if "opinion" in offers:
            assert 0 <= task.opinion(prompt, response) <= 1

    def test_long_text_is_read_in_no_time(self) -> None:
        for unit in (*self.task.vocabulary[:3], "(", "=", ";", "9+", "BanoBati"):
            assert not self.task.is_right(unit * 100_000, unit * 100_000)
            prompt = self.task.draw(rng()).prompt
            assert not self.task.is_right(prompt, unit * 100_000)
            assert self.task.item(unit * 100_000) is None
            self._asked_of_any_text(prompt, unit * 100_000)

    def test_row_tables_get_arrow_answers_and_truth(self) -> None:
        prompts = self.task.problems("train", 10)["prompt"].tolist()
        responses = [self.task.write(prompt, rng()) for prompt in prompts]
        rows = pd.DataFrame({"prompt": [*prompts, prompts[0]], "response": [*responses, "<p>"]})
        assert self.task.check(rows).tolist() == [True] * 10 + [False]
        assert self.task.answers(rows).isna().tolist() == [False] * 10 + [True]
