"""A running pipeline: who goes before whom, what is dropped, and what happens when something fails."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator

from edge_runtime.errors import BadRequest, Overloaded
from edge_runtime.pipelines.items import Captured, Item, SourceError
from edge_runtime.pipelines.runner import State
from edge_runtime.pipelines.sources import open_source
from edge_runtime.pipelines.topics import Message, Topics
from edge_runtime.serving.turns import PRIORITIES, Urgency

from .host import EVENT, TIMER, Given, Host, Json, Kept, pipeline, running, until

EYE = '[[models]]\nspecialist = "eye"\n'
ENDS = TIMER.format(count=1)  # declares a source that ends; the test's own takes its place


async def echo(request: Json) -> Json:
    return dict(request)


async def test_a_slow_model_gets_the_newest_and_the_rest_is_counted_and_times_go_through() -> None:
    async def slow(request: Json) -> Json:
        await until(lambda: made.plain()["in"] == 20)
        return {"n": request["n"]}

    kept = Kept()
    source = Given(*({"n": number} for number in range(20)))
    made = running(pipeline(ENDS + EYE + "queue = 3\n" + EVENT), Host(eye=slow), source, kept)
    await asyncio.wait_for(made.run(), 60)
    numbers = [item.answer["n"] for item in kept.items if item.answer]
    assert numbers[-3:] == [17, 18, 19] and len(numbers) <= 4
    told = made.plain()
    assert (told["in"], told["out"], told["dropped"], told["state"]) == (20, len(numbers), 20 - len(numbers), "ended")
    for item in kept.items:
        assert item.answer is not None and item.captured == Captured(
            100.0 + item.answer["n"], 1000.0 + item.answer["n"]
        )  # type: ignore[operator]
        assert item.plain("x")["ms"] == {"eye": 1.0}
    assert kept.closed


async def test_a_slow_sink_holds_up_neither_models_nor_other_sinks() -> None:
    class Slow(Kept):
        async def deliver(self, item: Item) -> bool:
            await until(lambda: len(fast.items) == 50)
            return await super().deliver(item)

    fast, slow = Kept(), Slow()
    made = running(
        pipeline(ENDS + EYE + "queue = 100\n" + EVENT + EVENT.replace("1000", "2")),
        Host(eye=echo),
        Given(*({"n": number} for number in range(50))),
        fast,
        slow,
    )
    await asyncio.wait_for(made.run(), 60)
    assert len(fast.items) == 50 and 2 <= len(slow.items) <= 4
    assert made.dropped == 50 - len(slow.items)


async def test_models_follow_one_another_as_their_answers_say_or_stand_side_by_side() -> None:
    async def route(request: Json) -> Json:
        return {"label": "light" if "light" in str(request["text"]) else "talk", "confidence": 0.9}

    async def home(request: Json) -> Json:
        return {"calls": [{"name": "on"}], "heard": request}

    text = """
        [source]
        kind = "timer"
        every_seconds = 1
        count = 1
        [[models]]
        specialist = "route"
        priority = "high"
        deadline_ms = 50
        [[models]]
        specialist = "home"
        after = "route"
        when = { label = "light" }
        request = { text = "$item.text", label = "$answer.label", cost = "$$5", inventory = { areas = [] } }
        [[models]]
        specialist = "mood"
        """
    host, of_home, of_route = Host(route=route, home=home, mood=echo), Kept(), Kept()
    declared = pipeline(text + EVENT + 'after = "home"\n' + EVENT + 'after = ["route", "mood"]\nmin_confidence = 0.5\n')
    source = Given({"text": "light on"}, {"text": "hello"}, seconds=0.01)
    await asyncio.wait_for(running(declared, host, source, of_home, of_route).run(), 60)
    [answered] = of_home.items
    asked = {"text": "light on", "label": "light", "cost": "$5", "inventory": {"areas": []}}
    assert answered.answer == {"calls": [{"name": "on"}], "heard": asked} and set(answered.took) == {"route", "home"}
    assert [item.model for item in of_route.items] == ["route", "route"]  # what mood said has no confidence
    assert sorted(name for name, _, _ in host.asked) == ["home", "mood", "mood", "route", "route"]
    assert host.asked[0][2] == Urgency(PRIORITIES["high"], 0.05)


async def test_a_source_that_fails_is_opened_again_after_longer_and_longer_pauses_and_recovers() -> None:
    opened: list[float] = []
    loop = asyncio.get_running_loop()

    class Failing:
        async def items(self) -> AsyncGenerator[Item, None]:
            opened.append(loop.time())
            if len(opened) < 4:
                raise SourceError("The cable is out.")
            for number in range(2):
                yield Item({"n": number}, Captured.now(), 0.0, number)

    host, kept = Host(), Kept()
    declared = pipeline(ENDS.replace("[source]", "[source]\nretry_seconds = 0.02\nretry_most_seconds = 0.03") + EVENT)
    made = running(declared, host, Failing(), kept)
    await asyncio.wait_for(made.run(), 60)
    pauses = [after - before for before, after in itertools.pairwise(opened)]
    assert pauses[0] >= 0.02 and pauses[1] >= 0.03 and len(opened) == 4
    assert len(kept.items) == 2 and made.restarts == 3 and made.plain()["last_error"] == "source: The cable is out."
    told = [event for event in host.events.listen()._waiting if event["type"] == "error"]
    assert len(told) == 1 and told[0]["message"] == "source: The cable is out."  # the same mistake is told once


async def test_a_source_that_says_nothing_for_too_long_has_failed() -> None:
    class Silent:
        async def items(self) -> AsyncGenerator[Item, None]:
            yield Item({}, Captured.now(), 0.0)
            await asyncio.sleep(60)

    declared = pipeline(ENDS.replace("[source]", "[source]\nretry_seconds = 0.01\nquiet_seconds = 0.03") + EVENT)
    kept = Kept()
    made = running(declared, Host(), Silent(), kept)
    task = asyncio.create_task(made.run())
    await until(lambda: len(kept.items) >= 3)
    task.cancel()
    await asyncio.wait([task], timeout=60)
    assert "gave nothing for 0.03 seconds" in str(made.plain()["last_error"])
    assert made.state is State.STOPPED and kept.closed


async def test_an_end_that_should_not_be_is_a_failure() -> None:
    declared = pipeline('[source]\nkind = "serial"\nport = "x"\nretry_seconds = 0.01\n' + EVENT)
    made = running(declared, Host(), Given({}), Kept())
    task = asyncio.create_task(made.run())
    await until(lambda: made.restarts >= 2)
    assert not task.done() and "ended, which it should not" in str(made.plain()["last_error"])
    task.cancel()
    await asyncio.wait([task], timeout=60)


async def test_a_model_that_fails_costs_its_item_and_no_other() -> None:
    async def moody(request: Json) -> Json:
        if request["n"] == 1:
            raise Overloaded("Too much.")
        if request["n"] == 2:
            raise BadRequest("No such thing.")
        return request

    kept, host = Kept(), Host(eye=moody)
    source = Given(*({"n": number} for number in range(4)))
    made = running(pipeline(ENDS + EYE + EVENT), host, source, kept)
    await asyncio.wait_for(made.run(), 60)
    assert [item.value for item in kept.items] == [{"n": 0}, {"n": 3}]
    assert made.errors == 2 and made.plain()["last_error"] == "eye: No such thing."


async def test_a_mistake_of_the_program_ends_its_pipeline_alone_and_is_told() -> None:
    async def broken(request: Json) -> Json:
        raise ZeroDivisionError

    made = running(pipeline(ENDS + EYE + EVENT), Host(eye=broken), Given({}), Kept())
    await asyncio.wait_for(made.run(), 60)
    assert made.state is State.FAILED and "log says why" in str(made.plain()["last_error"])


async def test_of_answers_that_come_too_often_one_is_told_in_each_while() -> None:
    kept = Kept()
    source = Given(*({"n": number} for number in range(10)))  # captured a second after one another
    declared = pipeline(ENDS + EVENT.replace("every_seconds = 0", "every_seconds = 3"))
    made = running(declared, Host(), source, kept)
    await asyncio.wait_for(made.run(), 60)
    assert [item.value["n"] for item in kept.items if isinstance(item.value, dict)] == [0, 3, 6, 9]
    [stage] = made.plain()["stages"]  # type: ignore[misc]
    assert stage["held"] == 6 and stage["out"] == 4  # type: ignore[index]


async def test_gaps_of_a_source_are_counted_once_and_figures_only_grow() -> None:
    class Gaps:
        async def items(self) -> AsyncGenerator[Item, None]:
            for number in (0, 1, 5, 6):
                yield Item({}, Captured.now(), 0.0, number)

    made = running(pipeline(ENDS + EVENT), Host(), Gaps(), Kept())
    await asyncio.wait_for(made.run(), 60)
    assert made.lost == 3 and made.news() == {"in": 4, "dropped": 3, "out": 4, "errors": 0, "restarts": 0}
    assert set(made.news().values()) == {0}


async def test_timers_and_topics_are_sources() -> None:
    topics, kept, host = Topics(), Kept(), Host()
    declared = pipeline(TIMER.format(count=3) + EVENT)
    await asyncio.wait_for(running(declared, host, open_source(declared.source, topics), kept).run(), 60)
    assert [item.value for item in kept.items] == [{"text": "now"}] * 3
    assert all(item.position >= 0.01 * number for number, item in enumerate(kept.items))

    declared = pipeline('[source]\nkind = "topic"\ntopic = "door/#"\n' + EVENT)
    kept = Kept()
    task = asyncio.create_task(running(declared, host, open_source(declared.source, topics), kept).run())
    await until(lambda: topics.publish(Message("door/front", {"open": True}, Captured(7.0, 70.0))))
    await until(lambda: kept.items)
    assert kept.items[0].value == {"open": True} and kept.items[0].captured == Captured(7.0, 70.0)
    task.cancel()
    await asyncio.wait([task], timeout=60)
    assert topics.publish(Message("door/front", {}, Captured(7.0, 70.0))) == 0  # nobody reads any more
