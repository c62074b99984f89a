"""The fields of a request that schedules a message: `send_at` of a program, `when` and `when_at` of a form."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.timezone import now

from relais.conversations.models import Conversation
from relais.conversations.scheduled_times import MAX_SCHEDULE, parse_form_time, parse_send_at
from relais.conversations.snooze_times import CHOICES, choice_time
from relais.web.request_fields import has_field, text_field, text_list_field
from relais.web.responses import AgentRequest

NOW, AT_A_TIME = "now", "at"
"""Values of `when` besides those of `snooze_times.CHOICES`: at once, and at the time of the field `when_at`."""
LOCAL_FORMAT = "%Y-%m-%dT%H:%M"


def is_scheduled(request: AgentRequest) -> bool:
    """Whether the message shall leave later. A time that is empty is a mistake: it must not leave at once."""
    if _has_send_at(request) or text_field(request, "when_at").strip():
        return True
    when = text_field(request, "when")
    return when != NOW and (bool(when) or has_field(request, "when_at"))


def send_at_field(request: AgentRequest, *, at: datetime) -> datetime:
    """Raises InvalidField."""
    if _has_send_at(request):
        return parse_send_at(text_field(request, "send_at"))
    return parse_form_time(text_field(request, "when"), text_field(request, "when_at"), at=at)


def _has_send_at(request: AgentRequest) -> bool:
    """`null` in a JSON body is as if it were missing."""
    return bool(text_list_field(request, "send_at"))


def schedule_times_context(
    request: AgentRequest, conversation: Conversation, *, send_at: datetime | None = None
) -> dict[str, Any]:
    """The context of `_schedule_times.html`; `send_at` is the time of a message that is edited."""
    at = now()
    closes_at = conversation.window_closes_at()
    times = {choice: choice_time(choice, at=at) for choice in CHOICES}
    company_zone = timezone.get_default_timezone()
    offsets = {at.astimezone(zone).utcoffset() for zone in (company_zone, timezone.get_current_timezone())}
    local = timezone.localtime(at)
    typed = text_field(request, "when_at")
    return {
        "times": [
            {
                "choice": choice,
                "label": label,
                "time": timezone.localtime(times[choice]),
                # A text: the template would show a time in the reader's zone.
                "company_time": times[choice].astimezone(company_zone).strftime("%H:%M"),
                "is_outside_window": closes_at is None or times[choice] >= closes_at,
            }
            for choice, label in CHOICES.items()
            if times[choice] > at and not (choice == "monday" and times["tomorrow"] == times["monday"])
        ],
        "when": text_field(request, "when") or (AT_A_TIME if send_at else ""),
        "when_at": typed or (timezone.localtime(send_at).strftime(LOCAL_FORMAT) if send_at else ""),
        "earliest": (local + timedelta(minutes=1)).strftime(LOCAL_FORMAT),
        "latest": (local + MAX_SCHEDULE - timedelta(days=1)).strftime(LOCAL_FORMAT),
        "closes_at": closes_at,
        "reader_zone": timezone.get_current_timezone_name(),
        "company_zone": str(company_zone),
        "has_other_zone": len(offsets) > 1,
    }
