"""Reading vCards (RFC 6350, and the older versions that phones write): names, organisations, numbers, addresses."""

from __future__ import annotations

import quopri
import re
from typing import Any

MAX_CONTACTS = 20
MAX_VALUES = 8
"""Numbers, and e-mail addresses, of one contact."""
MAX_CHARACTERS = 120
PARAMETER = re.compile(r'([^=;"]+)(?:=("[^"]*"|[^;]*))?')
WHATSAPP_PARAMETER = "WAID"
"""The digits of the number as WhatsApp knows it."""


def parse_contacts(content: bytes) -> list[dict[str, Any]]:
    """`name`, `organization`, `phones` (`text` as written, `number` to dial) and `emails` of each card."""
    contacts: list[dict[str, Any]] = []
    for line in _unfolded(content):
        name, params, value = _split(line)
        if name == "BEGIN" and value.upper() == "VCARD" and len(contacts) < MAX_CONTACTS:
            contacts.append({"name": "", "organization": "", "phones": [], "emails": []})
        elif contacts:
            _add(contacts[-1], name, params, value)
    return [contact for contact in contacts if contact["name"] or contact["phones"] or contact["emails"]]


def _unfolded(content: bytes) -> list[str]:
    """Logical lines: the next one continues after a space, or after `=` in quoted-printable."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if lines and line[:1] in (" ", "\t"):
            lines[-1] += line[1:]
        elif lines and lines[-1].endswith("=") and "QUOTED-PRINTABLE" in lines[-1].upper():
            lines[-1] = lines[-1][:-1] + line
        else:
            lines.append(line)
    return lines


def _split(line: str) -> tuple[str, dict[str, str], str]:
    """Name without group, parameters, value. A colon in quotes belongs to a parameter."""
    head, _colon, value = re.sub(r'"[^"]*"', lambda quoted: quoted[0].replace(":", "\0"), line).partition(":")
    name, _semicolon, rest = head.partition(";")
    params = {key.strip().upper(): (text or "").strip('"') for key, text in PARAMETER.findall(rest)}
    if params.get("ENCODING", "").upper() == "QUOTED-PRINTABLE" or "QUOTED-PRINTABLE" in params:
        charset = params.get("CHARSET", "utf-8")
        try:
            value = quopri.decodestring(value.encode()).decode(charset, "replace")
        except (LookupError, ValueError):
            value = quopri.decodestring(value.encode()).decode("utf-8", "replace")
    return name.rpartition(".")[2].strip().upper(), params, value.replace("\0", ":")


def _add(contact: dict[str, Any], name: str, params: dict[str, str], value: str) -> None:
    if name == "FN":
        contact["name"] = _text(value)
    elif name == "N" and not contact["name"]:
        family, given = [*map(_text, _parts(value)), "", ""][:2]
        contact["name"] = " ".join(filter(None, (given, family)))
    elif name == "ORG":
        contact["organization"] = ", ".join(filter(None, map(_text, _parts(value))))[:MAX_CHARACTERS]
    elif name == "EMAIL" and len(contact["emails"]) < MAX_VALUES and "@" in value:
        contact["emails"].append(_text(value))
    elif name == "TEL" and len(contact["phones"]) < MAX_VALUES:
        text = _text(value.removeprefix("tel:"))
        digits = re.sub(r"[^0-9]", "", params.get(WHATSAPP_PARAMETER, ""))
        number = f"+{digits}" if digits else re.sub(r"[^0-9+]", "", text)
        if re.search(r"[0-9]{3}", number):
            contact["phones"].append({"text": text, "number": number})


def _parts(value: str) -> list[str]:
    """Of a structured value, separated by semicolons that are not escaped."""
    return re.split(r"(?<!\\);", value)


def _text(value: str) -> str:
    plain = re.sub(r"\\(.)", lambda escaped: " " if escaped[1] in "nN" else escaped[1], value)
    return " ".join("".join(each if each.isprintable() else " " for each in plain).split())[:MAX_CHARACTERS]
