"""Builds definitions and flows, and runs the bot, for the tests of this room."""

from types import SimpleNamespace

from relais.conversations.models import MessageDelivery
from relais.flows.models import Flow
from relais.flows.runner import run


def state(name, type, transitions, **properties):
    return {"name": name, "type": type, "transitions": transitions, "properties": properties}


def to(event, next=None, **more):
    return {"event": event, **({"next": next} if next else {}), **more}


def flow_of(*states):
    start = state("Trigger", "trigger", [to("incomingMessage", states[0]["name"])])
    return {"description": "", "states": [start, *states], "initial_state": "Trigger", "flags": {}}


def asks(name, body, next=None, *, timeout=None, failed=None, seconds="3600"):
    on = [to("incomingMessage", next), to("timeout", timeout), to("deliveryFailure", failed)]
    return state(
        name,
        "send-and-wait-for-reply",
        on,
        body=body,
        timeout=seconds,
        **{"from": "{{flow.channel.address}}"},
    )


def says(name, body, next=None):
    on = [to("sent", next), to("failed")]
    return state(
        name,
        "send-message",
        on,
        body=body,
        to="{{contact.channel.address}}",
        **{"from": "{{flow.channel.address}}"},
    )


def posts(name, path, next=None, *, failed=None, host="https://relais.invalid", **params):
    pairs = [{"key": key, "value": value} for key, value in params.items()]
    on = [to("success", next), to("failed", failed)]
    kind = "application/x-www-form-urlencoded;charset=utf-8"
    return state(
        name, "make-http-request", on, method="POST", url=f"{host}{path}", content_type=kind, parameters=pairs
    )


def published(definition, clock, **fields):
    flow = Flow.objects.create(name="essai", answers=True, **fields)
    flow.add_revision(definition, by="", at=clock.now).publish(at=clock.now)
    return flow


def no_network(request):
    raise AssertionError(f"{request.url} was called")


def bot_runs(conversation, clock, fetch=no_network):
    run(conversation.pk, fetch=fetch, clock=lambda: clock.now)
    conversation.refresh_from_db()


def twilio_takes_all(clock):
    for delivery in MessageDelivery.objects.filter(state="queued").order_by("id"):
        if delivery.claim(by="t", at=clock.now):
            delivery.mark_sent(f"SM{delivery.pk:032d}", at=clock.now)


def attempt(number):
    return SimpleNamespace(job=SimpleNamespace(attempts=number))
