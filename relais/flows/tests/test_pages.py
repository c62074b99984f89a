"""The pages of flows: Nadia imports, checks, publishes and rolls back a flow."""

import copy
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.timezone import now

from relais.accounts.roles import Role
from relais.flows import library
from relais.flows.models import Execution, Flow
from relais.typography import typeset

pytestmark = pytest.mark.django_db

GREETS = {
    "description": "Bonjour",
    "initial_state": "Trigger",
    "flags": {"allow_concurrent_calls": True},
    "states": [
        {
            "name": "Trigger",
            "type": "trigger",
            "transitions": [{"event": "incomingMessage", "next": "demande"}],
            "properties": {"offset": {"x": 0, "y": 0}},
        },
        {
            "name": "demande",
            "type": "send-and-wait-for-reply",
            "transitions": [
                {"event": "incomingMessage", "next": "merci"},
                {"event": "timeout", "next": "silence"},
                {"event": "deliveryFailure"},
            ],
            "properties": {"body": "Votre nom ?", "timeout": "3600"},
        },
        {
            "name": "merci",
            "type": "send-message",
            "transitions": [{"event": "sent"}, {"event": "failed"}],
            "properties": {"body": "Merci {{widgets.demande.inbound.Body}}."},
        },
        {
            "name": "silence",
            "type": "send-message",
            "transitions": [{"event": "sent"}, {"event": "failed"}],
            "properties": {"body": "À bientôt."},
        },
    ],
}


def greets(body="Votre nom ?", **changed):
    definition = copy.deepcopy(GREETS) | changed
    definition["states"][1]["properties"]["body"] = body
    return definition


def with_an_error():
    definition = greets()
    definition["states"][1]["transitions"][1]["next"] = "nulle_part"
    return definition


@pytest.fixture
def nadias(client, nadia):
    """Nadia's browser; here she is an admin only."""
    nadia.role = Role.ADMIN
    nadia.save()
    client.force_login(nadia)
    return client


@pytest.fixture
def flow(db):
    flow = Flow.objects.create(name="Accueil", answers=True)
    flow.add_revision(greets(), by="Nadia Benali", at=now()).publish(at=now())
    return flow


def page(answer):
    return answer.content.decode()


def read(browser, address):
    return page(browser.get(address))


def imports(browser, text, *, name="Accueil", to="/dashboard/flows/import"):
    return browser.post(to, {"name": name, "text": text})


# -- permissions---------------------------------------------------------------------------------------------


ADDRESSES = ("", "/import", "/{pk}", "/{pk}/import", "/{pk}/revisions/1/export", "/{pk}/revisions/1/try")


@pytest.mark.parametrize("role", ["agent", "supervisor"])
def test_flows_are_for_admins_only(client, awa, flow, role):
    awa.change_role(role)
    client.force_login(awa)
    for address in ADDRESSES:
        assert client.get("/dashboard/flows" + address.format(pk=flow.pk)).status_code == 403
    for verb in ("revisions/1/publish", "answers", "import", "sid"):
        assert client.post(f"/dashboard/flows/{flow.pk}/{verb}").status_code == 403
    assert imports(client, json.dumps(GREETS)).status_code == 403
    assert "/dashboard/flows" not in read(client, "/dashboard")


def test_an_anonymous_visitor_is_redirected_to_the_sign_in(client, flow):
    for address in ADDRESSES:
        assert client.get("/dashboard/flows" + address.format(pk=flow.pk))["Location"].startswith(
            "/accounts/login/"
        )


def test_a_missing_flow_or_revision_is_404(nadias, flow):
    for address in ("/9999", "/9999/import", f"/{flow.pk}/revisions/7/try", f"/{flow.pk}/revisions/7/export"):
        assert nadias.get("/dashboard/flows" + address).status_code == 404
    for number in ("7", "x", "-1", "99999999999999", "١"):
        assert nadias.get(f"/dashboard/flows/{flow.pk}", {"revision": number}).status_code == 404
    assert nadias.post(f"/dashboard/flows/{flow.pk}/revisions/7/publish").status_code == 404


# -- the list and a flow --------------------------------------------------------------------------------------


def test_an_empty_list_explains_how_to_import(nadias):
    assert "Aucun parcours." in read(nadias, "/dashboard/flows")


def test_the_list_shows_the_answering_flow_revisions_and_running_executions(nadias, flow, with_bot):
    begins(with_bot, flow.published)
    flow.add_revision(greets("Et vous ?"), by="Nadia Benali", at=now())
    Flow.objects.create(name="A l'essai")
    html = read(nadias, "/dashboard/flows")
    assert html.index("Accueil") < html.index("A l&#x27;essai")
    assert html.count("répond aux clients") == 1
    assert "révision 2" in html
    assert 'data-label="En cours">1</td>' in html
    assert "aucune" in html


def test_a_flow_is_drawn_with_its_states_and_arrows(nadias, flow):
    html = read(nadias, f"/dashboard/flows/{flow.pk}")
    assert html.count('<g class="box') == 4
    assert html.count('<path class="arrow') == 3
    assert "Votre nom ?" in html
    assert "Merci {{widgets.demande.inbound.Body}}." in html
    assert 'href="#s1"' in html and 'id="s1"' in html
    assert " style=" not in html and "<script>" not in html


def test_problems_are_shown_with_state_and_path(nadias, flow):
    flow.add_revision(with_an_error(), by="Nadia Benali", at=now())
    html = read(nadias, f"/dashboard/flows/{flow.pk}?revision=2")
    assert "Une transition mène à un état qui n&#x27;existe pas." in html
    assert "#/states/1/transitions/1/next" in html
    assert "nulle_part&nbsp;?" in html
    assert "jamais atteint" in html


def test_names_are_text_never_markup(nadias):
    definition = greets("<img src=x onerror=alert(1)>")
    definition["states"][3]["name"] = "</text><script>alert(1)</script>"
    assert imports(nadias, json.dumps(definition), name="<b>Gras</b>").status_code == 302
    for address in ("/dashboard/flows", f"/dashboard/flows/{Flow.objects.get().pk}"):
        html = read(nadias, address)
        assert "<script>alert" not in html and "<img src=x" not in html and "<b>Gras" not in html


def test_a_revision_that_is_no_longer_valid_still_has_its_page(nadias, flow):
    flow.revisions.create(number=2, definition={"states": []}, published_at=now())
    html = read(nadias, f"/dashboard/flows/{flow.pk}")
    assert "Cette révision ne peut plus être lue" in html
    answer = nadias.get(f"/dashboard/flows/{flow.pk}/revisions/2/try", follow=True)
    assert "ne peut plus être exécutée" in page(answer)


# -- import and export ----------------------------------------------------------------------------------------


def test_a_flow_is_imported_from_a_file(nadias):
    text = library.path_of("mercedes").read_bytes()
    file = SimpleUploadedFile("mercedes.json", b"\xef\xbb\xbf" + text)
    answer = nadias.post("/dashboard/flows/import", {"name": "Mercedes", "file": file}, follow=True)
    assert "Révision 1 importée en brouillon" in page(answer)
    flow = Flow.objects.get()
    assert flow.published is None
    assert flow.latest.made_by == "Nadia Benali"
    assert json.loads(nadias.get(f"/dashboard/flows/{flow.pk}/revisions/1/export").content) == json.loads(
        text
    )


def test_a_pasted_flow_is_exported_unchanged(nadias):
    definition = greets(unknown_key={"kept": [1, 2.5, None, "é"]})
    imports(nadias, json.dumps(definition), name="Été à l'atelier")
    answer = nadias.get(f"/dashboard/flows/{Flow.objects.get().pk}/revisions/1/export")
    assert json.loads(answer.content) == definition
    assert answer["Content-Disposition"] == 'attachment; filename="ete-a-latelier-1.json"'


def test_a_flow_gets_another_revision(nadias, flow):
    imports(nadias, json.dumps(greets("Et vous ?")), to=f"/dashboard/flows/{flow.pk}/import")
    assert flow.latest.number == 2
    assert flow.published.number == 1


def test_the_same_definition_adds_no_revision(nadias, flow):
    text = json.dumps(greets())
    answer = nadias.post(f"/dashboard/flows/{flow.pk}/import", {"text": text}, follow=True)
    assert "déjà la révision 1" in page(answer)
    assert flow.revisions.count() == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Choisissez un fichier"),
        ("{", "pas du JSON"),
        ("[1, 2]", "pas de liste d&#x27;états"),
        ('"texte"', "pas de liste d&#x27;états"),
        ('{"states": []}', "ne commence pas"),
        ("[" * 5000, "pas du JSON"),
        (json.dumps(greets(note="\x00")), "ne peut pas être gardé"),
        (json.dumps(greets(note="\ud800")), "ne peut pas être gardé"),
        (json.dumps(greets(note=float("nan"))), "ne peut pas être gardé"),
        (json.dumps(greets(note=1)).replace('"note": 1', '"note": 1e999'), "ne peut pas être gardé"),
        (json.dumps(greets(note=1)).replace('"note": 1', '"note": ' + "9" * 5000), "ne peut pas être importé"),
    ],
)  # fmt: skip
def test_an_invalid_definition_is_refused_and_stays_in_the_form(nadias, text, message):
    answer = imports(nadias, text, name="Mon parcours")
    assert answer.status_code == 422
    assert message in page(answer)
    assert 'value="Mon parcours"' in page(answer)
    assert (text[:20].replace('"', "&quot;") or "textarea") in page(answer)
    assert not Flow.objects.exists()


def test_each_problem_of_an_invalid_flow_is_shown_with_its_path(nadias):
    definition = greets()
    definition["states"].append(definition["states"][1])
    html = page(imports(nadias, json.dumps(definition)))
    assert "Un autre état porte déjà ce nom." in html
    assert "<bdi>demande</bdi>" in html
    assert "#/states/4/name" in html


def test_a_refused_file_shows_its_text_in_the_form(nadias):
    file = SimpleUploadedFile("flow.json", b'{"states": [], "mine": "un long travail"}')
    answer = nadias.post("/dashboard/flows/import", {"name": "A", "file": file})
    assert answer.status_code == 422
    assert "un long travail" in page(answer)


def test_a_file_that_is_too_large_or_binary_is_refused(nadias):
    large = SimpleUploadedFile("flow.json", b" " * (1024 * 1024 + 1))
    assert "dépasse 1 Mo" in page(nadias.post("/dashboard/flows/import", {"name": "A", "file": large}))
    picture = SimpleUploadedFile("flow.json", b"\xff\xd8\xff\xe0")
    assert "UTF-8" in page(nadias.post("/dashboard/flows/import", {"name": "A", "file": picture}))
    pasted = "[" + "1," * 550_000 + "1]"
    assert "dépasse 1 Mo" in page(imports(nadias, pasted))
    assert not Flow.objects.exists()


def test_a_duplicate_name_is_refused(nadias, flow):
    answer = imports(nadias, json.dumps(GREETS), name="ACCUEIL")
    assert answer.status_code == 422
    assert "porte déjà ce nom" in page(answer)


SID, SUBFLOW_SID = "FW" + "1" * 32, "FW" + "2" * 32


def test_a_flow_has_the_sid_of_the_form(nadias):
    nadias.post("/dashboard/flows/import", {"name": "A", "text": json.dumps(GREETS), "sid": f" {SID} "})
    assert Flow.objects.get().sid == SID


def test_a_response_of_twilios_api_provides_its_sid(nadias):
    answer = {"sid": SID, "friendly_name": "Accueil", "definition": json.dumps(GREETS)}
    imports(nadias, json.dumps(answer), name="A")
    flow = Flow.objects.get()
    assert (flow.sid, flow.latest.definition) == (SID, GREETS)
    answer = imports(nadias, json.dumps(answer), name="B")
    assert answer.status_code == 422
    assert typeset("« A » a déjà ce SID") in page(answer)


@pytest.mark.parametrize("sid", ["FW1", "AC" + "1" * 32, "FW" + "é" * 32])
def test_an_invalid_sid_is_refused(nadias, flow, sid):
    answer = nadias.post("/dashboard/flows/import", {"name": "A", "text": json.dumps(GREETS), "sid": sid})
    assert answer.status_code == 422 and "FW suivi de 32" in page(answer)
    assert "FW suivi de 32" in page(nadias.post(f"/dashboard/flows/{flow.pk}/sid", {"sid": sid}, follow=True))
    assert Flow.objects.get().sid == flow.sid


def test_a_missing_sub_flow_is_shown_until_it_is_published(nadias, flow):
    definition = greets()
    to = [{"event": "completed"}, {"event": "failed", "next": "silence"}]
    down = {
        "name": "descend",
        "type": "run-subflow",
        "transitions": to,
        "properties": {"flow_sid": SUBFLOW_SID},
    }
    definition["states"].append(down)
    flow.add_revision(definition, by="", at=now()).publish(at=now())
    html = read(nadias, f"/dashboard/flows/{flow.pk}")
    assert SUBFLOW_SID in html and f"/dashboard/flows/import?sid={SUBFLOW_SID}" in html
    assert f'value="{SUBFLOW_SID}"' in read(nadias, f"/dashboard/flows/import?sid={SUBFLOW_SID}")
    subflow = Flow.objects.create(name="Dessous")
    subflow.add_revision(greets(), by="", at=now()).publish(at=now())
    assert "SID enregistré" in page(
        nadias.post(f"/dashboard/flows/{subflow.pk}/sid", {"sid": SUBFLOW_SID}, follow=True)
    )
    assert SUBFLOW_SID not in read(nadias, f"/dashboard/flows/{flow.pk}").partition("revisions")[0]
    refused = page(nadias.post(f"/dashboard/flows/{flow.pk}/sid", {"sid": SUBFLOW_SID}, follow=True))
    assert typeset("« Dessous » a déjà ce SID") in refused


# -- publishing -----------------------------------------------------------------------------------------------


def publishes(browser, flow, number, **more):
    return browser.post(f"/dashboard/flows/{flow.pk}/revisions/{number}/publish", more, follow=True)


def begins(conversation, revision):
    """The bot's execution in a conversation, as the runner starts one."""
    return Execution.objects.create(
        conversation=conversation,
        revision=revision,
        state={},
        consumed_seq=0,
        about=conversation.events.first(),
        path=["Trigger", "demande"],
    )


def test_a_draft_is_published_and_rolled_back(nadias, flow):
    flow.add_revision(greets("Et vous ?"), by="Nadia Benali", at=now())
    assert "Révision 2 publiée." in page(publishes(nadias, flow, 2))
    assert flow.published.number == 2
    html = read(nadias, f"/dashboard/flows/{flow.pk}")
    assert "Revenir à celle-ci" in html
    assert html.index("revision=2") < html.index("revision=1")
    publishes(nadias, flow, 1)
    assert flow.published.number == 1


def test_running_executions_stay_on_their_revision(nadias, flow, with_bot):
    running = begins(with_bot, flow.published)
    flow.add_revision(greets("Et vous ?"), by="Nadia Benali", at=now())
    message = page(publishes(nadias, flow, 2))
    assert "1 conversation en cours finit sur la révision où elle a commencé." in message
    running.refresh_from_db()
    assert (running.revision.number, running.ended_at) == (1, None)


def test_a_revision_with_errors_needs_a_confirmation(nadias, flow):
    flow.add_revision(with_an_error(), by="Nadia Benali", at=now())
    assert "a des erreurs" in page(publishes(nadias, flow, 2))
    assert flow.published.number == 1
    publishes(nadias, flow, 2, anyway="1")
    assert flow.published.number == 2


def test_another_flow_can_answer_the_clients(nadias, flow):
    other = Flow.objects.create(name="Été")
    other.add_revision(greets("L'été ?"), by="Nadia Benali", at=now()).publish(at=now())
    nadias.post(f"/dashboard/flows/{other.pk}/answers")
    assert list(Flow.objects.filter(answers=True)) == [other]


def test_a_flow_without_a_published_revision_cannot_answer_clients(nadias, flow):
    other = Flow.objects.create(name="Été")
    other.add_revision(greets("L'été ?"), by="Nadia Benali", at=now())
    answer = nadias.post(f"/dashboard/flows/{other.pk}/answers", follow=True)
    assert "Publiez d&#x27;abord" in page(answer)
    assert list(Flow.objects.filter(answers=True)) == [flow]


def by_request():
    definition = greets()
    definition["states"][0]["transitions"] = [{"event": "incomingRequest", "next": "demande"}]
    return definition


def test_a_flow_that_no_message_starts_cannot_answer_clients(nadias, flow):
    other = Flow.objects.create(name="Rappels")
    other.add_revision(by_request(), by="", at=now()).publish(at=now())
    answer = nadias.post(f"/dashboard/flows/{other.pk}/answers", follow=True)
    assert "laisserait les clients sans réponse" in page(answer)
    assert list(Flow.objects.filter(answers=True)) == [flow]
    assert typeset("Appel REST : pas disponible ici") in read(nadias, f"/dashboard/flows/{other.pk}")
    assert typeset("Message d&#x27;un client : le parcours s&#x27;exécute") in read(
        nadias, f"/dashboard/flows/{flow.pk}"
    )


@pytest.mark.parametrize("more", [{}, {"anyway": "1"}])
def test_a_revision_that_no_message_starts_does_not_replace_the_one_that_answers(nadias, flow, more):
    flow.add_revision(by_request(), by="", at=now())
    assert "laisserait les clients sans réponse" in page(publishes(nadias, flow, 2, **more))
    assert flow.published.number == 1


@pytest.mark.parametrize("verb", ["revisions/1/publish", "answers", "sid"])
def test_actions_require_post(nadias, flow, verb):
    assert nadias.get(f"/dashboard/flows/{flow.pk}/{verb}").status_code == 405


# -- the client's path ----------------------------------------------------------------------------------------


def test_the_path_is_highlighted_for_whoever_sees_the_conversation(client, awa, flow, with_bot):
    begins(with_bot, flow.published)
    client.force_login(awa)
    assert f'href="/dashboard/chat/{with_bot.pk}/path"' in read(client, f"/dashboard/chat/{with_bot.pk}")
    html = read(client, f"/dashboard/chat/{with_bot.pk}/path")
    assert html.count('<g class="box is-lit') == 2
    assert 'class="box is-lit is-here" id="b1"' in html
    assert html.count("arrow is-lit") == 1


def test_without_an_execution_there_is_no_path_and_no_link(client, awa, with_bot):
    client.force_login(awa)
    assert "Parcours du bot" not in read(client, f"/dashboard/chat/{with_bot.pk}")
    assert client.get(f"/dashboard/chat/{with_bot.pk}/path").status_code == 404


def test_an_outsider_gets_404_for_the_path(client, yao, sales, flow, with_bot):
    begins(with_bot, flow.published)
    with_bot.team = sales
    with_bot.save(update_fields=["team"])
    client.force_login(yao)
    assert client.get(f"/dashboard/chat/{with_bot.pk}/path").status_code == 404


def test_each_execution_has_its_path(client, awa, flow, with_bot):
    first = begins(with_bot, flow.published)
    Execution.objects.filter(pk=first.pk).update(ended_at=now(), end_reason="completed")
    begins(with_bot, flow.published)
    client.force_login(awa)
    assert "en cours" in read(client, f"/dashboard/chat/{with_bot.pk}/path")
    assert "arrivé à sa fin" in read(client, f"/dashboard/chat/{with_bot.pk}/path?run={first.sid}")
    assert client.get(f"/dashboard/chat/{with_bot.pk}/path?run=FN0").status_code == 404
