"""Thumbnails and details of stored files, and the quarantine of infected ones."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('files', '0001_stored_files'),
    ]

    operations = [
        migrations.AddField(
            model_name='storedfile',
            name='details',
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name='storedfile',
            name='infection',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='storedfile',
            name='previewed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='storedfile',
            name='thumbnail',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='thumbnail_of', to='files.storedfile'),
        ),
    ]
