"""What an interrupted migration left is made anew."""

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from relais.conversations.retryable_index import AddIndexConcurrentlyRetryable

VALID = "select indisvalid from pg_index where indexrelid = 'made_in_a_test'::regclass"
BREAK = "update pg_index set indisvalid = false where indexrelid = 'made_in_a_test'::regclass"
DROP = "drop index if exists made_in_a_test"


@pytest.fixture
def no_index_is_left():
    yield
    with connection.cursor() as cursor:
        cursor.execute(DROP)


@pytest.mark.django_db(transaction=True)
def test_an_index_of_an_interrupted_migration_is_made_anew(no_index_is_left):
    index = models.Index(fields=["sender"], name="made_in_a_test")
    operation = AddIndexConcurrentlyRetryable("conversation", index)
    before = ProjectState.from_apps(apps)
    after = before.clone()
    operation.state_forwards("conversations", after)
    for damage in (BREAK, "select 1"):
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("conversations", editor, before, after)
        with connection.cursor() as cursor:
            cursor.execute(VALID)
            assert cursor.fetchone() == (True,)
            cursor.execute(damage)
