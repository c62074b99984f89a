import stat
from pathlib import Path

import pytest

from relais.environment import Environment, InvalidEnvironment, load

TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "TWILIO_WHATSAPP_NUMBER": "+212522000000",
}


def refusal(root: Path, **variables: str) -> str:
    with pytest.raises(InvalidEnvironment) as refused:
        load(root, variables)
    return str(refused.value)


def live(root: Path, **variables: str) -> Environment:
    return load(root, {**TWILIO, **variables})


def test_a_fresh_clone_is_a_demo_that_needs_no_variable(tmp_path):
    here = load(tmp_path, {})
    assert here.demo
    assert here.data_dir == tmp_path / "var"
    assert (here.host, here.port, here.public_base_url) == ("127.0.0.1", 8000, "http://localhost:8000")
    assert (here.brand, here.time_zone, here.bot) == ("Mercedes-Benz", "Africa/Casablanca", "embedded")
    assert here.whatsapp_number == "whatsapp:+14155238886"
    assert here.twilio_account_sid.startswith("AC") and len(here.twilio_account_sid) == 34
    assert len(here.twilio_auth_token) == 32
    assert here.embedded_database and here.database_url.startswith("postgresql:///relais?host=%2F")


def test_a_demo_keeps_its_key_and_its_account(tmp_path):
    first, second = load(tmp_path, {}), load(tmp_path, {})
    assert first == second
    key = tmp_path / "var" / "secret_key"
    assert key.read_text().strip() == first.secret_key
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_twilio_variables_make_it_live(tmp_path):
    here = live(tmp_path)
    assert not here.demo
    assert here.twilio_account_sid == TWILIO["TWILIO_ACCOUNT_SID"]
    assert here.twilio_api_base_url == ""


@pytest.mark.parametrize(
    "given",
    ["+212522000000", "whatsapp:+212522000000", " WhatsApp:+212 522-00 00 00 "],
    ids=["bare", "prefixed", "spaced"],
)
def test_the_number_is_brought_to_one_form(tmp_path, given):
    assert live(tmp_path, TWILIO_WHATSAPP_NUMBER=given).whatsapp_number == "whatsapp:+212522000000"


@pytest.mark.parametrize("given", ["0522000000", "whatsapp:", "+", "+12", "MG0123"])
def test_a_number_without_country_code_is_refused(tmp_path, given):
    assert "TWILIO_WHATSAPP_NUMBER" in refusal(tmp_path, **{**TWILIO, "TWILIO_WHATSAPP_NUMBER": given})


@pytest.mark.parametrize("left_out", TWILIO)
def test_twilio_half_connected_is_refused_by_the_name_of_what_is_missing(tmp_path, left_out):
    sentence = refusal(tmp_path, **{name: value for name, value in TWILIO.items() if name != left_out})
    assert f"{left_out} is missing" in sentence
    assert not (tmp_path / "var").exists()


def test_a_lone_twilio_variable_is_no_demo(tmp_path):
    assert "are missing" in refusal(tmp_path, TWILIO_API_BASE_URL="http://localhost:9999")


def test_an_empty_variable_counts_as_not_given(tmp_path):
    assert load(tmp_path, dict.fromkeys(TWILIO, "")).demo


def test_a_database_of_ones_own_is_no_demo(tmp_path):
    here = load(tmp_path, {"DATABASE_URL": "postgresql://relais@db.example.com/relais"})
    assert not here.demo and not here.embedded_database
    assert here.database_url == "postgresql://relais@db.example.com/relais"
    assert (here.twilio_account_sid, here.whatsapp_number) == ("", "")


def test_what_was_ever_live_refuses_the_demo(tmp_path):
    load(tmp_path, {})
    live(tmp_path)
    assert "not the demo's" in refusal(tmp_path)


def test_a_folder_with_a_database_of_unknown_origin_refuses_the_demo(tmp_path):
    (tmp_path / "var" / "postgres").mkdir(parents=True)
    assert "not the demo's" in refusal(tmp_path)


def test_a_mistake_elsewhere_does_not_mark_the_folder(tmp_path):
    refusal(tmp_path, **TWILIO, RELAIS_PORT="no")
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
def test_a_bad_value_is_refused_by_its_name(tmp_path, name, value):
    assert name in refusal(tmp_path, **{name: value})
    assert not (tmp_path / "var").exists()


def test_a_live_desk_may_listen_to_the_world(tmp_path):
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


def test_the_data_folder_may_lie_elsewhere(tmp_path):
    elsewhere = tmp_path / "a folder with é"
    assert load(tmp_path, {"RELAIS_DATA_DIR": str(elsewhere)}).data_dir == elsewhere
    assert load(tmp_path, {"RELAIS_DATA_DIR": "beside"}).data_dir == tmp_path / "beside"


def test_a_data_folder_that_cannot_be_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be used" in refusal(tmp_path, RELAIS_DATA_DIR=str(tmp_path / "file" / "var"))


def test_the_process_environment_wins_over_the_file(tmp_path):
    (tmp_path / ".env").write_text("RELAIS_PORT=8001\nRELAIS_BRAND='Chez Fatou'\n")
    here = load(tmp_path, {"RELAIS_PORT": "8002"})
    assert (here.port, here.brand) == (8002, "Chez Fatou")


def test_a_broken_line_of_the_file_is_named(tmp_path):
    (tmp_path / ".env").write_text("RELAIS_PORT=8001\nnonsense\n")
    assert "Line 2" in refusal(tmp_path)


def test_the_running_demo_tells_others_where_its_double_listens(tmp_path):
    assert (
        load(tmp_path, {"RELAIS_EMULATOR_URL": "http://127.0.0.1:5555"}).twilio_api_base_url
        == "http://127.0.0.1:5555"
    )


def test_the_example_file_names_every_variable():
    root = Path(__file__).parents[3]
    source = (root / "relais" / "environment.py").read_text()
    example = (root / ".env.example").read_text()
    import re

    named = set(re.findall(r'"((?:TWILIO|RELAIS|STUDIO|PUBLIC|DATABASE|EMAIL)_[A-Z_]*[A-Z])"', source))
    inner = {"RELAIS_EMULATOR_URL", "RELAIS_ENV_FILE"}
    assert len(named) > 15
    assert {name for name in named - inner if f"{name}=" not in example} == set()
