"""Nadia invites, changes, closes and reopens accounts; nobody else does."""

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
def nadias(client, nadia):
    """Nadia's browser."""
    client.force_login(nadia)
    return client


def invites(browser, **fields):
    form = {"full_name": "Ali Omar", "email": "Ali@Example.com ", "role": "agent", "language": "fr", **fields}
    return browser.post("/dashboard/users/invite", form, follow=True)


def link_in(page):
    found = re.search(r"https://desk\.example(/accounts/password/reset/key/[^\"<\s]+)", page.content.decode())
    return found and found[1]


def changes(browser, person, **fields):
    form = {"full_name": person.full_name, "role": person.role, "team": person.team_id or "", **fields}
    return browser.post(f"/dashboard/users/{person.pk}", form)


@pytest.mark.parametrize("role", ["agent", "supervisor", "admin"])
@pytest.mark.parametrize("path", ["users", "users/invite", "users/1"])
def test_others_are_told_that_it_is_not_for_them(client, awa, role, path):
    awa.change_role(role)
    client.force_login(awa)
    answer = client.get(f"/dashboard/{path}")
    assert answer.status_code == 403
    assert "Votre rôle ne permet pas" in answer.content.decode()


def test_the_anonymous_sign_in_first(client):
    assert client.get("/dashboard/users").url == "/accounts/login/?next=/dashboard/users"


def test_others_change_nothing(client, awa, koffi):
    client.force_login(awa)
    for action in ("", "/link", "/deactivate", "/reactivate"):
        assert client.post(f"/dashboard/users/{koffi.pk}{action}", {"role": "super_admin"}).status_code == 403
    koffi.refresh_from_db()
    assert (koffi.role, koffi.is_active) == ("agent", True)


def test_the_page_lists_who_works_here(nadias, awa, yao):
    page = nadias.get("/dashboard/users").content.decode()
    assert "Awa Diop" in page
    assert "yao@example.com" in page
    assert "Pièces" in page


def test_an_invited_person_sets_a_password_and_is_in(nadias, mailoutbox):
    page = invites(nadias)
    ali = User.objects.get(email="ali@example.com")
    assert not ali.has_usable_password()
    assert link_in(page) in mailoutbox[0].body

    alis = Client()
    form = alis.get(link_in(page), follow=True).context["action_url"]
    alis.post(form, {"password1": "girafe et parapluie", "password2": "girafe et parapluie"})
    assert alis.get("/accounts/password/change/").status_code == 200


def test_the_link_is_shown_once_and_works_once(nadias):
    page = invites(nadias)
    assert link_in(page)
    assert not link_in(nadias.get(page.redirect_chain[-1][0]))

    form = Client().get(link_in(page), follow=True).context["action_url"]
    Client().get(link_in(page))
    first = Client()
    first.get(link_in(page))
    first.post(form, {"password1": "girafe et parapluie", "password2": "girafe et parapluie"})
    assert "ne sert plus" in Client().get(link_in(page), follow=True).content.decode()


def test_the_invitation_speaks_the_language_of_the_invited(nadias, mailoutbox):
    invites(nadias, language="en")
    assert "Ali Omar" in mailoutbox[0].body
    assert "Bonjour" not in mailoutbox[0].body


def test_without_a_mail_server_the_link_is_passed_on_by_hand(nadias, monkeypatch):
    def down(*args, **kwargs):
        raise SMTPServerDisconnected

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", down)
    page = invites(nadias)
    assert link_in(page)
    assert "Invitation envoyée" not in page.content.decode()


def test_one_address_has_one_account(nadias, awa):
    page = invites(nadias, email="AWA@example.com")
    assert page.status_code == 422
    assert "a déjà un compte" in page.content.decode()


def test_whoever_forgot_the_password_gets_a_new_link_from_nadia(nadias, awa):
    page = nadias.post(f"/dashboard/users/{awa.pk}/link", follow=True)
    assert Client().get(link_in(page), follow=True).context["action_url"]


def test_nadia_gives_a_role_and_a_team(nadias, awa, sales):
    changes(nadias, awa, role="supervisor", team=sales.pk)
    awa.refresh_from_db()
    assert (awa.role, awa.team) == ("supervisor", sales)


def test_a_team_is_made_by_naming_it_and_never_twice(nadias, awa, koffi):
    changes(nadias, awa, new_team="  Service   après-vente ")
    changes(nadias, koffi, new_team="service APRÈS-VENTE")
    awa.refresh_from_db()
    koffi.refresh_from_db()
    assert awa.team == koffi.team
    assert str(Team.objects.get()) == "Service après-vente"


def test_a_role_that_does_not_exist_is_refused(nadias, awa):
    assert changes(nadias, awa, role="king").status_code == 422


def test_who_is_deactivated_gives_back_what_he_held(nadias, awa, held_by_awa):
    nadias.post(f"/dashboard/users/{awa.pk}/deactivate")
    held_by_awa.refresh_from_db()
    assert held_by_awa.agent is None
    assert event_types_of(held_by_awa)[-1] == "agent_release"


def test_who_is_reactivated_comes_back(nadias, awa, clock):
    awa.deactivate(by=None, at=clock.now)
    nadias.post(f"/dashboard/users/{awa.pk}/reactivate")
    assert (
        Client().post("/accounts/login/", {"login": awa.email, "password": "un bon mot de passe"}).status_code
        == 302
    )


def test_the_last_super_admin_stays(nadias, nadia, awa):
    told = nadias.post(f"/dashboard/users/{nadia.pk}/deactivate", follow=True).content.decode()
    assert "dernier super administrateur" in told
    assert "dernier super administrateur" in changes(nadias, nadia, role="agent").content.decode()
    nadia.refresh_from_db()
    assert (nadia.role, nadia.is_active) == ("super_admin", True)


def test_a_super_admin_who_is_gone_does_not_count(nadia, awa, clock):
    awa.change_role("super_admin")
    awa.deactivate(by=nadia, at=clock.now)
    with pytest.raises(LastSuperAdmin):
        nadia.change_role("admin")


def test_nobody_is_found_under_an_unknown_number(nadias):
    assert nadias.get("/dashboard/users/999999").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_of_two_who_remove_each_other_one_stays(nadia, awa, clock):
    awa.change_role("super_admin")
    ready = threading.Barrier(2)

    def removes(person):
        ready.wait()
        try:
            User.objects.get(pk=person.pk).deactivate(by=None, at=clock.now)
        except LastSuperAdmin:
            pass
        finally:
            connection.close()

    rivals = [threading.Thread(target=removes, args=[person]) for person in (nadia, awa)]
    [rival.start() for rival in rivals]
    [rival.join() for rival in rivals]
    assert User.objects.active().count() == 1
