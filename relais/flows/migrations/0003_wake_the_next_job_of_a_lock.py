"""When a job with a lock ends, the worker is told: else the next of that lock waits for the next look, up to a second."""

from django.db import migrations

WAKE = """
create function relais_wake_next_of_lock() returns trigger language plpgsql as $$
declare
  notice text := json_build_object('type', 'job_inserted', 'job_id', old.id)::text;
begin
  perform pg_notify('procrastinate_queue_v1#' || old.queue_name, notice);
  perform pg_notify('procrastinate_any_queue_v1', notice);
  return null;
end $$;
create trigger relais_wake_after_update after update of status on procrastinate_jobs for each row
  when (old.status = 'doing' and new.status <> 'doing' and old.lock is not null)
  execute function relais_wake_next_of_lock();
create trigger relais_wake_after_delete after delete on procrastinate_jobs for each row
  when (old.status = 'doing' and old.lock is not null)
  execute function relais_wake_next_of_lock();
"""
SLEEP = """
drop trigger relais_wake_after_update on procrastinate_jobs;
drop trigger relais_wake_after_delete on procrastinate_jobs;
drop function relais_wake_next_of_lock;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0002_hands_off"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]
    operations = [migrations.RunSQL(WAKE, reverse_sql=SLEEP)]
