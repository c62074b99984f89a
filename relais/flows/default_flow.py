"""The default flow: the dealer's own, published once, at the first start of an installation."""

from __future__ import annotations

import json
from datetime import datetime

from django.db import transaction

from relais.flows.library import path_of
from relais.flows.models import Flow

NAME = "Mercedes"


@transaction.atomic
def publish_first_flow(*, at: datetime) -> None:
    """Does nothing if any flow exists, so that changes by admins are kept."""
    if Flow.objects.exists():
        return
    flow = Flow.objects.create(name=NAME, answers=True)
    flow.add_revision(json.loads(path_of("mercedes").read_text()), by="Relais", at=at).publish(at=at)
