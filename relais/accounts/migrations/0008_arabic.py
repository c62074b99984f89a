"""Arabic as a language of the interface."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_sorts_by_time'),
    ]

    operations = [
        migrations.AlterField(
            model_name='user',
            name='language',
            field=models.CharField(choices=[('fr', 'Français'), ('en', 'English'), ('ar', 'العربية')], db_default='fr', default='fr', max_length=5, verbose_name='langue'),
        ),
    ]
