"""The dealer's bot. A client's message starts it here; at Twilio it is the sub-flow of one in `parents`.

Every request ends in the queue of agents, with the client's words as the reason.
"""

from __future__ import annotations

from dataclasses import replace

from relais.flows.library import PLACEHOLDER_BASE
from relais.flows.library.parts import documents, menu, page, request, short, text, vin, vin_text
from relais.flows.library.questions import GREETINGS, Choice, Free, incoming_params, question
from relais.flows.library.studio import Flow, match
from relais.flows.library.texts import SETTINGS, TEXTS


def mercedes() -> Flow:
    flow = Flow("Le bot de la concession")
    _welcome(flow)
    _acquaintance(flow)
    _main_menu(flow)
    _new_vehicles(flow)
    _test_drive(flow)
    _call_back(flow)
    _after_sales(flow)
    _claims(flow)
    _club(flow)
    _something_else(flow)
    _agent(flow)
    _ends(flow)
    return flow


# -- the beginning -----------------------------------------------------------------------------------


def _welcome(flow: Flow) -> None:
    flow.section(0, 0)
    flow.trigger(incomingMessage="reglages", incomingParent="reglages")
    parameters = "trigger.parent.parameters"
    flow.set(
        "reglages",
        (0, 1),
        "textes",
        {
            "host": PLACEHOLDER_BASE,
            "agents": f"{{{{{parameters}.agents | default: 'oui'}}}}",
            **SETTINGS,
            "salutations": f",{GREETINGS},",
        },
    )
    flow.set("textes", (0, 2), "venu_du_parent", TEXTS)
    from_parent = match(f"{parameters}.conversation_id", "is_not_blank", "", "du_parent", "sous-flow")
    flow.split("venu_du_parent", (0, 3), f"{parameters}.conversation_id", [from_parent], "accueil")
    params = ("conversation_id", "nom", "nom_connu", "client_connu", "flow_sid", "execution_sid")
    flow.set("du_parent", (1, 4), "nom_connu", {name: f"{{{{{parameters}.{name}}}}}" for name in params})
    flow.post(
        "accueil", (0, 4), "incoming", incoming_params("trigger.message"), then="qui_repond", failed="panne"
    )
    answer = "widgets.accueil.parsed"
    flow.split(
        "qui_repond",
        (0, 5),
        f"{answer}.status",
        [
            match(f"{answer}.waiting_due", "equal_to", "true", "faire_patienter", "attente à dire"),
            match(f"{answer}.agent_mode", "equal_to", "true", None, "un agent est là"),
            match(f"{answer}.pending_agent", "equal_to", "true", None, "un agent est demandé"),
        ],
        "retenir",
    )
    flow.say("faire_patienter", (-1, 6), text("agent_attendu"), None)
    flow.say("panne", (-2, 6), text("panne"), None)
    known = {
        "conversation_id": f"{{{{{answer}.conversation_id}}}}",
        "nom": f"{{{{{answer}.client_full_name | default: {answer}.whatsapp_profile_name}}}}",
        "nom_connu": f"{{{{{answer}.client_has_name}}}}",
        "client_connu": f"{{{{{answer}.client_status_known}}}}",
    }
    flow.set("retenir", (0, 6), "quel_accueil", known)
    flow.split(
        "quel_accueil",
        (0, 7),
        "flow.variables.nom",
        [
            match("flow.data.previous_agent", "is_not_blank", "", "reprise", "rendu par un agent"),
            match("flow.variables.nom", "is_blank", "", "bienvenue_sans_nom", "sans nom"),
        ],
        "bienvenue",
    )
    flow.say("bienvenue", (0, 8), text("bienvenue", nom="flow.variables.nom"), "nom_connu")
    flow.say("bienvenue_sans_nom", (1, 8), text("bienvenue_sans_nom"), "nom_connu")
    flow.say("reprise", (-1, 8), text("reprise"), "nom_connu")


def _acquaintance(flow: Flow) -> None:
    """The client's name, and whether he is a client: asked only until they are known."""
    flow.section(0, 10)
    name_known = match("flow.variables.nom_connu", "equal_to", "true", "client_connu", "nom connu")
    flow.split("nom_connu", (0, 0), "flow.variables.nom_connu", [name_known], "ouvre_collect_name")
    question(
        flow,
        "collect_name",
        text("demande_nom"),
        Free("collect_name", then="client_connu", pattern=r"[^\d@/?]{2,80}"),
        back="retour_menu_principal",
        at=(0, 11),
    )
    flow.section(0, 17)
    status_known = match(
        "flow.variables.client_connu", "equal_to", "true", "ouvre_menu_principal", "déjà dit"
    )
    flow.split("client_connu", (0, 0), "flow.variables.client_connu", [status_known], "ouvre_check_client")
    question(
        flow,
        "check_client",
        text("demande_client"),
        Choice("1", "Oui", "ouvre_menu_principal", "yes", "oui", field="check_client", value="oui"),
        Choice("2", "Non", "ouvre_menu_principal", "no,pas encore", "non", field="check_client", value="non"),
        back="retour_menu_principal",
        at=(0, 18),
        help="aide_menu",
    )


# -- the menus ---------------------------------------------------------------------------------------


def _main_menu(flow: Flow) -> None:
    menu(
        flow,
        "menu_principal",
        Choice(
            "1",
            "Véhicules neufs",
            "ouvre_vehicules_neufs",
            "vehicules neufs,véhicule neuf",
            "neufs?|neuves?|acheter|achat|essai",
            menu="vehicules_neufs",
        ),
        Choice(
            "3",
            "Réclamations",
            "ouvre_reclamations",
            "reclamations,réclamation",
            "r[ée]clamations?|plainte",
            menu="reclamations",
        ),
        Choice(
            "2",
            "Service après-vente",
            "ouvre_apres_vente",
            "service apres-vente,après-vente,sav",
            "apr[èe]s[- ]vente|entretien|r[ée]paration|r[ée]parer|panne|atelier",
            menu="apres_vente",
        ),
        Choice("4", "Club VIP", "ouvre_club_vip", "club", "vip", menu="club_vip"),
        Choice("5", "Parler à un agent", "vers_agent", "", "agent|conseill[eè]re?|humain", menu="agent"),
        at=(0, 24),
        zero="au_revoir",
    )


def _new_vehicles(flow: Flow) -> None:
    menu(
        flow,
        "vehicules_neufs",
        Choice("1", "Découvrir les modèles", "page_modeles", "modèles,modeles", "gamme", menu="modeles"),
        Choice("2", "Réserver un essai", "ouvre_essai_modele", "essai", "essai|essayer", menu="essai"),
        Choice("3", "Être rappelé", "ouvre_rappel_sujet", "rappel", "rappel[ée]?|rappeler", menu="rappel"),
        Choice("4", "Offres du moment", "page_offres", "offres,offre", "offres?|promotions?", menu="offres"),
        at=(-8, 32),
    )
    page(flow, "page_modeles", (1, 5))
    page(flow, "page_offres", (4, 5))


def _test_drive(flow: Flow) -> None:
    modele, moment = "widgets.essai_modele.inbound.Body", "widgets.essai_date.inbound.Body"
    question(
        flow,
        "essai_modele",
        text("essai_modele"),
        Free("essai_modele", then="ouvre_essai_date"),
        back="retour_vehicules_neufs",
        at=(-9, 39),
    )
    question(
        flow,
        "essai_date",
        text("essai_date"),
        Free("essai_date", then="ouvre_essai_accord"),
        back="ouvre_essai_modele",
        at=(-9, 45),
    )
    question(
        flow,
        "essai_accord",
        f"{{% assign modele = {modele} | truncate: 200 %}}{{% assign moment = {moment} | truncate: 200 %}}"
        + text("essai_accord", modele="modele", moment="moment"),
        Choice("1", "Confirmer", "essai_demande", "oui,ok,d'accord", "confirme"),
        Choice("2", "Corriger", "ouvre_essai_modele", "non,modifier", "corriger|changer"),
        back="ouvre_essai_date",
        at=(-9, 51),
        help="aide_menu",
    )
    request(
        flow,
        "essai_demande",
        (0, 4),
        "essai_transmis",
        f"Essai : {short(modele)}, {short(moment)}",
    )


def _call_back(flow: Flow) -> None:
    question(
        flow,
        "rappel_sujet",
        text("rappel_sujet"),
        Free("rappel_sujet", then="ouvre_rappel_moment"),
        back="retour_menu_principal",
        at=(-5, 39),
    )
    moments = (
        Choice("1", "Le matin", "", "matin", "matin|matin[ée]e", value="le matin"),
        Choice("2", "L'après-midi", "", "après-midi", "apr[èe]s[- ]midi", value="l'après-midi"),
        Choice("3", "Dès que possible", "", "maintenant", "possible|vite", value="dès que possible"),
    )
    question(
        flow,
        "rappel_moment",
        text("rappel_moment"),
        *(
            replace(moment, then="ouvre_rappel_numero", field="rappel_moment", variable="moment")
            for moment in moments
        ),
        back="ouvre_rappel_sujet",
        at=(-5, 45),
        help="aide_menu",
    )
    question(
        flow,
        "rappel_numero",
        text("rappel_numero"),
        Choice(
            "1",
            "Sur ce numéro WhatsApp",
            "rappel_demande",
            "oui,celui-ci",
            "whatsapp|ce num[ée]ro",
            field="rappel_numero",
            value="WhatsApp",
            variable="numero",
        ),
        Free("rappel_numero", then="rappel_demande", pattern=r"\+?[\d .()/-]{8,24}", variable="numero"),
        back="ouvre_rappel_moment",
        at=(-5, 51),
        help="aide_menu",
    )
    sujet = short("widgets.rappel_sujet.inbound.Body")
    request(
        flow,
        "rappel_demande",
        (2, 4),
        "rappel_transmis",
        f"Rappel : {sujet} ; {{{{flow.variables.moment}}}} ; numéro : {{{{flow.variables.numero}}}}",
    )


def _after_sales(flow: Flow) -> None:
    menu(
        flow,
        "apres_vente",
        Choice(
            "1",
            "Demander un entretien ou une réparation",
            "ouvre_reparation_vin",
            "entretien,réparation,reparation",
            "entretien|r[ée]paration|r[ée]parer|rendez-vous|rdv",
            menu="reparation",
        ),
        Choice(
            "2",
            "Assistance en cas de panne",
            "page_assistance",
            "assistance,panne",
            "panne|d[ée]pannage",
            menu="assistance",
        ),
        Choice(
            "3",
            "Horaires et adresses",
            "page_horaires",
            "horaires,adresses,adresse",
            "horaires?|adresses?|ouvert",
            menu="horaires",
        ),
        at=(0, 32),
    )
    page(flow, "page_assistance", (1, 5))
    page(flow, "page_horaires", (2, 5))
    vin(flow, "reparation_vin", then="ouvre_reparation_besoin", back="retour_apres_vente", at=(0, 39))
    question(
        flow,
        "reparation_besoin",
        text("reparation_besoin"),
        Free("reparation_besoin", then="ouvre_reparation_date"),
        back="ouvre_reparation_vin",
        at=(0, 45),
    )
    question(
        flow,
        "reparation_date",
        text("reparation_date"),
        Free("reparation_date", then="ouvre_reparation_documents"),
        back="ouvre_reparation_besoin",
        at=(0, 51),
    )
    documents(flow, "reparation", then="reparation_demande", back="ouvre_reparation_date", at=(0, 57))
    besoin, date = "widgets.reparation_besoin.inbound.Body", "widgets.reparation_date.inbound.Body"
    request(
        flow,
        "reparation_demande",
        (0, 5),
        "reparation_transmise",
        f"Atelier : {short(besoin)}, {short(date)} ; {vin_text('reparation_vin')}",
    )


def _claims(flow: Flow) -> None:
    menu(
        flow,
        "reclamations",
        Choice(
            "1",
            "Déposer une réclamation",
            "ouvre_reclamation_vin",
            "déposer,deposer,nouvelle",
            "d[ée]poser|nouvelle",
            menu="reclamation",
        ),
        Choice(
            "2",
            "Suivre une réclamation",
            "suivi_demande",
            "suivre,suivi",
            "suivre|suivi|en cours",
            menu="suivi_reclamation",
        ),
        at=(5, 32),
    )
    request(flow, "suivi_demande", (1, 5), "suivi_transmis", "Suivi d'une réclamation")
    vin(flow, "reclamation_vin", then="ouvre_reclamation_recit", back="retour_reclamations", at=(5, 39))
    question(
        flow,
        "reclamation_recit",
        text("reclamation_recit"),
        Free("reclamation_recit", then="ouvre_reclamation_documents", pattern=r"[\s\S]{5,}"),
        back="ouvre_reclamation_vin",
        at=(5, 45),
    )
    documents(flow, "reclamation", then="reclamation_demande", back="ouvre_reclamation_recit", at=(5, 51))
    request(
        flow,
        "reclamation_demande",
        (0, 5),
        "reclamation_transmise",
        f"Réclamation : {short('widgets.reclamation_recit.inbound.Body')} ; {vin_text('reclamation_vin')}",
    )


def _club(flow: Flow) -> None:
    menu(
        flow,
        "club_vip",
        Choice(
            "1",
            "Découvrir le Club VIP",
            "page_club",
            "découvrir,decouvrir",
            "avantages?|d[ée]couvrir",
            menu="club",
        ),
        Choice(
            "2",
            "Devenir membre",
            "club_demande",
            "membre,adhérer",
            "membre|adh[ée]rer|adh[ée]sion",
            menu="adhesion",
        ),
        Choice(
            "3", "Enregistrer ma carte VIP", "ouvre_club_carte", "carte,ma carte", "carte", menu="carte_vip"
        ),
        at=(10, 32),
    )
    page(flow, "page_club", (0, 5))
    request(flow, "club_demande", (1, 5), "club_transmis", "Adhésion au Club VIP")
    question(
        flow,
        "club_carte",
        text("demande_carte"),
        Free(
            "collect_carte_vip",
            then="carte_notee",
            pattern=r"[a-z]{0,6}\d[a-z0-9]{3,19}",
            filters=" | remove: ' ' | remove: '-' | upcase",
        ),
        back="retour_club_vip",
        at=(10, 39),
    )
    flow.say("carte_notee", (0, 5), text("carte_notee"), "ouvre_autre_chose")


def _something_else(flow: Flow) -> None:
    question(
        flow,
        "autre_chose",
        text("menu_autre_chose"),
        Choice("1", "Revenir au menu", "retour_menu_principal", "oui", "menu"),
        Choice("2", "Parler à un agent", "vers_agent", "", "agent|conseill[eè]re?", menu="agent"),
        Choice("3", "Terminer", "au_revoir", "non,merci,non merci,c'est tout", "merci"),
        back="retour_menu_principal",
        at=(15, 32),
        help="aide_menu",
    )


# -- an agent, and the end ---------------------------------------------------------------------------


def _agent(flow: Flow) -> None:
    question(
        flow,
        "offre_agent",
        text("offre_agent"),
        Choice("1", "Oui", "vers_agent_incompris", "yes,ok,d'accord,volontiers", "oui"),
        Choice("2", "Non", "retour_menu_principal", "no,non merci", "non"),
        back="retour_menu_principal",
        at=(15, 39),
        help="aide_menu",
        after_three_errors="vers_agent_incompris",
    )
    flow.section(15, 45)
    request(
        flow, "vers_agent", (0, 0), "agent_demande", "Le client demande un agent", without_agent="sans_agent"
    )
    misunderstood = "Le bot n'a pas compris le client"
    request(flow, "vers_agent_incompris", (1, 0), "agent_demande", misunderstood, without_agent="sans_agent")
    nobody = match("flow.variables.agents", "equal_to", "non", "dire_sans_agent", "personne ici")
    flow.split("agents_joignables", (0, 1), "flow.variables.agents", [nobody], "demander_agent")
    flow.say("dire_sans_agent", (1, 2), "{{flow.variables.sans_reponse}}", "ouvre_autre_chose")
    params = {"conversation_id": "{{flow.variables.conversation_id}}", "reason": "{{flow.variables.motif}}"}
    flow.post(
        "demander_agent", (0, 2), "agent-transfer", params, then="agent_obtenu", failed="dire_injoignable"
    )
    transferred = "widgets.demander_agent.parsed.transferred"
    obtained = match(transferred, "equal_to", "true", "dire_transmis", "en file d'attente")
    flow.split("agent_obtenu", (0, 3), transferred, [obtained], None)
    flow.say("dire_transmis", (0, 4), "{{flow.variables.reponse}}", None)
    flow.say("dire_injoignable", (1, 4), text("agent_injoignable"), "terminer")


def _ends(flow: Flow) -> None:
    flow.section(15, 51)
    flow.say("au_revoir", (0, 0), text("au_revoir"), "terminer")
    flow.say("silence", (1, 0), text("silence"), "terminer")
    params = {"conversation_id": "{{flow.variables.conversation_id}}"}
    flow.post("terminer", (0, 1), "complete", params, then=None, failed="fin_non_dite")
    # The client has got his goodbye; this shows in Studio's log why the call failed.
    flow.set("fin_non_dite", (1, 1), None, {"fin": "Relais n'a pas répondu"})
