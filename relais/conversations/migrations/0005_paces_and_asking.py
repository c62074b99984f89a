"""How fast each number may send, and how often Twilio was asked about a message that nobody told about."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0004_indexes_that_pay_for_themselves")]
    operations = [
        migrations.CreateModel(
            name="SenderPace",
            fields=[
                ("sender", models.TextField(primary_key=True, serialize=False)),
                ("tokens", models.FloatField(db_default=0)),
                ("counted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("slow_until", models.DateTimeField(null=True)),
            ],
            options={"db_table": "sender_paces"},
        ),
        migrations.AddField("messagedelivery", "ask_after", models.DateTimeField(null=True)),
        migrations.AddField("messagedelivery", "asked", models.SmallIntegerField(db_default=0)),
        migrations.AddField("messagedelivery", "repeated", models.BooleanField(db_default=False)),
    ]
