"""Since when a client waits for a person's answer. Filled in for the conversations that a person is asked for."""

from django.db import migrations, models
from django.db.models import Q

FILL_IN = """
update conversations c set unanswered_since = first.created_at
  from (
    select e.conversation_id, min(e.created_at) as created_at
      from conversation_events e
      join conversations o on o.id = e.conversation_id and o.status = 'transferred'
     where e.event_type = 'message_received'
       and e.seq > coalesce((select max(a.seq) from conversation_events a
                              where a.conversation_id = o.id and a.event_type = 'agent_message'), 0)
     group by 1
  ) first
 where c.id = first.conversation_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0016_undo_send_and_close"),
    ]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="unanswered_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(FILL_IN, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["agent"],
                condition=Q(status="transferred", agent__isnull=False),
                name="held_conversations",
            ),
        ),
    ]
