"""What labelled clauses of pack `robot-en` come to: references, speeds, what is forbidden, and what is asked back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.bundle.manifest import Tokenizer
from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.home.inventory import parse_home
from edge_runtime.home.lexicon import KINDS, TAGS
from edge_runtime.home.parse import Clause, Span
from edge_runtime.home.resolve import Call, Outcome
from edge_runtime.mobile.bridge import for_bridge
from edge_runtime.mobile.errands import execute, world
from edge_runtime.mobile.lexicon import ACTIONS
from edge_runtime.mobile.resolve import resolve
from edge_runtime.tasks.robot import HEADS, SCHEME, TOKENS, load

from .. import tiny

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


def test_the_bridge_gets_orders_as_they_are_but_for_rounds_and_speeds() -> None:
    def plain(*calls: Call) -> list[dict[str, object]]:
        return [{"name": c.name, "arguments": c.arguments, "targets": list(c.targets)} for c in calls]

    calls, share = for_bridge(plain(Call("go_to", {"speed": "slow"}, ("k",)), Call("patrol", {"speed": "fast"}, ("h", "k")), Call("dock", {}, ())))  # fmt: skip
    assert [(call["name"], call["targets"]) for call in calls] == [
        ("go_to", ["k"]), ("go_to", ["h"]), ("go_to", ["k"]), ("dock", []),
    ]  # fmt: skip
    assert share == 0.4 and all(call["arguments"] == {} for call in calls)
    assert for_bridge(plain(Call("set_speed", {"speed": "normal"}, ()))) == ([], 1.0)
    other: list[dict[str, object]] = [{"name": "move", "arguments": {"metres": 1}}]
    assert for_bridge(other) == (other, None)
    fetch = plain(Call("fetch", {"to": "h", "speed": "slow"}, ("cup",)), Call("follow", {}, ()))
    assert for_bridge(fetch) == (plain(Call("fetch", {"to": "h"}, ("cup",)), Call("follow", {}, ())), 0.4)
    with pytest.raises(BadRequest, match="slow, normal, fast"):
        for_bridge([{"name": "go_to", "arguments": {"speed": "warp"}, "targets": ["k"]}])


class Goes:
    """An engine that reads a going to the place that the last word names."""

    runtime, version = "told", "1"

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        out = {head: np.zeros((1, TOKENS, classes), np.float32) for head, classes in HEADS.items()}
        out["action"] = np.zeros((1, TOKENS, len(ACTIONS)), np.float32)
        out["action"][..., ACTIONS.index("go")] = 9
        out["tag"][..., 0] = out["begin"][..., 0] = out["excluded"][..., 0] = out["kind"][..., 0] = 9
        last = int((inputs["words"] > 0).sum()) - 1
        out["tag"][0, last, TAGS.index("B-AREA")] = 18
        return out


def test_a_bundle_carries_its_pack_and_one_that_is_not_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n\u2047\n0\ngo\n")
    options: dict[str, object] = {"actions": list(ACTIONS), "tags": list(TAGS), "kinds": list(KINDS), "tokens": TOKENS}

    def opened(**more: object) -> dict[str, object]:
        manifest = dataclasses.replace(
            tiny.manifest(),
            thresholds={"unsure": 0.1},
            options={**options, **more},
            tokenizer=Tokenizer(SCHEME, "vocab.txt", "0" * 64),
        )
        specialist = load(manifest, tmp_path, Goes())  # type: ignore[arg-type]
        return specialist.run({"text": "go to the hall", "inventory": {"areas": [{"id": "h", "name": "hall"}]}})

    said = opened(pack="robot-en")
    assert said["calls"] == [{"name": "go_to", "arguments": {}, "targets": ["h"]}] and not said["unsure"]
    with pytest.raises(BundleError, match="another version"):
        opened()  # a home's, whose actions are others
    with pytest.raises(BundleError, match="update this device"):
        opened(pack="boat-en")


@pytest.mark.parametrize(
    "told", ["go home and rechrage", "return to your station", "head back to the charging point", "plug yourself in"]
)
def test_a_dock_that_is_spoken_of_is_gone_to(told: str) -> None:
    assert orders(said(f"dock: {told}")) == [("dock", (), {})]


@pytest.mark.parametrize("told", ["go to the garden", "drive to the garage", "go to the station", "move to the deck"])
def test_a_place_that_nobody_knows_is_not_the_dock(told: str) -> None:
    outcome = said(f"dock: {told}")
    assert not outcome.calls and outcome.question == "Do you mean my dock? Then say dock."
