"""Which texts a query finds: French, English and Arabic, phrases, exclusions, beginnings of words."""

from __future__ import annotations

import pytest

from relais.search.query import MAX_QUERY_CHARACTERS, MAX_TERMS, Term, parse_query

pytestmark = pytest.mark.django_db

FRENCH = "Bonjour, la RÉPARATION de l'embrayage n'est pas terminée ; rendez-vous à l'atelier d'Abidjan le 12/05 à 9 h 30 🙏"
ENGLISH = "Hello, I booked an appointment for the brakes; the invoices were delivered yesterday."
ARABIC = "السلام عليكم، هل سيارتي جاهزة؟ أريد موعداً للصيانة يوم الثلاثاء، الرقم ٠٦١٢٣٤"
DARIJA = "bghit nakhod rendez-vous f Casa, wach la voiture wajda?"

MATCHES = [
    # Accents, case and elisions.
    (FRENCH, "reparation"),
    (FRENCH, "Réparation"),
    (FRENCH, "REPARATION EMBRAYAGE"),
    (FRENCH, "embrayage bonjour"),
    (FRENCH, "l'embrayage"),
    (FRENCH, "d’abidjan "),
    (FRENCH, "l’atelier"),
    (FRENCH, "re\u0301paration "),
    # Forms of a word.
    (FRENCH, "réparations "),
    (FRENCH, "ateliers "),
    (FRENCH, "terminé "),
    (FRENCH, "terminées "),
    (ENGLISH, "brake "),
    (ENGLISH, "booking "),
    (ENGLISH, "book "),
    (ENGLISH, "appointments "),
    (ENGLISH, "invoice "),
    (ENGLISH, "delivered "),
    (ENGLISH, "deliver "),
    (ARABIC, "موعد "),
    (ARABIC, "الموعد "),
    (ARABIC, "صيانة "),
    (ARABIC, "الصيانه "),
    (ARABIC, "والصيانة "),
    (ARABIC, "جاهزه "),
    (ARABIC, "اريد "),
    (ARABIC, "السلام "),
    # Numbers, in each script.
    (ARABIC, "061234 "),
    (ARABIC, "٠٦١٢٣٤ "),
    (FRENCH, "12/05 "),
    (FRENCH, "9 30 "),
    # Words that other languages join.
    (FRENCH, "rendez-vous"),
    (FRENCH, "rendez vous"),
    (DARIJA, "bghit"),
    (DARIJA, "wajda voiture"),
    # Phrases.
    (FRENCH, '"pas terminée"'),
    (FRENCH, "« atelier d'Abidjan »"),
    (FRENCH, "“rendez-vous à l'atelier”"),
    (FRENCH, '"pas terminée'),
    (ENGLISH, '"an appointment"'),
    (ARABIC, '"السلام عليكم"'),
    # The beginning of the last word.
    (FRENCH, "rép"),
    (FRENCH, "répar"),
    (FRENCH, "réparat"),
    (FRENCH, "réparati"),
    (FRENCH, "bonjour embra"),
    (FRENCH, "termin"),
    (FRENCH, "emb* bonjour "),
    (ENGLISH, "deliver"),
    (ENGLISH, "yester"),
    (ENGLISH, "appointm"),
    (ARABIC, "السلا"),
    (ARABIC, "صيان"),
    (ARABIC, "0612"),
    # Excluded words.
    (FRENCH, "bonjour -garantie"),
    (FRENCH, 'bonjour -"atelier terminée"'),
    (FRENCH, "-hello réparation"),
    # Signs are no words.
    (FRENCH, "réparation ???"),
    (FRENCH, "🙏 réparation 👍"),
    (FRENCH, "réparation & | ! ( ) : * <->"),
]
MISMATCHES = [
    (FRENCH, "freins"),
    (FRENCH, "réparation freins"),
    (FRENCH, "embrayage -réparation"),
    (FRENCH, "embrayage -réparations"),
    (FRENCH, 'embrayage -"pas terminée"'),
    (FRENCH, '"terminée pas"'),
    (FRENCH, "vous-rendez"),
    (FRENCH, "embra "),
    (FRENCH, "emb bonjour "),
    (FRENCH, "paration"),
    (FRENCH, "em"),
    (FRENCH, "répertoire"),
    (ENGLISH, "bookshop "),
    (ARABIC, "ضمان "),
    (ARABIC, '"عليكم السلام"'),
    (DARIJA, "bghina "),
]


@pytest.mark.parametrize(("text", "query"), MATCHES)
def test_a_query_finds_the_text(fatou_writes, events_found, text, query):
    fatou_writes(text)
    assert events_found(query) == [text]


@pytest.mark.parametrize(("text", "query"), MISMATCHES)
def test_a_query_does_not_find_the_text(fatou_writes, events_found, text, query):
    fatou_writes(text)
    assert events_found(query) == []


def test_the_terms_of_a_query():
    assert parse_query('deux mots -sans "une phrase" -"ni celle-ci" fin') == [
        Term("deux"),
        Term("mots"),
        Term("sans", is_excluded=True),
        Term("une phrase", is_phrase=True),
        Term("ni celle-ci", is_phrase=True, is_excluded=True),
        Term("fin", is_prefix=True),
    ]


def test_a_word_is_finished_by_a_space():
    assert parse_query("fin ") == [Term("fin")]
    assert parse_query("deb* fin ") == [Term("deb*", is_prefix=True), Term("fin")]


@pytest.mark.parametrize("text", ["", " ", '"', '""', "-", "« »", "-- -"])
def test_a_query_without_words_finds_nothing_and_says_so(fatou_writes, found, text):
    fatou_writes("Bonjour")
    page = found(text)
    assert (page.hits, page.next, page.has_words) == ([], "", False)


def test_only_excluded_words_find_nothing(fatou_writes, found):
    fatou_writes("Bonjour")
    assert found("-garantie").has_words is False


# -- hostile and odd queries ----------------------------------------------------------------------------------

ODD_QUERIES = [
    "a" * 5_000,
    "mot " * 1_250,
    '"' * 5_000,
    "-" * 5_000,
    "'" * 300,
    "x' | 'y",
    "bonjour' & !('",
    "bonjour:*A & b:ABCD <2> c",
    "'); drop table clients; --",
    "\\' \\\\ %s %(x)s {0} {text} %",
    "%",
    "_",
    "\x00bonjour\x00",
    "\ud800",
    "\u202ebonjour\u202c",
    "👨‍👩‍👧 🇲🇦",
    "ﷺ ﷽",
    "\u0301\u0301\u0301",
    "𝓫𝓸𝓷𝓳𝓸𝓾𝓻",
    "車 한글 ไทย",
    "١٢٣٤٥٦٧٨٩٠" * 20,
    "9" * 200,
    "\u00a0\u2003\u200b",
    "a\nb\tc\rd",
    "http://example.com/?q=a&b=c#d client@example.com C:\\x",
]


@pytest.mark.parametrize("query", ODD_QUERIES)
def test_an_odd_query_is_answered(client, mariam, fatou_writes, query):
    fatou_writes("Bonjour")
    client.force_login(mariam)
    for order in ("newest", "best"):
        response = client.get(
            "/dashboard/search",
            {"q": query.encode("utf-8", "replace").decode(), "order": order},
            headers={"Accept": "application/json"},
        )
        assert response.status_code == 200
        page = client.get("/dashboard/search", {"q": query.encode("utf-8", "replace").decode()})
        assert page.status_code == 200


def test_a_query_is_never_tsquery_syntax(fatou_writes, events_found):
    fatou_writes("rien de tout cela")
    assert events_found("bonjour | tout") == []
    assert events_found("tout & !cela") == ["rien de tout cela"], "an exclamation mark excludes nothing"
    assert events_found("t:* ") == []


def test_a_long_query_is_cut():
    assert sum(len(term.text) for term in parse_query("a" * 5_000)) == MAX_QUERY_CHARACTERS
    assert len(parse_query("a " * 100)) == MAX_TERMS
