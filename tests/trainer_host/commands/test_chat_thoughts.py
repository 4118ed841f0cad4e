"""`enigma chat` shows a chain of thought where it is asked to, and never keeps it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from edge_runtime.tasks import Specialist
from tests.edge_runtime.api.test_reasoning import ASKED, RIGHT, model
from trainer_host.chatting import Message, Wishes, _local
from trainer_host.commands.chat import _answer


@pytest.mark.parametrize("thoughts", [True, False])
def test_thoughts_are_shown_only_where_they_are_asked_for_and_never_kept(
    thoughts: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    specialist = cast(Specialist, SimpleNamespace(language=model(f"<think>{RIGHT}</think>It is 12.")))
    messages: list[Message] = []
    _answer(_local(specialist, Wishes(thoughts=thoughts)), messages, str(ASKED[0]["content"]))
    assert capsys.readouterr().out == (f"[{RIGHT}]\nIt is 12.\n" if thoughts else "It is 12.\n")
    assert messages[-1] == {"role": "assistant", "content": "It is 12."}


def test_a_thought_that_is_cut_off_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    specialist = cast(Specialist, SimpleNamespace(language=model(f"<think>{RIGHT}</think>It is 12.")))
    messages: list[Message] = []
    _answer(_local(specialist, Wishes(max_tokens=14, thoughts=True)), messages, str(ASKED[0]["content"]))
    out = capsys.readouterr().out
    assert out.startswith("[3 + ") and out.endswith("]\n") and messages[-1]["content"] == ""
