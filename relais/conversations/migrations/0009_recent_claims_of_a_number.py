"""What left within the last second, so that no second has more than the rate allows."""

from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    dependencies = [("conversations", "0008_who_spoke_last")]
    operations = [
        migrations.AddField(
            "senderpace",
            "recent_claims",
            models.JSONField(db_default=Value([], models.JSONField()), default=list),
        ),
    ]
