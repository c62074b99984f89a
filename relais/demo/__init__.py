"""The sample conversations with which a demo begins, and their removal.

Not the double of Twilio (`emulator`) and not the demo's accounts (`accounts.demo`): it only calls verbs of other rooms.
"""
