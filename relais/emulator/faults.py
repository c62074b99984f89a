"""What goes wrong on purpose: a list of rules, each with its place, its kind, how often and for which messages."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from relais.emulator.sids import new_sid

_HTTP = ("latency", "429", "5xx", "dropped", "no_answer")
KINDS = {
    "create": (*_HTTP, "late_answer", "5xx_accepted", "reject", "error"),
    "list": (*_HTTP, "lag"),
    "fetch": _HTTP,
    "media": (*_HTTP, "redirect", "reject"),
    "execution": _HTTP,
    "account": _HTTP,
    "senders": _HTTP,
    "status": ("late", "shuffled", "twice", "never"),
    "inbound": ("latency", "redelivery", "never"),
}
_MATCHABLE = ("to", "from", "body", "status", "page")


class BadRule(ValueError):
    """One sentence: what is wrong with the rule."""


@dataclass(kw_only=True)
class Rule:
    on: str
    fault: str
    times: int | None = None
    """How often it still strikes; None: always."""
    match: dict[str, str] = field(default_factory=dict)
    """Parts of `to`, `from`, `body`, and for callbacks the `status`; all must be found. For lists the `page`, whole:
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
    """For redelivery: how many times more."""
    close: bool = True
    """For no_answer: whether the connection is closed, or left hanging until the caller gives up."""
    location: str = ""
    """For redirect."""
    id: str = field(default_factory=lambda: new_sid("RU"))

    def __post_init__(self) -> None:
        if self.fault not in KINDS.get(self.on, ()):
            raise BadRule(f"There is no fault “{self.fault}” on “{self.on}”. Known: {KINDS}.")
        if unknown := set(self.match) - set(_MATCHABLE):
            raise BadRule(f"A rule cannot match {', '.join(sorted(unknown))}; only {', '.join(_MATCHABLE)}.")
        if self.fault in ("reject", "error") and not self.code:
            raise BadRule(f"The fault “{self.fault}” needs a code, such as 63016.")

    def fits(self, facts: Mapping[str, str]) -> bool:
        return self.times != 0 and all(self._matches(name, facts.get(name, "")) for name in self.match)

    def _matches(self, name: str, fact: str) -> bool:
        wanted = str(self.match[name])
        return wanted == fact if name == "page" else wanted in fact


class Faults:
    def __init__(self, rules: Iterable[Rule | dict[str, Any]] = (), seed: int | None = None) -> None:
        self._chance = random.Random(seed)  # noqa: S311 repeatable on purpose
        self._rules = [as_rule(rule) for rule in rules]

    def add(self, rule: Rule | dict[str, Any]) -> Rule:
        made = as_rule(rule)
        self._rules.append(made)
        return made

    def clear(self, id: str = "") -> None:
        self._rules = [rule for rule in self._rules if id and rule.id != id]

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self._rules]

    def strike(self, on: str, kinds: Iterable[str], **facts: str) -> Rule | None:
        """The first rule of these kinds that fits and strikes; it is used up by one."""
        wanted = set(kinds)
        for rule in self._rules:
            if rule.on == on and rule.fault in wanted and rule.fits(facts) and self._happens(rule):
                rule.times = None if rule.times is None else rule.times - 1
                return rule
        return None

    def shuffle(self, things: list[str]) -> list[str]:
        """Another order than the given one, if there is any."""
        mixed = list(things)
        while len(set(mixed)) > 1 and mixed == things:
            self._chance.shuffle(mixed)
        return mixed

    def _happens(self, rule: Rule) -> bool:
        return rule.probability >= 1 or self._chance.random() < rule.probability


def as_rule(rule: Rule | dict[str, Any]) -> Rule:
    if isinstance(rule, Rule):
        return rule
    try:
        return Rule(**rule)
    except TypeError as error:
        raise BadRule(f"This is not a rule: {error}.") from None
