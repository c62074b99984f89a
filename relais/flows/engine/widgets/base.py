"""What all widgets have in common."""

from collections.abc import Iterator
from typing import ClassVar

from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.inputs import Input
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import Done, Outcome, Run


class Kind:
    type: ClassVar[str] = ""
    events: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    """Properties without which it can do nothing."""
    templates: ClassVar[tuple[str, ...]] = ()
    """Properties that are Liquid."""
    lists: ClassVar[tuple[str, ...]] = ()
    """Properties that are lists of keys and values, whose values are Liquid."""
    guarded: ClassVar[tuple[str, ...]] = ()
    """Events that should lead somewhere, or a client is left without a word."""

    def enter(self, run: Run, widget: Widget) -> Outcome:
        raise NotImplementedError

    def resume(self, run: Run, widget: Widget, waiting: Waiting, input: Input) -> Done | None:
        """What an input makes of the widget that waits; None when it goes on waiting."""
        return None

    def sources(self, widget: Widget) -> Iterator[tuple[str, str]]:
        """Each template of the widget with its path."""
        for name in self.templates:
            if source := widget.text(name):
                yield f"{widget.path}/properties/{name}", source
        for name in self.lists:
            for index, (_, source) in enumerate(widget.pairs(name)):
                yield f"{widget.path}/properties/{name}/{index}/value", source

    def problems(self, widget: Widget) -> Iterator[Problem]:
        """What only this kind of widget can have wrong."""
        yield from ()
