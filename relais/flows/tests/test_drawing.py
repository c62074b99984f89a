"""The drawing: each state once, each transition as an arrow or a name, without overlaps."""

import json
from itertools import combinations

import pytest

from relais.flows import library
from relais.flows.drawing import BOX_WIDTH, ENTRY_OFFSET, draw
from relais.flows.engine import parse
from relais.flows.execution_path import route


def state(name, *nexts, kind="send-message"):
    """A state with a transition to each of `nexts`; an empty name is an unconnected one."""
    events = ["incomingMessage"] if kind == "trigger" else [f"e{i}" for i in range(len(nexts))]
    transitions = [
        {"event": event} | ({"next": then} if then else {})
        for event, then in zip(events, nexts, strict=False)
    ]
    return {"name": name, "type": kind, "properties": {"body": f"Ici {name}"}, "transitions": transitions}


def flow(*states):
    return parse({"states": list(states), "initial_state": states[0]["name"]})


def boxes(drawing):
    return {box.widget.name: box for box in drawing.boxes}


def overlap(one, other):
    return (
        one.x < other.x + BOX_WIDTH
        and other.x < one.x + BOX_WIDTH
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def test_a_successor_is_placed_below_and_branches_to_the_right():
    drawn = boxes(
        draw(
            flow(
                state("start", "ask", kind="trigger"),
                state("ask", "yes", "no"),
                state("yes"),
                state("no"),
            )
        )
    )
    assert drawn["ask"].x == drawn["start"].x
    assert drawn["ask"].y > drawn["start"].y + drawn["start"].height
    assert drawn["yes"].x == drawn["no"].x > drawn["ask"].x + BOX_WIDTH
    assert drawn["no"].y > drawn["yes"].y + drawn["yes"].height


def test_a_transition_back_is_an_arrow_with_a_name():
    drawn = boxes(
        draw(flow(state("start", "ask", kind="trigger"), state("ask", "again"), state("again", "ask")))
    )
    (back,) = drawn["again"].exits
    assert (back.is_jump, back.target.name, back.number) == (True, "ask", 1)
    assert back.arrow


def test_transitions_to_one_state_are_one_arrow():
    drawn = boxes(draw(flow(state("start", "say", kind="trigger"), state("say", "end", "end"), state("end"))))
    (both,) = drawn["say"].exits
    assert [transition.event for transition in both.transitions] == ["e0", "e1"]


def test_a_transition_to_the_same_state_is_drawn():
    drawn = boxes(draw(flow(state("start", "loop", kind="trigger"), state("loop", "loop"))))
    assert drawn["loop"].exits[0].is_jump


def test_a_transition_to_a_state_that_is_missing_has_no_arrow():
    drawn = boxes(draw(flow(state("start", "say", kind="trigger"), state("say", "nowhere"))))
    (lost,) = drawn["say"].exits
    assert (lost.target, lost.arrow, lost.transitions[0].next) == (None, "", "nowhere")


def test_an_unreachable_state_is_placed_below_and_marked():
    drawn = boxes(draw(flow(state("start", "say", kind="trigger"), state("say"), state("lost", "say"))))
    assert not drawn["lost"].is_reached
    assert drawn["lost"].y > drawn["say"].y + drawn["say"].height
    assert drawn["say"].is_reached


@pytest.mark.parametrize("name", library.NAMES)
def test_the_flows_that_come_with_relais_are_drawn_without_overlap(name):
    definition = parse(library.path_of(name).read_text())
    drawing = draw(definition)
    assert [box.widget.name for box in drawing.boxes] == list(definition.widgets)
    assert not [(a.number, b.number) for a, b in combinations(drawing.boxes, 2) if overlap(a, b)]
    for box in drawing.boxes:
        assert box.x > 0 and box.x + BOX_WIDTH < drawing.width
        assert box.y > 0 and box.y + box.height < drawing.height
        transitions = {t for exit in box.exits if exit.target for t in exit.transitions}
        assert transitions == {t for t in box.widget.transitions if t.next}


def test_thousands_of_states_in_a_row_are_drawn():
    names = [f"s{i}" for i in range(2000)]
    chain = [state(name, then) for name, then in zip(names, [*names[1:], ""], strict=True)]
    chain[0]["type"] = "trigger"
    chain[0]["transitions"][0]["event"] = "incomingMessage"
    drawing = draw(flow(*chain))
    assert len(drawing.boxes) == 2000
    assert drawing.width < 2 * BOX_WIDTH


def test_an_empty_flow_has_no_boxes():
    drawing = draw(parse({"states": [{"name": "t", "type": "trigger"}], "initial_state": "t"}))
    assert len(drawing.boxes) == 1
    assert drawing.boxes[0].exits == ()


# -- the path of an execution ----------------------------------------------------------------------------


@pytest.fixture
def shop():
    return flow(
        state("start", "words", kind="trigger"),
        state("words", "menu", kind="set-variables"),
        state("menu", "which"),
        state("which", "cars", "vans", kind="split-based-on"),
        state("cars", "menu"),
        state("vans"),
    )


def test_unrecorded_states_are_reconstructed_between_recorded_ones(shop):
    path = route(shop, ["menu", "vans"])
    assert path.states == {"start", "words", "menu", "which", "vans"}
    assert ("which", "vans") in path.transitions
    assert ("which", "cars") not in path.transitions
    assert path.current == "vans"


def test_only_the_route_is_highlighted(shop):
    drawn = boxes(draw(shop, route(shop, ["menu", "cars", "menu"])))
    assert [name for name, box in drawn.items() if box.is_lit] == ["start", "words", "menu", "which", "cars"]
    assert drawn["menu"].is_here
    assert [exit.is_lit for exit in drawn["which"].exits] == [True, False]
    assert drawn["cars"].exits[0].is_lit


def test_names_of_another_flow_are_ignored(shop):
    assert route(shop, ["elsewhere", "menu"]).recorded == ("menu",)
    assert route(shop, []).states == frozenset()


def test_an_unconnected_path_highlights_only_recorded_states(shop):
    path = route(shop, ["vans", "cars"])
    assert {"vans", "cars"} <= path.states
    assert ("vans", "cars") not in path.transitions


def test_a_name_may_contain_any_character():
    odd = '<b>&"\u202e'
    drawing = draw(flow(state("start", odd, kind="trigger"), state(odd)))
    assert json.dumps([box.widget.name for box in drawing.boxes])
    assert drawing.boxes[1].height > ENTRY_OFFSET
