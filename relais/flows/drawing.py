"""Where the states of a flow stand on paper, and how their arrows run. Lengths are pixels; nothing here is markup.

What follows without a choice runs down, what branches goes one column to the right, and what leads to a state that
already stands far away is a short arrow with that state's name: hundreds of lines across the sheet can't be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from relais.flows.engine import Flow, Transition, Widget
from relais.flows.execution_path import Route

WIDTH, HEAD, ROW, FOOT = 256, 50, 22, 6
COLUMN_GAP, DOWN_GAP, SIDE_GAP, MARGIN = 72, 26, 20, 20
ENTRY = 25
"""How far below a box's top, or right of its left edge, an arrow comes in."""
STUB, TIP = 16, 7
FARTHEST = 420
"""How far up or down an arrow between neighbouring columns may run before it is a name instead."""
BUSIEST = 4
"""More arrows than this into one state are names, but for the first."""


@dataclass(frozen=True)
class Exit:
    """Transitions of one state to one target. `arrow` is empty when they end the flow."""

    source: Widget
    transitions: tuple[Transition, ...]
    target: Widget | None
    number: int | None
    """Of the target among the states."""
    arrow: str = ""
    is_jump: bool = False
    has_row: bool = True
    y: int = 0
    """The middle of its row, from the box's top."""
    is_lit: bool = False


@dataclass(frozen=True)
class Box:
    widget: Widget
    number: int
    x: int
    y: int
    height: int
    exits: tuple[Exit, ...]
    is_reached: bool = True
    is_lit: bool = False
    is_here: bool = False

    @property
    def rows(self) -> list[Exit]:
        return [exit for exit in self.exits if exit.has_row]


@dataclass(frozen=True)
class Drawing:
    boxes: tuple[Box, ...]
    """In the order of the definition."""
    width: int
    height: int


def draw(flow: Flow, route: Route | None = None) -> Drawing:
    return _Sheet(flow, route or Route()).drawing()


@dataclass
class _Place:
    """A state while it is being placed: what stands beneath or beside it, and how far that reaches."""

    groups: list[tuple[list[Transition], str | None]]
    children: list[str] = field(default_factory=list)
    height: int = 0
    tops: dict[int, int] = field(default_factory=dict)
    bottoms: dict[int, int] = field(default_factory=dict)
    """By column, counted from the state's own."""
    shifts: dict[str, tuple[int, int]] = field(default_factory=dict)
    column: int = 0
    y: int = 0

    @property
    def down(self) -> str | None:
        """The one that stands right beneath."""
        return self.children[0] if len(self.children) == 1 else None

    @property
    def is_plain(self) -> bool:
        """One way on, straight down: the arrow says it all."""
        return len(self.groups) == 1 and self.down is not None


class _Sheet:
    def __init__(self, flow: Flow, route: Route) -> None:
        self.flow = flow
        self.route = route
        self.numbers = {name: number for number, name in enumerate(flow.widgets)}
        self.places = {name: _Place(_groups(flow, widget)) for name, widget in flow.widgets.items()}
        self.arrows_into: Counter[str] = Counter()

    def drawing(self) -> Drawing:
        order = self._grow()
        for name in reversed(order):
            self._measure(self.places[name])
        self._put_down(order)
        boxes = tuple(self._box(name) for name in self.flow.widgets)
        columns = max((place.column for place in self.places.values()), default=0) + 1
        bottom = max((box.y + box.height for box in boxes), default=0)
        width = columns * (WIDTH + COLUMN_GAP) - COLUMN_GAP + STUB + TIP + 2 * MARGIN
        return Drawing(boxes, width, bottom + MARGIN)

    # -- a tree of first meetings ---------------------------------------------------------------------

    def _grow(self) -> list[str]:
        """Each state hangs on the first that leads to it; what nothing leads to begins a tree of its own."""
        self.reached = set(
            self._spread([self.flow.initial] if self.flow.initial in self.places else [], set())
        )
        order: list[str] = []
        self.roots: list[str] = []
        met: set[str] = set()
        for name in dict.fromkeys([self.flow.initial, *self.flow.widgets]):
            if name in self.places and name not in met:
                self.roots.append(name)
                order += self._spread([name], met)
        return order

    def _spread(self, beginning: list[str], met: set[str]) -> list[str]:
        order = list(beginning)
        met.update(beginning)
        for name in order:
            place = self.places[name]
            place.children = []
            for _, target in place.groups:
                if target is not None and target not in met:
                    met.add(target)
                    place.children.append(target)
                    order.append(target)
        return order

    # -- how much room each needs ---------------------------------------------------------------------

    def _measure(self, place: _Place) -> None:
        rows = 0 if place.is_plain else len(place.groups)
        place.height = HEAD + rows * ROW + (FOOT if rows else 0)
        place.tops, place.bottoms = {0: 0}, {0: place.height}
        for name in place.children:
            self._hang(place, name, sideways=0 if place.down else 1)

    def _hang(self, place: _Place, name: str, *, sideways: int) -> None:
        child = self.places[name]
        shift = 0
        for column, top in child.tops.items():
            above = place.bottoms.get(column + sideways)
            if above is not None:
                shift = max(shift, above + (SIDE_GAP if sideways or column else DOWN_GAP) - top)
        place.shifts[name] = (sideways, shift)
        for column, top in child.tops.items():
            place.tops.setdefault(column + sideways, top + shift)
            place.bottoms[column + sideways] = child.bottoms[column] + shift
        # Kept no longer than needed: a chain of thousands of states would hold the square of it.
        child.tops, child.bottoms = {}, {}

    def _put_down(self, order: Iterable[str]) -> None:
        top = MARGIN
        for root in self.roots:
            self.places[root].y = top
            top += max(self.places[root].bottoms.values()) + 2 * DOWN_GAP
        for name in order:
            place = self.places[name]
            for child, (sideways, shift) in place.shifts.items():
                self.places[child].column = place.column + sideways
                self.places[child].y = place.y + shift

    # -- boxes and arrows -----------------------------------------------------------------------------

    def _box(self, name: str) -> Box:
        place = self.places[name]
        return Box(
            widget=self.flow.widgets[name],
            number=self.numbers[name],
            x=_x(place),
            y=place.y,
            height=place.height,
            exits=tuple(self._exits(name, place)),
            is_reached=name in self.reached,
            is_lit=name in self.route.states,
            is_here=name == self.route.here,
        )

    def _exits(self, name: str, place: _Place) -> Iterator[Exit]:
        # What runs down stands last, beside its arrow.
        groups = sorted(place.groups, key=lambda group: group[1] is not None and group[1] == place.down)
        for index, (transitions, target) in enumerate(groups):
            y = HEAD + index * ROW + ROW // 2
            arrow, is_jump = self._arrow(place, target, place.y + y)
            yield Exit(
                source=self.flow.widgets[name],
                transitions=tuple(transitions),
                target=self.flow.widgets.get(target or ""),
                number=self.numbers.get(target or ""),
                arrow=arrow,
                is_jump=is_jump,
                has_row=not place.is_plain,
                y=y,
                is_lit=(name, target) in self.route.ways,
            )

    def _arrow(self, place: _Place, target: str | None, y: int) -> tuple[str, bool]:
        if target is None:
            return "", False
        right = _x(place) + WIDTH
        if target == place.down:
            x, end = _x(place) + ENTRY, self.places[target].y - TIP
            return f"M{x} {place.y + place.height}V{end}", False
        if target in place.children or self._is_near(place, target, y):
            self.arrows_into[target] += 1
            end, entry, half = right + COLUMN_GAP - TIP, self.places[target].y + ENTRY, COLUMN_GAP // 2
            return f"M{right} {y}C{right + half} {y} {right + half - TIP} {entry} {end} {entry}", False
        return f"M{right} {y}h{STUB}", True

    def _is_near(self, place: _Place, target: str, y: int) -> bool:
        there = self.places[target]
        return (
            there.column == place.column + 1
            and abs(there.y + ENTRY - y) <= FARTHEST
            and self.arrows_into[target] < BUSIEST
        )


def _groups(flow: Flow, widget: Widget) -> list[tuple[list[Transition], str | None]]:
    """The transitions by where they lead; a trigger's that lead nowhere only say what it does not begin with."""
    groups: dict[str | None, list[Transition]] = {}
    for transition in widget.transitions:
        target = transition.next if transition.next in flow.widgets else None
        if target is not None or widget.type != "trigger":
            groups.setdefault(target, []).append(transition)
    return [(transitions, target) for target, transitions in groups.items()]


def _x(place: _Place) -> int:
    return MARGIN + place.column * (WIDTH + COLUMN_GAP)
