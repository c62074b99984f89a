"""Subscribing a browser, and what is pushed to it, by a double of a push service."""

import json
from types import SimpleNamespace

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from relais.notifications import push_client, tasks
from relais.notifications.models import NotificationPreferences, PushSubscription
from relais.notifications.push_subscriptions import device_name
from relais.notifications.tests.conftest import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_starts_now")]
URL = "/dashboard/push"
JSON = {"content_type": "application/json", "HTTP_ACCEPT": "application/json"}


@pytest.fixture
def fields(browser_double):
    return browser_double.subscription("https://push.example/a")


class TestSubscribing:
    def test_a_browser_is_stored_once(self, client, awa, fields):
        client.force_login(awa)
        first, second = (client.post(URL, fields, **JSON) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json() == {"success": True, "id": PushSubscription.objects.get().pk}

    def test_it_belongs_to_who_signed_in_last(self, client, awa, koffi, fields):
        for user in (awa, koffi):
            client.force_login(user)
            assert client.post(URL, fields, **JSON).status_code == 201
        assert PushSubscription.objects.get().user == koffi

    def test_the_anonymous_cannot(self, client, fields):
        response = client.post(URL, fields, **JSON)
        assert (response.status_code, response.json()["code"]) == (401, "login")

    @pytest.mark.parametrize(
        "endpoint",
        [
            "",
            "push.example/a",
            "http://push.example/a",
            "https://127.0.0.1/a",
            "https://[::1]/a",
            "https://10.0.0.1/a",
            "https://8.8.8.8/a",
            "https://127.1/a",
            "https://0x7f.1/a",
            "https://localhost/a",
            "https://localhost./a",
            "https://database.internal/a",
            "https://user:password@push.example/a",
            "https://push.example:99999/a",
            "https://push.example/" + "a" * 1_000,
            "file:///etc/passwd",
        ],
    )
    def test_an_address_that_is_no_push_service_is_refused(self, client, awa, fields, endpoint):
        client.force_login(awa)
        response = client.post(URL, fields | {"endpoint": endpoint}, **JSON)
        assert (response.status_code, response.json()["code"]) == (422, "endpoint")
        assert not PushSubscription.objects.exists()

    @pytest.mark.parametrize(
        "body", ["", "no json", "[]", {"keys": 1}, {"keys": {}}, {"keys": {"p256dh": "AAAA", "auth": "AAAA"}}]
    )
    def test_a_body_without_usable_keys_is_refused(self, client, awa, fields, body):
        client.force_login(awa)
        body = json.dumps(fields | body) if isinstance(body, dict) else body
        response = client.post(URL, body, **JSON)
        assert (response.status_code, response.json()["code"]) == (422, "keys")

    def test_the_page_gets_the_key_to_subscribe_with(self, client, awa):
        client.force_login(awa)
        key = client.get(URL, HTTP_ACCEPT="application/json").json()["application_server_key"]
        assert len(key) == 87

    def test_a_browser_is_forgotten_by_its_user_only(self, client, awa, koffi, fields):
        client.force_login(awa)
        client.post(URL, fields, **JSON)
        body = {"endpoint": fields["endpoint"]}
        other = Client()
        other.force_login(koffi)
        assert other.delete(URL, body, **JSON).status_code == 200
        assert PushSubscription.objects.count() == 1
        assert client.delete(URL, body, **JSON).json() == {"success": True}
        assert not PushSubscription.objects.exists()

    @pytest.mark.parametrize(
        "user_agent, name",
        [
            ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox, Android"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Safari/604.1",
                "Safari, iPhone",
            ),
            ("curl/8", ""),
        ],
    )
    def test_a_device_is_named_after_its_browser(self, user_agent, name):
        assert device_name(user_agent) == name


class TestPushing:
    def test_a_message_reaches_the_holders_browser(
        self, held_by_awa, awa, fatou_writes, subscribe, push_service, browser_double
    ):
        subscribe(awa)
        fatou_writes("mon numéro secret est 42")
        assert run_jobs()[-2:] == ["notify", "push"]
        [pushed] = push_service.received
        message = json.loads(browser_double.decrypt(pushed.body))
        assert message["title"] == "Fatou"
        event = held_by_awa.events.get(body__contains="secret")
        assert message["url"] == f"/dashboard/chat/{held_by_awa.pk}#message-{event.pk}"
        assert "secret" not in json.dumps(message)
        assert pushed.headers["ttl"] == "3600"
        assert pushed.headers["topic"] == f"conversation-{held_by_awa.pk}"
        assert pushed.headers["content-encoding"] == "aes128gcm"
        assert pushed.claims["sub"] == "https://desk.example"

    def test_its_text_only_if_the_user_chose_so(
        self, held_by_awa, awa, fatou_writes, subscribe, push_service, browser_double
    ):
        NotificationPreferences.objects.create(user=awa, shows_text=True)
        subscribe(awa)
        fatou_writes("bonjour Awa")
        run_jobs()
        assert json.loads(browser_double.decrypt(push_service.received[0].body))["body"] == "bonjour Awa"

    def test_nothing_that_was_read_before_it_left(
        self, held_by_awa, awa, fatou_writes, subscribe, push_service
    ):
        subscribe(awa)
        fatou_writes("bonjour").mark_read_by(awa)
        run_jobs()
        assert push_service.received == []

    def test_nothing_to_a_session_that_has_ended(
        self, held_by_awa, awa, fatou_writes, subscribe, push_service
    ):
        subscribe(awa)
        Session.objects.all().delete()
        fatou_writes("bonjour")
        run_jobs()
        assert push_service.received == []
        assert not PushSubscription.objects.exists()

    def test_nothing_after_a_new_password(self, held_by_awa, awa, fatou_writes, subscribe, push_service):
        subscribe(awa)
        awa.set_password("un autre mot de passe")
        awa.save()
        fatou_writes("bonjour")
        run_jobs()
        assert push_service.received == []

    def test_nothing_to_a_deactivated_user(self, waiting, awa, koffi, subscribe, push_service, clock):
        subscription = subscribe(koffi)
        koffi.deactivate(by=None, at=clock.now)
        tasks.push_test.func(SimpleNamespace(job=None), subscription.pk)
        assert push_service.received == []

    def test_the_user_may_try_his_device_also_when_not_disturbed(
        self, client, awa, subscribe, push_service, browser_double
    ):
        NotificationPreferences.objects.create(user=awa, do_not_disturb=True)
        device = subscribe(awa)
        client.force_login(awa)
        assert client.post(f"{URL}/{device.pk}/test").status_code == 302
        assert run_jobs() == ["push_test"]
        assert json.loads(browser_double.decrypt(push_service.received[0].body))["title"] == "Relais"


class TestAnswers:
    @pytest.fixture
    def push_once(self, awa, subscribe):
        subscription = subscribe(awa)

        def push(attempts=0):
            tasks.push_test.func(SimpleNamespace(job=SimpleNamespace(attempts=attempts)), subscription.pk)

        return push

    @pytest.mark.parametrize("status", [404, 410])
    def test_a_subscription_that_is_gone_is_forgotten(self, push_once, push_service, status):
        push_service.status = status
        push_once()
        assert not PushSubscription.objects.exists()

    @pytest.mark.parametrize("status", [400, 401, 403, 413])
    def test_what_will_never_be_taken_is_not_repeated(self, push_once, push_service, status, caplog):
        push_service.status = status
        push_once()
        assert PushSubscription.objects.exists()
        assert "push refused" in caplog.messages

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_it_is_repeated_when_the_service_says(self, push_once, push_service, status):
        push_service.status, push_service.headers = status, {"Retry-After": "120"}
        with pytest.raises(push_client.PushUnavailable) as raised:
            push_once()
        retry = tasks.PushRetry().get_retry_decision(exception=raised.value, job=SimpleNamespace(attempts=0))
        assert retry is not None
        assert raised.value.retry_after_seconds == 120

    def test_after_the_last_attempt_it_is_given_up(self, push_once, push_service, caplog):
        push_service.status = 503
        push_once(attempts=tasks.MAX_PUSH_ATTEMPTS - 1)
        assert "push given up" in caplog.messages

    def test_a_redirect_is_not_followed(self, push_once, push_service, caplog):
        push_service.status, push_service.headers = 307, {"Location": push_service.url + "/push/other"}
        push_once()
        assert [each.path for each in push_service.received] == ["/push/awa"]

    def test_a_service_that_cannot_be_reached_is_tried_again(self, push_once, push_service):
        push_service.server.stop_listening()
        with pytest.raises(push_client.PushUnavailable):
            push_once()

    def test_a_name_that_leads_into_the_private_network_is_not_reached(
        self, push_once, push_service, monkeypatch
    ):
        """Stored as a public name, it resolves to this machine by the time of sending."""
        monkeypatch.setattr(push_client, "ALLOWED_HOSTS", frozenset())
        PushSubscription.objects.update(endpoint="https://push.example/a")
        monkeypatch.setattr(
            "relais.ssrf_protection.socket.getaddrinfo",
            lambda host, port, *rest: [(2, 1, 6, "", ("127.0.0.1", push_service.server.port))],
        )
        push_once()
        assert push_service.received == []
        assert not PushSubscription.objects.exists()

    def test_a_subscription_with_a_key_off_the_curve_is_forgotten(self, push_once, push_service):
        PushSubscription.objects.update(p256dh="BA" + "A" * 85)
        push_once()
        assert not PushSubscription.objects.exists()
