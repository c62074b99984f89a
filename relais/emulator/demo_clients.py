"""The clients whose phones the simulator shows: a name and an address each."""

from collections.abc import Iterator
from dataclasses import dataclass

from relais.emulator.addresses import format_number, whatsapp_address

MAX_CLIENTS = 200


@dataclass(frozen=True)
class DemoClient:
    address: str
    name: str

    def as_json(self) -> dict[str, str]:
        return {"address": self.address, "name": self.name, "number": format_number(self.address)}


class DemoClients:
    def __init__(self) -> None:
        self._clients: dict[str, DemoClient] = {}

    def add(self, name: str, number: str) -> DemoClient:
        address = whatsapp_address(number)
        client = DemoClient(address, name.strip()[:80] or format_number(address))
        self._clients[address] = client
        while len(self._clients) > MAX_CLIENTS:
            del self._clients[next(iter(self._clients))]
        return client

    def remove(self, address: str) -> None:
        self._clients.pop(address, None)

    def name_of(self, address: str) -> str:
        client = self._clients.get(address)
        return client.name if client else ""

    def __iter__(self) -> Iterator[DemoClient]:
        return iter(list(self._clients.values()))


DEFAULT_CLIENTS = (
    ("Fatou Diallo", "+212612345678"),
    ("Ibrahim Koné", "+2250708091011"),
    ("Salma Benali", "+212661234567"),
    ("أمينة العلوي", "+212655443322"),
)
