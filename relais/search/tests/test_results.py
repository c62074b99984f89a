"""What a page of results contains: reach, order, filters, pages, excerpts, clients."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import localdate

from relais.clients.models import Client
from relais.conversations.models import Conversation, ConversationEvent, Media
from relais.crm.editing import change_tags
from relais.notes.models import Note
from relais.search import message_search, results
from tests.cast import FATOU, IBRAHIM

pytestmark = pytest.mark.django_db


def json_of(client: Any, user: Any, **parameters: str) -> dict[str, Any]:
    client.force_login(user)
    response = client.get("/dashboard/search", parameters, headers={"Accept": "application/json"})
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


# -- the contract -------------------------------------------------------------------------------------------


def test_the_json_of_a_message(client, awa, fatou_writes):
    conversation = fatou_writes("Le <b>voyant</b> moteur & cie")
    [result] = json_of(client, awa, q="voyant")["results"]
    event = conversation.events.get()
    assert result | {"url": "", "at": ""} == {
        "kind": "message",
        "conversation": conversation.pk,
        "event": event.pk,
        "client": conversation.client_id,
        "at": "",
        "excerpt": "Le &lt;b&gt;<mark>voyant</mark>&lt;/b&gt; moteur &amp; cie",
        "client_name": "Fatou",
        "author": "Fatou",
        "url": "",
    }
    assert result["at"] == event.created_at.isoformat()
    assert result["url"] == f"/dashboard/chat/{conversation.pk}#message-{event.pk}"


def test_the_json_of_a_client(client, awa, fatou_writes):
    conversation = fatou_writes("Bonjour", name="Fatou Benali")
    body = json_of(client, awa, q="fatou")
    [result] = body["results"]
    assert result["kind"] == "client"
    assert (result["client"], result["conversation"]) == (conversation.client_id, conversation.pk)
    assert result["event"] is None
    assert result["excerpt"].startswith("<mark>Fatou</mark> Benali · +212")
    assert body["next"] is None


def test_the_anonymous_sign_in_first(client, db):
    assert client.get("/dashboard/search?q=x").status_code == 302
    refused = client.get("/dashboard/search?q=x", headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (401, "login")


def test_only_reading_is_allowed(client, awa):
    client.force_login(awa)
    assert client.post("/dashboard/search", {"q": "x"}).status_code == 405


# -- reach ---------------------------------------------------------------------------------------------------


@pytest.fixture
def of_sales(fatou_writes, sales):
    conversation = fatou_writes("un secret de Fatou", name="Fatou Benali")
    Conversation.objects.filter(pk=conversation.pk).update(team=sales)
    Client.objects.filter(pk=conversation.client_id).update(
        email="fatou@example.com", vin="WDD2050471F123456"
    )
    return conversation


@pytest.mark.parametrize(
    "query",
    ["secret", '"un secret"', "secr", "fatou", "fatou@example.com", "600000001", "F123456", "-x secret"],
)
@pytest.mark.parametrize("order", ["newest", "best"])
@pytest.mark.parametrize("kind", ["", "message", "client"])
def test_outsiders_find_nothing(client, yao, of_sales, query, order, kind):
    body = json_of(client, yao, q=query, order=order, type=kind)
    assert (body["results"], body["next"], body["searched_back_to"]) == ([], None, None)


def test_members_of_the_team_and_supervisors_find_it(client, awa, mariam, sales, of_sales, events_found):
    assert events_found("secret", awa) == []
    awa.team = sales
    awa.save()
    assert events_found("secret", awa) == ["un secret de Fatou"]
    assert events_found("secret", mariam) == ["un secret de Fatou"]


def test_pages_and_cursors_tell_nothing_of_what_is_out_of_reach(
    client, awa, fatou_writes, sales, monkeypatch
):
    monkeypatch.setattr(results, "PAGE_SIZE", 2)
    hidden = fatou_writes("secret caché")
    for _ in range(5):
        fatou_writes("secret caché")
    Conversation.objects.filter(pk=hidden.pk).update(team=sales)
    for n in range(2):
        fatou_writes(f"secret {n}", address=IBRAHIM, name="Ibrahim")
    for order in ("newest", "best"):
        body = json_of(client, awa, q="secret", order=order)
        assert len(body["results"]) == 2
        assert body["next"] is None, "what is out of reach makes no next page"


def test_a_former_agent_finds_nothing(of_sales, found, mariam):
    mariam.is_active = False
    assert found("secret", mariam).hits == []


def test_a_client_without_a_conversation_is_found_by_everybody(db, awa, yao, found):
    """As in the directory of clients."""
    client = Client.objects.create(client_full_name="Hélène Soro")
    for user in (awa, yao):
        [hit] = found("helene", user).clients
        assert (hit.conversation, hit.url) == (None, f"/dashboard/clients/{client.pk}")
    assert found("helene", awa, status="open").clients == []


# -- order and pages ----------------------------------------------------------------------------------------


def test_newest_first(fatou_writes, events_found):
    for text in ("devis un", "rien", "devis deux"):
        fatou_writes(text)
    assert events_found("devis") == ["devis deux", "devis un"]


def test_best_first(fatou_writes, events_found):
    near = "le devis freins avant est prêt"
    far = "un devis pour la courroie, la batterie, deux pneus, la vidange et puis aussi les freins"
    other_form = "des devis de frein avant"
    for text in (near, far, other_form):
        fatou_writes(text)
    assert events_found("devis freins ", order="best") == [near, other_form, far]


@pytest.mark.parametrize("order", ["newest", "best"])
def test_pages_have_every_hit_once(client, awa, fatou_writes, monkeypatch, order):
    monkeypatch.setattr(results, "PAGE_SIZE", 3)
    for n in range(10):
        fatou_writes(f"devis {n} " + "freins " * (n % 3))
    seen: list[int] = []
    after = ""
    for page_number in range(1, 10):
        body = json_of(client, awa, q="devis", order=order, after=after)
        seen += [result["event"] for result in body["results"]]
        if page_number == 1:
            fatou_writes("devis arrivé entre deux pages")
        after = body["next"]
        if not after:
            break
    assert page_number == 4
    assert len(seen) == len(set(seen)) == 10
    if order == "newest":
        assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 40, "1-2-3", "٣", "9" * 18, "9" * 18 + "c", "0", "0c"])
@pytest.mark.parametrize("order", ["newest", "best"])
def test_an_invalid_cursor_is_no_error(client, awa, fatou_writes, cursor, order):
    fatou_writes("devis")
    json_of(client, awa, q="devis", order=order, after=cursor)


@pytest.mark.parametrize("query", ["devis ", "dev", '"un devis"', "-rien un dev"])
@pytest.mark.parametrize("max_rest_hits", [0, 1, 10_000])
@pytest.mark.parametrize("max_slices_at_once", [0, 4, 200])
def test_the_whole_history_is_searched_slice_by_slice(
    fatou_writes, events_found, monkeypatch, query, max_rest_hits, max_slices_at_once
):
    monkeypatch.setattr(message_search, "SLICE_BITS", 0)
    monkeypatch.setattr(message_search, "STEP_SLICES", (2, 3))
    monkeypatch.setattr(message_search, "STEP_SLICES_OF_BEGINNING", (2, 3))
    monkeypatch.setattr(message_search, "MAX_REST_HITS", max_rest_hits)
    monkeypatch.setattr(message_search, "MAX_SLICES_AT_ONCE", max_slices_at_once)
    for n in range(12):
        fatou_writes(f"un devis {n}" if n % 4 == 0 else "rien")
    assert events_found(query) == ["un devis 8", "un devis 4", "un devis 0"]


def test_a_rest_with_more_hits_than_expected_is_searched_step_by_step(
    fatou_writes, events_found, monkeypatch
):
    monkeypatch.setattr(message_search, "SLICE_BITS", 0)
    monkeypatch.setattr(message_search, "STEP_SLICES", (2, 3))
    cancelled: list[None] = []

    def cancelled_rest(self, cursor, found, slices, *args):
        if slices is None and not cancelled:
            cancelled.append(found.ids.append(0))
            cursor.execute("set local statement_timeout = '10ms'")
            cursor.execute("select pg_sleep(5)")
        collect(self, cursor, found, slices, *args)

    collect = message_search._Statement.collect
    monkeypatch.setattr(message_search._Statement, "collect", cancelled_rest)
    for n in range(12):
        fatou_writes(f"devis {n}" if n == 7 else "rien")
    assert events_found("devis ") == ["devis 7"]
    assert cancelled, "the newest slices have no hit, so the rest is tried"


@pytest.mark.parametrize("query", ["prendre rendez vous ", "prendre rendez"])
def test_the_index_is_asked_for_the_newest_slices_only(fatou_writes, found, query):
    """Words that stand together are not rare: without the slices in the index, all their messages would be read."""
    for n in range(40):
        fatou_writes(f"prendre rendez vous {n}")
    with connection.cursor() as cursor:
        cursor.execute("analyze conversation_events")
    with CaptureQueriesContext(connection) as captured:
        found(query)
    [sql, *_] = [each["sql"] for each in captured if "event.body as text" in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        cursor.execute("explain " + sql)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    [condition] = [line for line in plan.split("\n") if "Index Cond" in line and "body" in line]
    assert ">> 14))::integer" in condition, plan


# -- the time limit -----------------------------------------------------------------------------------------


def test_a_slow_search_says_how_far_it_got_and_can_be_continued(
    client, awa, fatou_writes, monkeypatch, clock
):
    monkeypatch.setattr(message_search, "SLICE_BITS", 1)
    monkeypatch.setattr(message_search, "STEP_SLICES", (1,))
    for n in range(8):
        fatou_writes(f"devis {n}" if n in (0, 7) else "rien")
        clock.passes(days=1)
    monkeypatch.setattr(results, "TIME_LIMIT_MS", 0)  # Only the first step.
    body = json_of(client, awa, q="devis")
    found = [result["excerpt"] for result in body["results"]]
    assert found in ([], ["<mark>devis</mark> 7"])
    assert body["next"].endswith("c")
    assert body["searched_back_to"]
    page = client.get("/dashboard/search?q=devis")
    assert "Continuer" in page.content.decode()
    rest = json_of(client, awa, q="devis", after=body["next"])
    found += [result["excerpt"] for result in rest["results"]]
    assert found == ["<mark>devis</mark> 7", "<mark>devis</mark> 0"]
    assert rest["next"] is None


def test_a_statement_that_exceeds_the_limit_ends_the_search_and_nothing_else(
    fatou_writes, found, monkeypatch
):
    fatou_writes("devis")
    slow = message_search.SELECT_HITS.replace("where {checks}", "where pg_sleep(5) is not null and {checks}")
    monkeypatch.setattr(message_search, "SELECT_HITS", slow)
    monkeypatch.setattr(message_search, "FIRST_STEP_TIME_LIMIT_MS", 50)
    page = found("devis")
    assert page.messages == []
    assert page.next.endswith("c")
    assert Conversation.objects.count() == 1, "the connection can still be used"


# -- filters ------------------------------------------------------------------------------------------------


def test_by_type(fatou_writes, events_found, clock):
    conversation = fatou_writes("facture")
    conversation.record_menu_choice("factures", user_input="facture 2", at=clock.now)
    conversation.record_answer("numero", user_input="facture 3", at=clock.now)
    from relais.conversations.inbound_messages import InboundMedia

    fatou_writes("ma facture", media=(InboundMedia("https://api.twilio.com/x", "application/pdf"),))
    assert events_found("facture", type="message") == ["ma facture", "facture"]
    assert events_found("facture", type="choice") == ["facture 3", "facture 2"]
    assert events_found("facture", type="file") == ["ma facture"]
    assert events_found("facture", type="client") == []


def test_an_answer_to_the_bot_is_shown_once(fatou_writes, events_found, clock):
    conversation = fatou_writes("Classe C")
    conversation.record_answer("modele", user_input="Classe C", at=clock.now)
    assert events_found("classe") == ["Classe C"]


def test_files_by_their_name(fatou_writes, found):
    from relais.conversations.inbound_messages import InboundMedia

    fatou_writes("", media=(InboundMedia("https://api.twilio.com/x", "application/pdf"),))
    Media.objects.update(filename="Devis_Réparation-2026.pdf")
    [hit] = found("réparation devis").messages
    assert hit.excerpt == "<mark>Devis_Réparation</mark>-2026.pdf"


def test_by_agent_and_status(held_by_awa, awa, koffi, fatou_writes, events_found):
    fatou_writes("un devis")
    fatou_writes("un autre devis", address=IBRAHIM, name="Ibrahim")
    assert events_found("devis", agent=str(awa.pk)) == ["un devis"]
    assert events_found("devis", agent=str(koffi.pk)) == []
    assert events_found("devis", status="held") == ["un devis"]
    assert events_found("devis", status="active") == ["un autre devis"]
    assert events_found("devis", status="ended") == []


def test_by_date(fatou_writes, events_found, clock):
    for n in range(5):
        fatou_writes(f"devis {n}")
        clock.passes(days=10)
    days = [localdate(event.created_at) for event in ConversationEvent.objects.order_by("pk")]
    assert events_found("devis", **{"from": str(days[3])}) == ["devis 4", "devis 3"]
    assert events_found("devis", to=str(days[1])) == ["devis 1", "devis 0"]
    assert events_found("devis", **{"from": str(days[2]), "to": str(days[2])}) == ["devis 2"]
    between = {"from": str(days[2] + timedelta(days=1)), "to": str(days[3] - timedelta(days=1))}
    assert events_found("devis", **between) == []


@pytest.mark.parametrize("name", ["type", "status", "agent", "from", "to", "order"])
def test_an_invalid_filter_is_ignored_and_reported(client, awa, fatou_writes, name):
    fatou_writes("devis")
    body = json_of(client, awa, q="devis", **{name: "n'importe quoi"})
    assert (len(body["results"]), body["ignored"]) == (1, [name])
    page = client.get("/dashboard/search", {"q": "devis", name: "n'importe quoi"})
    assert "pas été compris" in page.content.decode()


# -- tags ---------------------------------------------------------------------------------------------------


@pytest.fixture
def tagged(fatou_writes, awa, clock):
    """Conversations about a quote: Fatou's has a tag, Ibrahim's client has one, and Aya's has none."""
    fatou = fatou_writes("devis de Fatou")
    ibrahim = fatou_writes("devis d'Ibrahim", address=IBRAHIM, name="Ibrahim")
    fatou_writes("devis d'Aya", address="whatsapp:+2250700000003", name="Aya")
    fatou.change_tags(add=["À rappeler"], remove=[], by=awa, at=clock.now)
    change_tags(ibrahim.client, add=["Flotte"], by=awa, at=clock.now)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("À rappeler", ["devis de Fatou"]),
        ("a rappeler", ["devis de Fatou"]),
        ("FLOTTE", ["devis d'Ibrahim"]),
        ("  ", ["devis d'Aya", "devis d'Ibrahim", "devis de Fatou"]),
    ],
)
@pytest.mark.parametrize("looked_up_by_id", [True, False])
def test_by_tag_of_the_conversation_or_of_the_client(
    tagged, events_found, tag, expected, looked_up_by_id, monkeypatch
):
    if not looked_up_by_id:
        monkeypatch.setattr("relais.search.filters.MAX_TAGGED_BY_ID", 0)
    assert events_found("devis", tag=tag) == expected


def test_a_tag_of_both_finds_both(tagged, awa, clock, events_found):
    fatou = Conversation.objects.get(client__whatsapp_profile_name="Fatou")
    fatou.change_tags(add=["flotte"], remove=[], by=awa, at=clock.now)
    assert events_found("devis", tag="Flotte") == ["devis d'Ibrahim", "devis de Fatou"]


def test_a_tag_filters_clients_and_notes(tagged, client, awa, clock):
    fatou = Conversation.objects.get(client__whatsapp_profile_name="Fatou")
    Note.write(fatou, "devis promis", author=awa, at=clock.now)
    imported = Client.objects.create(client_full_name="Ibrahim Sow")
    change_tags(imported, add=["Flotte"], by=awa, at=clock.now)
    kinds = [each["kind"] for each in json_of(client, awa, q="devis", tag="à rappeler")["results"]]
    assert sorted(kinds) == ["message", "note"]
    names = {each["client_name"] for each in json_of(client, awa, q="ibrahim", tag="flotte")["results"]}
    assert names == {"Ibrahim", "Ibrahim Sow"}
    with_agent = json_of(client, awa, q="ibrahim", tag="flotte", status="held")["results"]
    assert with_agent == []


def test_a_tag_of_a_conversation_out_of_reach_finds_nothing(tagged, client, yao, sales):
    Conversation.objects.filter(client__whatsapp_profile_name="Fatou").update(team=sales)
    body = json_of(client, yao, q="devis", tag="a rappeler")
    assert (body["results"], body["unknown_tag"]) == ([], None)


def test_an_unknown_tag_finds_nothing_and_is_named(tagged, client, awa):
    body = json_of(client, awa, q="devis", tag="zébre")
    assert (body["results"], body["unknown_tag"], body["ignored"]) == ([], "zébre", [])
    page = client.get("/dashboard/search", {"q": "devis", "tag": "zébre"}).content.decode()
    assert "Aucune étiquette «\xa0zébre\xa0»." in page and "Retirer les filtres" in page


# -- clients ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        *("fatou", "FATOU BENALI", "benali fatou", "fat", "enal", "helene@Example", "helene@example.com"),
        *("600000001", "06 00 00 00 01", "+212 600-000-001", "00212600000001", "٦٠٠٠٠٠٠٠١", "0000001"),
        *("WDD2050471F123456", "wdd205", "f123456", "F 123 456", "VIP-00123", "00123"),
    ],
)
def test_a_client_by_a_part(fatou_writes, found, query):
    conversation = fatou_writes("Bonjour", name="Fatou Bénali")
    Client.objects.filter(pk=conversation.client_id).update(
        email="helene@example.com", vin="WDD2050471F123456", carte_vip="VIP-00123"
    )
    assert [hit.client.pk for hit in found(query).clients] == [conversation.client_id]


@pytest.mark.parametrize("query", ["فاطمة", "فاطمه", "الزهراء فاطمة", "زهر"])
def test_a_client_by_an_arabic_name(fatou_writes, found, query):
    conversation = fatou_writes("Bonjour", name="فاطمة الزهراء")
    assert [hit.client.pk for hit in found(query).clients] == [conversation.client_id]


@pytest.mark.parametrize("query", ["koffi", "fatou koffi", "700000009", "XYZ9999"])
def test_another_client_is_not_found(fatou_writes, found, query):
    fatou_writes("Bonjour", name="Fatou Benali")
    assert found(query).clients == []


def test_those_who_wrote_last_come_first(fatou_writes, found, clock):
    fatou_writes("un", name="Fatou A", address=FATOU)
    clock.passes(minutes=1)
    fatou_writes("deux", name="Fatou B", address=IBRAHIM)
    assert [hit.client.name for hit in found("fatou").clients] == ["Fatou B", "Fatou A"]


def test_clients_that_take_too_long_are_said(fatou_writes, client, awa, monkeypatch):
    from relais.search import client_search

    fatou_writes("Fatou ici")
    monkeypatch.setattr(client_search, "TIME_LIMIT_MS", 1)
    slow = "pg_sleep(0.2) is not null and relais_words('x') @@ %s::tsquery is not null"
    monkeypatch.setattr(client_search, "WORDS_OF_NAME", slow)
    client.force_login(awa)
    page = client.get("/dashboard/search?q=fatou").content.decode()
    assert "prenait trop de temps" in page
    assert "<mark>Fatou</mark>" in page, "the messages are shown all the same"


# -- notes --------------------------------------------------------------------------------------------------


@pytest.fixture
def noted(fatou_writes, awa, clock):
    conversation = fatou_writes("un devis")
    Note.write(conversation, "Devis promis pour mardi", author=awa, at=clock.passes(minutes=1))
    fatou_writes("ce devis ?", address=IBRAHIM, name="Ibrahim")
    return conversation


def test_the_json_of_a_note(client, awa, noted):
    note = Note.objects.get()
    [result] = json_of(client, awa, q="promis")["results"]
    assert (result["kind"], result["conversation"], result["event"]) == ("note", noted.pk, None)
    assert result["excerpt"] == "Devis <mark>promis</mark> pour mardi"
    assert result["url"] == f"/dashboard/chat/{noted.pk}#note-{note.pk}"
    assert result["author"] == "Awa Diop"


def test_notes_stand_between_the_messages(client, awa, noted):
    kinds = [result["kind"] for result in json_of(client, awa, q="devis")["results"]]
    assert sorted(kinds) == ["message", "message", "note"]
    assert kinds[-1] == "message"
    assert [r["kind"] for r in json_of(client, awa, q="devis", type="note")["results"]] == ["note"]
    assert [r["kind"] for r in json_of(client, awa, q="devis", type="message")["results"]] == ["message"] * 2


@pytest.mark.parametrize("order", ["newest", "best"])
def test_pages_have_every_message_and_note_once(client, awa, noted, fatou_writes, clock, monkeypatch, order):
    monkeypatch.setattr(results, "PAGE_SIZE", 2)
    for n in range(4):
        Note.write(noted, f"devis {n}", author=awa, at=clock.passes(minutes=1))
        fatou_writes(f"devis {n}")
    seen: list[str] = []
    after = ""
    for _ in range(9):
        body = json_of(client, awa, q="devis", order=order, after=after)
        seen += [result["url"] for result in body["results"]]
        after = body["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 11


def test_notes_out_of_reach_are_not_found(client, yao, sales, noted):
    Conversation.objects.update(team=sales)
    for kind in ("", "note"):
        body = json_of(client, yao, q="promis", type=kind)
        assert (body["results"], body["next"]) == ([], None)


def test_an_edited_note_is_found_by_its_new_text_and_a_deleted_one_not_at_all(noted, awa, found, clock):
    note = Note.objects.get()
    note.edit("Rappeler jeudi", by=awa, at=clock.now)
    assert found("promis").messages == []
    assert len(found("rappeler").messages) == 1
    note.remove(by=awa, at=clock.now)
    assert found("rappeler").messages == []


def test_notes_by_date(noted, found, clock):
    day = str(localdate(Note.objects.get().created_at))
    assert len(found("promis", **{"from": day, "to": day}).messages) == 1
    assert found("promis", to="2020-01-01").messages == []


# -- excerpts -----------------------------------------------------------------------------------------------


def excerpt_of(found: Any, query: str) -> str:
    [hit] = found(query).messages
    return str(hit.excerpt)


def test_written_words_are_lit(fatou_writes, found):
    fatou_writes("Les Réparations, réparé ; réparation… l'atelier")
    lit = "Les <mark>Réparations</mark>, <mark>réparé</mark> ; <mark>réparation</mark>… l&#x27;atelier"
    assert excerpt_of(found, "reparation ") == lit
    assert "l&#x27;<mark>atelier</mark>" in excerpt_of(found, "l'atelier")


def test_the_beginning_of_a_word_lights_the_word(fatou_writes, found):
    fatou_writes("une réparation rapide")
    assert excerpt_of(found, "réparati") == "une <mark>réparation</mark> rapide"


def test_arabic_words_are_lit_as_written(fatou_writes, found):
    fatou_writes("أريد موعداً للصيانة")
    assert excerpt_of(found, "صيانة ") == "أريد موعداً <mark>للصيانة</mark>"


def test_an_excerpt_is_the_part_with_the_hits(fatou_writes, found):
    fatou_writes("début " + "mot " * 200 + "le devis des freins " + "mot " * 200)
    excerpt = excerpt_of(found, "devis freins ")
    assert "<mark>devis</mark> des <mark>freins</mark>" in excerpt
    assert excerpt.startswith("… ")
    assert excerpt.endswith(" …")
    assert len(excerpt) < 320


def test_an_old_message_opens_on_its_page(fatou_writes, found):
    for n in range(100):
        conversation = fatou_writes("le devis" if n == 10 else "rien")
    [hit] = found("devis").messages
    assert hit.url == f"/dashboard/chat/{conversation.pk}?around=message-{hit.event}#message-{hit.event}"


def test_the_page_opened_at_a_hit_has_it(client, awa, fatou_writes, found):
    for n in range(100):
        fatou_writes("le devis" if n == 10 else "rien")
    [hit] = found("devis", awa).messages
    client.force_login(awa)
    assert f'id="message-{hit.event}"' in client.get(hit.url.partition("#")[0]).content.decode()
