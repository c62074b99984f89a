"""Who writes to us: clients and the addresses they write from.

It does not know what was said; that is the conversations' room.
"""
