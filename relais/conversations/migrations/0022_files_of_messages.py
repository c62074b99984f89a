"""Media reference stored files, and the messages of one send have refs of their own: `ref:1`, `ref:2` …"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0021_closings_by_reason'),
        ('files', '0001_stored_files'),
    ]

    operations = [
        migrations.AddField(
            model_name='media',
            name='file',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='media', to='files.storedfile'),
        ),
        migrations.AlterField(
            model_name='messagedelivery',
            name='ref',
            field=models.CharField(max_length=67, null=True),
        ),
        migrations.AddIndex(
            model_name='media',
            index=models.Index(condition=models.Q(('file__isnull', False)), fields=['file'], name='media_of_stored_file'),
        ),
    ]
