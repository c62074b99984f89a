"""Configuration from environment variables: read and validated once. The process environment overrides `.env`."""

import hashlib
import hmac
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from relais.data_folder import DataFolder
from relais.demo_accounts import DEMO_NUMBER
from relais.dotenv import InvalidLine, read_dotenv

ROOT = Path(__file__).resolve().parent.parent
REQUIRED_TWILIO_VARIABLES = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_WHATSAPP_NUMBER")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
NOW_LIVE_WARNING = (
    "The data in {path} was the demo's and is live from now on, its conversations included; the demo's accounts can no "
    "longer sign in. There is no way back: for a desk that begins empty, choose another folder by RELAIS_DATA_DIR."
)


class InvalidEnvironment(Exception):
    """Says which variable is wrong and what to do. Commands exit with code 2."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    twilio_account_sid: str
    twilio_auth_token: str
    twilio_auth_token_secondary: str
    whatsapp_number: str
    """`whatsapp:+…`, or empty when no Twilio account is connected."""
    twilio_api_base_url: str
    public_base_url: str
    """Never ends in a slash."""
    studio_webhook_secret: str
    studio_flow_sid: str
    bot: str
    """`embedded` or `studio`."""
    database_url: str
    data_dir: Path
    media_storage_url: str
    """S3-compatible storage of media, or empty: the folder `media` of the data folder."""
    clamav_url: str
    """The virus scanner of received files, or empty: none."""
    host: str
    port: int
    brand: str
    time_zone: str
    secret_key: str
    vapid_key: str
    """The private key for Web Push: 32 bytes as base64url."""
    email_url: str
    own_hosts: tuple[str, ...]
    demo: bool
    demo_conversations: bool
    """Whether a new demo begins with sample conversations."""
    embedded_database: bool
    """Whether `database_url` is the database in the data folder, which Relais starts itself."""

    @property
    def twilio_auth_tokens(self) -> dict[str, str]:
        """The primary and the secondary token by variable; either may sign a webhook. An unset one is empty."""
        return {
            "TWILIO_AUTH_TOKEN": self.twilio_auth_token,
            "TWILIO_AUTH_TOKEN_SECONDARY": self.twilio_auth_token_secondary,
        }


def load(root: Path, environ: Mapping[str, str]) -> Environment:
    """Read and validate all variables. Creates the data folder with its keys on the first start."""
    variables = _Variables(root, environ)
    demo = _is_demo(variables)
    port = variables.port("RELAIS_PORT", 8000)
    live = Environment(
        twilio_account_sid=variables.text("TWILIO_ACCOUNT_SID"),
        twilio_auth_token=variables.text("TWILIO_AUTH_TOKEN"),
        twilio_auth_token_secondary=variables.text("TWILIO_AUTH_TOKEN_SECONDARY"),
        whatsapp_number=whatsapp_number(variables.text("TWILIO_WHATSAPP_NUMBER")),
        twilio_api_base_url=variables.url("TWILIO_API_BASE_URL"),
        public_base_url=variables.url("PUBLIC_BASE_URL") or f"http://localhost:{port}",
        studio_webhook_secret=variables.text("STUDIO_WEBHOOK_SECRET"),
        studio_flow_sid=variables.text("STUDIO_FLOW_SID"),
        bot=variables.choice("RELAIS_BOT", ("embedded", "studio")),
        database_url=_database_url(variables),
        data_dir=_data_dir(root, variables),
        media_storage_url=_media_storage_url(variables),
        clamav_url=_clamav_url(variables),
        host=_host(variables, demo),
        port=port,
        brand=variables.text("RELAIS_BRAND") or "Mercedes-Benz",
        time_zone=variables.time_zone("RELAIS_TIME_ZONE", "Africa/Casablanca"),
        secret_key=variables.text("RELAIS_SECRET_KEY"),
        vapid_key=_vapid_key(variables),
        email_url=_email_url(variables),
        own_hosts=variables.list("RELAIS_OWN_HOSTS"),
        demo=demo,
        demo_conversations=variables.choice("RELAIS_DEMO_CONVERSATIONS", ("1", "0")) == "1",
        embedded_database=not variables.text("DATABASE_URL"),
    )
    # Every variable is valid: now the data folder may be created and marked.
    return _add_data_folder_values(live, emulator_url=variables.url("RELAIS_EMULATOR_URL"))


def _add_data_folder_values(environment: Environment, *, emulator_url: str) -> Environment:
    """Add the values of the data folder: keys, database and, in a demo, a Twilio account derived from the key."""
    folder = _data_folder(environment.data_dir, environment.demo)
    environment = replace(
        environment,
        secret_key=environment.secret_key or folder.secret_key(),
        vapid_key=environment.vapid_key or folder.vapid_key(),
        database_url=environment.database_url or _embedded_database(folder.path),
    )
    if not environment.demo:
        return environment
    return replace(
        environment,
        twilio_account_sid="AC" + _derive_token(environment.secret_key, "demo account"),
        twilio_auth_token=_derive_token(environment.secret_key, "demo token"),
        whatsapp_number=DEMO_NUMBER,
        twilio_api_base_url=emulator_url or folder.emulator_url(),
    )


class _Variables:
    """The variables' values: each method parses one, and raises InvalidEnvironment if it is invalid."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        file = Path(environ.get("RELAIS_ENV_FILE") or root / ".env")
        try:
            self.values = {**read_dotenv(file), **environ}
        except (InvalidLine, OSError, UnicodeDecodeError) as error:
            raise InvalidEnvironment(f"The file {file} cannot be read: {error}") from error

    def text(self, name: str) -> str:
        return self.values.get(name, "").strip()

    def names_with_prefix(self, prefix: str) -> list[str]:
        return sorted(name for name in self.values if name.startswith(prefix) and self.text(name))

    def list(self, name: str) -> tuple[str, ...]:
        return tuple(part for part in re.split(r"[\s,]+", self.text(name)) if part)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name) or allowed[0]
        if value not in allowed:
            raise InvalidEnvironment(f"{name} is “{value}”: it must be {' or '.join(allowed)}.")
        return value

    def port(self, name: str, default: int) -> int:
        value = self.text(name) or str(default)
        if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
            raise InvalidEnvironment(f"{name} is “{value}”: it must be a port number from 1 to 65535.")
        return int(value)

    def url(self, name: str) -> str:
        value = self.text(name)
        if value and not _is_url(value, ("http", "https")):
            raise InvalidEnvironment(
                f"{name} is “{value}”: it must be an address such as https://relais.example.com."
            )
        return value.rstrip("/")

    def time_zone(self, name: str, default: str) -> str:
        value = self.text(name) or default
        try:
            ZoneInfo(value)
        except (ValueError, OSError, LookupError) as error:
            raise InvalidEnvironment(
                f"{name} is “{value}”: no such time zone is known here (an example: Africa/Abidjan)."
            ) from error
        return value


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in schemes
            and bool(parts.hostname)
            and parts.port != 0
            and not re.search(r"\s", value)
        )
    except ValueError:
        return False


def _is_demo(variables: _Variables) -> bool:
    if not variables.names_with_prefix("TWILIO_"):
        return not variables.text("DATABASE_URL")
    missing = [name for name in REQUIRED_TWILIO_VARIABLES if not variables.text(name)]
    if missing:
        raise InvalidEnvironment(
            f"Twilio is only half connected: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. "
            "Set all three of them, or no TWILIO_ variable at all for a demo."
        )
    return False


def data_dir_path(root: Path, environ: Mapping[str, str]) -> Path:
    """The path of the data folder. Does not create or mark it."""
    return _data_dir(root, _Variables(root, environ))


def _data_dir(root: Path, variables: _Variables) -> Path:
    return Path(os.path.abspath(root / Path(variables.text("RELAIS_DATA_DIR") or "var").expanduser()))


def _data_folder(path: Path, demo: bool) -> DataFolder:
    folder = DataFolder(path)
    try:
        folder.create()
        if not demo:
            if folder.mark_live():
                print(NOW_LIVE_WARNING.format(path=path), file=sys.stderr)
        elif not folder.mark_demo():
            raise InvalidEnvironment(
                f"The data in {path} is not the demo's: set {', '.join(REQUIRED_TWILIO_VARIABLES)}, "
                "or choose another folder by RELAIS_DATA_DIR for a demo."
            )
    except OSError as error:
        raise InvalidEnvironment(
            f"The data folder {path} cannot be used ({error.strerror}): "
            "run Relais as the user it belongs to, or choose another by RELAIS_DATA_DIR."
        ) from error
    return folder


def whatsapp_number(value: str) -> str:
    """Normalize the sender's number: `+212 522-00-00-00` with or without prefix becomes `whatsapp:+212522000000`."""
    if not value:
        return ""
    number = re.sub(r"[\s().-]", "", re.sub(r"^whatsapp:", "", value.strip(), flags=re.IGNORECASE))
    if not re.fullmatch(r"\+[0-9]{6,15}", number):
        raise InvalidEnvironment(
            f"TWILIO_WHATSAPP_NUMBER is “{value}”: it must be a number with its country code, such as +212522000000."
        )
    return f"whatsapp:{number}"


def _derive_token(secret_key: str, purpose: str) -> str:
    return hmac.new(secret_key.encode(), purpose.encode(), hashlib.sha256).hexdigest()[:32]


def _host(variables: _Variables, demo: bool) -> str:
    host = variables.text("RELAIS_HOST") or "127.0.0.1"
    if demo and host not in LOOPBACK_HOSTS:
        raise InvalidEnvironment(
            f"RELAIS_HOST is “{host}”: the demo answers on this machine only, since its passwords are known. "
            "Leave RELAIS_HOST unset, or connect Twilio."
        )
    return host


def _vapid_key(variables: _Variables) -> str:
    value = variables.text("RELAIS_VAPID_KEY")
    if value and not re.fullmatch(r"[A-Za-z0-9_-]{43}=?", value):
        raise InvalidEnvironment("RELAIS_VAPID_KEY must be 32 bytes as base64url, that is 43 characters.")
    return value


def _database_url(variables: _Variables) -> str:
    value = variables.text("DATABASE_URL")
    if value and not _is_postgres_url(value):
        raise InvalidEnvironment(
            "DATABASE_URL must be an address such as postgresql://user:password@host/database."
        )
    return value


def _is_postgres_url(value: str) -> bool:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        return value.startswith(("postgres://", "postgresql://")) and bool(conninfo_to_dict(value))
    except (ProgrammingError, UnicodeError):
        return False


def _embedded_database(data_dir: Path) -> str:
    from relais.ops.database import dsn

    return dsn(data_dir)


def _media_storage_url(variables: _Variables) -> str:
    value = variables.text("MEDIA_STORAGE_URL")
    if value and not (_is_url(value, ("s3", "s3+http")) and urlsplit(value).path.strip("/")):
        raise InvalidEnvironment(
            "MEDIA_STORAGE_URL must be an address such as s3://key:secret@s3.eu-west-3.amazonaws.com/bucket."
        )
    return value


def _clamav_url(variables: _Variables) -> str:
    value = variables.text("CLAMAV_URL")
    try:
        parts = urlsplit(value)
        is_valid = bool(parts.hostname and parts.port) if parts.scheme == "tcp" else len(parts.path) > 1
    except ValueError:
        is_valid = False
    if value and not (is_valid and parts.scheme in ("tcp", "unix")):
        raise InvalidEnvironment(
            "CLAMAV_URL must be an address such as tcp://127.0.0.1:3310 or unix:///run/clamav/clamd.ctl."
        )
    return value


def _email_url(variables: _Variables) -> str:
    value = variables.text("EMAIL_URL")
    if value and value != "console:" and not _is_url(value, ("smtp", "smtps", "smtp+tls")):
        raise InvalidEnvironment(
            "EMAIL_URL must be an address such as smtp+tls://user:password@host:587, or console: ."
        )
    return value
