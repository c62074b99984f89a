"""Configuration from environment variables and `.env`."""

import re
import stat
from pathlib import Path

import pytest

from relais.environment import Environment, InvalidEnvironment, load

TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "TWILIO_WHATSAPP_NUMBER": "+212522000000",
}


def error_sentence(root: Path, **variables: str) -> str:
    with pytest.raises(InvalidEnvironment) as raised:
        load(root, variables)
    return str(raised.value)


def live(root: Path, **variables: str) -> Environment:
    return load(root, {**TWILIO, **variables})


def test_without_variables_it_is_a_demo(tmp_path):
    environment = load(tmp_path, {})
    assert environment.demo
    assert environment.data_dir == tmp_path / "var"
    assert (environment.host, environment.port, environment.public_base_url) == (
        "127.0.0.1",
        8000,
        "http://localhost:8000",
    )
    assert (environment.brand, environment.time_zone, environment.bot) == (
        "Mercedes-Benz",
        "Africa/Casablanca",
        "embedded",
    )
    assert environment.whatsapp_number == "whatsapp:+14155238886"
    assert environment.twilio_account_sid.startswith("AC") and len(environment.twilio_account_sid) == 34
    assert len(environment.twilio_auth_token) == 32
    assert environment.embedded_database and environment.database_url.startswith(
        "postgresql:///relais?host=%2F"
    )


def test_a_demo_keeps_its_key_and_its_account(tmp_path):
    first, second = load(tmp_path, {}), load(tmp_path, {})
    assert first == second
    for name, value in (("secret_key", first.secret_key), ("vapid_key", first.vapid_key)):
        key = tmp_path / "var" / name
        assert key.read_text().strip() == value
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_machines_that_share_a_database_are_given_one_push_key(tmp_path):
    key = "A" * 43
    assert live(tmp_path, RELAIS_VAPID_KEY=key).vapid_key == key
    assert not (tmp_path / "var" / "vapid_key").exists()


@pytest.mark.parametrize("value", ["short", "A" * 42, "A" * 42 + "!"])
def test_a_push_key_of_another_form_is_rejected(tmp_path, value):
    with pytest.raises(InvalidEnvironment, match="RELAIS_VAPID_KEY"):
        live(tmp_path, RELAIS_VAPID_KEY=value)


def test_twilio_variables_make_it_live(tmp_path):
    environment = live(tmp_path)
    assert not environment.demo
    assert environment.twilio_account_sid == TWILIO["TWILIO_ACCOUNT_SID"]
    assert environment.twilio_api_base_url == ""


@pytest.mark.parametrize(
    "value",
    ["+212522000000", "whatsapp:+212522000000", " WhatsApp:+212 522-00 00 00 "],
    ids=["bare", "prefixed", "spaced"],
)
def test_the_sender_number_is_normalized(tmp_path, value):
    assert live(tmp_path, TWILIO_WHATSAPP_NUMBER=value).whatsapp_number == "whatsapp:+212522000000"


@pytest.mark.parametrize("value", ["0522000000", "whatsapp:", "+", "+12", "MG0123"])
def test_a_number_without_country_code_is_rejected(tmp_path, value):
    assert "TWILIO_WHATSAPP_NUMBER" in error_sentence(tmp_path, **{**TWILIO, "TWILIO_WHATSAPP_NUMBER": value})


@pytest.mark.parametrize("left_out", TWILIO)
def test_a_missing_twilio_variable_is_named(tmp_path, left_out):
    sentence = error_sentence(tmp_path, **{name: value for name, value in TWILIO.items() if name != left_out})
    assert f"{left_out} is missing" in sentence
    assert not (tmp_path / "var").exists()


def test_a_single_twilio_variable_is_rejected(tmp_path):
    assert "are missing" in error_sentence(tmp_path, TWILIO_API_BASE_URL="http://localhost:9999")


def test_an_empty_variable_counts_as_unset(tmp_path):
    assert load(tmp_path, dict.fromkeys(TWILIO, "")).demo


def test_with_a_database_url_it_is_not_a_demo(tmp_path):
    environment = load(tmp_path, {"DATABASE_URL": "postgresql://relais@db.example.com/relais"})
    assert not environment.demo and not environment.embedded_database
    assert environment.database_url == "postgresql://relais@db.example.com/relais"
    assert (environment.twilio_account_sid, environment.whatsapp_number) == ("", "")


def test_a_live_folder_is_rejected_for_a_demo(tmp_path):
    load(tmp_path, {})
    live(tmp_path)
    assert "not the demo's" in error_sentence(tmp_path)


def test_a_folder_with_a_database_of_unknown_origin_is_rejected_for_a_demo(tmp_path):
    (tmp_path / "var" / "postgres").mkdir(parents=True)
    assert "not the demo's" in error_sentence(tmp_path)


def test_an_invalid_variable_does_not_mark_the_folder(tmp_path):
    error_sentence(tmp_path, **TWILIO, RELAIS_PORT="no")
    assert load(tmp_path, {}).demo


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELAIS_PORT", "eight"),
        ("RELAIS_PORT", "0"),
        ("RELAIS_PORT", "65536"),
        ("RELAIS_PORT", "-1"),
        ("RELAIS_PORT", "８０００"),
        ("PUBLIC_BASE_URL", "relais.example.com"),
        ("PUBLIC_BASE_URL", "ftp://relais.example.com"),
        ("PUBLIC_BASE_URL", "https://"),
        ("PUBLIC_BASE_URL", "https://relais.example.com:port"),
        ("RELAIS_BOT", "both"),
        ("RELAIS_TIME_ZONE", "Africa/Atlantis"),
        ("RELAIS_TIME_ZONE", "../../etc/passwd"),
        ("RELAIS_HOST", "0.0.0.0"),
        ("DATABASE_URL", "mysql://localhost/relais"),
        ("DATABASE_URL", "postgresql://relais:word@[/relais"),
        ("DATABASE_URL", "postgresql://relais@localhost/relais?no_such_word=1"),
        ("EMAIL_URL", "mail.example.com"),
    ],
)
def test_an_invalid_value_is_reported_with_its_variable(tmp_path, name, value):
    assert name in error_sentence(tmp_path, **{name: value})
    assert not (tmp_path / "var").exists()


def test_a_live_installation_may_listen_on_all_interfaces(tmp_path):
    assert live(tmp_path, RELAIS_HOST="0.0.0.0").host == "0.0.0.0"


def test_the_public_address_never_ends_in_a_slash(tmp_path):
    assert (
        live(tmp_path, PUBLIC_BASE_URL="https://relais.example.com/").public_base_url
        == "https://relais.example.com"
    )


def test_the_public_address_follows_the_port(tmp_path):
    assert load(tmp_path, {"RELAIS_PORT": "8123"}).public_base_url == "http://localhost:8123"


def test_own_hosts_are_a_list(tmp_path):
    assert load(tmp_path, {"RELAIS_OWN_HOSTS": "crm.example.com, stock.example.com"}).own_hosts == (
        "crm.example.com",
        "stock.example.com",
    )


def test_the_data_folder_can_be_set(tmp_path):
    folder = tmp_path / "a folder with é"
    assert load(tmp_path, {"RELAIS_DATA_DIR": str(folder)}).data_dir == folder
    assert load(tmp_path, {"RELAIS_DATA_DIR": "beside"}).data_dir == tmp_path / "beside"


def test_an_unusable_data_folder_is_reported(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be used" in error_sentence(tmp_path, RELAIS_DATA_DIR=str(tmp_path / "file" / "var"))


def test_the_process_environment_takes_precedence_over_the_file(tmp_path):
    (tmp_path / ".env").write_text("RELAIS_PORT=8001\nRELAIS_BRAND='Chez Fatou'\n")
    environment = load(tmp_path, {"RELAIS_PORT": "8002"})
    assert (environment.port, environment.brand) == (8002, "Chez Fatou")


def test_an_invalid_line_of_the_file_is_reported_with_its_number(tmp_path):
    (tmp_path / ".env").write_text("RELAIS_PORT=8001\nnonsense\n")
    assert "Line 2" in error_sentence(tmp_path)


def test_the_emulator_url_is_the_base_url_of_twilio_in_a_demo(tmp_path):
    assert (
        load(tmp_path, {"RELAIS_EMULATOR_URL": "http://127.0.0.1:5555"}).twilio_api_base_url
        == "http://127.0.0.1:5555"
    )


def test_the_example_file_has_every_variable():
    root = Path(__file__).parents[3]
    source = (root / "relais" / "environment.py").read_text()
    example = (root / ".env.example").read_text()
    variables = set(re.findall(r'"((?:TWILIO|RELAIS|STUDIO|PUBLIC|DATABASE|EMAIL)_[A-Z_]*[A-Z])"', source))
    internal = {"RELAIS_EMULATOR_URL", "RELAIS_ENV_FILE"}
    assert len(variables) > 15
    assert {name for name in variables - internal if f"{name}=" not in example} == set()
