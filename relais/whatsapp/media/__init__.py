"""Media files of clients' messages: downloaded once from Twilio, stored in the data folder, shown within reach.

It does not send media, and keeps no state of its own: that is `Media` in `conversations`.

`download.py` fetches and stores, `retry.py` says how often, `content_type.py` detects the type by content,
`content_disposition.py` reads and writes file names in headers.
"""
