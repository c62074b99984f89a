from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from relais.clients.addresses import format_address, match_key
from relais.text import has_visible_characters


class Client(models.Model):
    client_full_name = models.TextField(blank=True, default="", db_default="")
    whatsapp_profile_name = models.TextField(blank=True, default="", db_default="")
    email = models.TextField(blank=True, default="", db_default="")
    vin = models.TextField(blank=True, default="", db_default="")
    carte_vip = models.TextField(blank=True, default="", db_default="")
    is_client = models.BooleanField(null=True)
    attributes = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "clients"

    def __str__(self) -> str:
        return self.name or f"client {self.pk}"

    @property
    def name(self) -> str:
        """The name he gave, else that of his profile; empty when nobody would see anything of either."""
        names = (self.client_full_name, self.whatsapp_profile_name)
        return next((name for name in names if has_visible_characters(name)), "")

    def opted_out_since(self, sender: str) -> datetime | None:
        """Since when this person wants no message from that number of ours; None when that is not so."""
        refusals = dict(
            OptOut.objects.filter(address__client=self).values_list("sender", "opted_out_at").order_by("-pk")
        )
        if refusals:
            return refusals.get(sender)
        # Set by hand or by another program: it holds for all our numbers.
        return self.addresses.aggregate(at=models.Max("opted_out_at"))["at"]

    def opt_out(self, sender: str, *, at: datetime, address: ClientAddress) -> None:
        """The person wants no more messages from that number of ours. The first time stays."""
        OptOut.objects.bulk_create(
            [OptOut(address=address, sender=sender, opted_out_at=at)], ignore_conflicts=True
        )
        self.refresh_opted_out_at()

    def opt_in(self, sender: str, *, at: datetime) -> None:
        """The person wanted to hear from that number of ours again at that moment."""
        OptOut.objects.filter(address__client=self, sender=sender, opted_out_at__lte=at).delete()
        self.refresh_opted_out_at()

    def refresh_opted_out_at(self) -> None:
        """Bring the column of all the addresses in line with the opt-outs of the person."""
        latest = OptOut.objects.filter(address__client=self).aggregate(at=models.Max("opted_out_at"))["at"]
        self.addresses.update(opted_out_at=latest)


class ClientAddress(models.Model):
    """Where a client writes from, in its one canonical form; opaque, since a WhatsApp username may hide the number.

    A person may have several: a phone number, and the name that WhatsApp gives instead of it.
    """

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="addresses")
    address = models.TextField(unique=True)
    """As the client last wrote from it: where messages go."""
    match_key = models.TextField()
    """The same for all national forms of a number: what an address is looked up by."""
    phone_number = models.TextField(null=True, blank=True)
    opted_out_at = models.DateTimeField(null=True, blank=True)
    """Set while the person refuses one of our numbers; `OptOut` tells which. Without any there: all of them."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "client_addresses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["match_key"], name="one_address_per_match_key"),
            # What a conversation's address and client refer to together: see the migration of conversations.
            models.UniqueConstraint(fields=["id", "client"], name="address_with_its_client"),
        ]

    def __str__(self) -> str:
        return self.formatted

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        self.match_key = match_key(self.address)
        super().save(update_fields=update_fields, **options)

    @property
    def formatted(self) -> str:
        return format_address(self.address)


def known_address_form(address: str) -> str:
    """The form in which a client of ours writes from it, else the address as it is."""
    known = ClientAddress.objects.filter(match_key=match_key(address))
    return known.values_list("address", flat=True).first() or address


class OptOut(models.Model):
    """A client wants no more messages from one of our numbers."""

    address = models.ForeignKey(
        ClientAddress, on_delete=models.CASCADE, related_name="opt_outs", db_index=False
    )
    """The one it was said from, or to which a message was refused; it counts for the whole person."""
    sender = models.TextField()
    opted_out_at = models.DateTimeField()

    class Meta:
        db_table = "client_opt_outs"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["address", "sender"], name="one_opt_out_per_address_and_sender"),
        ]

    def __str__(self) -> str:
        return f"opt-out of {self.address_id} from {self.sender}"
