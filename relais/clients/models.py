from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as _noop

from relais.clients import vin
from relais.clients.addresses import format_address, match_key
from relais.text import has_visible_characters


class ClientManager(models.Manager["Client"]):
    """Without those merged into another one: they are kept to undo that, and are no clients meanwhile."""

    def get_queryset(self) -> models.QuerySet[Client]:
        return super().get_queryset().filter(merged_into=None)


class Client(models.Model):
    client_full_name = models.TextField(blank=True, default="", db_default="")
    whatsapp_profile_name = models.TextField(blank=True, default="", db_default="")
    email = models.TextField(blank=True, default="", db_default="")
    vin = models.TextField(blank=True, default="", db_default="")
    carte_vip = models.TextField(blank=True, default="", db_default="")
    is_client = models.BooleanField(null=True)
    attributes = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    tags = ArrayField(
        models.TextField(), default=list, db_default=models.Value([], ArrayField(models.TextField()))
    )
    """Sorted names, no two the same but for their case."""
    fields_set_by_person = ArrayField(
        models.TextField(), default=list, db_default=models.Value([], ArrayField(models.TextField()))
    )
    """The fields that a person filled in, attributes as `attribute:NAME`: the bot does not replace these."""
    merged_into = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="merged_clients", db_index=False
    )
    """The client who is the same person; this one has no addresses then."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ClientManager()
    all_objects = models.Manager["Client"]()

    class Meta:
        db_table = "clients"
        indexes: ClassVar = [
            models.Index(
                fields=["merged_into"], condition=models.Q(merged_into__isnull=False), name="merged_clients"
            )
        ]

    def __str__(self) -> str:
        return self.name or f"client {self.pk}"

    @property
    def name(self) -> str:
        """The name he gave, else his profile name; empty when neither has a visible character."""
        names = (self.client_full_name, self.whatsapp_profile_name)
        return next((name for name in names if has_visible_characters(name)), "")

    @property
    def display_name(self) -> str:
        """The name, else the first address. Prefetch `addresses` for lists."""
        addresses = sorted(self.addresses.all(), key=lambda address: address.pk)
        return self.name or (addresses[0].formatted if addresses else str(self))

    @property
    def vin_hint(self) -> str:
        return vin.vin_hint(self.vin)

    @property
    def has_suspicious_vin(self) -> bool:
        return vin.is_suspicious(self.vin)

    def opted_out_since(self, sender: str) -> datetime | None:
        """When the client opted out of messages from this sender, or None."""
        opt_outs = dict(
            OptOut.objects.filter(address__client=self).values_list("sender", "opted_out_at").order_by("-pk")
        )
        if opt_outs:
            return opt_outs.get(sender)
        # Set by hand or by another program, without a row: it applies to all senders.
        return self.addresses.aggregate(at=models.Max("opted_out_at"))["at"]

    def opt_out_source(self, sender: str) -> str:
        """How the client opted out of this sender, one of `OptOutSource`; empty when it is not known."""
        opt_outs = OptOut.objects.filter(address__client=self, sender=sender).order_by("pk")
        return opt_outs.values_list("source", flat=True).first() or ""

    def opt_out(self, sender: str, *, at: datetime, address: ClientAddress, source: str = "") -> None:
        """Opt out of messages from this sender. Idempotent: the first time and source are kept."""
        OptOut.objects.bulk_create(
            [OptOut(address=address, sender=sender, opted_out_at=at, source=source)], ignore_conflicts=True
        )
        self.refresh_opted_out_at()

    def opt_in(self, sender: str, *, at: datetime) -> None:
        """Opt in again at this time; a later opt-out is kept."""
        OptOut.objects.filter(address__client=self, sender=sender, opted_out_at__lte=at).delete()
        self.refresh_opted_out_at()

    def refresh_opted_out_at(self) -> None:
        """Update `opted_out_at` of all addresses from the client's opt-outs."""
        latest = OptOut.objects.filter(address__client=self).aggregate(at=models.Max("opted_out_at"))["at"]
        self.addresses.update(opted_out_at=latest)


class ClientAddress(models.Model):
    """A canonical address that a client writes from; it may be opaque, since a WhatsApp user name hides the number.

    A client may have several: a phone number, and the user name that WhatsApp sends instead of it.
    """

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="addresses")
    address = models.TextField(unique=True)
    """As the client last wrote from it; messages are sent to it."""
    match_key = models.TextField()
    """The same for all national forms of a number; addresses are looked up by it."""
    phone_number = models.TextField(null=True, blank=True)
    opted_out_at = models.DateTimeField(null=True, blank=True)
    """Set while the client has opted out of a sender; `OptOut` has the senders. Without a row there: of all senders."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "client_addresses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["match_key"], name="one_address_per_match_key"),
            # The target of the composite foreign key of conversations: see their migration.
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
    """The national form of the address that a known client writes from, else the address unchanged."""
    known_addresses = ClientAddress.objects.filter(match_key=match_key(address))
    return known_addresses.values_list("address", flat=True).first() or address


class OptOutSource(models.TextChoices):
    """How we know that a client opted out."""

    MESSAGE = "message", gettext_lazy("le client l'a écrit")
    REFUSED = "21610", gettext_lazy("Twilio refuse nos messages à ce numéro")
    BLOCKED = "63014", gettext_lazy("le client a bloqué notre numéro")
    CHANNEL_STATUS = "channel_status", gettext_lazy("WhatsApp dit que le client refuse nos messages")


def opt_out_label(source: str) -> str:
    """How the client opted out, for people; empty if it is unknown."""
    return str(OptOutSource(source).label) if source in OptOutSource.values else ""


class OptOut(models.Model):
    """A client's opt-out of messages from one sender, a number of ours."""

    address = models.ForeignKey(
        ClientAddress, on_delete=models.CASCADE, related_name="opt_outs", db_index=False
    )
    """The address that opted out, or to which WhatsApp refused a message; it applies to all addresses of the client."""
    sender = models.TextField()
    opted_out_at = models.DateTimeField()
    source = models.TextField(choices=OptOutSource.choices, blank=True, default="", db_default="")
    """Empty for those of before it was stored."""

    class Meta:
        db_table = "client_opt_outs"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["address", "sender"], name="one_opt_out_per_address_and_sender"),
        ]

    def __str__(self) -> str:
        return f"opt-out of {self.address_id} from {self.sender}"


class ClientNote(models.Model):
    """A colleague's note about the client. It is never sent."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="notes")
    body = models.TextField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="client_notes"
    )
    author_name = models.TextField()
    ref = models.TextField(null=True)
    """The idempotency key of the request that made it."""
    created_at = models.DateTimeField()

    class Meta:
        db_table = "client_notes"
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "ref"], name="one_client_note_per_ref"),
        ]

    def __str__(self) -> str:
        return f"note {self.pk}"


class ClientChange(models.Model):
    """The journal of a client's data: who changed which field, from what to what."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="changes", db_index=False)
    field = models.TextField()
    """A column, `attribute:NAME`, `tag` or `note`."""
    old_value = models.TextField(blank=True, default="")
    new_value = models.TextField(blank=True, default="")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="client_changes"
    )
    author_name = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "client_changes"
        ordering = ("-id",)
        indexes: ClassVar = [models.Index(fields=["client", "-id"], name="changes_of_client")]

    def __str__(self) -> str:
        return f"{self.field} of client {self.client_id}"

    @property
    def field_label(self) -> str:
        return field_label(self.field)


class ClientMerge(models.Model):
    """Two clients were merged; `snapshot` has what an undo needs (see `conversations/client_merge.py`)."""

    kept = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="merges")
    merged = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="client_merges"
    )
    """None: a message named both addresses, so that they are one person."""
    author_name = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    snapshot = models.JSONField()
    undone_at = models.DateTimeField(null=True)
    undone_by_name = models.TextField(blank=True, default="")

    class Meta:
        db_table = "client_merges"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"merge {self.pk}"


class DismissedDuplicate(models.Model):
    """A person said that these two are not the same; `one` has the lower id."""

    one = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+", db_index=False)
    other = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    author_name = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "dismissed_duplicates"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["one", "other"], name="a_duplicate_is_dismissed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.one_id} is not {self.other_id}"


ATTRIBUTE_PREFIX = "attribute:"
FIELD_LABELS = {
    "client_full_name": _noop("Nom"),
    "email": _noop("E-mail"),
    "vin": _noop("VIN"),
    "carte_vip": _noop("Carte VIP"),
    "is_client": _noop("Déjà client"),
    "tag": _noop("Étiquettes"),
    "note": _noop("Notes"),
    "import": _noop("Import"),
}


def field_label(field: str) -> str:
    """The name of a field for people; of an attribute, its own."""
    label = FIELD_LABELS.get(field)
    return _(label) if label else field.removeprefix(ATTRIBUTE_PREFIX)
