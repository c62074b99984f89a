"""The layout of a flow's drawing: positions of the states, and paths of the arrows, in pixels. It has no markup.

A single successor is placed below, branches one column to the right. A transition to a state far away is a short
arrow with that state's name, since nobody can follow hundreds of lines across the drawing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from relais.flows.engine import Flow, Transition, Widget
from relais.flows.execution_path import Route

BOX_WIDTH, HEAD_HEIGHT, ROW_HEIGHT, FOOT_HEIGHT = 256, 50, 22, 6
COLUMN_GAP, BELOW_GAP, SIDE_GAP, MARGIN = 72, 26, 20, 20
ENTRY_OFFSET = 25
"""The distance from a box's top, or its left edge, to where an arrow enters."""
STUB_LENGTH, TIP_LENGTH = 16, 7
MAX_ARROW_HEIGHT = 420
"""The maximal vertical length of an arrow between neighbouring columns; a longer one is a jump."""
MAX_ARROWS_INTO_STATE = 4
"""The maximal number of arrows into one state; further ones are jumps."""


@dataclass(frozen=True)
class Exit:
    """The transitions of one state to one target. `arrow` (an SVG path) is empty if they end the flow."""

    source: Widget
    transitions: tuple[Transition, ...]
    target: Widget | None
    number: int | None
    """The target's index in the definition."""
    arrow: str = ""
    is_jump: bool = False
    has_row: bool = True
    y: int = 0
    """The middle of its row, relative to the box's top."""
    is_lit: bool = False


@dataclass(frozen=True)
class Box:
    """A state with its position."""

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
    return _Layout(flow, route or Route()).drawing()


@dataclass
class _Node:
    """A state during the layout: its children in the tree, and the contours of their subtrees."""

    groups: list[tuple[list[Transition], str | None]]
    children: list[str] = field(default_factory=list)
    height: int = 0
    tops: dict[int, int] = field(default_factory=dict)
    bottoms: dict[int, int] = field(default_factory=dict)
    """Contours by column, relative to the state's own column."""
    shifts: dict[str, tuple[int, int]] = field(default_factory=dict)
    column: int = 0
    y: int = 0

    @property
    def child_below(self) -> str | None:
        """The child that is placed directly below."""
        return self.children[0] if len(self.children) == 1 else None

    @property
    def is_plain(self) -> bool:
        """A single transition straight down, which needs no row."""
        return len(self.groups) == 1 and self.child_below is not None


class _Layout:
    """Lays out the states as trees: spanning trees first, then sizes bottom-up, then positions top-down."""

    def __init__(self, flow: Flow, route: Route) -> None:
        self.flow = flow
        self.route = route
        self.numbers = {name: number for number, name in enumerate(flow.widgets)}
        self.nodes = {name: _Node(_groups(flow, widget)) for name, widget in flow.widgets.items()}
        self.arrows_into: Counter[str] = Counter()

    def drawing(self) -> Drawing:
        order = self._build_trees()
        for name in reversed(order):
            self._measure_subtree(self.nodes[name])
        self._assign_positions(order)
        boxes = tuple(self._box(name) for name in self.flow.widgets)
        columns = max((node.column for node in self.nodes.values()), default=0) + 1
        bottom = max((box.y + box.height for box in boxes), default=0)
        width = columns * (BOX_WIDTH + COLUMN_GAP) - COLUMN_GAP + STUB_LENGTH + TIP_LENGTH + 2 * MARGIN
        return Drawing(boxes, width, bottom + MARGIN)

    # -- spanning trees -------------------------------------------------------------------------------

    def _build_trees(self) -> list[str]:
        """Each state becomes a child of the first that leads to it; an unreached state is the root of another tree."""
        self.reached = set(
            self._breadth_first([self.flow.initial] if self.flow.initial in self.nodes else [], set())
        )
        order: list[str] = []
        self.roots: list[str] = []
        visited: set[str] = set()
        for name in dict.fromkeys([self.flow.initial, *self.flow.widgets]):
            if name in self.nodes and name not in visited:
                self.roots.append(name)
                order += self._breadth_first([name], visited)
        return order

    def _breadth_first(self, starts: list[str], visited: set[str]) -> list[str]:
        order = list(starts)
        visited.update(starts)
        for name in order:
            node = self.nodes[name]
            node.children = []
            for _, target in node.groups:
                if target is not None and target not in visited:
                    visited.add(target)
                    node.children.append(target)
                    order.append(target)
        return order

    # -- sizes and positions --------------------------------------------------------------------------

    def _measure_subtree(self, node: _Node) -> None:
        rows = 0 if node.is_plain else len(node.groups)
        node.height = HEAD_HEIGHT + rows * ROW_HEIGHT + (FOOT_HEIGHT if rows else 0)
        node.tops, node.bottoms = {0: 0}, {0: node.height}
        for name in node.children:
            self._place_child(node, name, sideways=0 if node.child_below else 1)

    def _place_child(self, node: _Node, name: str, *, sideways: int) -> None:
        child = self.nodes[name]
        shift = 0
        for column, top in child.tops.items():
            above = node.bottoms.get(column + sideways)
            if above is not None:
                shift = max(shift, above + (SIDE_GAP if sideways or column else BELOW_GAP) - top)
        node.shifts[name] = (sideways, shift)
        for column, top in child.tops.items():
            node.tops.setdefault(column + sideways, top + shift)
            node.bottoms[column + sideways] = child.bottoms[column] + shift
        # Free the child's contours: a chain of thousands of states would need quadratic memory.
        child.tops, child.bottoms = {}, {}

    def _assign_positions(self, order: Iterable[str]) -> None:
        top = MARGIN
        for root in self.roots:
            self.nodes[root].y = top
            top += max(self.nodes[root].bottoms.values()) + 2 * BELOW_GAP
        for name in order:
            node = self.nodes[name]
            for child, (sideways, shift) in node.shifts.items():
                self.nodes[child].column = node.column + sideways
                self.nodes[child].y = node.y + shift

    # -- boxes and arrows -----------------------------------------------------------------------------

    def _box(self, name: str) -> Box:
        node = self.nodes[name]
        return Box(
            widget=self.flow.widgets[name],
            number=self.numbers[name],
            x=_x(node),
            y=node.y,
            height=node.height,
            exits=tuple(self._exits(name, node)),
            is_reached=name in self.reached,
            is_lit=name in self.route.states,
            is_here=name == self.route.current,
        )

    def _exits(self, name: str, node: _Node) -> Iterator[Exit]:
        # The transition straight down comes last, beside its arrow.
        groups = sorted(node.groups, key=lambda group: group[1] is not None and group[1] == node.child_below)
        for index, (transitions, target) in enumerate(groups):
            y = HEAD_HEIGHT + index * ROW_HEIGHT + ROW_HEIGHT // 2
            arrow, is_jump = self._arrow(node, target, node.y + y)
            yield Exit(
                source=self.flow.widgets[name],
                transitions=tuple(transitions),
                target=self.flow.widgets.get(target or ""),
                number=self.numbers.get(target or ""),
                arrow=arrow,
                is_jump=is_jump,
                has_row=not node.is_plain,
                y=y,
                is_lit=(name, target) in self.route.transitions,
            )

    def _arrow(self, node: _Node, target: str | None, y: int) -> tuple[str, bool]:
        if target is None:
            return "", False
        right = _x(node) + BOX_WIDTH
        if target == node.child_below:
            x, end = _x(node) + ENTRY_OFFSET, self.nodes[target].y - TIP_LENGTH
            return f"M{x} {node.y + node.height}V{end}", False
        if target in node.children or self._is_near_enough(node, target, y):
            self.arrows_into[target] += 1
            end, entry, half = (
                right + COLUMN_GAP - TIP_LENGTH,
                self.nodes[target].y + ENTRY_OFFSET,
                COLUMN_GAP // 2,
            )
            return f"M{right} {y}C{right + half} {y} {right + half - TIP_LENGTH} {entry} {end} {entry}", False
        return f"M{right} {y}h{STUB_LENGTH}", True

    def _is_near_enough(self, node: _Node, target: str, y: int) -> bool:
        target_node = self.nodes[target]
        return (
            target_node.column == node.column + 1
            and abs(target_node.y + ENTRY_OFFSET - y) <= MAX_ARROW_HEIGHT
            and self.arrows_into[target] < MAX_ARROWS_INTO_STATE
        )


def _groups(flow: Flow, widget: Widget) -> list[tuple[list[Transition], str | None]]:
    """The transitions by target. Unconnected events of a trigger are left out: they only say what does not start it."""
    groups: dict[str | None, list[Transition]] = {}
    for transition in widget.transitions:
        target = transition.next if transition.next in flow.widgets else None
        if target is not None or widget.type != "trigger":
            groups.setdefault(target, []).append(transition)
    return [(transitions, target) for target, transitions in groups.items()]


def _x(node: _Node) -> int:
    return MARGIN + node.column * (BOX_WIDTH + COLUMN_GAP)
