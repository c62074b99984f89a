"""Password reset by a link: single use, and no hint whether an account exists."""

from smtplib import SMTPServerDisconnected

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.accounts.demo import create_demo_users
from relais.accounts.invitation import password_link
from relais.accounts.models import User
from relais.accounts.tasks import send_password_reset
from relais.accounts.tests.browsers import PASSWORD, is_signed_in, sign_in

pytestmark = pytest.mark.django_db


def reset_jobs():
    """What the jobs of asked-for links carry."""
    return list(
        ProcrastinateJob.objects.filter(task_name=send_password_reset.name).values_list("args", flat=True)
    )


def request_reset_link(client, email, **more):
    """Ask as a person does, and let the jobs of it run."""
    response = client.post("/accounts/password/reset/", {"email": email}, **more)
    for arguments in reset_jobs():
        send_password_reset(**arguments)
    return response


def test_a_reset_link_sets_a_new_password_once(client, awa, mailoutbox):
    request_reset_link(client, " AWA@example.com")
    link = next(
        word for word in mailoutbox[0].body.split() if word.startswith("https://desk.example/accounts/")
    )
    path = link.removeprefix("https://desk.example")
    page = client.get(path, follow=True)
    form = {"password1": "girafe et parapluie", "password2": "girafe et parapluie"}
    response = client.post(page.context["action_url"], form)
    assert response.status_code == 302
    assert is_signed_in(client)
    assert "ne sert plus" in Client().get(path, follow=True).content.decode()
    assert sign_in(Client(), awa.email, "girafe et parapluie").status_code == 302


def test_the_link_uses_the_public_url_whatever_the_host_header_says(client, awa, mailoutbox):
    request_reset_link(client, awa.email, HTTP_HOST="evil.example")
    assert "evil.example" not in mailoutbox[0].body


def test_the_email_is_in_the_language_of_the_user(client, awa, mailoutbox):
    User.objects.filter(pk=awa.pk).update(language="en")
    request_reset_link(client, awa.email)
    assert "Bonjour" not in mailoutbox[0].body


def test_an_unknown_address_gets_the_same_response_and_no_email(client, awa, mailoutbox):
    known = client.post("/accounts/password/reset/", {"email": awa.email})
    unknown = client.post("/accounts/password/reset/", {"email": "personne@example.com"})
    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
    assert reset_jobs() == [{"user_id": awa.pk}, {"user_id": None}]
    assert mailoutbox == []
    for arguments in reset_jobs():
        send_password_reset(**arguments)
    assert [mail.to for mail in mailoutbox] == [[awa.email]]


def test_an_unknown_address_costs_the_same_queries_as_a_known_one(client, awa):
    client.post("/accounts/password/reset/", {"email": "autre@example.com"})  # the count by address begins
    queries = []
    for email in (awa.email, "personne@example.com"):
        with CaptureQueriesContext(connection) as asked:
            client.post("/accounts/password/reset/", {"email": email})
        queries.append([query["sql"].split()[0] for query in asked])
    assert queries[0] == queries[1]


def test_a_mail_server_outage_does_not_reveal_whether_the_account_exists(client, awa, monkeypatch):
    def down(*args, **kwargs):
        raise SMTPServerDisconnected

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", down)
    assert client.post("/accounts/password/reset/", {"email": awa.email}).status_code == 302
    with pytest.raises(SMTPServerDisconnected):
        send_password_reset(user_id=awa.pk)
    assert send_password_reset.retry_strategy.max_attempts > 1


def test_a_deactivated_user_gets_no_link_and_an_earlier_one_is_invalid(client, awa, clock, mailoutbox):
    link = password_link(awa).removeprefix("https://desk.example")
    form = client.get(link, follow=True).context["action_url"]
    awa.deactivate(by=None, at=clock.now)
    request_reset_link(client, awa.email)
    assert mailoutbox == []
    assert "ne sert plus" in Client().get(link, follow=True).content.decode()
    new = "girafe et parapluie"
    assert "ne sert plus" in client.post(form, {"password1": new, "password2": new}).content.decode()
    awa.refresh_from_db()
    assert awa.check_password(PASSWORD)


def test_outside_a_demo_its_users_get_no_link(client, mailoutbox, settings):
    demo = create_demo_users()[0]
    request_reset_link(client, demo.email)
    assert mailoutbox == []
    assert (
        "ne sert plus"
        in client.get(password_link(demo).removeprefix("https://desk.example"), follow=True).content.decode()
    )
