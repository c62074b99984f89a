"""An index that an interrupted migration left is dropped and created again."""

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from relais.conversations.retryable_index import AddIndexConcurrentlyRetryable

VALID = "select indisvalid from pg_index where indexrelid = 'made_in_a_test'::regclass"
BREAK = "update pg_index set indisvalid = false where indexrelid = 'made_in_a_test'::regclass"
DROP = "drop index if exists made_in_a_test"


@pytest.fixture
def drop_index():
    yield
    with connection.cursor() as cursor:
        cursor.execute(DROP)


@pytest.mark.django_db(transaction=True)
def test_an_index_of_an_interrupted_migration_is_created_again(drop_index):
    index = models.Index(fields=["sender"], name="made_in_a_test")
    operation = AddIndexConcurrentlyRetryable("conversation", index)
    before = ProjectState.from_apps(apps)
    after = before.clone()
    operation.state_forwards("conversations", after)
    for interruption in (BREAK, "select 1"):
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("conversations", editor, before, after)
        with connection.cursor() as cursor:
            cursor.execute(VALID)
            assert cursor.fetchone() == (True,)
            cursor.execute(interruption)
