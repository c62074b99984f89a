"""Status callbacks: Twilio posts each new status of a message to the desk, in order unless a fault shuffles them."""

import asyncio

from relais.emulator.faults import FaultRule, Faults
from relais.emulator.messages import FINAL_STATUSES, Message
from relais.emulator.settings import DoubleSettings
from relais.emulator.webhooks import WebhookClient


def callback_parameters(message: Message, status: str) -> dict[str, str]:
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


class StatusCallbacks:
    """Posts the statuses of one message, one after the other."""

    def __init__(
        self, message: Message, faults: Faults, webhooks: WebhookClient, settings: DoubleSettings
    ) -> None:
        self._message = message
        self._faults = faults
        self._webhooks = webhooks
        self._lock = asyncio.Lock()
        self._held_back: list[str] = []
        match_fields = {"to": message.to, "from": message.from_, "body": message.body}
        self._shuffled = bool(faults.trigger("status", ["shuffled"], **match_fields))
        self._waits_for_read = settings.read_after_ms is not None
        self._match_fields = match_fields

    async def send(self, status: str) -> None:
        if not self._message.status_callback:
            return
        if self._shuffled:
            for each in self._hold_back_and_shuffle(status):
                await self._post(each)
        else:
            await self._post(status)

    def _hold_back_and_shuffle(self, status: str) -> list[str]:
        """Nothing until the last status, then all of them in another order."""
        self._held_back.append(status)
        is_last = status in FINAL_STATUSES or (status == "delivered" and not self._waits_for_read)
        if not is_last:
            return []
        shuffled, self._held_back = self._faults.shuffle(self._held_back), []
        return shuffled

    async def _post(self, status: str) -> None:
        if self._trigger("never", status):
            return
        if late := self._trigger("late", status):
            await asyncio.sleep(late.ms / 1000)
        twice = self._trigger("twice", status)
        async with self._lock:
            for _ in range(2 if twice else 1):
                result = await self._webhooks.post(
                    self._message.status_callback, callback_parameters(self._message, status)
                )
                self._message.callbacks.append(f"{status} {result.attempts[-1]}")

    def _trigger(self, fault: str, status: str) -> FaultRule | None:
        return self._faults.trigger("status", [fault], status=status, **self._match_fields)
