"""Parts of the dealer's bot that several menus share: menus, pages, the VIN, documents, requests for an agent."""

from __future__ import annotations

from relais.flows.library.questions import Choice, Free, Photo, question
from relais.flows.library.studio import Flow, Step, match

MAX_DOCUMENTS = 5
NO_VIN = "passer,je ne sais pas,je ne l'ai pas,je n'ai pas"


def text(name: str, **values: str) -> str:
    """A text of `texts`, with expressions for its placeholders: `text("bienvenue", nom="flow.variables.nom")`."""
    filters = "".join(f" | replace: '{{{mark}}}', {value}" for mark, value in values.items())
    return f"{{{{flow.variables.{name}{filters}}}}}"


def menu(flow: Flow, name: str, *choices: Choice, at: Step, zero: str = "") -> None:
    """A menu, and the widget that leads back to it, which posts the choice to Relais."""
    body = text(name if name.startswith("menu_") else f"menu_{name}")
    back = f"retour_{name}" if name == "menu_principal" else "retour_menu_principal"
    question(flow, name, body, *choices, back=back, at=at, help="aide_menu", zero=zero)
    params = {
        "conversation_id": "{{flow.variables.conversation_id}}",
        "menu_choice": "main_menu" if name == "menu_principal" else name,
        "user_input": "retour",
    }
    flow.post(f"retour_{name}", (1, 0), "menu-choice", params, then=f"ouvre_{name}", failed=f"ouvre_{name}")


def page(flow: Flow, name: str, at: Step) -> None:
    flow.say(name, at, text(name), "ouvre_autre_chose")


def vin(flow: Flow, name: str, *, then: str, back: str, at: Step) -> None:
    """Ask for the chassis number; a photo of the registration, or « passer », is accepted too."""
    question(
        flow,
        name,
        text("demande_vin"),
        Photo(then=then),
        Free(
            "collect_vin",
            then=then,
            pattern="[A-HJ-NPR-Z0-9]{17}",
            filters=" | remove: ' ' | remove: '-' | upcase",
        ),
        Choice("1", "Passer", then, NO_VIN),
        back=back,
        at=at,
        not_understood="vin_pas_compris",
    )


def vin_text(question: str) -> str:
    number = f"widgets.{question}.inbound.Body | remove: ' ' | remove: '-' | upcase"
    return f"{{% assign vin = {number} %}}{{% if vin.size == 17 %}}VIN {{{{vin}}}}{{% else %}}sans VIN{{% endif %}}"


def documents(flow: Flow, subject: str, *, then: str, back: str, at: Step) -> None:
    """Collect pictures and documents one by one, MAX_DOCUMENTS at most: Studio ends a flow that loops."""
    name = f"{subject}_documents"
    first, next_one = text("demande_documents"), text("document_recu")
    question(
        flow,
        name,
        f"{{% if flow.variables.suite == 'oui' %}}{next_one}{{% else %}}{first}{{% endif %}}",
        Photo(then=f"{name}_compte"),
        Choice("1", "J'ai fini", then, "fini,terminé,termine,non,aucun,c'est tout,c'est fini", "fini"),
        back=back,
        at=at,
        initial_variables={"documents": "0", "suite": "non"},
    )
    counted = {"documents": "{{flow.variables.documents | plus: 1}}", "suite": "oui", "excuse": "non"}
    flow.set(f"{name}_compte", (2, 3), f"{name}_assez", counted)
    enough = match("flow.variables.documents", "greater_than", str(MAX_DOCUMENTS - 1), then, "assez")
    flow.split(f"{name}_assez", (2, 2), "flow.variables.documents", [enough], name)


def request(
    flow: Flow, name: str, at: Step, confirmation: str, reason: str, *, without_agent: str = "demande_notee"
) -> None:
    """Ask for an agent: the reason, and the text that confirms it; `without_agent` is sent where no agents work."""
    variables = {"motif": reason, "reponse": text(confirmation), "sans_reponse": text(without_agent)}
    flow.set(name, at, "agents_joignables", variables)


def short(value: str) -> str:
    return f"{{{{{value} | truncate: 200}}}}"
