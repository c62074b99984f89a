"""The own choice of an order: by time, or first who needs an answer."""


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_profile'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='sorts_by_time',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
