"""Who comes in, who does not, and how failures are counted."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from smtplib import SMTPServerDisconnected

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.accounts.demo import PASSWORD as DEMO_PASSWORD
from relais.accounts.demo import create_demo_users
from relais.accounts.invitation import password_link
from relais.accounts.login_delay import DELAY_HEADER, DelayedResponseMiddleware
from relais.accounts.login_throttle import PERIOD, LoginThrottle, network_of
from relais.accounts.models import SignInFailure, User
from relais.accounts.tasks import send_password_reset

pytestmark = pytest.mark.django_db
PASSWORD = "un bon mot de passe"


def signs_in(client, email, password=PASSWORD, *, address="192.0.2.1", **more):
    return client.post(
        "/accounts/login/", {"login": email, "password": password, **more}, REMOTE_ADDR=address
    )


def is_in(client):
    return client.get("/accounts/password/change/").status_code == 200


def test_awa_signs_in_and_is_led_to_the_dashboard(client, awa):
    answer = signs_in(client, "  AWA@example.com ")
    assert answer.status_code == 302
    assert answer["Location"] == reverse("dashboard")
    assert is_in(client)


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/dashboard/chat/7?x=1", "/dashboard/chat/7?x=1"),
        ("http://testserver/dashboard/pending", "http://testserver/dashboard/pending"),
        ("https://evil.example/", "/dashboard"),
        ("//evil.example/", "/dashboard"),
        ("https://desk.example/", "/dashboard"),
        ("javascript:alert(1)", "/dashboard"),
    ],
)
def test_she_is_led_back_to_where_she_wanted_but_never_to_another_host(client, awa, wanted, led_to):
    assert signs_in(client, awa.email, next=wanted)["Location"].removesuffix("/") == led_to.removesuffix("/")


def test_a_wrong_password_is_told_in_a_sentence_and_tells_nothing_of_the_account(client, awa):
    wrong = signs_in(client, awa.email, "faux")
    unknown = signs_in(client, "personne@example.com", "faux")
    assert wrong.status_code == unknown.status_code == 200
    assert "n&#x27;est pas le bon" in wrong.content.decode()
    assert "n&#x27;est pas le bon" in unknown.content.decode()
    assert not is_in(client)


def test_after_five_failures_even_the_right_password_waits_but_only_from_there(client, awa, koffi):
    for _ in range(5):
        signs_in(client, awa.email, "faux", address="192.0.2.66")
    refused = signs_in(client, awa.email, address="192.0.2.66")
    assert "Trop d&#x27;essais" in refused.content.decode()
    assert not is_in(client)
    assert signs_in(Client(), koffi.email, address="192.0.2.66").status_code == 302
    assert signs_in(Client(), awa.email, address="192.0.2.1").status_code == 302


def test_a_success_in_between_does_not_wipe_the_failures(client, awa):
    for _ in range(4):
        signs_in(client, awa.email, "faux")
    assert signs_in(client, awa.email).status_code == 302
    signs_in(Client(), awa.email, "faux")
    assert signs_in(Client(), awa.email).status_code == 200


def test_fifty_failures_from_one_address_bar_that_address(client, awa):
    for number in range(50):
        signs_in(client, f"personne{number}@example.com", "faux", address="192.0.2.66")
    assert signs_in(Client(), awa.email, address="192.0.2.66").status_code == 200
    assert signs_in(Client(), awa.email, address="192.0.2.1").status_code == 302


def test_a_line_with_an_ipv6_network_of_its_own_counts_as_one_address(client, awa):
    for number in range(5):
        signs_in(client, awa.email, "faux", address=f"2001:db8:0:7:{number}::1")
    assert signs_in(Client(), awa.email, address="2001:db8:0:7:ffff::9").status_code == 200
    assert signs_in(Client(), awa.email, address="2001:db8:0:8::1").status_code == 302


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("local", "local"),
    ],
)
def test_what_counts_as_one_address(address, network):
    assert network_of(address) == network


def fails_from_everywhere(email, times, at):
    account = LoginThrottle(email, "").account
    SignInFailure.objects.bulk_create(
        SignInFailure(account=account, address=f"192.0.2.{number % 250}", at=at) for number in range(times)
    )


@pytest.mark.parametrize(("failures", "seconds"), [(10, None), (20, "2.0"), (60, "10.0"), (500, "10.0")])
def test_guesses_from_many_addresses_make_the_account_s_answers_late_but_refuse_nobody(
    client, awa, failures, seconds
):
    fails_from_everywhere(awa.email, failures, now())
    answer = signs_in(client, awa.email, address="198.51.100.1")
    assert (answer.status_code, answer.get(DELAY_HEADER)) == (302, seconds)
    wrong = signs_in(Client(), awa.email, "faux", address="198.51.100.2")
    assert wrong.get(DELAY_HEADER) == seconds


@pytest.mark.parametrize(("failures", "seconds"), [(200, None), (450, "2.5"), (2000, "10.0")])
def test_guesses_at_many_accounts_make_every_answer_late(client, awa, failures, seconds):
    for number in range(50):
        fails_from_everywhere(f"personne{number}@example.com", failures // 50, now())
    assert signs_in(client, awa.email, address="198.51.100.1").get(DELAY_HEADER) == seconds


def test_the_shell_keeps_a_late_answer_and_tells_nobody_for_how_long():
    waited, sent = [], []

    async def page(scope, receive, send):
        headers = [(DELAY_HEADER.lower().encode(), b"2.5"), (b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def sleep(seconds):
        waited.append((seconds, list(sent)))

    async def send(message):
        sent.append(message)

    asyncio.run(DelayedResponseMiddleware(page, sleep)({"type": "http"}, None, send))
    assert waited == [(2.5, [])]
    assert sent[0]["headers"] == [(b"content-type", b"text/html")]


def test_a_whole_shift_signs_in_from_one_address(awa):
    assert {signs_in(Client(), awa.email).status_code for _ in range(60)} == {302}


def test_an_address_that_proxies_claim_changes_nothing(client, awa):
    for number in range(5):
        client.post(
            "/accounts/login/",
            {"login": awa.email, "password": "faux"},
            REMOTE_ADDR="192.0.2.66",
            HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
        )
    assert signs_in(client, awa.email, address="192.0.2.66").status_code == 200


def test_nobody_signs_up_by_himself(client):
    form = {
        "email": "moi@example.com",
        "password1": "un bon mot de passe",
        "password2": "un bon mot de passe",
    }
    assert client.get("/accounts/signup/").status_code == 404
    assert client.post("/accounts/signup/", form).status_code == 404
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "email/",
        "confirm-email/",
        "confirm-email/x/",
        "reauthenticate/",
        "login/code/confirm/",
        "password/set/",
    ],
)
def test_what_is_not_needed_is_not_there(client, awa, path):
    client.force_login(awa)
    assert client.get(f"/accounts/{path}").status_code == 404


def test_who_is_deactivated_is_out_at_once_and_does_not_come_back(client, awa, clock):
    signs_in(client, awa.email)
    awa.deactivate(by=None, at=clock.now)
    assert not is_in(client)
    assert signs_in(client, awa.email).url == "/accounts/inactive/"
    assert not is_in(client)


def test_the_demo_has_four_people_however_often_they_are_made():
    create_demo_users()
    create_demo_users()
    assert sorted(User.objects.values_list("email", "role")) == [
        ("admin@relais.test", "super_admin"),
        ("agent1@relais.test", "agent"),
        ("agent2@relais.test", "agent"),
        ("superviseur@relais.test", "supervisor"),
    ]


def test_the_people_of_the_demo_come_in_only_in_a_demo(client, settings):
    create_demo_users()
    settings.DEMO = True
    assert signs_in(client, "agent1@relais.test", DEMO_PASSWORD).status_code == 302
    assert is_in(client)
    settings.DEMO = False
    assert not is_in(client)
    assert signs_in(client, "agent1@relais.test", DEMO_PASSWORD).status_code == 200


def test_the_sign_in_page_names_the_demo_accounts_only_in_a_demo(client, settings):
    assert "relais-demo" not in client.get("/accounts/login/").content.decode()
    settings.DEMO = True
    assert "relais-demo" in client.get("/accounts/login/").content.decode()


def test_who_signs_out_is_out_in_this_browser_only(client, awa):
    elsewhere = Client()
    signs_in(client, awa.email)
    signs_in(elsewhere, awa.email)
    assert client.post("/accounts/logout/").url == "/accounts/login/"
    assert not is_in(client)
    assert is_in(elsewhere)


def test_a_mere_link_signs_nobody_out(client, awa):
    signs_in(client, awa.email)
    client.get("/accounts/logout/")
    assert is_in(client)


def reset_jobs():
    """What the jobs of asked-for links carry."""
    return list(
        ProcrastinateJob.objects.filter(task_name=send_password_reset.name).values_list("args", flat=True)
    )


def asks_for_a_link(client, email, **more):
    """Ask as a person does, and let the jobs of it run."""
    answer = client.post("/accounts/password/reset/", {"email": email}, **more)
    for arguments in reset_jobs():
        send_password_reset(**arguments)
    return answer


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(client, awa, mailoutbox):
    asks_for_a_link(client, " AWA@example.com")
    link = next(
        word for word in mailoutbox[0].body.split() if word.startswith("https://desk.example/accounts/")
    )
    path = link.removeprefix("https://desk.example")
    page = client.get(path, follow=True)
    form = {"password1": "girafe et parapluie", "password2": "girafe et parapluie"}
    answer = client.post(page.context["action_url"], form)
    assert answer.status_code == 302
    assert is_in(client)
    assert "ne sert plus" in Client().get(path, follow=True).content.decode()
    assert signs_in(Client(), awa.email, "girafe et parapluie").status_code == 302


def test_the_link_goes_to_the_public_address_whatever_host_is_claimed(client, awa, mailoutbox):
    asks_for_a_link(client, awa.email, HTTP_HOST="evil.example")
    assert "evil.example" not in mailoutbox[0].body


def test_the_link_speaks_the_language_of_its_reader(client, awa, mailoutbox):
    User.objects.filter(pk=awa.pk).update(language="en")
    asks_for_a_link(client, awa.email)
    assert "Bonjour" not in mailoutbox[0].body


def test_an_unknown_address_is_answered_alike_and_written_to_never(client, awa, mailoutbox):
    known = client.post("/accounts/password/reset/", {"email": awa.email})
    unknown = client.post("/accounts/password/reset/", {"email": "personne@example.com"})
    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
    assert reset_jobs() == [{"user_id": awa.pk}, {"user_id": None}]
    assert mailoutbox == []
    for arguments in reset_jobs():
        send_password_reset(**arguments)
    assert [mail.to for mail in mailoutbox] == [[awa.email]]


def test_an_unknown_address_costs_the_same_work_as_a_known_one(client, awa):
    client.post("/accounts/password/reset/", {"email": "autre@example.com"})  # the count by address begins
    queries = []
    for email in (awa.email, "personne@example.com"):
        with CaptureQueriesContext(connection) as asked:
            client.post("/accounts/password/reset/", {"email": email})
        queries.append([query["sql"].split()[0] for query in asked])
    assert queries[0] == queries[1]


def test_a_mail_server_that_is_down_tells_nothing_of_the_account(client, awa, monkeypatch):
    def down(*args, **kwargs):
        raise SMTPServerDisconnected

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", down)
    assert client.post("/accounts/password/reset/", {"email": awa.email}).status_code == 302
    with pytest.raises(SMTPServerDisconnected):
        send_password_reset(user_id=awa.pk)
    assert send_password_reset.retry_strategy.max_attempts > 1


def test_who_is_deactivated_gets_no_link_and_an_earlier_one_is_spent(client, awa, clock, mailoutbox):
    link = password_link(awa).removeprefix("https://desk.example")
    form = client.get(link, follow=True).context["action_url"]
    awa.deactivate(by=None, at=clock.now)
    asks_for_a_link(client, awa.email)
    assert mailoutbox == []
    assert "ne sert plus" in Client().get(link, follow=True).content.decode()
    new = "girafe et parapluie"
    assert "ne sert plus" in client.post(form, {"password1": new, "password2": new}).content.decode()
    awa.refresh_from_db()
    assert awa.check_password(PASSWORD)


def test_outside_a_demo_its_people_get_no_link(client, mailoutbox, settings):
    demo = create_demo_users()[0]
    asks_for_a_link(client, demo.email)
    assert mailoutbox == []
    assert (
        "ne sert plus"
        in client.get(password_link(demo).removeprefix("https://desk.example"), follow=True).content.decode()
    )


def test_every_refused_sign_in_costs_one_hash(client, awa, koffi, clock, monkeypatch):
    """Else the time of the answer would tell who has an account, who is invited and who was deactivated."""
    invited = User.objects.create_user("ali@example.com", full_name="Ali Omar")
    koffi.deactivate(by=None, at=clock.now)
    create_demo_users()
    hashed = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher,
        "encode",
        lambda self, password, salt: hashed.append(password) or encode(self, password, salt),
    )
    costs = {}
    for email in (awa.email, invited.email, koffi.email, "agent1@relais.test", "personne@example.com"):
        hashed.clear()
        signs_in(Client(), email, "faux")
        costs[email] = len(hashed)
    assert set(costs.values()) == {1}


def test_awa_changes_her_password_and_stays(client, awa):
    signs_in(client, awa.email)
    new = "girafe et parapluie"
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert is_in(client)
    assert signs_in(Client(), awa.email, new).status_code == 302


def test_five_minutes_later_the_failures_are_forgotten(client, awa):
    for _ in range(5):
        signs_in(client, awa.email, "faux")
    SignInFailure.objects.update(at=now() - PERIOD)
    assert signs_in(client, awa.email).status_code == 302


def test_a_new_password_by_link_ends_the_wait(client, awa):
    for _ in range(5):
        signs_in(client, awa.email, "faux", address="127.0.0.1")
    path = password_link(awa).removeprefix("https://desk.example")
    page = client.get(path, follow=True)
    new = "girafe et parapluie"
    client.post(page.context["action_url"], {"password1": new, "password2": new})
    assert signs_in(Client(), awa.email, new, address="127.0.0.1").status_code == 302


def test_what_was_typed_as_an_e_mail_is_kept_nowhere(client, awa):
    signs_in(client, "mon-mot-de-passe@example.com", "faux")
    assert "mon-mot" not in str(SignInFailure.objects.values().get())


def at_once(*acts):
    """Run all in threads of their own; what each gave."""

    def run(act):
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.mark.django_db(transaction=True)
def test_a_shift_that_signs_in_all_at_once_is_let_in(awa, koffi):
    acts = [partial(signs_in, Client(), user.email) for user in (awa, koffi) for _ in range(10)]
    assert {answer.status_code for answer in at_once(*acts)} == {302}


@pytest.mark.django_db(transaction=True)
def test_guesses_made_all_at_once_are_counted_too(awa):
    at_once(*[partial(signs_in, Client(), awa.email, "faux") for _ in range(12)])
    assert SignInFailure.objects.count() == 5
