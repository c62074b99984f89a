"""The thresholds that the doctor and the status page « État » share: when an outbox or a failed job is reported."""

MAX_UNSENT_SECONDS = 60
"""A message that waits longer in the outbox is reported."""
FAILED_JOBS_WINDOW_SECONDS = 86_400
"""Older failures of jobs are not reported."""
