"""One of several kinds of thing, a task or a policy, with its knobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w

from siwork.markup import element
from siwork.schema import Knobbed, format_call, parse_call
from siwork_widgets.kit.controls import Knobs


class Chooser(w.VBox):
    """A list of kinds and the knobs of the chosen one.

    Parameters
    ----------
    label : of the list
    kinds : classes with knobs and a `sentence`, by name
    value : name of the first choice
    on_change : called after each change
    """

    def __init__(
        self, label: str, kinds: Mapping[str, type[Knobbed]], value: str, on_change: Callable[[], None]
    ) -> None:
        self._kinds, self._made, self._on_change = kinds, dict[str, Knobs](), on_change
        options = [(f"{name}: {_sentence(kind)}", name) for name, kind in kinds.items()]
        self.choice = w.Dropdown(
            options=options,
            value=value,
            description=label,
            tooltip=f"{label} of the runs",
            layout=w.Layout(width="auto"),
        )
        self.choice.add_class(f"sw-{label.lower()}")
        self._about = w.HTML()
        super().__init__()
        self._arrange()
        self.choice.observe(self._chosen, "value")

    @property
    def knobs(self) -> Knobs:
        """The knobs of the chosen kind; those of others are kept for when they are chosen again."""
        name = self.choice.value
        if name not in self._made:
            self._made[name] = Knobs(self._kinds[name], on_change=self._on_change)
        return self._made[name]

    @property
    def call(self) -> str:
        """The choice as a call such as `countdown(numbers=3)`. Raises KnobError for values that cannot be."""
        return format_call(self.knobs.make())

    def set(self, text: str) -> None:
        """Choose what a call says. Raises RecipeError, KnobError for one that cannot be."""
        call = parse_call(text)
        made = self._kinds[call.name].build(call.args, call.named)
        self.choice.value = call.name
        self.knobs.set({name: getattr(made, name) for name in self.knobs.controls})

    def _chosen(self, _: Any) -> None:
        self._arrange()
        self._on_change()

    def _arrange(self) -> None:
        self._about.value = element("small", _sentence(self._kinds[self.choice.value]), class_="sw-soft")
        self.children = [self.choice, self._about, self.knobs]


def _sentence(kind: type[Knobbed]) -> str:
    return str(getattr(kind, "sentence", ""))
