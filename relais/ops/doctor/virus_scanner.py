"""Check of the virus scanner of received files, if one is set."""

from __future__ import annotations

from collections.abc import Iterator

from relais.files.virus_scanner import ScannerUnavailable, ping
from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, ok


def check_scanner(context: DoctorContext) -> Iterator[CheckResult]:
    url = context.environment.clamav_url
    if not url:
        yield ok("No virus scanner is set (CLAMAV_URL): received files are not scanned.")
        return
    try:
        ping(url)
    except ScannerUnavailable as error:
        yield failed(
            f"The virus scanner at {url} does not answer ({error}): received files are not shown until it does.",
            "Start clamd, and see CLAMAV_URL. Files that wait are scanned by themselves then.",
        )
    else:
        yield ok("The virus scanner answers.")
