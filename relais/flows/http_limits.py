"""Limits of the HTTP requests that flows make: time-out, redirects, concurrency. Sizes are in `engine/limits.py`."""

REQUEST_TIMEOUT_SECONDS = 10.0
"""For the whole request: name resolution, connection, headers, body and redirects."""
MAX_REDIRECTS = 5
MAX_REQUESTS_PER_HOST = 4
"""Concurrent requests of a process to one host."""
BUSY_HOST_DELAYS_SECONDS = (1, 2, 4, 8)
"""The delays before each retry of a request to a busy host; after the last one, the request has failed."""
