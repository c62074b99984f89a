import pytest

from relais.quick_replies.models import QuickReply
from relais.quick_replies.permissions import parse_target


@pytest.fixture
def create_reply(clock):
    """A function that creates a reply as a user would."""

    def create(by, shortcut, text="Bonjour", title="", scope="mine"):
        target = parse_target(scope, by)
        return QuickReply.create(
            by=by, target=target, shortcut=shortcut, title=title, text=text, at=clock.now
        )

    return create
