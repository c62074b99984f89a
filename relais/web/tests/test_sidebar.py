"""Each person's rail shows what is for them, and where they are."""

import pytest

from relais.web.sidebar import section_at, sections_for

pytestmark = pytest.mark.django_db


def paths(user):
    return [section.path.removeprefix("/dashboard") for section in sections_for(user)]


@pytest.mark.parametrize(
    ("role", "beyond_the_desk"),
    [
        ("agent", []),
        ("supervisor", []),
        ("admin", ["/flows", "/state", "/settings"]),
        ("super_admin", ["/flows", "/users", "/state", "/settings"]),
    ],
)
def test_a_role_sees_its_sections(awa, role, beyond_the_desk):
    awa.role = role
    assert paths(awa) == ["", "/pending", "/active", "/conversations", *beyond_the_desk]


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/dashboard", "/dashboard"),
        ("/dashboard/", "/dashboard"),
        ("/dashboard/pending", "/dashboard/pending"),
        ("/dashboard/users/3", "/dashboard/users"),
        ("/dashboard/chat/3", ""),
    ],
)
def test_the_rail_knows_where_one_is(path, section):
    assert section_at(path) == section


def test_the_page_says_who_is_signed_in_and_how_to_leave(client, nadia):
    client.force_login(nadia)
    page = client.get("/dashboard/users").content.decode()
    assert 'id="live-state"' in page
    assert 'data-count="pending"' in page
    assert f'data-user="{nadia.pk}"' in page
    assert 'action="/accounts/logout/"' in page
    assert 'href="/dashboard/users" aria-current="page"' in page
