"""The content security policy forbids inline scripts and styles: no template may contain one."""

import re
from pathlib import Path

import pytest

from relais.web.headers import HEADERS

PACKAGE = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(PACKAGE.glob("**/templates/**/*.html"))
FORBIDDEN = {
    "an inline style": r"<[^>]*\sstyle\s*=",
    "a style element": r"<style\b",
    "an inline script": r"<script(?![^>]*\bsrc=)",
    "an event attribute": r"<[^>]*\son[a-z]+\s*=",
    "an htmx event attribute": r"\b(data-)?hx-on\b",
    "a script address": r"javascript:",
    "an evaluated value": r"hx-(vals|headers|vars)\s*=\s*[\"']\s*(js|javascript):",
    "a filtered trigger": r"hx-trigger\s*=\s*\"[^\"]*\w\[",
    "another host's script or style": r"<(script|link)[^>]*(src|href)=\"(https?:)?//",
}


def markup_of(template):
    """The template without comments, with an x for each tag."""
    text = re.sub(
        r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", "", template.read_text(), flags=re.DOTALL
    )
    return re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "x", text, flags=re.DOTALL)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_template_has_nothing_that_the_policy_forbids(template):
    text = markup_of(template)
    assert [name for name, pattern in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)] == []


@pytest.mark.parametrize(
    "markup",
    [
        '<p style="color:red">',
        '<button\n onclick="x()">',
        "<script>x</script>",
        '<div hx-on:click="x">',
        '<a href="javascript:x">',
        "<form hx-vals='js:{a: 1}'>",
        '<input hx-trigger="keyup[key==1]">',
        '<script src="https://cdn.example/x.js">',
    ],
)
def test_the_patterns_match(markup):
    assert any(re.search(pattern, markup, re.IGNORECASE) for pattern in FORBIDDEN.values())


def test_the_policy_allows_our_own_host_only():
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/", "/nowhere"])
def test_every_response_has_the_headers(client, path):
    response = client.get(path)
    for name in (
        "Content-Security-Policy",
        "Referrer-Policy",
        "Permissions-Policy",
        "X-Content-Type-Options",
    ):
        assert response[name] == HEADERS[name]
    assert "no-store" in response["Cache-Control"]
