from collections.abc import Iterator

import pytest

from relais.emulator.testing import RunningDouble, running_double
from relais.emulator.tests.stub_desk import StubDesk, running_stub_desk

FATOU = "whatsapp:+212612345678"
COMPANY = "whatsapp:+14155238886"


@pytest.fixture
def desk() -> Iterator[StubDesk]:
    with running_stub_desk() as desk:
        yield desk


@pytest.fixture
def double(desk: StubDesk) -> Iterator[RunningDouble]:
    with running_double(webhook=f"{desk.url}/message#rc=3&rp=5xx,ct,rt", seed=1) as double:
        yield double


@pytest.fixture
def fatou(double: RunningDouble) -> str:
    """Fatou has just written: her session window is open."""
    double.open_window(FATOU)
    return FATOU
