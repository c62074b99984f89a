from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("process", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "heartbeats"},
        ),
    ]
