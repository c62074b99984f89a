"""What a process tells of itself: one line of JSON per event, without a client's words, in files that stay short."""

import errno
import json
import logging
import os
import subprocess
import sys
import threading
from itertools import pairwise

import pytest

from relais.ops import log_format
from relais.ops.log_files import Tail, write_line
from relais.ops.log_format import Line, in_words
from relais.ops.log_handler import Journal

log = logging.getLogger("relais.try")


@pytest.fixture
def journal(tmp_path):
    """A logger whose lines go to a journal that is set aside every 2,000 bytes."""
    with open(os.devnull, "wb") as nowhere:
        out = os.dup(1)
        os.dup2(nowhere.fileno(), 1)
        handler = Journal(tmp_path / "web.log", longest=2_000, generations=200)
        handler.setFormatter(Line("web"))
        logger = logging.getLogger("relais.journal")
        logger.setLevel("INFO")
        logger.addHandler(handler)
        yield logger
        logger.removeHandler(handler)
        handler.close()
        os.dup2(out, 1)
        os.close(out)


def told(error=None, *, logger="relais.whatsapp.inbound.hooks", event="something happened", **extra):
    record = logging.getLogger(logger).makeRecord(
        logger, logging.WARNING, __file__, 1, event, (), error and (type(error), error, error.__traceback__), extra=extra
    )  # fmt: skip
    return json.loads(Line("web").format(record))


def numbers(folder):
    """Which lines stand in all files together, in the order of the files, oldest first."""
    files = sorted(
        folder.glob("web.log*"), key=lambda file: -int(file.suffix[1:] if file.suffix != ".log" else 0)
    )
    return [json.loads(line)["number"] for file in files for line in file.read_text().splitlines()]


def test_a_line_says_what_happened_when_and_to_what():
    line = told(conversation=12, delivery=7)
    assert line["event"] == "something happened"
    assert (line["level"], line["logger"], line["process"]) == (
        "warning",
        "relais.whatsapp.inbound.hooks",
        "web",
    )
    assert (line["conversation"], line["delivery"], line["pid"]) == (12, 7, os.getpid())
    assert line["at"].endswith("Z") and "T" in line["at"]


def test_what_befell_many_at_once_is_a_line_for_each():
    record = log.makeRecord(
        "relais.x",
        20,
        __file__,
        1,
        "delivery state changed",
        (),
        None,
        extra={"state": "sent", "each": [{"delivery": 1}, {"delivery": 2}]},
    )
    lines = [json.loads(line) for line in Line("jobs").format(record).splitlines()]
    assert [(line["event"], line["state"], line["delivery"]) for line in lines] == [
        ("delivery state changed", "sent", 1),
        ("delivery state changed", "sent", 2),
    ]


def failed(text):
    try:
        try:
            raise ValueError(text)
        except ValueError as error:
            raise KeyError(text) from error
    except KeyError as error:
        return error


def test_an_exception_is_told_by_its_kind_and_places_and_not_by_its_words():
    line = told(failed("Je m'appelle Fatou, +212 6 12 34 56 78"))
    assert line["error"] == "KeyError"
    assert [place for place in line["trace"] if place.endswith("Error")] == ["ValueError", "KeyError"]
    assert any(place.endswith(" failed") and "test_log_handler.py:" in place for place in line["trace"])
    words = json.dumps(line | {"pid": 0, "at": ""})
    assert "Fatou" not in words and "212" not in words


def raised(error, *, cause=None):
    try:
        raise error from cause
    except type(error):
        return error


def test_causes_that_form_a_circle_are_told_once():
    first, second = raised(ValueError()), raised(KeyError())
    first.__cause__, second.__cause__ = second, first
    kinds = [place for place in told(first)["trace"] if place.endswith("Error")]
    assert kinds == ["KeyError", "ValueError"]


def test_contexts_that_form_a_circle_are_told_once():
    alone = raised(ValueError())
    alone.__context__, alone.__suppress_context__ = alone, False
    assert [place for place in told(alone)["trace"] if place.endswith("Error")] == ["ValueError"]


def test_of_a_very_long_chain_of_causes_both_ends_are_told():
    error = raised(KeyError())
    for _number in range(3000):
        error = raised(ValueError(), cause=error)
    last = raised(TypeError(), cause=error)
    trace = told(last)["trace"]
    assert trace[-1] == "TypeError"
    assert "(992 exceptions between)" in trace
    assert len(trace) <= log_format.MAX_TRACE_LINES


def test_a_group_of_exceptions_is_told_with_its_first_members():
    members = [raised(ValueError(f"Fatou {number}")) for number in range(20)]
    trace = told(raised(ExceptionGroup("Fatou", members)))["trace"]
    assert trace.count("| ValueError") == log_format.MAX_GROUP_MEMBERS
    assert trace[-1] == "(15 more in the group)"
    assert "Fatou" not in json.dumps(trace)


def test_groups_within_groups_and_in_a_circle_are_bounded():
    group = raised(ExceptionGroup("", [raised(ValueError()) for _ in range(9)]))
    for _depth in range(50):
        group = raised(ExceptionGroup("", [group] * 9))
    group.exceptions[0].__cause__ = group
    trace = told(group)["trace"]
    assert len(trace) <= log_format.MAX_TRACE_LINES
    assert not any(line.startswith("| " * (log_format.MAX_GROUP_DEPTH + 1)) for line in trace)


def test_a_record_that_cannot_be_formatted_is_one_line_all_the_same(journal, tmp_path, capfd):
    circle = {}
    circle["of"] = circle
    journal.info("tick", extra={"number": 1, "each": [circle]})
    journal.info("tick", extra={"number": 2})
    first, second = (json.loads(line) for line in (tmp_path / "web.log").read_text().splitlines())
    assert (first["event"], first["error"]) == ("log record could not be formatted", "ValueError")
    assert second["number"] == 2
    assert "Logging error" not in capfd.readouterr().err


class SmallDisk:
    """Takes only so many bytes more of what is written to a file, the last piece of it in part, as a disk does."""

    def __init__(self, monkeypatch, path, room):
        self.path, self.room, self.write = path, room, os.write
        monkeypatch.setattr(os, "write", self.takes)

    def takes(self, fd, data):
        if not os.path.samestat(os.fstat(fd), os.stat(self.path)):
            return self.write(fd, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = self.write(fd, data[: self.room])
        self.room -= taken
        return taken


def test_a_line_is_written_whole_or_not_at_all_on_a_full_disk(journal, tmp_path, monkeypatch):
    journal.info("tick", extra={"number": 0})
    path = tmp_path / "web.log"
    disk = SmallDisk(monkeypatch, path, room=path.stat().st_size + 40)
    for number in (1, 2, 3):
        journal.info("tick", extra={"number": number})
    disk.room = 10**6
    journal.info("tick", extra={"number": 4})
    assert numbers(tmp_path) == [0, 1, 4]


def test_a_line_begins_afresh_behind_what_was_torn(journal, tmp_path):
    with (tmp_path / "web.log").open("ab") as file:
        file.write(b'{"number": 0, "cut o')
    journal.info("tick", extra={"number": 1})
    torn, whole = (tmp_path / "web.log").read_text().splitlines()
    assert torn == '{"number": 0, "cut o' and json.loads(whole)["number"] == 1


def test_a_line_on_standard_output_that_is_a_file_is_whole_too(tmp_path, monkeypatch):
    with (tmp_path / "out").open("wb", buffering=0) as out:
        SmallDisk(monkeypatch, tmp_path / "out", room=25)
        write_line(out.fileno(), b"0123456789012345678\n")
        with pytest.raises(OSError, match="space"):
            write_line(out.fileno(), b"0123456789012345678\n")
        monkeypatch.undo()
        write_line(out.fileno(), b"again\n")
    assert (tmp_path / "out").read_bytes() == b"0123456789012345678\nagain\n"


def test_another_library_s_words_are_not_taken():
    line = told(logger="urllib3", event="could not reach %s\nbody=bonjour", answer="bonjour", code=503)
    assert line["event"] == "could not reach %s"
    assert (line["code"], "answer" in line) == (503, False)
    assert (
        told(logger="asyncio", event="Exception in callback say('bonjour')")["event"]
        == "Exception in callback say"
    )


def test_a_job_that_failed_is_told_by_its_task_and_number():
    job = {
        "id": 5,
        "task_name": "relais.flows.tasks.run_bot",
        "attempts": 2,
        "task_kwargs": {"text": "bonjour"},
    }
    line = told(logger="procrastinate.worker", event="Job failed", job=job)
    assert (line["job"], line["task"], line["attempts"]) == (5, "relais.flows.tasks.run_bot", 2)
    assert "bonjour" not in json.dumps(line)


def test_a_person_at_a_terminal_reads_words():
    line = json.dumps(told(failed("x"), delivery=7))
    assert "WARNING something happened  delivery=7" in in_words(line)
    assert "\n    ValueError\n" in in_words(line)
    assert in_words("plain words") == "plain words"
    assert in_words("{not json") == "{not json"


def test_setting_aside_loses_no_line_whoever_writes(journal, tmp_path):
    tail = Tail(tmp_path / "web.log")
    seen = []

    def writes(first):
        for number in range(first, first + 100):
            journal.info("tick", extra={"number": number})
            with lock:
                seen.extend(tail.new_lines())

    lock = threading.Lock()
    threads = [threading.Thread(target=writes, args=[start]) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen += tail.new_lines()
    tail.close()
    assert len(list(tmp_path.glob("web.log.*"))) > 10
    assert sorted(numbers(tmp_path)) == list(range(300))
    # Who follows the file sees every line once, though the file is another one time and again.
    assert sorted(json.loads(line)["number"] for line in seen) == list(range(300))


def test_two_processes_write_one_journal(journal, tmp_path):
    other = Journal(tmp_path / "web.log", longest=2_000, generations=200)
    other.setFormatter(Line("web"))
    for number in range(0, 200, 2):
        journal.info("tick", extra={"number": number})
        other.emit(log.makeRecord("relais", 20, __file__, 1, "tick", (), None, extra={"number": number + 1}))
    other.close()
    assert numbers(tmp_path) == list(range(200))


def test_only_so_many_old_files_are_kept(journal, tmp_path):
    journal.handlers[0].generations = 2
    for number in range(300):
        journal.info("tick", extra={"number": number})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["web.log", "web.log.1", "web.log.2"]
    kept = numbers(tmp_path)
    assert kept[-1] == 299 and all(after == before + 1 for before, after in pairwise(kept))


def test_the_journal_is_for_its_owner_alone(journal, tmp_path):
    for number in range(60):
        journal.info("tick", extra={"number": number})
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == {"0o600"}


PROGRAM = """
import logging, os, sys
import django
from pathlib import Path
from relais.ops import log_handler
os.environ["DJANGO_SETTINGS_MODULE"] = "relais.settings"
django.setup()
log_handler.begin("web", Path(sys.argv[1]))
django.setup()
logging.getLogger("relais").warning("said", extra={"event_id": 1})
print("printed", flush=True)
raise SystemExit("nothing more")
"""


def run(folder, **where):
    return subprocess.run([sys.executable, "-P", "-c", PROGRAM, str(folder)], text=True, check=False, **where)


def test_alone_a_process_tells_its_file_and_standard_output(tmp_path):
    done = run(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert [json.loads(line)["event"] for line in (tmp_path / "web.log").read_text().splitlines()] == ["said"]
    assert json.loads(done.stdout.splitlines()[0])["event"] == "said"
    assert done.stdout.splitlines()[1] == "printed"


def test_under_the_supervisor_whose_output_is_the_file_each_line_stands_once(tmp_path):
    with (tmp_path / "web.log").open("ab") as file:
        run(tmp_path, stdout=file, stderr=subprocess.DEVNULL)
    lines = (tmp_path / "web.log").read_text().splitlines()
    assert (json.loads(lines[0])["event"], lines[1:]) == ("said", ["printed"])


def test_what_leads_to_the_file_follows_when_it_is_set_aside(tmp_path):
    with (tmp_path / "web.log").open("ab") as file:
        file.write(b"x" * 20_000_000 + b"\n")
        run(tmp_path, stdout=file, stderr=subprocess.DEVNULL)
    assert (tmp_path / "web.log").read_text().splitlines()[1] == "printed"
    assert (tmp_path / "web.log.1").stat().st_size == 20_000_001
