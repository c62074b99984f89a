"""Each user's order of each tab of the conversation list, in place of a yes or no for his own conversations."""

from django.db import migrations, models
from django.db.models import Value


def keep_order_by_time(apps, schema_editor):
    apps.get_model("accounts", "User").objects.filter(sorts_by_time=True).update(list_orders={"mine": "time"})


def restore_order_by_time(apps, schema_editor):
    users = apps.get_model("accounts", "User").objects
    users.filter(list_orders__mine="time").update(sorts_by_time=True)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_sound_and_single_keys")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="list_orders",
            field=models.JSONField(db_default=Value({}, models.JSONField()), default=dict),
        ),
        migrations.RunPython(keep_order_by_time, restore_order_by_time),
        migrations.RemoveField(model_name="user", name="sorts_by_time"),
    ]
