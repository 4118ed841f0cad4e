"""Plans of pictures: written, read, and laid out so that everything they say can be seen."""

from __future__ import annotations

import random

import pytest

from edge_runtime.media import Rejected
from edge_runtime.media.picture_layout import lay_out
from edge_runtime.media.picture_plan import Group, Plan, plan_of, read_plan, write_plan
from edge_runtime.media.picture_words import PICTURE_READING
from edge_runtime.media.prompts import marked
from edge_runtime.media.scene import read_scene, write_scene
from trainer_host.media.picture_facts import unmet, write_fact
from trainer_host.media.picture_sampler import sample
from trainer_host.media.picture_words import request
from trainer_host.media.seeing import refuse_hidden, see


def test_what_is_planned_is_what_an_independent_look_at_the_drawn_picture_sees() -> None:
    missed = []
    for seed in range(60):
        rng = random.Random(seed)
        made = sample(rng)
        prompt = marked(request(made.facts, rng), PICTURE_READING)
        line = write_plan(plan_of([write_fact(fact) for fact in made.facts]), prompt)
        plan, whole = read_plan(line, prompt)
        scene, shown = lay_out(plan)
        assert read_scene(write_scene(scene), film=False) and whole
        seen = see(scene)
        refuse_hidden(seen)
        missed += [(seed, line, problem.detail) for problem in unmet(made.facts, seen)]
        missed += [] if shown else [(seed, line, "not shown")]
    assert not missed


PROMPT = marked('Two red circles, a star and three blue squares on a white background. It says "Go".')


@pytest.mark.parametrize(
    ("line", "whole", "groups", "words"),
    [
        ("wide P ; A small ; C ; A left of C ; C row ; C bottom ; says [1]", True, 2, 1),
        ("- - ; 3 green hexagon top left ; A", True, 2, 0),
        ("- P ; A ; A left of C", False, 1, 0),  # C isn't drawn
        ("- P ; A ; A ; Z ; 13 B ; left ; says [2] ; says Go", False, 2, 0),
        ("nonsense ; A", False, 1, 0),
        ("- P ; A ; B ; A lef", False, 2, 0),  # cut off
    ],
)
def test_what_can_be_read_of_a_plan_is_kept_and_the_rest_is_told(
    line: str, whole: bool, groups: int, words: int
) -> None:
    plan, read = read_plan(line, PROMPT)
    assert (read, len(plan.groups), len(plan.words)) == (whole, groups, words)
    assert all(group.colour for group in plan.groups)


@pytest.mark.parametrize(
    "line", ["", ";", "- -", "wide white", "- - ; nothing", "A" * 10_000, "; ".join(["9 A B"] * 999)]
)
def test_a_plan_of_nothing_is_refused(line: str) -> None:
    with pytest.raises(Rejected):
        read_plan(line, PROMPT)


def test_what_cannot_be_shown_is_said_and_the_rest_is_drawn() -> None:
    red, blue = Group("circle", "red", 1), Group("square", "blue", 1)
    hard = [
        Plan("", "", (red, blue), ((0, "left of", 1), (1, "left of", 0))),
        Plan("", "", (red, blue), ((0, "inside", 1), (1, "inside", 0))),
        Plan("", "white", (Group("star", "white", 1),)),
        Plan("wide", "", (Group("line", "red", 1, ("large",)),)),
        Plan("tall", "", tuple(Group(kind, "red", 12, ("middle",)) for kind in ("star", "oval", "line", "square"))),
        Plan(
            "", "", tuple(Group("star", f"#{n:02x}4050", 12, ("large",)) for n in range(0, 120, 10)), words=("x",) * 4
        ),
    ]
    for plan in hard:
        scene, shown = lay_out(plan)
        assert not shown and scene.shapes
        assert lay_out(plan)[0] == scene
        read_scene(write_scene(scene), film=False)


def test_things_that_lie_in_one_another_or_share_a_holder_are_all_seen() -> None:
    holder, others = Group("circle", "red", 1), (Group("star", "blue", 1), Group("square", "white", 2))
    for relations in (((1, "inside", 0), (2, "inside", 0)), ((1, "inside", 0), (2, "inside", 1))):
        scene, shown = lay_out(Plan("", "", (holder, *others), relations))
        assert shown and all(shape.clear for shape in see(scene).shapes)


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("The red star is on the left side of the line and at the left.", "the A is left of the B and left ."),
        ("Two stars within a circle, higher up than a huge line.", "2 A inside a B , above a large C ."),
        ("Three ovals on a canvas as wide as high stand one below the other.", "3 A canvas square column ."),
        ('A tiny square in the top left corner, "under the sea".', "a small A top left , [1] ."),
    ],
)
def test_places_that_are_said_in_many_ways_become_those_of_a_plan(said: str, plain: str) -> None:
    assert marked(said, PICTURE_READING).plain == plain
