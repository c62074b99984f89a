"""Watching Relais run: the figures for a monitor, and the page « État » that says the same in plain words.

It counts and shows; it decides nothing.
"""
