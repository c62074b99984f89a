"""Retry-After in both of its forms, and in invalid ones."""

from datetime import UTC, datetime

import pytest
from requests.structures import CaseInsensitiveDict

from relais.whatsapp import client
from relais.whatsapp.backoff import MAX_RETRY_AFTER_SECONDS, retry_after_seconds

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
IN_A_MINUTE = "Mon, 02 Mar 2026 09:01:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3),
        ({"retry-after": " 0.5 "}, 0.5),
        (CaseInsensitiveDict({"RETRY-AFTER": "3"}), 3),
        ({"Retry-After": "86400"}, MAX_RETRY_AFTER_SECONDS),
        ({"Retry-After": IN_A_MINUTE}, 60),
        ({"Retry-After": "Monday, 02-Mar-26 09:01:00 GMT"}, 60),
        ({"Retry-After": IN_A_MINUTE, "Date": "Mon, 02 Mar 2026 09:00:50 GMT"}, 10),
        ({"Retry-After": IN_A_MINUTE, "Date": "long ago"}, 60),
        ({"Retry-After": "Mon, 02 Mar 2026 10:01:00 +0100"}, 60),
        ({"Retry-After": "Wed, 02 Mar 2039 09:00:00 GMT"}, MAX_RETRY_AFTER_SECONDS),
        ({"Retry-After": "Mon, 02 Mar 2026 08:59:00 GMT"}, None),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Sun"}, None),
        ({"Retry-After": "Mon, 99 Foo 2026 08:59:00 GMT"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_retry_after_is_parsed(headers, seconds):
    assert retry_after_seconds(headers, now=NOW) == seconds


@pytest.mark.django_db
def test_a_date_from_twilio_is_parsed(double):
    double.fault("list", "429", retry_after="Wed, 01 Jan 2200 00:00:00 GMT")
    with pytest.raises(client.RetryLater) as refusal:
        list(client.list_messages())
    assert refusal.value.retry_after_seconds == MAX_RETRY_AFTER_SECONDS
