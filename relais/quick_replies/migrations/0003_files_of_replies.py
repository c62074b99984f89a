"""Files of quick replies: rows that reference stored files."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('files', '0001_stored_files'),
        ('quick_replies', '0002_shared_fields'),
    ]

    operations = [
        migrations.CreateModel(
            name='QuickReplyFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.SmallIntegerField()),
                ('content_type', models.TextField()),
                ('filename', models.TextField()),
                ('file', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quick_reply_files', to='files.storedfile')),
                ('reply', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='files', to='quick_replies.quickreply')),
            ],
            options={
                'db_table': 'quick_reply_files',
                'ordering': ('position',),
                'constraints': [models.UniqueConstraint(fields=('reply', 'position'), name='one_quick_reply_file_per_position')],
            },
        ),
    ]
