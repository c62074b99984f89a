"""How long the data of a client may be: fields, attributes, tags and notes."""

MAX_FIELD_CHARACTERS = {"client_full_name": 200, "email": 254, "vin": 40, "carte_vip": 60}
MAX_ATTRIBUTE_NAME_CHARACTERS = 80
MAX_ATTRIBUTE_VALUE_CHARACTERS = 1_000
MAX_ATTRIBUTES = 60
MAX_CLIENT_TAG_CHARACTERS = 40
MAX_CLIENT_TAGS = 30
MAX_CLIENT_NOTE_CHARACTERS = 4_000
