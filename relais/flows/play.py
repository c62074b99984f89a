"""`relais flow play`: a flow in the terminal. The player is the client; time and responses are simulated."""

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
    TWILIO_TIME_ZONE,
    AskForAgent,
    ExecutionContext,
    Flow,
    InvalidFlow,
    MakeHttpRequest,
    MessageReceived,
    RecordWarning,
    RequestResult,
    RunFunction,
    SendMessage,
    SendResult,
    Trigger,
    WaitForReply,
    parse,
)
from relais.flows.engine.effects import as_mapping
from relais.flows.engine_host import EffectHandler, SimulatedExecution
from relais.flows.sample_payloads import CLIENT, DESK, EXECUTION, FLOW

WAITING = "waiting"
"""The end reason that is printed when no lines are left."""
# A longer number is a phone number, with which a client may answer.
TIME_LINE = re.compile(r"\+([0-9]{1,9})")
MEDIA_LINE = re.compile(r"@(https?://\S+)\s*(.*)", re.DOTALL)

MAX_YEAR = 9000
"""`--now` stays below it, so that time can be added."""

OutputLine = dict[str, Any]
PrintLine = Callable[[OutputLine], None]


class CannotLoadFlow(Exception):
    """The file cannot be run; the message says why."""


@dataclass
class ScriptedResponses:
    """The responses of `--http`, by the name of the widget that sends the request; the last one repeats."""

    responses: Mapping[str, Any] = field(default_factory=dict)
    request_counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "ScriptedResponses":
        """Raises ValueError with a sentence."""
        responses = json.loads(text)
        if not isinstance(responses, dict):
            raise ValueError("it must map names of widgets to answers")
        for widget, listed in responses.items():
            for response in listed if isinstance(listed, list) else [listed]:
                _check_response(widget, response)
        return cls(responses)

    def next_response(self, effect: MakeHttpRequest | RunFunction) -> RequestResult:
        listed = self.responses.get(effect.widget)
        listed = listed if isinstance(listed, list) else [listed]
        count = self.request_counts.get(effect.widget, 0)
        self.request_counts[effect.widget] = count + 1
        response = listed[min(count, len(listed) - 1)] if listed else None
        if response is None:
            return RequestResult.failed(effect.ref, "time-out")
        is_json = "json" in response
        return RequestResult(
            ref=effect.ref,
            status=response.get("status", 200),
            content_type=response.get("content_type") or ("application/json" if is_json else "text/plain"),
            body=json.dumps(response["json"]) if is_json else response.get("body", ""),
        )


def _check_response(widget: str, response: Any) -> None:
    if response is None:
        return  # a time-out
    if not isinstance(response, dict):
        raise ValueError(f'the answer of {widget} must be an object such as {{"status": 200, "json": {{}}}}')
    status = response.get("status", 200)
    if not isinstance(status, int) or isinstance(status, bool):
        raise ValueError(f"the status of {widget} must be a number such as 200")
    if not isinstance(response.get("body", ""), str):
        raise ValueError(f"the body of {widget} must be a text; an object is given as json")


class FlowPlayer(EffectHandler):
    """Plays one execution: reads lines, prints effects. `now` has a fixed offset; `zone` is that of templates."""

    def __init__(
        self,
        flow: Flow,
        print_line: PrintLine,
        now: datetime,
        *,
        contact: str = CLIENT,
        profile_name: str = "",
        responses: ScriptedResponses | None = None,
        subflows: Mapping[str, Flow] | None = None,
        zone: str = TWILIO_TIME_ZONE,
        print_response: Callable[[str, RequestResult], None] | None = None,
    ) -> None:
        self.flow = flow
        self.print_line = print_line
        self.contact = contact
        self.profile_name = profile_name
        self.responses = responses or ScriptedResponses()
        self.zone = zone
        self.print_response = print_response
        self.execution = SimulatedExecution(flow, self, now, subflows or {})
        self.message_count = 0

    def play(self, lines: Iterable[str]) -> None:
        for line in lines:
            if self.execution.end_reason is not None:
                break
            if seconds := TIME_LINE.fullmatch(line.strip()):
                self.execution.advance_time(timedelta(seconds=int(seconds[1])))
            else:
                self.receive_message(line)
        self.print_end()

    def receive_message(self, line: str) -> None:
        params = self._webhook_params(line)
        if self.execution.state is None:
            self.start(Trigger.message(params, event=self.flow.message_trigger_event))
        else:
            self.execution.apply(MessageReceived(params))

    def start(self, trigger: Trigger) -> None:
        self.execution.start(trigger, ExecutionContext(EXECUTION, FLOW, self.contact, DESK, zone=self.zone))

    def print_end(self) -> None:
        """The last line; the effect EndExecution prints none, since a flow that waits has none."""
        state = self.execution.state
        self.print_line(
            {
                "type": "end",
                "reason": self.execution.end_reason or WAITING,
                "steps": state["steps"] if state else 0,
                "at": self.execution.now.isoformat(),
            }
        )

    def _webhook_params(self, line: str) -> dict[str, str]:
        """The line as parameters of Twilio's webhook."""
        self.message_count += 1
        media = MEDIA_LINE.fullmatch(line)
        body = media[2] if media else line
        params = sample_payloads.message(
            self.message_count, body, contact=self.contact, profile_name=self.profile_name
        )
        if media:
            content_type = mimetypes.guess_type(media[1].partition("?")[0])[0] or "application/octet-stream"
            params |= {"NumMedia": "1", "MediaUrl0": media[1], "MediaContentType0": content_type}
        return params

    # -- effects ------------------------------------------------------------------------------------------

    def send_message(self, effect: SendMessage) -> SendResult | None:
        line: OutputLine = {
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
        self.print_line(line)
        return None if effect.is_to_client else SendResult(effect.ref, status="queued")

    def make_request(self, effect: MakeHttpRequest | RunFunction) -> RequestResult:
        self.print_line(_http_line(effect) if isinstance(effect, MakeHttpRequest) else _function_line(effect))
        response = self.responses.next_response(effect)
        if self.print_response is not None:
            self.print_response(effect.widget, response)
        return response

    def ask_for_agent(self, effect: AskForAgent) -> None:
        self.print_line({"type": "agent", "widget": effect.widget, "attributes": dict(effect.attributes)})

    def wait_for_reply(self, effect: WaitForReply) -> None:
        self.print_line({"type": "wait", "widget": effect.widget, "timeout": effect.timeout})

    def record_warning(self, effect: RecordWarning) -> None:
        self.print_line({"type": "warning", "widget": effect.widget, "message": effect.message})


def _http_line(effect: MakeHttpRequest) -> OutputLine:
    return {
        "type": "http",
        "widget": effect.widget,
        "method": effect.method,
        "url": effect.url,
        "params": as_mapping(effect.params),
        "body": effect.body,
    }


def _function_line(effect: RunFunction) -> OutputLine:
    return {
        "type": "function",
        "widget": effect.widget,
        "url": effect.url,
        "params": as_mapping(effect.params),
    }


def load(file: str) -> Flow:
    try:
        return parse(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CannotLoadFlow(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CannotLoadFlow(f"{file} is not text in UTF-8.") from error
    except InvalidFlow as error:
        raise CannotLoadFlow(f"{file} cannot be run: {error}.") from error


# -- the command ------------------------------------------------------------------------------------------


class InvalidOption(Exception):
    """An option has a value that is not possible; the message says which."""


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
    """Play a flow on standard output; 1 if the file cannot be run. Raises InvalidOption."""
    zone = _time_zone(zone)
    start_time = _start_time(now, zone)
    responses = _scripted_responses(http)
    request_parameters = _request_parameters(request)
    subflow_files = [_sid_and_file(text) for text in subflows]
    try:
        flow, flows_by_sid = load(file), {sid: load(path) for sid, path in subflow_files}
    except CannotLoadFlow as error:
        if as_json:
            print_json({"type": "error", "message": str(error)})
        else:
            print(error, file=sys.stderr)
        return 1
    player = FlowPlayer(
        flow,
        print_json if as_json else print_text,
        start_time,
        contact=sender or CLIENT,
        profile_name=profile_name or "",
        responses=responses,
        subflows=flows_by_sid,
        zone=zone,
        print_response=None if as_json else _print_response,
    )
    if request_parameters is not None:
        player.start(Trigger.request(request_parameters))
    lines = iter(say) if say is not None else _stdin_lines()
    player.play(lines if as_json or _is_interactive() else _with_echo(lines))
    return 0


def _time_zone(name: str | None) -> str:
    try:
        return ZoneInfo(name or TWILIO_TIME_ZONE).key
    except (KeyError, ValueError, OSError) as error:
        raise InvalidOption(f"--zone: there is no time zone {name}.") from error


def _start_time(text: str | None, zone: str) -> datetime:
    """With a fixed offset, so that added seconds are seconds across a change of the offset."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        time = datetime.fromisoformat(text.strip())
        if not 1 < time.year < MAX_YEAR:
            raise ValueError(time)
        local = time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))
        return local.astimezone(timezone(local.utcoffset() or timedelta(0)))
    except (ValueError, OverflowError) as error:
        raise InvalidOption(f"--now: “{text}” is no time such as 2025-06-15T09:30:00+01:00.") from error


def _scripted_responses(file: str | None) -> ScriptedResponses:
    if file is None:
        return ScriptedResponses()
    try:
        return ScriptedResponses.parse(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidOption(f"--http: {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidOption(f"--http: {file} is not usable: {error}.") from error


def _request_parameters(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        parameters = json.loads(text)
    except (ValueError, RecursionError):
        parameters = None
    if not isinstance(parameters, dict):
        raise InvalidOption('--request: give the parameters as a JSON object such as {"name": "Awa"}.')
    return parameters


def _sid_and_file(text: str) -> tuple[str, str]:
    sid, equals, file = text.partition("=")
    if not (sid.strip() and equals and file):
        raise InvalidOption(f"--subflow: “{text}” is not of the form SID=FILE.")
    return sid.strip(), file


# -- output and input -------------------------------------------------------------------------------------


def print_json(line: OutputLine) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def print_text(line: OutputLine) -> None:
    print(_as_text(line), flush=True)


def _as_text(line: OutputLine) -> str:
    widget = line.get("widget", "")
    match line["type"]:
        case "message":
            template = f"[template {line['content_sid']}] " if "content_sid" in line else ""
            media = f"\n[media {line['media_url']}]" if line["media_url"] else ""
            recipient = f"[from {line['from']} to {line['to']}] " if "to" in line else ""
            return _block("bot", f"{recipient}{template}{line['body']}{media}", widget)
        case "http":
            request = f"{line['method']} {line['url']}{_params_text(line)}\n{line['body']}"
            return _block("http", request.rstrip(), widget)
        case "function":
            return _block("function", f"{line['url']}{_params_text(line)}", widget)
        case "agent":
            return _block("agent", json.dumps(line["attributes"], ensure_ascii=False), widget)
        case "wait":
            return _block("wait", f"for an answer, {line['timeout']} s", widget)
        case "warning":
            return _block("warning", line["message"], widget)
        case _:
            return _block("end", f"{line['reason']}, after {line['steps']} steps, at {line['at']}", "")


def _params_text(line: OutputLine) -> str:
    pairs = ((key, value if isinstance(value, list) else [value]) for key, value in line["params"].items())
    return "".join(f"\n{key}={value}" for key, values in pairs for value in values)


def _print_response(widget: str, response: RequestResult) -> None:
    if response.failure:
        text = f"none, as by time-out: --http has none for {widget}"
    else:
        text = f"{response.status} {response.body}"
    print(_block("answer", text, ""), flush=True)


def _block(label: str, text: str, widget: str) -> str:
    head, *rest = f"{text}   ({widget})".split("\n") if widget else text.split("\n")
    return "\n".join([f"{label:>8}  {head}", *(f"{'':>8}  {line}".rstrip() for line in rest)])


def _is_interactive() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _stdin_lines() -> Iterator[str]:
    """The client's lines, with a prompt if a person types them."""
    while True:
        if _is_interactive():
            print(f"{'you':>8}  ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield line.rstrip("\r\n")


def _with_echo(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        print(_block("you", line, ""), flush=True)
        yield line
