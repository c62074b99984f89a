from typing import Any

import pytest


@pytest.fixture
def chat(held_by_awa: Any) -> str:
    """The path of the page of the conversation that Awa holds."""
    return f"/dashboard/chat/{held_by_awa.pk}"
