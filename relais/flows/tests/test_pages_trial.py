"""The trial page: Nadia tries a draft as a client would; nothing is stored or sent."""

import html
import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils.timezone import now

from relais.conversations.models import Conversation, MessageDelivery
from relais.flows import library
from relais.flows.engine import parse
from relais.flows.models import Execution, Flow
from relais.typography import typeset
from relais.web.times import ZONE_COOKIE

pytestmark = pytest.mark.django_db

MEMORY = re.compile(r'name="memory" value="([^"]+)"')
LINE = re.compile(r'class="phone__bubble"[^>]*>(.*?)</p>', re.DOTALL)
CLOCK = re.compile(r'class="phone__head">.*?<time[^>]*datetime="([^"]+)"[^>]*>([^<]+)</time>', re.DOTALL)
BOT = re.compile(r'phone__line--bot">\s*<p class="phone__bubble"[^>]*>(.*?)</p>', re.DOTALL)


class Tab:
    """A browser tab with the trial of one revision."""

    def __init__(self, browser, revision):
        self.browser = browser
        self.address = f"/dashboard/flows/{revision.flow_id}/revisions/{revision.number}/try"
        self.html = self.browser.get(self.address).content.decode()

    def does(self, **what):
        answer = self.browser.post(self.address, {"memory": self.memory, "say": "", **what})
        assert answer.status_code == 200
        self.html = answer.content.decode()
        return self

    def says(self, *lines):
        for line in lines:
            self.does(say=line)
        return self

    @property
    def memory(self):
        return html.unescape(MEMORY.search(self.html)[1])

    @property
    def last(self):
        """The last message of the bot; the newest comes first on the page."""
        return html.unescape(BOT.search(self.html)[1])


@pytest.fixture
def nadias(client, nadia):
    client.force_login(nadia)
    return client


def draft(definition):
    flow = Flow.objects.create(name="Essais")
    return flow.add_revision(definition, by="Nadia Benali", at=now())


@pytest.fixture
def dealer(nadias):
    """The default flow, tried."""
    return Tab(nadias, draft(parse(library.path_of("mercedes").read_text()).as_json()))


def test_the_page_explains_how_to_start(dealer):
    assert typeset("« bonjour » pour commencer") in dealer.html
    assert not LINE.search(dealer.html)


@pytest.mark.parametrize("zone", ["Africa/Casablanca", "Africa/Abidjan", "Asia/Tokyo"])
def test_the_phone_shows_the_time_of_who_tries_it(nadias, dealer, zone):
    nadias.cookies[ZONE_COOKIE] = zone
    machine_time, local_time = CLOCK.search(dealer.does(restart="1").html).groups()
    assert local_time == datetime.fromisoformat(machine_time).astimezone(ZoneInfo(zone)).strftime("%H:%M")


def test_a_draft_answers_as_it_would_a_client(dealer):
    assert "nom" in dealer.says("bonjour").last
    assert "client" in dealer.says("Fatou Diallo").last
    assert "1. Véhicules neufs" in dealer.says("2").last
    assert "is-here" in dealer.html


def test_a_known_name_is_not_asked_again(dealer):
    dealer.says("bonjour", "Fatou Diallo", "2").does(**{"pass": "1"})
    assert "Une heure passe." in dealer.html
    assert "arrivé à sa fin" in dealer.html
    assert "1. Véhicules neufs" in dealer.says("bonjour").last


def test_a_request_for_an_agent_is_shown(dealer):
    dealer.says("bonjour", "Fatou Diallo", "2", "5")
    assert "Un agent est demandé" in dealer.html


def test_restart_starts_a_new_trial(dealer):
    dealer.says("bonjour").does(restart="1")
    assert not LINE.search(dealer.html)
    assert "nom" in dealer.says("bonjour").last


def test_two_tabs_are_independent(nadias, dealer):
    other = Tab(nadias, Flow.objects.get().latest)
    dealer.says("bonjour", "Fatou Diallo")
    assert "nom" in other.says("bonjour").last


def test_nothing_is_stored_or_sent(dealer):
    dealer.says("bonjour", "Fatou Diallo", "2", "5")
    assert not Execution.objects.exists()
    assert not Conversation.objects.exists()
    assert not MessageDelivery.objects.exists()


def test_a_state_with_an_invalid_signature_starts_a_new_trial(dealer):
    dealer.says("bonjour", "Fatou Diallo")
    memory = dealer.memory
    dealer.does(memory=memory[:-3] + "abc", say="bonjour")
    assert "nom" in dealer.last


def test_the_state_of_another_revision_is_ignored(nadias, dealer):
    dealer.says("bonjour", "Fatou Diallo")
    revision = Flow.objects.get().add_revision(
        parse(library.path_of("mercedes").read_text()).as_json() | {"description": "autre"}, by="", at=now()
    )
    other = Tab(nadias, revision)
    assert "nom" in other.does(memory=dealer.memory, say="bonjour").last


def asks(url):
    """A flow that sends a request, and says whether it succeeded."""
    say = {"type": "send-message", "transitions": [{"event": "sent"}, {"event": "failed"}]}
    return {
        "initial_state": "t",
        "states": [
            {"name": "t", "type": "trigger", "transitions": [{"event": "incomingMessage", "next": "ask"}]},
            {
                "name": "ask",
                "type": "make-http-request",
                "properties": {"method": "POST", "url": url},
                "transitions": [{"event": "success", "next": "yes"}, {"event": "failed", "next": "no"}],
            },
            {"name": "yes", "properties": {"body": "Réussi {{widgets.ask.parsed.success}}"}} | say,
            {"name": "no", "properties": {"body": "Raté"}} | say,
        ],
    }


@pytest.mark.parametrize(
    "url",
    ["https://example.com/prix", "http://127.0.0.1:1/api/twilio/incoming", "https://desk.example/api/twilio/unknown"],
)  # fmt: skip
def test_other_hosts_do_not_answer(nadias, url):
    tab = Tab(nadias, draft(asks(url))).says("bonjour")
    assert tab.last == "Raté"
    assert f"<code>{url}</code>" in tab.html


@pytest.mark.parametrize("host", ["desk.example", "relais.invalid", "studio:secret@desk.example"])
def test_our_own_hooks_answer(nadias, host):
    tab = Tab(nadias, draft(asks(f"https://{host}/api/twilio/complete"))).says("bonjour")
    assert tab.last == "Réussi true"


def test_messages_of_the_bot_are_escaped(nadias):
    definition = asks("x")
    definition["states"][3]["properties"]["body"] = "<script>alert(1)</script>"
    assert "<script>alert" not in Tab(nadias, draft(definition)).says("bonjour").html
