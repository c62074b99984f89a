"""The texts and settings of the dealer's bot: they become the variables that the flow sets at its start.

`{nom}` and the like are replaced when a text is sent; `{{flow.variables.marque}}` when the flow starts.
"""

BRAND = "{{flow.variables.marque}}"
PHONE = "{{flow.variables.telephone}}"


def link(name: str) -> str:
    return f"{{{{flow.variables.lien_{name}}}}}"


SETTINGS = {
    # Relais starts the flow with its own brand; at Twilio there is none.
    "marque": "{{flow.data.brand | default: 'Mercedes-Benz'}}",
    "telephone": "+212 5 22 00 00 00",
    "lien_modeles": "https://www.example.com/modeles",
    "lien_offres": "https://www.example.com/offres",
    "lien_horaires": "https://www.example.com/horaires",
    "lien_club": "https://www.example.com/club",
}

TEXTS = {
    # -- welcome -------------------------------------------------------------------------------------
    "bienvenue": f"Bonjour {{nom}}, bienvenue chez {BRAND}. Je suis l'assistant de la maison.",
    "bienvenue_sans_nom": f"Bonjour et bienvenue chez {BRAND}. Je suis l'assistant de la maison.",
    "reprise": "C'est de nouveau l'assistant. Je reste à votre disposition.",
    "demande_nom": "Pour faire connaissance : quel est votre nom complet ?",
    "demande_client": f"Êtes-vous déjà client {BRAND} ?\n\n1. Oui\n2. Non",
    # -- menus ---------------------------------------------------------------------------------------
    "menu_principal": (
        "Que puis-je faire pour vous ?\n\n1. Véhicules neufs\n2. Service après-vente\n3. Réclamations\n"
        "4. Club VIP\n5. Parler à un agent"
    ),
    "menu_vehicules_neufs": (
        "Véhicules neufs\n\n1. Découvrir les modèles\n2. Réserver un essai\n3. Être rappelé par un conseiller\n"
        "4. Offres du moment\n0. Retour"
    ),
    "menu_apres_vente": (
        "Service après-vente\n\n1. Demander un entretien ou une réparation\n2. Assistance en cas de panne\n"
        "3. Horaires et adresses\n0. Retour"
    ),
    "menu_reclamations": ("Réclamations\n\n1. Déposer une réclamation\n2. Suivre une réclamation\n0. Retour"),
    "menu_club_vip": (
        "Club VIP\n\n1. Découvrir le Club VIP\n2. Devenir membre\n3. Enregistrer ma carte VIP\n0. Retour"
    ),
    "menu_autre_chose": (
        "Puis-je faire autre chose pour vous ?\n\n1. Revenir au menu\n2. Parler à un agent\n3. Terminer"
    ),
    # -- pages ---------------------------------------------------------------------------------------
    "page_modeles": f"Voici toute la gamme {BRAND} : {link('modeles')}",
    "page_offres": f"Les offres du moment se trouvent ici : {link('offres')}",
    "page_assistance": (
        f"En cas de panne, notre assistance vous répond jour et nuit au {PHONE}. "
        "Si vous êtes sur la route, mettez-vous d'abord en sécurité."
    ),
    "page_horaires": f"Nos adresses et nos horaires : {link('horaires')}",
    "page_club": f"Les avantages du Club VIP {BRAND} : {link('club')}",
    # -- a test drive --------------------------------------------------------------------------------
    "essai_modele": "Quel modèle souhaitez-vous essayer ?",
    "essai_date": "Quel jour et à quelle heure vous conviendraient ?",
    "essai_accord": "Votre essai\nModèle : {modele}\nMoment : {moment}\n\n1. Confirmer\n2. Corriger\n0. Retour",
    "essai_transmis": "Votre demande d'essai est transmise. Un conseiller vous répond ici pour fixer le rendez-vous.",
    # -- a call-back ---------------------------------------------------------------------------------
    "rappel_sujet": "À quel sujet souhaitez-vous être rappelé ?",
    "rappel_moment": (
        "Quand pouvons-nous vous appeler ?\n\n1. Le matin\n2. L'après-midi\n3. Dès que possible\n0. Retour"
    ),
    "rappel_numero": "À quel numéro ?\n\n1. Sur ce numéro WhatsApp\nOu écrivez un autre numéro.\n0. Retour",
    "rappel_transmis": "C'est noté : un conseiller vous rappelle.",
    # -- a repair ------------------------------------------------------------------------------------
    "demande_vin": (
        "Quel est le numéro de châssis (VIN) du véhicule ? Ce sont 17 chiffres et lettres, sur la carte grise. "
        "Une photo de celle-ci convient aussi.\n\n1. Passer"
    ),
    "reparation_besoin": "De quoi votre véhicule a-t-il besoin ? Décrivez l'entretien ou la panne en quelques mots.",
    "reparation_date": "Quel jour souhaitez-vous le déposer à l'atelier ?",
    "reparation_transmise": (
        "Votre demande est transmise à l'atelier. Un conseiller vous répond ici pour fixer le rendez-vous."
    ),
    # -- a claim -------------------------------------------------------------------------------------
    "reclamation_recit": "Nous regrettons ce désagrément. Que s'est-il passé ?",
    "reclamation_transmise": "Votre réclamation est enregistrée. Un conseiller la lit et vous répond ici.",
    "suivi_transmis": "Je demande où en est votre réclamation. Un conseiller vous répond ici.",
    # -- documents -----------------------------------------------------------------------------------
    "demande_documents": (
        "Souhaitez-vous joindre des photos ou des documents ? Envoyez-les un par un, cinq au plus.\n\n1. J'ai fini"
    ),
    "document_recu": "Bien reçu. Envoyez le suivant, ou terminez.\n\n1. J'ai fini",
    # -- the club ------------------------------------------------------------------------------------
    "demande_carte": "Quel est le numéro de votre carte VIP ?",
    "carte_notee": "Merci, votre carte VIP est enregistrée.",
    "club_transmis": "Votre demande d'adhésion est transmise. Un conseiller vous répond ici.",
    # -- an agent ------------------------------------------------------------------------------------
    "agent_demande": "Je préviens un agent. Il vous répond ici dès que possible.",
    "agent_attendu": f"Votre demande est bien reçue. Un agent {BRAND} vous répond dès que possible.",
    "agent_injoignable": f"Je n'arrive pas à joindre un agent pour le moment. Vous pouvez nous appeler au {PHONE}.",
    "sans_agent": f"Aucun agent ne répond par WhatsApp. Vous pouvez nous appeler au {PHONE}.",
    "demande_notee": f"Votre demande est notée. Si elle est urgente, appelez-nous au {PHONE}.",
    "offre_agent": (
        "Pardon, je ne vous comprends pas bien. Souhaitez-vous parler à un agent ?\n\n1. Oui\n2. Non, revenir au menu"
    ),
    # -- everywhere ----------------------------------------------------------------------------------
    "aide_menu": "Répondez par un numéro. « quitter » met fin à l'échange.",
    "aide_saisie": "« retour » pour revenir, « quitter » pour terminer.",
    "pas_compris": "Je n'ai pas compris votre réponse.",
    "vin_pas_compris": "Ce n'est pas un VIN : il compte 17 chiffres et lettres, sans I, O ni Q.",
    "au_revoir": f"Merci de votre visite et à bientôt chez {BRAND}.",
    "silence": (
        "Sans nouvelles de vous, je mets fin à notre échange. Écrivez « Bonjour » quand vous voudrez le reprendre."
    ),
    "panne": f"Un incident m'empêche de vous répondre. Réessayez dans quelques minutes, ou appelez-nous au {PHONE}.",
}
