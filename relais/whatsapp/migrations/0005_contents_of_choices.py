"""The contents at Twilio that questions with choices are sent by."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('whatsapp', '0004_name_the_log_reconciliation'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChoiceContent',
            fields=[
                ('content_hash', models.TextField(primary_key=True, serialize=False)),
                ('content_sid', models.TextField(db_index=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'choice_contents',
            },
        ),
    ]
