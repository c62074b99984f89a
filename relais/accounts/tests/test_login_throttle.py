"""The rate limit of failed sign-ins, and the delay under password guessing."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection
from django.test import Client
from django.utils.timezone import now

from relais.accounts.client_network import network_of
from relais.accounts.invitation import password_link
from relais.accounts.login_delay import DELAY_HEADER
from relais.accounts.login_throttle import FAILURE_WINDOW, LoginThrottle
from relais.accounts.models import SignInFailure
from relais.accounts.tests.browsers import is_signed_in, sign_in

pytestmark = pytest.mark.django_db


def test_after_five_failures_even_the_right_password_is_refused_but_only_from_that_address(
    client, awa, koffi
):
    for _ in range(5):
        sign_in(client, awa.email, "faux", address="192.0.2.66")
    refused = sign_in(client, awa.email, address="192.0.2.66")
    assert "Trop d&#x27;essais" in refused.content.decode()
    assert not is_signed_in(client)
    assert sign_in(Client(), koffi.email, address="192.0.2.66").status_code == 302
    assert sign_in(Client(), awa.email, address="192.0.2.1").status_code == 302


def test_a_success_in_between_does_not_reset_the_failures(client, awa):
    for _ in range(4):
        sign_in(client, awa.email, "faux")
    assert sign_in(client, awa.email).status_code == 302
    sign_in(Client(), awa.email, "faux")
    assert sign_in(Client(), awa.email).status_code == 200


def test_fifty_failures_from_one_address_block_that_address(client, awa):
    for number in range(50):
        sign_in(client, f"personne{number}@example.com", "faux", address="192.0.2.66")
    assert sign_in(Client(), awa.email, address="192.0.2.66").status_code == 200
    assert sign_in(Client(), awa.email, address="192.0.2.1").status_code == 302


def test_an_ipv6_network_counts_as_one_address(client, awa):
    for number in range(5):
        sign_in(client, awa.email, "faux", address=f"2001:db8:0:7:{number}::1")
    assert sign_in(Client(), awa.email, address="2001:db8:0:7:ffff::9").status_code == 200
    assert sign_in(Client(), awa.email, address="2001:db8:0:8::1").status_code == 302


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("local", "local"),
    ],
)
def test_the_network_of_an_address(address, network):
    assert network_of(address) == network


def record_failures(email, times, at):
    account = LoginThrottle(email, "").account
    SignInFailure.objects.bulk_create(
        SignInFailure(account=account, address=f"192.0.2.{number % 250}", at=at) for number in range(times)
    )


@pytest.mark.parametrize(("failures", "seconds"), [(10, None), (20, "2.0"), (60, "10.0"), (500, "10.0")])
def test_guesses_from_many_addresses_delay_the_responses_of_the_account_but_refuse_nobody(
    client, awa, failures, seconds
):
    record_failures(awa.email, failures, now())
    response = sign_in(client, awa.email, address="198.51.100.1")
    assert (response.status_code, response.get(DELAY_HEADER)) == (302, seconds)
    wrong = sign_in(Client(), awa.email, "faux", address="198.51.100.2")
    assert wrong.get(DELAY_HEADER) == seconds


@pytest.mark.parametrize(("failures", "seconds"), [(200, None), (450, "2.5"), (2000, "10.0")])
def test_guesses_at_many_accounts_delay_every_response(client, awa, failures, seconds):
    for number in range(50):
        record_failures(f"personne{number}@example.com", failures // 50, now())
    assert sign_in(client, awa.email, address="198.51.100.1").get(DELAY_HEADER) == seconds


def test_a_whole_shift_signs_in_from_one_address(awa):
    assert {sign_in(Client(), awa.email).status_code for _ in range(60)} == {302}


def test_a_forwarded_for_header_does_not_change_the_counted_address(client, awa):
    for number in range(5):
        client.post(
            "/accounts/login/",
            {"login": awa.email, "password": "faux"},
            REMOTE_ADDR="192.0.2.66",
            HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
        )
    assert sign_in(client, awa.email, address="192.0.2.66").status_code == 200


def test_failures_expire_after_five_minutes(client, awa):
    for _ in range(5):
        sign_in(client, awa.email, "faux")
    SignInFailure.objects.update(at=now() - FAILURE_WINDOW)
    assert sign_in(client, awa.email).status_code == 302


def test_a_new_password_by_link_resets_the_failures(client, awa):
    for _ in range(5):
        sign_in(client, awa.email, "faux", address="127.0.0.1")
    path = password_link(awa).removeprefix("https://desk.example")
    page = client.get(path, follow=True)
    new = "girafe et parapluie"
    client.post(page.context["action_url"], {"password1": new, "password2": new})
    assert sign_in(Client(), awa.email, new, address="127.0.0.1").status_code == 302


def test_what_was_typed_as_an_e_mail_is_not_stored(client, awa):
    sign_in(client, "mon-mot-de-passe@example.com", "faux")
    assert "mon-mot" not in str(SignInFailure.objects.values().get())


def run_concurrently(*calls):
    """Run all in threads of their own; what each gave."""

    def run(call):
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.django_db(transaction=True)
def test_a_shift_that_signs_in_concurrently_is_let_in(awa, koffi):
    calls = [partial(sign_in, Client(), user.email) for user in (awa, koffi) for _ in range(10)]
    assert {response.status_code for response in run_concurrently(*calls)} == {302}


@pytest.mark.django_db(transaction=True)
def test_concurrent_guesses_are_counted(awa):
    run_concurrently(*[partial(sign_in, Client(), awa.email, "faux") for _ in range(12)])
    assert SignInFailure.objects.count() == 5
