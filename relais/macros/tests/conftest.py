import pytest

from relais.macros.models import Macro
from relais.quick_replies.permissions import parse_target

SEND = {"type": "send", "text": "Bonjour {prénom}, {agent} à votre service."}
TAG = {"type": "tags", "add": ["devis"]}
NOTE = {"type": "note", "text": "Devis envoyé à {client}."}
CLOSE = {"type": "close", "reason": "Devis envoyé"}


@pytest.fixture
def create_macro(clock):
    """A function that creates a macro as a user would."""

    def create(by, *steps, shortcut="devis", title="Devis envoyé", scope="mine"):
        target = parse_target(scope, by)
        return Macro.create(
            by=by, target=target, shortcut=shortcut, title=title, steps=steps or [SEND], at=clock.now
        )

    return create
