"""Prometheus metrics of connections and of the threads that serve pages."""

from prometheus_client import Counter, Gauge, Histogram

CONNECTIONS = Gauge("relais_connections", "Open connections.", ["kind"])
BODY_BYTES = Gauge(
    "relais_request_body_bytes", "Held of large request bodies that are not answered yet.", ["lane"]
)
SPOOLED_BYTES = Gauge("relais_spooled_upload_bytes", "Of uploads that are on disk until they are answered.")
CONNECTIONS_REFUSED = Counter(
    "relais_connections_refused", "Connections closed at once for want of room.", ["reason"]
)
CONNECTIONS_EVICTED = Counter(
    "relais_connections_evicted", "Connections closed to make room for another.", ["phase"]
)
TIMEOUTS = Counter("relais_request_timeouts", "Connections closed for taking too long.", ["phase"])
REQUESTS_REFUSED = Counter(
    "relais_requests_refused", "Requests refused before the application saw all of them.", ["reason"]
)

PAGE_REQUESTS_SHED = Counter(
    "relais_page_requests_shed",
    "Page requests not served: the queue was full, they waited too long, or the client went away first.",
    ["lane", "reason"],
)
PAGE_REQUESTS_WAITING = Gauge(
    "relais_page_requests_waiting", "Page requests that wait for a thread.", ["lane"]
)
PAGE_THREADS_BUSY = Gauge("relais_page_threads_busy", "Threads that serve page requests.", ["lane"])
PAGE_WAIT_SECONDS = Histogram(
    "relais_page_wait_seconds",
    "How long page requests waited for a thread.",
    ["lane"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
