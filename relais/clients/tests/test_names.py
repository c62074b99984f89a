"""A name without visible characters is refused or ignored, wherever names are given."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from relais.accounts.forms import InvitationForm, UserForm
from relais.accounts.models import User
from relais.clients.models import Client
from relais.company.forms import SettingsForm
from relais.conversations import fragments
from relais.conversations.client_answers import humanize
from relais.conversations.errors import CannotSend
from relais.conversations.event_text import event_sentence
from relais.conversations.outgoing_text import clean_message
from relais.flows.forms import NewFlowForm
from tests.cast import FATOU

INVISIBLE = [
    "\u3164",
    "\u200e\u200f",
    "\u2800",
    "\u00ad",
    "\u115f\u1160",
    "\U000e0041\U000e007f",
    "\u0301",
    " \u202e ",
]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", INVISIBLE)
def test_the_number_is_shown_in_place_of_an_invisible_profile_name(fatou_writes, name):
    conversation = fatou_writes("Bonjour", name=name)
    assert conversation.client_name == conversation.address.formatted
    assert "+212" in fragments.row(conversation)
    event = conversation.events.get()
    assert "Client" in fragments.message(event)


@pytest.mark.parametrize("name", INVISIBLE)
def test_an_invisible_answer_is_not_stored_as_a_name(with_bot, clock, name):
    assert not with_bot.record_answer("collect_name", user_input=name, at=clock.now)
    assert not with_bot.record_answer("couleur", user_input=name, at=clock.now)
    client = Client.objects.get()
    assert (client.client_full_name, client.attributes) == ("", {})
    event = with_bot.events.filter(event_type="free_input").first()
    assert "Fatou" not in event_sentence(event)
    assert "<q" not in fragments.event_line(event)


def test_an_invisible_name_does_not_replace_a_visible_one(fatou_writes):
    Client.objects.filter(addresses__address=FATOU).update(client_full_name="\u3164")
    client = fatou_writes("Bonjour").client
    client.client_full_name = "\u3164"
    assert client.name == "Fatou"


@pytest.mark.parametrize("name", INVISIBLE)
def test_forms_and_messages_refuse_invisible_names(name, awa):
    form = UserForm({"full_name": name, "role": "agent", "new_team": name})
    assert {"full_name"} <= form.errors.keys()
    assert "full_name" in InvitationForm({"full_name": name}).errors
    assert "name" in NewFlowForm({"name": name, "text": "{}"}).errors
    assert "brand" in SettingsForm({"brand": name}).errors
    assert str(User(full_name=name, email="awa@example.com")) == "awa@example.com"
    assert humanize(name) == ""
    with pytest.raises(CannotSend):
        clean_message(name)


def test_a_team_cannot_have_an_invisible_name():
    form = UserForm({"full_name": "Awa", "role": "agent", "new_team": "\u3164"})
    assert "new_team" in form.errors


def test_the_migration_clears_stored_invisible_names():
    from django.apps import apps

    Client.objects.create(whatsapp_profile_name="\u3164", client_full_name="Awa")
    Client.objects.create(whatsapp_profile_name="فاطمة", client_full_name="\u2800")
    Client.objects.create(whatsapp_profile_name="Awa")
    migration = MigrationLoader(connection).get_migration("clients", "0004_names_that_show_nothing")
    migration.operations[0].code(apps, None)
    names = Client.objects.order_by("pk").values_list("whatsapp_profile_name", "client_full_name")
    assert list(names) == [("", "Awa"), ("فاطمة", ""), ("Awa", "")]
