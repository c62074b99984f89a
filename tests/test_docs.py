"""The documentation matches the code: every variable, setting, event, command and metric is documented, quoted labels
exist on the pages, links have targets, and the examples of docs/hooks.md are sent to the real routes."""

from __future__ import annotations

import argparse
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from babel.messages.pofile import read_po
from starlette.applications import Starlette

from relais.accounts.models import ApiToken
from relais.cli import build_parser
from relais.company import company_settings
from relais.conversations.event_types import EventType
from relais.conversations.permissions import FINAL_REASONS
from relais.conversations.states import DeliveryState, Status
from relais.conversations.twilio_errors import TWILIO_ERRORS
from relais.emulator.faults import FAULTS_BY_OPERATION
from relais.emulator.testing import ServerThread
from relais.flows import library
from relais.ops.health import HEARTBEAT_NAMES
from relais.ops.tests.test_import_rules import ROOMS
from relais.whatsapp.inbound.routes import HookRoutes

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
FRENCH_PAGES = sorted((DOCS / "fr").glob("*.md"))
TRANSLATED_PAGES = sorted([*(DOCS / "en").glob("*.md"), *(DOCS / "ar").glob("*.md")])
VARIABLE = re.compile(
    r"\b((?:TWILIO|RELAIS|STUDIO)_[A-Z_]+[A-Z]|DATABASE_URL|PUBLIC_BASE_URL|EMAIL_URL|MEDIA_STORAGE_URL|CLAMAV_URL)\b"
)
SOURCE_SUFFIXES = (".py", ".sql", ".js", ".css")
FORBIDDEN_MODULES = {"services.py", "utils.py"}


def page(name: str) -> str:
    return (DOCS / name).read_text()


def relative_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


# -- every name is documented ------------------------------------------------------------------------------


def environment_variables() -> set[str]:
    return set(re.findall(rf'"{VARIABLE.pattern}"', (ROOT / "relais" / "environment.py").read_text()))


def test_settings_documents_exactly_the_environment_variables():
    assert set(re.findall(rf"^\| `{VARIABLE.pattern}`", page("settings.md"), re.M)) == environment_variables()


def test_the_example_file_has_every_public_variable():
    example = set(re.findall(rf"^#?{VARIABLE.pattern}=", (ROOT / ".env.example").read_text(), re.M))
    assert example == environment_variables() - {"RELAIS_ENV_FILE", "RELAIS_EMULATOR_URL"}


@pytest.mark.parametrize("path", PAGES, ids=relative_path)
def test_no_page_names_an_unknown_variable(path):
    assert set(VARIABLE.findall(path.read_text())) <= environment_variables()


def test_every_company_setting_is_in_settings():
    known = {
        definition.key
        for definition in vars(company_settings).values()
        if isinstance(definition, company_settings.SettingDefinition)
    }
    assert known <= set(re.findall(r"^\| `(\w+)`", page("settings.md"), re.M))


def test_company_settings_without_a_form_field_are_marked():
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (.+?) \|", page("settings.md").split("## Company settings")[1], re.M)
    )
    assert {definition.key for definition in company_settings.EDITABLE_SETTINGS} == {
        key for key, label in rows.items() if label != "not on the page"
    }
    assert all(
        rows[definition.key] == f"« {definition.label._args[0]} »"
        for definition in company_settings.EDITABLE_SETTINGS
    )


def test_every_event_type_state_and_reason_is_in_history():
    first_cells = set(re.findall(r"^\| `(\w+)`", page("history.md"), re.M))
    assert set(EventType.values) | set(DeliveryState.values) | set(FINAL_REASONS) <= first_cells
    assert all(f"`{status}`" in page("history.md") for status in Status.values)


def test_the_events_marked_as_never_written_are_those_no_code_writes():
    write_call = re.compile(r'(?:append_event|_transition|_end|_create_outgoing)\(\s*"(\w+)"')
    sources = [file for file in (ROOT / "relais").rglob("*.py") if "tests" not in file.parts]
    written = {name for file in sources for name in write_call.findall(file.read_text())} | {
        "message_received"
    }
    documented = set(re.findall(r"^\| `(\w+)` \|.*No code writes it yet", page("history.md"), re.M))
    assert documented == set(EventType.values) - written


@pytest.mark.parametrize("state", DeliveryState, ids=str)
def test_every_state_is_documented_with_its_label(state):
    row = re.search(rf"^\| `{state.value}` \| « (.+?) »", page("history.md"), re.M)
    assert row and row[1] == state._label_._args[0]  # type: ignore[attr-defined]


def test_every_command_is_in_operating():
    documented = re.findall(r"^\| `relais ([a-z ]+?)(?: --.*)?` \|", page("operating.md"), re.M)
    assert sorted(documented) == sorted(commands(build_parser()))


def test_every_library_flow_is_in_operating():
    row = next(
        line for line in page("operating.md").splitlines() if line.startswith("| `relais flow export`")
    )
    assert all(f"`{name}`" in row for name in library.NAMES)


def test_the_files_to_open_for_a_change_exist():
    table = page("development.md").split("## To change X, open Y")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (?!to change|---)(.+?) \| (.+) \|$", table, re.M)
    paths = [path for _, files in rows for path in re.findall(r"`(relais/[^`]+|\.\w+)`", files)]
    assert len(rows) >= 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_module_that_development_names_exists():
    """A module is named by its path inside `relais/`, or by its file name."""
    files = (
        path
        for root in ("relais", "tests")
        for path in (ROOT / root).rglob("*")
        if path.suffix in SOURCE_SUFFIXES
    )
    sources = [f"/{path.relative_to(ROOT)}" for path in (*files, ROOT / "conftest.py")]
    module_names = set(re.findall(r"`(?:relais/)?((?:\w+/)*\w+\.(?:py|sql|js|css))`", page("development.md")))
    assert {
        name for name in module_names if not any(path.endswith(f"/{name}") for path in sources)
    } <= FORBIDDEN_MODULES


def test_every_app_is_in_the_diagram_of_rooms():
    diagram = page("development.md").split("## Rooms\n")[1].split("```")[1]
    assert all(re.search(rf"\b{re.escape(room)}\b", diagram) for room in ROOMS)


def commands(parser: argparse.ArgumentParser, prefix: str = "") -> Iterator[str]:
    """The listed commands; a command without a help text is for internal use."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for listed in action._choices_actions:
                name = f"{prefix}{listed.dest}"
                subcommands = list(commands(action.choices[listed.dest], f"{name} "))
                yield from subcommands or [name]


def test_every_hook_has_a_chapter():
    chapters = set(re.findall(r"^## (.+)$", page("hooks.md"), re.M)) - {"What they share"}
    assert {hook.path.rpartition("/")[2] for hook in HookRoutes().hooks} == chapters


def test_every_field_name_of_a_free_input_is_in_hooks():
    chapter = page("hooks.md").split("\n## free-input\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| `(\w+)`", chapter, re.M)
    assert {name: field for names, field in rows for name in re.findall(r"`(\w+)`", names)} == (
        company_settings.INPUT_FIELD_MAP.default()
    )


def test_every_fault_of_the_double_is_in_development():
    for operation, faults in FAULTS_BY_OPERATION.items():
        row = next(
            line
            for line in page("development.md").splitlines()
            if line.startswith("|") and f"`{operation}`" in line
        )
        listed_faults = faults if operation != "media" else ("redirect", "reject")
        assert all(f"`{fault}`" in row for fault in listed_faults)


def test_every_log_is_in_the_troubleshooting():
    source = (ROOT / "relais" / "ops" / "supervisor.py").read_text()
    logs = {*re.findall(r'\bchild\("(\w+)"', source), "postgres"}
    assert logs == set(re.findall(r"^\| `log/(\w+)\.log`", page("fr/depannage.md"), re.M))


def test_every_part_of_health_is_explained():
    parts = {"database", "live", *HEARTBEAT_NAMES}
    assert parts <= set(re.findall(r"^\| `(\w+)` \|", page("fr/depannage.md"), re.M))
    example = re.search(r'\{"status": "ok".*\}', page("operating.md"))
    assert example and set(json.loads(example[0])) == {"status", *parts}


def test_every_twilio_error_code_that_is_named_has_a_sentence():
    codes = set(re.findall(r"\b(2\d{4}|63\d{3})\b", page("fr/depannage.md")))
    assert {int(code) for code in codes} <= set(TWILIO_ERRORS)


# -- the changelog -------------------------------------------------------------------------------------------


def test_the_changelog_names_events_and_metrics_that_exist():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    sources = [file for file in (ROOT / "relais").rglob("*.py") if "tests" not in file.parts]
    code = "\n".join(file.read_text() for file in sources)
    events = changelog.split("### Changed: log events")[1].split("\n### ")[0]
    renamed = re.findall(r"^\| `(.+)` \| `(.+)` \|$", events, re.M)
    assert len(renamed) > 20
    assert [new for _, new in renamed if f'"{new}"' not in code] == []
    assert [old for old, _ in renamed if f'"{old}"' in code] == []
    metrics = changelog.split("### Added: metric names")[1].split("\n### ")[0]
    names = re.findall(r"`(relais_\w+?)(?:_total)?`", metrics)
    assert names and [name for name in names if f'"{name}"' not in code] == []


# -- the README ----------------------------------------------------------------------------------------------


def test_the_readme_names_the_commands_of_ci():
    readme = (ROOT / "README.md").read_text()
    ci_commands = re.findall(r"^(bin/\w+)", (ROOT / ".ci" / "run").read_text(), re.M)
    assert ci_commands
    assert all(
        f"`{command}`" in readme or re.search(rf"^{command}\b", readme, re.M) for command in ci_commands
    )


def test_every_command_of_bin_is_in_the_readme():
    visible = [path.name for path in (ROOT / "bin").iterdir() if not path.name.startswith(".")]
    assert all(re.search(rf"\b{name}\b", (ROOT / "README.md").read_text()) for name in visible)


def test_every_room_is_in_the_readme():
    rooms = {path.parent.name for path in (ROOT / "relais").glob("*/__init__.py")}
    assert rooms == set(re.findall(r"^  (\w+)/ ", (ROOT / "README.md").read_text(), re.M))


def test_the_readme_links_to_every_page():
    linked = {link for link, _ in links(ROOT / "README.md")}
    assert {path.resolve() for path in PAGES[1:]} <= linked


# -- links ---------------------------------------------------------------------------------------------------


def links(path: Path) -> Iterator[tuple[Path, str]]:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield (path.parent / file).resolve() if file else path.resolve(), anchor


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=relative_path)
def test_every_link_has_a_target(path):
    for target, anchor in links(path):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target.name}#{anchor}"


# -- labels and sentences of the pages ----------------------------------------------------------------------------------

NOT_ON_PAGES = {
    "en gras",
    "bold",
    "بالخط العريض",
    "When a message comes in",
    "Make HTTP Request",
    "Hors direct",
}
# Printed by a command, and a stored reason that is shown unchanged.
NOT_ON_PAGES |= {"non vérifié", "le bot n'a pas pu continuer"}


def texts_of_pages() -> list[str]:
    with (ROOT / "relais/web/locale/en/LC_MESSAGES/django.po").open("rb") as file:
        messages = [message.id for message in read_po(file) if message.id]
    return [text for forms in messages for text in ((forms,) if isinstance(forms, str) else forms)]


@pytest.mark.parametrize("path", FRENCH_PAGES, ids=relative_path)
def test_bold_texts_are_labels_of_the_pages(path):
    labels = {" ".join(text.split()) for text in texts_of_pages()} | {"En direct"}
    bold = {" ".join(text.split()) for text in re.findall(r"\*\*(.+?)\*\*", path.read_text(), re.S)}
    assert bold - labels - NOT_ON_PAGES == set()


@pytest.mark.parametrize("path", TRANSLATED_PAGES, ids=relative_path)
def test_bold_texts_of_a_translated_guide_are_labels_of_the_pages(path):
    with (ROOT / f"relais/web/locale/{path.parent.name}/LC_MESSAGES/django.po").open("rb") as file:
        labels = {message.string for message in read_po(file) if isinstance(message.string, str)}
    bold = set(re.findall(r"\*\*(.+?)\*\*", path.read_text()))
    assert bold - labels - NOT_ON_PAGES == set()


@pytest.mark.parametrize("path", FRENCH_PAGES, ids=relative_path)
def test_quoted_sentences_are_those_of_the_pages(path):
    quoted = {" ".join(text.split()) for text in re.findall(r"«\s(.+?)\s»", path.read_text(), re.S)}
    parts = {part.strip(" …") for text in quoted for part in text.split("…")} - NOT_ON_PAGES - {""}
    texts = [re.sub(r"\s+", " ", text) for text in texts_of_pages()]
    assert {part for part in parts if not any(part in text for text in texts)} == set()


# -- the examples of the hooks ---------------------------------------------------------------------------------

EXAMPLE = re.compile(r"(?:`POST (/[^`]+)`\s+)?```form\n(.+?)```(?:\s+```(json|xml)\n(.+?)```)?", re.S)
VARYING_FIELDS = {"conversation_id": int, "event_id": int, "duration_seconds": int, "session_id": str}


def examples() -> list[tuple[str, dict[str, str], str]]:
    requests_and_responses, path = [], ""
    for stated_path, form, _, response in EXAMPLE.findall(page("hooks.md")):
        path = stated_path or path
        requests_and_responses.append(
            (path, dict(line.split("=", 1) for line in form.splitlines()), response.strip())
        )
    return requests_and_responses


@pytest.fixture
def desk() -> Iterator[str]:
    hooks = HookRoutes()
    server = ServerThread(Starlette(routes=hooks.routes))
    yield server.url
    server.stop()
    hooks.close()


@pytest.mark.django_db(transaction=True)
def test_the_examples_of_the_hooks_are_answered_as_written(desk, settings):
    conversation = ""
    for path, form, expected in examples():
        if "conversation_id" in form:
            form["conversation_id"] = conversation
        response = requests.post(
            desk + path, data=form, headers=credentials(path, form, settings), timeout=30
        )
        assert response.ok, (path, response.text)
        if not expected.startswith("{"):
            assert response.text == expected
            continue
        fields = response.json()
        conversation = str(fields.get("conversation_id", conversation))
        assert without_varying_values(fields) == without_varying_values(json.loads(expected)), path
    assert {path.partition("?")[0] for path, *_ in examples()} == {hook.path for hook in HookRoutes().hooks}


def without_varying_values(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with the type in place of each value that differs each time."""
    return {
        key: VARYING_FIELDS[key]
        if key in VARYING_FIELDS and isinstance(value, VARYING_FIELDS[key])
        else value
        for key, value in fields.items()
    }


def credentials(path: str, form: dict[str, str], settings: Any) -> dict[str, str]:
    from twilio.request_validator import RequestValidator

    environment = settings.ENVIRONMENT
    if path.endswith("/send-message"):
        return {"Authorization": f"Bearer {ApiToken.create('CRM')[1]}"}
    if path.partition("?")[0] in ("/api/twilio/message", "/api/twilio/status"):
        validator = RequestValidator(environment.twilio_auth_token)
        return {"X-Twilio-Signature": validator.compute_signature(environment.public_base_url + path, form)}
    secret = base64.b64encode(f"studio:{environment.studio_webhook_secret}".encode()).decode()
    return {"Authorization": f"Basic {secret}"}


def test_every_metric_is_in_operating():
    table = page("operating.md").split("## Metrics")[1].split("\n## ")[0]
    sources = [file for file in (ROOT / "relais").rglob("*.py") if "tests" not in file.parts]
    names = {name for file in sources for name in re.findall(r'\(\s*"(relais_[a-z_]+)",', file.read_text())}
    counters = set(re.findall(r"(relais_\w+?)_total\b", table)) | set(re.findall(r"(relais_\w+)", table))
    assert len(names) > 20 and names <= counters
