"""Writes the JSON files beside it: `python -m relais.flows.library.build`."""

from __future__ import annotations

from relais.flows.library import path_of
from relais.flows.library.mercedes import mercedes
from relais.flows.library.parents import agent_mode, bot_only

BUILDERS = {
    "mercedes": mercedes,
    "twilio-flow-agent-mode": agent_mode,
    "twilio-flow-bot-only": bot_only,
}


def build() -> None:
    for name, builder in BUILDERS.items():
        path_of(name).write_text(builder().text(), encoding="utf-8")


if __name__ == "__main__":
    build()
