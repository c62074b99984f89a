"""Routing: which agents are there for clients, with which capacity, and who gets the next client.

It changes no conversation by itself: the verbs of `conversations` do, which decide races with those who take over by
hand.
"""
