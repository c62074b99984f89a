"""Messages and closings can be undone while their text is held in the outbox."""


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0015_drafts'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='conversationevent',
            name='event_type_is_known',
        ),
        migrations.AddField(
            model_name='messagedelivery',
            name='held_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='conversationevent',
            name='event_type',
            field=models.CharField(choices=[('message_received', 'Message reçu'), ('message_sent', 'Message envoyé'), ('agent_message', "Message d'agent"), ('document_sent', 'Document envoyé'), ('menu_choice', 'Choix de menu'), ('free_input', 'Saisie libre'), ('invalid_input', 'Saisie non comprise'), ('agent_transfer', "Demande d'agent"), ('agent_takeover', 'Prise en charge'), ('agent_release', 'Remise'), ('conversation_closed', 'Clôture'), ('conversation_reopened', 'Clôture annulée'), ('flow_start', 'Début du parcours'), ('flow_complete', 'Fin du parcours'), ('timeout', 'Fin par silence'), ('error', 'Erreur'), ('note', 'Note')], max_length=24),
        ),
        migrations.AddConstraint(
            model_name='conversationevent',
            constraint=models.CheckConstraint(condition=models.Q(('event_type__in', ['message_received', 'message_sent', 'agent_message', 'document_sent', 'menu_choice', 'free_input', 'invalid_input', 'agent_transfer', 'agent_takeover', 'agent_release', 'conversation_closed', 'conversation_reopened', 'flow_start', 'flow_complete', 'timeout', 'error', 'note'])), name='event_type_is_known'),
        ),
    ]
