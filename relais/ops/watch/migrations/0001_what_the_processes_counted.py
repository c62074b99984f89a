from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Snapshot",
            fields=[
                ("process", models.TextField(primary_key=True, serialize=False)),
                ("kind", models.TextField()),
                ("text", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "watch_snapshots"},
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("minute", models.DateTimeField()),
                ("name", models.TextField()),
                ("count", models.BigIntegerField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "db_table": "watch_tallies",
                "constraints": [models.UniqueConstraint(fields=("name", "minute"), name="one_tally_per_minute")],
            },
        ),
        # Written every few seconds and of no use after a crash: it need not pass through the write-ahead log.
        migrations.RunSQL("alter table watch_snapshots set unlogged", migrations.RunSQL.noop),
    ]
