"""A question of the bot and its answers: some nine widgets, with the same structure for every question.

    ouvre_X → X → X_recu → X_reponse → what the answer leads to
              ↑ ← X_encore ← X_erreur ←┘ (not understood: again, and the third time an agent is offered)

`X_recu` posts every reply to Relais, so that the history is complete where Twilio hosts the bot. Its response says if
an agent has taken the conversation; the bot then ends without a message.
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
    """One numbered answer. `also` lists other exact answers; `pattern` matches words anywhere in a sentence."""

    number: str
    label: str
    then: str
    also: str = ""
    pattern: str = ""
    menu: str = ""
    """Posted to `menu-choice`."""
    field: str = ""
    """Posted to `free-input` under this name, …"""
    value: str = ""
    """… with this value, …"""
    variable: str = ""
    """… which the flow also stores in a variable of this name."""

    @property
    def exact_answers(self) -> str:
        answers = [self.number, f"{self.number}.", NUMERALS[self.number], self.label.lower(), self.also]
        return ",".join(dict.fromkeys(part for part in answers if part))

    @property
    def sentence_pattern(self) -> str:
        return rf"(?:[\s\S]*\W)?(?:{self.pattern})(?:\W[\s\S]*)?"


@dataclass(frozen=True)
class Free:
    """An answer in the client's own words, posted to `free-input` under `field`."""

    field: str
    then: str
    pattern: str = r"[\s\S]{2,}"
    filters: str = ""
    """Liquid filters, applied before it is compared and stored."""
    variable: str = ""
    """The variable that stores it."""


@dataclass(frozen=True)
class Photo:
    """A picture or document as the answer."""

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
    initial_variables: dict[str, str] | None = None,
    zero: str = "",
    after_three_errors: str = "ouvre_offre_agent",
) -> None:
    """Add a question with text `body`. `zero`: where 0 leads, if not to `back`; `after_three_errors`: its name."""
    flow.section(*at)
    reply = f"widgets.{name}.inbound.Body"
    flow.set(f"ouvre_{name}", (0, 0), name, {"erreurs": "0", "excuse": "non"} | (initial_variables or {}))
    excuse = (
        f"{{% if flow.variables.excuse == 'oui' %}}{{{{flow.variables.{not_understood}}}}}\n\n{{% endif %}}"
    )
    flow.ask(
        name,
        (0, 1),
        f"{excuse}{body}\n\n{{{{flow.variables.{help}}}}}",
        on_reply=f"{name}_recu",
        on_timeout="silence",
        on_failure="terminer",
    )
    received = incoming_params(f"widgets.{name}.inbound")
    flow.post(f"{name}_recu", (0, 2), "incoming", received, then=f"{name}_reponse", failed=f"{name}_reponse")
    transitions = [
        match(f"widgets.{name}_recu.parsed.agent_mode", "equal_to", "true", None, "un agent est là"),
        match(reply, "matches_any_of", QUIT, "au_revoir", "quitter"),
        match(reply, "matches_any_of", ZERO, zero or back, "zéro"),
        match(reply, "matches_any_of", BACK, back, "retour"),
        match(reply, "matches_any_of", MENU, "retour_menu_principal", "menu"),
        match(reply, "matches_any_of", AGENT, "vers_agent", "agent"),
    ]
    hook_calls = HookCalls(flow, name)
    for answer in answers:
        if isinstance(answer, Choice):
            transitions.append(
                match(reply, "matches_any_of", answer.exact_answers, hook_calls.choice(answer), answer.label)
            )
    for answer in answers:
        if isinstance(answer, Choice) and answer.pattern:
            transitions.append(
                match(
                    reply,
                    "regex",
                    answer.sentence_pattern,
                    hook_calls.choice(answer),
                    f"{answer.label} (mot)",
                )
            )
        elif isinstance(answer, Photo):
            transitions.append(
                match(
                    f"widgets.{name}.inbound.NumMedia", "greater_than", "0", answer.then, "photo ou document"
                )
            )
        elif isinstance(answer, Free):
            transitions.extend(_free_answer_transitions(answer, reply, hook_calls, f"{name}_erreur"))
    flow.split(f"{name}_reponse", (0, 3), reply, transitions, f"{name}_erreur")
    hook_calls.add_widgets()
    # Answer a greeting by the question, without an excuse. The commas make only whole words match.
    greeting = f"{{% assign dit = {reply} | strip | downcase | prepend: ',' | append: ',' %}}"
    excuse_needed = (
        f"{greeting}{{% if flow.variables.salutations contains dit %}}non{{% else %}}oui{{% endif %}}"
    )
    retry = {"erreurs": "{{flow.variables.erreurs | plus: 1}}", "excuse": excuse_needed}
    flow.set(f"{name}_erreur", (1, 3), f"{name}_encore", retry)
    three_errors = match("flow.variables.erreurs", "greater_than", "2", after_three_errors, "trois erreurs")
    flow.split(f"{name}_encore", (1, 2), "flow.variables.erreurs", [three_errors], name)


def incoming_params(message: str) -> dict[str, str]:
    """The parameters of `incoming`: those of the message, and the execution that Relais may have to end."""
    return {
        "From": "{{contact.channel.address}}",
        "To": "{{flow.channel.address}}",
        **{name: f"{{{{{message}.{name}}}}}" for name in REPLY},
        "flow_sid": "{{flow.variables.flow_sid | default: flow.flow_sid}}",
        "execution_sid": "{{flow.variables.execution_sid | default: flow.sid}}",
    }


def _free_answer_transitions(
    answer: Free, reply: str, hook_calls: HookCalls, error: str
) -> Sequence[Transition]:
    filtered = reply + answer.filters
    return [
        match(reply, "matches_any_of", GREETINGS, error, "salutation"),
        match(filtered, "regex", answer.pattern, hook_calls.free(answer, filtered), "réponse libre"),
    ]


class HookCalls:
    """The widgets that post an answer to Relais, and those that store it in a variable."""

    def __init__(self, flow: Flow, question: str) -> None:
        self.flow, self.question = flow, question
        self.hooks: dict[str, tuple[str, dict[str, str], str]] = {}
        self.variable_widgets: dict[str, tuple[dict[str, str], str]] = {}

    def choice(self, choice: Choice) -> str:
        if choice.menu:
            params = {"menu_choice": choice.menu} | self._message_params()
            return self._add_hook(f"vers_{choice.menu}", "menu-choice", params, choice.then)
        if choice.field:
            params = {"widget_name": choice.field} | self._message_params() | {"user_input": choice.value}
            then = self._add_variable(choice.number, choice.variable, choice.value, choice.then)
            return self._add_hook(f"note_{choice.number}", "free-input", params, then)
        return choice.then

    def free(self, answer: Free, filtered: str) -> str:
        value = f"{{{{{filtered}}}}}"
        params = {"widget_name": answer.field} | self._message_params() | {"user_input": value}
        return self._add_hook(
            "note", "free-input", params, self._add_variable("reponse", answer.variable, value, answer.then)
        )

    def _message_params(self) -> dict[str, str]:
        message = f"widgets.{self.question}.inbound"
        return {"user_input": f"{{{{{message}.Body}}}}", "message_sid": f"{{{{{message}.MessageSid}}}}"}

    def _add_hook(self, suffix: str, path: str, params: dict[str, str], then: str) -> str:
        name = f"{self.question}_{suffix}"
        self.hooks[name] = (path, params, then)
        return name

    def _add_variable(self, suffix: str, variable: str, value: str, then: str) -> str:
        if not variable:
            return then
        name = f"{self.question}_retient_{suffix}"
        self.variable_widgets[name] = ({variable: value}, then)
        return name

    def add_widgets(self) -> None:
        for column, (name, (path, params, then)) in enumerate(self.hooks.items()):
            parameters = {"conversation_id": "{{flow.variables.conversation_id}}"} | params
            # A failed call must not stop the client: go on either way.
            self.flow.post(name, (column, 4), path, parameters, then=then, failed=then)
        for column, (name, (variables, then)) in enumerate(self.variable_widgets.items()):
            self.flow.set(name, (column, 5), then, variables)
