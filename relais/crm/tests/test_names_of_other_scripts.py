"""Names in Arabic are found by an index, also in a database whose locale knows no letters but ASCII."""

import pytest
from django.db import connection

from relais.clients.models import Client
from relais.clients.search import clients_by_name, search_clients

pytestmark = pytest.mark.django_db
ARABIC, MIXED, FRENCH = "فاطمة الزهراء", "Youssef يوسف", "Hélène Œuvrard"


@pytest.fixture
def names():
    Client.objects.bulk_create(
        [
            Client(client_full_name=ARABIC),
            Client(whatsapp_profile_name=MIXED),
            Client(client_full_name=FRENCH),
        ]
    )


def found(text):
    return {
        client.client_full_name or client.whatsapp_profile_name
        for client in search_clients(Client.objects.all(), text)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("فاطمة", {ARABIC}),
        ("الزهراء فاطمة", {ARABIC}),
        ("طم", {ARABIC}),
        ("ف", {ARABIC, MIXED}),
        ("youssef يوسف", {MIXED}),
        ("يوسف%", set()),
        ("زينب", set()),
        ("œuvrard", {FRENCH}),
        ("oeuv", {FRENCH}),
        ("helene", {FRENCH}),
        ("é", {MIXED, FRENCH}),
    ],
)
def test_every_part_of_a_name_is_found(names, text, expected):
    assert found(text) == expected


def test_the_index_finds_an_arabic_name(names):
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        plan = clients_by_name("الزهراء").explain()
    assert "clients_hex_name" in plan
    assert "clients_hex_profile" in plan
