"""Files by the hash of their content; rows of other tables reference them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='StoredFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(max_length=64, unique=True)),
                ('size', models.BigIntegerField()),
                ('content_type', models.TextField()),
                ('stored_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'stored_files',
                'indexes': [models.Index(fields=['stored_at'], name='stored_files_by_age')],
            },
        ),
    ]
