"""Storage: content-addressed, kept while a row references it, cleaned up after a day."""

import os
import threading
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import connection, transaction
from django.utils import timezone

from relais.files import models
from relais.files.errors import FileRefused
from relais.files.models import StoredFile, delete_unreferenced, lock_stored_files, store_file
from relais.files.storage import storage

NOW = timezone.now()
LATER = NOW + timedelta(days=1, seconds=1)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path / "media"
    return settings.MEDIA_FOLDER


def store(content=b"%PDF-1.7", at=NOW):
    return store_file(BytesIO(content), content_type="application/pdf", at=at)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_same_content_is_stored_once(db, folder):
    first, second, other = store(), store(at=NOW + timedelta(minutes=1)), store(b"%PDF-1.4")
    assert (first.pk == second.pk, first.pk == other.pk) == (True, False)
    assert files_in(folder) == sorted([first.sha256, other.sha256])
    assert b"".join(first.read()) == b"%PDF-1.7"
    assert b"".join(first.read(start=1, length=3)) == b"PDF"
    assert second.stored_at == NOW + timedelta(minutes=1)


def test_a_file_without_reference_is_deleted_after_a_day(db, folder):
    store()
    assert delete_unreferenced(at=NOW + timedelta(hours=23)) == 0
    assert delete_unreferenced(at=LATER) == 1
    assert (files_in(folder), StoredFile.objects.count()) == ([], 0)


def test_a_file_that_a_row_references_stays(held_by_awa, folder):
    event = held_by_awa.events.first()
    event.media.create(position=0, url="", file=store())
    assert delete_unreferenced(at=LATER) == 0
    assert len(files_in(folder)) == 1


def test_content_that_is_stored_again_stays_another_day(db):
    store()
    store(at=NOW + timedelta(hours=20))
    assert delete_unreferenced(at=LATER) == 0


def test_a_process_killed_before_it_wrote_the_file_leaves_nothing(db, folder, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(key, file):
        raise Killed

    monkeypatch.setattr(storage(), "put", killed)
    with pytest.raises(Killed):
        store()
    monkeypatch.undo()
    assert delete_unreferenced(at=LATER) == 1
    assert (files_in(folder), StoredFile.objects.count()) == ([], 0)


def test_a_file_lost_by_a_broken_clean_up_is_written_again(db, folder):
    stored = store()
    storage().delete(stored.key)
    assert b"".join(store().read()) == b"%PDF-1.7"


def test_half_written_files_are_deleted(db, folder):
    store()
    (folder / "incoming").mkdir(exist_ok=True)
    (folder / "incoming" / "tmp123").write_bytes(b"half")
    old = (NOW - timedelta(days=2)).timestamp()
    os.utime(folder / "incoming" / "tmp123", (old, old))
    delete_unreferenced(at=NOW)
    assert len(files_in(folder)) == 1


def test_a_file_that_is_gone_is_no_longer_sent(db):
    stored = store()
    delete_unreferenced(at=LATER)
    with pytest.raises(FileRefused) as refusal, transaction.atomic():
        lock_stored_files([stored.pk])
    assert refusal.value.code == "media_missing"


@pytest.mark.django_db(transaction=True)
def test_the_clean_up_never_deletes_what_is_being_referenced(held_by_awa, folder):
    stored = store()
    locked, done = threading.Event(), threading.Event()

    def send_slowly():
        with transaction.atomic():
            lock_stored_files([stored.pk])
            locked.set()
            done.wait(30)
            held_by_awa.events.first().media.create(position=0, url="", file=stored)
        connection.close()

    sending = threading.Thread(target=send_slowly)
    sending.start()
    assert locked.wait(30)
    assert delete_unreferenced(at=LATER) == 0  # It does not wait either.
    done.set()
    sending.join()
    assert delete_unreferenced(at=LATER) == 0
    assert b"".join(stored.read()) == b"%PDF-1.7"


@pytest.mark.django_db(transaction=True)
def test_the_reference_is_looked_at_again_under_the_lock(held_by_awa, folder, monkeypatch):
    """A row that was committed between the search and the lock keeps its file."""
    stored = store()
    delete = models._delete_if_unreferenced

    def reference_first(pk, at):
        held_by_awa.events.first().media.create(position=0, url="", file=stored)
        return delete(pk, at)

    monkeypatch.setattr(models, "_delete_if_unreferenced", reference_first)
    assert delete_unreferenced(at=LATER) == 0
    assert len(files_in(folder)) == 1


def test_obstore_is_not_loaded_where_files_are_in_a_folder(folder):
    import subprocess
    import sys

    code = "import relais.asgi, sys; print('obstore' in sys.modules, 'PIL' in sys.modules)"
    environment = os.environ | {"RELAIS_DATA_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.stdout.strip() == "False False", done.stderr
