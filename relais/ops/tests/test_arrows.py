import re
from graphlib import TopologicalSorter
from pathlib import Path

from relais.ops import arrows


def test_no_import_goes_against_the_arrows():
    assert arrows.against_the_arrows() == []


def test_the_rules_themselves_make_no_circle():
    TopologicalSorter(arrows.MAY_IMPORT).prepare()


def test_every_room_is_under_the_rules():
    rooms = {folder.name for folder in arrows.PACKAGE.iterdir() if (folder / "__init__.py").exists()}
    assert rooms <= set(arrows.MAY_IMPORT)


def test_every_room_says_what_it_is_and_what_it_is_not():
    for room in arrows.MAY_IMPORT:
        opening = arrows.PACKAGE / room.replace(".", "/") / "__init__.py"
        if opening.exists():
            assert opening.read_text().startswith('"""'), room
            said = opening.read_text().split('"""')[1]
            assert re.search(r"\b(not|no|never|nothing)\b", said, re.IGNORECASE), room


def test_an_import_is_seen_in_each_of_its_forms(tmp_path, monkeypatch):
    monkeypatch.setattr(arrows, "PACKAGE", tmp_path / "relais")
    room = tmp_path / "relais" / "live"
    room.mkdir(parents=True)
    forms = (
        "import relais.conversations.models",
        "from relais import conversations",
        "from relais.conversations import models",
        "from ..conversations import models",
        "from .. import conversations",
        "def f():\n    from relais.conversations.models import Conversation",
    )
    for form in forms:
        (room / "socket.py").write_text(form)
        assert len(arrows.against_the_arrows()) == 1, form
    (room / "socket.py").write_text("from relais.live import frames\nfrom . import feed\nimport json")
    assert arrows.against_the_arrows() == []
    (room / "tests").mkdir()
    (room / "tests" / Path("test_socket.py")).write_text(forms[0])
    assert arrows.against_the_arrows() == []
