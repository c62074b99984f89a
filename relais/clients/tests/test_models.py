"""Clients: which name is shown, opt-outs by sender, addresses by match key."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from relais.clients.models import Client, ClientAddress, OptOut, known_address_form

pytestmark = pytest.mark.django_db
SENDER, OTHER_SENDER = "whatsapp:+14155238886", "whatsapp:+14155238887"
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def fatou():
    return Client.objects.create(whatsapp_profile_name="Fatou")


@pytest.fixture
def address(fatou):
    return ClientAddress.objects.create(
        client=fatou, address="whatsapp:+212612345678", phone_number="+212612345678"
    )


@pytest.fixture
def opaque_address(fatou):
    return ClientAddress.objects.create(client=fatou, address="whatsapp:FI.9xY")


@pytest.mark.parametrize(
    ("given", "profile", "shown"),
    [
        ("Fatou Ndiaye", "fatou 🌸", "Fatou Ndiaye"),
        ("", "fatou 🌸", "fatou 🌸"),
        ("\u3164", "Fatou", "Fatou"),
        ("", "", ""),
    ],
)
def test_the_given_name_is_shown_before_the_profile_name(given, profile, shown):
    assert Client(client_full_name=given, whatsapp_profile_name=profile).name == shown


def test_a_client_without_a_name_is_shown_by_id():
    assert str(Client(pk=7)) == "client 7"
    assert str(Client(pk=7, client_full_name="Fatou")) == "Fatou"


def test_a_client_has_not_opted_out_at_first(fatou, address):
    assert fatou.opted_out_since(SENDER) is None


def test_an_opt_out_applies_to_one_sender(fatou, address):
    fatou.opt_out(SENDER, at=AT, address=address)
    assert fatou.opted_out_since(SENDER) == AT
    assert fatou.opted_out_since(OTHER_SENDER) is None


def test_a_second_opt_out_keeps_the_first_time(fatou, address):
    fatou.opt_out(SENDER, at=AT, address=address)
    fatou.opt_out(SENDER, at=AT + timedelta(days=1), address=address)
    assert fatou.opted_out_since(SENDER) == AT
    assert OptOut.objects.count() == 1


def test_an_opt_out_applies_to_all_addresses_of_the_client(fatou, address, opaque_address):
    fatou.opt_out(SENDER, at=AT, address=address)
    assert set(fatou.addresses.values_list("opted_out_at", flat=True)) == {AT}


def test_of_opt_outs_from_two_addresses_the_first_counts(fatou, address, opaque_address):
    fatou.opt_out(SENDER, at=AT, address=address)
    fatou.opt_out(SENDER, at=AT + timedelta(hours=1), address=opaque_address)
    assert fatou.opted_out_since(SENDER) == AT


def test_opting_in_ends_the_opt_out_of_that_sender_only(fatou, address):
    fatou.opt_out(SENDER, at=AT, address=address)
    fatou.opt_out(OTHER_SENDER, at=AT + timedelta(hours=1), address=address)
    fatou.opt_in(SENDER, at=AT + timedelta(days=1))
    assert fatou.opted_out_since(SENDER) is None
    assert fatou.opted_out_since(OTHER_SENDER) == AT + timedelta(hours=1)
    address.refresh_from_db()
    assert address.opted_out_at == AT + timedelta(hours=1)


def test_an_opt_in_does_not_end_a_later_opt_out(fatou, address):
    fatou.opt_out(SENDER, at=AT, address=address)
    fatou.opt_in(SENDER, at=AT - timedelta(minutes=1))
    assert fatou.opted_out_since(SENDER) == AT


def test_after_the_last_opt_in_no_address_is_opted_out(fatou, address):
    fatou.opt_out(SENDER, at=AT, address=address)
    fatou.opt_in(SENDER, at=AT)
    address.refresh_from_db()
    assert address.opted_out_at is None


def test_a_column_set_by_another_program_applies_to_all_senders(fatou, address):
    fatou.addresses.update(opted_out_at=AT)
    assert fatou.opted_out_since(SENDER) == fatou.opted_out_since(OTHER_SENDER) == AT


def test_an_opt_out_of_another_client_does_not_apply(fatou, address):
    other = Client.objects.create()
    other_address = ClientAddress.objects.create(client=other, address="whatsapp:+212612345679")
    other.opt_out(SENDER, at=AT, address=other_address)
    assert fatou.opted_out_since(SENDER) is None
    address.refresh_from_db()
    assert address.opted_out_at is None


def test_saving_an_address_sets_its_match_key(fatou):
    address = ClientAddress.objects.create(client=fatou, address="whatsapp:+5215512345678")
    assert address.match_key == "whatsapp:+525512345678"


def test_two_national_forms_are_one_address(fatou):
    ClientAddress.objects.create(client=fatou, address="whatsapp:+5215512345678")
    with pytest.raises(IntegrityError, match="one_address_per_match_key"), transaction.atomic():
        ClientAddress.objects.create(client=fatou, address="whatsapp:+525512345678")


def test_an_address_is_shown_formatted(address, opaque_address):
    assert str(address) == address.formatted == "+212 6 12 34 56 78"
    assert str(opaque_address) == "FI.9xY"


def test_a_known_client_is_written_to_in_the_form_he_writes_from(fatou):
    ClientAddress.objects.create(client=fatou, address="whatsapp:+5215512345678")
    assert known_address_form("whatsapp:+525512345678") == "whatsapp:+5215512345678"


def test_an_unknown_address_stays_as_it_is():
    assert known_address_form("whatsapp:+525512345678") == "whatsapp:+525512345678"
