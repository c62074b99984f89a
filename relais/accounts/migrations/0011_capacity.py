"""How much routing gives a user at most, in units."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_list_orders")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="capacity",
            field=models.PositiveSmallIntegerField(db_default=5, default=5, verbose_name="capacité"),
        ),
    ]
