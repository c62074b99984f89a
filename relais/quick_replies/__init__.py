"""Quick replies: texts that agents insert into a message by a shortcut, with variables filled for the conversation.

It sends nothing and knows no conversation's state: the filled text goes into the composer, and the agent sends it.
"""
