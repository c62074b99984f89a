"""User management: Nadia invites, changes, deactivates and reactivates users; other roles may not."""

import re
import threading
from smtplib import SMTPServerDisconnected

import pytest
from django.db import connection
from django.test import Client

from relais.accounts.models import LastSuperAdmin, Team, User
from tests.cast import event_types_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def nadia_browser(client, nadia):
    """Nadia's browser."""
    client.force_login(nadia)
    return client


def invite(browser, **fields):
    form = {"full_name": "Ali Omar", "email": "Ali@Example.com ", "role": "agent", "language": "fr", **fields}
    return browser.post("/dashboard/users/invite", form, follow=True)


def find_link(page):
    match = re.search(r"https://desk\.example(/accounts/password/reset/key/[^\"<\s]+)", page.content.decode())
    return match and match[1]


def change_user(browser, person, **fields):
    form = {"full_name": person.full_name, "role": person.role, "team": person.team_id or "", **fields}
    return browser.post(f"/dashboard/users/{person.pk}", form)


@pytest.mark.parametrize("role", ["agent", "supervisor", "admin"])
@pytest.mark.parametrize("path", ["users", "users/invite", "users/1"])
def test_other_roles_get_403(client, awa, role, path):
    awa.change_role(role)
    client.force_login(awa)
    response = client.get(f"/dashboard/{path}")
    assert response.status_code == 403
    assert "Votre rôle ne permet pas" in response.content.decode()


def test_anonymous_users_are_redirected_to_sign_in(client):
    assert client.get("/dashboard/users").url == "/accounts/login/?next=/dashboard/users"


def test_other_roles_cannot_change_users(client, awa, koffi):
    client.force_login(awa)
    for action in ("", "/link", "/deactivate", "/reactivate"):
        assert client.post(f"/dashboard/users/{koffi.pk}{action}", {"role": "super_admin"}).status_code == 403
    koffi.refresh_from_db()
    assert (koffi.role, koffi.is_active) == ("agent", True)


def test_the_page_lists_the_users(nadia_browser, awa, yao):
    page = nadia_browser.get("/dashboard/users").content.decode()
    assert "Awa Diop" in page
    assert "yao@example.com" in page
    assert "Pièces" in page


def test_an_invited_user_sets_a_password_and_is_signed_in(nadia_browser, mailoutbox):
    page = invite(nadia_browser)
    ali = User.objects.get(email="ali@example.com")
    assert not ali.has_usable_password()
    assert find_link(page) in mailoutbox[0].body

    ali_browser = Client()
    form = ali_browser.get(find_link(page), follow=True).context["action_url"]
    ali_browser.post(form, {"password1": "girafe et parapluie", "password2": "girafe et parapluie"})
    assert ali_browser.get("/accounts/password/change/").status_code == 200


def test_the_link_is_shown_once_and_works_once(nadia_browser):
    page = invite(nadia_browser)
    assert find_link(page)
    assert not find_link(nadia_browser.get(page.redirect_chain[-1][0]))

    form = Client().get(find_link(page), follow=True).context["action_url"]
    Client().get(find_link(page))
    first = Client()
    first.get(find_link(page))
    first.post(form, {"password1": "girafe et parapluie", "password2": "girafe et parapluie"})
    assert "ne sert plus" in Client().get(find_link(page), follow=True).content.decode()


def test_the_invitation_is_in_the_language_of_the_invited_user(nadia_browser, mailoutbox):
    invite(nadia_browser, language="en")
    assert "Ali Omar" in mailoutbox[0].body
    assert "Bonjour" not in mailoutbox[0].body


def test_without_a_mail_server_the_page_shows_the_link(nadia_browser, monkeypatch):
    def down(*args, **kwargs):
        raise SMTPServerDisconnected

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", down)
    page = invite(nadia_browser)
    assert find_link(page)
    assert "Invitation envoyée" not in page.content.decode()


def test_an_email_has_one_account(nadia_browser, awa):
    page = invite(nadia_browser, email="AWA@example.com")
    assert page.status_code == 422
    assert "a déjà un compte" in page.content.decode()


def test_nadia_creates_a_reset_link(nadia_browser, awa):
    page = nadia_browser.post(f"/dashboard/users/{awa.pk}/link", follow=True)
    assert Client().get(find_link(page), follow=True).context["action_url"]


def test_nadia_changes_the_role_and_the_team(nadia_browser, awa, sales):
    change_user(nadia_browser, awa, role="supervisor", team=sales.pk)
    awa.refresh_from_db()
    assert (awa.role, awa.team) == ("supervisor", sales)


def test_a_team_is_created_by_its_name_once(nadia_browser, awa, koffi):
    change_user(nadia_browser, awa, new_team="  Service   après-vente ")
    change_user(nadia_browser, koffi, new_team="service APRÈS-VENTE")
    awa.refresh_from_db()
    koffi.refresh_from_db()
    assert awa.team == koffi.team
    assert str(Team.objects.get()) == "Service après-vente"


def test_a_role_that_does_not_exist_is_refused(nadia_browser, awa):
    assert change_user(nadia_browser, awa, role="king").status_code == 422


def test_deactivating_a_user_releases_his_conversations(nadia_browser, awa, held_by_awa):
    nadia_browser.post(f"/dashboard/users/{awa.pk}/deactivate")
    held_by_awa.refresh_from_db()
    assert held_by_awa.agent is None
    assert event_types_of(held_by_awa)[-1] == "agent_release"


def test_a_reactivated_user_can_sign_in(nadia_browser, awa, clock):
    awa.deactivate(by=None, at=clock.now)
    nadia_browser.post(f"/dashboard/users/{awa.pk}/reactivate")
    assert (
        Client().post("/accounts/login/", {"login": awa.email, "password": "un bon mot de passe"}).status_code
        == 302
    )


def test_the_last_super_admin_cannot_be_removed(nadia_browser, nadia, awa):
    page = nadia_browser.post(f"/dashboard/users/{nadia.pk}/deactivate", follow=True).content.decode()
    assert "dernier super administrateur" in page
    assert "dernier super administrateur" in change_user(nadia_browser, nadia, role="agent").content.decode()
    nadia.refresh_from_db()
    assert (nadia.role, nadia.is_active) == ("super_admin", True)


def test_a_deactivated_super_admin_does_not_count(nadia, awa, clock):
    awa.change_role("super_admin")
    awa.deactivate(by=nadia, at=clock.now)
    with pytest.raises(LastSuperAdmin):
        nadia.change_role("admin")


def test_an_unknown_user_id_answers_404(nadia_browser):
    assert nadia_browser.get("/dashboard/users/999999").status_code == 404
    for path in ("users/999999", "users/999999/photo"):
        answer = nadia_browser.get(f"/dashboard/{path}", headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["error"] in ("Cet utilisateur n'existe pas.", "Cette personne n'a pas de photo.")


@pytest.mark.django_db(transaction=True)
def test_of_two_super_admins_who_remove_each_other_one_stays(nadia, awa, clock):
    awa.change_role("super_admin")
    ready = threading.Barrier(2)

    def remove(person):
        ready.wait()
        try:
            User.objects.get(pk=person.pk).deactivate(by=None, at=clock.now)
        except LastSuperAdmin:
            pass
        finally:
            connection.close()

    rivals = [threading.Thread(target=remove, args=[person]) for person in (nadia, awa)]
    [rival.start() for rival in rivals]
    [rival.join() for rival in rivals]
    assert User.objects.active().count() == 1


def test_the_capacity_is_set_when_inviting_and_later(nadia_browser, awa):
    invite(nadia_browser, capacity="8")
    assert User.objects.get(email="ali@example.com").capacity == 8
    change_user(nadia_browser, awa, capacity="0")
    awa.refresh_from_db()
    assert awa.capacity == 0
    assert change_user(nadia_browser, awa, capacity="101").status_code == 422
    change_user(nadia_browser, awa)
    awa.refresh_from_db()
    assert awa.capacity == 0
