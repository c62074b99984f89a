"""The base class of widget types: what a widget does when the flow enters it, and what `relais flow check` reads."""

from collections.abc import Iterator
from typing import ClassVar

from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.inputs import Input
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import StepContext, TakeTransition, WidgetOutcome


class WidgetType:
    """The behaviour of all widgets of one type; a `Widget` is one state of a definition."""

    type: ClassVar[str] = ""
    events: ClassVar[tuple[str, ...]] = ()
    required_properties: ClassVar[tuple[str, ...]] = ()
    """Properties that it needs."""
    template_properties: ClassVar[tuple[str, ...]] = ()
    """Properties that are Liquid templates."""
    list_properties: ClassVar[tuple[str, ...]] = ()
    """Properties that are lists of keys and values; the values are Liquid templates."""
    expected_branches: ClassVar[tuple[str, ...]] = ()
    """Events that should have a transition, since otherwise the flow ends without answering the client."""

    def enter(self, context: StepContext, widget: Widget) -> WidgetOutcome:
        """Run the widget."""
        raise NotImplementedError

    def resume(
        self, context: StepContext, widget: Widget, waiting: Waiting, input: Input
    ) -> TakeTransition | None:
        """Apply an input to the waiting widget; None if it goes on waiting."""
        return None

    def template_sources(self, widget: Widget) -> Iterator[tuple[str, str]]:
        """Each template of the widget, with its path."""
        for name in self.template_properties:
            if source := widget.text(name):
                yield f"{widget.path}/properties/{name}", source
        for name in self.list_properties:
            for index, (_, source) in enumerate(widget.pairs(name)):
                yield f"{widget.path}/properties/{name}/{index}/value", source

    def problems(self, widget: Widget) -> Iterator[Problem]:
        """Problems that only this type of widget has."""
        yield from ()
