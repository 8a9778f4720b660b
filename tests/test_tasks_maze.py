"""Mazes: every shortest way by walking all of them, strict reading, hindsight and repair by hand."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.schema import KnobError
from siwork.tasks.maze import Maze
from tasks_contract import TaskContract, rng

STEPS = {"U": -1 + 0j, "D": 1 + 0j, "L": -1j, "R": 1j}  # rows are real, columns imaginary


class TestMazeContract(TaskContract):
    task = Maze()
    others = (Maze(size=3), Maze(size=6))


def walk(prompt: str, moves: str) -> complex | None:
    """Where moves from S end; None past a wall or the edge."""
    cells = {i + j * 1j: mark for i, row in enumerate(prompt[:-1].split("/")) for j, mark in enumerate(row)}
    here = next(cell for cell, mark in cells.items() if mark == "S")
    for move in moves:
        here += STEPS[move]
        if cells.get(here, "X") == "X":
            return None
    return here


def goal(prompt: str) -> complex:
    rows = prompt[:-1].split("/")
    return next(i + row.index("G") * 1j for i, row in enumerate(rows) if "G" in row)


def brute_force(prompt: str, most: int) -> set[str]:
    """All ways of the fewest moves that reach the goal, by trying every text of moves."""
    for n in range(1, most + 1):
        found = {text for moves in product("UDLR", repeat=n) if walk(prompt, text := "".join(moves)) == goal(prompt)}
        if found:
            return found
    return set()


@pytest.mark.parametrize(
    ("prompt", "ways"),
    [
        ("S.X/..X/X.G=", {"DRDR", "RDDR"}),
        ("SG./.../...=", {"R"}),
        ("S../.../..G=", {"".join(p) for p in ("RRDD", "RDRD", "RDDR", "DRRD", "DRDR", "DDRR")}),
        ("XG./SX./...=", {"DRRUUL"}),
        ("SX./XX./..G=", set()),
    ],
)
def test_ways_by_hand(prompt: str, ways: set[str]) -> None:
    assert Maze(size=3).solutions(prompt) == brute_force(prompt, 6) == ways
    assert (Maze(size=3).item(prompt) is None) == (not ways)


@given(st.lists(st.sampled_from(".X"), min_size=9, max_size=9), st.integers(0, 8), st.integers(0, 8))
def test_any_grid_of_three_has_the_ways_of_brute_force(cells: list[str], start: int, end: int) -> None:
    if start == end:
        end = (end + 1) % 9
    cells[start], cells[end] = "S", "G"
    text = "".join(cells)
    prompt = f"{text[:3]}/{text[3:6]}/{text[6:]}="
    task, truth = Maze(size=3), brute_force(prompt, 6)  # no shortest way on nine cells takes more
    assert task.solutions(prompt) == truth
    item = task.item(prompt)
    if truth:
        assert item is not None
        assert item.n_solutions == len(truth)
        assert item.answer in truth
        assert item.hardness == pytest.approx(len(min(truth)) + cells.count("X") / 9)
    else:
        assert item is None


@given(st.integers(0, 10**6), st.text(alphabet="UDLR", max_size=9))
def test_moves_are_right_when_they_are_a_shortest_way(seed: int, moves: str) -> None:
    task, prompt = Maze(), Maze().draw(rng(seed)).prompt
    least = len(next(iter(task.solutions(prompt) or ())))
    for said in (moves, *task.candidates(prompt, rng(seed))):
        assert task.is_right(prompt, said) == (len(said) == least and walk(prompt, said) == goal(prompt))


def test_lengths_are_those_drawn() -> None:
    lengths = [int(Maze().draw(rng(seed)).hardness) for seed in range(300)]
    assert all(lengths.count(n) >= 30 for n in range(1, 6))  # 60 expected, standard error 6.9
    assert set(lengths) == set(range(1, 6))
    assert {int(Maze().draw(rng(seed), beyond=True).hardness) for seed in range(60)} == {6, 7, 8}


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("DRDR", "DRDR"),
        ("UUUUUU", "UUUUUU"),  # through the edge, but readable
        ("U" * 7, None),  # no problem takes so many
        ("", None),
        ("drdr", None),
        ("DRDR ", None),
        ("DR;DR", None),
        ("D" * 100_000, None),
    ],
)
def test_moves_are_read_strictly(response: str, answer: str | None) -> None:
    assert Maze(size=3).answer("S.X/..X/X.G=", response) == answer


@pytest.mark.parametrize(
    "prompt",
    [
        "", "=", "S=", "SG=", "SG/..", "SG./.../..=", "SG/../..=", "SS./.G./...=", "S../.../...=", ".../.../..G=",
        "SG./.../...=#R>", "SG./...\n...=", "S.a/.../..G=", "SG./.../...==",
        "S....../......./......./......./......./......./......G=",
    ],
)  # fmt: skip
def test_other_prompts_have_no_ways(prompt: str) -> None:
    for task in (Maze(), Maze(size=3)):
        assert task.solutions(prompt) is None
        assert task.item(prompt) is None
        assert not task.is_right(prompt, "R")
        with pytest.raises(KnobError, match="a prompt of maze looks like"):
            task.hint_text(prompt, "answer")


def test_grids_of_another_size_are_no_problem_of_this_task() -> None:
    assert Maze(size=3).item("SG./.../...=") is not None
    assert Maze().item("SG./.../...=") is None
    assert Maze().relabel("SG./.../...=", "D") is None


def test_hindsight_by_hand() -> None:
    task, prompt = Maze(size=3), "S.X/..X/X.G="
    assert task.relabel(prompt, "DR") == "S.X/.GX/X..="
    assert task.relabel(prompt, "D") == "S.X/G.X/X..="
    assert task.relabel(prompt, "DRU") is None  # ends where one move leads
    assert task.relabel(prompt, "RR") is None  # into a wall
    assert task.relabel(prompt, "U") is None
    assert task.relabel(prompt, "RL") is None  # ends where it began
    assert task.relabel(prompt, "RDDR") is None  # right already


def test_repair_by_hand() -> None:
    task, prompt = Maze(size=3), "S.X/..X/X.G="
    assert task.repair(prompt, "RRDD", rng()) == "RDDR"  # R holds, the wall after it does not
    assert task.repair(prompt, "DDRR", rng()) == "DRDR"
    assert {task.repair(prompt, "UU", rng(seed)) for seed in range(20)} == {"RDDR", "DRDR"}
    assert task.repair(prompt, "RDDRR", rng()) == "RDDR"
    assert task.repair(prompt, "south", rng()) is None
    assert task.repair("SX./XX./..G=", "D", rng()) is None


def test_hints_and_pieces() -> None:
    task, prompt = Maze(size=3), "S.X/..X/X.G="
    assert task.hint_text(prompt, "answer") == "DRDR"
    assert task.hinted(prompt, "step") == "S.X/..X/X.G=#DR>"
    assert task.pieces("DRDR") == ("D", "R", "D", "R")
