"""The rate limit of failed sign-ins.

Only failures are counted, since a whole shift signs in from one address; and by account *and* address, since anyone who
knows an agent's e-mail could otherwise lock him out. Guesses from many addresses are therefore never refused: their
responses, and those of anyone who signs in meanwhile, are delayed.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import connection
from django.utils.translation import gettext_lazy as _

from relais.accounts.client_network import network_of
from relais.accounts.login_delay import delay_seconds
from relais.accounts.models import SignInFailure

FAILURE_WINDOW = timedelta(minutes=5)
TOO_MANY_FAILURES = _("Trop d'essais manqués. Attendez cinq minutes, puis réessayez.")
MAX_FAILURES_PER_ACCOUNT = 5
"""Of one account from one address."""
MAX_FAILURES_PER_ADDRESS = 50
"""Of one IPv4 address or IPv6 network (`client_network.py`)."""


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
        return delay_seconds(recent.filter(account=self.account), recent)

    def record_failure(self, at: datetime) -> None:
        SignInFailure.objects.filter(at__lte=at - FAILURE_WINDOW).delete()
        SignInFailure.objects.create(account=self.account, address=self.address, at=at)

    def reset(self) -> None:
        SignInFailure.objects.filter(account=self.account, address=self.address).delete()
