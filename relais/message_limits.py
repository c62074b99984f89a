"""Length limits of a message and of its idempotency key, for every room. Media: `conversations/media_limits.py`."""

from __future__ import annotations

MAX_MESSAGE_CHARACTERS = 1_600
"""What Twilio accepts as the body of a WhatsApp message, in code points. The engine, which imports nothing of ours, has
its own copy in `flows/engine/limits.py`."""
MAX_REF_CHARACTERS = 64
"""`ref`, the idempotency key that the page or an API client gives."""
MAX_STORED_REF_CHARACTERS = MAX_REF_CHARACTERS + 3
"""Its column: the messages of one send with files have `ref`, `ref:1` … `ref:10`."""
