"""The migration to clients with several addresses keeps all data, under one client each."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from relais.clients.models import Client, ClientAddress, OptOut
from relais.conversations.models import Conversation
from tests.cast import OUR_NUMBER, event_types_of

BEFORE = [("clients", "0001_initial"), ("conversations", "0009_recent_claims_of_a_number")]
ROWS = """
insert into clients (id, client_full_name, whatsapp_profile_name, vin, attributes) values
  (1, '', 'Ana', 'V1', '{"ville": "Puebla"}'), (2, 'Ana Díaz', 'Ana', 'V2', '{"ville": "México"}'),
  (3, '', 'Fatou', '', '{}');
insert into client_addresses (id, client_id, address, phone_number, opted_out_at) values
  (1, 1, 'whatsapp:+5215512345678', '+5215512345678', null),
  (2, 2, 'whatsapp:+525512345678', '+525512345678', null),
  (3, 3, 'whatsapp:+212600000001', '+212600000001', '2026-03-01');
insert into conversations (id, address_id, sender, status, agent_id, last_inbound_at, ended_at) values
  (1, 1, %(sender)s, 'transferred', %(agent)s, '2026-03-01', null),
  (2, 2, %(sender)s, 'active', null, '2026-03-02', null),
  (3, 2, %(sender)s, 'completed', null, '2026-02-01', '2026-02-02'),
  (4, 3, %(sender)s, 'active', null, '2026-03-01', null),
  (5, 3, 'whatsapp:+14155238887', 'completed', null, '2026-03-01', '2026-03-02');
"""


def migrate(targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return executor


@pytest.fixture
def before(transactional_db):
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    migrate(BEFORE)
    with connection.cursor() as cursor:
        yield cursor
    migrate(newest)


def test_two_forms_of_a_number_become_one_client_and_opt_outs_move(before, awa):
    before.execute(ROWS, {"sender": OUR_NUMBER, "agent": awa.pk})
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
    kept = Client.objects.get(whatsapp_profile_name="Ana")
    assert (kept.client_full_name, kept.vin) == ("Ana Díaz", "V2")
    assert kept.attributes == {"ville": "México", "ville_2": "Puebla", "vin_2": "V1"}
    address = kept.addresses.get()
    assert address.address == "whatsapp:+525512345678", "the form used last"
    held, closed, older, *_ = Conversation.objects.order_by("pk")
    assert {each.client_id for each in (held, closed, older)} == {kept.pk}
    assert (held.situation.value, closed.status, older.status) == ("held", "completed", "completed")
    assert event_types_of(closed) == ["conversation_closed"]
    assert closed.events.get().metadata["continues_in"] == held.pk
    assert ClientAddress.objects.get(address="whatsapp:+212600000001").match_key == "whatsapp:+212600000001"
    assert set(OptOut.objects.values_list("sender", flat=True)) == {OUR_NUMBER, "whatsapp:+14155238887"}
    assert Conversation.objects.get(pk=4).opted_out_since()
