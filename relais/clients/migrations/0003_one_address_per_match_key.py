from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0002_match_keys_and_opt_outs"),
        # Addresses that were two forms of one number are one there.
        ("conversations", "0010_one_open_conversation_per_client"),
    ]
    operations = [
        migrations.AlterField("clientaddress", "match_key", models.TextField()),
        migrations.AddConstraint(
            "clientaddress",
            models.UniqueConstraint(fields=("match_key",), name="one_address_per_match_key"),
        ),
    ]
