"""An import of clients: uploaded, its columns assigned, previewed, run by a job in chunks, reported.

Each line is a transaction of its own, which records its outcome: a job that is repeated continues where it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import translation
from django.utils.translation import gettext as _
from procrastinate.contrib.django import app

from relais.accounts import audit
from relais.accounts.models import User
from relais.accounts.permissions import IMPORT_CLIENTS
from relais.action_errors import InvalidField, NotAllowed
from relais.clients.models import ClientAddress
from relais.clients.phone_numbers import region_of_number
from relais.crm.errors import ClientConflict
from relais.crm.import_columns import check_targets, guess_targets
from relais.crm.import_files import ClientFile
from relais.crm.import_rows import RefusedRow, RowPlan, import_row, plan_row, read_row
from relais.crm.models import ClientImport, ClientImportRow, ImportState, RowOutcome

log = logging.getLogger(__name__)
RUN_TASK = "relais.crm.tasks.run_import"
CHUNK_ROWS = 200
PREVIEW_ROWS = 20
MAX_FILE_NAME_CHARACTERS = 120
DEFAULT_REGION = "MA"
DRAFT_LIFETIME = timedelta(days=7)
"""A file that nobody imported is deleted then, when the next one is uploaded."""


def check_may_import(user: User) -> None:
    if not user.is_at_least(IMPORT_CLIENTS):
        raise NotAllowed(_("Seuls les superviseurs et les administrateurs importent des clients."))


def create_import(file: ClientFile, file_name: str, *, by: User, at: datetime) -> ClientImport:
    """A draft, with the columns assigned by their titles."""
    check_may_import(by)
    with transaction.atomic():
        ClientImport.objects.filter(state=ImportState.DRAFT, created_at__lt=at - DRAFT_LIFETIME).delete()
        draft = ClientImport.objects.create(
            file_name=file_name[-MAX_FILE_NAME_CHARACTERS:],
            author=by,
            author_name=str(by),
            created_at=at,
            titles=file.titles,
            targets=guess_targets(file.titles),
            region=default_region(),
            row_count=len(file.rows),
        )
        ClientImportRow.objects.bulk_create(
            [ClientImportRow(of_import=draft, number=row.number, cells=row.cells) for row in file.rows],
            batch_size=1_000,
        )
        audit.record("clients file uploaded", actor=by.pk, client_import=draft.pk, count=len(file.rows))
    return draft


def default_region() -> str:
    """That of the last import, else of the newest client's number."""
    last = ClientImport.objects.exclude(state=ImportState.DRAFT).first()
    if last is not None:
        return last.region
    newest = ClientAddress.objects.exclude(phone_number=None).order_by("-pk").first()
    return (newest and newest.phone_number and region_of_number(newest.phone_number)) or DEFAULT_REGION


def configure_import(
    draft: ClientImport, *, targets: Sequence[str], region: str, replaces_filled: bool, by: User
) -> None:
    """Raises InvalidField, and ClientConflict when it has been started."""
    import phonenumbers  # Large, and not needed at startup.

    check_may_import(by)
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidField("region", _("Choisissez un pays de la liste."))
    fields = {
        "targets": check_targets(targets, draft.titles),
        "region": region,
        "replaces_filled": replaces_filled,
    }
    drafts = ClientImport.objects.filter(pk=draft.pk, state=ImportState.DRAFT)
    if not drafts.update(**fields):
        raise _no_draft()
    draft.refresh_from_db()


def start_import(draft: ClientImport, *, by: User, at: datetime) -> None:
    check_may_import(by)
    check_targets(draft.targets, draft.titles)
    with transaction.atomic():
        drafts = ClientImport.objects.filter(pk=draft.pk, state=ImportState.DRAFT)
        if not drafts.update(state=ImportState.RUNNING, started_at=at, author=by, author_name=str(by)):
            raise _no_draft()
        audit.record("clients import started", actor=by.pk, client_import=draft.pk)
        defer_chunk(draft.pk)
    draft.refresh_from_db()


def discard_import(draft: ClientImport, *, by: User) -> None:
    check_may_import(by)
    with transaction.atomic():
        locked = ClientImport.objects.select_for_update().filter(pk=draft.pk, state=ImportState.DRAFT)
        if not locked:
            raise _no_draft()
        audit.record("clients import discarded", actor=by.pk, client_import=draft.pk)
        locked.get().delete()


def _no_draft() -> ClientConflict:
    return ClientConflict("started", _("Cet import a déjà été lancé ou supprimé. Rechargez la page."))


def defer_chunk(import_id: int) -> None:
    app.configure_task(RUN_TASK, lock=f"client-import:{import_id}").defer(import_id=import_id)


# -- preview ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PreviewRow:
    row: ClientImportRow
    outcome: RowOutcome
    problem: str = ""
    plan: RowPlan | None = None


@dataclass(frozen=True)
class ImportPreview:
    rows: list[PreviewRow] = field(default_factory=list)

    @property
    def refused_count(self) -> int:
        return sum(each.outcome is RowOutcome.REFUSED for each in self.rows)


def preview_import(draft: ClientImport) -> ImportPreview:
    """What would happen to the first lines."""
    numbers: dict[tuple[str, str], int] = {}
    return ImportPreview([_preview_row(draft, row, numbers) for row in draft.rows.all()[:PREVIEW_ROWS]])


def _preview_row(
    draft: ClientImport, row: ClientImportRow, numbers: dict[tuple[str, str], int]
) -> PreviewRow:
    """`numbers` are the lines of the clients before, by what identifies them."""
    try:
        values = read_row(row.cells, draft.targets, draft.region)
        keys = list(values.keys)
        for key in keys[:1]:
            if key in numbers:
                raise RefusedRow(_same_client(numbers[key]))
        plan = plan_row(values, replaces_filled=draft.replaces_filled)
    except RefusedRow as refusal:
        return PreviewRow(row, RowOutcome.REFUSED, str(refusal))
    numbers |= {key: row.number for key in keys if key not in numbers}
    return PreviewRow(row, plan.outcome, plan=plan)


def _same_client(number: int) -> str:
    return _("Même client que la ligne %(number)s.") % {"number": number}


# -- running ----------------------------------------------------------------------------------------------


def run_chunk(import_id: int, *, at: datetime) -> bool:
    """Import the next lines; returns whether some are left."""
    running = (
        ClientImport.objects.select_related("author").filter(pk=import_id, state=ImportState.RUNNING).first()
    )
    if running is None:
        return False
    pending = running.rows.filter(outcome=RowOutcome.PENDING)
    with translation.override(running.author.language if running.author else settings.LANGUAGE_CODE):
        for row_id in list(pending.values_list("pk", flat=True)[:CHUNK_ROWS]):
            _run_row(running, row_id, at=at)
    if pending.exists():
        return True
    _finish(running, at=at)
    return False


@transaction.atomic
def _run_row(running: ClientImport, row_id: int, *, at: datetime) -> None:
    """Skip a line that another job is importing or has imported."""
    pending = ClientImportRow.objects.select_for_update(skip_locked=True).filter(outcome=RowOutcome.PENDING)
    row = pending.filter(pk=row_id).first()
    if row is None:
        return
    try:
        with transaction.atomic():
            plan = _import_row(running, row, at=at)
    except RefusedRow as refusal:
        row.outcome, row.problem = RowOutcome.REFUSED, str(refusal)
    except (DataError, IntegrityError):
        log.warning("client import row failed", extra={"client_import": running.pk})
        row.outcome, row.problem = RowOutcome.REFUSED, _("Cette ligne n'a pas pu être enregistrée.")
    else:
        row.outcome, row.client = plan.outcome, plan.client
    row.save(update_fields=["outcome", "problem", "client"])


def _import_row(running: ClientImport, row: ClientImportRow, *, at: datetime) -> RowPlan:
    if running.author is None:
        raise RefusedRow(_("La personne qui a lancé cet import n'existe plus."))
    values = read_row(row.cells, running.targets, running.region)
    plan = import_row(
        values,
        replaces_filled=running.replaces_filled,
        by=running.author,
        at=at,
        source=running.file_name,
    )
    # Of two lines of one client the first counts: each run would change the values to and fro.
    earlier = running.rows.filter(client=plan.client, number__lt=row.number).first()
    if earlier is not None:
        raise RefusedRow(_same_client(earlier.number))
    return plan


def _finish(running: ClientImport, *, at: datetime) -> None:
    """Store the counts, and keep of the lines only those that were refused."""
    with transaction.atomic():
        counts = outcome_counts(running)
        finished = ClientImport.objects.filter(pk=running.pk, state=ImportState.RUNNING).update(
            state=ImportState.DONE,
            finished_at=at,
            **{f"{outcome}_count": counts[outcome] for outcome in REPORTED_OUTCOMES},
        )
        if finished:
            running.rows.exclude(outcome=RowOutcome.REFUSED).delete()
            audit.record(
                "clients import finished",
                actor=running.author_id or audit.COMMAND_ACTOR,
                client_import=running.pk,
                count=sum(counts.values()),
            )


REPORTED_OUTCOMES = ("created", "updated", "unchanged", "refused")


def outcome_counts(of_import: ClientImport) -> Mapping[str, int]:
    """The number of lines by outcome, so far."""
    if of_import.state == ImportState.DONE:
        return {outcome: getattr(of_import, f"{outcome}_count") for outcome in REPORTED_OUTCOMES}
    counts = {outcome: Count("pk", filter=Q(outcome=outcome)) for outcome in REPORTED_OUTCOMES}
    found: dict[str, int] = of_import.rows.aggregate(**counts)
    return found
