"""The log formatter: one JSON object per line with the event, its time and the ids of the records concerned.

It never writes a client's text, a name, a phone number or a secret. An exception is written as its type and stack
frames, since its message quotes values; a record of another library as its template, without the arguments.
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

ROOT_LOGGER = "relais"
MAX_EVENT_CHARACTERS = 160
MAX_FRAMES = 30
"""Of one exception, the innermost."""
MAX_CHAINED_EXCEPTIONS = 1000
CHAIN_END_EXCEPTIONS = 4
"""Of a long chain of causes, how many exceptions are written at each end."""
MAX_GROUP_DEPTH = 3
MAX_GROUP_MEMBERS = 5
MAX_TRACE_LINES = 400
STANDARD_ATTRIBUTES = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
ROOT = Path(__file__).resolve().parents[2]
ROUTINE_LEVELS = ("info", "debug")


class JsonFormatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        """A record with a list `each` in `extra` becomes one line per entry."""
        each = vars(record).pop("each", ({},)) if _is_ours(record) else ({},)
        fields = {
            "at": iso_timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
            **_ids(record),
        }
        fields |= self._process_and_error(record)
        return "\n".join(_to_json(fields | one) for one in each)

    def fallback(self, record: logging.LogRecord, error: Exception) -> str:
        """The line for a record that cannot be formatted."""
        return _to_json(
            {
                "at": iso_timestamp(record.created),
                "level": record.levelname.lower(),
                "logger": record.name,
                "event": "log record could not be formatted",
                "error": type(error).__name__,
                "process": self.process,
                "pid": record.process,
            }
        )

    def _process_and_error(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {"process": self.process, "pid": record.process}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= {"error": type(record.exc_info[1]).__name__, "trace": _trace(record.exc_info[1])}
        return fields


_to_json = json.JSONEncoder(ensure_ascii=False, default=lambda value: type(value).__name__).encode


def iso_timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == ROOT_LOGGER


def _event(record: logging.LogRecord) -> str:
    if hasattr(record, "job") and hasattr(record, "action"):
        # A record of Procrastinate, whose message quotes the job's arguments.
        return str(record.action).replace("_", " ")
    event = str(record.msg).strip().partition("\n")[0]
    if record.name == "asyncio":
        event = event.partition("(")[0]  # The arguments of a callback follow.
    return event[:MAX_EVENT_CHARACTERS]


def _ids(record: logging.LogRecord) -> dict[str, Any]:
    """The fields given as `extra`; of other libraries only numbers, since their texts may quote content."""
    kinds = (str, int, float, bool) if _is_ours(record) else (int, float, bool)
    extra = {name: value for name, value in vars(record).items() if name not in STANDARD_ATTRIBUTES}
    if "event" in extra:  # The id of a conversation's event; "event" is taken by the text.
        extra["event_id"] = extra.pop("event")
    job = extra.pop("job", None)
    if isinstance(job, dict):  # A record of Procrastinate.
        extra |= {"job": job.get("id"), "attempts": job.get("attempts")}
        return {name: value for name, value in extra.items() if isinstance(value, kinds)} | {
            "task": str(job.get("task_name"))
        }
    if job is not None:
        extra["job"] = job
    return {name: value for name, value in extra.items() if isinstance(value, kinds)}


def _trace(error: BaseException) -> list[str]:
    """The stack frames of an exception, those of its cause first, without any value."""
    return [*islice(_trace_lines(error, set(), 0), MAX_TRACE_LINES)]


def _trace_lines(error: BaseException, seen: set[int], depth: int) -> Iterator[str]:
    """`seen`: ids of the exceptions already written, since causes and groups may form a cycle."""
    chain = _chain(error, seen)
    left_out = len(chain) - 2 * CHAIN_END_EXCEPTIONS
    for number, each in enumerate(reversed(chain)):
        if CHAIN_END_EXCEPTIONS <= number < CHAIN_END_EXCEPTIONS + left_out:
            if number == CHAIN_END_EXCEPTIONS:
                yield f"({left_out} exceptions between)"
            continue
        yield from [*_frames(each.__traceback__)][-MAX_FRAMES:]
        yield type(each).__name__
        if isinstance(each, BaseExceptionGroup):
            yield from _members(each, seen, depth)


def _chain(error: BaseException, seen: set[int]) -> list[BaseException]:
    """The exception, its cause, the cause's cause …"""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(chain) < MAX_CHAINED_EXCEPTIONS:
        seen.add(id(current))
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _members(group: BaseExceptionGroup[BaseException], seen: set[int], depth: int) -> Iterator[str]:
    members = group.exceptions if depth < MAX_GROUP_DEPTH else ()
    for member in members[:MAX_GROUP_MEMBERS]:
        yield from (f"| {line}" for line in _trace_lines(member, seen, depth + 1))
    if left_out := len(group.exceptions) - len(members[:MAX_GROUP_MEMBERS]):
        yield f"({left_out} more in the group)"


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    for frame, line in walk_tb(traceback):
        yield f"{_relative(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"


def _relative(file: str) -> str:
    """The path within the project or within site-packages: the folders of this machine stay out of the log."""
    if "site-packages/" in file:
        return file.rpartition("site-packages/")[2]
    return file.removeprefix(f"{ROOT}/")


def to_human(line: str) -> str:
    """A log line for a terminal; a line in another format is returned unchanged."""
    try:
        fields = json.loads(line)
        at = datetime.fromisoformat(fields.pop("at")).astimezone()
        level, event = fields.pop("level"), fields.pop("event")
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    trace = fields.pop("trace", [])
    for name in ("logger", "process", "pid"):
        fields.pop(name, None)
    shown_level = "" if level in ROUTINE_LEVELS else f"{level.upper()} "
    ids = "".join(f"  {name}={value}" for name, value in fields.items())
    return "\n".join([f"{at:%H:%M:%S} {shown_level}{event}{ids}", *(f"    {frame}" for frame in trace)])


def is_routine(line: str) -> bool:
    """Whether it is a log line of ours below the level of a warning."""
    try:
        return json.loads(line)["level"] in ROUTINE_LEVELS
    except (ValueError, KeyError, TypeError):
        return False
