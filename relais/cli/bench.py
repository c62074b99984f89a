"""`relais bench`: the benchmarks and their options."""

import argparse
import json
import signal
from dataclasses import dataclass, field
from importlib import import_module

from relais.cli.arguments import Parser, Subparsers, positive_number
from relais.cli.errors import FAILURE


@dataclass(frozen=True)
class Option:
    default: int | str
    help_text: str


@dataclass(frozen=True)
class Benchmark:
    """A module of `relais.bench` of the same name."""

    help_text: str
    options: dict[str, Option] = field(default_factory=dict)


BENCHMARKS = {
    "ingest": Benchmark(
        "Signed messages through the webhook, compared with unbatched webhooks and with pgbench.",
        {
            "seconds": Option(10, "duration of each part"),
            "connections": Option(64, "concurrent connections"),
        },
    ),
    "push": Benchmark(
        "From the webhook to a thousand screens, compared with a bare fan-out.",
        {
            "seconds": Option(20, "duration"),
            "sockets": Option(1000, "open WebSockets"),
            "threads": Option(500, "conversations that are watched"),
        },
    ),
    "send": Benchmark(
        "Draining the outbox through the Twilio double.",
        {
            "messages": Option(2400, "messages in the outbox"),
            "rate": Option(80, "limit of messages a second"),
            "media": Option(0, "files that an agent uploads afterwards, and that the double downloads"),
        },
    ),
    "pages": Benchmark(
        "The pages agents use, on a small and on a large database.",
        {
            "conversations": Option(1_000_000, "in the large database"),
            "events": Option(20_000_000, "in the large database"),
            "rounds": Option(30, "rounds of all pages"),
        },
    ),
    "search": Benchmark(
        "Searching for rare and frequent words, by an agent and by a supervisor.",
        {
            "conversations": Option(1_000_000, "in the database"),
            "events": Option(20_000_000, "in the database"),
            "rounds": Option(3, "rounds of all queries"),
        },
    ),
    "fill": Benchmark(
        "Create a database of many conversations to explore.",
        {
            "conversations": Option(1_000_000, "number of conversations"),
            "events": Option(20_000_000, "number of events"),
            "folder": Option("", "a new folder; else bench/CONVERSATIONS-EVENTS in the data folder"),
        },
    ),
    "flow": Benchmark("The flow engine."),
    "races": Benchmark(
        "Agents who take over the same conversation at the same instant.",
        {"races": Option(10_000, "number of races"), "rivals": Option(3, "agents in each race")},
    ),
    "assignments": Benchmark(
        "Agents who ask for the next client, twice at once, while others take over by hand.",
        {"races": Option(10_000, "number of races"), "rivals": Option(4, "agents in each race")},
    ),
    "faults": Benchmark(
        "Messages under kills and injected faults, counted at the end.",
        {
            "messages": Option(2000, "messages in both directions"),
            "seed": Option(0, "random seed; without one, each run differs"),
            "settle": Option(420, "seconds at most until all messages are settled"),
            "keep": Option(0, "1 keeps the data folder"),
        },
    ),
}


def add_commands(commands: Subparsers) -> None:
    parser = commands.add_parser("bench", help="Run a benchmark on a database of its own.")
    benchmarks = parser.add_subparsers(metavar="|".join(BENCHMARKS), required=True, parser_class=Parser)
    for name, benchmark in BENCHMARKS.items():
        one = benchmarks.add_parser(name, help=benchmark.help_text, description=benchmark.help_text)
        one.set_defaults(run=bench, benchmark=name)
        one.add_argument("--json", action="store_true", help="print a JSON object on the last line")
        for option, about in benchmark.options.items():
            if isinstance(about.default, int):
                one.add_argument(
                    f"--{option}",
                    type=positive_number,
                    default=about.default,
                    help=f"{about.help_text}; {about.default:,}",
                )
            else:
                one.add_argument(f"--{option}", default=about.default, help=about.help_text)


def bench(options: argparse.Namespace) -> int:
    """The module defines `measure(options)` and `summary_lines(figures)`, and `failed(figures)` if it can fail."""
    # SIGTERM raises KeyboardInterrupt, so that the benchmark ends the processes it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    module = import_module(f"relais.bench.{options.benchmark}")
    figures = module.measure(options)
    for line in module.summary_lines(figures):
        print(line)
    if options.json:
        print(json.dumps(figures))
    return FAILURE if hasattr(module, "failed") and module.failed(figures) else 0
