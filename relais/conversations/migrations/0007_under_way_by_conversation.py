"""What is under way is asked for by conversation, for each message that may leave next; in all it is but a few."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("conversations", "0006_the_outbox_by_turn")]
    operations = [
        AddIndexConcurrently(
            "messagedelivery",
            models.Index(
                fields=["conversation"],
                condition=Q(state__in=["sending", "uncertain"]),
                name="under_way_of_conversation",
            ),
        ),
        RemoveIndexConcurrently("messagedelivery", "deliveries_under_way"),
    ]
