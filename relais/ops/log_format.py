"""One event, one line of JSON: what happened, when, and the ids of what it happened to.

Never what a client wrote, a name, a number or a secret. Of exceptions only the type and the places are told, since
their texts quote values; of other libraries' records the template, never what was filled into it.
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

OURS = "relais"
LONGEST_EVENT = 160
DEEPEST = 30
"""Places told of one exception, the innermost."""
MAX_CHAINED_EXCEPTIONS = 1000
CHAIN_ENDS = 4
"""Of a long chain of causes, how many exceptions are told at each end."""
MAX_GROUP_DEPTH = 3
MAX_GROUP_MEMBERS = 5
MAX_TRACE_LINES = 400
OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
ROOT = Path(__file__).resolve().parents[2]


class Line(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        """What befell many at once (`each` in `extra`) comes as one record, and is a line for each of them."""
        each = vars(record).pop("each", ({},)) if _is_ours(record) else ({},)
        told = {
            "at": instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
            **_ids(record),
        }
        told |= self._rest(record)
        return "\n".join(_encoded(told | one) for one in each)

    def fallback(self, record: logging.LogRecord, error: Exception) -> str:
        """Of a record that cannot be formatted."""
        return _encoded(
            {
                "at": instant(record.created),
                "level": record.levelname.lower(),
                "logger": record.name,
                "event": "log record could not be formatted",
                "error": type(error).__name__,
                "process": self.process,
                "pid": record.process,
            }
        )

    def _rest(self, record: logging.LogRecord) -> dict[str, Any]:
        told: dict[str, Any] = {"process": self.process, "pid": record.process}
        if record.exc_info and record.exc_info[1] is not None:
            told |= {"error": type(record.exc_info[1]).__name__, "trace": _trace(record.exc_info[1])}
        return told


_encoded = json.JSONEncoder(ensure_ascii=False, default=lambda value: type(value).__name__).encode


def instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == OURS


def _event(record: logging.LogRecord) -> str:
    if hasattr(record, "job") and hasattr(
        record, "action"
    ):  # Of Procrastinate, whose text quotes the arguments.
        return str(record.action).replace("_", " ")
    event = str(record.msg).strip().partition("\n")[0]
    if record.name == "asyncio":
        event = event.partition("(")[0]  # It goes on with the values a callback was given.
    return event[:LONGEST_EVENT]


def _ids(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`; others' texts are not taken."""
    kinds = (str, int, float, bool) if _is_ours(record) else (int, float, bool)
    given = {name: value for name, value in vars(record).items() if name not in OF_EVERY_RECORD}
    if "event" in given:  # Which one of a conversation; what happened stands under that name.
        given["event_id"] = given.pop("event")
    job = given.pop("job", None)
    if isinstance(job, dict):  # Of Procrastinate.
        given |= {"job": job.get("id"), "attempts": job.get("attempts")}
        return {name: value for name, value in given.items() if isinstance(value, kinds)} | {
            "task": str(job.get("task_name"))
        }
    if job is not None:
        given["job"] = job
    return {name: value for name, value in given.items() if isinstance(value, kinds)}


def _trace(error: BaseException) -> list[str]:
    """The places an exception passed, those of its cause first, without any value."""
    return [*islice(_traced(error, set(), 0), MAX_TRACE_LINES)]


def _traced(error: BaseException, seen: set[int], depth: int) -> Iterator[str]:
    """`seen`: the ids of exceptions told already, since causes and groups may form a circle."""
    chain = _chain(error, seen)
    left_out = len(chain) - 2 * CHAIN_ENDS
    for number, each in enumerate(reversed(chain)):
        if CHAIN_ENDS <= number < CHAIN_ENDS + left_out:
            if number == CHAIN_ENDS:
                yield f"({left_out} exceptions between)"
            continue
        yield from [*_places(each.__traceback__)][-DEEPEST:]
        yield type(each).__name__
        if isinstance(each, BaseExceptionGroup):
            yield from _members(each, seen, depth)


def _chain(error: BaseException, seen: set[int]) -> list[BaseException]:
    """The exception, its cause, the cause's cause …"""
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and id(found) not in seen and len(chain) < MAX_CHAINED_EXCEPTIONS:
        seen.add(id(found))
        chain.append(found)
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return chain


def _members(group: BaseExceptionGroup[BaseException], seen: set[int], depth: int) -> Iterator[str]:
    members = group.exceptions if depth < MAX_GROUP_DEPTH else ()
    for member in members[:MAX_GROUP_MEMBERS]:
        yield from (f"| {line}" for line in _traced(member, seen, depth + 1))
    if left_out := len(group.exceptions) - len(members[:MAX_GROUP_MEMBERS]):
        yield f"({left_out} more in the group)"


def _places(traceback: TracebackType | None) -> Iterator[str]:
    for frame, line in walk_tb(traceback):
        yield f"{_short(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"


def _short(file: str) -> str:
    """Within the package, or within the folder of packages: where this machine keeps them is nobody's business."""
    if "site-packages/" in file:
        return file.rpartition("site-packages/")[2]
    return file.removeprefix(f"{ROOT}/")


def in_words(line: str) -> str:
    """The same line for a person at a terminal; what is none of ours is shown as it came."""
    try:
        told = json.loads(line)
        at = datetime.fromisoformat(told.pop("at")).astimezone()
        level, event = told.pop("level"), told.pop("event")
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    trace = told.pop("trace", [])
    for name in ("logger", "process", "pid"):
        told.pop(name, None)
    loud = "" if level in ("info", "debug") else f"{level.upper()} "
    rest = "".join(f"  {name}={value}" for name, value in told.items())
    return "\n".join([f"{at:%H:%M:%S} {loud}{event}{rest}", *(f"    {place}" for place in trace)])
