"""Plans of films: written, read, and laid out so that everything moves as they say."""

from __future__ import annotations

import random

import pytest

from edge_runtime.media import Rejected
from edge_runtime.media.film_layout import lay_out_film
from edge_runtime.media.film_plan import Motion, film_plan_of, read_film_plan, write_film_plan
from edge_runtime.media.film_words import FILM_READING
from edge_runtime.media.prompts import marked
from edge_runtime.media.scene import read_scene, write_scene
from trainer_host.media.film import refuse_unseen, watch
from trainer_host.media.film_facts import unmet, write_fact
from trainer_host.media.film_sampler import request, sample


def test_what_is_planned_is_what_an_independent_look_at_all_frames_sees() -> None:
    missed = []
    for seed in range(26):
        rng = random.Random(seed)
        made = sample(rng)
        prompt = marked(request(made.facts, rng))
        plan = film_plan_of([write_fact(fact) for fact in made.facts])
        line = write_film_plan(plan, prompt)
        read, whole = read_film_plan(line, prompt)
        assert whole and [(actor.kind, actor.size, actor.motions) for actor in read.actors] == [
            (actor.kind, actor.size, actor.motions or (Motion("stays"),)) for actor in plan.actors
        ]
        assert (read.background, read.seconds, read.orders) == (plan.background, plan.seconds, plan.orders)
        plan = read
        scene, shown = lay_out_film(plan)
        assert read_scene(write_scene(scene), film=True)
        watched = watch(scene)
        refuse_unseen(watched)
        missed += [(seed, line, problem.detail) for problem in unmet(made.facts, watched)]
        missed += [] if shown else [(seed, line, "not shown")]
    assert not missed


PROMPT = marked("A red circle, a star, a blue square and a green line on a white background. The circle bounces twice.")


@pytest.mark.parametrize(
    ("line", "whole", "motions"),
    [
        ("P 2.5s ; A bounces 2 ; B moves left , turns 90 ; A before B", True, [1, 2]),
        ("- - ; pink oval circles clockwise ; A stays", True, [1, 1]),
        ("- 99s ; A moves sideways", False, [0]),
        ("- - ; A bounces 0 ; B turns 99999 ; C resizes ; D bounces", False, [0, 0, 0, 0]),
        ("P - ; A moves left ; A before B ; A moves right", False, [1]),
        ("P - ; A moves left ; B bou", False, [1]),  # cut off
    ],
)
def test_what_can_be_read_of_a_plan_is_kept_and_the_rest_is_told(line: str, whole: bool, motions: list[int]) -> None:
    plan, read = read_film_plan(line, PROMPT)
    assert (read, [len(actor.motions) for actor in plan.actors]) == (whole, motions)
    assert read_scene(write_scene(lay_out_film(plan)[0]), film=True)


@pytest.mark.parametrize("line", ["", "- -", "P 2s ; nothing moves", "- - ; Z stays", "x" * 10_000])
def test_a_plan_of_nothing_is_refused(line: str) -> None:
    with pytest.raises(Rejected):
        read_film_plan(line, PROMPT)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("- - ; A moves left , moves right", False),
        ("- - ; A before B ; A bounces 1 ; B bounces 1 ; B before A", False),
        ("- 1s ; A turns 1080 ; B bounces 10", False),
        ("P - ; white star stays", False),
        ("- - ; A circles clockwise ; B circles anticlockwise", False),
        ("- - ; A circles clockwise ; B circles clockwise ; C turns 90", True),
        ("- - ; A turns 1080 ; B bounces 10", True),
        ("- - ; A moves right ; B moves up ; C bounces 3 ; pink oval sways 2 ; grey star resizes 3", True),
    ],
)
def test_what_cannot_be_shown_is_said_and_the_rest_is_drawn(line: str, shown: bool) -> None:
    plan, _ = read_film_plan(line, PROMPT)
    scene, all_of_it = lay_out_film(plan)
    assert all_of_it is shown and len(scene.shapes) == len(plan.actors)
    assert read_scene(write_scene(scene), film=True) and lay_out_film(plan)[0] == scene


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("It slides From Left to right, then to the left.", "it moves right , then left ."),
        ("It is to the left of it and rises upwards.", "it is to the left of it and moves up ."),
        ("Two full turns counterclockwise and a half turn.", "turns -720 and turns 180 ."),
        ("It doubles in size, or shrinks to a third of its size.", "it resizes 2 , or resizes 0.33 ."),
    ],
)  # fmt: skip
def test_motions_that_are_said_in_many_ways_become_those_of_a_plan(said: str, plain: str) -> None:
    assert marked(said, FILM_READING).plain == plain
