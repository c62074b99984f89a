"""What `live` asks of the heart."""


class Feed:
    pass
