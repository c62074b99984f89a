"""What leaves next is found without sorting what waits; made beside the running work."""

from django.db import migrations, models
from django.db.models import Q

from relais.conversations.index_anew import AddIndexAnew


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("conversations", "0005_paces_and_asking")]
    operations = [
        AddIndexAnew(
            "messagedelivery",
            models.Index(
                fields=["-by_person", "id"], condition=Q(state="queued"), name="deliveries_by_turn"
            ),
        ),
        AddIndexAnew(
            "messagedelivery",
            models.Index(
                fields=["state", "id"],
                condition=Q(state__in=["sending", "uncertain"]),
                name="deliveries_under_way",
            ),
        ),
    ]
