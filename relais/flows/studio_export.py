"""`relais flow export`: a flow as a file, unchanged or with the placeholders of host, secret and sub-flow filled in.

It needs neither settings nor a database.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

from relais.flows import engine, library

FLOW_SID = re.compile(r"FW[0-9a-f]{32}")


class CannotExport(Exception):
    """The flow cannot be exported; the message says why, and what to do."""


def is_file_or_library_flow(source: str) -> bool:
    return source in library.NAMES or Path(source).is_file()


def read(source: str) -> str:
    """The text of a flow: of the library's by its name, else of a file."""
    path = library.path_of(source) if source in library.NAMES else Path(source)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        definition = engine.unwrap(text).definition
    except OSError as error:
        known = ", ".join(library.NAMES)
        raise CannotExport(
            f"There is no file {source}, and no flow of that name comes with Relais ({known})."
        ) from error
    except engine.InvalidFlow as error:
        raise CannotExport(
            f"{source} is not a flow: it has no states (relais flow check says more)."
        ) from error
    except (ValueError, RecursionError) as error:
        raise CannotExport(f"{source} is not JSON: give a flow as Studio exports it.") from error
    return text if content == definition else json.dumps(definition, ensure_ascii=False, indent=2)


def for_twilio(text: str, *, host: str, secret: str, subflow: str = "") -> str:
    """The text with the placeholders filled in. `subflow` is required if the flow runs one."""
    if library.PLACEHOLDER_HOST in text:
        text = text.replace(library.PLACEHOLDER_BASE, _json_escaped(_base_url(host, secret)))
    if library.PLACEHOLDER_HOST in text:
        raise CannotExport(
            f"This flow names {library.PLACEHOLDER_HOST} in another way than {library.PLACEHOLDER_BASE}."
        )
    if library.PLACEHOLDER_SUBFLOW in text:
        text = text.replace(library.PLACEHOLDER_SUBFLOW, _checked_sid(subflow))
    return text


def _base_url(host: str, secret: str) -> str:
    if not host:
        raise CannotExport("Say with --host where Twilio reaches Relais, such as https://relais.example.com.")
    if not secret:
        raise CannotExport(
            "Say with --secret what STUDIO_WEBHOOK_SECRET is: Studio's calls are let in by it."
        )
    address = host.strip().rstrip("/")
    url = urlsplit(address if "://" in address else f"https://{address}")
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
        raise CannotExport(f"“{host}” is no address of Relais: give one such as https://relais.example.com.")
    return url._replace(netloc=f"studio:{quote(secret, safe='')}@{url.netloc}").geturl()


def _checked_sid(subflow: str) -> str:
    if not subflow:
        raise CannotExport(
            "This flow runs another one: import that first, and say its SID (FW…) with --subflow."
        )
    if not FLOW_SID.fullmatch(subflow):
        raise CannotExport(f"“{subflow}” is no SID of a flow: it is FW and 32 digits or letters from a to f.")
    return subflow


def _json_escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
