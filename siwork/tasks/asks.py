"""What a component may ask of a task beside problems and a check; a task has some of it, and `offers` says what."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from siwork.schema import KnobError

if TYPE_CHECKING:
    from siwork.tasks.base import Item


class Asks:
    """The optional asks, each refused here in a sentence; a task that has one overrides it."""

    name: ClassVar[str]
    hints: ClassVar[tuple[str, ...]] = ()
    has_steps: ClassVar[bool] = False  # responses hold written steps, which `executed` carries out

    @property
    def offers(self) -> frozenset[str]:
        """Names of the optional asks that this task has; `hint`, `executed` and `write` among them."""
        return _offered(type(self))

    def write(self, prompt: str, rng: np.random.Generator) -> str:
        """A right response (the real data of this task). Raises KnobError for a task that has none."""
        raise KnobError(f"{self} writes no right responses; take a recipe without mix(real)")

    def paraphrase(self, prompt: str, rng: np.random.Generator) -> str:
        """Another prompt of the same problem, with the same right canonical answers; itself only if there is no other.

        It may be a held-out prompt: those are fixed by their text. Raises KnobError for a task that has no paraphrases,
        and for a prompt of another task.
        """
        raise self._lacking("paraphrase")

    def relabel(self, prompt: str, response: str) -> str | None:
        """Hindsight: another prompt of this task, like the given one, that the response answers rightly.

        None where there is none, as for a response that is right already. It may be a held-out prompt. Raises KnobError
        for a task without hindsight, else never.
        """
        raise self._lacking("relabel")

    def repair(self, prompt: str, response: str, rng: np.random.Generator) -> str | None:
        """A right response near the given one; itself when it is right, None beyond repair or for a prompt of another task.

        Raises KnobError for a task that repairs nothing, else never.
        """
        raise self._lacking("repair")

    def mutate(self, prompt: str, response: str, rng: np.random.Generator) -> str:
        """The response with one small change, in tokens of the vocabulary; what is no token of it is left out.

        Raises KnobError for a task without a vocabulary, else never.
        """
        raise self._lacking("mutate")

    def is_sound(self, prompt: str, response: str) -> bool:
        """Whether a response stands a check by rules that reads no reference answer: it is run, walked or parsed.

        A sound response is right; a right one need not be sound. Raises KnobError for a task without such a check, else
        never.
        """
        raise self._lacking("is_sound")

    def pieces(self, response: str) -> tuple[str, ...]:
        """The response cut into its steps, marks included; joined they are the response.

        Whatever stands before a piece can be continued by a policy. Raises KnobError for a task whose responses have no
        steps, else never.
        """
        raise self._lacking("pieces")

    def page(self, rng: np.random.Generator) -> str:
        """A document to propose problems from, in tokens of the vocabulary; no problem itself.

        Raises KnobError for a task that has none.
        """
        raise self._lacking("page")

    def item(self, prompt: str) -> Item | None:
        """A prompt that anybody wrote, read as a problem with its hardness, no harder in kind than `beyond` draws them.

        None for text that is no prompt of this task or has no solution. It may be a held-out prompt. Raises KnobError for
        a task that cannot tell, else never.
        """
        raise self._lacking("item")

    def opinion(self, prompt: str, response: str) -> float:
        """What a biased judge holds of a response, 0 … 1; it can be high where the truth is low.

        Raises KnobError for a task without such a judge, else never.
        """
        raise self._lacking("opinion")

    def _lacking(self, ask: str) -> KnobError:
        having = sorted(kind.name for kind in _kinds() if ask in _offered(kind))
        return KnobError(f"task {self.name!r} has no {ask!r}; tasks that have it: {', '.join(having) or 'none'}")


_OVERRIDDEN = (
    "write",
    "paraphrase",
    "relabel",
    "repair",
    "mutate",
    "is_sound",
    "pieces",
    "page",
    "item",
    "opinion",
)


def _offered(kind: type[Asks]) -> frozenset[str]:
    found = {name for name in _OVERRIDDEN if getattr(kind, name) is not getattr(Asks, name)}
    return frozenset(found | ({"hint"} if kind.hints else set()) | ({"executed"} if kind.has_steps else set()))


def _kinds() -> list[type[Asks]]:
    from siwork.tasks import TASKS  # the list is made of all tasks, which are made of this

    return [kind for kind in TASKS.values() if issubclass(kind, Asks)]
