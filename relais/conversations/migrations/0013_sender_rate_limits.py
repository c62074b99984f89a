"""The model of the token buckets is called by its job; its table keeps its name."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("conversations", "0012_held_is_with_an_agent")]
    operations = [migrations.RenameModel("SenderPace", "SenderRateLimit")]
