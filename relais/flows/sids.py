"""SIDs of flows, as Twilio writes them and as published examples leave them to be filled in."""

from __future__ import annotations

import re

_FLOW_SID = re.compile("FW[0-9A-Za-z]{32}")


def is_flow_sid(text: str) -> bool:
    return _FLOW_SID.fullmatch(text) is not None
