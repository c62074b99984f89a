"""What a start must not load: large libraries that only later work needs."""

import subprocess
import sys

import pytest

LARGE = {"aiohttp", "babel", "liquid", "phonenumbers", "requests", "twilio.rest"}
PREPARE = "import django; django.setup(); import relais.prepare"
WEB = "import relais.asgi"
JOBS = "import django; django.setup(); import relais.jobs, relais.whatsapp.sender"


@pytest.mark.parametrize(
    ("process", "needed"), [(PREPARE, set()), (WEB, set()), (JOBS, {"requests", "twilio.rest"})]
)
def test_a_process_starts_without_what_it_may_need_later(process, needed):
    told = f"import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'relais.settings'; {process}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout
    assert LARGE & set(loaded.split()) == needed
