"""Twilio's side: are the credentials good, is our number a WhatsApp sender, does it call us."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urldefrag, urlsplit

from relais.company.messenger import RETRY_FRAGMENT
from relais.emulator.settings import DEMO_SENDER
from relais.environment import THE_THREE, Environment
from relais.ops.doctor import http_probe
from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, failed, ok, unverified, warning
from relais.whatsapp import client

SANDBOX = DEMO_SENDER
"""Twilio's number for trials, which is shared by all and stands in no account's list."""
ASK = "relais doctor --live asks Twilio."
SENDERS_PAGE_SIZE = 1000
GOOD = ("ONLINE", "ONLINE:UPDATING")
STUDIO = "webhooks.twilio.com"


# -- credentials -------------------------------------------------------------------------------------


def look_at_credentials(patient: Patient) -> Iterator[Finding]:
    told = patient.environment
    if told.demo:
        yield ok("A demo needs none.")
        return
    given = (told.twilio_account_sid, told.twilio_auth_token, told.whatsapp_number)
    if missing := [name for name, value in zip(THE_THREE, given, strict=True) if not value]:
        yield failed(
            f"Twilio is not connected: {', '.join(missing)} missing.", "Set them in .env and restart Relais."
        )
        return
    ill_formed = list(_ill_formed(told))
    yield from ill_formed
    if patient.live:
        yield _judge_account(patient)
    elif not ill_formed:
        yield ok(f"All three are there and look right. {ASK}")


def _ill_formed(told: Environment) -> Iterator[Finding]:
    where = "Copy it from the first page of Twilio's console."
    if told.twilio_account_sid.startswith("SK"):
        yield failed(
            "TWILIO_ACCOUNT_SID is that of an API key (SK…).", f"It must be the account's, AC…. {where}"
        )
    elif not re.fullmatch(r"AC[0-9a-f]{32}", told.twilio_account_sid):
        yield failed("TWILIO_ACCOUNT_SID does not look like one: AC and 32 digits or letters a–f.", where)
    tokens = {
        "TWILIO_AUTH_TOKEN": told.twilio_auth_token,
        "TWILIO_AUTH_TOKEN_SECONDARY": told.twilio_auth_token_secondary,
    }
    for name, token in tokens.items():
        if token and not re.fullmatch(r"[0-9a-f]{32}", token):
            yield failed(f"{name} does not look like one: 32 digits or letters a–f.", where)


def _judge_account(patient: Patient) -> Finding:
    try:
        answer = http_probe.ask_twilio(patient)
    except (client.RetryLater, client.OutcomeUnknown) as error:
        return _away(error)
    if answer.status_code in (401, 403, 404):
        return failed(
            f"Twilio refuses TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN ({answer.status_code}).",
            "Copy both again from the first page of Twilio's console, and restart Relais.",
        )
    account = _object(answer.text)
    status, kind = str(account.get("status", "")), str(account.get("type", ""))
    if status != "active":
        return failed(f"Twilio says that the account is {status or 'unknown'}.", "See Twilio's console.")
    if kind == "Trial":
        return warning(
            "Twilio knows the account; it is one for trials.",
            "It writes to verified numbers only: upgrade it.",
        )
    return ok("Twilio knows the account, and it is active.")


# -- the number and what it calls --------------------------------------------------------------------


def look_at_sender_number(patient: Patient) -> Iterator[Finding]:
    number = patient.environment.whatsapp_number
    if not number:
        yield failed("There is none.", "Set TWILIO_WHATSAPP_NUMBER and restart Relais.")
        return
    if patient.environment.demo and not patient.live:
        yield ok(f"{number}, the demo's.")
        return
    sender = _sender_or_why(patient)
    if isinstance(sender, Finding):
        yield sender
    elif sender.status in GOOD:
        yield ok(f"{number} is a WhatsApp sender of this account.")
    else:
        why = "; ".join(str(each.get("message", "")) for each in sender.offline_reasons or [] if each)
        yield failed(
            f"Twilio says that {number} is {sender.status}{f' ({why})' if why else ''}.",
            "In Twilio's console, see Messaging → Senders → WhatsApp senders.",
        )


def look_at_hooks(patient: Patient) -> Iterator[Finding]:
    told = patient.environment
    if told.demo and not patient.live:
        yield ok("The double calls the demo.")
        return
    sender = _sender_or_why(patient)
    if isinstance(sender, Finding):
        yield unverified(f"Whether Twilio calls {told.public_base_url}: {sender.sentence}", sender.advice)
        return
    webhook = sender.webhook or {}
    if told.bot == "studio":
        yield from judge_studio(webhook, told)
        yield from _judge_flow(patient)
    else:
        yield from judge_webhook(webhook, told)


def judge_webhook(webhook: Mapping[str, Any], told: Environment) -> Iterator[Finding]:
    """The bot runs here: the sender calls our door for messages."""
    ours = f"{told.public_base_url}/api/twilio/message"
    given, fragment = urldefrag(str(webhook.get("callback_url") or ""))
    advice = (
        f"In Twilio's console, at the sender, “When a message comes in”: {ours}{RETRY_FRAGMENT}, by POST."
    )
    if not given:
        yield failed(
            "The sender calls nobody when a client writes.",
            f"{advice} If it is in a Messaging Service that takes its messages: there.",
        )
    elif given != ours:
        yield failed(f"The sender calls {_shown(given)} when a client writes, not {ours}.", advice)
    elif str(webhook.get("callback_method") or "POST").upper() != "POST":
        yield failed("The sender calls us by GET.", advice)
    elif not _tries_again(fragment):
        yield warning("Twilio does not try again when we cannot store a message.", advice)
    else:
        yield ok("The sender calls us when a client writes, and tries again when we cannot store it.")


def judge_studio(webhook: Mapping[str, Any], told: Environment) -> Iterator[Finding]:
    """The bot is at Twilio: the sender calls the flow, the flow's widgets call us, and statuses tell what it said."""
    flow = told.studio_flow_sid
    given = urlsplit(str(webhook.get("callback_url") or ""))
    if given.hostname != STUDIO or "/Flows/" not in given.path or not given.path.endswith(flow):
        yield failed(
            f"The sender calls {_shown(given.geturl())} when a client writes, not the flow {flow or 'FW…'}.",
            "In Twilio's console, at the sender, choose the first flow; or set RELAIS_BOT=embedded.",
        )
    status = urldefrag(str(webhook.get("status_callback_url") or "")).url
    ours = f"{told.public_base_url}/api/twilio/status"
    if status != ours:
        yield failed(
            f"The sender tells statuses to {_shown(status)}: what the bot says is not seen here.",
            f"In Twilio's console, at the sender, “Status callback URL”: {ours}{RETRY_FRAGMENT}.",
        )
    else:
        yield ok("The sender tells us the statuses of what the bot says.")


def _judge_flow(patient: Patient) -> Iterator[Finding]:
    flow = patient.environment.studio_flow_sid
    if not flow:
        yield failed(
            "STUDIO_FLOW_SID is not set: a take-over cannot stop the bot.", "Set it to the first flow's, FW…."
        )
        return
    try:
        with client.classify_errors():
            definition = client.twilio().studio.v2.flows(flow).fetch().definition
    except (client.RetryLater, client.OutcomeUnknown, client.TwilioRefused) as error:
        yield unverified(f"What the flow {flow} calls.", f"Twilio said: {error}")
        return
    yield judge_flow(definition, patient.environment)


def judge_flow(definition: Mapping[str, Any], told: Environment) -> Finding:
    text = json.dumps(definition)
    if urlsplit(told.public_base_url).netloc not in text:
        return failed(
            f"The flow {told.studio_flow_sid} never names {told.public_base_url}.",
            "Print it anew by relais flow export --for-twilio, import it in Studio and publish it.",
        )
    if told.studio_webhook_secret and told.studio_webhook_secret not in text:
        return failed(
            f"The flow {told.studio_flow_sid} does not carry our STUDIO_WEBHOOK_SECRET: its calls are refused.",
            "Print it anew by relais flow export --for-twilio, import it in Studio and publish it.",
        )
    return ok(f"The flow {told.studio_flow_sid} calls us.")


def _sender_or_why(patient: Patient) -> Any:
    """Twilio's record of our number, or the finding that there is none to look at."""
    number = patient.environment.whatsapp_number
    if not patient.live:
        return unverified(f"{number or 'The number'} has been asked of nobody.", ASK)
    try:
        channels_senders = client.twilio().messaging.v2.channels_senders
        pages = client.read_pages(
            lambda: channels_senders.page(channel="whatsapp", page_size=SENDERS_PAGE_SIZE),
            retry_pauses=client.QUICK_PAGE_RETRY_PAUSES_SECONDS,
        )
        # The number is looked for page by page: once it is found, the pages after it do not matter.
        found = next((each for each in chain.from_iterable(pages) if each.sender_id == number), None)
    except (client.RetryLater, client.OutcomeUnknown) as error:
        return _away(error)
    except client.TwilioRefused as refusal:
        return unverified(
            f"Twilio does not show this account's senders ({refusal.code or 'refused'}).",
            "See the line on credentials; else look in its console, under Messaging → Senders.",
        )
    if found is not None:
        return found
    if number == SANDBOX:
        return unverified(
            f"{number} is Twilio's sandbox, which no account lists.",
            "Look in its console, under Messaging → Try it out → WhatsApp sandbox settings.",
        )
    return failed(
        f"{number} is no WhatsApp sender of this account.",
        "See TWILIO_WHATSAPP_NUMBER and TWILIO_ACCOUNT_SID, and Messaging → Senders in Twilio's console.",
    )


def _tries_again(fragment: str) -> bool:
    asked = parse_qs(fragment)
    policy = set(asked.get("rp", [""])[0].split(","))
    return bool({"5xx", "all"} & policy) and asked.get("rc", ["1"])[0] != "0"


def _shown(url: str) -> str:
    """Without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}" if url else "nobody"


def _away(error: Exception) -> Finding:
    return failed(
        f"Twilio does not answer ({error}).",
        "See whether this machine reaches api.twilio.com, and status.twilio.com.",
    )


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
