"""Rows S008e to S008i, the host's half: lessons over the API, with a provider on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import re
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from tests.trainer_host.samples import REPO
from tests.trainer_host.server.answers import passing
from tests.trainer_host.server.conftest import KEY, Client, Json, add_fake, serving
from tests.trainer_host.teacher import faults
from tests.trainer_host.teacher.fake_api import FakeApi
from tests.trainer_host.teacher.faults import always
from tests.trainer_host.teacher.teachers import PRICE
from trainer_host.server.timetable import MAX_WAITING
from trainer_host.tasks import TASKS
from trainer_host.teacher.audit import Call, audit_path, entries
from trainer_host.workspace import Workspace

FIELDS = {
    "id", "name", "tasks", "examples_per_task", "provider", "state", "progress", "accepted", "rejected", "errors",
    "cost_usd", "rate_per_min", "eta_s", "message", "datasets",
}  # fmt: skip
pytestmark = pytest.mark.usefixtures("no_processes")  # test_whole_lesson.py has them
FREE_AT_ONCE = {"tasks": ["avatar"], "examples_per_task": 10, "provider": "built-in"}


def order(tasks: list[str], examples: int = 10, **more: object) -> Json:
    return {"tasks": tasks, "examples_per_task": examples, "provider": "fake", **more}


async def begin(client: Client, body: Json) -> str:
    answer = await client.call("POST", "/v1/lessons", body)
    assert answer.status == 202 and answer.json.keys() == {"id"}, answer.text
    return str(answer.json["id"])


async def test_tasks_have_titles_and_presets_are_those_of_the_docs(client: Client, workspace: Workspace) -> None:
    run = workspace.runs / "front-desk"
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"format": 1, "task": "router"}')
    found = await client.get("/v1/tasks")
    tasks = found["tasks"]
    assert isinstance(tasks, list)
    assert [task["name"] for task in tasks] == list(TASKS)
    assert all(task.keys() == {"name", "title", "trained"} and task["title"] for task in tasks)
    assert [task["name"] for task in tasks if task["trained"]] == ["router"]

    page = (REPO / "docs" / "host-api.md").read_text(encoding="utf-8")
    table = page.split("| preset | tasks |")[1].split("\n\n")[0]
    documented = {
        row[0]: re.findall(r"`([^`]+)`", row[1]) for row in re.findall(r"^\| `(\w+)` \|(.*)\|$", table, re.MULTILINE)
    }
    assert found["presets"] == documented
    assert documented.keys() == {"all", "basic", "creative", "none"}


@pytest.mark.parametrize("path", ["/v1/lessons", "/v1/estimates"])
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"examples_per_task": 9}, "from 10 to 500"),
        ({"examples_per_task": 501}, "from 10 to 500"),
        ({"examples_per_task": 10.5}, "whole number"),
        ({"examples_per_task": "10"}, "whole number"),
        ({"examples_per_task": True}, "whole number"),
        ({"examples_per_task": None}, "whole number"),
        ({"tasks": []}, "at least one"),
        ({"tasks": None}, "at least one"),
        ({"tasks": "avatar"}, "at least one"),
        ({"tasks": ["juggling"]}, "chat, code"),
        ({"tasks": ["avatar", 5]}, "chat, code"),
        ({"tasks": ["avatar", "avatar"]}, "once"),
        ({"provider": ""}, '"provider"'),
        ({"provider": "nobody"}, "no provider"),
        ({"provider": "openai"}, "no key"),
        ({"colour": "red"}, "nothing else"),
        ({"provider": "local", "model": "/etc/passwd"}, "enigma teacher models"),
        ({"provider": "local", "model": "../weights.gguf"}, "enigma teacher models"),
        ({"provider": "local", "model": "weights.gguf"}, "enigma teacher models"),
    ],
)
async def test_what_cannot_be_taught_is_422_and_nothing_begins(
    client: Client, provider: FakeApi, path: str, change: Json, word: str
) -> None:
    await add_fake(client, provider)
    answer = await client.call("POST", path, {**order(["avatar"]), **change})
    assert answer.status == 422 and word in answer.message, answer.text
    assert (await client.get("/v1/lessons"))["lessons"] == []
    assert provider.asked == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"budget": 0}, "above zero"),
        ({"budget": "-1"}, "above zero"),
        ({"budget": "much"}, "above zero"),
        ({"budget": True}, '"budget"'),
        ({"budget": "2.00"}, "price"),  # of a model whose price isn't known it can't be kept
        ({"name": "Not A Name"}, "can't be a name"),
        ({"name": "../x"}, "can't be a name"),
        ({"name": "x" * 60}, "at most 48"),
    ],
)
async def test_budgets_and_names_that_cannot_be_are_422(
    client: Client, provider: FakeApi, change: Json, word: str
) -> None:
    await add_fake(client, provider)
    answer = await client.call("POST", "/v1/lessons", {**order(["avatar"]), **change})
    assert answer.status == 422 and word in answer.message, answer.text


@pytest.mark.parametrize("examples", [10, 500])
async def test_the_bounds_themselves_are_taken(client: Client, provider: FakeApi, examples: int) -> None:
    await add_fake(client, provider)
    answer = await client.call("POST", "/v1/estimates", order(["avatar"], examples))
    assert answer.status == 200


async def test_an_estimate_says_a_range_and_sends_nothing(
    client: Client, provider: FakeApi, workspace: Workspace
) -> None:
    pytest.importorskip("genai_prices")
    await client.call("POST", "/v1/keys", {"provider": "openai", "name": "work", "key": KEY})
    few, many = [
        (await client.call("POST", "/v1/estimates", {**order(["router", "avatar"], n), "provider": "openai"})).json
        for n in (10, 500)
    ]
    for found in (few, many):
        assert found.keys() == {"cost_usd", "sentences"}
        cost = found["cost_usd"]
        assert isinstance(cost, dict) and cost.keys() == {"likely", "low", "high"}
        assert 0 < Decimal(cost["low"]) < Decimal(cost["likely"]) < Decimal(cost["high"]) < 100
        assert isinstance(found["sentences"], list) and any("gpt-5-mini" in said for said in found["sentences"])
    assert float(many["cost_usd"]["likely"]) == pytest.approx(50 * float(few["cost_usd"]["likely"]), rel=0.3)  # type: ignore[index]
    assert not (workspace.teacher / "audit.jsonl").exists()  # no call was made

    await add_fake(client, provider)
    unknown = (await client.call("POST", "/v1/estimates", order(["avatar"]))).json
    assert unknown["cost_usd"] is None and unknown["sentences"]
    free = (await client.call("POST", "/v1/estimates", {**order(["avatar"]), "provider": "local"})).json
    assert free["cost_usd"] == {"likely": "0.000000", "low": "0.000000", "high": "0.000000"}
    assert provider.asked == []


def calls(workspace: Workspace) -> list[Call]:
    """All requests that were sent, by the audit log."""
    return [entry.call for entry in entries(audit_path(workspace))]


def assert_none_sent_again(workspace: Workspace, provider: FakeApi, before: list[Call], unlogged: int = 0) -> None:
    """What was answered before isn't sent again, by the log and by what the provider saw.

    unlogged: requests that were open when the process was killed that would have written their lines.
    """
    answered = {call.request for call in before if call.outcome == "answered"}
    since = {call.request for call in calls(workspace)[len(before) :]}
    assert answered and since and not answered & since
    given_up = sum(call.outcome == "cancelled" for call in before) + unlogged
    twice = sum(count - 1 for count in provider.by_body.values())
    assert twice <= given_up + provider.refused
    assert len(provider.asked) <= len(calls(workspace)) + unlogged


async def test_a_cancelled_lesson_sends_nothing_more_and_goes_on_without_asking_again(
    client: Client, provider: FakeApi, workspace: Workspace
) -> None:
    await add_fake(client, provider)
    provider.latency, provider.concurrency = 0.5, 6  # 12 a second: far slower than they are verified, or looked at
    id_ = await begin(client, order(["router"], 100))
    standing = await client.until(id_, lambda lesson: float(str(lesson["progress"])) >= 0.3)
    cancelled = await client.call("POST", f"/v1/lessons/{id_}/cancel")
    assert cancelled.status == 202 and standing["state"] == "running"
    standing = await client.ended(id_)
    assert standing["state"] == "cancelled"
    assert "kept" in str(standing["message"]) and standing["eta_s"] is None
    asked, kept = len(provider.asked), float(str(standing["progress"]))
    await asyncio.sleep(1.0)  # what was asked before it ended would be answered in half of that
    assert len(provider.asked) == asked and provider.active == 0
    assert 0.3 <= kept < 1
    again = await client.call("POST", f"/v1/lessons/{id_}/cancel")
    assert again.status == 409

    before = calls(workspace)
    assert sum(call.outcome == "answered" for call in before) >= 30
    provider.latency, provider.concurrency = 0.05, None
    resumed = await client.call("POST", f"/v1/lessons/{id_}/resume")
    assert resumed.status == 202 and float(str(resumed.json["progress"])) == kept
    seen = []
    while not seen or seen[-1]["state"] in ("open", "running"):
        seen.append(await client.lesson(id_))
        await asyncio.sleep(0.1)
    assert all(float(str(one["progress"])) >= kept for one in seen)
    assert seen[-1]["state"] == "done" and seen[-1]["accepted"] == 100 and len(provider.asked) > asked
    assert_none_sent_again(workspace, provider, before)
    assert (await client.call("POST", f"/v1/lessons/{id_}/resume")).status == 409


async def test_a_lesson_goes_on_when_its_client_goes_away(workspace: Workspace, provider: FakeApi) -> None:
    async with serving(workspace) as client:
        await add_fake(client, provider)
        provider.latency = 0.05
        headers = {"Authorization": f"Bearer {client.token}"}
        async with client.session.ws_connect(f"{client.url}/v1/events", headers=headers) as socket:
            id_ = await begin(client, order(["avatar"], 20))
            await socket.receive_str(timeout=60)
        await client.session.close()
        async with aiohttp.ClientSession() as another:
            client.session = another
            assert (await client.ended(id_))["state"] == "done"


async def test_a_restart_leaves_lessons_open_and_resumes_them_without_asking_again(
    workspace: Workspace, provider: FakeApi
) -> None:
    async with serving(workspace) as client:
        await add_fake(client, provider)
        provider.latency = 0.05
        provider.script = lambda asked: faults.hang() if asked.number > 90 else None  # so that it isn't done before
        running = await begin(client, order(["router"], 100))
        waiting = await begin(client, order(["avatar"], 10))
        await client.until(running, lambda lesson: float(str(lesson["progress"])) >= 0.3)
    asked, before = len(provider.asked), calls(workspace)
    provider.script = None
    async with serving(workspace) as client:
        listed = (await client.get("/v1/lessons"))["lessons"]
        assert isinstance(listed, list)
        assert [(one["id"], one["state"]) for one in listed] == [(waiting, "open"), (running, "open")]
        assert listed[1]["progress"] >= 0.3 and listed[1].keys() == FIELDS
        await asyncio.sleep(0.5)
        assert len(provider.asked) == asked  # nothing begins by itself
        await client.call("POST", f"/v1/lessons/{running}/resume")
        await client.call("POST", f"/v1/lessons/{waiting}/resume")
        assert (await client.ended(waiting))["state"] == "done"
        assert (await client.lesson(running))["accepted"] == 100
    assert_none_sent_again(workspace, provider, before)


async def test_one_lesson_runs_the_others_wait_and_the_queue_is_bounded(client: Client, provider: FakeApi) -> None:
    await add_fake(client, provider)
    provider.script = always(faults.hang())
    first = await begin(client, order(["avatar"]))
    await client.until(first, lambda lesson: lesson["state"] == "running")
    others = [await begin(client, order(["avatar"])) for _ in range(MAX_WAITING)]
    assert [first, *others] == ["fake", *(f"fake-{number}" for number in range(2, MAX_WAITING + 2))]
    full = await client.call("POST", "/v1/lessons", order(["avatar"]))
    assert full.status == 503 and int(full.headers["retry-after"]) > 0 and "waiting" in full.message
    standing = await client.lesson(others[0])
    assert standing["state"] == "open" and "lessons before it" in str(standing["message"])
    assert (await client.call("POST", f"/v1/lessons/{others[0]}/resume")).status == 202  # waits already
    for id_ in others[1:]:
        assert (await client.call("POST", f"/v1/lessons/{id_}/cancel")).json["state"] == "cancelled"
    provider.script = None
    await client.call("POST", f"/v1/lessons/{first}/cancel")
    assert (await client.ended(others[0]))["state"] == "done"
    taken = await client.call("POST", "/v1/lessons", order(["avatar"], name=first))
    assert taken.status == 409 and "resume it" in taken.message


async def test_lessons_of_a_name_that_is_free_ask_for_other_examples(client: Client, provider: FakeApi) -> None:
    await add_fake(client, provider)
    for _ in range(2):
        assert (await client.ended(await begin(client, order(["avatar"]))))["state"] == "done"
    assert max(provider.by_body.values()) == 1


async def test_a_dataset_is_not_replaced_by_a_lesson(client: Client, workspace: Workspace) -> None:
    (workspace.data / "mine-avatar").mkdir(parents=True)
    answer = await client.call("POST", "/v1/lessons", {**FREE_AT_ONCE, "name": "mine"})
    assert answer.status == 409 and "'mine-avatar'" in answer.message


async def test_a_provider_that_is_not_there_stops_the_lesson_with_its_reason(client: Client, provider: FakeApi) -> None:
    await add_fake(client, provider)
    await provider.stop()
    id_ = await begin(client, order(["avatar"]))
    standing = await client.ended(id_)
    assert standing["state"] == "stopped" and "can't be reached" in str(standing["message"])
    assert standing["progress"] == 0
    port = int(provider.url.rpartition(":")[2])
    await provider.start(port)
    await client.call("POST", f"/v1/lessons/{id_}/resume")
    assert (await client.ended(id_))["state"] == "done"


async def test_answers_that_never_pass_fail_the_lesson_with_its_reason(client: Client, provider: FakeApi) -> None:
    await add_fake(client, provider)
    provider.answer = lambda asked: "I would rather talk"
    standing = await client.ended(await begin(client, order(["avatar"])))
    assert standing["state"] == "failed" and "None of 40 answers for avatar passed" in str(standing["message"])
    assert standing["accepted"] == 0 and sum(standing["rejected"].values()) == 40  # type: ignore[attr-defined]
    assert float(str(standing["progress"])) < 1 and standing["datasets"] == {}


async def test_a_lesson_that_gave_fewer_examples_says_so(client: Client, provider: FakeApi) -> None:
    await add_fake(client, provider)
    provider.answer = lambda asked: passing(asked) if asked.number <= 6 else "I would rather talk"
    standing = await client.ended(await begin(client, order(["router"])))
    assert standing["state"] == "done" and standing["progress"] == 1
    assert 0 < int(str(standing["accepted"])) < 10
    assert standing["message"] == f"Of 10 examples each: router {standing['accepted']}; a better model gives more."


async def test_a_mistake_of_our_own_fails_one_lesson_and_not_the_next(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object, **more: object) -> None:
        raise ZeroDivisionError("a mistake")

    with monkeypatch.context() as patch:
        patch.setattr("trainer_host.server.timetable.give", broken)
        standing = await client.ended(await begin(client, FREE_AT_ONCE))
    assert standing["state"] == "failed" and "host's log" in str(standing["message"])
    assert "ZeroDivisionError" in caplog.text

    def without_a_package(*args: object, **more: object) -> None:
        raise ModuleNotFoundError("No module named 'gymnasium'", name="gymnasium")

    with monkeypatch.context() as patch:
        patch.setattr("trainer_host.server.timetable.give", without_a_package)
        patch.setattr("trainer_host.server.lessons.estimates", without_a_package)
        patch.setattr("trainer_host.server.lessons.opened", lambda *args: contextlib.nullcontext())
        standing = await client.ended(await begin(client, FREE_AT_ONCE))
        estimate = await client.call("POST", "/v1/estimates", {**FREE_AT_ONCE, "provider": "ollama"})
    assert standing["state"] == "failed" and "'gymnasium' is missing" in str(standing["message"])
    assert estimate.status == 422 and "'gymnasium' is missing" in estimate.message
    assert (await client.ended(await begin(client, FREE_AT_ONCE)))["state"] == "done"


async def test_a_budget_stops_the_lesson_and_a_larger_one_goes_on(
    client: Client, provider: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("trainer_host.teacher.opening", "trainer_host.server.lessons"):
        monkeypatch.setattr(f"{module}.price_of", lambda endpoint, own=None: PRICE)
    await add_fake(client, provider)
    id_ = await begin(client, order(["avatar"], 20, budget=0.008))
    standing = await client.ended(id_)
    assert standing["state"] == "stopped" and "budget" in str(standing["message"])
    assert 0 < Decimal(str(standing["cost_usd"])) <= Decimal("0.008")
    wrong = await client.call("POST", f"/v1/lessons/{id_}/resume", {"budget": "none"})
    assert wrong.status == 422
    await client.call("POST", f"/v1/lessons/{id_}/resume", {"budget": "1.00"})
    standing = await client.ended(id_)
    assert standing["state"] == "done"
    paid = (PRICE.input * provider.billed["input"] + PRICE.output * provider.billed["output"]) / 1_000_000
    # A request that was open when the budget stopped the lesson counts as its worst case: nobody knows if it was billed.
    assert paid - Decimal("0.00001") <= Decimal(str(standing["cost_usd"])) <= paid + Decimal("0.008")


async def test_lessons_that_are_not_there_are_404(client: Client) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/resume")):
        assert (await client.call(method, f"/v1/lessons/none{path}")).status == 404


async def test_damaged_files_of_the_server_are_passed_over(workspace: Workspace) -> None:
    async with serving(workspace) as client:
        id_ = await begin(client, FREE_AT_ONCE)
        await client.ended(id_)
    folder = workspace.home / "server" / "lessons"
    good = (folder / f"{id_}.json").read_text()
    for number, text in enumerate((good[:20], "[]", good.replace('"done"', '"tired"'), good.replace("10", '"x"'))):
        Path(folder / f"bad-{number}.json").write_text(text)
    async with serving(workspace) as client:
        listed = (await client.get("/v1/lessons"))["lessons"]
        assert isinstance(listed, list) and {one["id"] for one in listed} == {id_}
