"""The steps of a macro as they are saved: each refusal names the step and what to do."""

import pytest

from relais.accounts.models import Team
from relais.action_errors import InvalidField
from relais.company import company_settings
from relais.conversations.tags import Tag
from relais.macros.step_rules import MAX_STEPS, InvalidStep, clean_steps
from relais.macros.steps import STEP_TYPES, step_from_json
from relais.macros.tests.conftest import CLOSE, NOTE, SEND, TAG

pytestmark = pytest.mark.django_db


def test_every_kind_is_stored_and_read_again(awa, koffi):
    team = Team.objects.create(name="Devis")
    given = [
        SEND,
        NOTE,
        {"type": "tags", "add": ["devis", "Devis"], "remove": ["urgent"]},
        {"type": "transfer", "agent": koffi.pk, "note": " à suivre "},
    ]
    steps = clean_steps(given, by=awa)
    steps += clean_steps([{"type": "snooze", "until": "36h"}], by=awa)
    steps += clean_steps([{"type": "transfer", "team": str(team.pk)}], by=awa)
    steps += clean_steps([CLOSE], by=awa)
    assert {type(step) for step in steps} == set(STEP_TYPES)
    assert [step_from_json(step.to_json()) for step in steps] == steps
    assert [step.describe() for step in steps] == [
        "Envoyer un texte au client",
        "Ajouter une note interne",
        "Ajouter l'étiquette «\u00a0Devis\u00a0» · Retirer l'étiquette «\u00a0urgent\u00a0»",
        "Transférer à Koffi Mensah",
        "Mettre en pause\u00a0: 36 heures",
        "Transférer à l'équipe Devis",
        "Clôturer, motif\u00a0: Devis envoyé",
    ]


@pytest.mark.parametrize(
    ("steps", "number", "part"),
    [
        ([{"type": "send", "text": " \u200b"}], 1, "écrivez le texte, ou retirez l'étape"),
        ([{"type": "send", "text": "x" * 1601}], 1, "1601 caractères, et 1600 au plus"),
        ([{"type": "send", "text": "{vehicule}"}], 1, "variable inconnue"),
        ([SEND, {"type": "note", "text": "x" * 4001}], 2, "4000 au plus"),
        ([SEND, {"type": "tags"}], 2, "au moins une étiquette"),
        ([{"type": "tags", "add": ["x" * 41]}], 1, "au plus 40 caractères"),
        ([{"type": "tags", "add": ["Été"], "remove": ["ete"]}], 1, "à la fois ajoutée et retirée"),
        ([{"type": "tags", "add": ["a,b"]}], 1, "contient une virgule"),
        ([{"type": "tags", "add": [f"t{n}" for n in range(21)]}], 1, "au plus 20 étiquettes"),
        ([{"type": "transfer"}], 1, "choisissez un collègue ou une équipe"),
        ([{"type": "transfer", "agent": 999999}], 1, "n'a plus de compte actif"),
        ([{"type": "transfer", "team": 999999}], 1, "n'existe plus"),
        ([{"type": "snooze", "until": "demain"}], 1, "une durée dans la liste"),
        ([{"type": "snooze", "until": "0h"}], 1, "d'un an au plus"),
        ([{"type": "snooze", "until": "9999999999999d"}], 1, "une durée"),
        ([{"type": "close", "reason": "x" * 201}], 1, "200 au plus"),
        ([CLOSE, SEND], 2, "suit la clôture"),
        ([{"type": "snooze", "until": "reply"}, CLOSE], 2, "mettrait fin à la pause"),
        ([{"type": "snooze", "until": "reply"}] * 2, 2, "met déjà en pause"),
        ([SEND, {"type": "call"}], 2, "type d'étape est inconnu"),
        (["x"], 1, "type d'étape est inconnu"),
    ],
)
def test_a_wrong_step_is_named_with_the_remedy(awa, steps, number, part):
    with pytest.raises(InvalidStep) as refusal:
        clean_steps(steps, by=awa)
    assert (refusal.value.step, refusal.value.code) == (number, "steps")
    assert str(refusal.value).startswith(f"Étape {number} (")
    assert part in str(refusal.value)


@pytest.mark.parametrize("step", [SEND, CLOSE, {"type": "snooze", "until": "reply"}])
def test_after_a_transfer_only_notes_and_tags_follow(awa, koffi, step):
    transfer = {"type": "transfer", "agent": koffi.pk}
    clean_steps([transfer, NOTE, TAG], by=awa)
    with pytest.raises(InvalidStep, match="avant le transfert"):
        clean_steps([transfer, step], by=awa)


def test_there_is_one_step_at_least_and_twenty_at_most(awa):
    clean_steps([SEND] * MAX_STEPS, by=awa)
    for steps in ([], [SEND] * (MAX_STEPS + 1)):
        with pytest.raises(InvalidField) as refusal:
            clean_steps(steps, by=awa)
        assert refusal.value.code == "steps"


def test_new_tags_are_for_supervisors_where_the_setting_says_so(awa, mariam):
    company_settings.set_value(company_settings.NEW_TAGS_BY_SUPERVISORS, True)
    with pytest.raises(InvalidStep, match="seul un superviseur peut en créer"):
        clean_steps([TAG], by=awa)
    clean_steps([TAG], by=mariam)
    Tag.objects.create(name="Dévis")
    clean_steps([TAG], by=awa)


def test_a_required_reason_is_required_of_the_macro(awa):
    company_settings.set_value(company_settings.CLOSE_REASON_REQUIRED, True)
    with pytest.raises(InvalidStep, match="motif est exigé"):
        clean_steps([{"type": "close"}], by=awa)
    clean_steps([CLOSE], by=awa)


def test_a_deactivated_colleague_is_no_recipient(awa, koffi):
    koffi.is_active = False
    koffi.save()
    with pytest.raises(InvalidStep, match="n'a plus de compte actif"):
        clean_steps([{"type": "transfer", "agent": koffi.pk}], by=awa)
