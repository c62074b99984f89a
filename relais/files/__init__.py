"""Files that messages carry: what the channel takes, checks by content, their storage, the links that Twilio fetches.

It sends nothing and knows no conversation: other rooms reference a stored file, and as long as one does, it stays.
"""
