"""Failed sign-ins: how many are too many.

Failures alone are counted, since a whole shift signs in from one address; and by account *and* address, since
anyone who knows an agent's e-mail could otherwise keep him out. Guesses from many addresses are therefore never
refused: they, and whoever signs in meanwhile, are answered late.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet

from relais.accounts.models import SignInFailure

PERIOD = timedelta(minutes=5)
MOST_PER_ACCOUNT = 5
"""Of one account from one address."""
MOST_PER_ADDRESS = 50
"""Of one IPv4 address, or one IPv6 network of 64 bits: a single line is given a whole such network."""
IPV6_PREFIX_BITS = 64
FREE_FAILURES_PER_ACCOUNT, FREE_FAILURES_IN_ALL = 10, 200
"""From all addresses together; up to here nobody waits."""
FAILURES_PER_DELAY_SECOND_OF_ACCOUNT, FAILURES_PER_DELAY_SECOND_IN_ALL = 5, 100
MAX_DELAY_SECONDS = 10


class LoginThrottle:
    """Someone at an address who wants to sign in as an account."""

    def __init__(self, email: str, address: str) -> None:
        self.account = hashlib.sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()
        self.address = network_of(address)

    def wait_for_others(self) -> None:
        """Until the end of the transaction the only attempt of its kind: else many at once would not see each other."""
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [self.account + self.address]
            )

    def is_one_too_many(self, at: datetime) -> bool:
        here = SignInFailure.objects.filter(address=self.address, at__gt=at - PERIOD)
        return (
            here.filter(account=self.account).count() >= MOST_PER_ACCOUNT or here.count() >= MOST_PER_ADDRESS
        )

    def delay_seconds(self, at: datetime) -> float:
        """How late this attempt is answered, be it right or wrong."""
        recent = SignInFailure.objects.filter(at__gt=at - PERIOD)
        return max(
            _delay_seconds(
                recent.filter(account=self.account),
                FREE_FAILURES_PER_ACCOUNT,
                FAILURES_PER_DELAY_SECOND_OF_ACCOUNT,
            ),
            _delay_seconds(recent, FREE_FAILURES_IN_ALL, FAILURES_PER_DELAY_SECOND_IN_ALL),
        )

    def failed(self, at: datetime) -> None:
        SignInFailure.objects.filter(at__lte=at - PERIOD).delete()
        SignInFailure.objects.create(account=self.account, address=self.address, at=at)

    def forgive(self) -> None:
        SignInFailure.objects.filter(account=self.account, address=self.address).delete()


def network_of(address: str) -> str:
    """What one person may choose from freely counts as one address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 6 and ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, IPV6_PREFIX_BITS), strict=False)) if ip.version == 6 else str(ip)


def _delay_seconds(failures: QuerySet[SignInFailure], free: int, per_second: int) -> float:
    most = free + MAX_DELAY_SECONDS * per_second
    return max(0, failures[:most].count() - free) / per_second
