"""Avatar: closed vocabularies, faces that don't contradict themselves, commands that say what was chosen."""

from __future__ import annotations

import json
import pickle
import random
import time

import pytest

from edge_runtime.avatar.vocabulary import ARKIT, DEFAULTS, GESTURES, HEADS, blendshapes, contradicts, seconds
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, Rejected, TaskSpec, task_spec
from trainer_host.tasks.avatar_grammar import line_templates, say
from trainer_host.tasks.avatar_meaning import check_command, told

CHOICE: Json = {"emotion": "happy", "intensity": "medium", "gesture": "wave", "gaze": "user", "timing": "normal"}


@pytest.fixture(scope="module")
def spec() -> TaskSpec:
    return task_spec("avatar")


def drawn(kind: str = "command", **changes: object) -> Json:
    return {"kind": kind, "persona": "a teacher", "topic": "a joke", "words": [3, 14], **CHOICE, **changes}


def answer(text: object, **changes: object) -> Json:
    return {"text": text, **CHOICE, **changes}


def row(text: str = "smile and wave", shapes: object = None, **changes: object) -> Example:
    output = {**CHOICE, **changes}
    return Example({"text": text}, output if shapes is None else {**output, "blendshapes": shapes})


def test_the_vocabularies_are_closed_and_arkits_names_are_fifty_two() -> None:
    assert len(ARKIT) == 52 == len(set(ARKIT))
    sided = {name for name in ARKIT if name.endswith(("Left", "Right"))}
    # All that has a side has both; jaw and mouth also move sideways, which is a pair of its own.
    assert all(name[:-4] + "Right" in ARKIT if name.endswith("Left") else name[:-5] + "Left" in ARKIT for name in sided)
    assert {head: labels[0] for head, labels in HEADS.items() if head in ("emotion", "gesture", "gaze")} == {
        "emotion": "neutral", "gesture": "none", "gaze": "user",
    }  # fmt: skip
    assert all(DEFAULTS[head] in labels and len(set(labels)) == len(labels) for head, labels in HEADS.items())


def test_every_choice_has_a_face_in_range_that_does_not_contradict_it() -> None:
    for emotion in HEADS["emotion"]:
        for intensity in HEADS["intensity"]:
            for gaze in HEADS["gaze"]:
                face = blendshapes(emotion, intensity, gaze)
                assert set(face) <= set(ARKIT) and all(0 < value <= 1 for value in face.values())
                assert contradicts(emotion, face) is None
    for gesture in GESTURES:
        lengths = [seconds(gesture, timing) for timing in ("quick", "normal", "slow")]
        assert lengths == sorted(lengths) and lengths[0] >= 0 and lengths[-1] < 10


@pytest.mark.parametrize(
    ("kind", "given", "changes", "reason"),
    [
        ("command", answer("smile and wave at me", emotion="sad"), {}, "other choice"),
        ("command", answer("smile and wave at me", gesture="bow"), {}, "other choice"),
        ("command", answer("smile and wave at me", intensity="huge"), {}, "unknown intensity"),
        ("command", answer("smile and wave at me", timing=2), {}, "unknown timing"),
        ("command", answer("smile at me please"), {}, "choice unsaid"),
        ("command", answer("wave your hand please"), {}, "choice unsaid"),
        ("command", answer("smile, wave and nod"), {}, "says something else"),
        ("command", answer("smile and wave, but look sad"), {}, "says something else"),
        ("command", answer("smile, look away and wave"), {}, "says something else"),
        ("command", answer("smile and wave", gaze="left"), {"gaze": "left"}, "choice unsaid"),
        ("command", answer("I'm sorry, but I can't wave."), {}, "refusal"),
        ("command", answer("Sure! Here's a command: smile and wave"), {}, "template leak"),
        ("command", answer("smile and wave at [name]"), {}, "template leak"),
        ("command", answer("smile and wave and the"), {}, "truncated"),
        ("command", answer("wave wave wave wave and smile"), {}, "repetition"),
        ("command", answer("smile"), {}, "too short"),
        ("command", answer("lächle und winke mir bitte mit der Hand"), {}, "wrong language"),
        (
            "command",
            answer("smile and wave " + "to my old friends over there who came from far away today " * 3),
            {},
            "too long",
        ),
        ("command", answer("smile\nand wave"), {}, "wrong format"),
        ("command", answer(None), {}, "wrong format"),
        ("command", answer("smile and do a thumbs_up wave"), {"gesture": "wave"}, "template leak"),
        ("line", answer("*waves* Hello there, my friend!"), {}, "stage direction"),
        ("line", answer("Hello there (smiles and waves), my friend!"), {}, "stage direction"),
    ],
)
def test_bad_answers_are_rejected_with_their_reason(
    spec: TaskSpec, kind: str, given: Json, changes: Json, reason: str
) -> None:
    with pytest.raises(Rejected) as caught:
        spec.verify(drawn(kind, **changes), [given])
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (row(emotion="joyful"), "unknown emotion"),
        (row(gesture="cartwheel"), "unknown gesture"),
        (row(gaze="behind"), "unknown gaze"),
        (row(shapes={"mouthGrinLeft": 0.5}), "unknown blendshape"),
        (row(shapes={"mouthSmileLeft": 1.5}), "out of range"),
        (row(shapes={"mouthSmileLeft": True}), "out of range"),
        (row(shapes={"mouthSmileLeft": "0.5"}), "out of range"),
        (row(shapes={"mouthSmileLeft": float("nan")}), "out of range"),
        (row(shapes=[0.5]), "wrong format"),
        (row(shapes={"mouthFrownLeft": 0.8, "mouthSmileLeft": 0.2}), "contradiction"),
        (row("look sad", emotion="sad", shapes={"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9}), "contradiction"),
        (row("look surprised", emotion="surprised", shapes={"eyeSquintLeft": 0.9}), "contradiction"),
        (Example({"text": "wave"}, {"emotion": "happy"}), "wrong format"),
        (Example({"line": "wave"}, CHOICE), "wrong format"),
        (row("As an AI language model I have no face."), "refusal"),
        (row("x" * 1_001), "too long"),
        (row("set blendshapes now"), "template leak"),
    ],
)
def test_rows_that_can_not_be_shown_are_rejected(spec: TaskSpec, example: Example, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        spec.check(example)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("Could you give me a big smile and wave to the camera?", {}),
        ("grin at everyone while waving", {}),
        ("look furious and fold your arms", {"emotion": "angry", "gesture": "cross_arms"}),
        ("Close your eyes and bow.", {"emotion": "neutral", "gesture": "bow", "gaze": "closed"}),
        ("wave me over", {"emotion": "neutral", "gesture": "beckon"}),
        ("look down, like you are heartbroken", {"emotion": "sad", "gesture": "none", "gaze": "down"}),
        ("please nod right now", {"emotion": "neutral", "gesture": "nod"}),
    ],
)
def test_commands_in_other_words_are_kept(spec: TaskSpec, text: str, choice: Json) -> None:
    example = spec.verify(drawn(**choice), [answer(text, **choice)])
    assert example.output["gesture"] == {**CHOICE, **choice}["gesture"]
    spec.check(example)


def test_what_a_command_says_is_read_by_its_longest_phrases() -> None:
    assert told("wave me over") == {"emotion": set(), "gesture": {"beckon"}, "gaze": set()}
    assert told("look down in the dumps")["gaze"] == set()
    assert told("look at me lovingly")["emotion"] == {"loving"}
    assert told("turn your head, all right?")["gaze"] == set()


def test_built_in_examples_pass_are_many_and_say_what_they_mean(spec: TaskSpec) -> None:
    rng = random.Random(1)
    examples = [spec.built_in(rng) for _ in range(1000)]
    for example in examples:
        spec.check(example)
        assert 0 <= spec.difficulty(example) <= 1
        assert spec.score(example.output, example.output) == 1
    assert len({spec.key(example) for example in examples}) > 700
    for head in ("emotion", "gesture", "gaze"):
        assert {str(example.output[head]) for example in examples} == set(HEADS[head])
    commands = [said for said in (say(rng) for _ in range(1500)) if (said.template or "").startswith("command")]
    assert len({said.text for said in commands}) > 700
    for said in commands:
        check_command(said.text, said.choice)


def test_no_line_of_the_language_stands_for_two_different_ways() -> None:
    ways: dict[str, Json] = {}
    for line, choice in line_templates():
        assert ways.setdefault(line, dict(choice)) == choice


def test_draws_vary_are_reproducible_and_lines_get_gestures_that_go_with_them(spec: TaskSpec) -> None:
    first, again = random.Random(3), random.Random(3)
    draws = [spec.draw(first) for _ in range(200)]
    assert draws == [spec.draw(again) for _ in range(200)]
    assert json.loads(json.dumps(draws)) == draws
    assert len({spec.prompt(one).user for one in draws}) > 195
    assert all(len(spec.prompt(one).user) < 400 and len(spec.prompt(one).system) < 1500 for one in draws)
    assert len({spec.prompt(one).system for one in draws}) == 1
    assert {str(one["kind"]) for one in draws} == {"command", "line"}
    lines = {(one["emotion"], one["gesture"]) for one in draws if one["kind"] == "line"}
    assert ("disgusted", "salute") not in lines and ("happy", "wave") in lines
    assert {str(one["gesture"]) for one in draws if one["kind"] == "command"} >= set(list(GESTURES)[1:8])


def test_the_metric_needs_emotion_gesture_and_gaze_but_no_strength(spec: TaskSpec) -> None:
    assert spec.score(CHOICE, {**CHOICE, "intensity": "low", "timing": "slow"}) == 1
    for head, other in (("emotion", "sad"), ("gesture", "none"), ("gaze", "up")):
        assert spec.score(CHOICE, {**CHOICE, head: other}) == 0
    assert spec.score(CHOICE, {}) == 0


def test_the_judge_is_asked_whether_the_choice_fits_the_text(spec: TaskSpec) -> None:
    question = spec.judge(row("Hello there!"))
    assert question is not None and "gesture wave" in question.user and "Hello there!" in question.user
    assert all(f"Level {level}:" in question.system for level in range(1, 6))


def test_hostile_answers_are_refused_quickly_and_verify_survives_pickling(spec: TaskSpec) -> None:
    copy = pickle.loads(pickle.dumps(spec))
    hostile = [
        answer("a" * 2_000_000), answer("*" * 19_000), answer("( " * 9_000), answer("smile " * 3_000), answer({"x": 1}), {},
        answer("wave\x00"), answer("smile and wave", emotion=["happy"]), answer("smile and wave", gaze={"a": 1}),
    ]  # fmt: skip
    started = time.process_time()
    for given in hostile:
        with pytest.raises(Rejected):
            copy.verify(drawn(), [given])
    assert time.process_time() - started < 5
    good = answer("smile and wave at me")
    assert copy.verify(drawn(), [good]) == spec.verify(drawn(), [good])


def test_options_are_refused() -> None:
    with pytest.raises(DataError, match="no option 'rig'"):
        task_spec("avatar", {"rig": "x"})
