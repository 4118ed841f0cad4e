"""A server that doesn't take a part of a request is asked in another form, and that is remembered."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.trainer_host.teacher import faults
from tests.trainer_host.teacher.fake_api import Asked, FakeApi, Fault
from tests.trainer_host.teacher.teachers import question, teacher_for
from trainer_host.errors import AskFailed
from trainer_host.teacher.parse import read_answer
from trainer_host.teacher.providers import Dialect

pytestmark = pytest.mark.usefixtures("short_pauses")


def takes_no_schema(asked: Asked) -> Fault | None:
    if "response_format" in asked.body:
        return faults.status(400, "This response_format type is unavailable now")
    return None


async def test_a_server_without_schemas_is_asked_in_the_prompt_from_then_on(api: FakeApi, tmp_path: Path) -> None:
    api.script = takes_no_schema
    api.answer = lambda asked: '```json\n{"text": "a", "number": 1}\n```'
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        replies = await asyncio.gather(*(teacher.ask(question(number)) for number in range(50)))
        assert teacher.counts["dialect learned"] == 1 and teacher.dialect.schema == "prompt"
    assert len(api.asked) - 50 <= 8  # those that were open when it was found out
    assert read_answer(replies[0].text, question().schema) == {"text": "a", "number": 1}
    assert "must be valid by this JSON Schema" in api.answered[0].system
    sent = len(api.asked)
    async with teacher_for(api.endpoint(), tmp_path) as teacher:  # it is remembered, so the cache still hits
        assert (await teacher.ask(question(7))).cached
        await teacher.ask(question(99))
    assert len(api.asked) == sent + 1


async def test_all_parts_of_a_dialect_are_learned_one_after_the_other(api: FakeApi, tmp_path: Path) -> None:
    def picky(asked: Asked) -> Fault | None:
        if "max_tokens" in asked.body:
            return faults.status(400, "'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
        if "temperature" in asked.body:
            return faults.status(400, "Unsupported value: 'temperature'. Only the default (1) value is supported.")
        if "reasoning_effort" in asked.body:
            return faults.status(400, "Unrecognized request argument supplied: reasoning_effort")
        if "maxLength" in json.dumps(asked.body.get("response_format")).replace("{maxLength", ""):
            return faults.status(400, "Invalid schema for response_format 'answer': 'maxLength' is not permitted.")
        return None

    api.script = picky
    endpoint = api.endpoint(dialect=Dialect(), options=(("reasoning_effort", "low"),))
    async with teacher_for(endpoint, tmp_path) as teacher:
        await teacher.ask(question())
        assert teacher.dialect == Dialect("subset", "max_completion_tokens", temperature=False, options=False)
    assert len(api.asked) == 5


async def test_a_server_that_refuses_every_form_is_given_up(api: FakeApi, tmp_path: Path) -> None:
    turn = iter(range(1000))

    def contrary(asked: Asked) -> Fault:
        name = "max_tokens" if "max_tokens" in asked.body else "max_completion_tokens"
        other = "max_completion_tokens" if name == "max_tokens" else "max_tokens"
        return faults.status(400, f"{next(turn)}: '{name}' is not supported, use '{other}'")

    api.script = contrary
    async with teacher_for(api.endpoint(), tmp_path) as teacher:
        with pytest.raises(AskFailed, match="refused the request"):
            await teacher.ask(question())
    assert len(api.asked) <= 10
