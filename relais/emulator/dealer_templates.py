"""The templates of a car dealer in the double's account: in French, English and Arabic, in every state of approval."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ContentExample:
    name: str
    language: str
    category: str
    type: str
    content: Mapping[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Sample values. Twilio uses them when a message gives none."""
    status: str = "approved"
    rejection_reason: str = ""

    @property
    def sid(self) -> str:
        """The same after every start, like an account's: the desk stores it."""
        return "HX" + hashlib.sha256(f"{self.name} {self.language}".encode()).hexdigest()[:32]


def text_content(name: str, body: str, language: str = "fr", **more: Any) -> ContentExample:
    """A `twilio/text` of category UTILITY, approved unless `status` says otherwise."""
    return ContentExample(
        **{"name": name, "language": language, "category": "UTILITY", "type": "twilio/text"}
        | {"content": {"body": body}}
        | more
    )


def quick_reply_content(
    name: str, body: str, titles: tuple[str, ...], language: str = "fr", **more: Any
) -> ContentExample:
    actions = [
        {"type": "QUICK_REPLY", "title": title, "id": f"{name}_{number}"}
        for number, title in enumerate(titles, 1)
    ]
    return ContentExample(
        **{"name": name, "language": language, "category": "UTILITY", "type": "twilio/quick-reply"}
        | {"content": {"body": body, "actions": actions}}
        | more
    )


DEALER_TEMPLATES = (
    text_content(
        "vehicule_pret",
        "Bonjour {{1}}, votre {{2}} est prête à l'atelier. Vous pouvez la récupérer jusqu'à {{3}}. À bientôt.",
    ),
    text_content(
        "vehicle_ready",
        "Hello {{1}}, your {{2}} is ready at the workshop. You can collect it until {{3}}. See you soon.",
        "en",
    ),
    text_content(
        "vehicule_pret",
        "مرحبا {{1}}، سيارتكم {{2}} جاهزة في الورشة. يمكنكم استلامها حتى {{3}}. إلى اللقاء.",
        "ar",
    ),
    quick_reply_content(
        "rappel_rendez_vous",
        "Bonjour {{1}}, nous vous attendons le {{2}} à {{3}} pour votre {{4}}. Merci de confirmer votre venue.",
        ("Je confirme", "Changer la date", "Annuler"),
    ),
    quick_reply_content(
        "appointment_reminder",
        "Hello {{1}}, we look forward to seeing you on {{2}} at {{3}} for your {{4}}. Please confirm your visit.",
        ("I confirm", "Change the date", "Cancel"),
        "en",
    ),
    text_content(
        "reprise_conversation",
        "Bonjour {{1}}, vous nous aviez écrit à propos de votre véhicule. Souhaitez-vous que nous reprenions ?",
    ),
    text_content(
        "متابعة_المحادثة",
        "مرحبا {{1}}، كنتم قد راسلتمونا بخصوص سيارتكم. هل ترغبون في أن نتابع معكم؟",
        "ar",
    ),
    ContentExample(
        name="devis_disponible",
        language="fr",
        category="UTILITY",
        type="twilio/call-to-action",
        content={
            "body": "Bonjour {{1}}, le devis de votre {{2}} est disponible : {{3}} TTC. Il est valable 30 jours.",
            "actions": [
                {"type": "URL", "title": "Voir le devis", "url": "https://devis.relais.example/{{4}}"},
                {"type": "PHONE_NUMBER", "title": "Appeler l'atelier", "phone": "+212522000000"},
            ],
        },
    ),
    ContentExample(
        name="rappel_constructeur",
        language="fr",
        category="UTILITY",
        type="twilio/card",
        content={
            "title": "Rappel du constructeur : votre véhicule {{1}} est concerné. L'intervention est gratuite et dure "
            "environ une heure.",
            "subtitle": "Service après-vente",
            "actions": [
                {"type": "QUICK_REPLY", "title": "Prendre rendez-vous", "id": "rappel_rdv"},
                {"type": "QUICK_REPLY", "title": "Être rappelé", "id": "rappel_appel"},
            ],
        },
    ),
    text_content(
        "relance_avis",
        "Bonjour {{1}}, comment s'est passée votre visite ? Votre avis nous aide : répondez à ce message.",
        category="MARKETING",
        status="paused",
    ),
    text_content(
        "offre_pneus_hiver",
        "Bonjour {{1}}, vos pneus d'hiver au meilleur prix cette semaine chez {{2}}. Répondez OUI pour un devis.",
        category="MARKETING",
        status="pending",
    ),
    text_content(
        "promo_flash",
        "{{1}} profitez de -50 % sur TOUT aujourd'hui seulement",
        category="MARKETING",
        status="rejected",
        rejection_reason="INVALID_FORMAT: variables cannot be at the start or end of the template.",
    ),
    text_content(
        "ancien_accueil",
        "Bienvenue chez Relais Automobiles. Un conseiller vous répond dans la journée.",
        status="disabled",
    ),
    text_content(
        "brouillon_livraison",
        "Bonjour {{1}}, la livraison de votre {{2}} est prévue le {{3}}. Nous vous confirmons l'heure.",
        status="unsubmitted",
    ),
)
