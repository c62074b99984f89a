"""Checks of the Twilio account: credentials, WhatsApp sender, webhook configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urldefrag, urlsplit

from relais.demo_accounts import DEMO_NUMBER
from relais.environment import REQUIRED_TWILIO_VARIABLES, Environment
from relais.ops.doctor import http_probe
from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, ok, unverified, warning
from relais.whatsapp import client
from relais.whatsapp.webhook_urls import RETRY_FRAGMENT

ASK_TWILIO = "relais doctor --live asks Twilio."
SENDERS_PAGE_SIZE = 1000
ONLINE_STATUSES = ("ONLINE", "ONLINE:UPDATING")
STUDIO_HOST = "webhooks.twilio.com"


# -- credentials -------------------------------------------------------------------------------------


def check_credentials(context: DoctorContext) -> Iterator[CheckResult]:
    environment = context.environment
    if environment.demo:
        yield ok("A demo needs none.")
        return
    values = (environment.twilio_account_sid, environment.twilio_auth_token, environment.whatsapp_number)
    if missing := [name for name, value in zip(REQUIRED_TWILIO_VARIABLES, values, strict=True) if not value]:
        yield failed(
            f"Twilio is not connected: {', '.join(missing)} missing.", "Set them in .env and restart Relais."
        )
        return
    malformed = list(_malformed_credentials(environment))
    yield from malformed
    if context.live:
        yield _check_account(context)
    elif not malformed:
        yield ok(f"All three are there and look right. {ASK_TWILIO}")


def _malformed_credentials(environment: Environment) -> Iterator[CheckResult]:
    where = "Copy it from the first page of Twilio's console."
    if environment.twilio_account_sid.startswith("SK"):
        yield failed(
            "TWILIO_ACCOUNT_SID is that of an API key (SK…).", f"It must be the account's, AC…. {where}"
        )
    elif not re.fullmatch(r"AC[0-9a-f]{32}", environment.twilio_account_sid):
        yield failed("TWILIO_ACCOUNT_SID does not look like one: AC and 32 digits or letters a–f.", where)
    for name, token in environment.twilio_auth_tokens.items():
        if token and not re.fullmatch(r"[0-9a-f]{32}", token):
            yield failed(f"{name} does not look like one: 32 digits or letters a–f.", where)


def _check_account(context: DoctorContext) -> CheckResult:
    try:
        response = http_probe.fetch_account(context)
    except (client.RetryLater, client.OutcomeUnknown) as error:
        return _no_answer(error)
    if response.status_code in (401, 403, 404):
        return failed(
            f"Twilio refuses TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN ({response.status_code}).",
            "Copy both again from the first page of Twilio's console, and restart Relais.",
        )
    account = _parse_object(response.text)
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


def check_sender_number(context: DoctorContext) -> Iterator[CheckResult]:
    number = context.environment.whatsapp_number
    if not number:
        yield failed("There is none.", "Set TWILIO_WHATSAPP_NUMBER and restart Relais.")
        return
    if context.environment.demo and not context.live:
        yield ok(f"{number}, the demo's.")
        return
    sender = _fetch_sender(context)
    if isinstance(sender, CheckResult):
        yield sender
    elif sender.status in ONLINE_STATUSES:
        yield ok(f"{number} is a WhatsApp sender of this account.")
    else:
        why = "; ".join(str(each.get("message", "")) for each in sender.offline_reasons or [] if each)
        yield failed(
            f"Twilio says that {number} is {sender.status}{f' ({why})' if why else ''}.",
            "In Twilio's console, see Messaging → Senders → WhatsApp senders.",
        )


def check_webhooks(context: DoctorContext) -> Iterator[CheckResult]:
    environment = context.environment
    if environment.demo and not context.live:
        yield ok("The double calls the demo.")
        return
    sender = _fetch_sender(context)
    if isinstance(sender, CheckResult):
        yield unverified(
            f"Whether Twilio calls {environment.public_base_url}: {sender.sentence}", sender.advice
        )
        return
    webhook = sender.webhook or {}
    if environment.bot == "studio":
        yield from check_studio_configuration(webhook, environment)
        yield from _check_flow(context)
    else:
        yield from check_webhook_configuration(webhook, environment)


def check_webhook_configuration(
    webhook: Mapping[str, Any], environment: Environment
) -> Iterator[CheckResult]:
    """For the embedded bot: the sender calls our webhook for messages."""
    ours = f"{environment.public_base_url}/api/twilio/message"
    url, fragment = urldefrag(str(webhook.get("callback_url") or ""))
    advice = (
        f"In Twilio's console, at the sender, “When a message comes in”: {ours}{RETRY_FRAGMENT}, by POST."
    )
    if not url:
        yield failed(
            "The sender calls nobody when a client writes.",
            f"{advice} If it is in a Messaging Service that takes its messages: there.",
        )
    elif url != ours:
        yield failed(f"The sender calls {_without_secrets_in(url)} when a client writes, not {ours}.", advice)
    elif str(webhook.get("callback_method") or "POST").upper() != "POST":
        yield failed("The sender calls us by GET.", advice)
    elif not _retries_failures(fragment):
        yield warning("Twilio does not try again when we cannot store a message.", advice)
    else:
        yield ok("The sender calls us when a client writes, and tries again when we cannot store it.")


def check_studio_configuration(webhook: Mapping[str, Any], environment: Environment) -> Iterator[CheckResult]:
    """For the bot in Studio: the sender calls the flow, whose widgets call us; status callbacks report its messages."""
    flow = environment.studio_flow_sid
    url = urlsplit(str(webhook.get("callback_url") or ""))
    if url.hostname != STUDIO_HOST or "/Flows/" not in url.path or not url.path.endswith(flow):
        yield failed(
            f"The sender calls {_without_secrets_in(url.geturl())} when a client writes, not the flow {flow or 'FW…'}.",
            "In Twilio's console, at the sender, choose the first flow; or set RELAIS_BOT=embedded.",
        )
    status = urldefrag(str(webhook.get("status_callback_url") or "")).url
    ours = f"{environment.public_base_url}/api/twilio/status"
    if status != ours:
        yield failed(
            f"The sender reports statuses to {_without_secrets_in(status)}: what the bot says is not seen here.",
            f"In Twilio's console, at the sender, “Status callback URL”: {ours}{RETRY_FRAGMENT}.",
        )
    else:
        yield ok("The sender reports to us the statuses of the messages of the bot.")


def _check_flow(context: DoctorContext) -> Iterator[CheckResult]:
    flow = context.environment.studio_flow_sid
    if not flow:
        yield failed(
            "STUDIO_FLOW_SID is not set: a take-over cannot stop the bot.", "Set it to the first flow's, FW…."
        )
        return
    try:
        with client.classify_errors():
            definition = client.twilio().studio.v2.flows(flow).fetch().definition
    except (client.RetryLater, client.OutcomeUnknown, client.TwilioRefused) as error:
        yield unverified(f"What the flow {flow} calls: it cannot be read.", f"Twilio answers: {error}")
        return
    yield check_flow_definition(definition, context.environment)


def check_flow_definition(definition: Mapping[str, Any], environment: Environment) -> CheckResult:
    text = json.dumps(definition)
    if urlsplit(environment.public_base_url).netloc not in text:
        return failed(
            f"The flow {environment.studio_flow_sid} never names {environment.public_base_url}.",
            "Print it anew by relais flow export --for-twilio, import it in Studio and publish it.",
        )
    if environment.studio_webhook_secret and environment.studio_webhook_secret not in text:
        return failed(
            f"The flow {environment.studio_flow_sid} does not carry our STUDIO_WEBHOOK_SECRET: its calls are refused.",
            "Print it anew by relais flow export --for-twilio, import it in Studio and publish it.",
        )
    return ok(f"The flow {environment.studio_flow_sid} calls us.")


def _fetch_sender(context: DoctorContext) -> Any:
    """Twilio's record of our number, or a CheckResult that says why there is none."""
    number = context.environment.whatsapp_number
    if not context.live:
        return unverified(f"{number or 'The number'} was not looked up at Twilio.", ASK_TWILIO)
    try:
        channels_senders = client.twilio().messaging.v2.channels_senders
        pages = client.read_pages(
            lambda: channels_senders.page(channel="whatsapp", page_size=SENDERS_PAGE_SIZE),
            retry_pauses=client.QUICK_PAGE_RETRY_PAUSES_SECONDS,
        )
        # Read page by page: once the number is found, later pages are not fetched.
        sender = next((each for each in chain.from_iterable(pages) if each.sender_id == number), None)
    except (client.RetryLater, client.OutcomeUnknown) as error:
        return _no_answer(error)
    except client.TwilioRefused as refusal:
        return unverified(
            f"Twilio does not show this account's senders ({refusal.code or 'refused'}).",
            "See the line on credentials; else look in its console, under Messaging → Senders.",
        )
    if sender is not None:
        return sender
    if number == DEMO_NUMBER:
        return unverified(
            f"{number} is Twilio's sandbox, which no account lists.",
            "Check in its console, under Messaging → Try it out → WhatsApp sandbox settings.",
        )
    return failed(
        f"{number} is no WhatsApp sender of this account.",
        "See TWILIO_WHATSAPP_NUMBER and TWILIO_ACCOUNT_SID, and Messaging → Senders in Twilio's console.",
    )


def _retries_failures(fragment: str) -> bool:
    parameters = parse_qs(fragment)
    policy = set(parameters.get("rp", [""])[0].split(","))
    return bool({"5xx", "all"} & policy) and parameters.get("rc", ["1"])[0] != "0"


def _without_secrets_in(url: str) -> str:
    """Without user, password and query, which may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}" if url else "nobody"


def _no_answer(error: Exception) -> CheckResult:
    return failed(
        f"Twilio does not answer ({error}).",
        "See whether this machine reaches api.twilio.com, and status.twilio.com.",
    )


def _parse_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
