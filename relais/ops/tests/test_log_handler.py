"""The log of a process: one JSON object per event, without clients' texts, in rotated files."""

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
from relais.ops.log_files import LogTail, write_line
from relais.ops.log_format import JsonFormatter, to_human
from relais.ops.log_handler import RotatingLogHandler

log = logging.getLogger("relais.try")


@pytest.fixture
def logger(tmp_path):
    """A logger whose file is rotated every 2,000 bytes."""
    with open(os.devnull, "wb") as nowhere:
        out = os.dup(1)
        os.dup2(nowhere.fileno(), 1)
        handler = RotatingLogHandler(tmp_path / "web.log", max_bytes=2_000, backup_count=200)
        handler.setFormatter(JsonFormatter("web"))
        logger = logging.getLogger("relais.try_handler")
        logger.setLevel("INFO")
        logger.addHandler(handler)
        yield logger
        logger.removeHandler(handler)
        handler.close()
        os.dup2(out, 1)
        os.close(out)


def formatted(error=None, *, logger="relais.whatsapp.inbound.hooks", event="something happened", **extra):
    record = logging.getLogger(logger).makeRecord(
        logger, logging.WARNING, __file__, 1, event, (), error and (type(error), error, error.__traceback__), extra=extra
    )  # fmt: skip
    return json.loads(JsonFormatter("web").format(record))


def numbers(folder):
    """The numbers in all files together, oldest first."""
    files = sorted(
        folder.glob("web.log*"), key=lambda file: -int(file.suffix[1:] if file.suffix != ".log" else 0)
    )
    return [json.loads(line)["number"] for file in files for line in file.read_text().splitlines()]


def test_a_line_holds_event_time_and_ids():
    line = formatted(conversation=12, delivery=7)
    assert line["event"] == "something happened"
    assert (line["level"], line["logger"], line["process"]) == (
        "warning",
        "relais.whatsapp.inbound.hooks",
        "web",
    )
    assert (line["conversation"], line["delivery"], line["pid"]) == (12, 7, os.getpid())
    assert line["at"].endswith("Z") and "T" in line["at"]


def test_a_record_about_many_becomes_a_line_for_each():
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
    lines = [json.loads(line) for line in JsonFormatter("jobs").format(record).splitlines()]
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


def test_an_exception_is_logged_by_type_and_frames_without_its_message():
    line = formatted(failed("Je m'appelle Fatou, +212 6 12 34 56 78"))
    assert line["error"] == "KeyError"
    assert [frame for frame in line["trace"] if frame.endswith("Error")] == ["ValueError", "KeyError"]
    assert any(frame.endswith(" failed") and "test_log_handler.py:" in frame for frame in line["trace"])
    words = json.dumps(line | {"pid": 0, "at": ""})
    assert "Fatou" not in words and "212" not in words


def raised(error, *, cause=None):
    try:
        raise error from cause
    except type(error):
        return error


def test_causes_that_form_a_cycle_are_logged_once():
    first, second = raised(ValueError()), raised(KeyError())
    first.__cause__, second.__cause__ = second, first
    kinds = [frame for frame in formatted(first)["trace"] if frame.endswith("Error")]
    assert kinds == ["KeyError", "ValueError"]


def test_contexts_that_form_a_cycle_are_logged_once():
    alone = raised(ValueError())
    alone.__context__, alone.__suppress_context__ = alone, False
    assert [frame for frame in formatted(alone)["trace"] if frame.endswith("Error")] == ["ValueError"]


def test_both_ends_of_a_very_long_chain_of_causes_are_logged():
    error = raised(KeyError())
    for _number in range(3000):
        error = raised(ValueError(), cause=error)
    last = raised(TypeError(), cause=error)
    trace = formatted(last)["trace"]
    assert trace[-1] == "TypeError"
    assert "(992 exceptions between)" in trace
    assert len(trace) <= log_format.MAX_TRACE_LINES


def test_an_exception_group_is_logged_with_its_first_members():
    members = [raised(ValueError(f"Fatou {number}")) for number in range(20)]
    trace = formatted(raised(ExceptionGroup("Fatou", members)))["trace"]
    assert trace.count("| ValueError") == log_format.MAX_GROUP_MEMBERS
    assert trace[-1] == "(15 more in the group)"
    assert "Fatou" not in json.dumps(trace)


def test_nested_and_cyclic_groups_are_bounded():
    group = raised(ExceptionGroup("", [raised(ValueError()) for _ in range(9)]))
    for _depth in range(50):
        group = raised(ExceptionGroup("", [group] * 9))
    group.exceptions[0].__cause__ = group
    trace = formatted(group)["trace"]
    assert len(trace) <= log_format.MAX_TRACE_LINES
    assert not any(line.startswith("| " * (log_format.MAX_GROUP_DEPTH + 1)) for line in trace)


def test_a_record_that_cannot_be_formatted_is_still_one_line(logger, tmp_path, capfd):
    cycle = {}
    cycle["of"] = cycle
    logger.info("tick", extra={"number": 1, "each": [cycle]})
    logger.info("tick", extra={"number": 2})
    first, second = (json.loads(line) for line in (tmp_path / "web.log").read_text().splitlines())
    assert (first["event"], first["error"]) == ("log record could not be formatted", "ValueError")
    assert second["number"] == 2
    assert "Logging error" not in capfd.readouterr().err


class SmallDisk:
    """Accepts only so many more bytes for a file, the last write in part, as a full disk does."""

    def __init__(self, monkeypatch, path, room):
        self.path, self.room, self.write = path, room, os.write
        monkeypatch.setattr(os, "write", self.write_within_room)

    def write_within_room(self, fd, data):
        if not os.path.samestat(os.fstat(fd), os.stat(self.path)):
            return self.write(fd, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self.write(fd, data[: self.room])
        self.room -= written
        return written


def test_a_line_is_atomic_on_a_full_disk(logger, tmp_path, monkeypatch):
    logger.info("tick", extra={"number": 0})
    path = tmp_path / "web.log"
    disk = SmallDisk(monkeypatch, path, room=path.stat().st_size + 40)
    for number in (1, 2, 3):
        logger.info("tick", extra={"number": number})
    disk.room = 10**6
    logger.info("tick", extra={"number": 4})
    assert numbers(tmp_path) == [0, 1, 4]


def test_a_line_after_a_torn_one_starts_a_new_line(logger, tmp_path):
    with (tmp_path / "web.log").open("ab") as file:
        file.write(b'{"number": 0, "cut o')
    logger.info("tick", extra={"number": 1})
    torn, whole = (tmp_path / "web.log").read_text().splitlines()
    assert torn == '{"number": 0, "cut o' and json.loads(whole)["number"] == 1


def test_a_line_is_atomic_on_standard_output_that_is_a_file(tmp_path, monkeypatch):
    with (tmp_path / "out").open("wb", buffering=0) as out:
        SmallDisk(monkeypatch, tmp_path / "out", room=25)
        write_line(out.fileno(), b"0123456789012345678\n")
        with pytest.raises(OSError, match="space"):
            write_line(out.fileno(), b"0123456789012345678\n")
        monkeypatch.undo()
        write_line(out.fileno(), b"again\n")
    assert (tmp_path / "out").read_bytes() == b"0123456789012345678\nagain\n"


def test_the_texts_of_other_libraries_are_not_logged():
    line = formatted(logger="urllib3", event="could not reach %s\nbody=bonjour", answer="bonjour", code=503)
    assert line["event"] == "could not reach %s"
    assert (line["code"], "answer" in line) == (503, False)
    assert (
        formatted(logger="asyncio", event="Exception in callback say('bonjour')")["event"]
        == "Exception in callback say"
    )


def test_a_failed_job_is_logged_by_task_and_id():
    job = {
        "id": 5,
        "task_name": "relais.flows.tasks.run_bot",
        "attempts": 2,
        "task_kwargs": {"text": "bonjour"},
    }
    line = formatted(logger="procrastinate.worker", event="Job failed", job=job)
    assert (line["job"], line["task"], line["attempts"]) == (5, "relais.flows.tasks.run_bot", 2)
    assert "bonjour" not in json.dumps(line)


def test_a_line_is_shown_in_human_form_at_a_terminal():
    line = json.dumps(formatted(failed("x"), delivery=7))
    assert "WARNING something happened  delivery=7" in to_human(line)
    assert "\n    ValueError\n" in to_human(line)
    assert to_human("plain words") == "plain words"
    assert to_human("{not json") == "{not json"


def test_rotation_loses_no_line_of_several_threads(logger, tmp_path):
    tail = LogTail(tmp_path / "web.log")
    seen = []

    def writes(first):
        for number in range(first, first + 100):
            logger.info("tick", extra={"number": number})
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
    # A tail sees every line once across all rotations.
    assert sorted(json.loads(line)["number"] for line in seen) == list(range(300))


def test_two_processes_write_to_one_file(logger, tmp_path):
    other = RotatingLogHandler(tmp_path / "web.log", max_bytes=2_000, backup_count=200)
    other.setFormatter(JsonFormatter("web"))
    for number in range(0, 200, 2):
        logger.info("tick", extra={"number": number})
        other.emit(log.makeRecord("relais", 20, __file__, 1, "tick", (), None, extra={"number": number + 1}))
    other.close()
    assert numbers(tmp_path) == list(range(200))


def test_only_the_newest_backups_are_kept(logger, tmp_path):
    logger.handlers[0].backup_count = 2
    for number in range(300):
        logger.info("tick", extra={"number": number})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["web.log", "web.log.1", "web.log.2"]
    kept = numbers(tmp_path)
    assert kept[-1] == 299 and all(after == before + 1 for before, after in pairwise(kept))


def test_log_files_are_readable_by_their_owner_only(logger, tmp_path):
    for number in range(60):
        logger.info("tick", extra={"number": number})
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == {"0o600"}


PROGRAM = """
import logging, os, sys
import django
from pathlib import Path
from relais.ops import log_handler
os.environ["DJANGO_SETTINGS_MODULE"] = "relais.settings"
django.setup()
log_handler.configure_logging("web", Path(sys.argv[1]))
django.setup()
logging.getLogger("relais").warning("logged", extra={"event_id": 1})
print("printed", flush=True)
raise SystemExit("nothing more")
"""


def run(folder, **where):
    return subprocess.run([sys.executable, "-P", "-c", PROGRAM, str(folder)], text=True, check=False, **where)


def test_a_process_run_alone_logs_to_its_file_and_standard_output(tmp_path):
    done = run(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert [json.loads(line)["event"] for line in (tmp_path / "web.log").read_text().splitlines()] == [
        "logged"
    ]
    assert json.loads(done.stdout.splitlines()[0])["event"] == "logged"
    assert done.stdout.splitlines()[1] == "printed"


def test_under_the_supervisor_each_line_is_written_once(tmp_path):
    with (tmp_path / "web.log").open("ab") as file:
        run(tmp_path, stdout=file, stderr=subprocess.DEVNULL)
    lines = (tmp_path / "web.log").read_text().splitlines()
    assert (json.loads(lines[0])["event"], lines[1:]) == ("logged", ["printed"])


def test_standard_output_follows_the_file_on_rotation(tmp_path):
    with (tmp_path / "web.log").open("ab") as file:
        file.write(b"x" * 20_000_000 + b"\n")
        run(tmp_path, stdout=file, stderr=subprocess.DEVNULL)
    assert (tmp_path / "web.log").read_text().splitlines()[1] == "printed"
    assert (tmp_path / "web.log.1").stat().st_size == 20_000_001
