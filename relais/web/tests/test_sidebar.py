"""The sidebar shows the sections of the user's role and marks the current one."""

import pytest

from relais.web.sidebar import section_at, sections_for

pytestmark = pytest.mark.django_db


def paths(user):
    return [section.path.removeprefix("/dashboard") for section in sections_for(user)]


@pytest.mark.parametrize(
    ("role", "admin_sections"),
    [
        ("agent", []),
        ("supervisor", []),
        ("admin", ["/flows", "/state", "/settings"]),
        ("super_admin", ["/flows", "/users", "/state", "/settings"]),
    ],
)
def test_a_role_sees_its_sections(awa, role, admin_sections):
    awa.role = role
    agent_sections = [
        "",
        "/pending",
        "/active",
        "/conversations",
        "/search",
        "/clients",
        "/quick-replies",
        "/macros",
    ]
    assert paths(awa) == [*agent_sections, *admin_sections]


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
def test_the_section_of_a_path(path, section):
    assert section_at(path) == section


def test_the_page_shows_who_is_signed_in_and_how_to_sign_out(client, nadia):
    client.force_login(nadia)
    page = client.get("/dashboard/users").content.decode()
    assert 'id="live-state"' in page
    assert 'data-count="pending"' in page
    assert f'data-user="{nadia.pk}"' in page
    assert 'action="/accounts/logout/"' in page
    assert 'href="/dashboard/users" aria-current="page"' in page
