"""When each client was last shown that somebody writes: at most every 20 seconds, whichever process asks."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0023_conversations_started_by_agents"),
        ("whatsapp", "0005_contents_of_choices"),
    ]
    operations = [
        migrations.CreateModel(
            name="TypingIndicator",
            fields=[
                (
                    "conversation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="typing_indicator",
                        serialize=False,
                        to="conversations.conversation",
                    ),
                ),
                ("shown_at", models.DateTimeField()),
            ],
            options={"db_table": "typing_indicators"},
        ),
    ]
