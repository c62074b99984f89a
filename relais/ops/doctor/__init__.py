"""`relais doctor`: checks everything that a running desk needs, and prints what is wrong and what to do.

It repairs nothing, and changes nothing that lasts.
"""
