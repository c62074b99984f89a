"""Clients, the addresses they write from, and their opt-outs.

It does not know their messages, which belong to the conversations.
"""
