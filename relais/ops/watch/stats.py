"""The statistics of the last hour, each with its value of the last five minutes, for the status page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from prometheus_client import REGISTRY

from relais.ops.watch.snapshot import FIVE_MINUTES, HOUR, StatusSnapshot


@dataclass(frozen=True)
class Stat:
    label: str
    value: int
    detail: str
    icon: str
    link: str = ""


def hourly_stats(at: datetime) -> Iterator[Stat]:
    snapshot = StatusSnapshot(at)

    def count_hour(*prefixes: str, suffix: str = "") -> tuple[int, str]:
        recent = snapshot.count_events(FIVE_MINUTES, *prefixes, suffix=suffix).count
        hourly = snapshot.count_events(HOUR, *prefixes, suffix=suffix).count
        return hourly, _("%(n)s en 5 min") % {"n": recent}

    received, detail = count_hour("hooks /api/twilio/message", "hooks /api/twilio/incoming", suffix=" 200")
    yield Stat(_("Reçus en 1 h"), received, detail, "message-square", "/dashboard/conversations")
    sent, detail = count_hour("sends accepted")
    yield Stat(_("Envoyés en 1 h"), sent, detail, "send")
    failed, detail = count_hour("sends refused")
    yield Stat(_("Refusés en 1 h"), failed, detail, "circle-alert", "/dashboard/conversations?status=trouble")
    yield Stat(_("À envoyer"), snapshot.outbox.waiting, _("en ce moment"), "hourglass")
    steps, detail = count_hour("flow_steps done")
    yield Stat(_("Étapes du bot en 1 h"), steps, detail, "bot")
    sockets = sum(
        REGISTRY.get_sample_value("relais_sockets", {"kind": kind}) or 0 for kind in ("thread", "list")
    )
    yield Stat(_("Pages en direct"), int(sockets), _("en ce moment"), "radio")
