"""Opt-outs say by which sign they are known."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('clients', '0006_merges_can_be_undone'),
    ]

    operations = [
        migrations.AddField(
            model_name='optout',
            name='source',
            field=models.TextField(blank=True, choices=[('message', "le client l'a écrit"), ('21610', 'Twilio refuse nos messages à ce numéro'), ('63014', 'le client a bloqué notre numéro'), ('channel_status', 'WhatsApp dit que le client refuse nos messages')], db_default='', default=''),
        ),
    ]
