"""Programmes by example: the interpreter by hand, every right programme by brute force, what a component may ask."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.schema import KnobError
from siwork.tasks.dsl import PRIMITIVES, Dsl, run
from tasks_contract import TaskContract, rng

NAMES = ("Sort", "Rev", "Tail", "Inc", "Dbl", "Uniq", "Sum")


class TestDslContract(TaskContract):
    task = Dsl()
    others = (Dsl(length=1), Dsl(length=3))


def by_loops(name: str, values: list[int]) -> list[int]:
    """The primitives once more, by loops and indices."""
    if name == "Sort":
        return [digit for digit in range(10) for value in values if value == digit]
    if name == "Rev":
        return [values[len(values) - 1 - i] for i in range(len(values))]
    if name == "Tail":
        return [values[i] for i in range(1, len(values))]
    if name == "Inc":
        return [0 if value == 9 else value + 1 for value in values]
    if name == "Dbl":
        return [int(str(value + value)[-1]) for value in values]
    if name == "Uniq":
        return [value for i, value in enumerate(values) if value not in values[:i]]
    return [int(str(sum(values[: i + 1]))[-1]) for i in range(len(values))]


def programmes(longest: int) -> Iterator[tuple[str, ...]]:
    for length in range(1, longest + 1):
        yield from product(NAMES, repeat=length)


def brute_force(prompt: str, longest: int) -> set[str]:
    """Every programme that gives the outputs, each run alone."""
    pairs = [pair.split(":") for pair in prompt[:-1].split(";")]
    found = set()
    for programme in programmes(longest):
        outputs = []
        for left, _ in pairs:
            values = [int(digit) for digit in left]
            for name in programme:
                values = by_loops(name, values)
            outputs.append("".join(map(str, values)))
        if outputs == [right for _, right in pairs]:
            found.add("".join(programme))
    return found


@pytest.mark.parametrize(
    ("programme", "before", "after"),
    [
        (("Sort",), (4, 1, 3, 1), (1, 1, 3, 4)),
        (("Rev",), (4, 1, 3), (3, 1, 4)),
        (("Tail",), (4, 1, 3), (1, 3)),
        (("Tail", "Tail"), (4,), ()),
        (("Inc",), (9, 0, 8), (0, 1, 9)),
        (("Dbl",), (5, 9, 3), (0, 8, 6)),
        (("Uniq",), (2, 3, 2, 0, 3), (2, 3, 0)),
        (("Sum",), (4, 7, 1, 9), (4, 1, 2, 1)),  # 4, 11, 12, 21
        (("Inc", "Dbl"), (1, 4), (4, 0)),
        (("Dbl", "Inc"), (1, 4), (3, 9)),
        ((), (1, 2), (1, 2)),
    ],
)
def test_primitives_by_hand(programme: tuple[str, ...], before: tuple[int, ...], after: tuple[int, ...]) -> None:
    assert run(programme, before) == after


@given(st.lists(st.sampled_from(NAMES), max_size=6), st.lists(st.integers(0, 9), max_size=6))
def test_programmes_run_like_loops_and_no_list_grows(programme: list[str], values: list[int]) -> None:
    expected = values
    for name in programme:
        expected = by_loops(name, expected)
    assert run(programme, tuple(values)) == tuple(expected)
    assert len(expected) <= len(values)
    assert tuple(PRIMITIVES) == NAMES


def test_names_that_are_no_primitives_are_refused() -> None:
    with pytest.raises(KnobError, match="no primitive is called 'Sorted'; nearest: 'Sort'"):
        run(("Sorted",), (1,))


@pytest.mark.parametrize(
    ("prompt", "shortest"),
    [
        ("413:314;27:72=", "Rev"),
        ("413:425;27:83=", "IncRev"),
        ("413:31;27:7=", "TailRev"),
        ("2300:230;186:186;56976:5697=", "Uniq"),
        ("413:999;27:72=", None),
        ("413:314;413:143=", None),  # one list cannot have two outputs
    ],
)
def test_solutions_are_those_of_brute_force(prompt: str, shortest: str | None) -> None:
    for length in (1, 2, 3):
        truth = brute_force(prompt, length + 1)
        assert Dsl(length=length).solutions(prompt) == truth
        assert shortest is None or shortest in truth
    assert (Dsl().item(prompt) is None) == (shortest is None)


def test_drawn_problems_have_all_solutions_of_brute_force() -> None:
    for seed in range(12):
        item = Dsl().draw(rng(seed), beyond=seed % 3 == 0)
        truth = brute_force(item.prompt, 3)
        assert Dsl().solutions(item.prompt) == truth
        assert item.n_solutions == len(truth)
        least = min(sum(letter.isupper() for letter in text) for text in truth)
        assert least == (3 if seed % 3 == 0 else least)
        assert item.hardness == least + 1 / (1 + len(truth))
        assert Dsl().write(item.prompt, rng(seed)) in truth


def test_shortest_lengths_are_those_drawn() -> None:
    lengths = [int(Dsl(length=3).draw(rng(seed)).hardness) for seed in range(150)]
    assert {lengths.count(n) >= 30 for n in (1, 2, 3)} == {True}  # 50 expected, standard error 5.8
    assert {int(Dsl().draw(rng(seed), beyond=True).hardness) for seed in range(30)} == {3}


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("Rev", "Rev"),
        ("RevIncSort", "RevIncSort"),
        ("RevIncSortTail", None),  # longer than any that is asked for
        ("", None),
        ("rev", None),
        ("Rev Inc", None),
        ("RevInc;", None),
        ("Reverse", None),
        ("Rev" * 100_000, None),
        ("__import__('os')", None),
    ],
)
def test_programmes_are_read_strictly(response: str, answer: str | None) -> None:
    assert Dsl().answer("413:314;27:72=", response) == answer


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "=",
        "413:314=",
        "413:314;27:72",
        "413:;27:72=",
        "4131111:1;2:2=",
        "1:1;2:2;3:3;4:4=",
        "1:1;2:2=#Rev>",
        "٣:٣;2:2=",
    ],
)
def test_other_prompts_have_no_programmes(prompt: str) -> None:
    assert Dsl().solutions(prompt) is None
    assert not Dsl().is_right(prompt, "Rev")
    assert Dsl().relabel(prompt, "Rev") is None


def test_what_may_be_asked_by_hand() -> None:
    task, prompt = Dsl(), "413:314;27:72="
    assert task.relabel(prompt, "Inc") == "413:524;27:38="
    assert task.relabel(prompt, "Rev") is None  # right already
    assert task.relabel(prompt, "TailTailTail") is None  # nothing is left
    assert task.paraphrase(prompt, rng()) == "27:72;413:314="
    assert task.pieces("RevInc") == ("Rev", "Inc")
    assert task.hint_text("413:425;27:83=", "answer") == "IncRev"
    assert task.hinted("413:425;27:83=", "step") == "413:425;27:83=#Inc>"
    # of Rev, RevUniq, UniqRev, RevRevRev …, Rev alone is one primitive away from RevInc with Inc taken out
    assert {task.repair(prompt, "RevInc", rng(seed)) for seed in range(60)} == {"Rev", "RevUniq"}
    assert task.repair(prompt, "Nothing", rng()) is None
    assert task.repair("413:999;27:72=", "Rev", rng()) is None
    changes = {task.mutate(prompt, "RevInc", rng(seed)) for seed in range(2000)}
    one_change = {"Rev", "Inc", *(name + "Inc" for name in NAMES), *("Rev" + name for name in NAMES)}
    one_change |= {"".join(three) for name in NAMES for three in ((name, "Rev", "Inc"), ("Rev", name, "Inc"))}
    one_change |= {f"RevInc{name}" for name in NAMES}
    assert changes == one_change - {"RevInc"}


def test_candidates_are_right_and_wrong_programmes() -> None:
    task, prompt = Dsl(), "413:314;27:72="
    found = task.candidates(prompt, rng())
    assert found[0] == "Rev"
    assert sum(task.is_right(prompt, text) for text in found) == 7  # all that there are
    assert all(task.answer(prompt, text) == text for text in found)
