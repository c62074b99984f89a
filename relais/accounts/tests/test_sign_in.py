"""Sign-in and sign-out: who may, and what the pages reveal."""

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from django.urls import reverse

from relais.accounts.demo import create_demo_users
from relais.accounts.models import User
from relais.accounts.tests.browsers import PASSWORD, is_signed_in, sign_in
from relais.demo_accounts import DEMO_PASSWORD

pytestmark = pytest.mark.django_db


def test_awa_signs_in_and_is_redirected_to_the_dashboard(client, awa):
    response = sign_in(client, "  AWA@example.com ")
    assert response.status_code == 302
    assert response["Location"] == reverse("dashboard")
    assert is_signed_in(client)


@pytest.mark.parametrize(
    ("next_url", "target"),
    [
        ("/dashboard/chat/7?x=1", "/dashboard/chat/7?x=1"),
        ("http://testserver/dashboard/pending", "http://testserver/dashboard/pending"),
        ("https://evil.example/", "/dashboard"),
        ("//evil.example/", "/dashboard"),
        ("https://desk.example/", "/dashboard"),
        ("javascript:alert(1)", "/dashboard"),
    ],
)
def test_she_is_redirected_to_the_page_she_asked_for_but_never_to_another_host(client, awa, next_url, target):
    assert sign_in(client, awa.email, next=next_url)["Location"].removesuffix("/") == target.removesuffix("/")


def test_a_wrong_password_shows_an_error_that_does_not_reveal_whether_the_account_exists(client, awa):
    wrong = sign_in(client, awa.email, "faux")
    unknown = sign_in(client, "personne@example.com", "faux")
    assert wrong.status_code == unknown.status_code == 200
    assert "n&#x27;est pas le bon" in wrong.content.decode()
    assert "n&#x27;est pas le bon" in unknown.content.decode()
    assert not is_signed_in(client)


def test_sign_up_is_closed(client):
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
def test_other_urls_of_allauth_answer_404(client, awa, path):
    client.force_login(awa)
    assert client.get(f"/accounts/{path}").status_code == 404


def test_a_deactivated_user_is_signed_out_at_once_and_cannot_sign_in(client, awa, clock):
    sign_in(client, awa.email)
    awa.deactivate(by=None, at=clock.now)
    assert not is_signed_in(client)
    assert sign_in(client, awa.email).url == "/accounts/inactive/"
    assert not is_signed_in(client)


def test_creating_the_demo_users_is_idempotent():
    create_demo_users()
    create_demo_users()
    assert sorted(User.objects.values_list("email", "role")) == [
        ("admin@relais.test", "super_admin"),
        ("agent1@relais.test", "agent"),
        ("agent2@relais.test", "agent"),
        ("superviseur@relais.test", "supervisor"),
    ]


def test_demo_users_sign_in_only_in_a_demo(client, settings):
    create_demo_users()
    settings.DEMO = True
    assert sign_in(client, "agent1@relais.test", DEMO_PASSWORD).status_code == 302
    assert is_signed_in(client)
    settings.DEMO = False
    assert not is_signed_in(client)
    assert sign_in(client, "agent1@relais.test", DEMO_PASSWORD).status_code == 200


def test_the_sign_in_page_names_the_demo_accounts_only_in_a_demo(client, settings):
    assert "relais-demo" not in client.get("/accounts/login/").content.decode()
    settings.DEMO = True
    assert "relais-demo" in client.get("/accounts/login/").content.decode()


def test_signing_out_ends_the_session_of_this_browser_only(client, awa):
    elsewhere = Client()
    sign_in(client, awa.email)
    sign_in(elsewhere, awa.email)
    assert client.post("/accounts/logout/").url == "/accounts/login/"
    assert not is_signed_in(client)
    assert is_signed_in(elsewhere)


def test_a_get_request_signs_nobody_out(client, awa):
    sign_in(client, awa.email)
    client.get("/accounts/logout/")
    assert is_signed_in(client)


def test_every_refused_sign_in_computes_one_hash(client, awa, koffi, clock, monkeypatch):
    """Else the time of the response would tell who has an account, who is invited and who was deactivated."""
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
        sign_in(Client(), email, "faux")
        costs[email] = len(hashed)
    assert set(costs.values()) == {1}


def test_awa_changes_her_password_and_stays_signed_in(client, awa):
    sign_in(client, awa.email)
    new = "girafe et parapluie"
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert is_signed_in(client)
    assert sign_in(Client(), awa.email, new).status_code == 302
