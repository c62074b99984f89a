"""What is under way is asked for by conversation, for each message that may leave next; in all it is but a few."""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

from relais.conversations.index_anew import AddIndexAnew


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("conversations", "0006_the_outbox_by_turn")]
    operations = [
        AddIndexAnew(
            "messagedelivery",
            models.Index(
                fields=["conversation"],
                condition=Q(state__in=["sending", "uncertain"]),
                name="under_way_of_conversation",
            ),
        ),
        RemoveIndexConcurrently("messagedelivery", "deliveries_under_way"),
    ]
