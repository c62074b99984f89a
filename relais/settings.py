"""Django settings, derived from `relais.environment`."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.contrib.messages import constants as _levels
from psycopg.conninfo import conninfo_to_dict

from relais import environment as _environment
from relais.accounts.link_lifetime import LINK_LIFETIME_SECONDS as _LINK_LIFETIME_SECONDS
from relais.http_server.request_body import MAX_FORM_BYTES as _MAX_FORM_BYTES

ENVIRONMENT = _environment.load(_environment.ROOT, os.environ)
BASE_DIR = Path(__file__).resolve().parent
DEMO = ENVIRONMENT.demo
DEBUG = False
SECRET_KEY = ENVIRONMENT.secret_key
VAPID_KEY = ENVIRONMENT.vapid_key
RELAIS_BRAND = ENVIRONMENT.brand
PUBLIC_BASE_URL = ENVIRONMENT.public_base_url
# The app whose connection status the settings page shows.
MESSENGER = "relais.whatsapp"
MEDIA_FOLDER = ENVIRONMENT.data_dir / "media"
UPLOAD_FOLDER = ENVIRONMENT.data_dir / "uploads"
"""Of uploads while they arrive: not in /tmp, which may be memory. The files have no name, so none is left behind."""
MEDIA_STORAGE_URL = ENVIRONMENT.media_storage_url

_public = urlsplit(PUBLIC_BASE_URL)
_LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = _LOOPBACK if DEMO else [*_LOOPBACK, _public.hostname or "localhost", ENVIRONMENT.host]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
CSRF_FAILURE_VIEW = "relais.web.responses.csrf_failure"

INSTALLED_APPS = [
    "relais.web",  # first: its templates override allauth's of the same name
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "django_htmx",
    "procrastinate.contrib.django",
    "relais.accounts",
    "relais.company",
    "relais.clients",
    "relais.quick_replies",
    "relais.content_templates",
    "relais.notes",
    "relais.files",
    "relais.conversations",
    "relais.crm",
    "relais.macros",
    "relais.search",
    "relais.whatsapp",
    "relais.flows",
    "relais.notifications",
    "relais.routing",
    "relais.demo",
    "relais.live",
    "relais.ops",
    "relais.ops.watch",
]
MIDDLEWARE = [
    "relais.accounts.login_delay.login_delay_middleware",
    "relais.web.middleware.CompressText",
    "relais.web.middleware.security_headers",
    "relais.web.middleware.live_position",
    "relais.web.middleware.valid_session_key",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "relais.web.middleware.language_of_user",
    "relais.web.middleware.time_zone_of_browser",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "relais.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "relais.web.context.page",
                "relais.ops.watch.alert_badge.alert_badge_context",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "lucide.templatetags.lucide",
                "relais.web.templatetags.relais",
            ],
        },
    },
]

MAX_DATABASE_CONNECTIONS = 24
"""Per process. In web as many as threads that may need one at the same time: eleven for pages, nine for hooks, the rest
for metrics and fragments. With fewer, busy pages would starve the hooks."""
_database = conninfo_to_dict(ENVIRONMENT.database_url)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.pop("dbname", "relais"),
        "USER": _database.pop("user", ""),
        "PASSWORD": _database.pop("password", ""),
        "HOST": _database.pop("host", ""),
        "PORT": _database.pop("port", ""),
        # After a restart of the database pooled connections are dead: without the check a page would fail.
        "CONN_HEALTH_CHECKS": True,
        # The pool's reconnect attempts back off exponentially: with a short time-out it gives up early, and the next
        # page makes it try at once.
        "OPTIONS": _database
        | {
            "pool": {
                "min_size": 1,
                "max_size": MAX_DATABASE_CONNECTIONS,
                "timeout": 3,
                "reconnect_timeout": 2,
            }
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    # Password reset requests are counted here, so all processes must share the cache.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        # With Django's 300, requests for made-up accounts would evict the entries that matter.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["relais.accounts.backends.Backend"]
PASSWORD_RESET_TIMEOUT = _LINK_LIFETIME_SECONDS
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
ACCOUNT_ADAPTER = "relais.accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_FORMS = {
    "reset_password": "relais.accounts.forms.PasswordResetForm",
    "user_token": "relais.accounts.forms.PasswordResetTokenForm",
}
ACCOUNT_RATE_LIMITS = {
    # Failed sign-ins are counted by `relais.accounts.login_throttle`.
    "login": None,
    "login_failed": None,
}

SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", "Français"), ("en", "English"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "web" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = ENVIRONMENT.time_zone

STATIC_URL = "/static/"
STATIC_ROOT = ENVIRONMENT.data_dir / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "relais.web.storage.Storage"},
}
MESSAGE_TAGS = {_levels.SUCCESS: "good", _levels.WARNING: "attention"}
DATA_UPLOAD_MAX_MEMORY_SIZE = _MAX_FORM_BYTES
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "relais.files.temporary_files.DiskUploadHandler",
]

EMAIL_BACKEND = "relais.ops.console_mail.EmailBackend"
DEFAULT_FROM_EMAIL = f"relais@{_public.hostname}"
if ENVIRONMENT.email_url not in ("", "console:"):
    _mail = urlsplit(ENVIRONMENT.email_url)
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = _mail.hostname or "localhost"
    EMAIL_PORT = _mail.port or (465 if _mail.scheme == "smtps" else 587)
    EMAIL_HOST_USER = _mail.username or ""
    EMAIL_HOST_PASSWORD = _mail.password or ""
    EMAIL_USE_SSL = _mail.scheme == "smtps"
    EMAIL_USE_TLS = _mail.scheme == "smtp+tls"
    EMAIL_TIMEOUT = 10

# For commands, which a person reads; `relais web` and `relais jobs` configure JSON log files.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["out"], "level": "INFO"},
    "loggers": {
        # At INFO it logs URLs and headers, and so texts and tokens.
        "twilio.http_client": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},
        # While the database is down it would log two warnings per attempt.
        "psycopg.pool": {"level": "ERROR"},
        # Relais logs start and stop itself, and counts invalid requests; uvicorn would log a warning for each.
        "uvicorn": {"level": "ERROR"},
        # A 4xx response is not worth a log line.
        "django.request": {"level": "ERROR"},
    },
}

PROCRASTINATE_ON_APP_READY = None
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "tasks"
