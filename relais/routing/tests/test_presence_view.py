"""GET and POST /dashboard/presence: as JSON, as a form without scripts; and the sockets that keep an agent online."""

import pytest
from django.test import Client
from django.utils import timezone

from relais.accounts.models import User
from relais.live import user_presence
from relais.live.models import PresenceLease
from relais.notifications.models import PushSubscription
from relais.routing.agent_states import apply_all_due_changes, current_state
from relais.routing.models import AgentState
from tests.web_server import session_cookie, wait_until

pytestmark = pytest.mark.django_db
JSON = {"HTTP_ACCEPT": "application/json"}
PATH = "/dashboard/presence"


@pytest.fixture
def browser(client, awa):
    client.force_login(awa)
    return client


def test_the_state_is_set_and_told_with_load_and_capacity(browser, awa, held_by_awa):
    User.objects.filter(pk=awa.pk).update(capacity=3)
    answer = browser.post(PATH, {"state": "break", "reason": "Déjeuner"}, **JSON).json()
    since = AgentState.objects.get(user=awa).since.isoformat()
    assert answer == {
        "success": True,
        "state": "break",
        "reason": "Déjeuner",
        "cause": "hand",
        "since": since,
        "label": "Pause",
    }
    told = browser.get(PATH, **JSON).json()
    assert told == answer | {"load": 1, "capacity": 3}


def test_a_json_body_is_read_as_well(browser):
    answer = browser.post(PATH, {"state": "online"}, content_type="application/json", **JSON)
    assert (answer.status_code, answer.json()["state"]) == (200, "online")


def test_who_was_never_there_is_offline_since_no_moment(browser):
    told = browser.get(PATH, **JSON).json()
    assert (told["state"], told["since"], told["load"], told["capacity"]) == ("offline", None, 0, 5)


def test_an_unknown_state_is_refused(browser):
    answer = browser.post(PATH, {"state": "asleep"}, **JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "state")
    assert browser.post(PATH, {"state": "break", "reason": "x" * 81}, **JSON).json()["code"] == "reason"


def test_the_anonymous_and_other_methods_are_refused(client, browser):
    assert Client().get(PATH, **JSON).status_code == 401
    assert browser.put(PATH, **JSON).status_code == 405


def test_without_scripts_a_form_does_it(browser, awa):
    page = browser.get(PATH)
    assert 'value="online"' in page.content.decode()
    page = browser.post(PATH, {"state": "away"}, follow=True)
    assert page.redirect_chain == [(PATH, 302)]
    assert "Votre état" in page.content.decode()
    assert current_state(awa, at=timezone.now()).state == "away"


# -- sockets, and devices that take pushes --------------------------------------------------------------------


@pytest.fixture
def fast_leases(monkeypatch):
    monkeypatch.setattr(user_presence, "MIN_WRITE_INTERVAL_SECONDS", 0.01)


def is_there(user):
    """Whether some process has a lease of the user that lasts."""
    return PresenceLease.objects.filter(user_id=user.pk, until__gt=timezone.now()).exists()


@pytest.mark.django_db(transaction=True)
def test_a_socket_is_presence_until_the_last_one_on_any_node_closes(
    fast_leases, web_server, second_web_server, awa
):
    first, second = web_server.open_socket(awa), second_web_server.open_socket(awa)
    wait_until(lambda: PresenceLease.objects.filter(user_id=awa.pk).count() == 2)
    apply_all_due_changes(at=timezone.now())
    assert current_state(awa, at=timezone.now()).state == "online"
    first.connection.close()
    wait_until(lambda: PresenceLease.objects.filter(user_id=awa.pk, until__lte=timezone.now()).count() == 1)
    assert is_there(awa)
    second.connection.close()
    wait_until(lambda: not is_there(awa))


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed_while_the_socket_is_open(fast_leases, monkeypatch, web_server, awa):
    monkeypatch.setattr(user_presence, "RENEW_INTERVAL_SECONDS", 0.05)
    web_server.open_socket(awa)
    wait_until(lambda: is_there(awa))
    until = PresenceLease.objects.get(user_id=awa.pk).until
    wait_until(lambda: PresenceLease.objects.get(user_id=awa.pk).until > until)


@pytest.mark.django_db(transaction=True)
def test_only_a_page_that_its_user_touches_is_active(fast_leases, web_server, awa):
    page = web_server.open_socket(awa, "/live?idle=1")
    wait_until(lambda: is_there(awa))
    opened = PresenceLease.objects.get(user_id=awa.pk)
    assert (opened.until - opened.active_at).total_seconds() > 3_600
    page.connection.send("active")
    wait_until(lambda: PresenceLease.objects.get(user_id=awa.pk).active_at > opened.active_at)


@pytest.mark.django_db(transaction=True)
def test_a_page_that_polls_is_presence_too(fast_leases, web_server, awa):
    web_server.get("/live", awa)
    wait_until(lambda: is_there(awa))


@pytest.mark.django_db(transaction=True)
def test_a_change_of_state_reaches_all_pages_of_the_user_and_nobody_else(web_server, awa, koffi):
    pages = [web_server.open_socket(awa), web_server.open_socket(awa)]
    others = web_server.open_socket(koffi)
    for page in (*pages, others):
        page.wait_for("counts")
    client = Client()
    client.force_login(awa)
    client.post(PATH, {"state": "break", "reason": "Réunion"}, **JSON)
    for page in pages:
        frame = page.wait_for("agent-state", state="break")
        assert frame == {"kind": "agent-state", "state": "break", "reason": "Réunion", "label": "Pause"}
    client.force_login(koffi)
    client.post(PATH, {"state": "away"}, **JSON)
    assert others.wait_for("agent-state")["state"] in ("online", "away")


def test_a_subscribed_device_counts_as_long_as_its_session(awa, clock_starts_now, clock):
    session = session_cookie(awa)
    PushSubscription.subscribe(
        awa, endpoint="https://push.example/1", p256dh="p", auth="a", session_key=session, device=""
    )
    client = Client()
    client.force_login(awa)
    client.post(PATH, {"state": "online"}, **JSON)
    later = timezone.now() + timezone.timedelta(hours=1)
    assert current_state(awa, at=later).state == "online"
    PushSubscription.objects.update(session_key="ended")
    assert current_state(awa, at=later).state == "offline"
