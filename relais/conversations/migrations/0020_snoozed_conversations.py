"""Snoozed conversations. A trigger ends a snooze when the client writes, and when the conversation ends or changes hands."""

from django.db import migrations, models

# The `when` keeps the function from being called for the other updates, which are nearly all.
END_SNOOZE = """
create function relais_end_snooze() returns trigger language plpgsql as $$
begin
  if new.epoch <> old.epoch or new.status <> old.status or new.agent_id is distinct from old.agent_id then
    new.snoozed_at := null;
    new.snoozed_until := null;
    new.snooze_end := '';
  elsif old.snoozed_at is not null then
    new.snoozed_at := null;
    new.snoozed_until := null;
    new.snooze_end := 'reply';
  end if;
  return new;
end $$;
create trigger conversation_snooze_ends before update on conversations for each row
  when ((old.snoozed_at is not null or old.snooze_end <> '')
    and (new.epoch <> old.epoch or new.status <> old.status or new.agent_id is distinct from old.agent_id
      or new.last_inbound_seq > old.last_inbound_seq or new.last_inbound_at is distinct from old.last_inbound_at))
  execute function relais_end_snooze();
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0019_tags_of_conversations")]

    operations = [
        migrations.AddField("conversation", "snoozed_at", models.DateTimeField(null=True)),
        migrations.AddField("conversation", "snoozed_until", models.DateTimeField(null=True)),
        migrations.AddField("conversation", "snooze_end", models.CharField(blank=True, db_default="", default="", max_length=8)),
        migrations.AddConstraint(
            "conversation",
            models.CheckConstraint(
                condition=models.Q(("snoozed_at", None))
                | models.Q(("agent__isnull", False), ("status", "transferred")),
                name="only_held_conversations_are_snoozed",
            ),
        ),
        migrations.AddIndex(
            "conversation",
            models.Index(
                condition=models.Q(("snoozed_at__isnull", False)),
                fields=["snoozed_until"],
                name="snoozed_conversations",
            ),
        ),
        migrations.RemoveConstraint(model_name="conversationevent", name="event_type_is_known"),
        migrations.AlterField(
            model_name="conversationevent",
            name="event_type",
            field=models.CharField(choices=[('message_received', 'Message reçu'), ('message_sent', 'Message envoyé'), ('agent_message', "Message d'agent"), ('document_sent', 'Document envoyé'), ('menu_choice', 'Choix de menu'), ('free_input', 'Saisie libre'), ('invalid_input', 'Saisie non comprise'), ('agent_transfer', "Demande d'agent"), ('agent_takeover', 'Prise en charge'), ('agent_release', 'Remise'), ('conversation_closed', 'Clôture'), ('conversation_reopened', 'Clôture annulée'), ('flow_start', 'Début du parcours'), ('flow_complete', 'Fin du parcours'), ('timeout', 'Fin par silence'), ('error', 'Erreur'), ('note', 'Note'), ('snoozed', 'Mise en pause'), ('snooze_ended', 'Fin de la pause'), ('tags_changed', 'Étiquettes')], max_length=24),
        ),
        migrations.AddConstraint(
            model_name="conversationevent",
            constraint=models.CheckConstraint(condition=models.Q(('event_type__in', ['message_received', 'message_sent', 'agent_message', 'document_sent', 'menu_choice', 'free_input', 'invalid_input', 'agent_transfer', 'agent_takeover', 'agent_release', 'conversation_closed', 'conversation_reopened', 'flow_start', 'flow_complete', 'timeout', 'error', 'note', 'snoozed', 'snooze_ended', 'tags_changed'])), name='event_type_is_known'),
        ),
        migrations.RunSQL(
            END_SNOOZE,
            reverse_sql="drop trigger conversation_snooze_ends on conversations; drop function relais_end_snooze",
        ),
    ]
