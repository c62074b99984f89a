"""Limits of an execution, mostly Twilio's, and the end reasons that they lead to."""

from datetime import timedelta

MAX_STEPS = 1_000
MAX_RUNS_IN_A_ROW = 10
"""How often the same widget may run without another one between."""
MAX_EXECUTION_AGE = timedelta(days=30)
MAX_RENDERED_BYTES = 16 * 1024
MAX_RESPONSE_BYTES = 64 * 1024
MAX_MESSAGE_CHARACTERS = 1_600
MAX_LOOP_ROUNDS = 15
DEFAULT_WAIT_SECONDS = 3_600
MAX_TEMPLATE_OPERATIONS = 200_000
MAX_STEP_OPERATIONS = 1_000_000
"""Computing budgets of one template and one step. An operation takes about 1 µs; most templates take hundreds."""
MATCH_TIMEOUT_OPERATIONS = 250_000
"""What a regular expression that times out costs the step."""

END_COMPLETED = "completed"
END_MAX_STEPS = "max_steps"
END_WIDGET_LOOP = "widget_loop"
END_EXECUTION_TOO_LONG = "execution_too_long"
END_TEXT_TOO_LONG = "text_too_long"
END_COMPUTATION_TOO_LONG = "computation_too_long"

END_REASON_TEXTS = {
    END_COMPLETED: "the flow came to an end of its own",
    END_MAX_STEPS: f"{MAX_STEPS} steps were taken",
    END_WIDGET_LOOP: f"the same widget ran {MAX_RUNS_IN_A_ROW} times in a row",
    END_EXECUTION_TOO_LONG: f"the execution is {MAX_EXECUTION_AGE.days} days old",
    END_TEXT_TOO_LONG: f"a template rendered more than {MAX_RENDERED_BYTES // 1024} KB",
    END_COMPUTATION_TOO_LONG: "the templates and expressions of one step took too long",
}


class LimitReached(Exception):
    """A limit ends the execution; `reason` is one of the END_… names."""

    def __init__(self, reason: str, widget: str, message: str = "") -> None:
        super().__init__(message or f"Stopped: {END_REASON_TEXTS[reason]}.")
        self.reason = reason
        self.widget = widget
