"""Response times of the agents' pages on a small and a large database, side by side in one run.

Each database lies in a data folder that `fill` generates when it is missing, under a `relais web` of its own. A
signed-in agent requests pages from both alternately, so that a busy moment of the machine affects both.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import requests

from relais.bench import sample_texts
from relais.bench.fill import fill, folder_for, is_filled
from relais.bench.instance import SignedInUser, environment_for, is_ready
from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops.database import dsn
from relais.ops.errors import OperationError
from relais.ops.port import free_port

SMALL_SIZE = (1_000, 20_000)
READER_EMAIL, PASSWORD = "agent1@relais.test", "relais-demo"
START_TIMEOUT_SECONDS = 120.0
"""An older database is migrated first."""
ROW_ID = re.compile(r' id="(?:row|event|message)-[0-9]')

SELECT_LONGEST = """
select c.id, c.seq from conversations c join users u on u.id = c.agent_id
 where u.email = %s and c.status = 'transferred' order by c.seq desc limit 1
"""
SELECT_SHORT = """
select id from conversations where status = 'completed' and seq < 12 and team_id is null
 order by last_activity_at desc limit 1
"""
SELECT_DEEP_CURSOR = """
select (extract(epoch from last_activity_at) * 1000000)::bigint::text || '-' || id from conversations
 order by last_activity_at desc, id desc offset (select count(*) * 9 / 10 from conversations) limit 1
"""
SELECT_ADDRESS = """
select address from client_addresses order by id offset (select count(*) / 2 from client_addresses) limit 1
"""
SELECT_BUSIEST_AGENT = (
    "select agent_id from conversations where agent_id is not null group by 1 order by count(*) desc limit 1"
)


@dataclass
class Site:
    """A web server on a generated folder, and a signed-in session that requests its pages."""

    folder: Path
    url: str
    paths: dict[str, dict[str, str]]
    """By group and name."""
    reader: requests.Session = field(default_factory=requests.Session)
    cold: dict[tuple[str, str], float] = field(default_factory=dict)
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many conversations and events each page shows."""
    warm: defaultdict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def pages(self) -> Iterator[tuple[str, str]]:
        return ((group, name) for group, named in self.paths.items() for name in named)

    def ask(self, page: tuple[str, str]) -> float:
        """Milliseconds from the request to the last byte of the page."""
        group, name = page
        begun = time.perf_counter()
        response = self.reader.get(
            self.url + self.paths[group][name], timeout=START_TIMEOUT_SECONDS, allow_redirects=False
        )
        milliseconds = (time.perf_counter() - begun) * 1000
        if response.status_code != 200:
            raise RuntimeError(f"{self.paths[group][name]} was answered {response.status_code}")
        self.rows[page] = len(ROW_ID.findall(response.text))
        return milliseconds

    def p50(self, page: tuple[str, str]) -> float:
        return statistics.median(self.warm[page])


def measure(options: argparse.Namespace) -> dict[str, Any]:
    small, large = SMALL_SIZE, (options.conversations, options.events)
    with ExitStack() as stack:
        sizes = dict.fromkeys((small, large))
        sites_by_size = {numbers: stack.enter_context(_site(_filled(*numbers))) for numbers in sizes}
        sites = [sites_by_size[small], sites_by_size[large]]
        for page in sites[0].pages():
            for site in sites:
                site.cold[page] = site.ask(page)
        for _ in range(options.rounds):
            for page in sites[0].pages():
                for site in sites:
                    site.warm[page].append(site.ask(page))
        return {"rounds": options.rounds, "small": small, "large": large, **_figures(*sites)}


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    yield "milliseconds, {} conversations | {} conversations".format(
        *(f"{figures[size][0]:,}" for size in ("small", "large"))
    )
    for name, page in figures["pages"].items():
        shows = "{rows_small} | {rows_large} rows".format_map(page)
        yield f"  {name:30} {page['p50_ms_small']:7} | {page['p50_ms_large']:7}   × {page['ratio']:<5} {shows}"
    for group in GROUPS:
        yield (
            f"{group}: p50 {figures[f'{group}_p50_ms_small']} | {figures[f'{group}_p50_ms_large']}, "
            f"p95 {figures[f'{group}_p95_ms_small']} | {figures[f'{group}_p95_ms_large']}, "
            f"cold {figures[f'{group}_cold_ms_small']} | {figures[f'{group}_cold_ms_large']}; "
            f"at most × {figures[f'{group}_ratio']}"
        )


GROUPS = ("inbox", "chat", "conversations")


def _filled(conversations: int, events: int) -> Path:
    folder = folder_for(conversations, events)
    if not is_filled(folder):
        fill(folder, conversations=conversations, events=events)
    return folder


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    with running_site(folder) as url:
        site = Site(folder, url, _paths(folder))
        site.reader = SignedInUser(site, READER_EMAIL, PASSWORD).http  # type: ignore[arg-type]
        yield site


@contextmanager
def running_site(folder: Path) -> Iterator[str]:
    """The address of a web server on a generated folder."""
    port = free_port()
    url = f"http://localhost:{port}"
    with (folder / "log" / "bench.log").open("wb") as output:
        web = subprocess.Popen(
            [sys.executable, "-m", "relais", "web"],
            cwd=ROOT, env=environment_for(folder) | {"RELAIS_PORT": str(port)},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_for(
                lambda: is_ready(url) or web.poll() is not None,
                START_TIMEOUT_SECONDS,
                "relais web to answer",
            )
            if web.poll() is not None:
                raise OperationError(f"The web server did not start; {output.name} says why.")
            yield url
        finally:
            web.terminate()
            web.wait(30)


def _paths(folder: Path) -> dict[str, dict[str, str]]:
    with psycopg.connect(dsn(folder)) as db:
        long, seq = db.execute(SELECT_LONGEST, [READER_EMAIL]).fetchall()[0]
        [short] = db.execute(SELECT_SHORT).fetchall()[0]
        [deep] = db.execute(SELECT_DEEP_CURSOR).fetchall()[0]
        [agent] = db.execute(SELECT_BUSIEST_AGENT).fetchall()[0]
        [address] = db.execute(SELECT_ADDRESS).fetchall()[0]
    name = f"{sample_texts.FIRST_NAMES[0]} {sample_texts.LAST_NAMES[0]}".lower()
    listed = "/dashboard/conversations"
    return {
        "inbox": {"overview": "/dashboard", "pending": "/dashboard/pending", "active": "/dashboard/active"},
        "chat": {
            "a long one": f"/dashboard/chat/{long}",
            "the middle of it": f"/dashboard/chat/{long}?before={seq // 2}",
            "a short one": f"/dashboard/chat/{short}",
        },
        "conversations": {
            "the first page": listed,
            "a page far down": f"{listed}?after={deep}",
            "by name": f"{listed}?q={quote(name)}",
            "by first name": f"{listed}?q={quote(sample_texts.FIRST_NAMES[0])}",
            "by number": f"{listed}?q={address[-7:]}",
            "of nobody": f"{listed}?q=zzyzx",
            "ended": f"{listed}?status=ended",
            "abandoned": f"{listed}?status=abandoned",
            "in trouble": f"{listed}?status=trouble",
            "of an agent": f"{listed}?agent={agent}&status=completed",
            "of today": f"{listed}?from=today",
        },
    }


def _figures(small: Site, large: Site) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    ratios = {page: round(large.p50(page) / small.p50(page), 2) for page in small.pages()}
    for group in GROUPS:
        for size, site in (("small", small), ("large", large)):
            warm = sorted(
                milliseconds
                for page, times in site.warm.items()
                if page[0] == group
                for milliseconds in times
            )
            figures |= {
                f"{group}_p50_ms_{size}": round(statistics.median(warm), 1),
                f"{group}_p95_ms_{size}": round(warm[int(len(warm) * 0.95)], 1),
                f"{group}_cold_ms_{size}": round(
                    max(t for page, t in site.cold.items() if page[0] == group), 1
                ),
            }
        # The worst page, which an average would hide; pages with more rows in the large database do not compare.
        figures[f"{group}_ratio"] = max(
            (
                ratio
                for page, ratio in ratios.items()
                if page[0] == group and small.rows[page] == large.rows[page]
            ),
            default=None,
        )
    figures["pages"] = {
        f"{page[0]}: {page[1]}": {
            "p50_ms_small": round(small.p50(page), 1),
            "p50_ms_large": round(large.p50(page), 1),
            "rows_small": small.rows[page],
            "rows_large": large.rows[page],
            "ratio": ratio,
        }
        for page, ratio in ratios.items()
    }
    return figures
