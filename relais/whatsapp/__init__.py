"""The Twilio door: hooks, signatures, the one client, the sender and the fate of deliveries.

It decides nothing about a conversation; it brings messages in and carries them out.
"""
