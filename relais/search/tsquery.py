"""Terms as a tsquery for the index, with the conditions that the index cannot check.

The database folds and stems, so that queries and index always agree; see `words.sql`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connection

from relais.search.query import Term

MIN_PREFIX_CHARACTERS = 3
MIN_STEM_CHARACTERS = 4
MAX_STEM_CUT = 4
"""A stem may be shorter than the typed beginning of its word: « réparati » begins réparation, whose stem is repar."""
ELIDED_WORDS = frozenset(("l", "d", "j", "m", "n", "s", "t", "c", "qu", "jusqu", "lorsqu", "puisqu"))
APOSTROPHE = re.compile(r"['’ʼ]")

SELECT_FOLDED = """
select public.relais_fold(text) from unnest(%s::text[]) with ordinality as term (text, n) order by n
"""
# The French stemmer leaves English endings other than -s: other English forms of a word are searched as well.
SELECT_LEXEMES = r"""
with words as (
  select word, case when word ~ '^[a-z]{4,}$' then (ts_lexize('pg_catalog.english_stem', word))[1] end as stem
    from unnest(%s::text[]) word)
select word, tsvector_to_array(to_tsvector('public.relais', word)), coalesce((
    select array_agg(distinct lexeme)
      from (values (stem, false), (regexp_replace(stem, 'i$', 'y'), false), (stem || right(stem, 1), true),
                   (case when stem <> '' then regexp_replace(word, '(ed|ing|es|s|d|y)$', '') end, false)
           ) as base (letters, is_doubled),
           (values (''), ('e'), ('s'), ('es'), ('ed'), ('d'), ('ing'), ('y')) as ending (letters),
           unnest(tsvector_to_array(to_tsvector('public.relais', base.letters || ending.letters))) lexeme
     where length(base.letters) >= 3
       and (ending.letters in ('ed', 'ing') or not is_doubled and length(base.letters) >= 4)), '{}')
  from words
"""
SELECT_PHRASES = "select phraseto_tsquery('public.relais', phrase)::text from unnest(%s::text[]) phrase"


@dataclass(frozen=True)
class RowCondition:
    """A condition on a hit's text that the index cannot answer, with `{text}` for the column."""

    sql: str
    parameters: list[str]


@dataclass(frozen=True)
class CompiledQuery:
    index_query: str
    """What the index is asked: at least all hits."""
    checks: list[RowCondition] = field(default_factory=list)
    """Checked row by row, newest first, only until a page is full."""
    rank_query: str = ""
    any_word_query: str = ""
    """Which written words are hits, to mark them."""
    any_beginnings: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """The folded words that are searched, without the excluded ones."""
    beginning: str = ""
    """The last of them, if it may be unfinished."""

    @property
    def has_beginning(self) -> bool:
        """Whether the index is asked for all words with a beginning."""
        return bool(self.any_beginnings)


@dataclass(frozen=True)
class _FoldedTerm:
    words: list[str]
    is_phrase: bool
    is_excluded: bool
    is_prefix: bool


def compile_query(terms: Sequence[Term]) -> CompiledQuery | None:
    """None when no term that is not excluded has a letter or a digit."""
    folded_terms = _fold(terms)
    lexemes = _Lexemes(folded_terms)
    folded_terms = [term for term in folded_terms if lexemes.has_any(term)]
    if all(term.is_excluded for term in folded_terms):
        return None
    wanted = [term for term in folded_terms if not term.is_excluded]
    excluded = [term for term in folded_terms if term.is_excluded]
    index_parts = [lexemes.loose(term) for term in wanted]
    index_parts += [f"!{lexemes.strict(term)}" for term in excluded if not term.is_phrase]
    return CompiledQuery(
        index_query=" & ".join(index_parts),
        checks=[check for term in folded_terms if (check := lexemes.check(term))],
        rank_query=" & ".join(lexemes.strict(term) for term in wanted),
        any_word_query=" | ".join(lexemes.any_word(term) for term in wanted),
        any_beginnings=[term.words[0] for term in wanted if lexemes.has_beginning(term)],
        words=[word for term in wanted for word in term.words],
        beginning=next((term.words[0] for term in wanted if term.is_prefix), ""),
    )


def _fold(terms: Sequence[Term]) -> list[_FoldedTerm]:
    with connection.cursor() as cursor:
        cursor.execute(SELECT_FOLDED, [[term.text for term in terms]])
        texts = [row[0] for row in cursor.fetchall()]
    folded_terms = []
    for term, folded in zip(terms, texts, strict=True):
        words = folded.split()
        if (
            not term.is_phrase
            and len(words) > 1
            and words[0] in ELIDED_WORDS
            and APOSTROPHE.search(term.text)
        ):
            words = words[1:]
        is_phrase = len(words) > 1  # A word such as rendez-vous is a phrase, too.
        if words:
            folded_terms.append(
                _FoldedTerm(words, is_phrase, term.is_excluded, term.is_prefix and not is_phrase)
            )
    return folded_terms


class _Lexemes:
    """The parts of tsqueries for folded terms."""

    def __init__(self, terms: Iterable[_FoldedTerm]) -> None:
        words = sorted({word for term in terms for word in term.words})
        phrases = sorted({" ".join(term.words) for term in terms if term.is_phrase})
        with connection.cursor() as cursor:
            cursor.execute(SELECT_LEXEMES, [words])
            rows = cursor.fetchall()
            self.phrases: dict[str, str] = {}
            if phrases:
                cursor.execute(SELECT_PHRASES, [phrases])
                self.phrases = dict(zip(phrases, (row[0] for row in cursor.fetchall()), strict=True))
        self.stems: dict[str, list[str]] = {word: stems for word, stems, _ in rows}
        self.forms: dict[str, list[str]] = {word: [*stems, *forms] for word, stems, forms in rows}

    def has_any(self, term: _FoldedTerm) -> bool:
        """False for signs that PostgreSQL's parser takes for blanks."""
        return any(self.stems[word] for word in term.words)

    def strict(self, term: _FoldedTerm) -> str:
        """Matches only hits; a beginning matches the words whose stem begins with it."""
        if term.is_phrase:
            return f"({self.phrases[' '.join(term.words)]})"
        return _any_of(self._word_parts(term))

    def loose(self, term: _FoldedTerm) -> str:
        """Matches all hits and perhaps more: the index knows no positions and no words, only stems."""
        if term.is_phrase:
            return _all_of(lexeme for word in term.words for lexeme in map(_quoted, self.stems[word]))
        return _any_of([*self._word_parts(term), *map(_quoted, self._short_stems(term))])

    def any_word(self, term: _FoldedTerm) -> str:
        if term.is_phrase:
            return _any_of(lexeme for word in term.words for lexeme in map(_quoted, self.stems[word]))
        return _any_of(self._word_parts(term))

    def check(self, term: _FoldedTerm) -> RowCondition | None:
        if term.is_phrase:
            negation = "not " if term.is_excluded else ""
            return RowCondition(
                f"{negation}public.relais_words({{text}}) @@ %s::tsquery", [self.strict(term)]
            )
        if not self._short_stems(term):
            return None
        return RowCondition(
            "(public.relais_words({text}) @@ %s::tsquery or ' ' || public.relais_fold({text}) like %s)",
            [self.strict(term), f"% {term.words[0]}%"],
        )

    def has_beginning(self, term: _FoldedTerm) -> bool:
        return term.is_prefix and len(term.words[0]) >= MIN_PREFIX_CHARACTERS

    def _word_parts(self, term: _FoldedTerm) -> list[str]:
        [word] = term.words
        parts = [_quoted(lexeme) for lexeme in dict.fromkeys(self.forms[word])]
        if self.has_beginning(term):
            parts.append(f"{_quoted(word)}:*")
            if not word.isascii():
                parts += [
                    f"{_quoted(stem)}:*" for stem in self.stems[word] if len(stem) >= MIN_PREFIX_CHARACTERS
                ]
        return parts

    def _short_stems(self, term: _FoldedTerm) -> list[str]:
        if not self.has_beginning(term) or not term.words[0].isascii() or not term.words[0].isalpha():
            return []
        word = term.words[0]
        shortest = max(MIN_STEM_CHARACTERS, len(word) - MAX_STEM_CUT)
        return [
            word[:length] for length in range(shortest, len(word)) if word[:length] not in self.forms[word]
        ]


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _any_of(parts: Iterable[str]) -> str:
    joined = " | ".join(parts)
    return f"({joined})" if joined else ""


def _all_of(parts: Iterable[str]) -> str:
    joined = " & ".join(parts)
    return f"({joined})" if joined else ""
