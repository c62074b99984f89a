"""Parsing of the `.env` file."""

import pytest

from relais.dotenv import InvalidLine, parse_dotenv, read_dotenv


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("KEY = value ", "value"),
        ("export KEY=value", "value"),
        ("KEY=", ""),
        ("KEY=a=b=c", "a=b=c"),
        ("KEY=value # what it is", "value"),
        ("KEY= # nothing yet", ""),
        ("KEY=#x", ""),
        ("KEY=http://host/path#fragment", "http://host/path#fragment"),
        ('KEY="two words # no comment" # a comment', "two words # no comment"),
        ("KEY='with \"quotes\" and $HOME'", 'with "quotes" and $HOME'),
        (r'KEY="a\nb \"c\""', 'a\nb "c"'),
        (r'KEY="a\$b"', "a$b"),
        (r"KEY='a\nb'", r"a\nb"),
        ("KEY=it's", "it's"),
        ("KEY=clé", "clé"),
    ],
)
def test_a_line_is_read_as_a_shell_user_expects(line, value):
    assert parse_dotenv(line) == {"KEY": value}


def test_comments_and_empty_lines_are_skipped():
    assert parse_dotenv("# a comment\n\n   \n  # another\nA=1\r\nB=2") == {"A": "1", "B": "2"}


@pytest.mark.parametrize("line", ["nonsense", "1KEY=x", "KEY-X=1", 'KEY="open', "KEY='a' b", "=x"])
def test_an_invalid_line_raises_its_number(line):
    with pytest.raises(InvalidLine) as raised:
        parse_dotenv(f"A=1\n{line}")
    assert raised.value.number == 2


def test_the_line_number_counts_empty_lines():
    with pytest.raises(InvalidLine) as raised:
        parse_dotenv("A=1\n\n\nnonsense")
    assert raised.value.number == 4


def test_the_last_value_of_a_key_counts():
    assert parse_dotenv("A=1\nA=2") == {"A": "2"}


def test_a_missing_file_has_no_variables(tmp_path):
    assert read_dotenv(tmp_path / ".env") == {}


def test_a_byte_order_mark_is_ignored(tmp_path):
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1\n")
    assert read_dotenv(tmp_path / ".env") == {"A": "1"}
