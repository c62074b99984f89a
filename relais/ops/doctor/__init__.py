"""`relais doctor`: tries everything that a working desk needs, and says of each what is wrong and what to do.

It mends nothing, and changes nothing that lasts.
"""
