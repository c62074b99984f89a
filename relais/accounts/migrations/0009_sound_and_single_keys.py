"""Each user chooses the sound of notifications, and whether a key pressed alone is a shortcut."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_arabic'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='single_keys',
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name='user',
            name='sound',
            field=models.CharField(blank=True, choices=[('chime', 'Carillon'), ('drop', 'Goutte'), ('wood', 'Bois'), ('', 'Aucun son')], db_default='chime', default='chime', max_length=8, verbose_name='son'),
        ),
    ]
