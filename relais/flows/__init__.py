"""The bot: Twilio Studio flows, run here unchanged by an engine that knows nothing of the desk.

It is not where messages are sent or requests made: the engine says what is to be done, others do it.
"""
