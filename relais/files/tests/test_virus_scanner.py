"""The virus scanner by the protocol of clamd."""

import pytest

from relais.files import metrics
from relais.files.tests.clamd_double import EICAR, running_clamd
from relais.files.virus_scanner import ScannerUnavailable, ping, scan


def count(outcome):
    return metrics.SCANS.labels(outcome)._value.get()


def test_a_clean_file_is_streamed_whole(tmp_path):
    with running_clamd() as clamd:
        before = count("clean")
        assert scan(clamd.url, iter([b"a" * 70_000, b"b"])) == ""
        assert clamd.scanned == [b"a" * 70_000 + b"b"]
        assert count("clean") == before + 1


def test_what_was_found_is_named_also_over_a_socket(tmp_path):
    with running_clamd(tmp_path / "clamd.ctl") as clamd:
        ping(clamd.url)
        assert scan(clamd.url, [EICAR[:10], EICAR[10:]]) == "Eicar-Test-Signature"


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:1", "unix:///nowhere/clamd.ctl"])
def test_without_an_answer_nothing_is_said_to_be_clean(url):
    before = count("unavailable")
    with pytest.raises(ScannerUnavailable):
        scan(url, [b"x"])
    with pytest.raises(ScannerUnavailable):
        ping(url)
    assert count("unavailable") == before + 1


def test_a_file_over_the_scanners_limit_is_not_clean():
    with running_clamd(max_bytes=3) as clamd, pytest.raises(ScannerUnavailable):
        scan(clamd.url, [b"four"])
