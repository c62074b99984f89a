"""The client directory: finding, reading, editing and merging clients, with their conversations as one timeline.

It does not send messages, and it never changes the state of a conversation.
"""
