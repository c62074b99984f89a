"""Until when each user is there, as far as each web process knows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("live", "0001_ended_sessions_are_told")]
    operations = [
        migrations.CreateModel(
            name="PresenceLease",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("user_id", models.BigIntegerField()),
                ("process", models.CharField(max_length=32)),
                ("until", models.DateTimeField()),
                ("active_at", models.DateTimeField()),
            ],
            options={
                "db_table": "presence_leases",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user_id", "process"), name="one_presence_lease_per_process"
                    )
                ],
            },
        ),
    ]
