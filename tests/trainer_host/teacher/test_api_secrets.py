"""The key never shows: not in logs, exceptions, reprs, the cache, the audit log, or the locals of a traceback."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainer_host.teacher import faults
from tests.trainer_host.teacher.fake_api import Asked, FakeApi, Fault
from tests.trainer_host.teacher.faults import always
from tests.trainer_host.teacher.teachers import PATIENCE, question, secret_of, teacher_for
from trainer_host.teacher.check import check_key, list_models
from trainer_host.teacher.protocol import Key, Secret
from trainer_host.teacher.providers import Wire

TEAM = "team-header-value-0123456789"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer_host.teacher.api._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("trainer_host.teacher.api.RETRIES", 1)


def told(error: BaseException) -> Iterator[str]:
    """All that an error could tell: its text, its own and its causes' frames with their locals."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield repr(one)
        yield "".join(traceback.TracebackException.from_exception(one, capture_locals=True).format())
        todo += [one.__cause__, one.__context__]


def pieces(secret: str) -> list[str]:
    return [secret[at : at + 12] for at in range(len(secret) - 11)]


FAULTS: dict[str, Fault | None] = {
    "none": None,
    "401 that repeats it": faults.echo_key(401),
    "400 that repeats it": faults.echo_key(400),
    "404 that repeats it": faults.echo_key(404),
    "500 that repeats it": faults.echo_key(500),
    "429 that repeats it": faults.echo_key(429),
    "a reply that repeats it": None,  # by the answer below
    "no JSON": faults.raw(secret_of("work").encode()),
    "no reply": faults.raw(b'{"you": "' + secret_of("work").encode() + b'"}'),
    "a page": faults.page(),
    "cut": faults.cut(),
    "silence": faults.hang(),
    "too long": faults.too_long(),
    "redirect": faults.redirect(f"https://elsewhere.example/{secret_of('work')}"),
}


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("name", FAULTS)
async def test_nothing_that_is_raised_logged_shown_or_written_holds_the_key(
    name: str, wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture, leap: Callable[[float], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    asyncio.get_running_loop().slow_callback_duration = 0.0
    shown: list[str] = []
    async with FakeApi() as api:
        fault = FAULTS[name]

        def script(asked: Asked) -> Fault | None:
            if name == "silence":
                leap(PATIENCE)
            return fault

        api.script = script
        if name == "a reply that repeats it":
            api.answer = lambda asked: f"your key is {asked.key}"
        endpoint = api.endpoint(wire, headers=(("x-team", TEAM),))
        async with teacher_for(endpoint, tmp_path, patience=2.0) as teacher:
            task = asyncio.create_task(teacher.ask(question()), name="asking")
            await asyncio.wait([task])
            shown += [repr(task), repr(teacher), repr(vars(teacher)), repr(teacher.ring._places)]
            if (error := task.exception()) is not None:
                shown += told(error)
            else:
                shown.append(repr(task.result()))
            assert (error is None) == (fault is None)
        for asked in api.asked:  # it did go out
            assert secret_of("work") in str(asked.headers) and TEAM in str(asked.headers)
    shown += [record.getMessage() + repr(record.args) + repr(record.exc_info) for record in caplog.records]
    shown += [file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file()]
    text = "\n".join(shown)
    assert len(text) > 1000
    for secret in (secret_of("work"), TEAM):
        for piece in pieces(secret):
            assert piece not in text, f"{piece} in {next(one for one in shown if piece in one)[:2000]}"


async def test_a_cancelled_request_does_not_show_the_key_either(tmp_path: Path) -> None:
    async with FakeApi(script=always(faults.hang())) as api, teacher_for(api.endpoint(), tmp_path) as teacher:
        task = asyncio.create_task(teacher.ask(question()))
        while not api.asked:  # noqa: ASYNC110  # the fake has no event for it
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
    text = "\n".join(told(cancelled.value))
    assert secret_of("work") not in text


async def test_an_error_in_the_depth_of_the_client_does_not_show_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a mistake in a library, which nobody catches."""
    from aiohttp.client_reqrep import ClientRequest

    async def broken(self: ClientRequest, *args: object, **more: object) -> None:
        headers = self.headers
        raise RuntimeError(f"a mistake with {len(headers)} headers")

    monkeypatch.setattr(ClientRequest, "_send", broken, raising=False)
    monkeypatch.setattr(ClientRequest, "send", broken, raising=False)
    async with FakeApi() as api, teacher_for(api.endpoint(), tmp_path) as teacher:
        with pytest.raises(RuntimeError, match="a mistake") as raised:
            await teacher.ask(question())
    text = "\n".join(told(raised.value))
    assert "'...'" in text  # the frame with the headers is there
    assert secret_of("work") not in text


@pytest.mark.parametrize("fault", [401, 429, 500, 404])
async def test_a_check_of_a_key_does_not_show_it(tmp_path: Path, fault: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = Key("work", Secret(secret_of("work")))
    async with FakeApi(keys=set()) as api:
        endpoint = api.endpoint()
        checked = await check_key(endpoint, key)
        assert checked.state == "refused"
        with pytest.raises(Exception, match="401") as raised:
            await list_models(endpoint, key)
        with pytest.raises(Exception, match="reached") as unreached:
            await check_key(replace(endpoint, base_url="http://127.0.0.1:9/v1"), key)
    text = "\n".join([repr(checked), caplog.text, *told(raised.value), *told(unreached.value)])
    assert secret_of("work") not in text


def test_a_key_cannot_leave_by_pickle() -> None:
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(Key("work", Secret(secret_of("work"))))
