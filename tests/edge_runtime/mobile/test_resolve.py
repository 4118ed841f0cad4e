"""What labelled clauses of pack `robot-en` come to: references, speeds, what is forbidden, and what is asked back."""

from __future__ import annotations

import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.home.inventory import parse_home
from edge_runtime.home.parse import Clause, Span
from edge_runtime.home.resolve import Call, Outcome
from edge_runtime.mobile.bridge import for_bridge
from edge_runtime.mobile.errands import execute, world
from edge_runtime.mobile.resolve import resolve

HOME = parse_home({
    "areas": [{"id": "k", "name": "kitchen"}, {"id": "h", "name": "hall"}, {"id": "w1", "name": "ward 1"}, {"id": "w2", "name": "ward 2"}],
    "entities": [
        {"id": "ball", "name": "red ball", "area": "k"}, {"id": "cup", "name": "cup", "area": "h", "aliases": ["mug"]},
        {"id": "tennis", "name": "tennis ball"}, {"id": "rex", "name": "Rex", "domain": "person"},
    ],
})  # fmt: skip


def said(*clauses: str, here: str | None = None) -> Outcome:
    """Clauses as "action: word word/SLOT word/SLOT!", where words of one slot in a row are a phrase and ! excludes."""
    made, start = [], 0
    for text in clauses:
        action, _, rest = text.partition(": ")
        clause = Clause(action, "any", start=start)
        before = ""
        for word in rest.split():
            token, _, slot = word.partition("/")
            excluded, slot = slot.endswith("!"), slot.rstrip("!")
            if slot and slot == before:
                last = clause.spans.pop()
                clause.spans.append(Span(slot, (*last.words, token), "any", excluded, last.at))
            elif slot:
                clause.spans.append(Span(slot, (token,), "any", excluded, start + len(clause.tokens)))
            before = slot
            clause.tokens.append(token)
        start += len(clause.tokens)
        made.append(clause)
    return resolve(made, HOME, here)


def orders(outcome: Outcome) -> list[tuple[str, tuple[str, ...], dict[str, object]]]:
    assert outcome.question is None, outcome.question
    return [(call.name, call.targets, dict(call.arguments)) for call in outcome.calls]


def test_several_steps_share_what_it_and_here_mean() -> None:
    outcome = said(
        "go: go to the kitchen/AREA", "find: find the red/NAME ball/NAME", "fetch: bring it/PRON here/HERE slowly/ATTR", here="h"
    )  # fmt: skip
    assert orders(outcome) == [
        ("go_to", ("k",), {}),
        ("find", ("ball",), {}),
        ("fetch", ("ball",), {"speed": "slow", "to": "h"}),
    ]
    begun = world(HOME, "w1", "h")
    execute(outcome.calls, begun, HOME)
    assert begun.end()["visits"] == ["k", "h"] and begun.things["ball"] == "h" and begun.speed == "slow"


@pytest.mark.parametrize(
    ("clause", "order"),
    [
        ("fetch: bring me/HERE the mug/NAME from the kitchen/AREA", ("fetch", ("cup",), {"from": "k", "to": "h"})),
        ("fetch: take the cup/NAME from the hall/AREA to ward/AREA 2/AREA", ("fetch", ("cup",), {"from": "h", "to": "w2"})),
        ("place: put the red/NAME ball/NAME back/HERE", ("place", ("ball",), {"to": "k"})),
        ("place: put the cup/NAME in the kitchen/AREA", ("place", ("cup",), {"to": "k"})),
        ("find: look in the kitchen/AREA for the cup/NAME", ("find", ("cup",), {"in": "k"})),
        ("go: come back/HERE", ("go_to", ("h",), {})),
        ("go: go to the cup/NAME in/ATTR no/ATTR rush/ATTR", ("go_to", ("h",), {"speed": "slow"})),
        ("follow: follow me/HERE", ("follow", (), {})),
        ("patrol: patrol all/ALL but not the hall/AREA!", ("patrol", ("k", "w1", "w2"), {})),
        ("stop: don't move", ("stop", (), {})),
        ("speed: sloww/ATTR down/ATTR", ("set_speed", (), {"speed": "slow"})),
    ],
)  # fmt: skip
def test_a_clause_is_an_order(clause: str, order: object) -> None:
    assert orders(said(clause, here="h")) == [order]


@pytest.mark.parametrize(
    ("clause", "question"),
    [
        ("go: go to the ward/AREA", "Which 'ward': ward 1 or ward 2?"),
        ("go: go to the moon/AREA", "no place called 'moon'"),
        ("fetch: bring the ball/NAME", "Which 'ball': red ball or tennis ball?"),
        ("fetch: bring it/PRON", "What is 'it'?"),
        ("go: come here/HERE", "don't know where you are"),
        ("go: go there/HERE", "Where is 'there'?"),
        ("go: go to the tennis/NAME ball/NAME", "don't know where tennis ball is"),
    ],
)
def test_what_is_in_doubt_is_asked_and_nothing_of_the_sentence_is_done(clause: str, question: str) -> None:
    outcome = said("go: go to the kitchen/AREA", clause)
    if "there" in clause:
        outcome = said(clause)
    assert question in str(outcome.question) and outcome.calls == ()


def test_what_is_forbidden_is_not_done_whatever_the_model_says() -> None:
    assert orders(said("go: don't go to the kitchen/AREA")) == []
    assert orders(said("stop: don't stop")) == []
    assert orders(said("go: is it far to the kitchen/AREA ?")) == []
    assert orders(said("go: did you go to the kitchen/AREA ?")) == []
    assert orders(said("none: never touch the cup/NAME", "fetch: bring it/PRON to the hall/AREA")) == [
        ("fetch", ("cup",), {"to": "h"})
    ]


def test_the_bridge_gets_what_it_has_and_the_rest_is_refused_in_a_sentence() -> None:
    def plain(*calls: Call) -> list[dict[str, object]]:
        return [{"name": c.name, "arguments": c.arguments, "targets": list(c.targets)} for c in calls]

    calls, share = for_bridge(plain(Call("go_to", {"speed": "slow"}, ("k",)), Call("patrol", {"speed": "fast"}, ("h", "k")), Call("dock", {}, ())))  # fmt: skip
    assert [(call["name"], call["targets"]) for call in calls] == [
        ("go_to", ["k"]), ("go_to", ["h"]), ("go_to", ["k"]), ("dock", []),
    ]  # fmt: skip
    assert share == 0.4 and all(call["arguments"] == {} for call in calls)
    assert for_bridge(plain(Call("set_speed", {"speed": "normal"}, ()))) == ([], 1.0)
    other = [{"name": "move", "arguments": {"metres": 1}}]
    assert for_bridge(other) == (other, None)
    for name, why in (("fetch", "no arm"), ("place", "no arm"), ("follow", "no detector"), ("find", "no detector")):
        with pytest.raises(BadRequest, match=why):
            for_bridge(plain(Call("go_to", {}, ("k",)), Call(name, {}, ("cup",))))
    with pytest.raises(BadRequest, match="slow, normal, fast"):
        for_bridge([{"name": "go_to", "arguments": {"speed": "warp"}, "targets": ["k"]}])
