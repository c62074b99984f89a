"""Measures: each file is one `relais bench` command, with processes and a database of its own.

It never touches the database in use, and nothing imports it but the command line and the tests.
"""
