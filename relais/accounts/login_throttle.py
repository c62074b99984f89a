"""The rate limit of failed sign-ins.

Only failures are counted, since a whole shift signs in from one address; and by account *and* address, since anyone who
knows an agent's e-mail could otherwise lock him out. Guesses from many addresses are therefore never refused: their
responses, and those of anyone who signs in meanwhile, are delayed.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from relais.accounts.client_network import network_of
from relais.accounts.models import SignInFailure

FAILURE_WINDOW = timedelta(minutes=5)
TOO_MANY_FAILURES = _("Trop d'essais manqués. Attendez cinq minutes, puis réessayez.")
MAX_FAILURES_PER_ACCOUNT = 5
"""Of one account from one address."""
MAX_FAILURES_PER_ADDRESS = 50
"""Of one IPv4 address or IPv6 network (`client_network.py`)."""
UNDELAYED_FAILURES_PER_ACCOUNT, UNDELAYED_FAILURES_IN_ALL = 10, 200
"""From all addresses together; up to here responses are not delayed."""
FAILURES_PER_DELAY_SECOND_OF_ACCOUNT, FAILURES_PER_DELAY_SECOND_IN_ALL = 5, 100
MAX_DELAY_SECONDS = 10


class LoginThrottle:
    """The rate limit of one account at one client address."""

    def __init__(self, email: str, address: str) -> None:
        self.account = hashlib.sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()
        self.address = network_of(address)

    def lock(self) -> None:
        """Serialise attempts until the end of the transaction: concurrent ones would not see each other's failures."""
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [self.account + self.address]
            )

    def is_exceeded(self, at: datetime) -> bool:
        of_address = SignInFailure.objects.filter(address=self.address, at__gt=at - FAILURE_WINDOW)
        of_account = of_address.filter(account=self.account)
        return (
            of_account.count() >= MAX_FAILURES_PER_ACCOUNT or of_address.count() >= MAX_FAILURES_PER_ADDRESS
        )

    def delay_seconds(self, at: datetime) -> float:
        """The delay of the response, whether the attempt succeeds or fails."""
        recent = SignInFailure.objects.filter(at__gt=at - FAILURE_WINDOW)
        return max(
            _delay_seconds(
                recent.filter(account=self.account),
                UNDELAYED_FAILURES_PER_ACCOUNT,
                FAILURES_PER_DELAY_SECOND_OF_ACCOUNT,
            ),
            _delay_seconds(recent, UNDELAYED_FAILURES_IN_ALL, FAILURES_PER_DELAY_SECOND_IN_ALL),
        )

    def record_failure(self, at: datetime) -> None:
        SignInFailure.objects.filter(at__lte=at - FAILURE_WINDOW).delete()
        SignInFailure.objects.create(account=self.account, address=self.address, at=at)

    def reset(self) -> None:
        SignInFailure.objects.filter(account=self.account, address=self.address).delete()


def _delay_seconds(failures: QuerySet[SignInFailure], undelayed: int, per_second: int) -> float:
    max_counted = undelayed + MAX_DELAY_SECONDS * per_second
    return max(0, failures[:max_counted].count() - undelayed) / per_second
