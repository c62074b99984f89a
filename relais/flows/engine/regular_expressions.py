"""Runs Java's regular expressions, which Studio has: with RE2 if it can, else with `regex` and a time-out.

RE2 takes linear time but has no lookaround, back-references, possessive quantifiers or class operations. `regex` runs
patterns with any of these; its matching stops after a time-out, and releases the interpreter's lock meanwhile.
"""

import string
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2
import regex

MATCH_TIMEOUT_SECONDS = 0.25
MAX_PATTERN_CHARACTERS = 4_096
MAX_NESTING = 50
MAX_REPETITIONS = 10_000
"""Of a counted repetition, and of nested ones multiplied: the engine may expand them."""
MAX_RE2_REPETITIONS = 1_000
MAX_RE2_BYTES = 2 * 1024 * 1024


class InvalidPattern(Exception):
    """The regular expression cannot be run here."""


class MatchTimeout(Exception):
    """The expression backtracks too long on this text."""


@dataclass(frozen=True)
class Pattern:
    compiled: Any
    has_timeout: bool

    def matches(self, text: str) -> bool:
        """Whether the whole text matches. Raises MatchTimeout."""
        if not self.has_timeout:
            return self.compiled.fullmatch(text) is not None
        try:
            match = self.compiled.fullmatch(text, timeout=MATCH_TIMEOUT_SECONDS, concurrent=True)
        except TimeoutError as error:
            raise MatchTimeout(f"no result within {MATCH_TIMEOUT_SECONDS:g} seconds") from error
        return match is not None


def pattern(source: str) -> Pattern:
    """The compiled expression. Raises InvalidPattern."""
    cached = _compiled(source)
    if isinstance(cached, InvalidPattern):
        raise cached
    return cached


@lru_cache(maxsize=256)
def _compiled(source: str) -> Pattern | InvalidPattern:
    try:
        translated = _Translation(source, for_re2=True)
        if not translated.is_beyond_re2:
            return Pattern(_by_re2(translated.text), has_timeout=False)
        return Pattern(_by_regex(source), has_timeout=True)
    except InvalidPattern as error:
        return error


def _by_re2(source: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = MAX_RE2_BYTES
    try:
        return re2.compile(source, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not understood"
        raise InvalidPattern(
            reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        ) from error


def _by_regex(source: str) -> Any:
    if len(source) > MAX_PATTERN_CHARACTERS:
        raise InvalidPattern(f"it has more than {MAX_PATTERN_CHARACTERS} characters")
    try:
        # Version 1 has nested classes; (?-f) turns off its full case folding, by which ß matches ss.
        text = "(?-f)" + _Translation(source, for_re2=False).text
        return regex.compile(text, regex.VERSION1 | regex.IGNORECASE)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise InvalidPattern(str(error)) from error


# -- translation of Java's syntax -------------------------------------------------------------------------

POSIX_CLASSES = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0b\f\r",
}
VERTICAL = r"\n\x0b\f\r\x85\u2028\u2029"
SHORTHANDS = {
    "d": "0-9",
    "w": "a-zA-Z_0-9",
    "s": r" \t\n\x0b\f\r",
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
    "v": VERTICAL,
}
RE2_SHORTHANDS = "dws"
SET_ESCAPES = "dDwWsShHvVpP"
JAVA_PROPERTIES = {
    "javaLowerCase": "Ll",
    "javaUpperCase": "Lu",
    "javaTitleCase": "Lt",
    "javaLetter": "L",
    "javaAlphabetic": "Alphabetic",
    "javaDigit": "Nd",
    "javaWhitespace": "White_Space",
    "IsPunctuation": "P",
    "IsDigit": "Nd",
    "IsControl": "Cc",
}
CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
LOOKAROUND = ("?=", "?!", "?<=", "?<!", "?>")
FLAGS = frozenset("idmsux")
KEPT_FLAGS = frozenset("ims")
"""The other flags are always on, or are handled by the translation."""


class _Translation:
    """A recursive-descent translation: `text` is the pattern for the engine; `is_beyond_re2` if RE2 cannot run it."""

    def __init__(self, source: str, *, for_re2: bool) -> None:
        self._source = source
        self._at = 0
        self._for_re2 = for_re2
        self._depth = 0
        self._groups = 0
        self._has_comments = False
        self.is_beyond_re2 = False
        self.text, size = self._alternatives()
        if self._at < len(source):
            raise InvalidPattern("a ) closes nothing")
        if self.is_beyond_re2 and size > MAX_REPETITIONS:
            raise InvalidPattern(f"its repetitions come to more than {MAX_REPETITIONS}")

    # -- reading ------------------------------------------------------------------------------------------

    @property
    def _next(self) -> str:
        return self._source[self._at : self._at + 1]

    def _take(self, count: int = 1) -> str:
        taken = self._source[self._at : self._at + count]
        if len(taken) < count:
            raise InvalidPattern("it ends too early")
        self._at += count
        return taken

    def _took(self, text: str) -> bool:
        if not self._source.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _until(self, end: str) -> str:
        end_index = self._source.find(end, self._at)
        if end_index < 0:
            raise InvalidPattern(f"a {end} is missing")
        text = self._source[self._at : end_index]
        self._at = end_index + len(end)
        return text

    def _digits(self, allowed: str = string.digits, most: int = 9) -> str:
        start = self._at
        while self._next and self._next in allowed and self._at - start < most:
            self._at += 1
        return self._source[start : self._at]

    def _skip_comments(self) -> None:
        while self._has_comments and self._next:
            if self._next == "#":
                end = self._source.find("\n", self._at)
                self._at = len(self._source) if end < 0 else end + 1
            elif self._next.isspace():
                self._at += 1
            else:
                return

    # -- alternatives, sequences, quantifiers -------------------------------------------------------------

    def _alternatives(self) -> tuple[str, int]:
        """The translated text, and its size with counted repetitions expanded."""
        parts, size = [], 0
        while True:
            text, more = self._sequence()
            parts.append(text)
            size += more
            if not self._took("|"):
                return "|".join(parts), size

    def _sequence(self) -> tuple[str, int]:
        parts, size = [], 0
        self._skip_comments()
        while self._next and self._next not in "|)":
            if self._next in "*+?":
                raise InvalidPattern(f"nothing stands before a {self._next}")
            atom, more = self._atom()
            self._skip_comments()
            quantifier, times = self._quantifier()
            self._skip_comments()
            parts.append(atom + quantifier)
            size += more * times
        return "".join(parts), size

    def _quantifier(self) -> tuple[str, int]:
        text, times = "", 1
        if self._next and self._next in "*+?":
            text = self._take()
        elif self._next == "{":
            text, times = self._counts()
        if not text:
            return "", 1
        if self._took("?"):
            text += "?"
        elif self._took("+"):
            text += "+"
            self.is_beyond_re2 = True
        return text, times

    def _counts(self) -> tuple[str, int]:
        """`{n}`, `{n,}` or `{n,m}`; any other brace is a literal."""
        start = self._at
        self._at += 1
        low = self._digits()
        comma = "," if low and self._took(",") else ""
        high = self._digits() if comma else ""
        if not low or not self._took("}"):
            self._at = start
            return "", 1
        most = max(int(low), int(high or 0))
        if most > MAX_REPETITIONS:
            raise InvalidPattern(f"it repeats something more than {MAX_REPETITIONS} times")
        if most > MAX_RE2_REPETITIONS:
            self.is_beyond_re2 = True
        return f"{{{low}{comma}{high}}}", max(1, most)

    # -- atoms --------------------------------------------------------------------------------------------

    def _atom(self) -> tuple[str, int]:
        letter = self._take()
        if letter == "(":
            return self._group()
        if letter == "[":
            return self._class(), 1
        if letter == "\\":
            return self._escape(), 1
        return letter if letter in ".^$" else _literal(letter), 1

    def _group(self) -> tuple[str, int]:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise InvalidPattern("it is nested too deeply")
        had_comments = self._has_comments
        opening = self._opening()
        if opening.endswith(")"):
            self._depth -= 1
            return opening, 0  # flags for the rest of the group around it
        text, size = self._alternatives()
        if not self._took(")"):
            raise InvalidPattern("a ) is missing")
        self._depth -= 1
        self._has_comments = had_comments
        return f"({opening}{text})", size

    def _opening(self) -> str:
        """What follows the opening bracket; it ends with a closing one if the group only sets flags."""
        if not self._took("?"):
            self._groups += 1
            return ""
        if self._took(":"):
            return "?:"
        for kind in LOOKAROUND:
            if self._took(kind[1:]):
                self.is_beyond_re2 = True
                return kind
        if self._took("P<") or self._took("<"):
            name = self._until(">")
            if not (name.isascii() and name.isidentifier()):
                raise InvalidPattern(f"“{name}” is no name of a group")
            self._groups += 1
            return f"?P<{name}>"
        return self._flags()

    def _flags(self) -> str:
        start = self._at
        while self._next and self._next in FLAGS | {"-"}:
            self._at += 1
        on, _minus, off = self._source[start : self._at].partition("-")
        if self._at == start or "-" in off or self._next not in (")", ":"):
            raise InvalidPattern(f"there is no group (?{self._next}")
        if "x" in on or "x" in off:
            self._has_comments = "x" in on
        set_, unset = ("".join(flag for flag in flags if flag in KEPT_FLAGS) for flags in (on, off))
        text = set_ + (f"-{unset}" if unset else "")
        if self._take() == ":":
            return f"?{text}:"
        return f"(?{text})" if text else "(?:)"

    # -- escapes ------------------------------------------------------------------------------------------

    def _escape(self) -> str:
        letter = self._take()
        if letter in "123456789":
            return self._back_reference(letter)
        if letter == "k":
            self.is_beyond_re2 = True
            return f"(?P={self._until('>').removeprefix('<')})"
        if letter == "Q":
            end = self._source.find("\\E", self._at)
            quoted = self._source[self._at : end] if end >= 0 else self._source[self._at :]
            self._at += len(quoted) + (2 if end >= 0 else 0)
            return f"(?:{''.join(map(_literal, quoted))})"
        if letter in "bB":
            self.is_beyond_re2 = True  # for RE2, é is not a letter
            return f"\\{letter}"
        if letter in "AG":
            return "\\A"
        if letter in "zZ":
            return "$"
        if letter == "R":
            return f"(?:\\r\\n|[{self._ranges(VERTICAL)}])"
        if letter == "X":
            self.is_beyond_re2 = True
            return "\\X"
        if letter in SET_ESCAPES:
            return f"[{self._set_escape(letter)}]"
        return _literal(self._character(letter))

    def _back_reference(self, number: str) -> str:
        self.is_beyond_re2 = True
        while self._next and self._next in string.digits and int(number + self._next) <= self._groups:
            number += self._take()
        return f"(?:\\{number})"

    def _set_escape(self, letter: str) -> str:
        """The content of a class for `\\d`, `\\p{…}` and the like."""
        if letter in "pP":
            return self._property(is_negated=letter == "P")
        if self._for_re2 and letter.lower() in RE2_SHORTHANDS:
            return f"\\{letter}"
        return self._maybe_negated(SHORTHANDS[letter.lower()], is_negated=letter.isupper())

    def _maybe_negated(self, ranges: str, *, is_negated: bool) -> str:
        if is_negated:
            self.is_beyond_re2 = True
            return f"[^{ranges}]"
        return self._ranges(ranges)

    def _ranges(self, ranges: str) -> str:
        """The ranges with \\u escapes decoded, which RE2 does not have."""
        return ranges.encode().decode("unicode_escape") if "\\u" in ranges and self._for_re2 else ranges

    def _property(self, *, is_negated: bool) -> str:
        name = self._until("}") if self._took("{") else self._take()
        if name in POSIX_CLASSES:
            if self._for_re2:
                return f"[:{'^' if is_negated else ''}{name.lower()}:]"
            return self._maybe_negated(POSIX_CLASSES[name], is_negated=is_negated)
        if name in JAVA_PROPERTIES:
            name = JAVA_PROPERTIES[name]
        elif name.startswith("Is"):
            name = name.removeprefix("Is")
        name = name.partition("=")[2] or name
        if not (name.replace("_", "").isalnum() and name.isascii()):
            raise InvalidPattern(f"there is no property {name}")
        text = f"\\{'P' if is_negated else 'p'}{{{name}}}"
        if self._for_re2 and not self.is_beyond_re2:
            try:
                _by_re2(text)
            except InvalidPattern:
                self.is_beyond_re2 = True
        return text

    def _character(self, letter: str) -> str:
        """The character of an escape."""
        if letter in CONTROLS:
            return CONTROLS[letter]
        if letter == "x":
            return _by_number(self._until("}") if self._took("{") else self._take(2), 16)
        if letter == "u":
            return _by_number(self._take(4), 16)
        if letter == "0":
            return _by_number(self._digits(string.octdigits, 3), 8)
        if letter == "c":
            return chr(ord(self._take()) ^ 64)
        if letter.isascii() and letter.isalpha():
            raise InvalidPattern(f"there is no \\{letter}")
        return letter

    # -- classes ------------------------------------------------------------------------------------------

    def _class(self) -> str:
        """The class after `[`; `&&` binds weaker than juxtaposition."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise InvalidPattern("it is nested too deeply")
        negation = "^" if self._took("^") else ""
        operands = [self._union(may_close=False)]
        while self._took("&&"):
            self.is_beyond_re2 = True
            operands.append(self._union(may_close=True))
        if not self._took("]"):
            raise InvalidPattern("a ] is missing")
        self._depth -= 1
        operands = [operand for operand in operands if operand]
        if not operands:
            raise InvalidPattern("a class is empty")
        if len(operands) == 1:
            return f"[{negation}{operands[0]}]"
        return f"[{negation}{'&&'.join(f'[{operand}]' for operand in operands)}]"

    def _union(self, *, may_close: bool) -> str:
        parts: list[str] = []
        while self._next and not self._source.startswith("&&", self._at):
            if self._next == "]" and (parts or may_close):
                break
            letter = self._take()
            if self._has_comments and letter.isspace():
                continue
            if letter == "[":
                self.is_beyond_re2 = True
                parts.append(self._class())
            elif letter == "\\" and self._next and self._next in SET_ESCAPES:
                parts.append(self._set_escape(self._take()))
            else:
                parts.append(self._range(letter))
        return "".join(parts)

    def _range(self, letter: str) -> str:
        low = self._class_character(letter)
        following = self._source[self._at + 1 : self._at + 2]
        if self._next != "-" or following in ("]", "[", "") or self._source.startswith("-&&", self._at):
            return _literal(low)
        self._at += 1
        high = self._class_character(self._take())
        if high < low:
            raise InvalidPattern(f"the range {low}-{high} is the wrong way round")
        return f"{_literal(low)}-{_literal(high)}"

    def _class_character(self, letter: str) -> str:
        return self._character(self._take()) if letter == "\\" else letter


def _by_number(digits: str, base: int) -> str:
    try:
        return chr(int(digits, base))
    except (ValueError, OverflowError) as error:
        raise InvalidPattern(f"“{digits}” is no number of a character") from error


def _literal(character: str) -> str:
    """The character as a literal of both engines, inside and outside of classes."""
    if character in string.punctuation:
        return f"\\{character}"
    return character if character.isprintable() else f"\\x{{{ord(character):x}}}"
