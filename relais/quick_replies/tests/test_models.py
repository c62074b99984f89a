"""The verbs: create, change, remove, count a use; who may do what; and the search."""

import pytest

from relais.action_errors import InvalidField, NotAllowed
from relais.quick_replies.models import QuickReply
from relais.quick_replies.permissions import ScopeTarget, editable_targets, parse_target
from relais.quick_replies.scopes import Scope
from relais.quick_replies.shortcut_items import EditConflict

pytestmark = pytest.mark.django_db


def shortcuts(user, query=""):
    replies = QuickReply.objects.visible_to(user).matching(query).ranked(query)
    return [reply.shortcut for reply in replies]


def visible(user):
    return sorted(shortcuts(user))


def change(reply, by, **fields):
    values = {"shortcut": reply.shortcut, "title": reply.title, "text": reply.text, "target": reply.target}
    reply.change(by=by, **(values | fields))


class TestCreate:
    def test_an_agent_makes_his_own(self, create_reply, awa):
        reply = create_reply(awa, " /Rendez vous ", "Quand ?\r\nDites-moi.")
        assert (reply.shortcut, reply.title) == ("rendez-vous", "Quand ?")
        assert reply.text == "Quand ?\nDites-moi."
        assert (reply.scope, reply.owner, reply.use_count, reply.version) == ("mine", awa, 0, 1)

    def test_the_same_again_makes_no_second_one(self, create_reply, awa):
        assert create_reply(awa, "rdv", "Quand ?") == create_reply(awa, "rdv", "Quand ?")
        assert QuickReply.objects.count() == 1

    def test_a_shortcut_is_taken_once_per_audience(self, create_reply, awa, koffi, mariam):
        create_reply(awa, "dévis")
        with pytest.raises(InvalidField, match="existe déjà") as refusal:
            create_reply(awa, "Devis", "autre texte")
        assert refusal.value.code == "shortcut"
        create_reply(koffi, "devis")
        create_reply(mariam, "devis", scope="all")

    def test_an_agent_shares_nothing(self, create_reply, yao):
        for scope in ("all", "team"):
            with pytest.raises(NotAllowed):
                create_reply(yao, "rdv", scope=scope)

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"shortcut": " / "}, "shortcut"),
            ({"shortcut": "x" * 41}, "shortcut"),
            ({"shortcut": "a/b"}, "shortcut"),
            ({"shortcut": "\u200b"}, "shortcut"),
            ({"text": " \n"}, "text"),
            ({"text": "x" * 1601}, "text"),
            ({"text": "Bonjour {vehicule}"}, "text"),
            ({"title": "x" * 81}, "title"),
            ({"scope": "others"}, "scope"),
            ({"scope": "team:999"}, "scope"),
            ({"scope": "team"}, "scope"),
        ],
    )
    def test_what_is_refused(self, create_reply, mariam, fields, code):
        with pytest.raises(InvalidField) as refusal:
            create_reply(mariam, **({"shortcut": "rdv"} | fields))
        assert refusal.value.code == code

    def test_an_unknown_variable_is_named_with_those_there_are(self, create_reply, awa):
        with pytest.raises(InvalidField, match=r"\{vehicule\}.*\{client\}, \{prénom\}"):
            create_reply(awa, "rdv", "Votre {vehicule}")


class TestPermissions:
    @pytest.fixture
    def amina(self, sales):
        from relais.accounts.models import User

        return User.objects.create_user("amina@example.com", full_name="Amina", role="supervisor", team=sales)

    def test_who_sees_what(self, create_reply, awa, koffi, mariam, amina, yao, sales):
        create_reply(awa, "a")
        create_reply(amina, "ventes", scope="team")
        create_reply(mariam, "tous", scope="all")
        awa.team = sales
        assert visible(awa) == ["a", "tous", "ventes"]
        assert visible(koffi) == ["tous"]
        assert visible(yao) == ["tous"]
        assert visible(mariam) == ["tous", "ventes"]

    def test_a_supervisor_of_a_team_edits_it_and_no_other(self, create_reply, mariam, amina, yao, awa, sales):
        of_sales = create_reply(amina, "a", scope="team")
        of_parts = create_reply(mariam, "b", scope=f"team:{yao.team_id}")
        change(of_sales, amina, title="Nouveau", at=of_sales.changed_at)
        with pytest.raises(NotAllowed):
            change(of_parts, amina, title="Nouveau", at=of_parts.changed_at)
        change(of_parts, mariam, title="Nouveau", at=of_parts.changed_at)
        awa.team = sales
        with pytest.raises(NotAllowed):
            of_sales.remove(by=awa)

    def test_nobody_edits_what_is_anothers_own(self, create_reply, awa, nadia):
        with pytest.raises(NotAllowed):
            create_reply(awa, "a").remove(by=nadia)

    def test_the_choices_of_each_role(self, awa, mariam, amina, nadia, sales):
        assert [t.key for t in editable_targets(awa)] == ["mine"]
        assert [t.key for t in editable_targets(amina)] == ["mine", f"team:{sales.pk}", "all"]
        assert [t.key for t in editable_targets(nadia)] == ["mine", f"team:{sales.pk}", "all"]

    def test_an_agent_cannot_move_his_own_to_everyone(self, create_reply, awa, clock):
        with pytest.raises(NotAllowed):
            change(create_reply(awa, "a"), awa, target=ScopeTarget(Scope.ALL), at=clock.now)

    def test_a_deleted_user_takes_his_own_along(self, create_reply, koffi, mariam):
        create_reply(koffi, "a")
        create_reply(mariam, "b", scope="all")
        koffi.delete()
        assert shortcuts(mariam) == ["b"]


class TestChange:
    def test_a_supervisor_changes_a_shared_one(self, create_reply, mariam, clock):
        reply = create_reply(mariam, "a", scope="all")
        change(reply, mariam, shortcut="b", text="Autre", target=parse_target("mine", mariam), at=clock.now)
        assert (reply.shortcut, reply.text, reply.scope, reply.version) == ("b", "Autre", "mine", 2)
        assert shortcuts(mariam, "autre") == ["b"]

    def test_someone_was_faster(self, create_reply, mariam, nadia, clock):
        reply = create_reply(mariam, "a", scope="all")
        change(QuickReply.objects.get(), nadia, title="De Nadia", version=1, at=clock.now)
        with pytest.raises(EditConflict):
            change(reply, mariam, title="De Mariam", version=1, at=clock.now)
        assert QuickReply.objects.get().title == "De Nadia"

    def test_a_taken_shortcut(self, create_reply, awa, clock):
        create_reply(awa, "a")
        with pytest.raises(InvalidField):
            change(create_reply(awa, "b"), awa, shortcut="A", at=clock.now)

    def test_removing_twice_is_no_error(self, create_reply, awa):
        reply = create_reply(awa, "a")
        QuickReply.objects.get().remove(by=awa)
        reply.remove(by=awa)
        assert not QuickReply.objects.exists()


class TestSearch:
    def test_every_word_is_found_in_shortcut_title_or_text(self, create_reply, awa):
        create_reply(awa, "rdv", "Un rendez-vous à l'atelier", "Atelier")
        create_reply(awa, "hôtel", "Œuvre d'été")
        assert shortcuts(awa, "ATELIER rendez") == ["rdv"]
        assert shortcuts(awa, "hotel") == shortcuts(awa, "oeuvre ete") == ["hôtel"]
        assert shortcuts(awa, "/rdv") == ["rdv"]
        assert shortcuts(awa, "atelier nulle-part") == []

    @pytest.mark.parametrize("query", ["%", "_", "\\", "'", "{", "(", "\U0001f600"])
    def test_signs_are_just_signs(self, create_reply, awa, query):
        create_reply(awa, "rdv", "Bonjour")
        assert shortcuts(awa, query) == []

    def test_the_most_used_first_then_the_best_match(self, create_reply, awa, clock):
        in_text = create_reply(awa, "a", "Le devis", "Prix")
        create_reply(awa, "b", "Bonjour", "Votre devis")
        create_reply(awa, "mon-devis")
        create_reply(awa, "devis-long")
        assert shortcuts(awa, "devis") == ["devis-long", "mon-devis", "b", "a"]
        in_text.record_use(at=clock.now)
        assert shortcuts(awa, "devis") == ["a", "devis-long", "mon-devis", "b"]
        create_reply(awa, "devis")
        assert shortcuts(awa, "devis")[0] == "devis"
        assert shortcuts(awa)[0] == "a"

    def test_each_use_counts(self, create_reply, awa, clock):
        reply = create_reply(awa, "a")
        for _ in range(3):
            reply.record_use(at=clock.now)
        reply.refresh_from_db()
        assert (reply.use_count, reply.last_used_at) == (3, clock.now)
