"""Searching all messages, notes and clients within the reach of a user, newest or best first.

It stores nothing: its migrations index the tables of other rooms, and it is not where the lists are filtered.
"""
