"""Limits of live sockets: pings, time-outs, sizes. `web_process.py` gives the first and the last to uvicorn."""

PING_SECONDS = 20
"""Between two pings; a socket that answers none for as long is dropped."""
SEND_TIMEOUT_SECONDS = 20.0
"""For one frame, or for the close frame."""
MAX_QUEUED_FRAMES = 256
"""Frames that wait for a slow socket. One more closes it."""
MAX_MESSAGE_BYTES = 65_536
"""Of one message that a page sends."""
