"""Export and import as CSV: encodings, delimiters, formulas, and the report by line."""

import pytest

from relais.quick_replies.csv_files import (
    UnreadableFile,
    decode,
    import_replies,
    plan_import,
    write_csv,
)
from relais.quick_replies.models import QuickReply
from relais.web.csv_text import guard_formula, unguard_formula

pytestmark = pytest.mark.django_db
HEADER = "raccourci;titre;texte;partage;équipe\n"


def planned(text, by):
    return [(row.line, row.action.value, row.shortcut) for row in plan_import(text, by=by)]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+212 6", "-5", "@x", "\tx", "'=1+1", "''=x", "bonjour", "'oui'", ""]
)
def test_a_formula_is_guarded_and_comes_back_as_it_was(cell):
    guarded = guard_formula(cell)
    assert not guarded.startswith(("=", "+", "-", "@", "\t"))
    assert unguard_formula(guarded) == cell


def test_an_export_imports_as_it_was(create_reply, mariam, awa, sales, clock):
    awa.team = sales
    awa.save()
    create_reply(mariam, "prix", '=1+1 ; "cité", point\n1. Oui', "-10 %", scope="all")
    create_reply(mariam, "equipe", scope=f"team:{sales.pk}")
    text = write_csv(QuickReply.objects.order_by("pk"))
    assert text.startswith("\ufeffraccourci;titre;texte;partage;équipe\r\nprix;'-10 %;\"'=1+1 ; ")
    assert [action for _, action, _ in planned(text, mariam)] == ["unchanged", "unchanged"]
    before = list(QuickReply.objects.order_by("pk").values_list("shortcut", "title", "text", "scope", "team"))
    QuickReply.objects.all().delete()
    import_replies(decode(text.encode()), by=mariam, at=clock.now)
    after = list(QuickReply.objects.order_by("pk").values_list("shortcut", "title", "text", "scope", "team"))
    assert after == before


@pytest.mark.parametrize(
    "content",
    [
        "raccourci;texte\nété;Déjà là".encode("cp1252"),
        "\ufeffRaccourci,Texte\nété,Déjà là".encode(),
        "shortcut\ttext\nété\tDéjà là".encode("utf-16"),
        b"texte;portee;raccourci;autre\r\nD\xc3\xa9j\xc3\xa0 l\xc3\xa0;moi;\xc3\xa9t\xc3\xa9;x\r\n\r\n;;;\r\n",
    ],
)
def test_encodings_and_delimiters_are_recognised(content, awa):
    [row] = plan_import(decode(content), by=awa)
    assert (row.line, row.shortcut, row.text) == (2, "été", "Déjà là")


def test_the_report_names_each_line(create_reply, mariam):
    create_reply(mariam, "vieux", "avant", scope="all")
    create_reply(mariam, "pareil", "pareil", "pareil", scope="all")
    text = HEADER + (
        'neuf;Titre;"deux\nlignes";tous;\n'
        "vieux;avant;après;tous;\n"
        "pareil;pareil;pareil;tous;\n"
        ";sans raccourci;texte;tous;\n"
        "inconnu;;{vehicule};tous;\n"
        "NEUF;;encore;tous;\n"
        "perdu;;texte;équipe;Nulle part\n"
        "perdu;;texte;nous;\n"
    )
    assert planned(text, mariam) == [
        (2, "create", "neuf"),
        (4, "update", "vieux"),
        (5, "unchanged", "pareil"),
        (6, "refuse", ""),
        (7, "refuse", "inconnu"),
        (8, "refuse", "neuf"),
        (9, "refuse", "perdu"),
        (10, "refuse", "perdu"),
    ]
    problems = [row.problem for row in plan_import(text, by=mariam) if row.problem]
    assert "{vehicule}" in problems[1]
    assert problems[2] == "Même raccourci que la ligne 2."
    assert QuickReply.objects.count() == 2


def test_an_agent_imports_his_own_and_nothing_shared(awa, clock):
    rows = import_replies(HEADER + "a;;texte;tous;\nb;;texte;;\n", by=awa, at=clock.now)
    assert [row.action.value for row in rows] == ["refuse", "create"]
    assert list(QuickReply.objects.values_list("shortcut", "owner")) == [("b", awa.pk)]


def test_an_import_updates_and_keeps_the_count_of_uses(create_reply, awa, clock):
    reply = create_reply(awa, "a", "avant")
    reply.record_use(at=clock.now)
    import_replies("raccourci;texte\nA;après", by=awa, at=clock.now)
    reply.refresh_from_db()
    assert (reply.text, reply.use_count, reply.version) == ("après", 1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a;b\n1;2",
        "raccourci;titre\na;b",
        HEADER,
        HEADER + "x;;y\n" * 2001,
        'raccourci;texte\na;"' + "x" * 200_000 + '"',
    ],
)
def test_a_file_that_cannot_be_read_is_said(awa, text):
    with pytest.raises(UnreadableFile):
        plan_import(text, by=awa)


@pytest.mark.parametrize("content", [b"x" * 1_000_001, b"\x81\x8d", b"\xff\xfe\x00"])
def test_bytes_that_are_no_text_are_said(content):
    with pytest.raises(UnreadableFile):
        decode(content)
