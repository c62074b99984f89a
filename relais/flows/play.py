"""A flow in the terminal: who plays is the client, and time and other systems are what he says they are."""

import json
import mimetypes
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from relais.flows import sample_payloads
from relais.flows.engine import (
    PACIFIC,
    Answered,
    AskForAgent,
    BadFlow,
    CallHttp,
    Context,
    Effect,
    Flow,
    Input,
    MessageArrived,
    RunFunction,
    Said,
    Say,
    Started,
    State,
    TimedOut,
    Trigger,
    Wait,
    Warn,
    due_at,
    parse,
    start,
    step,
)
from relais.flows.engine.effects import as_mapping
from relais.flows.sample_payloads import CLIENT, DESK, EXECUTION, FLOW

WAITING = "waiting"
# A longer number is a phone number, which a client may well answer with.
PASSING = re.compile(r"\+([0-9]{1,9})")
MEDIA = re.compile(r"@(https?://\S+)\s*(.*)", re.DOTALL)

LAST_YEAR = 9000  # from which time may still pass

Line = dict[str, Any]
Show = Callable[[Line], None]


class CannotPlay(Exception):
    """The file cannot be run; the sentence says why."""


@dataclass
class Answers:
    """What other systems answer, by the name of the widget that asks; the last answer repeats."""

    known: Mapping[str, Any] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> "Answers":
        """Raises ValueError with a sentence."""
        known = json.loads(text)
        if not isinstance(known, dict):
            raise ValueError("it must map names of widgets to answers")
        for name, answers in known.items():
            for answer in answers if isinstance(answers, list) else [answers]:
                _check_answer(name, answer)
        return cls(known)

    def to(self, effect: CallHttp | RunFunction) -> Answered:
        answers = self.known.get(effect.widget)
        answers = answers if isinstance(answers, list) else [answers]
        turn = self.asked.get(effect.widget, 0)
        self.asked[effect.widget] = turn + 1
        answer = answers[min(turn, len(answers) - 1)] if answers else None
        if answer is None:
            return Answered.failed(effect.ref, "time-out")
        is_json = "json" in answer
        return Answered(
            ref=effect.ref,
            status=answer.get("status", 200),
            content_type=answer.get("content_type") or ("application/json" if is_json else "text/plain"),
            body=json.dumps(answer["json"]) if is_json else answer.get("body", ""),
        )


def _check_answer(name: str, answer: Any) -> None:
    if answer is None:
        return  # as by time-out
    if not isinstance(answer, dict):
        raise ValueError(f'the answer of {name} must be an object such as {{"status": 200, "json": {{}}}}')
    status = answer.get("status", 200)
    if not isinstance(status, int) or isinstance(status, bool):
        raise ValueError(f"the status of {name} must be a number such as 200")
    if not isinstance(answer.get("body", ""), str):
        raise ValueError(f"the body of {name} must be a text; an object is given as json")


@dataclass
class Play:
    """One execution, played. `now` is of a fixed zone; `zone` is the one of the flow's templates."""

    flow: Flow
    show: Show
    now: datetime
    contact: str = CLIENT
    profile_name: str = ""
    answers: Answers = field(default_factory=Answers)
    flows: Mapping[str, Flow] = field(default_factory=dict)
    zone: str = PACIFIC
    note: Callable[[str, Answered], None] = lambda widget, answer: None
    """Told of each answer, which is no line of its own."""
    state: State | None = None
    messages: int = 0

    def run(self, lines: Iterable[str]) -> None:
        for line in lines:
            if self.ended:
                break
            if passing := PASSING.fullmatch(line.strip()):
                self.let_pass(int(passing[1]))
            else:
                self.hear(line)
        self.close()

    def hear(self, line: str) -> None:
        params = self.message(line)
        if self.state is None:
            self.begin(Trigger.message(params, event=self.flow.message_start))
        else:
            self.take(MessageArrived(params))

    def begin(self, trigger: Trigger) -> None:
        context = Context(EXECUTION, FLOW, self.contact, DESK, zone=self.zone)
        self.state = start(self.flow, trigger=trigger, context=context, now=self.now)
        self.take(Started())

    def let_pass(self, seconds: int) -> None:
        """Whatever falls due on the way happens at its own time."""
        until = self.now + timedelta(seconds=seconds)
        while self.state is not None and (due := due_at(self.state)) is not None and due <= until:
            self.now = due.astimezone(self.now.tzinfo)
            self.take(TimedOut())
        if not self.ended:
            self.now = until

    def take(self, input: Input) -> None:
        """One step, and those that its requests lead to."""
        inputs = [input]
        while inputs and self.state is not None:
            self.state, effects = step(self.flow, self.state, inputs.pop(), now=self.now, flows=self.flows)
            for effect in effects:
                if line := _as_line(effect):
                    self.show(line)
                if isinstance(effect, Say) and not effect.is_to_client:
                    inputs.append(Said(effect.ref, status="queued"))
                if isinstance(effect, CallHttp | RunFunction):
                    answer = self.answers.to(effect)
                    self.note(effect.widget, answer)
                    inputs.append(answer)

    @property
    def ended(self) -> str | None:
        return self.state["ended"] if self.state else None

    def close(self) -> None:
        steps = self.state["steps"] if self.state else 0
        at = self.now.isoformat()
        self.show({"type": "end", "reason": self.ended or WAITING, "steps": steps, "at": at})

    def message(self, line: str) -> dict[str, str]:
        """The line as Twilio's webhook would bring it."""
        self.messages += 1
        media = MEDIA.fullmatch(line)
        body = media[2] if media else line
        params = sample_payloads.message(
            self.messages, body, contact=self.contact, profile_name=self.profile_name
        )
        if media:
            kind = mimetypes.guess_type(media[1].partition("?")[0])[0] or "application/octet-stream"
            params |= {"NumMedia": "1", "MediaUrl0": media[1], "MediaContentType0": kind}
        return params


def load(file: str) -> Flow:
    try:
        return parse(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CannotPlay(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CannotPlay(f"{file} is not text in UTF-8.") from error
    except BadFlow as error:
        raise CannotPlay(f"{file} cannot be run: {error}.") from error


def _as_line(effect: Effect) -> Line | None:
    match effect:
        case Say():
            line: Line = {
                "type": "message",
                "widget": effect.widget,
                "body": effect.body,
                "media_url": effect.media_url,
            }
            if not effect.is_to_client:
                line |= {"to": effect.to, "from": effect.sender}
            if effect.content_sid:
                line |= {
                    "content_sid": effect.content_sid,
                    "content_variables": dict(effect.content_variables),
                }
            return line
        case CallHttp():
            return {
                "type": "http",
                "widget": effect.widget,
                "method": effect.method,
                "url": effect.url,
                "params": as_mapping(effect.params),
                "body": effect.body,
            }
        case RunFunction():
            return {
                "type": "function",
                "widget": effect.widget,
                "url": effect.url,
                "params": as_mapping(effect.params),
            }
        case AskForAgent():
            return {"type": "agent", "widget": effect.widget, "attributes": dict(effect.attributes)}
        case Wait():
            return {"type": "wait", "widget": effect.widget, "timeout": effect.timeout}
        case Warn():
            return {"type": "warning", "widget": effect.widget, "message": effect.message}
        case _:
            return None  # the end is said once, by who plays


# -- in the terminal --------------------------------------------------------------------------------------


class BadOption(Exception):
    """An option says what cannot be; the sentence says what."""


def play(
    file: str,
    *,
    say: list[str] | None,
    sender: str | None,
    profile_name: str | None,
    http: str | None,
    subflows: list[str],
    now: str | None,
    zone: str | None,
    request: str | None,
    as_json: bool,
) -> int:
    """Plays a flow on standard output; 1 when the file cannot be run. Raises BadOption."""
    zone = _zone(zone)
    at = _moment(now, zone)
    answers = _answers(http)
    asked_by = _parameters(request)
    named = [_named(text) for text in subflows]
    try:
        flow, flows = load(file), {sid: load(name) for sid, name in named}
    except CannotPlay as error:
        if as_json:
            show_json({"type": "error", "message": str(error)})
        else:
            print(error, file=sys.stderr)
        return 1
    show = show_json if as_json else show_text
    made = Play(flow, show, at, sender or CLIENT, profile_name or "", answers, flows, zone)
    if not as_json:
        made.note = _note
    if asked_by is not None:
        made.begin(Trigger.request(asked_by))
    lines = iter(say) if say is not None else _lines_of_stdin()
    made.run(lines if as_json or _asks() else _echoed(lines))
    return 0


def _zone(name: str | None) -> str:
    try:
        return ZoneInfo(name or PACIFIC).key
    except (KeyError, ValueError, OSError) as error:
        raise BadOption(f"--zone: there is no time zone {name}.") from error


def _moment(written: str | None, zone: str) -> datetime:
    """With a fixed offset, so that seconds added to it are seconds."""
    if written is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        found = datetime.fromisoformat(written.strip())
        if not 1 < found.year < LAST_YEAR:
            raise ValueError(found)
        local = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))
        return local.astimezone(timezone(local.utcoffset() or timedelta(0)))
    except (ValueError, OverflowError) as error:
        raise BadOption(f"--now: “{written}” is no time such as 2025-06-15T09:30:00+01:00.") from error


def _answers(file: str | None) -> Answers:
    if file is None:
        return Answers()
    try:
        return Answers.read(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadOption(f"--http: {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadOption(f"--http: {file} is not usable: {error}.") from error


def _parameters(written: str | None) -> dict[str, Any] | None:
    if written is None:
        return None
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadOption('--request: give the parameters as a JSON object such as {"name": "Awa"}.')
    return found


def _named(written: str) -> tuple[str, str]:
    sid, equals, file = written.partition("=")
    if not (sid.strip() and equals and file):
        raise BadOption(f"--subflow: “{written}” is not of the form SID=FILE.")
    return sid.strip(), file


def show_json(line: Line) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def show_text(line: Line) -> None:
    print(_told(line), flush=True)


def _told(line: Line) -> str:
    widget = line.get("widget", "")
    match line["type"]:
        case "message":
            template = f"[template {line['content_sid']}] " if "content_sid" in line else ""
            media = f"\n[media {line['media_url']}]" if line["media_url"] else ""
            other = f"[from {line['from']} to {line['to']}] " if "to" in line else ""
            return _block("bot", f"{other}{template}{line['body']}{media}", widget)
        case "http":
            sent = _told_params(line)
            return _block("http", f"{line['method']} {line['url']}{sent}\n{line['body']}".rstrip(), widget)
        case "function":
            sent = _told_params(line)
            return _block("function", f"{line['url']}{sent}", widget)
        case "agent":
            return _block("agent", json.dumps(line["attributes"], ensure_ascii=False), widget)
        case "wait":
            return _block("wait", f"for an answer, {line['timeout']} s", widget)
        case "warning":
            return _block("warning", line["message"], widget)
        case _:
            return _block("end", f"{line['reason']}, after {line['steps']} steps, at {line['at']}", "")


def _told_params(line: Line) -> str:
    pairs = ((key, value if isinstance(value, list) else [value]) for key, value in line["params"].items())
    return "".join(f"\n{key}={value}" for key, values in pairs for value in values)


def _note(widget: str, answer: Answered) -> None:
    told = (
        f"none, as by time-out: --http has none for {widget}"
        if answer.failure
        else f"{answer.status} {answer.body}"
    )
    print(_block("answer", told, ""), flush=True)


def _block(label: str, text: str, widget: str) -> str:
    head, *rest = f"{text}   ({widget})".split("\n") if widget else text.split("\n")
    return "\n".join([f"{label:>8}  {head}", *(f"{'':>8}  {line}".rstrip() for line in rest)])


def _asks() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _lines_of_stdin() -> Iterator[str]:
    """The client's lines; a prompt only for a person."""
    while True:
        if _asks():
            print(f"{'you':>8}  ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield line.rstrip("\r\n")


def _echoed(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        print(_block("you", line, ""), flush=True)
        yield line
