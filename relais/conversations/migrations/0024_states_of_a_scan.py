"""Received files may wait for a virus scan, or be in quarantine."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0023_conversations_started_by_agents'),
    ]

    operations = [
        migrations.AlterField(
            model_name='media',
            name='state',
            field=models.CharField(choices=[('waiting', 'En attente'), ('scanning', 'Analyse en cours'), ('stored', 'Disponible'), ('failed', 'Indisponible'), ('infected', 'En quarantaine')], db_default='waiting', max_length=8),
        ),
        migrations.AddIndex(
            model_name='media',
            index=models.Index(condition=models.Q(('state', 'scanning')), fields=['id'], name='media_awaiting_scan'),
        ),
    ]
