from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from relais.clients.addresses import readable


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
        return self.client_full_name or self.whatsapp_profile_name


class ClientAddress(models.Model):
    """Where a client writes from, in its one canonical form; opaque, since a WhatsApp username may hide the number."""

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="addresses")
    address = models.TextField(unique=True)
    phone_number = models.TextField(null=True, blank=True)
    opted_out_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "client_addresses"

    def __str__(self) -> str:
        return self.readable

    @property
    def readable(self) -> str:
        return readable(self.address)
