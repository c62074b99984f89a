"""Macros: named sequences of steps in a conversation (send, note, tag, transfer, snooze, close), with a preview.

It has no rule about conversations of its own: each step calls the verb that an agent's single action calls.
"""
