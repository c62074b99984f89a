"""Status callbacks: what Twilio tells the desk about a message, in order unless a fault shuffles it."""

import asyncio

from relais.emulator.faults import Faults, Rule
from relais.emulator.messages import TERMINAL, Message
from relais.emulator.settings import Settings
from relais.emulator.webhooks import Webhooks


def parameters(message: Message, status: str) -> dict[str, str]:
    params = {
        "ChannelPrefix": "whatsapp",
        "ApiVersion": "2010-04-01",
        "MessageStatus": status,
        "SmsSid": message.sid,
        "SmsStatus": status,
        "ChannelInstallSid": "XE" + message.account[2:],
        "To": message.client,
        "From": message.sender,
        "MessageSid": message.sid,
        "AccountSid": message.account,
        "ChannelToAddress": message.client.removeprefix("whatsapp:"),
    }
    if message.messaging_service:
        params["MessagingServiceSid"] = message.messaging_service
    if status == "read":
        params["EventType"] = "READ"
    if status in ("failed", "undelivered") and message.error_code:
        params["ErrorCode"] = str(message.error_code)
        if message.error_message:
            params["ErrorMessage"] = message.error_message
            params["ChannelStatusMessage"] = message.error_message
    return params


class Callbacks:
    """Tells the statuses of one message, one after the other."""

    def __init__(self, message: Message, faults: Faults, webhooks: Webhooks, settings: Settings) -> None:
        self._message = message
        self._faults = faults
        self._webhooks = webhooks
        self._turn = asyncio.Lock()
        self._held_back: list[str] = []
        facts = {"to": message.to, "from": message.from_, "body": message.body}
        self._shuffled = bool(faults.strike("status", ["shuffled"], **facts))
        self._waits_for_read = settings.read_after_ms is not None
        self._facts = facts

    async def tell(self, status: str) -> None:
        if not self._message.status_callback:
            return
        if self._shuffled:
            for each in self._mixed(status):
                await self._tell_one(each)
        else:
            await self._tell_one(status)

    def _mixed(self, status: str) -> list[str]:
        """Nothing until the last status is there, then all of them in another order."""
        self._held_back.append(status)
        last = status in TERMINAL or (status == "delivered" and not self._waits_for_read)
        if not last:
            return []
        mixed, self._held_back = self._faults.shuffle(self._held_back), []
        return mixed

    async def _tell_one(self, status: str) -> None:
        if self._strike("never", status):
            return
        if late := self._strike("late", status):
            await asyncio.sleep(late.ms / 1000)
        twice = self._strike("twice", status)
        async with self._turn:
            for _ in range(2 if twice else 1):
                outcome = await self._webhooks.post(
                    self._message.status_callback, parameters(self._message, status)
                )
                self._message.callbacks.append(f"{status} {outcome.attempts[-1]}")

    def _strike(self, fault: str, status: str) -> Rule | None:
        return self._faults.strike("status", [fault], status=status, **self._facts)
