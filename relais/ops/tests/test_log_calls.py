"""Static check of every logging call: fixed event texts, known `extra` keys, no personal data or secrets."""

import ast
from pathlib import Path

import pytest

import relais

PACKAGE = Path(relais.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
ALLOWED_KEYS = {
    "attempt", "by", "child", "code", "conversation", "count", "delivery", "error", "event", "sid", "each", "event_id", "job", "kind", "media",
    "outcome", "path", "last_path", "ref", "seconds", "seq", "state", "task", "user", "why", "step", "channel", "change", "of",
    "act", "actor", "api_token", "flow", "revision", "role", "setting", "team", "quick_reply", "macro", "tag", "into",
    "client_import", "file", "scheduled", "capacity",
}  # fmt: skip
"""The allowed `extra` keys; docs/operating.md documents them by kind."""
PRIVATE_NAMES = {
    "body", "text", "address", "phone", "phone_number", "number", "profile_name", "whatsapp_profile_name", "client_name",
    "client_full_name", "full_name", "email", "author_name", "name", "vin", "sentence", "params", "payload", "token",
    "secret", "password", "url", "query", "message", "to", "from_", "sender", "metadata", "args",
}  # fmt: skip
"""Attributes and variables that hold message texts, personal data or secrets."""
MODULES = [
    file
    for file in sorted(PACKAGE.rglob("*.py"))
    if not {"tests", "bench", "emulator"} & set(file.relative_to(PACKAGE).parts)
]


def calls_in(tree):
    """Calls such as `log.info(…)` and `log_handler.log.info(…)`, and of aliases (`write = log.info if … else …`)."""
    aliases = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(_is_log_method(part) for part in ast.walk(node.value) if not isinstance(part, ast.Call))
        and not isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            is_alias = isinstance(node.func, ast.Name) and node.func.id in aliases
            if _is_log_method(node.func) or is_alias or _is_audit_record(node):
                yield node


def _is_log_method(node):
    return (
        isinstance(node, ast.Attribute)
        and node.attr in LEVELS
        and ast.unparse(node.value).rpartition(".")[2] in ("log", "logger")
    )


def _is_audit_record(call):
    return ast.unparse(call.func) == "audit.record"


def problems_in_call(call, module=None):
    arguments = (
        call.args[1:] if isinstance(call.func, ast.Attribute) and call.func.attr == "log" else call.args
    )
    if (
        len(arguments) != 1
        or not isinstance(arguments[0], ast.Constant)
        or not isinstance(arguments[0].value, str)
    ):
        yield "the event must be one string literal"
    elif "%" in arguments[0].value:
        yield "the event must have no placeholder"
    for keyword in call.keywords:
        if _is_audit_record(call):
            fields = ast.Dict(keys=[ast.Constant(keyword.arg)], values=[keyword.value])
            yield from problems_in_extra(fields)
        elif keyword.arg == "extra":
            for value in possible_values(keyword.value, module):
                yield from problems_in_extra(value)
        elif keyword.arg != "exc_info":
            yield f"{keyword.arg} is not an allowed argument"


def possible_values(extra, module):
    """The dictionary itself, or every value that the module assigns to that name."""
    if not isinstance(extra, ast.Name):
        return [extra]
    values = [
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == extra.id
    ]
    assert values, f"line {extra.lineno}: the value of {extra.id} is unknown"
    return values


def problems_in_extra(extra):
    bases = {id(part.value) for part in ast.walk(extra) if isinstance(part, ast.Attribute)}
    for part in ast.walk(extra):
        if isinstance(part, ast.Dict):
            for key in part.keys:
                if not (isinstance(key, ast.Constant) and key.value in ALLOWED_KEYS):
                    yield f"{ast.unparse(key) if key else '**'} is not an allowed key"
        if id(part) in bases:
            continue
        name = part.attr if isinstance(part, ast.Attribute) else part.id if isinstance(part, ast.Name) else ""
        if name in PRIVATE_NAMES:
            yield f"{name} is private"
        if isinstance(part, ast.Call) and ast.unparse(part.func) in ("str", "repr", "vars"):
            yield f"{ast.unparse(part)} may contain private data"


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_events_are_literals_with_allowed_keys(file):
    module = ast.parse(file.read_text())
    problems = [
        f"line {call.lineno}: {problem}"
        for call in calls_in(module)
        for problem in problems_in_call(call, module)
    ]
    assert problems == []


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
def test_a_call_that_may_log_private_data_is_found(call):
    [node] = calls_in(ast.parse(call))
    assert list(problems_in_call(node))


@pytest.mark.parametrize(
    "call",
    [
        'log.info("wrote", extra={"conversation": conversation.pk, "error": type(error).__name__})',
        'log.exception("failed")',
        'audit.record("role changed", actor=by.pk, user=user.pk, role=user.role)',
        'log.log(level, "failed", extra={"code": outcome.code}, exc_info=True)',
    ],
)
def test_a_call_with_ids_and_codes_is_allowed(call):
    [node] = calls_in(ast.parse(call))
    assert list(problems_in_call(node)) == []
