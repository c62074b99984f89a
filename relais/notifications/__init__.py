"""Telling users what happens while they look elsewhere: the installable page, sounds, desktop and push notifications.

It reads events of other rooms and changes nothing in them; what a notification says, and to whom, is decided here.
"""
