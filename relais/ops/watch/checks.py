"""The status checks of the page « État »: for each part of Relais a level, a sentence, and advice when it is not good.

The reader may have been woken by an alert: the sentence says what is wrong, the advice what to do about it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext
from prometheus_client import REGISTRY

from relais.conversations.twilio_errors import error_text
from relais.files.virus_scanner import ScannerUnavailable, ping
from relais.ops.disk_thresholds import CRITICAL_FREE_BYTES, LOW_FREE_BYTES
from relais.ops.job_progress import JobProgress, periodic_intervals
from relais.ops.status_thresholds import MAX_UNSENT_SECONDS
from relais.ops.watch import queries
from relais.ops.watch.metrics_store import metrics_store
from relais.ops.watch.snapshot import DAY, FIFTEEN_MINUTES, HOUR, StatusSnapshot
from relais.web.templatetags.relais import duration
from relais.web.times import format_seconds
from relais.whatsapp.reconcile.status import reconciliation_status
from relais.whatsapp.webhook_urls import STUDIO_HOOKS

MAX_UNSENT = timedelta(seconds=MAX_UNSENT_SECONDS)
TWILIO_HOOK_PATHS = [f"/api/twilio/{name}" for name in ("message", "status", *STUDIO_HOOKS)]
MAX_CONNECTION_RATIO = 0.85
"""Of the connections that the server allows."""
MIN_MESSAGES_FOR_WARNING = 5
"""Fewer messages within an hour say nothing about the connection to Twilio."""
MAX_SENT_PER_REJECTED = 5
"""Warn when at least one message is rejected for so many that are sent."""
CONFIGURATION_ERROR_REASONS = {
    20003: gettext_noop("il refuse nos identifiants."),
    63007: gettext_noop("notre numéro WhatsApp n'est pas relié à ce compte Twilio."),
    21408: gettext_noop("l'envoi vers ce pays n'est pas permis à notre compte Twilio."),
    21608: gettext_noop("un compte d'essai n'écrit qu'aux numéros vérifiés."),
}
CONFIGURATION_ERROR_ADVICE = {
    20003: gettext_noop(
        "TWILIO_ACCOUNT_SID et TWILIO_AUTH_TOKEN doivent être ceux de la console de Twilio ; corrigez et redémarrez."
    ),
    63007: gettext_noop(
        "TWILIO_WHATSAPP_NUMBER doit être un expéditeur WhatsApp de ce compte, tel que la console de Twilio le montre "
        "sous Messaging, Senders ; corrigez et redémarrez, puis renvoyez les messages en échec."
    ),
    21408: gettext_noop(
        "Permettez ce pays dans la console de Twilio, sous Messaging, Settings, Geo permissions."
    ),
    21608: gettext_noop(
        "Dans la console de Twilio, vérifiez le numéro du client ou passez à un compte payant."
    ),
}
"""By error code: what to do about errors that reject each message until an administrator acts. General ones first."""


class Level(StrEnum):
    GOOD = "good"
    ATTENTION = "attention"
    DANGER = "danger"


@dataclass(frozen=True)
class StatusCheck:
    title: str
    sentence: str
    level: Level = Level.GOOD
    advice: str = ""
    link: str = ""
    """The page of Relais that shows or mends it."""


def run_checks(at: datetime) -> list[StatusCheck]:
    """The worst level first; within a level in the order of CHECKS, the path of a message."""
    # When the database takes no writes, as on a full disk, show the other checks all the same.
    with suppress(DatabaseError, InterfaceError):
        metrics_store.update_tallies()
    snapshot = StatusSnapshot(at)
    scanner = (check_virus_scanner,) if settings.ENVIRONMENT.clamav_url else ()
    checks = [check(snapshot) for check in (*CHECKS, *scanner)]
    order = [Level.DANGER, Level.ATTENTION, Level.GOOD]
    return sorted(checks, key=lambda check: order.index(check.level))


# -- one function for each part ----------------------------------------------------------------------------


def check_signatures(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Appels de Twilio")
    names = [f"signatures_refused {path}" for path in TWILIO_HOOK_PATHS]
    today, hour = snapshot.count_events(DAY, *names), snapshot.count_events(HOUR, *names)
    if not today.count or not today.last_at:
        return _check_api_tokens(snapshot, title)
    sentence = ngettext(
        "%(n)s appel refusé pour sa signature %(when)s, le dernier il y a %(ago)s.",
        "%(n)s appels refusés pour leur signature %(when)s, le dernier il y a %(ago)s.",
        hour.count or today.count,
    ) % {
        "n": hour.count or today.count,
        "when": _("depuis une heure") if hour.count else _("depuis hier"),
        "ago": snapshot.format_age(today.last_at),
    }
    advice = _(
        "Si les messages des clients n'arrivent plus : TWILIO_AUTH_TOKEN doit être celui du compte et PUBLIC_BASE_URL "
        "l'adresse que Twilio appelle ; corrigez et redémarrez. S'ils arrivent, quelqu'un d'autre a appelé : il n'y a "
        "rien à faire."
    )
    is_recent = snapshot.at - today.last_at < FIFTEEN_MINUTES
    return StatusCheck(
        title, sentence, Level.DANGER if is_recent else Level.ATTENTION, advice, "/dashboard/settings"
    )


def _check_api_tokens(snapshot: StatusSnapshot, title: str) -> StatusCheck:
    rejected = snapshot.count_events(HOUR, "signatures_refused /api/twilio/send-message")
    if not rejected.count:
        return StatusCheck(title, _("Tous les appels reçus étaient bien signés."))
    sentence = _("Un programme s'est présenté avec un jeton inconnu, %(n)s fois depuis une heure.") % {
        "n": rejected.count
    }
    return StatusCheck(title, sentence, Level.ATTENTION, _("Donnez-lui un jeton : relais token create."))


def check_inbound(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Messages reçus")
    overloaded = snapshot.count_events(FIFTEEN_MINUTES, "hooks /api/twilio/", suffix=" 503")
    broken = snapshot.count_events(FIFTEEN_MINUTES, "hooks /api/twilio/", suffix=" 500")
    if overloaded.count or broken.count:
        count = overloaded.count + broken.count
        sentence = ngettext(
            "%(n)s appel n'a pas pu être enregistré dans le dernier quart d'heure.",
            "%(n)s appels n'ont pas pu être enregistrés dans le dernier quart d'heure.",
            count,
        ) % {"n": count}
        advice = _(
            "Twilio réessaie, mais pas longtemps. Voyez la base de données et le disque ci-dessous, puis web.log."
        )
        return StatusCheck(title, sentence, Level.DANGER, advice)
    last_at = snapshot.last_inbound_at
    if not last_at:
        return StatusCheck(title, _("Aucun message reçu jusqu'ici."))
    return StatusCheck(title, _("Le dernier il y a %(ago)s.") % {"ago": snapshot.format_age(last_at)})


def check_sending(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Envoi")
    stopped_for, outbox = snapshot.stale_heartbeat_age("sender"), snapshot.outbox
    unsent_for = snapshot.at - outbox.oldest_at if outbox.oldest_at else timedelta(0)
    if unsent_for > MAX_UNSENT:
        sentence = ngettext(
            "%(n)s message attend de partir, depuis %(ago)s.",
            "%(n)s messages attendent de partir, le plus ancien depuis %(ago)s.",
            outbox.waiting,
        ) % {"n": outbox.waiting, "ago": duration(unsent_for)}
        return StatusCheck(title, sentence, Level.DANGER, _unsent_advice(snapshot))
    if stopped_for:
        return StatusCheck(
            title, _stopped_sentence(_("L'envoi est arrêté"), stopped_for), Level.DANGER, _restart_advice()
        )
    return _check_send_results(snapshot, title)


def _unsent_advice(snapshot: StatusSnapshot) -> str:
    if snapshot.stale_heartbeat_age("sender"):
        return _("L'envoi est arrêté.") + " " + _restart_advice()
    if snapshot.count_events(FIFTEEN_MINUTES, "sends later", "sends unknown").count:
        return _(
            "Twilio ne répond pas ou demande d'attendre ; Relais réessaie de lui-même et rien n'est perdu. Si cela "
            "dure, regardez status.twilio.com et si le serveur atteint api.twilio.com."
        )
    return _("Lisez jobs.log à cette heure. Rien n'est perdu : ce qui attend partira.")


def _check_configuration_errors(snapshot: StatusSnapshot, title: str) -> StatusCheck | None:
    """Errors that only an administrator can mend: one rejected message means that the next ones are rejected too."""
    for code, advice in CONFIGURATION_ERROR_ADVICE.items():
        rejected = snapshot.count_events(HOUR, f"sends refused {code}")
        if not rejected.count or rejected.last_at is None:
            continue
        sentence = ngettext(
            "Twilio a refusé %(n)s message depuis une heure, erreur %(code)s : %(why)s",
            "Twilio a refusé %(n)s messages depuis une heure, erreur %(code)s : %(why)s",
            rejected.count,
        ) % {"n": rejected.count, "code": code, "why": _(CONFIGURATION_ERROR_REASONS[code])}
        accepted_at = snapshot.count_events(HOUR, "sends accepted").last_at
        is_mended = accepted_at is not None and accepted_at > rejected.last_at
        return StatusCheck(
            title, sentence, Level.ATTENTION if is_mended else Level.DANGER, _(advice), "/dashboard/settings"
        )
    return None


def _check_send_results(snapshot: StatusSnapshot, title: str) -> StatusCheck:
    if configuration_error := _check_configuration_errors(snapshot, title):
        return configuration_error
    sent, failed = snapshot.count_events(HOUR, "sends accepted"), snapshot.count_events(HOUR, "sends refused")
    if failed.count >= MIN_MESSAGES_FOR_WARNING and failed.count * MAX_SENT_PER_REJECTED >= sent.count:
        code = next(iter(snapshot.rejection_codes(HOUR)), "")
        sentence = _("Twilio a refusé %(n)s messages depuis une heure, %(sent)s sont partis.") % {
            "n": failed.count,
            "sent": sent.count,
        }
        why = error_text(int(code)) if code.isdigit() else ""
        advice = (_("Surtout l'erreur %(code)s : %(why)s") % {"code": code, "why": why}) if why else ""
        return StatusCheck(
            title, sentence, Level.ATTENTION, advice, "/dashboard/conversations?status=trouble"
        )
    if snapshot.outbox.uncertain:
        sentence = ngettext(
            "%(n)s message dont on ne sait pas s'il est parti.",
            "%(n)s messages dont on ne sait pas s'ils sont partis.",
            snapshot.outbox.uncertain,
        ) % {"n": snapshot.outbox.uncertain}
        advice = _(
            "Relais cherche la réponse pendant deux minutes. Ensuite un agent décide : « C'est arrivé » ou "
            "« Renvoyer »."
        )
        return StatusCheck(
            title, sentence, Level.ATTENTION, advice, "/dashboard/conversations?status=trouble"
        )
    return StatusCheck(
        title, _("Rien n'attend.") if not snapshot.outbox.waiting else _("Ce qui attend part à l'instant.")
    )


def check_scheduled(snapshot: StatusSnapshot) -> StatusCheck:
    title, scheduled = _("Messages programmés"), queries.scheduled_messages()
    late_since = scheduled.oldest_late_at
    if late_since and snapshot.at - late_since > MAX_UNSENT:
        sentence = ngettext(
            "%(n)s message programmé aurait dû partir il y a %(ago)s.",
            "%(n)s messages programmés auraient dû partir, le premier il y a %(ago)s.",
            scheduled.late,
        ) % {"n": scheduled.late, "ago": snapshot.format_age(late_since)}
        advice = _(
            "Voyez les tâches, puis jobs.log. Rien n'est perdu : ils partiront, si rien ne s'y oppose alors."
        )
        return StatusCheck(title, sentence, Level.DANGER, advice, "/dashboard/scheduled")
    sentence = ngettext("%(n)s attend son heure.", "%(n)s attendent leur heure.", scheduled.waiting)
    return StatusCheck(
        title, sentence % {"n": scheduled.waiting} if scheduled.waiting else _("Aucun n'attend.")
    )


def check_status_callbacks(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Confirmations de Twilio")
    sent = snapshot.count_events(HOUR, "sends accepted")
    callbacks = snapshot.count_events(DAY, "hooks /api/twilio/status", suffix=" 204")
    is_recent = callbacks.last_at is not None and snapshot.at - callbacks.last_at < HOUR
    if sent.count >= MIN_MESSAGES_FOR_WARNING and not is_recent:
        sentence = _("Twilio a pris %(n)s messages depuis une heure et n'en a confirmé aucun.") % {
            "n": sent.count
        }
        advice = _(
            "Twilio n'atteint pas Relais : ouvrez %(url)s de l'extérieur ; nom, certificat, pare-feu, proxy."
        )
        return StatusCheck(
            title, sentence, Level.ATTENTION, advice % {"url": f"{settings.PUBLIC_BASE_URL}/api/live"}
        )
    if not callbacks.last_at:
        return StatusCheck(title, _("Aucune depuis hier, et rien n'en attend."))
    return StatusCheck(
        title, _("La dernière il y a %(ago)s.") % {"ago": snapshot.format_age(callbacks.last_at)}
    )


def check_reconciliation(snapshot: StatusSnapshot) -> StatusCheck:
    """Whether our messages were reconciled with Twilio's message log, and how recently."""
    title, status = _("Vérification"), reconciliation_status(at=snapshot.at)
    if status is None:
        return StatusCheck(title, _("Pas de compte Twilio : il n'y a rien à comparer."))
    if status.last_ok_at is None:
        sentence = _("Le journal de Twilio n'a pas encore été comparé.")
    elif not status.is_complete:
        missing = ngettext("%(n)s message trouvé", "%(n)s messages trouvés", status.missing) % {
            "n": status.missing
        }
        sentence = _(
            "Vérification incomplète (%(found)s) : le journal de Twilio n'a pas été lu jusqu'au bout. "
            "La dernière complète date d'il y a %(ago)s."
        ) % {"found": missing, "ago": snapshot.format_age(status.last_ok_at)}
    else:
        sentence = ngettext(
            "Comparé au journal de Twilio il y a %(ago)s : %(n)s message manquant.",
            "Comparé au journal de Twilio il y a %(ago)s : %(n)s messages manquants.",
            status.missing,
        ) % {"ago": snapshot.format_age(status.last_ok_at), "n": status.missing}
    if status.level == "good":
        return StatusCheck(title, sentence)
    advice = (_(status.error) + " " if status.error else "") + _(
        "Sans cette vérification, un message que Twilio n'a pas pu remettre reste inaperçu. Voyez si les tâches "
        "tournent, puis si le serveur atteint api.twilio.com."
    )
    return StatusCheck(title, sentence, Level(status.level), advice)


def check_jobs(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Tâches")
    if stopped_for := snapshot.stale_heartbeat_age("jobs"):
        sentence = _stopped_sentence(_("Les tâches sont arrêtées"), stopped_for)
        return StatusCheck(
            title, sentence + " " + _("Le bot se tait et rien ne part."), Level.DANGER, _restart_advice()
        )
    if sentence := _no_progress_sentence(snapshot.job_progress):
        return StatusCheck(title, sentence, Level.DANGER, _restart_advice())
    if queues := snapshot.job_progress.late_queues:
        sentence = _("Trop de tâches attendent ; la plus ancienne est prête depuis %(ago)s.") % {
            "ago": _format_seconds(max(queues.values()))
        }
        advice = _("Elles avancent : attendez. Si cela dure, lisez jobs.log à cette heure.")
        return StatusCheck(title, sentence, Level.DANGER, advice)
    if (failed := snapshot.failed_jobs).count:
        sentence = ngettext(
            "%(n)s tâche a échoué pour de bon depuis hier, il y a %(ago)s.",
            "%(n)s tâches ont échoué pour de bon depuis hier, la dernière il y a %(ago)s.",
            failed.count,
        ) % {"n": failed.count, "ago": snapshot.format_age(failed.last_at)}
        advice = _("Lisez jobs.log à cette heure et signalez l'erreur : %(tasks)s.") % {"tasks": failed.tasks}
        return StatusCheck(title, sentence, Level.ATTENTION, advice)
    waiting = snapshot.job_counts.waiting
    sentence = ngettext("Elles tournent ; %(n)s attend.", "Elles tournent ; %(n)s attendent.", waiting) % {
        "n": waiting
    }
    return StatusCheck(title, sentence if waiting else _("Elles tournent ; aucune n'attend."))


def _no_progress_sentence(progress: JobProgress) -> str:
    overdue = progress.overdue(periodic_intervals())
    if overdue:
        task, seconds = max(overdue.items(), key=lambda item: item[1])
        return _("Les tâches n'avancent plus : %(task)s n'a pas abouti depuis %(ago)s.") % {
            "task": task.rpartition(".")[2],
            "ago": _format_seconds(seconds),
        }
    if queues := progress.stuck_queues:
        return _("Les tâches n'avancent plus : l'une est prête depuis %(ago)s et personne ne la prend.") % {
            "ago": _format_seconds(max(queues.values()))
        }
    return ""


def _format_seconds(seconds: float) -> str:
    return format_seconds(round(seconds)) if seconds < 60 else duration(timedelta(seconds=seconds))


def check_live(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Direct")
    if REGISTRY.get_sample_value("relais_live_listening") == 0:
        sentence = _(
            "Les pages ne sont pas averties aussitôt : elles se rafraîchissent toutes les cinq secondes."
        )
        return StatusCheck(
            title,
            sentence,
            Level.ATTENTION,
            _("Voyez la base de données, puis web.log. Relais se reconnecte de lui-même."),
        )
    slow = snapshot.count_events(HOUR, "sockets_closed 1013").count
    if slow:
        sentence = ngettext(
            "%(n)s page trop lente a dû se reconnecter depuis une heure.",
            "%(n)s pages trop lentes ont dû se reconnecter depuis une heure.",
            slow,
        ) % {"n": slow}
        return StatusCheck(title, sentence)
    return StatusCheck(title, _("Les pages sont averties aussitôt."))


def check_database(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Base de données")
    started = time.perf_counter()
    server = queries.server_status()
    latency = f"{max(1, round((time.perf_counter() - started) * 1000))} ms"
    sentence = _("Elle répond en %(took)s ; %(now)s connexions sur %(most)s.") % {
        "took": latency,
        "now": server.connections,
        "most": server.max_connections,
    }
    if server.connections > server.max_connections * MAX_CONNECTION_RATIO:
        advice = _(
            "Un autre programme s'en sert-il aussi ? Sinon redémarrez Relais, et augmentez max_connections si cela "
            "revient."
        )
        return StatusCheck(title, sentence, Level.ATTENTION, advice)
    return StatusCheck(title, sentence)


def check_disk(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Disque")
    free = shutil.disk_usage(settings.ENVIRONMENT.data_dir).free
    sentence = _("%(free)s libres pour les données.") % {"free": _format_size(free)}
    if free < LOW_FREE_BYTES:
        advice = _(
            "Faites de la place, ou déplacez le dossier des données : sans place, aucun message ne peut être "
            "enregistré."
        )
        return StatusCheck(
            title, sentence, Level.DANGER if free < CRITICAL_FREE_BYTES else Level.ATTENTION, advice
        )
    return StatusCheck(title, sentence)


def check_virus_scanner(snapshot: StatusSnapshot) -> StatusCheck:
    title = _("Antivirus")
    waiting = queries.scanning_media()
    sentence = ngettext(
        "%(n)s fichier attend son analyse.", "%(n)s fichiers attendent leur analyse.", waiting
    ) % {"n": waiting}
    try:
        ping(settings.ENVIRONMENT.clamav_url)
    except ScannerUnavailable:
        advice = _("Démarrez clamd et voyez CLAMAV_URL. L'analyse reprendra d'elle-même.")
        return StatusCheck(
            title, _("Il ne répond pas.") + (" " + sentence if waiting else ""), Level.DANGER, advice
        )
    return StatusCheck(title, _("Il répond.") + (" " + sentence if waiting else ""))


CHECKS: tuple[Callable[[StatusSnapshot], StatusCheck], ...] = (
    check_signatures, check_inbound, check_sending, check_scheduled, check_status_callbacks, check_reconciliation,
    check_jobs, check_live, check_database, check_disk,
)  # fmt: skip


def _format_size(size_bytes: int) -> str:
    amount = size_bytes / 1e9
    return _("%(amount)s Go") % {"amount": number_format(amount, 0 if amount >= 10 else 1)}


def _stopped_sentence(what: str, stopped_for: timedelta) -> str:
    if stopped_for == timedelta.max:
        return _("%(what)s : aucun signe de vie.") % {"what": what}
    return _("%(what)s depuis %(ago)s.") % {"what": what, "ago": duration(stopped_for)}


def _restart_advice() -> str:
    return _("Redémarrez Relais ; jobs.log dit pourquoi. Rien n'est perdu : ce qui attend partira.")
