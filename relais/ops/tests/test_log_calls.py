"""No line of the log can hold what somebody wrote: how every call that writes one is made, in the whole package."""

import ast
from pathlib import Path

import pytest

import relais

PACKAGE = Path(relais.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
IDS = {
    "attempt", "by", "child", "code", "conversation", "count", "delivery", "error", "event", "sid", "each", "event_id", "job", "kind", "media",
    "outcome", "path", "last_path", "ref", "seconds", "seq", "state", "task", "user", "why", "step", "channel", "change", "of",
    "act", "actor", "api_token", "flow", "revision", "role", "setting", "team",
}  # fmt: skip
"""What may stand beside an event; documented in docs/operating.md by kinds."""
WORDS = {
    "body", "text", "address", "phone", "phone_number", "number", "profile_name", "whatsapp_profile_name", "client_name",
    "client_full_name", "full_name", "email", "author_name", "name", "vin", "sentence", "params", "payload", "token",
    "secret", "password", "url", "query", "message", "to", "from_", "sender", "metadata", "args",
}  # fmt: skip
"""Attributes and names that hold what people wrote, who they are, or what opens doors."""
MODULES = [
    file
    for file in sorted(PACKAGE.rglob("*.py"))
    if not {"tests", "bench", "emulator"} & set(file.relative_to(PACKAGE).parts)
]


def calls_in(tree):
    """Calls such as `log.info(…)`, `journal.log.info(…)` and of what stands for them (`told = log.info if … else …`)."""
    aliases = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(_is_a_level(part) for part in ast.walk(node.value) if not isinstance(part, ast.Call))
        and not isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = isinstance(node.func, ast.Name) and node.func.id in aliases
            if _is_a_level(node.func) or named or _is_of_the_trail(node):
                yield node


def _is_a_level(node):
    return (
        isinstance(node, ast.Attribute)
        and node.attr in LEVELS
        and ast.unparse(node.value).rpartition(".")[2] in ("log", "logger")
    )


def _is_of_the_trail(call):
    return ast.unparse(call.func) == "audit.record"


def wrong_with(call, module=None):
    arguments = (
        call.args[1:] if isinstance(call.func, ast.Attribute) and call.func.attr == "log" else call.args
    )
    if (
        len(arguments) != 1
        or not isinstance(arguments[0], ast.Constant)
        or not isinstance(arguments[0].value, str)
    ):
        yield "an event is one fixed text"
    elif "%" in arguments[0].value:
        yield "nothing is filled into an event"
    for keyword in call.keywords:
        if _is_of_the_trail(call):
            given = ast.Dict(keys=[ast.Constant(keyword.arg)], values=[keyword.value])
            yield from wrong_beside(given)
        elif keyword.arg == "extra":
            for given in what_it_may_be(keyword.value, module):
                yield from wrong_beside(given)
        elif keyword.arg != "exc_info":
            yield f"{keyword.arg} is not known"


def what_it_may_be(extra, module):
    """The dictionary itself, or all that the module ever calls by that name."""
    if not isinstance(extra, ast.Name):
        return [extra]
    found = [
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == extra.id
    ]
    assert found, f"line {extra.lineno}: nobody can tell what {extra.id} holds"
    return found


def wrong_beside(extra):
    bases = {id(part.value) for part in ast.walk(extra) if isinstance(part, ast.Attribute)}
    for part in ast.walk(extra):
        if isinstance(part, ast.Dict):
            for key in part.keys:
                if not (isinstance(key, ast.Constant) and key.value in IDS):
                    yield f"{ast.unparse(key) if key else '**'} is no id"
        if id(part) in bases:
            continue
        word = part.attr if isinstance(part, ast.Attribute) else part.id if isinstance(part, ast.Name) else ""
        if word in WORDS:
            yield f"{word} holds what somebody wrote"
        if isinstance(part, ast.Call) and ast.unparse(part.func) in ("str", "repr", "vars"):
            yield f"{ast.unparse(part)} may quote anything"


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_events_are_fixed_texts_with_ids_beside_them(file):
    module = ast.parse(file.read_text())
    found = [f"line {call.lineno}: {what}" for call in calls_in(module) for what in wrong_with(call, module)]
    assert found == []


@pytest.mark.parametrize(
    "call",
    [
        'log.info("%s wrote", client)',
        'log.info(f"{client} wrote")',
        'log.info("wrote", extra={"conversation": event.body})',
        'log.info("wrote", extra={"words": 1})',
        'log.info("wrote", extra={"error": str(error)})',
        'log.log(logging.INFO, f"{client} wrote")',
        'self.log.warning("x", client)',
        'audit.record(f"{user} left", actor=by.pk)',
        'audit.record("name changed", actor=by.pk, full_name=user.pk)',
        'audit.record("name changed", actor=by.pk, user=user.full_name)',
    ],
)
def test_what_could_tell_words_is_found(call):
    [made] = calls_in(ast.parse(call))
    assert list(wrong_with(made))


@pytest.mark.parametrize(
    "call",
    [
        'log.info("wrote", extra={"conversation": conversation.pk, "error": type(error).__name__})',
        'log.exception("failed")',
        'audit.record("role changed", actor=by.pk, user=user.pk, role=user.role)',
        'log.log(level, "failed", extra={"code": outcome.code}, exc_info=True)',
    ],
)
def test_ids_and_kinds_are_well(call):
    [made] = calls_in(ast.parse(call))
    assert list(wrong_with(made)) == []
