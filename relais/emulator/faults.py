"""Fault injection: a list of rules, each with an operation, a fault, how often and for which messages.

A fault takes effect where its operation is: `rest.py` (HTTP), `callbacks.py` (statuses), `twilio_double.py` (inbound).
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from relais.emulator.sids import new_sid

_HTTP_FAULTS = ("latency", "429", "5xx", "dropped", "no_answer")
FAULTS_BY_OPERATION = {
    "create": (*_HTTP_FAULTS, "late_answer", "5xx_accepted", "reject", "error"),
    "list": (*_HTTP_FAULTS, "lag"),
    "fetch": _HTTP_FAULTS,
    "media": (*_HTTP_FAULTS, "redirect", "reject"),
    "execution": _HTTP_FAULTS,
    "account": _HTTP_FAULTS,
    "senders": _HTTP_FAULTS,
    "content": _HTTP_FAULTS,
    "typing": (*_HTTP_FAULTS, "reject"),
    "create_content": (*_HTTP_FAULTS, "late_answer", "5xx_accepted", "reject"),
    "status": ("late", "shuffled", "twice", "never"),
    "inbound": ("latency", "redelivery", "never"),
}
_MATCH_FIELDS = ("to", "from", "body", "status", "page")


class InvalidFaultRule(ValueError):
    """The message is a sentence: what is wrong with the rule."""


@dataclass(kw_only=True)
class FaultRule:
    on: str
    fault: str
    times: int | None = None
    """How many times it still triggers; None: always."""
    match: dict[str, str] = field(default_factory=dict)
    """Substrings of `to`, `from`, `body`, and for callbacks the `status`; all must match. For lists the exact `page`:
    "0" is the first."""
    probability: float = 1.0
    ms: int = 100
    """For latency, late_answer, late and lag."""
    code: int = 0
    """Twilio's error code, for reject (at once) and error (later, by callback)."""
    status: str = ""
    """For 5xx and reject the HTTP status, for error `undelivered` or `failed`."""
    retry_after: float | str | None = 1
    """For 429: seconds, or an HTTP date."""
    copies: int = 1
    """For redelivery: how many additional times."""
    close: bool = True
    """For no_answer: close the connection, or leave it hanging until the caller gives up."""
    location: str = ""
    """For redirect."""
    id: str = field(default_factory=lambda: new_sid("RU"))

    def __post_init__(self) -> None:
        if self.fault not in FAULTS_BY_OPERATION.get(self.on, ()):
            raise InvalidFaultRule(
                f"There is no fault “{self.fault}” on “{self.on}”. Known: {FAULTS_BY_OPERATION}."
            )
        if unknown := set(self.match) - set(_MATCH_FIELDS):
            raise InvalidFaultRule(
                f"A rule cannot match {', '.join(sorted(unknown))}; only {', '.join(_MATCH_FIELDS)}."
            )
        if self.fault in ("reject", "error") and not self.code:
            raise InvalidFaultRule(f"The fault “{self.fault}” needs a code, such as 63016.")

    def matches(self, fields: Mapping[str, str]) -> bool:
        return self.times != 0 and all(self._matches_field(name, fields.get(name, "")) for name in self.match)

    def _matches_field(self, name: str, value: str) -> bool:
        expected = str(self.match[name])
        return expected == value if name == "page" else expected in value


class Faults:
    def __init__(self, rules: Iterable[FaultRule | dict[str, Any]] = (), seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 (repeatable on purpose)
        self._rules = [parse_rule(rule) for rule in rules]

    def add(self, rule: FaultRule | dict[str, Any]) -> FaultRule:
        parsed = parse_rule(rule)
        self._rules.append(parsed)
        return parsed

    def clear(self, id: str = "") -> None:
        self._rules = [rule for rule in self._rules if id and rule.id != id]

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self._rules]

    def trigger(self, on: str, faults: Iterable[str], **fields: str) -> FaultRule | None:
        """The first rule of one of these faults that matches and is drawn; it is used up by one."""
        wanted = set(faults)
        for rule in self._rules:
            if rule.on == on and rule.fault in wanted and rule.matches(fields) and self._is_drawn(rule):
                rule.times = None if rule.times is None else rule.times - 1
                return rule
        return None

    def shuffle(self, items: list[str]) -> list[str]:
        """Another order than the given one, if possible."""
        shuffled = list(items)
        while len(set(shuffled)) > 1 and shuffled == items:
            self._random.shuffle(shuffled)
        return shuffled

    def _is_drawn(self, rule: FaultRule) -> bool:
        return rule.probability >= 1 or self._random.random() < rule.probability


def parse_rule(rule: FaultRule | dict[str, Any]) -> FaultRule:
    if isinstance(rule, FaultRule):
        return rule
    try:
        return FaultRule(**rule)
    except TypeError as error:
        raise InvalidFaultRule(f"This is not a rule: {error}.") from None
