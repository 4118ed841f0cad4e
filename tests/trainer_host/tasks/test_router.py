"""Router: labels are drawn, texts are checked, and the built-in grammar says something else under each label."""

from __future__ import annotations

import json
import pickle
import random
import time
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from trainer_host.data.labelled import RouterRows
from trainer_host.errors import DataError
from trainer_host.tasks import TASKS, Example, Json, Rejected, TaskSpec, task_spec
from trainer_host.tasks.phrases import NOISE, Grouped, fill, fillers, templates
from trainer_host.tasks.router_reading import PACKAGE, drift, learn, read

SAMPLES = ["draw a red cat", "paint a castle at night, please", "sketch me a bicycle", "make a logo with an owl"]


@pytest.fixture(scope="module")
def spec() -> TaskSpec:
    return task_spec("router")


def drawn(label: str = "image_gen", **changes: object) -> Json:
    base: Json = {
        "label": label, "topic": "gardening", "persona": "a nurse", "tone": "dry", "length": "Messages", "noise": "neat",
        "seed": 3, "samples": SAMPLES, "template": f"{label}: draw a {{animal}}",
    }  # fmt: skip
    return {**base, **changes}


def test_the_teachers_text_gets_the_drawn_label(spec: TaskSpec) -> None:
    example = spec.verify(drawn(), [{"text": ' "paint a watering can between two sunflowers" '}])
    assert example.input == {"text": "Paint a watering can between two sunflowers."}
    assert example.output == {"label": "image_gen"}
    assert spec.group(example) == "image_gen: draw a {animal}" and spec.stratum(example) == "image_gen"
    spec.check(example)


@pytest.mark.parametrize(
    ("label", "text", "reason"),
    [
        ("image_gen", "draw a red cat", "copied"),
        ("image_gen", "Paint a castle, at night please!", "copied"),
        ("image_gen", "what is 12 times 17", "other label"),
        ("math", "draw a watercolour picture of a fox in a forest", "other label"),
        ("robot", "write a Python function that sorts a list of names", "other label"),
        ("math", "the answer is 45", "an answer"),
        ("vision", "the photo shows two people and a dog", "an answer"),
        ("image_gen", "As an AI language model, I can't draw pictures.", "refusal"),
        ("image_gen", "I'm sorry, but I cannot draw that for you.", "refusal"),
        ("image_gen", "I can't assist with that.", "refusal"),
        ("image_gen", "Sure, here is a message: draw a fox", "template leak"),
        ("image_gen", "Here's one more message in that style: paint a fox", "template leak"),
        ("image_gen", "draw a picture of [topic] in a forest", "template leak"),
        ("image_gen", "Message: draw a picture of a fox", "template leak"),
        ("image_gen", "<|im_start|>user draw a picture of a fox", "template leak"),
        ("image_gen", "Messages from a nurse, dry, about gardening. They want to draw", "quotes the instruction"),
        ("image_gen", "draw a picture of the", "truncated"),
        ("image_gen", "draw a picture of a fox (with a hat", "truncated"),
        ("image_gen", 'draw "a fox', "truncated"),
        ("image_gen", "draw a fox, draw a fox, draw a fox", "repetition"),
        ("image_gen", "zeichne bitte ein Bild von einem Fuchs und dem Wald", "wrong language"),
        ("image_gen", "нарисуй мне лису в лесу", "wrong language"),
        ("image_gen", "draw", "too short"),
        ("image_gen", "draw " + "a very tall tree and then another house " * 8, "too long"),
        ("image_gen", "   ", "empty"),
        ("image_gen", "draw a fox\nand a tree", "wrong format"),
        ("image_gen", "draw or paint a picture", "names the label"),
        ("image_gen", "!!! ??? ...", "too short"),
    ],
)
def test_bad_texts_are_rejected_with_their_reason(spec: TaskSpec, label: str, text: str, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        spec.verify(drawn(label), [{"text": text}])
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("made", "output", "reason"),
    [
        ({"text": "draw a fox"}, {"label": "drawing"}, "unknown label"),
        ({"text": "draw a fox"}, {"label": 3}, "unknown label"),
        ({"text": "draw a fox"}, {}, "wrong format"),
        ({"text": "draw a fox", "why": 1}, {"label": "image_gen"}, "wrong format"),
        ({"text": ["draw"]}, {"label": "image_gen"}, "wrong format"),
        ({"text": "x " * 2001}, {"label": "image_gen"}, "too long"),
        ({"text": "..."}, {"label": "image_gen"}, "empty"),
        ({"text": "I cannot help with that."}, {"label": "chat"}, "refusal"),
    ],
)
def test_rows_of_the_wrong_form_are_rejected(spec: TaskSpec, made: Json, output: Json, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        spec.check(Example(made, output))
    assert caught.value.reason == reason


def test_every_label_has_many_templates_and_many_different_texts() -> None:
    for label in TASKS:
        lines = templates(PACKAGE, f"{label}.txt")
        assert len(lines) >= 70 and len(set(lines)) == len(lines)
        rng = random.Random(label)
        assert len({fill(rng.choice(lines), fillers(PACKAGE), rng) for _ in range(300)}) >= 150


def test_no_template_leaves_a_slot_or_a_sign_of_its_language_behind() -> None:
    rng = random.Random(2)
    for label in TASKS:
        for line in templates(PACKAGE, f"{label}.txt"):
            for _ in range(4):
                text = fill(line, fillers(PACKAGE), rng)
                assert not set(text) & set("{}|\\") and "  " not in text and text == text.strip()


def test_a_thousand_built_in_examples_pass_and_are_rows(spec: TaskSpec, tmp_path: Path) -> None:
    rng = random.Random(4)
    reader = RouterRows()
    examples = [spec.built_in(rng) for _ in range(1000)]
    for example in examples:
        spec.check(example)
        assert reader.read({"input": example.input, "output": example.output}).stratum == spec.stratum(example)
        assert isinstance(example, Grouped) and example.group is not None
    assert min(Counter(str(example.output["label"]) for example in examples).values()) >= 50
    assert len({spec.key(example) for example in examples}) >= 750
    assert len({spec.group(example) for example in examples}) >= 350


def test_texts_of_unseen_templates_are_seldom_taken_for_another_label() -> None:
    """What the bounds on drift cost: a fifth of the templates is held out, the rest is what the reader knows."""
    rng = random.Random(6)
    names = fillers(PACKAGE)
    refused = refused_surely = total = 0
    for fold in range(5):
        table = learn({
            label: [fill(line, names, rng) for i, line in enumerate(templates(PACKAGE, f"{label}.txt")) if i % 5 != fold for _ in range(4)]
            for label in TASKS
        })  # fmt: skip
        for label in TASKS:
            for line in templates(PACKAGE, f"{label}.txt")[fold::5]:
                scores = read(fill(line, names, rng), table)
                behind = max(scores.values()) - scores[label]
                total, refused, refused_surely = total + 1, refused + (behind > 3), refused_surely + (behind > 12)
    assert total > 850 and refused / total < 0.08 and refused_surely / total < 0.01


def test_a_text_under_a_wrong_label_is_nearly_always_noticed() -> None:
    rng = random.Random(8)
    noticed = [
        drift(fill(line, fillers(PACKAGE), rng), other)[1] > 3
        for label in TASKS
        for line in templates(PACKAGE, f"{label}.txt")[::4]
        for other in TASKS
        if other != label
    ]
    assert sum(noticed) / len(noticed) > 0.97


def test_draws_vary_and_are_reproducible_and_prompts_short(spec: TaskSpec) -> None:
    first, again = random.Random(9), random.Random(9)
    draws = [spec.draw(first) for _ in range(60)]
    assert draws == [spec.draw(again) for _ in range(60)]
    assert json.loads(json.dumps(draws)) == draws
    assert len({str(spec.prompt(one)) for one in draws}) == 60
    assert {str(one["noise"]) for one in draws} == set(NOISE)
    assert len({spec.prompt(one).system for one in draws}) == 1
    for one in draws:
        assert len(spec.prompt(one).user) < 800
        assert all(sample in json.loads(line).values() for sample, line in zip(
            cast(list[str], one["samples"]), spec.prompt(one).user.splitlines()[1:-1], strict=True
        ))  # fmt: skip


def test_noise_is_the_same_for_the_same_draw_and_keeps_the_label(spec: TaskSpec) -> None:
    answers: list[Json] = [{"text": "could you draw, please, a fox under an old tree?"}]
    made = {how: spec.verify(drawn(noise=how), answers).input["text"] for how in NOISE}
    assert len(set(made.values())) == 4
    assert made["neat"] == "Could you draw, please, a fox under an old tree?"
    voice = str(made["voice"])
    assert voice == voice.lower() and not set(voice) & set(",.?")
    assert made == {how: spec.verify(drawn(noise=how), answers).input["text"] for how in NOISE}


def test_a_persons_own_labels_replace_the_tasks() -> None:
    labels = {"billing": "questions about invoices and money", "support": "things that don't work"}
    own = task_spec("router", {"labels": labels})
    rng = random.Random(1)
    draws = [own.draw(rng) for _ in range(20)]
    assert {str(one["label"]) for one in draws} == set(labels)
    assert "billing: questions about invoices and money" in own.prompt({**draws[0], "label": "billing"}).user
    example = own.verify({**draws[0], "label": "billing"}, [{"text": "why did you charge me twice for may"}])
    assert example.output == {"label": "billing"}
    with pytest.raises(Rejected, match="names the label"):
        own.verify({**draws[0], "label": "billing"}, [{"text": "questions about invoices and money"}])
    with pytest.raises(DataError, match="name a teacher"):
        own.built_in(rng)


def test_another_language_is_asked_for_and_checked() -> None:
    german = task_spec("router", {"labels": {"a": "eins", "b": "zwei"}, "language": "de"})
    one = german.draw(random.Random(1))
    assert "in German" in german.prompt(one).user
    german.verify({**one, "length": "Messages"}, [{"text": "warum ist meine Rechnung so hoch"}])
    with pytest.raises(Rejected) as caught:
        german.verify({**one, "length": "Messages"}, [{"text": "why is the bill of this month so high"}])
    assert caught.value.reason == "wrong language"


@pytest.mark.parametrize(
    "options",
    [
        {"labels": {"one": "only one"}},
        {"labels": {f"l{i}": "x" for i in range(65)}},
        {"labels": ["a", "b"]},
        {"labels": {"a": "", "b": "x"}},
        {"labels": {"a": "x", "A ": "y"}},
        {"labels": {"a": "x", "b": 3}},
        {"labels": {"a" * 61: "x", "b": "y"}},
        {"language": "klingon"},
        {"label": {}},
    ],
)
def test_options_that_make_no_sense_are_refused_with_a_sentence(options: Json) -> None:
    with pytest.raises(DataError, match=r"\w.*[.?]$"):
        task_spec("router", options)


def test_hostile_answers_are_refused_quickly_and_verify_survives_pickling(spec: TaskSpec) -> None:
    copy = pickle.loads(pickle.dumps(spec))
    hostile: list[Json] = [
        {"text": "a" * 2_000_000}, {"text": "the " * 4_900}, {"text": "<" * 19_000}, {"text": "[your " * 3_000},
        {"text": "this " * 3_900}, {"text": None}, {}, {"text": {"text": "x"}}, {"text": "draw \x07 a fox"},
    ]  # fmt: skip
    started = time.process_time()
    for answer in hostile:
        with pytest.raises(Rejected):
            copy.verify(drawn(), [answer])
    assert time.process_time() - started < 5


def test_the_metric_is_accuracy(spec: TaskSpec) -> None:
    assert spec.score({"label": "math"}, {"label": "math", "confidence": 0.4}) == 1
    assert spec.score({"label": "math"}, {"label": "chat"}) == spec.score({"label": "math"}, {}) == 0
