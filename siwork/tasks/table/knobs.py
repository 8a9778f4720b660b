"""What is chosen of a table of the user's own: where it lies, which column is what, how answers are compared."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from siwork.files.columns import HUB
from siwork.schema import Knobbed, KnobError, format_call, knob
from siwork.tasks.table.checks import Check, Judge, Judged, check_of, name_of
from siwork.tasks.table.rows import Rows, Wish

if TYPE_CHECKING:
    from siwork.tasks.table.task import TableTask

_CHECKS = ("exact", "numeric", "choice", "math", "regex")
_FRAME, _FUNCTION = "<frame", "<function"


class _Frame:
    """A frame in memory; two are equal when they are one."""

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True)
class Table(Knobbed):
    """Prompts and answers from a file, a folder, a frame, or a data set of the hub.

    `path` is CSV, JSON lines, Parquet, Arrow, a folder of one kind of them or of `save_to_disk`, `datasets:id`, or a
    DataFrame. `check` may be a function (prompt, response, answer) → bool. With a frame or a function the task has no
    call text that can be read back: it runs in this process only. Splits come from a column, else from folders and
    files called train and test, else a fifth of the prompts, by their hash, is held out. Problem ids hold the id column
    or the number of the row in the file. Difficulty is the rank of a column's values, or of a probe's; else it is null.
    Rows are read when they are first needed; `notes` says what was left out.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"question": ["2 + 2?", "2 + 3?"], "answer": ["4", "#### 5"]})
    >>> task = Table(frame, prompt="question", check="numeric").task()
    >>> task.is_right("2 + 3?", "It is $5.00."), task.answer("2 + 3?", "5 or 6")
    (True, '6')
    """

    name: ClassVar[str] = "table"
    sentence: ClassVar[str] = "Your own prompts and answers, from a file or a data set."

    path: str = knob("", "File, folder, or datasets:id of a data set of the hub.", shown=True)
    prompt: str = knob("prompt", "Column of the prompts, where there is no template.")
    answer: str = knob("answer", "Column of the right answers.")
    check: str = knob("exact", "How a response is compared with the answer.", choices=_CHECKS)
    template: str = knob("", "Text of the prompts with {column} in it; empty takes the prompt column as it is.")
    pattern: str = knob(
        "", "Of check=regex: what finds the answer in a response; empty takes the answers as patterns to fit."
    )
    choices: str = knob("", "Column with the list of choices, for check=choice and for the template.")
    split: str = knob("", "Column that says train, test or beyond; empty holds out a fifth of the prompts.")
    difficulty: str = knob("", "Column of numbers or levels, the harder the larger; empty for none.")
    id: str = knob("", "Column of ids; empty numbers the rows.")
    probed: str = knob("", "File of difficulties that siwork.tasks.probe wrote.")
    mark: str = knob("", "Mark of the rows it is meant for, which a run fills in; empty takes the rows as they are.")
    judge: Judge | None = field(default=None, init=False, repr=False)
    frame: _Frame | None = field(default=None, init=False, repr=False)

    def __str__(self) -> str:
        return format_call(self)

    def __post_init__(self) -> None:
        path, check = self.path, self.check
        held: dict[str, Any] = {}
        if isinstance(path, PathLike):
            held["path"] = fspath(path)
        elif hasattr(path, "to_pandas") or hasattr(path, "iloc"):
            frame = path.to_pandas() if hasattr(path, "to_pandas") else path
            held |= {"path": f"{_FRAME} of {len(frame)} rows>", "frame": _Frame(frame)}
        if callable(check):
            held |= {"check": "exact", "judge": check}
        for name, value in held.items():
            object.__setattr__(self, name, value)
        self._refuse_memories()
        super().__post_init__()
        if self.judge is not None:
            object.__setattr__(self, "check", f"{_FUNCTION} {name_of(self.judge)}>")
        self._refuse_clashes()

    def _refuse_memories(self) -> None:
        """A call text of another process may name what only that one had."""
        for what, text, there in (("frame", self.path, self.frame), ("function", self.check, self.judge)):
            if there is None and isinstance(text, str) and text.startswith(f"<{what}"):
                raise KnobError(
                    f"table: {text} was in the memory of another process, and a call text does not hold it; go on there with "
                    f"resume(folder, task=task), or {'write it to a file' if what == 'frame' else 'take a named check'}"
                )

    def _refuse_clashes(self) -> None:
        if self.pattern and self.check != "regex":
            raise KnobError(f"table: a pattern is of check=regex, got check={self.check}; drop one of the two")
        if self.difficulty and self.probed:
            raise KnobError("table: difficulty comes from a column or from a probe, got both; drop one of the two")
        if self.pattern:
            self.checker()  # a pattern that does not compile is told at once

    def task(self) -> TableTask:
        """The task; nothing is read yet."""
        from siwork.tasks.table.task import TableTask

        return TableTask(self)

    def checker(self) -> Check:
        """The check. Raises KnobError for a pattern that does not compile, MissingExtra for a missing package."""
        return check_of(self.check, self.pattern) if self.judge is None else Judged(self.judge)

    def read(self, checker: Check) -> Rows:
        """The problems. Raises KnobError for a table that cannot be used, or whose mark is another one."""
        if not self.path:
            raise KnobError('table: name a file, as task("table", path="questions.jsonl")')
        template = self.template or f"{{{self.prompt}}}"
        wish = Wish(template, self.answer, self.choices, self.split, self.difficulty, self.id)
        found = Rows(self.path if self.frame is None else self.frame.value, self.path, wish, checker)
        if self.mark and self.mark != found.mark:
            raise KnobError(
                f"table: the rows of {self.path} are not those this task was made with (mark {self.mark}, now {found.mark}); "
                "put the old file back, or begin a new run"
            )
        return found

    def fixed(self, mark: str) -> Table:
        """The same knobs with absolute paths and the mark of the rows."""
        path: Any = self.path
        if self.frame is not None:
            path = self.frame.value
        elif not path.startswith(HUB):
            path = str(Path(path).absolute())
        probed = str(Path(self.probed).absolute()) if self.probed else ""
        check: Any = self.judge or self.check
        return replace(self, path=path, check=check, probed=probed, mark=mark)
