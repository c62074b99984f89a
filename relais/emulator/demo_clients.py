"""The people whose phones the simulator shows: a name and an address each."""

from collections.abc import Iterator
from dataclasses import dataclass

from relais.emulator.addresses import shown, whatsapp_address

KEPT = 200


@dataclass(frozen=True)
class Person:
    address: str
    name: str

    def as_json(self) -> dict[str, str]:
        return {"address": self.address, "name": self.name, "number": shown(self.address)}


class People:
    def __init__(self) -> None:
        self._people: dict[str, Person] = {}

    def add(self, name: str, number: str) -> Person:
        address = whatsapp_address(number)
        person = Person(address, name.strip()[:80] or shown(address))
        self._people[address] = person
        while len(self._people) > KEPT:
            del self._people[next(iter(self._people))]
        return person

    def remove(self, address: str) -> None:
        self._people.pop(address, None)

    def name_of(self, address: str) -> str:
        person = self._people.get(address)
        return person.name if person else ""

    def __iter__(self) -> Iterator[Person]:
        return iter(list(self._people.values()))


DEMO = (
    ("Fatou Diallo", "+212612345678"),
    ("Ibrahim Koné", "+2250708091011"),
    ("Salma Benali", "+212661234567"),
    ("أمينة العلوي", "+212655443322"),
)
