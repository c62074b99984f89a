"""Photo and signature of users."""


import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_undo_seconds'),
    ]

    operations = [
        migrations.CreateModel(
            name='UserPhoto',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='photo', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('image', models.BinaryField()),
            ],
            options={
                'db_table': 'user_photos',
            },
        ),
        migrations.AddField(
            model_name='user',
            name='photo_version',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='user',
            name='signature',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='signature'),
        ),
    ]
