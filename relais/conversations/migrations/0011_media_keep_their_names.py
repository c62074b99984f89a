"""Documents keep the name that their sender gave them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0010_one_open_conversation_per_client")]
    operations = [
        migrations.AddField(
            "media", "filename", models.TextField(blank=True, db_default="", default="")
        ),
    ]
