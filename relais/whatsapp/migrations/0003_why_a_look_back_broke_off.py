"""The look back notes apart from the minute's look why it did not read to the end."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("whatsapp", "0002_how_much_was_compared")]
    operations = [
        migrations.AddField("logreading", "back_error", models.TextField(db_default="", default="")),
    ]
