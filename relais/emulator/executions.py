"""Studio executions, as far as the desk uses them: list, fetch, end."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from relais.emulator.sids import new_sid

MAX_EXECUTIONS = 10_000


@dataclass
class Execution:
    sid: str
    account: str
    flow: str
    contact: str
    status: str
    created_at: datetime
    updated_at: datetime

    def as_rest(self) -> dict[str, Any]:
        url = f"https://studio.twilio.com/v2/Flows/{self.flow}/Executions/{self.sid}"
        return {
            "account_sid": self.account,
            "contact_channel_address": self.contact,
            "context": {},
            "date_created": _iso(self.created_at),
            "date_updated": _iso(self.updated_at),
            "flow_sid": self.flow,
            "initiated_by": None,
            "links": {"steps": f"{url}/Steps", "execution_context": f"{url}/Context"},
            "sid": self.sid,
            "status": self.status,
            "url": url,
        }


class ExecutionLog:
    def __init__(self) -> None:
        self._executions: OrderedDict[str, Execution] = OrderedDict()

    def start(self, account: str, flow: str, contact: str, at: datetime, sid: str = "") -> Execution:
        execution = Execution(sid or new_sid("FN"), account, flow, contact, "active", at, at)
        self._executions[execution.sid] = execution
        while len(self._executions) > MAX_EXECUTIONS:
            self._executions.popitem(last=False)
        return execution

    def get(self, flow: str, sid: str) -> Execution | None:
        execution = self._executions.get(sid)
        return execution if execution and execution.flow == flow else None

    def list_for_flow(self, flow: str, status: str) -> list[Execution]:
        newest_first = reversed(self._executions.values())
        return [each for each in newest_first if each.flow == flow and status in ("", each.status)]


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
