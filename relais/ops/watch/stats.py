"""The last hour in numbers, with the last minutes beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from prometheus_client import REGISTRY

from relais.ops.watch.snapshot import FIVE_MINUTES, HOUR, Look


@dataclass(frozen=True)
class Figure:
    word: str
    number: int
    beside: str
    icon: str
    link: str = ""


def figures(at: datetime) -> Iterator[Figure]:
    look = Look(at)

    def recently(*names: str, ending: str = "") -> tuple[int, str]:
        lately = look.happened(FIVE_MINUTES, *names, ending=ending).count
        return look.happened(HOUR, *names, ending=ending).count, _("%(n)s en 5 min") % {"n": lately}

    received, beside = recently("hooks /api/twilio/message", "hooks /api/twilio/incoming", ending=" 200")
    yield Figure(_("Reçus en 1 h"), received, beside, "message-square", "/dashboard/conversations")
    sent, beside = recently("sends accepted")
    yield Figure(_("Envoyés en 1 h"), sent, beside, "send")
    failed, beside = recently("sends refused")
    yield Figure(
        _("Refusés en 1 h"), failed, beside, "circle-alert", "/dashboard/conversations?status=trouble"
    )
    yield Figure(_("À envoyer"), look.outbox.waiting, _("en ce moment"), "hourglass")
    steps, beside = recently("flow_steps done")
    yield Figure(_("Étapes du bot en 1 h"), steps, beside, "bot")
    sockets = sum(
        REGISTRY.get_sample_value("relais_sockets", {"kind": kind}) or 0 for kind in ("thread", "list")
    )
    yield Figure(_("Pages en direct"), int(sockets), _("en ce moment"), "radio")
