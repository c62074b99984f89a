"""Startup imports: large libraries that only later work needs are not loaded."""

import subprocess
import sys

import pytest

LARGE = {"aiohttp", "babel", "liquid", "phonenumbers", "requests", "twilio.rest"}
PREPARE = "import django; django.setup(); import relais.prepare"
WEB = "import relais.asgi"
JOBS = "import django; django.setup(); import relais.jobs, relais.whatsapp.outbound.sender"


@pytest.mark.parametrize(
    ("process", "needed"), [(PREPARE, set()), (WEB, set()), (JOBS, {"requests", "twilio.rest"})]
)
def test_a_process_starts_without_libraries_it_needs_later(process, needed):
    program = f"import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'relais.settings'; {process}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert LARGE & set(loaded.split()) == needed


def test_the_web_server_loads_its_parts_before_the_static_files_are_there():
    program = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'relais.settings'; import django; django.setup();"
        "from relais.web_process import preload_modules; preload_modules(); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "relais.whatsapp.inbound.routes" in loaded.split()
    assert "relais.asgi" not in loaded.split()
