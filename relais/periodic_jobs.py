"""All periodic jobs, in one list. The deferrer (`ops/workers.py`) and the health checks read it.

A task of this list is defined with `priority=1`, so that it runs before whatever waits, and with a `queueing_lock`, so
that it never waits twice.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PeriodicJob:
    task: str
    cron: str
    """Five fields; a sixth, if given, is the seconds."""
    purpose: str


PERIODIC_JOBS = (
    PeriodicJob(
        "relais.flows.tasks.wake_bots",
        "* * * * * */5",
        "continue the bot executions whose time-out is due",
    ),
    PeriodicJob(
        "relais.routing.tasks.apply_presence",
        "* * * * * */5",
        "change the states of agents who came, left or became inactive",
    ),
    PeriodicJob(
        "relais.ops.tasks.retry_stalled",
        "* * * * * */5",
        "retry the jobs of dead workers",
    ),
    PeriodicJob(
        "relais.conversations.tasks.end_silent_conversations",
        "* * * * *",
        "end conversations without activity",
    ),
    PeriodicJob(
        "relais.notifications.tasks.warn_of_closing_windows",
        "* * * * *",
        "tell agents whose unanswered clients' 24-hour windows close within an hour",
    ),
    PeriodicJob(
        "relais.conversations.tasks.end_snoozes",
        "* * * * *",
        "return snoozed conversations whose time has come",
    ),
    PeriodicJob(
        "relais.conversations.tasks.send_scheduled",
        "* * * * * */5",
        "send the scheduled messages whose time has come",
    ),
    PeriodicJob(
        "relais.conversations.tasks.delete_finished_scheduled",
        "23 3 * * *",
        "forget scheduled messages that were sent or cancelled a month ago",
    ),
    PeriodicJob(
        "relais.whatsapp.tasks.look_at_log",
        "* * * * *",
        "reconcile recent messages with Twilio's log",
    ),
    PeriodicJob(
        "relais.whatsapp.tasks.look_back_in_log",
        "17 * * * *",
        "reconcile the last day, once a day the last week, with Twilio's log",
    ),
    PeriodicJob(
        "relais.whatsapp.tasks.sync_templates",
        "* * * * *",
        "read the account's message templates, when an hour has passed",
    ),
    PeriodicJob(
        "relais.conversations.tasks.defer_overdue_previews",
        "29 * * * *",
        "make the previews of files that have none",
    ),
    PeriodicJob(
        "relais.files.tasks.delete_unreferenced",
        "41 * * * *",
        "delete stored files that nothing has referenced for a day",
    ),
)
