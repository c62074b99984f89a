"""Whoever could see a conversation before it went to another team has to be told that it is gone from his list."""

from django.db import migrations

CONVERSATION_MOVED = """
create function relais_conversation_moved() returns trigger language plpgsql as $$
begin
  perform pg_notify('conversations_moved', old.id || ':' || coalesce(old.team_id::text, ''));
  return null;
end $$;
create trigger conversation_moved after update of team_id on conversations
  for each row when (old.team_id is distinct from new.team_id) execute function relais_conversation_moved();
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0002_append_only_notify_and_search")]
    operations = [
        migrations.RunSQL(
            CONVERSATION_MOVED,
            reverse_sql="drop trigger conversation_moved on conversations; drop function relais_conversation_moved",
        ),
    ]
