"""Choices of quick replies: buttons or a list under the text."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('quick_replies', '0003_files_of_replies'),
    ]

    operations = [
        migrations.AddField(
            model_name='quickreply',
            name='choices',
            field=models.JSONField(null=True),
        ),
    ]
