"""Whoever takes a conversation's epoch on ends the bot's execution in it."""

from django.db import migrations

# In the database, so that no way of taking a conversation over can forget it. The conversation's row is locked first,
# here as in the runner.
HANDS_OFF = """
create function relais_hands_off() returns trigger language plpgsql as $$
begin
  update flow_executions set ended_at = now(), end_reason = 'taken_over', awaits_reply = false, due_at = null, pending = null
   where conversation_id = new.id and ended_at is null;
  new.bot_waits_until := null;
  return new;
end $$;
create trigger hands_off before update of epoch, status on conversations for each row
  when (old.epoch <> new.epoch or (new.status not in ('active', 'transferred') and old.status <> new.status))
  execute function relais_hands_off();
"""

class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0001_flows_revisions_executions"),
        ("conversations", "0003_moves_between_teams_are_told"),
    ]
    operations = [
        migrations.RunSQL(
            HANDS_OFF,
            reverse_sql="drop trigger hands_off on conversations; drop function relais_hands_off",
        ),
    ]
