"""Twilio's list API: the filters of Messages, and pagination that stays stable while new messages arrive."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from relais.emulator.api_errors import invalid_parameter
from relais.emulator.messages import Message

MAX_PAGE_SIZE = 1000


def filter_messages(messages: Iterable[Message], query: Mapping[str, str], *, by_day: bool) -> list[Message]:
    """The messages that match the filters To, From, DateSent, DateSent< and DateSent>."""
    tests = list(_tests(query, by_day))
    return [message for message in messages if all(test(message) for test in tests)]


def _tests(query: Mapping[str, str], by_day: bool) -> Iterable[Callable[[Message], bool]]:
    if to := query.get("To"):
        yield lambda message: message.to == to
    if from_ := query.get("From"):
        yield lambda message: message.from_ == from_
    for name, fits in _DATE_FILTERS.items():
        if text := query.get(name):
            # Bound as arguments: the loop's variables change before the test is called.
            yield _date_test(fits, _parse_date(name, text), by_day or len(text) == 10)


def _date_test(fits: Callable[[Any, Any], bool], wanted: datetime, by_day: bool) -> Callable[[Message], bool]:
    def test(message: Message) -> bool:
        # A queued message has no date yet, so no filter by date matches it.
        if message.sent_at is None:
            return False
        return fits(message.sent_at.date(), wanted.date()) if by_day else fits(message.sent_at, wanted)

    return test


_DATE_FILTERS: dict[str, Callable[[Any, Any], bool]] = {
    "DateSent": lambda sent, wanted: bool(sent == wanted),
    "DateSent<": lambda sent, wanted: bool(sent <= wanted),
    "DateSent>": lambda sent, wanted: bool(sent >= wanted),
}


def _parse_date(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid_parameter(f"Parameter '{name}' is not a valid date: {text}") from None
    offset = moment.utcoffset()
    return (moment - offset if offset else moment).replace(tzinfo=UTC)


class ApiPage:
    """One page of a list (keyset pagination): the token names the last item of the previous page."""

    def __init__(self, items: list[Any], path: str, query: Mapping[str, str]) -> None:
        self.path = path
        self.query = dict(query)
        self.number = _whole(query, "Page", 0)
        self.size = min(max(_whole(query, "PageSize", 50), 1), MAX_PAGE_SIZE)
        self.start = self.number * self.size
        after = _position(items, query.get("PageToken", ""))
        first = self.start if after is None else after + 1
        self.items = items[first : first + self.size]
        self.has_next = len(items) > first + self.size

    def uri(self, number: int, token: str = "") -> str:
        query = {**self.query, "PageSize": str(self.size), "Page": str(number)}
        query.pop("PageToken", None)
        if token:
            query["PageToken"] = token
        return f"{self.path}?{urlencode(query)}"

    @property
    def next_uri(self) -> str | None:
        return self.uri(self.number + 1, "PA" + self.items[-1].sid) if self.has_next else None

    @property
    def previous_uri(self) -> str | None:
        return self.uri(self.number - 1) if self.number else None

    def as_2010(self, key: str, records: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "end": self.start + max(len(self.items) - 1, 0),
            "first_page_uri": self.uri(0),
            key: records,
            "next_page_uri": self.next_uri,
            "page": self.number,
            "page_size": self.size,
            "previous_page_uri": self.previous_uri,
            "start": self.start,
            "uri": self.uri(self.number, self.query.get("PageToken", "")),
        }

    def as_v2(self, key: str, records: list[dict[str, Any]], host: str) -> dict[str, Any]:
        def absolute(uri: str | None) -> str | None:
            return f"https://{host}{uri}" if uri else None

        meta = {
            "first_page_url": absolute(self.uri(0)),
            "key": key,
            "next_page_url": absolute(self.next_uri),
            "page": self.number,
            "page_size": self.size,
            "previous_page_url": absolute(self.previous_uri),
            "url": absolute(self.uri(self.number)),
        }
        return {"meta": meta, key: records}


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else default


def _position(items: list[Any], token: str) -> int | None:
    sid = token.removeprefix("PA")
    return next((index for index, item in enumerate(items) if sid and item.sid == sid), None)
