"""Conversations in, texts out: chat and code, with the checks that a device makes of a stranger's request."""

from __future__ import annotations

import pytest

from edge_runtime.errors import BadRequest
from edge_runtime.tasks import chat, code
from edge_runtime.tasks.dialogue import MAX_CHARACTERS, alike, conversation


def test_a_conversation_is_passed_on_as_it_is() -> None:
    talk = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes?"},
        {"role": "user", "content": "?"},
    ]
    assert chat.messages({"messages": talk}) == talk
    assert chat.messages({"text": "hi"}) == [talk[0]]
    assert chat.answer({}, chat.reply({}, {"reply": "Hello."})) == {"reply": "Hello.", "unsure": False}
    assert chat.answer({}, " \n")["unsure"] is True


@pytest.mark.parametrize(
    "messages",
    [
        None, [], "hi", [{"role": "user"}], [{"role": "robot", "content": "x"}], [{"role": "assistant", "content": "x"}],
        [{"role": "user", "content": ["x"]}], [{"role": "user", "content": "x" * (MAX_CHARACTERS + 1)}], [7],
        [{"role": "user", "content": "x"}] * 65,
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_refused_in_one_sentence(messages: object) -> None:
    with pytest.raises(BadRequest) as found:
        conversation(messages)
    assert str(found.value).endswith((".", "text.", "answered."))


def test_code_that_python_can_not_parse_is_unsure_and_never_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert code.answer({}, "def f(x):\n    return x\n")["unsure"] is False
    assert code.answer({}, "def f(x:\n")["unsure"] is True
    assert code.answer({}, "print('run')")["unsure"] is False and not capsys.readouterr().out
    [asked] = code.messages({"prompt": "Add.", "signature": "def add(a: int, b: int) -> int:"})
    assert asked == {"role": "user", "content": "Add.\ndef add(a: int, b: int) -> int:"}


ADD = {"prompt": "Add.", "signature": "def add(a: int, b: int = 1) -> int:"}


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("def add(a: int, b: int = 1) -> int:\n    return a + b\n", True),
        ("import math\n\n\ndef add(a, b):\n    return math.fsum(x for x in (a, b))\n", True),
        (
            "def add(a, b):\n    try:\n        return a + b\n    except TypeError as error:\n        return str(error)\n",
            True,
        ),
        ("def plus(a, b):\n    return a + b\n", False),
        ("def add(a, c):\n    return a + c\n", False),
        ("def add(a, b):\n    return math.fsum((a, b))\n", False),
        ("def add(a, b):\n    pass\nreturn a\n", False),
        ("x = 1\n", False),
        ("", False),
        ("(" * 5000, False),
        ("def add(a, b):\n    return ①\n", False),
    ],
)
def test_code_that_can_not_be_what_was_asked_is_unsure(text: str, usable: bool) -> None:
    assert code.answer(dict(ADD), text) == {"code": text, "unsure": not usable}
    assert code.answer({"prompt": "Add.", "signature": "add(a"}, text)["unsure"] in (False, not usable)


def test_texts_of_two_runtimes_may_differ_in_some_words() -> None:
    assert alike("It has 31 days.", "It has 30 days.") and not alike("It has 31 days.", "zzz qqq") and alike(None, None)
