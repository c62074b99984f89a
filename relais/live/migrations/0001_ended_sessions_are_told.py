"""Signing out, however it is done, removes the session: its sockets must close at once, in every process."""

from django.db import migrations

# One that ran out was told of by nobody anyway, and a clearing of old sessions would be a flood of words.
SESSION_ENDED = """
create function relais_session_ended() returns trigger language plpgsql as $$
begin
  perform pg_notify('sessions', old.session_key);
  return null;
end $$;
create trigger session_ended after delete on django_session
  for each row when (old.expire_date > now()) execute function relais_session_ended();
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("sessions", "0001_initial")]
    operations = [
        migrations.RunSQL(
            SESSION_ENDED,
            reverse_sql="drop trigger session_ended on django_session; drop function relais_session_ended",
        ),
    ]
