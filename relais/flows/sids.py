"""Recognises SIDs of flows: Twilio's, and the placeholders of published examples."""

from __future__ import annotations

import re

_FLOW_SID = re.compile("FW[0-9A-Za-z]{32}")


def is_flow_sid(text: str) -> bool:
    return _FLOW_SID.fullmatch(text) is not None
