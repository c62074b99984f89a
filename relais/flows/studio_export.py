"""A flow as a file again: unchanged, or ready for Twilio, with what stands for our host, secret and sub-flow filled in.

Neither settings nor a database are needed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

from relais.flows import engine, library

SID = re.compile(r"FW[0-9a-f]{32}")


class CannotExport(Exception):
    """One sentence: what is missing or wrong, what to do."""


def is_here(source: str) -> bool:
    return source in library.NAMES or Path(source).is_file()


def read(source: str) -> str:
    """The text of a flow: one of the library's by its name, else a file's."""
    path = library.path_of(source) if source in library.NAMES else Path(source)
    try:
        text = path.read_text(encoding="utf-8")
        given = json.loads(text)
        definition = engine.unwrap(text).definition
    except OSError as error:
        known = ", ".join(library.NAMES)
        raise CannotExport(
            f"There is no file {source}, and no flow of that name comes with Relais ({known})."
        ) from error
    except engine.BadFlow as error:
        raise CannotExport(
            f"{source} is not a flow: it has no states (relais flow check says more)."
        ) from error
    except (ValueError, RecursionError) as error:
        raise CannotExport(f"{source} is not JSON: give a flow as Studio exports it.") from error
    return text if given == definition else json.dumps(definition, ensure_ascii=False, indent=2)


def for_twilio(text: str, *, host: str, secret: str, subflow: str = "") -> str:
    """The same text with the placeholders filled in. `subflow` is asked for where one runs."""
    if library.PLACEHOLDER_HOST in text:
        text = text.replace(library.PLACEHOLDER_BASE, _inside_json(_base(host, secret)))
    if library.PLACEHOLDER_HOST in text:
        raise CannotExport(
            f"This flow names {library.PLACEHOLDER_HOST} in another way than {library.PLACEHOLDER_BASE}."
        )
    if library.PLACEHOLDER_SUBFLOW in text:
        text = text.replace(library.PLACEHOLDER_SUBFLOW, _sid(subflow))
    return text


def _base(host: str, secret: str) -> str:
    if not host:
        raise CannotExport("Say with --host where Twilio reaches Relais, such as https://relais.example.com.")
    if not secret:
        raise CannotExport(
            "Say with --secret what STUDIO_WEBHOOK_SECRET is: Studio's calls are let in by it."
        )
    given = host.strip().rstrip("/")
    url = urlsplit(given if "://" in given else f"https://{given}")
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
        raise CannotExport(f"“{host}” is no address of Relais: give one such as https://relais.example.com.")
    return url._replace(netloc=f"studio:{quote(secret, safe='')}@{url.netloc}").geturl()


def _sid(subflow: str) -> str:
    if not subflow:
        raise CannotExport(
            "This flow runs another one: import that first, and say its SID (FW…) with --subflow."
        )
    if not SID.fullmatch(subflow):
        raise CannotExport(f"“{subflow}” is no SID of a flow: it is FW and 32 digits or letters from a to f.")
    return subflow


def _inside_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
