"""WhatsApp's session window: 24 hours after a client's last message in which a company may write freely."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta

MAX_WINDOWS = 100_000


class SessionWindows:
    def __init__(self) -> None:
        self._last_inbound: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def open(self, client: str, sender: str, at: datetime) -> None:
        self._last_inbound[client, sender] = at
        self._last_inbound.move_to_end((client, sender))
        while len(self._last_inbound) > MAX_WINDOWS:
            self._last_inbound.popitem(last=False)

    def close(self, client: str, sender: str) -> None:
        self._last_inbound[client, sender] = datetime.min.replace(tzinfo=UTC)

    def is_known(self, client: str, sender: str) -> bool:
        return (client, sender) in self._last_inbound

    def is_open(self, client: str, sender: str, at: datetime, hours: float) -> bool:
        last = self._last_inbound.get((client, sender))
        return last is not None and at - last < timedelta(hours=hours)
