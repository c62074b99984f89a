"""Without a mail server an e-mail is for whoever may read the data folder, and for no collector of logs."""

import os

import pytest
from django.conf import settings
from django.core.mail import EmailMessage

from relais.ops import console_mail
from relais.ops.console_mail import EmailBackend


def test_an_e_mail_goes_to_a_file_of_its_own(capfd):
    before = len(_kept())
    EmailBackend().send_messages([EmailMessage("Bienvenue", "le lien : https://…", to=["awa@example.com"])])
    assert "Subject: Bienvenue" in _kept()[before:]
    assert capfd.readouterr().out == ""
    assert oct(_file().stat().st_mode & 0o777) == "0o600"


def test_a_long_file_of_e_mails_is_set_aside(monkeypatch):
    monkeypatch.setattr(console_mail, "LONG", 10)
    for subject in ("Premier", "Second"):
        EmailBackend().send_messages([EmailMessage(subject, "le lien", to=["awa@example.com"])])
    assert "Premier" not in _kept()
    assert _file().with_name("mail.log.1").exists()


def test_an_e_mail_for_which_there_is_no_room_fails_and_leaves_no_half(monkeypatch):
    EmailBackend().send_messages([EmailMessage("Premier", "le lien", to=["awa@example.com"])])
    before, write = _kept(), os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:50]))
    with pytest.raises(OSError, match="space"):
        EmailBackend().send_messages([EmailMessage("Second", "le lien", to=["awa@example.com"])])
    assert _kept() == before


def _file():
    return settings.ENVIRONMENT.data_dir / "log" / "mail.log"


def _kept():
    return _file().read_text() if _file().exists() else ""
