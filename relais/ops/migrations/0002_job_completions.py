from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ops", "0001_heartbeats")]
    operations = [
        migrations.AddField("heartbeat", "started_at", models.DateTimeField(null=True)),
        migrations.CreateModel(
            name="JobCompletion",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("completed_at", models.DateTimeField()),
            ],
            options={"db_table": "job_completions"},
        ),
    ]
