"""The public values of a demo: its accounts, their password, and the number that clients write to."""

DEMO_PASSWORD = "relais-demo"  # noqa: S105
DEMO_ACCOUNTS = ("admin@relais.test", "superviseur@relais.test", "agent1@relais.test", "agent2@relais.test")
DEMO_NUMBER = "whatsapp:+14155238886"
"""Twilio's shared number for trials (the sandbox), which no account lists."""
