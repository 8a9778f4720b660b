"""`maze`: a shortest way on a grid with walls; every one of them is known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np

from siwork.schema import KnobError, knob, nearest
from siwork.tasks.base import Item, Synthetic, slipped

_MOVES = {"D": (1, 0), "L": (0, -1), "R": (0, 1), "U": (-1, 0)}
_WIDEST = 6  # rows and columns of a grid that is read at all
_CELLS = re.compile(r"[.XSG/]+")
_DENSITIES = 0.05, 0.45  # least and greatest share of walls that a grid is drawn with

Cell: TypeAlias = tuple[int, int]  # row and column from 0, the upper left first


@dataclass(frozen=True)
class Maze(Synthetic):
    """The way from S to G by moves up, down, left, right: `S.X/..X/X.G=` → `DRDR` or `RDDR`.

    `.` is free, `X` a wall, `/` ends a row. A response is right when it keeps to the grid, enters no wall, ends at the
    goal and takes as few moves as can be; there may be many such ways, and all are enumerated. The number of moves is
    uniform on 1 … `size` + 1 (beyond: `size` + 2 … 2 · `size`), the walls are random.

    hardness = moves of a shortest way + share of the cells that are walls.

    >>> task, prompt = Maze(size=3), "S.X/..X/X.G="
    >>> sorted(task.solutions(prompt)), task.is_right(prompt, "RDLRDR")
    (['DRDR', 'RDDR'], False)
    """

    name: ClassVar[str] = "maze"
    sentence: ClassVar[str] = "A shortest way on a grid with walls; all of them are known."
    hints: ClassVar[tuple[str, ...]] = ("answer", "step")

    size: int = knob(4, "Rows and columns of the grid.", low=3, high=_WIDEST, unit="cells")

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Cells, the end of a row, the end of the grid, and the moves; every token is one character."""
        return (*".XSG/=", *_MOVES)

    @property
    def max_tokens(self) -> int:
        """The longest way of a problem and the end token."""
        return self._longest + 1

    @property
    def _longest(self) -> int:
        return 2 * self.size

    def draw(self, rng: np.random.Generator, *, beyond: bool = False) -> Item:
        """Random walls and a random start, drawn again until some cell is as far away as was drawn first."""
        low, high = (self.size + 2, self._longest) if beyond else (1, self.size + 1)
        moves = int(rng.integers(low, high + 1))
        while True:
            walls = rng.random((self.size, self.size)) < rng.uniform(*_DENSITIES)
            free = list(zip(*(axis.tolist() for axis in np.nonzero(~walls)), strict=True))
            if not free:
                continue
            start = free[rng.integers(len(free))]
            far = [cell for cell, away in _distances(frozenset(free), start).items() if away == moves]
            if far:
                return self._item(_written(self.size, frozenset(free), start, far[rng.integers(len(far))]))

    def item(self, prompt: str) -> Item | None:
        """Any grid of this size where the goal is reached, within the moves that `beyond` takes. Never raises."""
        grid = _read(prompt)
        if grid is None or grid.size != self.size or not 0 < _way(grid) <= self._longest:
            return None
        return self._item(prompt)

    def _item(self, prompt: str) -> Item:
        grid, right = self._grid(prompt), self._solved(prompt)
        walls = 1 - len(grid.free) / self.size**2
        return Item(prompt, len(right[0]) + walls, right[0], len(right))

    def answer(self, prompt: str, response: str) -> str | None:
        """The moves, right or wrong; None for other text, and for more moves than any problem takes."""
        moves = len(response) <= self._longest and set(response) <= set(_MOVES)
        return response if response and moves else None

    def is_right(self, prompt: str, response: str) -> bool:
        """Whether the moves lead to the goal past no wall, and are as few as can be."""
        grid = _read(prompt)
        if grid is None or self.answer(prompt, response) is None or len(response) != _way(grid):
            return False
        passed = _walked(grid, response)
        return len(passed) == len(response) + 1 and passed[-1] == grid.goal

    def is_sound(self, prompt: str, response: str) -> bool:
        """The check itself, which walks the way. Never raises."""
        return self.is_right(prompt, response)

    def solutions(self, prompt: str) -> frozenset[str] | None:
        """All shortest ways that a response can hold; None when the prompt is not one of this task."""
        grid = _read(prompt)
        return None if grid is None else frozenset(way for way in _ways(grid) if len(way) <= self._longest)

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """One of the shortest ways. Raises KnobError when there is none."""
        right = self._solved(prompt)
        return right[rng.integers(len(right))]

    def hint_text(self, prompt: str, kind: str) -> str:
        """`answer`: the first of the shortest ways; `step`: the first half of its moves, rounded up.

        Raises KnobError for another kind, or when the goal cannot be reached.
        """
        if kind not in self.hints:
            raise KnobError(f"task 'maze' has no hint {kind!r}; {nearest(kind, self.hints)}")
        way = self._solved(prompt)[0]
        return way if kind == "answer" else way[: (len(way) + 1) // 2]

    def candidates(self, prompt: str, rng: np.random.Generator, n: int = 24) -> list[str]:
        """Shortest ways, then wrong ones: a move or two changed, a detour, moves at random.

        At most n/2 are right. Raises KnobError when the goal cannot be reached.
        """
        right = self._solved(prompt)
        found = dict.fromkeys(right[i] for i in rng.permutation(len(right))[: max(n // 2, 1)])
        for i in range(30 * n):
            if len(found) >= n:
                break
            text = self._astray(right[rng.integers(len(right))], i, rng)
            if self.answer(prompt, text) is not None and not self.is_right(prompt, text):
                found[text] = None
        return list(found)

    def _astray(self, way: str, i: int, rng: np.random.Generator) -> str:
        moves = list(_MOVES)
        if i % 3 == 0:
            return "".join(moves[j] for j in rng.integers(4, size=len(way)))
        if i % 3 == 1:
            spot = int(rng.integers(len(way) + 1))
            return way[:spot] + ("LR", "RL", "UD", "DU")[rng.integers(4)] + way[spot:]
        made = self.mutate("", way, rng)
        return self.mutate("", made, rng) if rng.random() < 0.3 else made

    def relabel(self, prompt: str, response: str) -> str | None:
        """The same walls with the goal where the moves end, when they pass no wall and are as few as lead there."""
        grid = _read(prompt)
        if grid is None or grid.size != self.size or self.answer(prompt, response) is None:
            return None
        passed = _walked(grid, response)
        if len(passed) <= len(response) or passed[-1] == grid.goal:
            return None
        shortest = _distances(grid.free, grid.start)[passed[-1]] == len(response)
        return _written(grid.size, grid.free, grid.start, passed[-1]) if shortest else None

    def repair(self, prompt: str, response: str, rng: np.random.Generator) -> str | None:
        """The moves for as long as they begin a shortest way, then one such way on; None where none is a move.

        Also None where the goal cannot be reached.
        """
        right = sorted(self.solutions(prompt) or ())
        if not right or not set(response[: self._longest]) & set(_MOVES):
            return None
        if response in right:
            return response
        for kept in range(min(len(response), self._longest), -1, -1):
            near = [way for way in right if way.startswith(response[:kept])]
            if near:
                return near[rng.integers(len(near))]
        return None

    def mutate(self, prompt: str, response: str, rng: np.random.Generator) -> str:
        """One move exchanged or left out; other text is left out. Never raises, whatever the text."""
        return slipped(tuple(_MOVES), response, rng)

    def pieces(self, response: str) -> tuple[str, ...]:
        """The moves."""
        return tuple(response)

    def page(self, rng: np.random.Generator) -> str:
        """A grid with walls, without start and goal."""
        walls = rng.random((self.size, self.size)) < rng.uniform(*_DENSITIES)
        return "/".join("".join(".X"[int(wall)] for wall in row) for row in walls)

    def _grid(self, prompt: str) -> _Grid:
        grid = _read(prompt)
        if grid is None:
            raise KnobError(f"a prompt of maze looks like 'S.X/..X/X.G=', got {prompt[:60]!r}; take task.problems(...)")
        return grid

    def _solved(self, prompt: str) -> tuple[str, ...]:
        self._grid(prompt)
        right = tuple(sorted(self.solutions(prompt) or ()))
        if not right:
            raise KnobError(f"the goal of {prompt!r} is not reached in {self._longest} moves; take task.problems(...)")
        return right


class _Grid(NamedTuple):
    size: int
    free: frozenset[Cell]  # start and goal among them
    start: Cell
    goal: Cell


@lru_cache(maxsize=8192)
def _read(prompt: str) -> _Grid | None:
    """The grid of a prompt; None for text that is no square grid with one start and one goal."""
    rows = prompt[: _WIDEST * (_WIDEST + 1)].removesuffix("=").split("/")
    square = len(rows) <= _WIDEST and all(len(row) == len(rows) for row in rows)
    once = prompt.count("S") == prompt.count("G") == prompt.count("=") == 1 and prompt.endswith("=")
    if not square or not once or not _CELLS.fullmatch(prompt[:-1]):
        return None
    cells = {(i, j): mark for i, row in enumerate(rows) for j, mark in enumerate(row)}
    spot = {mark: cell for cell, mark in cells.items()}
    return _Grid(len(rows), frozenset(cell for cell, mark in cells.items() if mark != "X"), spot["S"], spot["G"])


def _written(size: int, free: frozenset[Cell], start: Cell, goal: Cell) -> str:
    marks = {**dict.fromkeys(free, "."), start: "S", goal: "G"}
    return f"{'/'.join(''.join(marks.get((i, j), 'X') for j in range(size)) for i in range(size))}="


def _moved(cell: Cell, move: str) -> Cell:
    down, right = _MOVES[move]
    return cell[0] + down, cell[1] + right


def _walked(grid: _Grid, moves: str) -> list[Cell]:
    """The cells that moves pass, the start first, up to the first move into a wall or off the grid."""
    passed = [grid.start]
    for move in moves:
        cell = _moved(passed[-1], move)
        if cell not in grid.free:
            break
        passed.append(cell)
    return passed


def _distances(free: frozenset[Cell], start: Cell) -> dict[Cell, int]:
    """Fewest moves from the start to every free cell that can be reached, the nearest first."""
    away, edge = {start: 0}, [start]
    for cell in edge:
        for move in _MOVES:
            near = _moved(cell, move)
            if near in free and near not in away:
                away[near] = away[cell] + 1
                edge.append(near)
    return away


@lru_cache(maxsize=8192)
def _way(grid: _Grid) -> int:
    """Fewest moves to the goal; 0 where it cannot be reached."""
    return _distances(grid.free, grid.start).get(grid.goal, 0)


@lru_cache(maxsize=8192)
def _ways(grid: _Grid) -> tuple[str, ...]:
    """All shortest ways, none where the goal cannot be reached."""
    left = _distances(grid.free, grid.goal)
    ways = {grid.start: [""]} if grid.start in left else {}
    for _ in range(left.get(grid.start, 0)):
        onward: dict[Cell, list[str]] = {}
        for cell, texts in ways.items():
            for move in _MOVES:
                near = _moved(cell, move)
                if left.get(near, _WIDEST**2) == left[cell] - 1:
                    onward.setdefault(near, []).extend(text + move for text in texts)
        ways = onward
    return tuple(ways.get(grid.goal, []))
