"""What people type is read twice: as a plan's words, and as what must be in a plan; slips of the keyboard are mended."""

from __future__ import annotations

import random

import pytest

from edge_runtime.media import film_words, picture_words, words
from edge_runtime.media.film_plan import film_plan_of, read_film_plan
from edge_runtime.media.picture_plan import plan_of, read_plan
from edge_runtime.media.prompts import marked
from edge_runtime.tasks import audio_gen, gen_3d, image_gen, video_gen
from edge_runtime.tasks.dialogue import TextTask
from trainer_host.media import film_phrases, picture_phrases
from trainer_host.media.film_facts import read_facts, unmet, write_fact
from trainer_host.media.slips import slipped
from trainer_host.tasks import task_spec

FILM = film_words.FILM_READING
PICTURE = picture_words.PICTURE_READING


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a grene cirle to the rigth", "a green circle to the right"),
        ("threee yelow sqares", "three yellow squares"),
        ('a red star that says "cirle"', 'a red star that says "cirle"'),  # what is quoted stays
        ("two dogs by a tree, here", "two dogs by a tree, here"),  # no slips, though near to dots and three
        ("a brwun xyzzy", "a brwun xyzzy"),  # more than one slip
    ],
)
def test_one_slip_is_mended_and_what_may_be_another_word_is_not(typed: str, meant: str) -> None:
    assert words.mended(typed, picture_words.KNOWN) == meant


def test_the_built_in_slips_are_found_back() -> None:
    rng = random.Random(1)
    said = "a purple rectangle on the right side of three yellow circles"
    made = [slipped(said, picture_words.KNOWN, rng) for _ in range(40)]
    assert len(set(made)) > 10 and all(words.mended(wrong, picture_words.KNOWN) == said for wrong in made)


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("red circle going left to right", "A moves right"),
        ("Spin a star twice clockwise!", "a A turns 720 !"),
        ("make the ball jump 3 times", "make the A bounces 3"),
        ("a circle, blue, orbiting the middle on black", "a A , circles clockwise on P"),
        ("shrink a purple square to half its size", "a A resizes 0.5"),
        ("two seconds: white background, a hexagon, rising", "2s : on P , a A , moves up"),
        ("a dot goes back and forth twice", "a A sways 2"),
        ("two circles and a circle that circles around the centre", "2 A and a A that circles clockwise"),
    ],
)
def test_free_words_for_motion_become_those_of_plans(said: str, plain: str) -> None:
    assert marked(said, FILM).plain == plain


@pytest.mark.parametrize(
    ("prompt", "line", "right"),
    [
        ("a red circle moves from left to right", "- - ; A moves right", True),
        ("a red circle moves from left to right", "- - ; A moves up", False),
        ("a red circle moves from left to right", "- - ; A moves right ; blue star stays", False),
        ("a red circle moves right, a star turns once", "- - ; A turns 360 ; B moves right", False),
        ("a red circle moves right, then a star turns once", "- - ; A moves right ; B turns 360 ; A before B", True),
        ("a red circle moves right, then a star turns once", "- - ; A moves right ; B turns 360 ; B before A", False),
        ("a red circle moves right for 3 seconds", "- - ; A moves right", False),
        ("a red circle moves right on black", "- - ; A moves right", False),
        ("a red circle moves right, then left", "- - ; A moves right", False),
        ("a small red circle moves right", "- - ; A moves right", False),
        ("a red circle and a cat move right", "- - ; A moves right", False),
        ("a ball bounces 4 times", "- - ; A bounces 3", False),
    ],
)
def test_a_film_that_does_something_else_than_the_prompt_says_is_doubted(prompt: str, line: str, right: bool) -> None:
    read = marked(prompt, FILM)
    plan, whole = read_film_plan(line, read)
    assert whole and (film_words.doubt(plan, read) is None) is right


@pytest.mark.parametrize(
    ("prompt", "line", "right"),
    [
        ("3 red circles and a star", "- - ; A ; B", True),
        ("3 red circles and a star", "- - ; A", False),
        ("3 red circles", "- - ; 2 A", False),
        ("3 red circles on white", "- - ; A", False),
        ("3 red circles", "- - ; A ; blue star", False),
        ("a red circle left of a star", "- - ; A ; B ; B right of A", True),
        ("a red circle left of a star", "- - ; A ; B ; A right of B", False),
        ("a small red circle, a star", "- - ; A small ; B", True),
        ("a small red circle, a star", "- - ; A ; B small", False),
        ("a star in the upper left corner", "- - ; A ; A top left", True),
        ("a star in the upper left corner", "- - ; A ; A bottom left", False),
        ('a star that says "GO"', "- - ; A", False),
        ("a striped star", "- - ; A", False),
        ("a star, landscape format", "wide - ; A", True),
        ("a star, landscape format", "- - ; A", False),
    ],
)
def test_a_picture_of_something_else_than_the_prompt_says_is_doubted(prompt: str, line: str, right: bool) -> None:
    read = marked(prompt, PICTURE)
    plan, whole = read_plan(line, read)
    assert whole and (picture_words.doubt(plan, read) is None) is right


def test_no_right_plan_of_the_built_in_teachers_is_doubted() -> None:
    for task, module in (("image_gen", image_gen), ("video_gen", video_gen)):
        spec = task_spec(task)
        free = 0
        for seed in range(60 if task == "image_gen" else 20):
            made = spec.built_in(random.Random(seed))
            spec.check(made)
            answer = module.answer(made.input, module.reply(made.input, made.output))
            assert answer["unsure"] is False and answer["problem"] is None, made.input
            assert spec.score(made.output, answer) == 1
            free += any(str(made.input["prompt"]).endswith(letter) for letter in "abcdefghijklmnopqrstuvwxyz")
        assert free  # people leave the last mark out


def test_an_answer_says_why_it_is_doubtful() -> None:
    answer = image_gen.answer({"prompt": "a red circle and a giraffe"}, "- - ; A")
    assert answer["unsure"] is True and "giraffe" in str(answer["problem"]) and answer["picture"] is not None
    answer = video_gen.answer({"prompt": "a star rises"}, "nonsense")
    assert answer["film"] is None and answer["problem"] == video_gen.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    ("task", "prompt", "text"),
    [
        (image_gen, "a red circle 左上", "- - ; A"),
        (image_gen, "ein red circle", "- - ; A"),
        (video_gen, "красная: a star rises", "- - ; A moves up"),
        (audio_gen, "ド C4 5回", "play 120\nsine: α*5"),
        (audio_gen, "сыграй C4 D4 E4", "play 120\nsine: α β γ"),
        (audio_gen, 'sag "good morning" traurig', "say woman: α"),
        (gen_3d, "куб: a cube of 20 mm", "box α α α"),
    ],
)
def test_what_is_said_in_another_language_is_doubted(task: TextTask, prompt: str, text: str) -> None:
    for written in (text, "nonsense"):
        answer = task.answer({"prompt": prompt}, written)
        assert answer["unsure"] is True and "English" in str(answer["problem"]), task.messages({"prompt": prompt})


def test_a_thing_of_any_colour_is_told_by_its_kind() -> None:
    facts = read_facts([{"fact": "count", "of": {"kind": "star", "colour": "any"}, "count": 1}])
    from edge_runtime.media.scene import read_scene
    from trainer_host.media.film import watch

    scene = video_gen.answer({"prompt": "a star rises"}, "- - ; A moves up")["scene"]
    assert not unmet(facts, watch(read_scene(scene, film=True))) and [write_fact(fact) for fact in facts]
    assert film_plan_of([write_fact(fact) for fact in facts]).actors[0].colour == ""
    assert plan_of([write_fact(fact) for fact in facts]).groups[0].colour == ""
    assert film_phrases.request(facts, random.Random(0)) and picture_phrases.request(facts, random.Random(0))  # type: ignore[arg-type]
