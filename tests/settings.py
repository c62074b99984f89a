"""The settings for tests: a Twilio account that does not exist, fast password hashes, no static manifest."""

import os

os.environ.update(
    TWILIO_ACCOUNT_SID="AC" + "0" * 32,
    TWILIO_AUTH_TOKEN="test-token",
    TWILIO_AUTH_TOKEN_SECONDARY="test-token-2",
    TWILIO_WHATSAPP_NUMBER="whatsapp:+14155238886",
    STUDIO_WEBHOOK_SECRET="studio-secret",
    PUBLIC_BASE_URL="https://desk.example",
    RELAIS_SECRET_KEY="only for tests",
)

from relais.settings import *  # noqa: E402, F403

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
