"""Is everything well? One sentence per part of Relais, with what to do where it is not.

The reader may have been woken by a red light: the first sentence says what is wrong, the second what to do about it.
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

from relais.company.messenger import STUDIO_HOOKS
from relais.ops.disk_thresholds import CRITICAL_FREE_BYTES, LOW_FREE_BYTES
from relais.ops.job_progress import JobProgress, periodic_intervals
from relais.ops.watch import queries
from relais.ops.watch.metrics_store import keeper
from relais.ops.watch.snapshot import DAY, HOUR, LATELY, Look
from relais.web.templatetags.relais import duration
from relais.whatsapp.error_sentences import error_sentence
from relais.whatsapp.reconcile.status import reconciliation_status

LONGEST_WAIT = timedelta(minutes=1)
OF_TWILIO = [f"/api/twilio/{name}" for name in ("message", "status", *STUDIO_HOOKS)]
CROWDED = 0.85
MANY_FAILURES = 5
REASONS = {
    20003: gettext_noop("il refuse nos identifiants."),
    63007: gettext_noop("notre numéro WhatsApp n'est pas relié à ce compte Twilio."),
    21408: gettext_noop("l'envoi vers ce pays n'est pas permis à notre compte Twilio."),
    21608: gettext_noop("un compte d'essai n'écrit qu'aux numéros vérifiés."),
}
CONFIGURATION_ERRORS = {
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
"""What to do about refusals that the next message meets as well, by Twilio's code; the most general first."""


class Level(StrEnum):
    GOOD = "good"
    ATTENTION = "attention"
    DANGER = "danger"


@dataclass(frozen=True)
class Sign:
    title: str
    sentence: str
    level: Level = Level.GOOD
    todo: str = ""
    link: str = ""
    """Where it can be seen or mended, within Relais."""


def signs(at: datetime) -> list[Sign]:
    """What is wrong first; otherwise in the order of a message's way."""
    # Where nothing can be written, as on a full disk, the rest is told all the same.
    with suppress(DatabaseError, InterfaceError):
        keeper.add_up()
    look = Look(at)
    found = [sign(look) for sign in SIGNS]
    return sorted(found, key=lambda sign: [Level.DANGER, Level.ATTENTION, Level.GOOD].index(sign.level))


# -- each part ---------------------------------------------------------------------------------------------


def signatures(look: Look) -> Sign:
    title = _("Appels de Twilio")
    refused = [f"signatures_refused {path}" for path in OF_TWILIO]
    today, hour = look.happened(DAY, *refused), look.happened(HOUR, *refused)
    if not today.count or not today.last_at:
        return _programs(look, title)
    told = ngettext(
        "%(n)s appel refusé pour sa signature %(when)s, le dernier il y a %(ago)s.",
        "%(n)s appels refusés pour leur signature %(when)s, le dernier il y a %(ago)s.",
        hour.count or today.count,
    ) % {
        "n": hour.count or today.count,
        "when": _("depuis une heure") if hour.count else _("depuis hier"),
        "ago": look.ago(today.last_at),
    }
    todo = _(
        "Si les messages des clients n'arrivent plus : TWILIO_AUTH_TOKEN doit être celui du compte et PUBLIC_BASE_URL "
        "l'adresse que Twilio appelle ; corrigez et redémarrez. S'ils arrivent, quelqu'un d'autre a appelé : il n'y a "
        "rien à faire."
    )
    red = look.at - today.last_at < LATELY
    return Sign(title, told, Level.DANGER if red else Level.ATTENTION, todo, "/dashboard/settings")


def _programs(look: Look, title: str) -> Sign:
    wrong = look.happened(HOUR, "signatures_refused /api/twilio/send-message")
    if not wrong.count:
        return Sign(title, _("Tous les appels reçus étaient bien signés."))
    told = _("Un programme s'est présenté avec un jeton inconnu, %(n)s fois depuis une heure.") % {
        "n": wrong.count
    }
    return Sign(title, told, Level.ATTENTION, _("Donnez-lui un jeton : relais token create."))


def messages(look: Look) -> Sign:
    title = _("Messages reçus")
    lost = look.happened(LATELY, "hooks /api/twilio/", ending=" 503")
    broken = look.happened(LATELY, "hooks /api/twilio/", ending=" 500")
    if lost.count or broken.count:
        count = lost.count + broken.count
        told = ngettext(
            "%(n)s appel n'a pas pu être enregistré dans le dernier quart d'heure.",
            "%(n)s appels n'ont pas pu être enregistrés dans le dernier quart d'heure.",
            count,
        ) % {"n": count}
        todo = _(
            "Twilio réessaie, mais pas longtemps. Voyez la base de données et le disque ci-dessous, puis web.log."
        )
        return Sign(title, told, Level.DANGER, todo)
    last = look.last_inbound_at
    if not last:
        return Sign(title, _("Aucun message reçu jusqu'ici."))
    return Sign(title, _("Le dernier il y a %(ago)s.") % {"ago": look.ago(last)})


def sending(look: Look) -> Sign:
    title = _("Envoi")
    silent, outbox = look.silence("sender"), look.outbox
    waits = look.at - outbox.oldest_at if outbox.oldest_at else timedelta(0)
    if waits > LONGEST_WAIT:
        told = ngettext(
            "%(n)s message attend de partir, depuis %(ago)s.",
            "%(n)s messages attendent de partir, le plus ancien depuis %(ago)s.",
            outbox.waiting,
        ) % {"n": outbox.waiting, "ago": duration(waits)}
        return Sign(title, told, Level.DANGER, _why_it_waits(look))
    if silent:
        return Sign(title, _stopped(_("L'envoi est arrêté"), silent), Level.DANGER, _restart())
    return _outcomes(look, title)


def _why_it_waits(look: Look) -> str:
    if look.silence("sender"):
        return _("L'envoi est arrêté.") + " " + _restart()
    if look.happened(LATELY, "sends later", "sends unknown").count:
        return _(
            "Twilio ne répond pas ou demande d'attendre ; Relais réessaie de lui-même et rien n'est perdu. Si cela "
            "dure, regardez status.twilio.com et si le serveur atteint api.twilio.com."
        )
    return _("Lisez jobs.log à cette heure. Rien n'est perdu : ce qui attend partira.")


def _misconfigured(look: Look, title: str) -> Sign | None:
    """Refused for what only an administrator can mend: one such refusal says that all will be refused alike."""
    for code, todo in CONFIGURATION_ERRORS.items():
        refused = look.happened(HOUR, f"sends refused {code}")
        if not refused.count or refused.last_at is None:
            continue
        told = ngettext(
            "Twilio a refusé %(n)s message depuis une heure, erreur %(code)s : %(why)s",
            "Twilio a refusé %(n)s messages depuis une heure, erreur %(code)s : %(why)s",
            refused.count,
        ) % {"n": refused.count, "code": code, "why": _(REASONS[code])}
        taken = look.happened(HOUR, "sends accepted").last_at
        mended = taken is not None and taken > refused.last_at
        return Sign(title, told, Level.ATTENTION if mended else Level.DANGER, _(todo), "/dashboard/settings")
    return None


def _outcomes(look: Look, title: str) -> Sign:
    if wrong := _misconfigured(look, title):
        return wrong
    sent, failed = look.happened(HOUR, "sends accepted"), look.happened(HOUR, "sends refused")
    if failed.count >= MANY_FAILURES and failed.count * 5 >= sent.count:
        code = next(iter(look.codes(HOUR)), "")
        told = _("Twilio a refusé %(n)s messages depuis une heure, %(sent)s sont partis.") % {
            "n": failed.count,
            "sent": sent.count,
        }
        why = error_sentence(int(code)) if code.isdigit() else ""
        todo = (_("Surtout l'erreur %(code)s : %(why)s") % {"code": code, "why": _(why)}) if why else ""
        return Sign(title, told, Level.ATTENTION, todo, "/dashboard/conversations?status=trouble")
    if look.outbox.uncertain:
        told = ngettext(
            "%(n)s message dont on ne sait pas s'il est parti.",
            "%(n)s messages dont on ne sait pas s'ils sont partis.",
            look.outbox.uncertain,
        ) % {"n": look.outbox.uncertain}
        todo = _(
            "Relais cherche la réponse pendant deux minutes. Ensuite un agent décide : « C'est arrivé » ou "
            "« Renvoyer »."
        )
        return Sign(title, told, Level.ATTENTION, todo, "/dashboard/conversations?status=trouble")
    return Sign(
        title, _("Rien n'attend.") if not look.outbox.waiting else _("Ce qui attend part à l'instant.")
    )


def confirmations(look: Look) -> Sign:
    title = _("Confirmations de Twilio")
    sent, heard = (
        look.happened(HOUR, "sends accepted"),
        look.happened(DAY, "hooks /api/twilio/status", ending=" 204"),
    )
    lately = heard.last_at is not None and look.at - heard.last_at < HOUR
    if sent.count >= MANY_FAILURES and not lately:
        told = _("Twilio a pris %(n)s messages depuis une heure et n'en a confirmé aucun.") % {
            "n": sent.count
        }
        todo = _(
            "Twilio n'atteint pas Relais : ouvrez %(url)s de l'extérieur ; nom, certificat, pare-feu, proxy."
        )
        return Sign(title, told, Level.ATTENTION, todo % {"url": f"{settings.PUBLIC_BASE_URL}/api/live"})
    if not heard.last_at:
        return Sign(title, _("Aucune depuis hier, et rien n'en attend."))
    return Sign(title, _("La dernière il y a %(ago)s.") % {"ago": look.ago(heard.last_at)})


def comparison(look: Look) -> Sign:
    """Twilio's own log of messages, against what stands here."""
    title, told = _("Vérification"), reconciliation_status(at=look.at)
    if told is None:
        return Sign(title, _("Pas de compte Twilio : il n'y a rien à comparer."))
    if told.last_ok_at is None:
        sentence = _("Le journal de Twilio n'a pas encore été comparé.")
    elif not told.is_complete:
        found = ngettext("%(n)s message trouvé", "%(n)s messages trouvés", told.missing) % {"n": told.missing}
        sentence = _(
            "Vérification incomplète (%(found)s) : le journal de Twilio n'a pas été lu jusqu'au bout. "
            "La dernière complète date d'il y a %(ago)s."
        ) % {"found": found, "ago": look.ago(told.last_ok_at)}
    else:
        sentence = ngettext(
            "Comparé au journal de Twilio il y a %(ago)s : %(n)s message manquant.",
            "Comparé au journal de Twilio il y a %(ago)s : %(n)s messages manquants.",
            told.missing,
        ) % {"ago": look.ago(told.last_ok_at), "n": told.missing}
    if told.level == "good":
        return Sign(title, sentence)
    todo = (_(told.error) + " " if told.error else "") + _(
        "Sans cette vérification, un message que Twilio n'a pas pu remettre reste inaperçu. Voyez si les tâches "
        "tournent, puis si le serveur atteint api.twilio.com."
    )
    return Sign(title, sentence, Level(told.level), todo)


def jobs(look: Look) -> Sign:
    title = _("Tâches")
    if silent := look.silence("jobs"):
        told = _stopped(_("Les tâches sont arrêtées"), silent)
        return Sign(title, told + " " + _("Le bot se tait et rien ne part."), Level.DANGER, _restart())
    if told := _no_progress(look.progress):
        return Sign(title, told, Level.DANGER, _restart())
    if queues := look.progress.late_queues:
        told = _("Trop de tâches attendent ; la plus ancienne est prête depuis %(ago)s.") % {
            "ago": _seconds_ago(max(queues.values()))
        }
        todo = _("Elles avancent : attendez. Si cela dure, lisez jobs.log à cette heure.")
        return Sign(title, told, Level.DANGER, todo)
    if (failed := look.failed_jobs).count:
        told = ngettext(
            "%(n)s tâche a échoué pour de bon depuis hier, il y a %(ago)s.",
            "%(n)s tâches ont échoué pour de bon depuis hier, la dernière il y a %(ago)s.",
            failed.count,
        ) % {"n": failed.count, "ago": look.ago(failed.last_at)}
        todo = _("Lisez jobs.log à cette heure et signalez l'erreur : %(tasks)s.") % {"tasks": failed.tasks}
        return Sign(title, told, Level.ATTENTION, todo)
    waiting = look.jobs.waiting
    told = ngettext("Elles tournent ; %(n)s attend.", "Elles tournent ; %(n)s attendent.", waiting) % {
        "n": waiting
    }
    return Sign(title, told if waiting else _("Elles tournent ; aucune n'attend."))


def _no_progress(progress: JobProgress) -> str:
    overdue = progress.overdue(periodic_intervals())
    if overdue:
        task, seconds = max(overdue.items(), key=lambda each: each[1])
        return _("Les tâches n'avancent plus : %(task)s n'a pas abouti depuis %(ago)s.") % {
            "task": task.rpartition(".")[2],
            "ago": _seconds_ago(seconds),
        }
    if queues := progress.stuck_queues:
        return _("Les tâches n'avancent plus : l'une est prête depuis %(ago)s et personne ne la prend.") % {
            "ago": _seconds_ago(max(queues.values()))
        }
    return ""


def _seconds_ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else duration(timedelta(seconds=seconds))


def live(look: Look) -> Sign:
    title = _("Direct")
    if REGISTRY.get_sample_value("relais_live_listening") == 0:
        told = _(
            "Les pages ne sont pas averties aussitôt : elles se rafraîchissent toutes les cinq secondes."
        )
        return Sign(
            title,
            told,
            Level.ATTENTION,
            _("Voyez la base de données, puis web.log. Relais se reconnecte de lui-même."),
        )
    slow = look.happened(HOUR, "sockets_closed 1013").count
    if slow:
        told = ngettext(
            "%(n)s page trop lente a dû se reconnecter depuis une heure.",
            "%(n)s pages trop lentes ont dû se reconnecter depuis une heure.",
            slow,
        ) % {"n": slow}
        return Sign(title, told)
    return Sign(title, _("Les pages sont averties aussitôt."))


def database(look: Look) -> Sign:
    title = _("Base de données")
    began = time.perf_counter()
    now, most, _version = queries.connections()
    took = f"{max(1, round((time.perf_counter() - began) * 1000))} ms"
    told = _("Elle répond en %(took)s ; %(now)s connexions sur %(most)s.") % {
        "took": took,
        "now": now,
        "most": most,
    }
    if now > most * CROWDED:
        todo = _(
            "Un autre programme s'en sert-il aussi ? Sinon redémarrez Relais, et augmentez max_connections si cela "
            "revient."
        )
        return Sign(title, told, Level.ATTENTION, todo)
    return Sign(title, told)


def disk(look: Look) -> Sign:
    title = _("Disque")
    free = shutil.disk_usage(settings.ENVIRONMENT.data_dir).free
    told = _("%(free)s libres pour les données.") % {"free": _size(free)}
    if free < LOW_FREE_BYTES:
        todo = _(
            "Faites de la place, ou déplacez le dossier des données : sans place, aucun message ne peut être "
            "enregistré."
        )
        return Sign(title, told, Level.DANGER if free < CRITICAL_FREE_BYTES else Level.ATTENTION, todo)
    return Sign(title, told)


SIGNS: tuple[Callable[[Look], Sign], ...] = (
    signatures, messages, sending, confirmations, comparison, jobs, live, database, disk,
)  # fmt: skip


def _size(free: int) -> str:
    amount = free / 1e9
    return _("%(amount)s Go") % {"amount": number_format(amount, 0 if amount >= 10 else 1)}


def _stopped(what: str, silent: timedelta) -> str:
    if silent == timedelta.max:
        return _("%(what)s : aucun signe de vie.") % {"what": what}
    return _("%(what)s depuis %(ago)s.") % {"what": what, "ago": duration(silent)}


def _restart() -> str:
    return _("Redémarrez Relais ; jobs.log dit pourquoi. Rien n'est perdu : ce qui attend partira.")
