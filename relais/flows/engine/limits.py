"""Twilio's limits, by the names of the ends they bring."""

from datetime import timedelta

STEPS = 1_000
IN_A_ROW = 10
EXECUTION = timedelta(days=30)
RENDERED_BYTES = 16 * 1024
ANSWER_BYTES = 64 * 1024
MESSAGE_CHARACTERS = 1_600
LOOP = 15
WAIT_SECONDS = 3_600
TEMPLATE_OPERATIONS = 200_000
STEP_OPERATIONS = 1_000_000
"""What templates and expressions may compute: an operation is about a microsecond. A usual template takes hundreds."""
TIMED_OUT_MATCH_OPERATIONS = 250_000

COMPLETED = "completed"
MAX_STEPS = "max_steps"
WIDGET_LOOP = "widget_loop"
EXECUTION_TOO_LONG = "execution_too_long"
TEXT_TOO_LONG = "text_too_long"
COMPUTATION_TOO_LONG = "computation_too_long"

REASONS = {
    COMPLETED: "the flow came to an end of its own",
    MAX_STEPS: f"{STEPS} steps were taken",
    WIDGET_LOOP: f"the same widget ran {IN_A_ROW} times in a row",
    EXECUTION_TOO_LONG: f"the execution is {EXECUTION.days} days old",
    TEXT_TOO_LONG: f"a template rendered more than {RENDERED_BYTES // 1024} KB",
    COMPUTATION_TOO_LONG: "the templates and expressions of one step took too long",
}


class LimitReached(Exception):
    """The execution ends here; `reason` is the limit's name."""

    def __init__(self, reason: str, widget: str, message: str = "") -> None:
        super().__init__(message or f"Stopped: {REASONS[reason]}.")
        self.reason = reason
        self.widget = widget
