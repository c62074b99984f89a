"""The computing budget of one template, counted in operations: without a clock, so the same on every machine."""

from collections.abc import Mapping

from liquid.exceptions import FilterError, ResourceLimitError

MAX_WEIGHT = 256 * 1024
"""The maximal size of a filter's input: one for each character, ITEM_WEIGHT for each item and key."""
ITEM_WEIGHT = 8


class TooManyOperations(ResourceLimitError):
    """The template computes more than it may."""

    def __init__(self) -> None:
        super().__init__("the template computes too long", token=None)


class Budget:
    """The operations that a template may still spend, and the warnings it has produced."""

    def __init__(self, operations: int) -> None:
        self.left = operations
        self.warnings: list[str] = []

    def spend(self, operations: int) -> None:
        self.left -= operations
        if self.left < 0:
            raise TooManyOperations

    def warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)


def weight_of(value: object) -> int:
    """The size of a value with all it contains. Raises FilterError above MAX_WEIGHT, without measuring the rest."""
    weight, remaining = 0, [value]
    while remaining:
        item = remaining.pop()
        if isinstance(item, str):
            weight += len(item)
        elif isinstance(item, Mapping):
            weight += ITEM_WEIGHT * len(item)
            remaining += [*item, *item.values()]
        elif isinstance(item, (list, tuple, range)):
            weight += ITEM_WEIGHT * len(item)
            if weight <= MAX_WEIGHT:
                remaining += item
        else:
            weight += ITEM_WEIGHT
        if weight > MAX_WEIGHT:
            raise FilterError(f"more than {MAX_WEIGHT // 1024} KB of data", token=None)
    return weight
