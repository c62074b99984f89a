"""An index of closings by their reason, which the list of conversations filters by."""

from django.db import migrations, models
from django.db.models.fields.json import KT

from relais.conversations.retryable_index import AddIndexConcurrentlyRetryable


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("conversations", "0020_snoozed_conversations")]

    operations = [
        AddIndexConcurrentlyRetryable(
            model_name="conversationevent",
            index=models.Index(
                KT("metadata__reason"),
                models.F("conversation"),
                condition=models.Q(event_type="conversation_closed", metadata__has_key="reason"),
                name="closings_by_reason",
            ),
        ),
    ]
