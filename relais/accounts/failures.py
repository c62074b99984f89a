"""Failed sign-ins: how many are too many.

Failures alone are counted, since a whole shift signs in from one address; and by account *and* address, since
anyone who knows an agent's e-mail could otherwise keep him out.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import connection

from relais.accounts.models import SignInFailure

PERIOD = timedelta(minutes=5)
MOST_PER_ACCOUNT = 5
"""Of one account from one address."""
MOST_PER_ADDRESS = 50


class Attempt:
    """Someone at an address who wants to sign in as an account."""

    def __init__(self, email: str, address: str) -> None:
        self.account = hashlib.sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()
        self.address = address

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

    def failed(self, at: datetime) -> None:
        SignInFailure.objects.filter(at__lte=at - PERIOD).delete()
        SignInFailure.objects.create(account=self.account, address=self.address, at=at)

    def forgive(self) -> None:
        SignInFailure.objects.filter(account=self.account, address=self.address).delete()
