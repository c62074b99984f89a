"""The twenty sample conversations: a dealer in Casablanca and Abidjan on an ordinary day, in every situation."""

from __future__ import annotations

from collections.abc import Callable

from relais.accounts.models import User
from relais.demo.conversation_builder import ConversationBuilder, Script
from relais.demo.steps import (
    agent,
    agent_in_vain,
    asks_for_agent,
    bot,
    card,
    client,
    client_note,
    client_tags,
    client_to_bot,
    closes,
    draft,
    is_abandoned,
    note,
    picture,
    reads,
    snoozes,
    tags,
    takes_over,
    transfers,
    waiting_text_arrives,
)

AWA, KOFFI, MARIAM = "agent1", "agent2", "superviseur"
MINUTES_PER_HOUR = 60
HISTORY_GAP_MINUTES = 6


def scripts(users: dict[str, User]) -> list[tuple[ConversationBuilder, Script]]:
    return [
        (ConversationBuilder(number, name, users, language=language), script())
        for number, name, language, script in SAMPLES
    ]


# -- held by Awa -----------------------------------------------------------------------------------------


def _test_drive() -> Script:
    """Unread, a note that mentions her, tags, a VIP card."""
    return [
        (196, client("Bonjour, je voudrais essayer le GLC 220 d avant de me décider.")),
        (195.9, bot("Bonjour et bienvenue. Un conseiller vous répond ici dans quelques minutes.")),
        (195.8, asks_for_agent("Essai : GLC 220 d")),
        (191, takes_over(AWA)),
        (
            190,
            agent(
                AWA,
                "Bonjour Monsieur El Idrissi, avec plaisir. Le GLC est libre samedi à 10 h et à 11 h 30.",
            ),
        ),
        (
            188,
            card(
                AWA,
                client_full_name="Rachid El Idrissi",
                email="r.elidrissi@exemple.ma",
                carte_vip="VIP 04512",
                vin="WDC2539031F412873",
            ),
        ),
        (187, tags(AWA, "Essai", "VIP")),
        (150, client("10 h c'est parfait. Est-ce que je peux venir avec ma femme ? Elle conduira aussi.")),
        (
            147,
            agent(
                AWA, "Bien sûr. Pensez tous les deux à votre permis de conduire ; comptez 45 minutes d'essai."
            ),
        ),
        (
            40,
            note(
                KOFFI,
                "@Awa Diop le GLC blanc part en préparation samedi matin. Je te garde le gris, même finition.",
            ),
        ),
        (
            9,
            client(
                "Reprenez-vous mon ancienne Classe C ? Elle est de 2018, 84\u202f000\u00a0km, entretenue chez vous."
            ),
        ),
    ]


def _estimate_with_draft() -> Script:
    return [
        (
            133,
            client("Bonjour, il me faut le prix de deux plaquettes de frein avant pour un GLA 200 de 2021."),
        ),
        (132, asks_for_agent("Pièces : plaquettes de frein, GLA 200")),
        (128, takes_over(AWA)),
        (127, agent(AWA, "Bonjour Madame, je regarde avec le magasin. Souhaitez-vous aussi la pose ?")),
        (127, tags(AWA, "Pièces")),
        (
            31,
            client(
                "Oui, avec la pose. Et si possible avant la fin de la semaine, je pars en voyage dimanche."
            ),
        ),
        (30, card(AWA, client_full_name="Claire Delmas", email="claire.delmas@exemple.fr")),
        (
            27,
            draft(
                AWA,
                "Madame Delmas, le jeu de plaquettes avant est à 1\u202f840\u00a0DH, pose comprise. "
                "L'atelier peut vous recevoir",
            ),
        ),
    ]


def _english_service() -> Script:
    """Answered: he is to reply."""
    return [
        (
            88,
            client("Good morning, my C 200 shows 'Service B due'. Could I bring it in on Thursday morning?"),
        ),
        (87, asks_for_agent("Workshop: Service B, C 200")),
        (84, takes_over(AWA)),
        (
            82,
            agent(
                AWA, "Good morning Mr Whitfield. Thursday at 8:30 is free. Would you need a replacement car?"
            ),
        ),
        (74, client("8:30 works. No need for a car, I will wait in the lounge if there is wifi 🙂")),
        (
            71,
            agent(
                AWA,
                "There is, and good coffee too. Your appointment is booked: Thursday, 8:30.",
                state="delivered",
            ),
        ),
        (70, card(AWA, client_full_name="James Whitfield", **{"attribute:Langue": "Anglais"})),
        (69, tags(AWA, "Atelier")),
    ]


def _arabic() -> Script:
    """In Arabic, unread."""
    return [
        (58, client("السلام عليكم، متى تصل سيارتي من نوع EQE التي طلبتها في شتنبر؟")),
        (57, asks_for_agent("الاستفسار عن موعد التسليم")),
        (52, takes_over(AWA)),
        (
            50,
            agent(
                AWA, "وعليكم السلام سيدة سعاد. سيارتك في الميناء منذ يوم الاثنين، وأنا أتحقق من موعد التسليم."
            ),
        ),
        (49, tags(AWA, "Livraison")),
        (4, client("شكرا لك. هل يمكن أن يكون التسليم قبل نهاية الأسبوع؟ 🙏")),
    ]


def _warning_light() -> Script:
    """Given to Awa by Koffi; a picture."""
    return [
        (75, client("Bonsoir 👋 un voyant orange s'est allumé sur ma Classe A, c'est grave ? 😟")),
        (74, asks_for_agent("Voyant orange, Classe A")),
        (70, takes_over(KOFFI)),
        (69, agent(KOFFI, "Bonjour Madame Kouamé. Pouvez-vous m'envoyer une photo du tableau de bord ?")),
        (64, picture("Voilà 📷")),
        (
            62,
            agent(
                KOFFI,
                "Merci. C'est le voyant moteur : roulez doucement, sans forcer. Je vous cherche une place à l'atelier.",
            ),
        ),
        (61, tags(KOFFI, "Atelier", "Urgent")),
        (
            22,
            transfers(
                KOFFI,
                AWA,
                "Voyant moteur, photo ci-dessus. L'atelier de Marcory a une place à 16 h ; à confirmer.",
            ),
        ),
        (14, client("D'accord, merci beaucoup. J'attends votre retour 🙏")),
    ]


def _snoozed() -> Script:
    return [
        (330, client("Bonjour, mon financement est accepté. Quand peut-on signer le bon de commande ?")),
        (329, asks_for_agent("Bon de commande, CLA 180")),
        (320, takes_over(AWA)),
        (
            318,
            agent(AWA, "Bonjour Monsieur Berrada, félicitations. Notre service crédit vous attend demain."),
        ),
        (310, client("Parfait, je confirme demain matin.")),
        (
            309,
            agent(AWA, "C'est noté. À demain, avec votre pièce d'identité et un justificatif de domicile."),
        ),
        (308, reads(AWA)),
        (307, tags(AWA, "Vente")),
        (306, snoozes(AWA, hours=23)),
    ]


def _window_closes_soon() -> Script:
    return [
        (23.1 * MINUTES_PER_HOUR + 8, client("Bonjour, où en est la réparation de mon Vito ?")),
        (23.1 * MINUTES_PER_HOUR + 7, asks_for_agent("Suivi de réparation, Vito")),
        (23.1 * MINUTES_PER_HOUR + 3, takes_over(AWA)),
        (
            23.1 * MINUTES_PER_HOUR,
            client("C'est pour la société, nous en avons besoin pour les livraisons de demain."),
        ),
        (
            23 * MINUTES_PER_HOUR,
            agent(
                AWA,
                "Bonjour Monsieur N'Guessan. La pièce arrive cette nuit ; je vous écris dès la pose faite.",
            ),
        ),
        (23 * MINUTES_PER_HOUR - 2, tags(AWA, "Atelier")),
        (
            35,
            note(
                AWA,
                "Pièce posée, essai routier en cours. Prévenir le client avant que la fenêtre ne se ferme.",
            ),
        ),
    ]


def _window_closed() -> Script:
    return [
        (
            31 * MINUTES_PER_HOUR,
            client("Bonsoir, pouvez-vous m'envoyer la facture de mon dernier entretien ?"),
        ),
        (31 * MINUTES_PER_HOUR - 1, asks_for_agent("Copie de facture")),
        (30.5 * MINUTES_PER_HOUR, takes_over(AWA)),
        (
            30.4 * MINUTES_PER_HOUR,
            agent(AWA, "Bonsoir Monsieur Lahlou, je la demande à la comptabilité, qui ouvre demain matin."),
        ),
        (30.3 * MINUTES_PER_HOUR, tags(AWA, "Facture")),
    ]


def _long_history() -> Script:
    """A negotiation of a day and a half."""
    exchanges = (
        (
            "Bonjour, je cherche un utilitaire pour livrer à Abidjan et à Bouaké.",
            "Bonjour Monsieur Brou. Plutôt fourgon ou châssis cabine ?",
        ),
        (
            "Fourgon. Environ 10 m³ de volume utile.",
            "Le Sprinter 314 en longueur moyenne fait 10,5 m³. Je vous envoie sa fiche.",
        ),
        ("Quelle est la charge utile ?", "1 245 kg en version standard."),
        (
            "Et le prix du véhicule ?",
            "À partir de 33 900 000 FCFA hors taxes, climatisation et caméra comprises.",
        ),
        (
            "C'est au-dessus de mon budget 😅",
            "Nous avons un véhicule de démonstration : 6 200 km, même équipement, 29 500 000 FCFA.",
        ),
        ("Là ça m'intéresse. Il est visible où ?", "À notre site de Marcory, du lundi au samedi."),
        (
            "La garantie est de combien ?",
            "Trois ans ou 100 000 km, à compter de la première mise en circulation.",
        ),
        (
            "Je peux reprendre mon ancien Vito ?",
            "Oui. Envoyez-moi son kilométrage et sa carte grise, je le fais estimer.",
        ),
        (
            "187 000 km, 2016. Carte grise demain.",
            "Entendu. Une première fourchette : 6 à 7 millions selon l'état.",
        ),
        ("J'espérais plutôt 8 🙂", "L'expert en décidera sur place ; un entretien suivi compte beaucoup."),
        ("J'ai toutes les factures.", "C'est un très bon point. Apportez-les à l'expertise."),
        (
            "Le financement se fait chez vous ?",
            "Oui, en crédit-bail sur 36 ou 48 mois. Je vous prépare les deux.",
        ),
        (
            "Donc environ combien par mois ?",
            "Sur 48 mois, autour de 620 000 FCFA hors taxes. Chiffres exacts demain.",
        ),
        (
            "Ok, je dois en parler à mon associé.",
            "Prenez votre temps. Je réserve le véhicule jusqu'à vendredi.",
        ),
    )
    script: Script = []
    minutes = 29 * MINUTES_PER_HOUR
    for number, (question, answer) in enumerate(exchanges):
        script.append((minutes, client(question)))
        if number == 0:
            script += [(minutes - 1, asks_for_agent("Achat : utilitaire")), (minutes - 2, takes_over(AWA))]
        script.append((minutes - 3, agent(AWA, answer)))
        minutes -= HISTORY_GAP_MINUTES + (18 * MINUTES_PER_HOUR if number == 8 else 5 * number)
    return [
        *script,
        (26 * MINUTES_PER_HOUR, card(AWA, client_full_name="Patrick Brou", **{"attribute:Société": "Brou Transports"})),
        (26 * MINUTES_PER_HOUR - 1, tags(AWA, "Vente")),
        (26 * MINUTES_PER_HOUR - 2, client_tags(AWA, "Entreprise")),
        (25 * MINUTES_PER_HOUR, client_note(AWA, "Flotte de quatre véhicules. Décide avec son associé, M. Aka.")),
    ]  # fmt: skip


# -- held by Koffi ---------------------------------------------------------------------------------------


def _failed_delivery() -> Script:
    return [
        (120, client("Bonsoir, mon rendez-vous de demain est bien à 9 h ?")),
        (119, asks_for_agent("Confirmation de rendez-vous")),
        (115, takes_over(KOFFI)),
        (
            55,
            agent_in_vain(
                KOFFI, "Bonsoir Madame Yapi, oui, 9 h à l'atelier de Treichville. Demandez Monsieur Soro."
            ),
        ),
    ]


def _transferred_to_koffi() -> Script:
    return [
        (210, client("Bonjour, je veux déclarer un sinistre : on m'a rayé la portière sur un parking.")),
        (209, asks_for_agent("Carrosserie : portière rayée")),
        (204, takes_over(AWA)),
        (203, agent(AWA, "Bonjour Monsieur Benjelloun, j'en suis désolée. Avez-vous le constat ?")),
        (199, client("Oui, et des photos.")),
        (193, transfers(AWA, KOFFI, "Carrosserie : il a le constat et des photos. Tu suis ce dossier.")),
        (
            185,
            agent(
                KOFFI,
                "Bonjour, je prends la suite d'Awa. Votre expert peut passer jeudi ou vendredi à Casablanca.",
            ),
        ),
        (184, tags(KOFFI, "Carrosserie")),
        (26, client("Vendredi matin alors. Merci Koffi.")),
    ]


# -- waiting ---------------------------------------------------------------------------------------------


def _waits_for_a_test_drive() -> Script:
    """Nobody has answered yet."""
    return [
        (7, client("Bonjour, je voudrais essayer la Classe C 200 break samedi matin.")),
        (6.9, asks_for_agent("Essai : Classe C 200 break, samedi matin")),
    ]


def _waits_with_waiting_text() -> Script:
    return [
        (46, client("Bonjour, j'ai besoin de parler à quelqu'un pour une réclamation.")),
        (45.5, asks_for_agent("Réclamation : livraison en retard")),
        (38, client("Ma livraison a deux semaines de retard et personne ne me rappelle.")),
        (37.9, waiting_text_arrives()),
        (21, client("Toujours personne ?")),
        (20.9, waiting_text_arrives()),
    ]


def _waits_in_english() -> Script:
    return [
        (2, client("Hi, is the EQB available for a test drive in Casablanca?")),
        (1.8, asks_for_agent("Test drive: EQB")),
    ]


# -- with the bot ----------------------------------------------------------------------------------------


def _bot_asks_for_the_name() -> Script:
    return [(3, client_to_bot("Bonsoir"))]


def _bot_test_drive() -> Script:
    return [
        (18, client_to_bot("Bonjour, je veux changer de voiture")),
        (17, client_to_bot("Imane Chraïbi")),
        (16, client_to_bot("1")),
        (15, client_to_bot("1")),
        (14, client_to_bot("2")),
    ]


def _bot_workshop() -> Script:
    return [
        (29, client_to_bot("Bonjour")),
        (28, client_to_bot("Jean-Marc Assi")),
        (27, client_to_bot("1")),
        (26, client_to_bot("2")),
        (25, client_to_bot("1")),
        (24, client_to_bot("W1K2060421R118342")),
    ]


# -- ended -----------------------------------------------------------------------------------------------


def _closed_with_reason() -> Script:
    """Her other number waits: a duplicate to merge."""
    return [
        (27 * MINUTES_PER_HOUR, client("Bonjour, quel est le délai de livraison d'une Classe A ?")),
        (27 * MINUTES_PER_HOUR - 1, asks_for_agent("Délai de livraison, Classe A")),
        (26.8 * MINUTES_PER_HOUR, takes_over(KOFFI)),
        (26.7 * MINUTES_PER_HOUR, agent(KOFFI, "Bonjour Madame Konan : huit à dix semaines en ce moment.")),
        (26.6 * MINUTES_PER_HOUR, client("Merci, je vais réfléchir.")),
        (
            26.5 * MINUTES_PER_HOUR,
            card(KOFFI, client_full_name="Adjoua Konan", email="adjoua.konan@exemple.ci"),
        ),
        (26.4 * MINUTES_PER_HOUR, closes(KOFFI, "Renseignement donné")),
    ]


def _closed_with_tags() -> Script:
    return [
        (6 * MINUTES_PER_HOUR, client("Bonjour, avez-vous des jantes 19 pouces pour un GLB ?")),
        (6 * MINUTES_PER_HOUR - 1, asks_for_agent("Pièces : jantes GLB")),
        (6 * MINUTES_PER_HOUR - 4, takes_over(AWA)),
        (
            6 * MINUTES_PER_HOUR - 6,
            agent(AWA, "Bonjour Monsieur Diabaté, oui, deux modèles en stock. Je vous réserve lesquelles ?"),
        ),
        (6 * MINUTES_PER_HOUR - 20, client("Les noires. Je passe les prendre cet après-midi 👍")),
        (
            6 * MINUTES_PER_HOUR - 22,
            agent(AWA, "C'est réservé à votre nom, au comptoir des pièces. Bonne journée."),
        ),
        (6 * MINUTES_PER_HOUR - 23, tags(AWA, "Pièces")),
        (6 * MINUTES_PER_HOUR - 24, closes(AWA, "Vente conclue")),
    ]


def _abandoned() -> Script:
    """She waited, and wrote no more."""
    return [
        (47 * MINUTES_PER_HOUR, client("Bonsoir, il y a quelqu'un ?")),
        (47 * MINUTES_PER_HOUR - 1, asks_for_agent("Parler à un agent")),
        (23 * MINUTES_PER_HOUR, is_abandoned()),
    ]


def _waits_as_second_number() -> Script:
    """The same e-mail as that of a client with another number."""
    return [
        *_waits_with_waiting_text(),
        (30, card(MARIAM, client_full_name="Adjoua Konan", email="adjoua.konan@exemple.ci")),
    ]


SAMPLES: tuple[tuple[str, str, str, Callable[[], Script]], ...] = (
    ("+212661408215", "Rachid E.", "fr", _test_drive),
    ("+33677120934", "Claire", "fr", _estimate_with_draft),
    ("+447700900417", "James W", "en", _english_service),
    ("+212662730548", "سعاد المنصوري", "ar", _arabic),
    ("+2250749315826", "Aïcha Kouamé 🌸", "fr", _warning_light),
    ("+212663915270", "Yassine Berrada", "fr", _snoozed),
    ("+2250586402713", "Serge N'Guessan", "fr", _window_closes_soon),
    ("+212664227193", "Hicham Lahlou", "fr", _window_closed),
    ("+2250757380164", "P. Brou", "fr", _long_history),
    ("+2250102947358", "Nadège Yapi", "fr", _failed_delivery),
    ("+212665081937", "Omar Benjelloun", "fr", _transferred_to_koffi),
    ("+212666549021", "Karim", "fr", _waits_for_a_test_drive),
    ("+2250711628495", "Adjoua", "fr", _waits_as_second_number),
    ("+447700900862", "Emily Carter", "en", _waits_in_english),
    ("+212667304416", "Hajar", "fr", _bot_asks_for_the_name),
    ("+212668912053", "Imane", "fr", _bot_test_drive),
    ("+2250788150362", "JM Assi", "fr", _bot_workshop),
    ("+2250504879216", "Adjoua K", "fr", _closed_with_reason),
    ("+2250778036451", "Moussa Diabaté", "fr", _closed_with_tags),
    ("+212669187340", "Leïla", "fr", _abandoned),
)
