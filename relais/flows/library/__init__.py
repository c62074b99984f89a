"""Flows that come with Relais, as Studio writes them: the dealer's bot and two small ones that call it from Twilio.

The JSON files are what runs. `build.py` writes them; edit it, or edit the JSON in Studio and drop the script.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
NAMES = ("mercedes", "twilio-flow-agent-mode", "twilio-flow-bot-only")

PLACEHOLDER_HOST = "relais.invalid"
"""Stands for this Relais in the files: a name that can never exist. A flow that runs here reaches Relais by it."""
PLACEHOLDER_BASE = f"https://studio:SECRET@{PLACEHOLDER_HOST}"
PLACEHOLDER_SUBFLOW = "FW" + 32 * "0"


def path_of(name: str) -> Path:
    """Raises KeyError when no flow of that name comes with Relais."""
    if name not in NAMES:
        raise KeyError(name)
    return FOLDER / f"{name}.json"
