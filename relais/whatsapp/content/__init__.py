"""Twilio's Content API: the account's templates are read here and stored by `relais.content_templates`."""
