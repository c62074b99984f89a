from collections.abc import Callable
from typing import Any

import pytest

from relais.notes.models import Note
from tests.cast import Clock


@pytest.fixture
def koffi_notes(koffi: Any, clock: Clock) -> Callable[..., Note]:
    """A function that writes a note of Koffi in a conversation."""

    def write(conversation: Any, body: str = "À rappeler", **fields: Any) -> Note:
        return Note.write(conversation, body, author=koffi, at=clock.now, **fields)

    return write
