"""Translations without gettext's tools: `python -m relais.web.translations update|compile|check`.

`update` brings what the sources say into `locale/*/LC_MESSAGES/django.po`, `compile` makes the `.mo` files that
Django reads, `check` fails when something is not translated. The sources speak French: the English catalogue must
be complete; the French one is written by `update`: plurals, and no-break spaces before « ; ! ? : » and within quotes,
so that the sources are typed, and found, with plain ones.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from relais.typography import typeset

PACKAGE = Path(__file__).resolve().parent.parent
LOCALE = PACKAGE / "web" / "locale"
SOURCE, TRANSLATED = "fr", ("en",)
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
TEMPLATE = "relais.web.translations:in_template"
METHODS = [
    ("**/tests/**", "ignore"),
    ("**/templates/**.html", TEMPLATE),
    ("**/templates/**.txt", TEMPLATE),
    ("**.py", "python"),
]
# What differs at every run, or says nothing.
_NOISE = (
    '"Project-Id-Version',
    '"Report-Msgid-Bugs-To',
    '"POT-Creation-Date',
    '"PO-Revision-Date',
    '"Last-Translator',
    '"Language-Team',
    '"Generated-By',
)


def in_template(file: Any, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Any]:
    """Babel's extractor for Django templates, by way of Django's own translation of them into Python."""
    from django.utils.translation.template import templatize

    python = templatize(file.read().decode(), origin=file.name)
    # Python's tokenizer takes the indentation of HTML for its own.
    flat = "\n".join(line.strip() for line in python.split("\n"))
    return extract_python(io.BytesIO(flat.encode()), keywords, comment_tags, options)


def extract_messages() -> Catalog:
    catalog = Catalog(charset="utf-8")
    found = extract_from_dir(PACKAGE, METHODS, keywords=KEYWORDS, comment_tags=("Translators:",))
    for _file, _line, message, comments, context in found:
        catalog.add(message, auto_comments=comments, context=context)
    return catalog


def brought_up_to_date(language: str) -> Catalog:
    """The catalogue as the sources want it, with the translations known so far."""
    catalog = _read(language)
    catalog.update(extract_messages(), no_fuzzy_matching=True)
    if language == SOURCE:
        for message in list(catalog):
            _keep_french(catalog, message)
    return catalog


def _keep_french(catalog: Catalog, message: Message) -> None:
    """What the French catalogue has to say: plurals, and texts whose spaces must not break."""
    if not message.id:
        return
    if message.pluralizable:
        # Without a catalogue of its own Django takes the plural for nought: « 0 appels ».
        message.string = tuple(typeset(each) for each in message.id)
    elif (text := typeset(str(message.id))) != message.id:
        message.string = text
    else:
        catalog.delete(message.id, message.context)


def file_of(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def _read(language: str) -> Catalog:
    path = file_of(language)
    if not path.exists():
        return Catalog(locale=language, charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _as_text(catalog: Catalog) -> str:
    catalog.fuzzy = False
    catalog.header_comment = (
        "# The interface of Relais. Written by `python -m relais.web.translations update`."
    )
    written = io.BytesIO()
    write_po(written, catalog, width=110, no_location=True, sort_output=True, ignore_obsolete=True)
    lines = written.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_NOISE))


def update() -> list[str]:
    for language in (SOURCE, *TRANSLATED):
        path = file_of(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_as_text(brought_up_to_date(language)), encoding="utf-8")
    return []


def compile_all() -> list[str]:
    for path in LOCALE.glob("*/LC_MESSAGES/*.po"):
        compiled = path.with_suffix(".mo")
        # A name of its own and then one move: another process may be reading, or compiling as well.
        part = compiled.with_suffix(f".{os.getpid()}.part")
        with path.open("rb") as source, part.open("wb") as target:
            write_mo(target, read_po(source, locale=path.parts[-3]))
        part.replace(compiled)
    return []


def check() -> list[str]:
    """What is wrong, a sentence each."""
    return [sentence for language in (SOURCE, *TRANSLATED) for sentence in _wrong_with(language)]


def _wrong_with(language: str) -> Iterator[str]:
    catalog, file = brought_up_to_date(language), file_of(language)
    path = file.relative_to(PACKAGE.parent)
    if not file.exists() or file.read_text(encoding="utf-8") != _as_text(catalog):
        yield f"{path} is not up to date: run `python -m relais.web.translations update`."
    for message in catalog:
        if not _is_done(message):
            yield f"{path} does not translate {message.id!r}."
    for message, errors in catalog.check():
        if _is_done(message):
            yield from (f"{path}: {message.id!r}: {error}." for error in errors)


def _is_done(message: Message) -> bool:
    said = message.string if isinstance(message.string, (tuple, list)) else [message.string]
    return not message.id or (all(said) and not message.fuzzy)


def main(arguments: list[str]) -> int:
    commands = {"update": update, "compile": compile_all, "check": check}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("Say which: update, compile or check.", file=sys.stderr)
        return 2
    wrong = commands[arguments[0]]()
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
