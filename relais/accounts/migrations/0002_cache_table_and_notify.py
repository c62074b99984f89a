"""The table that counts failed sign-ins, and the word to every process that a user changed."""

from django.db import migrations

CACHE = """
create table cache (cache_key varchar(255) primary key, value text not null, expires timestamptz not null);
create index cache_expires on cache (expires);
"""
USERS_CHANGED = """
create function relais_users_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('users', old.id::text);
  return null;
end $$;
create trigger users_changed after update of is_active, role, team_id, password on users
  for each row execute function relais_users_changed();
create trigger users_deleted after delete on users for each row execute function relais_users_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [
        migrations.RunSQL(CACHE, reverse_sql="drop table cache"),
        migrations.RunSQL(
            USERS_CHANGED,
            reverse_sql="""
            drop trigger users_changed on users; drop trigger users_deleted on users;
            drop function relais_users_changed""",
        ),
    ]
