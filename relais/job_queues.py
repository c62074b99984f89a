"""The queues of background jobs and their concurrency."""

from __future__ import annotations

QUEUE_CONCURRENCY = {
    "default": 10,
    "flow_requests": 16,
    "media": 3,
    "push": 4,
    "typing": 2,
}
"""How many jobs of each queue run at once. A queue has a worker of its own, so its slow jobs take no slot of another
queue. A task belongs to the queue that its `@app.task(queue=…)` names."""
