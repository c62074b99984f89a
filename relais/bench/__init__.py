"""Benchmarks and fault injection: each file is one `relais bench` command, with processes and a database of its own.

It never touches the production database, and only the command line and the tests import it.
"""
