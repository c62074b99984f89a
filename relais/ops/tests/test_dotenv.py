import pytest

from relais.dotenv import BadLine, parse, read


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
        ("KEY=http://host/path#fragment", "http://host/path#fragment"),
        ('KEY="two words # no comment" # a comment', "two words # no comment"),
        ("KEY='with \"quotes\" and $HOME'", 'with "quotes" and $HOME'),
        (r'KEY="a\nb \"c\""', 'a\nb "c"'),
        (r"KEY='a\nb'", r"a\nb"),
        ("KEY=it's", "it's"),
        ("KEY=clé", "clé"),
    ],
)
def test_a_line_is_read_as_a_shell_user_expects(line, value):
    assert parse(line) == {"KEY": value}


def test_comments_and_empty_lines_say_nothing():
    assert parse("# a comment\n\n   \n  # another\nA=1\r\nB=2") == {"A": "1", "B": "2"}


@pytest.mark.parametrize("line", ["nonsense", "1KEY=x", 'KEY="open', "KEY='a' b", "=x"])
def test_anything_else_is_refused_with_its_line(line):
    with pytest.raises(BadLine) as refused:
        parse(f"A=1\n{line}")
    assert refused.value.number == 2


def test_no_file_is_no_variable(tmp_path):
    assert read(tmp_path / ".env") == {}


def test_a_mark_at_the_beginning_of_the_file_is_ignored(tmp_path):
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1\n")
    assert read(tmp_path / ".env") == {"A": "1"}
