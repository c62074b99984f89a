"""Live updates: the WebSocket that keeps pages up to date, and the broadcasts behind it.

It knows ids, revisions and HTML fragments, and nothing of the domain: a `LiveSource` (protocol.py) says what changed,
who may see it, and how it looks.
"""
