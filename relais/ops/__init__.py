"""What keeps Relais running on one machine: the embedded database, the supervisor, the checks of the code itself.

It is not needed where you run PostgreSQL, `relais web` and `relais jobs` by your own means.
"""
