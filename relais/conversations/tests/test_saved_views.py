"""Saved views: filters of the list of conversations under a name, for oneself or for everyone."""

import pytest
from django.test import Client

from relais.conversations import saved_views
from relais.conversations.models import SavedView
from relais.conversations.tests.test_pages import get_html, signed_in_client

pytestmark = pytest.mark.django_db


def json_client(user):
    client = Client(headers={"accept": "application/json"})
    client.force_login(user)
    return client


def names(user):
    return [view["name"] for view in json_client(user).get("/dashboard/views").json()["results"]]


def save(user, **fields):
    return json_client(user).post(
        "/dashboard/views", {"name": "Les miennes", "query": "status=held"} | fields
    )


def test_saving_gives_the_filters_a_name(awa):
    response = save(awa, query="?status=held&q=&from=today&after=1-2")
    view = SavedView.objects.get()
    assert response.json() == {
        "success": True,
        "view_id": view.pk,
        "url": "/dashboard/conversations?from=today&status=held",
    }
    html = get_html(awa, "/dashboard/conversations?status=held&from=today")
    assert 'aria-current="page"' in html.split('id="saved-views"')[1].split("</nav>")[0]
    assert "Supprimer cette vue" in html


def test_without_scripts_a_form_saves_and_opens_the_view(awa, with_bot):
    assert "Enregistrer cette vue" in get_html(awa, "/dashboard/conversations?status=active")
    assert "Enregistrer cette vue" not in get_html(awa, "/dashboard/conversations")
    response = signed_in_client(awa).post("/dashboard/views", {"name": "Bot", "query": "status=active"})
    assert (response.status_code, response["Location"]) == (302, "/dashboard/conversations?status=active")


def test_the_same_name_again_replaces_the_view(awa):
    save(awa)
    save(awa, query="status=ended")
    assert [view.query for view in SavedView.objects.all()] == ["status=ended"]


def test_others_see_what_is_shared_only(awa, koffi):
    save(awa, name="À moi")
    save(awa, name="À tous", shared="1")
    assert names(awa) == ["À moi", "À tous"]
    assert names(koffi) == ["À tous"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"name": " "}, "name"), ({"name": "a" * 61}, "name"), ({"query": ""}, "query"),
     ({"query": "after=1-2"}, "query"), ({"query": "q=" + "a" * 600}, "query")],
)  # fmt: skip
def test_unusable_fields_are_refused(awa, fields, code):
    response = save(awa, **fields)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert not SavedView.objects.exists()


def test_the_number_is_limited(awa, monkeypatch):
    monkeypatch.setattr(saved_views, "MAX_VIEWS_PER_USER", 2)
    save(awa, name="1"), save(awa, name="2")
    assert save(awa, name="3").json()["code"] == "too_many"
    assert save(awa, name="2").status_code == 200


def test_only_the_owner_or_a_supervisor_deletes(awa, koffi, mariam):
    mine = save(awa, name="À moi").json()["view_id"]
    shared = save(awa, name="À tous", shared="1").json()["view_id"]
    assert json_client(koffi).post(f"/dashboard/views/{mine}/delete").status_code == 404
    response = json_client(koffi).post(f"/dashboard/views/{shared}/delete")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert json_client(mariam).post(f"/dashboard/views/{mine}/delete").status_code == 404
    assert json_client(mariam).post(f"/dashboard/views/{shared}/delete").json() == {"success": True}
    assert signed_in_client(awa).post(f"/dashboard/views/{mine}/delete").status_code == 302
    assert not SavedView.objects.exists()


def test_a_shared_view_lists_what_its_reader_reaches(awa, yao, held_by_awa, sales):
    save(awa, shared="1")
    type(held_by_awa).objects.update(team=awa.team, status="transferred")
    type(held_by_awa).objects.update(team=sales.pk)
    assert "Fatou" not in get_html(yao, "/dashboard/conversations?status=held").split('id="list"')[1]


def test_the_anonymous_are_asked_to_sign_in(db):
    assert Client(headers={"accept": "application/json"}).get("/dashboard/views").status_code == 401
    assert Client().post("/dashboard/views", {"name": "x", "query": "q=a"}).status_code == 302
