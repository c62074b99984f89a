"""An agent may write first: the event of a conversation that an agent started."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("conversations", "0022_files_of_messages")]

    operations = [
        migrations.RemoveConstraint(model_name="conversationevent", name="event_type_is_known"),
        migrations.AlterField(
            model_name="conversationevent",
            name="event_type",
            field=models.CharField(choices=[('message_received', 'Message reçu'), ('message_sent', 'Message envoyé'), ('agent_message', "Message d'agent"), ('document_sent', 'Document envoyé'), ('menu_choice', 'Choix de menu'), ('free_input', 'Saisie libre'), ('invalid_input', 'Saisie non comprise'), ('conversation_started', 'Conversation commencée'), ('agent_transfer', "Demande d'agent"), ('agent_takeover', 'Prise en charge'), ('agent_release', 'Remise'), ('conversation_closed', 'Clôture'), ('conversation_reopened', 'Clôture annulée'), ('flow_start', 'Début du parcours'), ('flow_complete', 'Fin du parcours'), ('timeout', 'Fin par silence'), ('error', 'Erreur'), ('note', 'Note'), ('snoozed', 'Mise en pause'), ('snooze_ended', 'Fin de la pause'), ('tags_changed', 'Étiquettes')], max_length=24),
        ),
        migrations.AddConstraint(
            model_name="conversationevent",
            constraint=models.CheckConstraint(condition=models.Q(('event_type__in', ['message_received', 'message_sent', 'agent_message', 'document_sent', 'menu_choice', 'free_input', 'invalid_input', 'conversation_started', 'agent_transfer', 'agent_takeover', 'agent_release', 'conversation_closed', 'conversation_reopened', 'flow_start', 'flow_complete', 'timeout', 'error', 'note', 'snoozed', 'snooze_ended', 'tags_changed'])), name='event_type_is_known'),
        ),
    ]
