"""Controls made from knobs: a knob is declared once, its control follows from the declaration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import Field
from math import floor, log10
from typing import Any

import ipywidgets as w
import traitlets as t

from siwork.markup import element
from siwork.schema import Knob, Knobbed, KnobError, checked_value, knobs_of
from siwork_widgets.kit.plain import seen

_KINDS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_MANY = 1000  # a range with more whole numbers has no slider, ends of a wider ratio have a logarithmic one
_LABEL = "10.5em"


class Control(w.VBox):
    """The control of one knob: a slider where both ends are known, and a field to type into; a list; a check box.

    `value` is the knob's value and always a valid one; setting another raises KnobError. What is typed and cannot be
    stays as it was typed, and `fault` says in a sentence, which is shown, why it does not count.
    """

    value = t.Any()
    fault = t.Unicode("")

    def __init__(self, field: Field[Any], value: Any = None) -> None:
        self.field, self.info = field, field.metadata["knob"]
        self.kind = field.type if isinstance(field.type, type) else _KINDS[str(field.type)]
        super().__init__(value=field.default if value is None else value)
        self._quiet = False
        self.slider = _slider(self.info, self.kind, self.label, self.value) if self.kind in (int, float) else None
        self.entry = self._entry()
        self._explained = False
        self._lines: dict[str, w.HTML] = {}  # below the control, made when first needed
        self.children = [w.HBox([each for each in (self.slider, self.entry) if each is not None])]
        self.layout.flex, self.layout.max_width = "1 1 20em", "32em"
        for name in ("sw-knob", f"sw-knob-{field.name}"):
            self.add_class(name)
        self.entry.observe(self._entered, "value")
        if self.slider is not None:
            self.slider.observe(self._slid, "value")
        self.observe(self._show_value, "value")
        self.observe(lambda _: self._arrange(), "fault")

    @property
    def label(self) -> str:
        """The knob's name in words, with its unit."""
        words = self.field.name.replace("_", " ")
        return f"{words} ({self.info.unit})" if self.info.unit not in ("", words) else words

    @property
    def help(self) -> str:
        """What the knob does and which values it takes."""
        return f"{self.info.sentence} {self._range}; default {_typed(self.field.default) or 'empty'}."

    @property
    def _range(self) -> str:
        kinds = {int: "A whole number", float: "A number", bool: "Yes or no"}
        return f"{kinds.get(self.kind, 'One of' if self.info.choices else 'A text')}, {self.info.range}"

    def show(self, value: Any) -> None:
        """Set the value, also where only something wrongly typed has to go. Raises KnobError for one that cannot be."""
        self.value = value
        self._show_value()

    def explain(self, shown: bool = True) -> None:
        """Show or hide the help text below the control."""
        self._explained = shown
        self._arrange()

    @t.validate("value")
    def _checked(self, proposal: Any) -> Any:
        return checked_value(self.field.name, self.field, self.kind, proposal["value"])

    def _entry(self) -> w.Widget:
        if self.kind is bool:
            return w.Checkbox(value=self.value, description=self.label, tooltip=self.help, indent=False)
        wide = w.Layout(width="auto", flex="1 1 auto", min_width="0")
        named = {"description": self.label, "style": {"description_width": _LABEL}, "layout": wide}
        if self.info.choices:
            return w.Dropdown(options=list(self.info.choices), value=self.value, tooltip=self.help, **named)
        if self.slider is not None:  # the slider has the label; a field without one is named by its tooltip
            named = {"layout": w.Layout(width="5.5em", flex="0 0 auto")}
        tip = self.help if self.slider is None else f"{self.label}, typed. {self.help}"
        return w.Text(value=_typed(self.value), continuous_update=False, tooltip=tip, **named)

    def _entered(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        try:
            found = self._read(change["new"])
            if found != self.value:
                self.value = found  # shows itself
            else:
                self._show_value()
        except KnobError as error:
            self.fault = str(error).removeprefix(f"{self.field.name}: knob ")

    def _read(self, entered: Any) -> Any:
        if self.kind not in (int, float):
            return _speakable(self.field.name, entered)
        try:
            number = float(entered)
        except ValueError:
            raise KnobError(f"{self._wanted}, got {entered!r}; its default is {_typed(self.field.default)}") from None
        if self.kind is float:
            return number
        if number != number or number in (float("inf"), -float("inf")):
            raise KnobError(f"{self._wanted}, got {entered!r}; its default is {_typed(self.field.default)}")
        if entered.strip().lstrip("+-").isdecimal():
            return int(entered)  # a float has too few digits for a large one
        if number != round(number):
            raise KnobError(f"{self._wanted}, got {entered}; nearest: {round(number)}")
        return round(number)

    @property
    def _wanted(self) -> str:
        kind = "a whole number" if self.kind is int else "a number"
        return f"{self.field.name!r} takes {kind}, {self.info.range}"

    def _slid(self, change: dict[str, Any]) -> None:
        # the browser moves a value that was set onto the nearest step; a hand moves it further
        place: Callable[[float], float] = log10 if isinstance(self.slider, w.FloatLogSlider) else float
        step = change["owner"].step
        if not self._quiet and abs(place(change["new"]) - place(self.value)) > 0.501 * step:
            low, high = self.info.low, self.info.high
            found = min(max(float(f"{change['new']:.4g}"), low), high)  # a log slider's ends are inexact
            self.value = round(found) if self.kind is int else found

    def _show_value(self, _: Any = None) -> None:
        with self._silence():
            self.entry.value = _typed(self.value) if isinstance(self.entry, w.Text) else self.value
            if self.slider is not None:
                self.slider.value = self.value
        self.fault = ""

    @contextmanager
    def _silence(self) -> Any:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _arrange(self) -> None:
        said = element("span", seen(self.fault), class_="sw-fault", role="alert") if self.fault else ""
        told = element("small", self.help, class_="sw-soft") if self._explained else ""
        for name, markup in (("fault", said), ("help", told)):
            if markup:
                self._lines.setdefault(name, w.HTML()).value = markup
        shown = [name for name, markup in (("fault", said), ("help", told)) if markup]
        self.children = [self.children[0], *(self._lines[name] for name in shown)]


def control(field: Field[Any], value: Any = None) -> Control:
    """The control of a knob, with its default unless a value is given. Raises KnobError for a value that cannot be."""
    return Control(field, value)


class Knobs(w.VBox):
    """Controls for all knobs of a component, task, policy or world.

    Parameters
    ----------
    kind : the class with the knobs
    values : by name, where they differ from the defaults
    on_change : called after each change, also of a fault
    """

    def __init__(
        self,
        kind: type[Knobbed],
        values: Mapping[str, Any] | None = None,
        *,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.kind = kind
        self.controls = {field.name: Control(field) for field in knobs_of(kind)}
        self.explainer = w.ToggleButton(value=False, description="Explain", tooltip="Say what each of these does")
        self.explainer.layout.width = "auto"
        self.explainer.add_class("sw-explain")
        super().__init__([*self.controls.values(), *([self.explainer] if self.controls else [])])
        self.layout.flex_flow, self.layout.align_items, self.layout.align_content = "row wrap", "center", "flex-start"
        self.explainer.observe(self._explain, "value")
        self._on_change: Callable[[], None] | None = None
        self.set(values or {})
        for each in self.controls.values():
            each.observe(self._changed, ["value", "fault"])
        self._on_change = on_change

    @property
    def values(self) -> dict[str, Any]:
        """The values by name: of a control at fault the last valid one."""
        return {name: each.value for name, each in self.controls.items()}

    @property
    def fault(self) -> str:
        """Why the first control at fault does not count, empty when all do."""
        return next((each.fault for each in self.controls.values() if each.fault), "")

    def make(self) -> Any:
        """The object with these values. Raises KnobError for a control at fault, or values that do not go together."""
        if self.fault:
            raise KnobError(f"{self.kind.name}: {self.fault}")
        return self.kind.build((), self.values)

    def set(self, values: Mapping[str, Any]) -> None:
        """Set some knobs by name, with one call of `on_change` for all. Raises KnobError, and then nothing is set."""
        made = self.kind.build((), {**self.values, **values})
        self._show({name: getattr(made, name) for name in values})
        if values:
            self._changed()

    def reset(self) -> None:
        """Set all knobs to their defaults, without a call of `on_change`."""
        self._show({name: each.field.default for name, each in self.controls.items()})

    def _show(self, values: Mapping[str, Any]) -> None:
        told, self._on_change = self._on_change, None
        try:
            for name, value in values.items():
                self.controls[name].show(value)
        finally:
            self._on_change = told

    def _changed(self, _: Any = None) -> None:
        if self._on_change is not None:
            self._on_change()

    def _explain(self, change: dict[str, Any]) -> None:
        for each in self.controls.values():
            each.explain(change["new"])


def _slider(info: Knob, kind: type, label: str, value: float) -> w.Widget | None:
    """A slider where both ends are known and its steps are fine enough to be of use, else None."""
    if info.low is None or info.high is None:
        return None
    look = {
        "description": label,
        "readout": False,
        "style": {"description_width": _LABEL},
        "layout": w.Layout(width="auto", flex="1 1 auto", min_width="0"),
    }
    if info.low > 0 and info.high > info.low * _MANY:
        ends = {"min": log10(info.low), "max": log10(info.high)}
        return w.FloatLogSlider(value=value, base=10, step=0.02, **ends, **look)
    if kind is int:
        many = info.high - info.low > _MANY
        return None if many else w.IntSlider(value=value, min=int(info.low), max=int(info.high), **look)
    step = 10.0 ** (floor(log10(info.high - info.low)) - 2)
    while abs(info.low / step - round(info.low / step)) > 1e-6:  # steps count from the lower end
        step /= 10
    return w.FloatSlider(value=value, min=info.low, max=info.high, step=step, **look)


def _typed(value: Any) -> str:
    """A value as one types it: 1 for 1.0, 0.1 for 0.1.

    >>> _typed(1.0), _typed(0.1), _typed(16), _typed(True)
    ('1', '0.1', '16', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        short = f"{value:.12g}"
        return short if float(short) == value else repr(value)
    return str(value)


def _speakable(name: str, entered: Any) -> Any:
    """A text that the field can show as it is."""
    if isinstance(entered, str) and "\n" in entered:
        raise KnobError(
            f"{name!r} takes a text on one line, got {entered!r}; nearest: {entered.replace(chr(10), ' ')!r}"
        )
    return entered
