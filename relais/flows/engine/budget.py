"""What one template may still compute, counted in operations: no clock, the same everywhere."""

from collections.abc import Mapping

from liquid.exceptions import FilterError, ResourceLimitError

MAX_WEIGHT = 256 * 1024
"""Of what a filter is given: characters, and eight for each item and key."""
ITEM_WEIGHT = 8


class TooManyOperations(ResourceLimitError):
    """The template computes more than it may."""

    def __init__(self) -> None:
        super().__init__("the template computes too long", token=None)


class Budget:
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
    """The size of all within; raises FilterError above MAX_WEIGHT, without looking at the rest."""
    weight, beyond = 0, [value]
    while beyond:
        each = beyond.pop()
        if isinstance(each, str):
            weight += len(each)
        elif isinstance(each, Mapping):
            weight += ITEM_WEIGHT * len(each)
            beyond += [*each, *each.values()]
        elif isinstance(each, (list, tuple, range)):
            weight += ITEM_WEIGHT * len(each)
            if weight <= MAX_WEIGHT:
                beyond += each
        else:
            weight += ITEM_WEIGHT
        if weight > MAX_WEIGHT:
            raise FilterError(f"more than {MAX_WEIGHT // 1024} KB of data", token=None)
    return weight
