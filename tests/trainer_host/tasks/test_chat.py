"""Chat: turns in order, lengths as drawn, nothing refused, leaked, looped or cut; built-in answers that are right."""

from __future__ import annotations

import json
import pickle
import random
import re
import time
from typing import cast

import pytest

from trainer_host.errors import DataError
from trainer_host.tasks import JUDGE_PASSES, Example, Json, Rejected, TaskSpec, task_spec
from trainer_host.tasks.chat_built_in import talk
from trainer_host.tasks.chrf import chrf

GOOD = "Bread rises because yeast makes gas in the dough. The gluten holds it."


@pytest.fixture(scope="module")
def spec() -> TaskSpec:
    return task_spec("chat")


def drawn(turns: int = 1, length: str = "two or three sentences") -> Json:
    return {
        "persona": "a nurse", "mood": "calm", "kind": "asks how something works", "topic": "bread", "turns": turns, "length": length,
    }  # fmt: skip


def answer(reply: object, message: object = "Why does bread rise?", earlier: object = ()) -> Json:
    return {"earlier": list(earlier) if isinstance(earlier, tuple) else earlier, "message": message, "reply": reply}


def conversation(*texts: str) -> Example:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts[:-1])]
    return Example({"messages": messages}, {"reply": texts[-1]})


def test_a_good_answer_becomes_messages_and_a_reply(spec: TaskSpec) -> None:
    earlier = ({"person": "I baked today.", "assistant": "That sounds good! What did you bake?"},)
    example = spec.verify(drawn(2), [answer(GOOD, "White bread. Why does it rise?", earlier)])
    assert example.input == {
        "messages": [
            {"role": "user", "content": "I baked today."},
            {"role": "assistant", "content": "That sounds good! What did you bake?"},
            {"role": "user", "content": "White bread. Why does it rise?"},
        ]
    }
    assert example.output == {"reply": GOOD}
    spec.check(example)


TURN = {"person": "I baked today.", "assistant": "That sounds good! What did you bake?"}


@pytest.mark.parametrize(
    ("given", "turns", "reason"),
    [
        (answer("As an AI language model, I can't taste bread. Sorry about that, really."), 1, "refusal"),
        (answer("I'm sorry, but I can't help you with baking bread or anything of that kind."), 1, "refusal"),
        (answer("I cannot provide advice about bread to anybody who asks me for that."), 1, "refusal"),
        (answer("Sure! Here is the reply: bread rises because of yeast and warm air in it."), 1, "template leak"),
        (answer("Assistant: bread rises because yeast makes gas in the warm dough."), 1, "template leak"),
        (answer("Dear [Name], bread rises because yeast makes gas in the warm dough."), 1, "template leak"),
        (answer("Bread rises because yeast makes gas and the gas is held by the gluten of the"), 1, "truncated"),
        (
            answer("Bread rises because yeast makes gas in the dough which then grows and grows for an hour"),
            1,
            "truncated",
        ),
        (answer("Yes, yeast makes gas. Yes, yeast makes gas. Yes, yeast makes gas."), 1, "repetition"),
        (answer(("the dough is warm and the yeast eats sugar, " * 12).strip(", ") + "."), 1, "too long"),
        (answer("It is yeast."), 1, "too short"),
        (
            answer("Das Brot geht auf, weil die Hefe in dem Teig ein Gas macht und der Kleber es hält."),
            1,
            "wrong language",
        ),
        (answer("Хлеб поднимается, потому что дрожжи выделяют газ в тесте и он растёт."), 1, "wrong language"),
        (answer("Why does bread rise in the oven so much?", "Why does bread rise in the oven so much"), 1, "echo"),
        (
            answer("The assistant is friendly, plain and truthful, and tells you that yeast makes gas."),
            1,
            "quotes the instruction",
        ),
        (
            answer("yeast makes gas in the warm dough, as I said", "asks how something works"),
            1,
            "quotes the instruction",
        ),
        (answer(GOOD), 2, "wrong number of turns"),
        (answer(GOOD, earlier=(TURN,)), 1, "wrong number of turns"),
        (answer(GOOD, earlier="none"), 1, "wrong number of turns"),
        (answer(GOOD, earlier=("x",)), 2, "turn structure"),
        (answer(GOOD, earlier=({"person": "I baked today."},)), 2, "wrong format"),
        (answer(GOOD, "What did you bake today, then?", (TURN, TURN)), 3, "repetition"),
        (answer(GOOD, earlier=({"person": "I baked today.", "assistant": GOOD},)), 2, "repetition"),
        (answer(7), 1, "wrong format"),
        (answer("  "), 1, "empty"),
        (answer("!!! ??? ... !!! ??? ..."), 1, "too short"),
    ],
)
def test_bad_conversations_are_rejected_with_their_reason(spec: TaskSpec, given: Json, turns: int, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        spec.verify(drawn(turns), [given])
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("made", "output", "reason"),
    [
        ({"messages": []}, {"reply": "Hello!"}, "turn structure"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, {"reply": "Hello!"}, "turn structure"),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Hi"}, {"role": "user", "content": "Hi"}]},
         {"reply": "Hello!"}, "turn structure"),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]}, {"reply": "Hello!"}, "turn structure"),
        ({"messages": [{"role": "user", "content": "Hi", "name": "x"}]}, {"reply": "Hello!"}, "turn structure"),
        ({"messages": "Hi"}, {"reply": "Hello!"}, "wrong format"),
        ({"text": "Hi"}, {"reply": "Hello!"}, "wrong format"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, {"reply": "Hello!", "why": 1}, "wrong format"),
        ({"messages": [{"role": "user", "content": "x" * 9_000}]}, {"reply": "Hello!"}, "too long"),
        ({"messages": [{"role": "user", "content": "?"}]}, {"reply": "..."}, "empty"),
        ({"messages": [{"role": "user", "content": "Hi"}] * 21}, {"reply": "Hello!"}, "turn structure"),
    ],
)  # fmt: skip
def test_rows_of_the_wrong_form_are_rejected(spec: TaskSpec, made: Json, output: Json, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        spec.check(Example(made, output))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "texts",
    [
        ("ok?", "ok"),
        ("Is it Paris?", "Yes"),
        ("Name three fruits", "1. apples\n2. pears\n3. plums"),
        ("How old are you?", "I'm a program, so I have no age."),
        ("I'm sorry that I'm late", "That doesn't matter at all!"),
        ("Paris?", "Paris is in France.", "Rome?", "Rome is in Italy."),
    ],
)
def test_conversations_that_people_would_write_pass(spec: TaskSpec, texts: tuple[str, ...]) -> None:
    spec.check(conversation(*texts))


def test_a_thousand_built_in_conversations_pass_and_most_differ(spec: TaskSpec) -> None:
    rng = random.Random(1)
    examples = [spec.built_in(rng) for _ in range(1000)]
    for example in examples:
        spec.check(example)
        assert 0 <= spec.difficulty(example) <= 1 and spec.group(example)
    assert len({spec.key(example) for example in examples}) > 700
    assert len({spec.group(example) for example in examples}) > 150
    assert any(len(cast(list, example.input["messages"])) > 1 for example in examples)


def test_built_in_answers_are_right_when_worked_out_again() -> None:
    """Sums, units, clocks and words, solved here from the question's text alone."""
    rng = random.Random(2)
    solved = dict.fromkeys(("sum", "unit", "clock", "word"), 0)
    factors = {
        ("hours", "minutes"): 60, ("minutes", "seconds"): 60, ("days", "hours"): 24, ("weeks", "days"): 7, ("years", "months"): 12,
        ("kilometres", "metres"): 1000, ("metres", "centimetres"): 100, ("centimetres", "millimetres"): 10,
        ("kilograms", "grams"): 1000, ("tonnes", "kilograms"): 1000, ("litres", "millilitres"): 1000, ("dozens", "pieces"): 12,
        ("feet", "inches"): 12, ("pounds", "ounces"): 16,
    }  # fmt: skip
    for _ in range(3000):
        made = talk(rng)
        asked, answered = made.texts[0].lower(), made.texts[1]
        numbers = [int(number) for number in re.findall(r"\d+", asked)]
        said = [int(number) for number in re.findall(r"\d+", answered)]
        if made.group.startswith("sum"):
            a, b = numbers
            sign = made.group.split(":")[0].removeprefix("sum ")
            assert said[-1] == {"plus": a + b, "minus": a - b, "times": a * b, "divided by": a / b}[sign], made
            solved["sum"] += 1
        elif made.group.startswith("unit"):
            count, large, result, small = re.fullmatch(r"(\d+) (\w+) are (\d+) (\w+)\.", answered).groups()  # type: ignore[union-attr]
            assert int(count) == numbers[0] and int(result) == int(count) * factors[large, small], made
            solved["unit"] += 1
        elif made.group.startswith("clock") and ":" in asked:
            now = re.search(r"(\d+):(\d+)", asked)
            assert now is not None
            hour, minute = map(int, now.groups())
            later = int(re.findall(r"\d+", asked.replace(now[0], ""))[0])
            assert (hour * 60 + minute + later) % 1440 == said[0] * 60 + said[1], made
            solved["clock"] += 1
        elif made.group == "word: how many letters has the word {word}":
            word = re.search(r"The word (\w+) has", answered)[1]  # type: ignore[index]
            assert said == [len(word)], made
            solved["word"] += 1
    assert min(solved.values()) > 10


def test_draws_vary_and_are_reproducible_and_prompts_short(spec: TaskSpec) -> None:
    first, again = random.Random(3), random.Random(3)
    draws = [spec.draw(first) for _ in range(80)]
    assert draws == [spec.draw(again) for _ in range(80)]
    assert json.loads(json.dumps(draws)) == draws
    assert {one["turns"] for one in draws} == {1, 2, 3, 4}
    assert len({spec.prompt(one).user for one in draws}) == 80
    assert len({spec.prompt(one).system for one in draws}) == 1
    assert all(len(spec.prompt(one).user) < 250 for one in draws)


def test_the_judge_gets_the_conversation_and_described_levels(spec: TaskSpec) -> None:
    question = spec.judge(conversation("Paris?", "Paris is in France.", "Rome?", "Rome is in Italy."))
    assert question is not None
    assert (
        question.user == "Person: Paris?\nAssistant: Paris is in France.\nPerson: Rome?\n\nThe reply: Rome is in Italy."
    )
    assert all(f"Level {level}:" in question.system for level in range(1, 6)) and JUDGE_PASSES == 4


def test_another_language_is_asked_for_and_checked() -> None:
    german = task_spec("chat", {"language": "de"})
    assert "German" in german.prompt(drawn()).user
    german.verify(drawn(), [answer("Das Brot geht auf, weil die Hefe Gas macht.", "Warum geht das Brot auf?")])
    with pytest.raises(Rejected, match="wrong language"):
        german.verify(drawn(), [answer(GOOD)])
    with pytest.raises(DataError, match="English alone"):
        german.built_in(random.Random(1))
    japanese = task_spec("chat", {"language": "ja"})
    japanese.check(conversation("パンはなぜ膨らみますか", "酵母がガスを出すからです"))


def test_options_that_make_no_sense_are_refused() -> None:
    for options, sentence in (({"language": "xx"}, "must be one of"), ({"tone": "x"}, "it knows language")):
        with pytest.raises(DataError, match=sentence):
            task_spec("chat", cast(Json, options))


def test_hostile_answers_are_refused_quickly_and_verify_survives_pickling(spec: TaskSpec) -> None:
    copy = pickle.loads(pickle.dumps(spec))
    hostile = [
        answer("a" * 3_000_000), answer("so " * 6_000), answer("(" * 19_000), answer(GOOD, "x " * 9_000),
        answer(GOOD, earlier=[TURN] * 100_000), answer({"a": [1] * 1000}), {}, answer("ok\x00"), answer("\ud800"),
    ]  # fmt: skip
    started = time.process_time()
    for given in hostile:
        with pytest.raises(Rejected):
            copy.verify(drawn(), [given])
    assert time.process_time() - started < 5
    assert copy.verify(drawn(), [answer(GOOD)]) == spec.verify(drawn(), [answer(GOOD)])


@pytest.mark.parametrize(
    ("wanted", "got", "score"),
    [  # from sacrebleu 2.6.0, CHRF().sentence_score
        ("The capital of France is Paris.", "Paris is the capital of France.", 0.7425),
        ("Hello! What can I do for you?", "Hi there, how can I help you?", 0.2101),
        ("That is 12.", "That is 21.", 0.5577),
        ("abc", "abd", 0.3889),
        ("It is Fe.", "The chemical symbol of iron is Fe.", 0.2608),
        ("yes", "no", 0.0),
        ("abc", "abcdefgh", 0.6557),
    ],
)
def test_chrf_agrees_with_sacrebleu(spec: TaskSpec, wanted: str, got: str, score: float) -> None:
    assert round(chrf(wanted, got), 4) == score == round(spec.score({"reply": wanted}, {"reply": got}), 4)


def test_chrf_of_the_same_is_one_and_of_nothing_zero(spec: TaskSpec) -> None:
    assert chrf("Hello there!", "Hello  there!") == 1 and chrf("", "") == 1 and chrf("a", "") == 0
    assert spec.score({"reply": "yes"}, {}) == 0
