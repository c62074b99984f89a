"""A question of the bot and what may be answered to it: nine or so widgets that look the same for every question.

    ouvre_X → X → X_recu → X_reponse → what the answer leads to
              ↑ ← X_encore ← X_erreur ←┘ (not understood: again, and the third time an agent is offered)

`X_recu` tells Relais every reply, so that the history is whole where Twilio hosts the bot, and a bot whose conversation
an agent has taken ends without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relais.flows.library.studio import Flow, Step, Transition, match

ZERO = "0,0."
BACK = "retour,précédent,precedent,revenir"
MENU = "menu,menu principal,accueil"
QUIT = "quitter,fin,terminer,au revoir,stop,exit"
AGENT = "agent,un agent,parler à un agent,parler a un agent,conseiller,un conseiller,parler à un conseiller"
GREETINGS = "bonjour,bonsoir,salut,salam,hello,mercedes,bonjour mercedes"
NUMERALS = {"1": "un", "2": "deux", "3": "trois", "4": "quatre", "5": "cinq"}

REPLY = (
    *("MessageSid", "Body", "ProfileName", "WaId", "NumMedia", "MediaUrl0", "MediaContentType0"),
    *("ButtonText", "ButtonPayload", "ListTitle", "Latitude", "Longitude", "Address", "Label"),
)


@dataclass(frozen=True)
class Choice:
    """One numbered answer. `also` are other ways to say exactly it, `words` are enough anywhere in a sentence."""

    number: str
    label: str
    then: str
    also: str = ""
    words: str = ""
    menu: str = ""
    """Told to `menu-choice` before going on."""
    field: str = ""
    """Told to `free-input` under this name before going on …"""
    value: str = ""
    """… with this value, …"""
    keeps: str = ""
    """… which the flow keeps too, in a variable of this name."""

    @property
    def exactly(self) -> str:
        said = [self.number, f"{self.number}.", NUMERALS[self.number], self.label.lower(), self.also]
        return ",".join(dict.fromkeys(part for part in said if part))

    @property
    def anywhere(self) -> str:
        return rf"(?:[\s\S]*\W)?(?:{self.words})(?:\W[\s\S]*)?"


@dataclass(frozen=True)
class Free:
    """An answer in the client's own words, told to `free-input` under `field`."""

    field: str
    then: str
    pattern: str = r"[\s\S]{2,}"
    cleaned: str = ""
    """Filters before it is compared and stored."""
    keeps: str = ""
    """The variable that keeps it, too."""


@dataclass(frozen=True)
class Photo:
    """A picture or document is an answer too."""

    then: str


def question(
    flow: Flow,
    name: str,
    body: str,
    *answers: Choice | Free | Photo,
    back: str,
    at: Step,
    help: str = "aide_saisie",
    not_understood: str = "pas_compris",
    opens_with: dict[str, str] | None = None,
    zero: str = "",
    insists: str = "ouvre_offre_agent",
) -> None:
    """`body` is what is asked; `zero` is where 0 leads if not `back`; `insists` comes after three answers amiss."""
    flow.section(*at)
    said = f"widgets.{name}.inbound.Body"
    flow.set(f"ouvre_{name}", (0, 0), name, {"erreurs": "0", "excuse": "non"} | (opens_with or {}))
    excuse = (
        f"{{% if flow.variables.excuse == 'oui' %}}{{{{flow.variables.{not_understood}}}}}\n\n{{% endif %}}"
    )
    flow.ask(
        name,
        (0, 1),
        f"{excuse}{body}\n\n{{{{flow.variables.{help}}}}}",
        answered=f"{name}_recu",
        silent="silence",
        lost="terminer",
    )
    received = heard(f"widgets.{name}.inbound")
    flow.post(f"{name}_recu", (0, 2), "incoming", received, then=f"{name}_reponse", failed=f"{name}_reponse")
    ways = [
        match(f"widgets.{name}_recu.parsed.agent_mode", "equal_to", "true", None, "un agent est là"),
        match(said, "matches_any_of", QUIT, "au_revoir", "quitter"),
        match(said, "matches_any_of", ZERO, zero or back, "zéro"),
        match(said, "matches_any_of", BACK, back, "retour"),
        match(said, "matches_any_of", MENU, "retour_menu_principal", "menu"),
        match(said, "matches_any_of", AGENT, "vers_agent", "agent"),
    ]
    told = _Told(flow, name)
    for answer in answers:
        if isinstance(answer, Choice):
            ways.append(match(said, "matches_any_of", answer.exactly, told.choice(answer), answer.label))
    for answer in answers:
        if isinstance(answer, Choice) and answer.words:
            ways.append(match(said, "regex", answer.anywhere, told.choice(answer), f"{answer.label} (mot)"))
        elif isinstance(answer, Photo):
            ways.append(
                match(
                    f"widgets.{name}.inbound.NumMedia", "greater_than", "0", answer.then, "photo ou document"
                )
            )
        elif isinstance(answer, Free):
            ways.extend(_free(answer, said, told, f"{name}_erreur"))
    flow.split(f"{name}_reponse", (0, 3), said, ways, f"{name}_erreur")
    told.write()
    # A greeting is answered by the question again, without reproach. Commas, so that only whole words are found.
    greeting = f"{{% assign dit = {said} | strip | downcase | prepend: ',' | append: ',' %}}"
    reproach = f"{greeting}{{% if flow.variables.salutations contains dit %}}non{{% else %}}oui{{% endif %}}"
    again = {"erreurs": "{{flow.variables.erreurs | plus: 1}}", "excuse": reproach}
    flow.set(f"{name}_erreur", (1, 3), f"{name}_encore", again)
    thrice = match("flow.variables.erreurs", "greater_than", "2", insists, "trois erreurs")
    flow.split(f"{name}_encore", (1, 2), "flow.variables.erreurs", [thrice], name)


def heard(message: str) -> dict[str, str]:
    """What `incoming` is told of a message, and of the execution that it may have to end."""
    return {
        "From": "{{contact.channel.address}}",
        "To": "{{flow.channel.address}}",
        **{name: f"{{{{{message}.{name}}}}}" for name in REPLY},
        "flow_sid": "{{flow.variables.flow_sid | default: flow.flow_sid}}",
        "execution_sid": "{{flow.variables.execution_sid | default: flow.sid}}",
    }


def _free(answer: Free, said: str, told: _Told, error: str) -> Sequence[Transition]:
    cleaned = said + answer.cleaned
    return [
        match(said, "matches_any_of", GREETINGS, error, "salutation"),
        match(cleaned, "regex", answer.pattern, told.free(answer, cleaned), "réponse libre"),
    ]


class _Told:
    """The widgets that tell Relais which way an answer goes, one for each way."""

    def __init__(self, flow: Flow, question: str) -> None:
        self.flow, self.question = flow, question
        self.hooks: dict[str, tuple[str, dict[str, str], str]] = {}
        self.kept: dict[str, tuple[dict[str, str], str]] = {}

    def choice(self, choice: Choice) -> str:
        if choice.menu:
            told = {"menu_choice": choice.menu} | self._said()
            return self._hook(f"vers_{choice.menu}", "menu-choice", told, choice.then)
        if choice.field:
            told = {"widget_name": choice.field} | self._said() | {"user_input": choice.value}
            then = self._keep(choice.number, choice.keeps, choice.value, choice.then)
            return self._hook(f"note_{choice.number}", "free-input", told, then)
        return choice.then

    def free(self, answer: Free, cleaned: str) -> str:
        value = f"{{{{{cleaned}}}}}"
        told = {"widget_name": answer.field} | self._said() | {"user_input": value}
        return self._hook("note", "free-input", told, self._keep("reponse", answer.keeps, value, answer.then))

    def _said(self) -> dict[str, str]:
        message = f"widgets.{self.question}.inbound"
        return {"user_input": f"{{{{{message}.Body}}}}", "message_sid": f"{{{{{message}.MessageSid}}}}"}

    def _hook(self, suffix: str, path: str, told: dict[str, str], then: str) -> str:
        name = f"{self.question}_{suffix}"
        self.hooks[name] = (path, told, then)
        return name

    def _keep(self, suffix: str, variable: str, value: str, then: str) -> str:
        if not variable:
            return then
        name = f"{self.question}_retient_{suffix}"
        self.kept[name] = ({variable: value}, then)
        return name

    def write(self) -> None:
        for column, (name, (path, told, then)) in enumerate(self.hooks.items()):
            parameters = {"conversation_id": "{{flow.variables.conversation_id}}"} | told
            # What Relais was not told must not stop the client: go on either way.
            self.flow.post(name, (column, 4), path, parameters, then=then, failed=then)
        for column, (name, (variables, then)) in enumerate(self.kept.items()):
            self.flow.set(name, (column, 5), then, variables)
