"""Without a mail server e-mails go to a file in the data folder, and to no log collector."""

import os

import pytest
from django.conf import settings
from django.core.mail import EmailMessage

from relais.ops import console_mail
from relais.ops.console_mail import EmailBackend


def test_an_e_mail_goes_to_a_file_of_its_own(capfd):
    before = len(_mails())
    EmailBackend().send_messages([EmailMessage("Bienvenue", "le lien : https://…", to=["awa@example.com"])])
    assert "Subject: Bienvenue" in _mails()[before:]
    assert capfd.readouterr().out == ""
    assert oct(_file().stat().st_mode & 0o777) == "0o600"


def test_a_long_mail_file_is_rotated(monkeypatch):
    monkeypatch.setattr(console_mail, "MAX_LOG_BYTES", 10)
    for subject in ("Premier", "Second"):
        EmailBackend().send_messages([EmailMessage(subject, "le lien", to=["awa@example.com"])])
    assert "Premier" not in _mails()
    assert _file().with_name("mail.log.1").exists()


def test_on_a_full_disk_an_e_mail_fails_and_leaves_no_part(monkeypatch):
    EmailBackend().send_messages([EmailMessage("Premier", "le lien", to=["awa@example.com"])])
    before, write = _mails(), os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:50]))
    with pytest.raises(OSError, match="space"):
        EmailBackend().send_messages([EmailMessage("Second", "le lien", to=["awa@example.com"])])
    assert _mails() == before


def _file():
    return settings.ENVIRONMENT.data_dir / "log" / "mail.log"


def _mails():
    return _file().read_text() if _file().exists() else ""
