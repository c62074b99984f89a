"""Remembers which 24-hour window of a conversation its holder was warned of, so that each is told once."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0023_conversations_started_by_agents"),
        ("notifications", "0001_preferences_and_push_subscriptions"),
    ]
    operations = [
        migrations.CreateModel(
            name="ClosingWindowWarning",
            fields=[
                (
                    "conversation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="closing_window_warning",
                        serialize=False,
                        to="conversations.conversation",
                    ),
                ),
                ("last_inbound_seq", models.IntegerField()),
            ],
            options={"db_table": "closing_window_warnings"},
        ),
    ]
