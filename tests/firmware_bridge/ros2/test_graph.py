"""What every back end must do, over each of them: publish, serve, act, be seen, and refuse what is wrong."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from firmware_bridge.errors import BadValue, NoAnswer, Refused, RosError
from firmware_bridge.ros2.actions import KEPT_SECONDS, ActionClient, ActionServer
from firmware_bridge.ros2.definitions import MAX_BYTES
from firmware_bridge.ros2.graph import RosGraph
from firmware_bridge.ros2.names import LATCHED, SENSORS, Distro, Qos
from firmware_bridge.ros2.transport import until
from tests.firmware_bridge.ros2.conftest import Opens

TWIST, TRIGGER, ASK = "geometry_msgs/msg/Twist", "std_srvs/srv/Trigger", "enigma_interfaces/action/Ask"
SECONDS = 30.0  # for what takes milliseconds; the machine may be busy
Pair = tuple[RosGraph, RosGraph]


async def test_messages_services_and_names_come_over(pair: Pair) -> None:
    one, two = pair
    wheels = two.subscribe("/cmd_vel", TWIST)
    command = one.advertise("cmd_vel", TWIST)
    assert await command.matched(SECONDS)
    for speed in (0.1, 0.2):
        command.publish(linear={"x": speed})
    assert [(await wheels.next(SECONDS)).linear.x for _ in range(2)] == [0.1, 0.2]

    async def answer(request: Any) -> dict[str, object]:
        return {"success": True, "message": "gone"}

    two.serve("/go", TRIGGER, answer)
    client = one.client("/go", TRIGGER)
    replies = await asyncio.gather(*(client.call(seconds=SECONDS) for _ in range(5)))
    assert {reply.message for reply in replies} == {"gone"}

    names = {"/one", "/robot/two"} if one.transport.acts else {"/rosapi"}  # behind rosbridge nobody has a name
    count = 1 if one.transport.acts else None
    async with asyncio.timeout(SECONDS):
        await until(lambda: names <= set(one.nodes()) and len(two.seen()) >= 2)
    seen = {each.name: each for each in two.seen()}
    assert (seen["/cmd_vel"].type, seen["/cmd_vel"].publishers, seen["/cmd_vel"].subscribers) == (TWIST, count, count)
    assert (seen["/go"].type, seen["/go"].kind, seen["/go"].publishers) == (TRIGGER, "service", count)

    await two.close()
    async with asyncio.timeout(SECONDS):
        await until(lambda: "/robot/two" not in one.nodes())
    with pytest.raises(NoAnswer, match="isn't served by anybody"):
        await client.call(seconds=0.1)


async def test_what_is_published_just_before_the_end_arrives(opens: Opens) -> None:
    """A reader learns of a writer after the writer of it: what comes before is sent again only while the writer is there."""
    reads = (await opens("reads")).subscribe("/cmd_vel", TWIST)
    for number in range(5):
        graph = await opens(f"writes_{number}")
        writer = graph.advertise("/cmd_vel", TWIST)
        assert await writer.matched(SECONDS)
        writer.publish(linear={"x": float(number)})
        assert await writer.arrived(SECONDS)
        await graph.close()
        assert (await reads.next(SECONDS)).linear.x == number


async def test_who_comes_later_gets_what_is_latched(pair: Pair) -> None:
    one, two = pair
    maps = one.advertise("/map", "nav_msgs/msg/OccupancyGrid", LATCHED)
    for first in (0, 100):
        maps.publish(info={"width": 2, "height": 1}, data=[first, -1])
    late = two.subscribe("/map", "nav_msgs/msg/OccupancyGrid", LATCHED)
    assert (await late.next(SECONDS)).data.tolist() == [100, -1]


async def test_an_action_gives_feedback_a_result_and_up(pair: Pair) -> None:
    one, two = pair
    if not one.transport.acts:
        return
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work(goal: Any, tell: Any) -> dict[str, object]:
        if goal.request == "fail":
            raise BadValue("no such place")
        if goal.request == "forever":
            begun.set()
            try:
                await asyncio.sleep(3600)
            finally:
                ended.set()
        for _ in range(30):  # a listener may be found later than the goal comes
            tell({"seconds": 0.5})
            await asyncio.sleep(0.01)
        return {"ok": True, "answer": goal.request.upper()}

    server = ActionServer(two, "/ask", ASK, work, lambda error: {"error": str(error)})
    client, told = ActionClient(one, "/ask", ASK), list[float]()
    done = await client.run({"request": "go"}, SECONDS, lambda feedback: told.append(feedback.seconds))
    assert done.answer == "GO" and told[:1] == [0.5]
    with pytest.raises(Refused, match="ended aborted: no such place"):
        await client.run({"request": "fail"}, SECONDS)
    goal = asyncio.create_task(client.run({"request": "forever"}, SECONDS))
    async with asyncio.timeout(SECONDS):
        await begun.wait()
        goal.cancel()
        await ended.wait()
    with pytest.raises(asyncio.CancelledError):
        await goal
    client.close()
    await server.close()


async def test_a_result_is_kept_though_its_goal_took_long_or_the_clock_is_set(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    if not one.transport.acts:
        return
    now = time.time()

    async def work(goal: Any, tell: Any) -> dict[str, object]:
        monkeypatch.setattr(time, "time", lambda: now + 2 * KEPT_SECONDS)
        return {"answer": goal.request.upper()}

    server = ActionServer(two, "/ask", ASK, work, lambda error: {"error": str(error)})
    send = one.client("/ask/_action/send_goal", f"{ASK}_SendGoal")
    result = one.client("/ask/_action/get_result", f"{ASK}_GetResult")
    first, second = ({"uuid": bytes([number] * 16)} for number in (1, 2))
    for goal, asked in ((first, "go"), (second, "on")):
        assert (await send.call(goal_id=goal, goal={"request": asked}, seconds=SECONDS)).accepted
        assert (await result.call(goal_id=goal, seconds=SECONDS)).result.answer == asked.upper()
    assert (await result.call(goal_id=first, seconds=SECONDS)).result.answer == "GO"
    for end in (send, result):
        end.close()
    await server.close()


async def test_the_oldest_goes_where_nobody_reads_in_time(pair: Pair) -> None:
    one, two = pair
    reader = two.subscribe("/count", "std_msgs/msg/Int32", Qos(3))
    writer = one.advertise("/count", "std_msgs/msg/Int32", Qos(10))
    assert await writer.matched(SECONDS)
    for number in range(10):
        writer.publish(data=number)
        await asyncio.sleep(0.005)
    async with asyncio.timeout(SECONDS):
        while (last := await reader.next(SECONDS)).data != 9:
            pass
    assert last.data == 9 and reader.dropped <= 7


async def test_what_is_wrong_is_refused_and_leaves_the_others_alone(pair: Pair) -> None:
    one, two = pair
    wheels = two.subscribe("/cmd_vel", TWIST)
    command = one.advertise("/cmd_vel", TWIST)
    assert await command.matched(SECONDS)
    with pytest.raises(BadValue, match=r"linear\.x is nan"):
        command.publish(linear={"x": float("nan")})
    refused = 0
    for data in (b"\xff" * 48, b"short!!!"):  # twelve times NaN, from a peer that doesn't look
        try:
            command.send(b"\0\1\0\0" + data)
        except BadValue:  # CycloneDDS looks at what it is given, and JSON has no NaN
            refused += 1
    command.publish(angular={"z": -1.0})
    assert (await wheels.next(SECONDS)).angular.z == -1.0 and wheels.unreadable + refused == 2
    with pytest.raises(BadValue, match="can be sent"):
        command.send(bytes(MAX_BYTES + 1))
    with pytest.raises(NoAnswer, match="does somebody publish"):
        await wheels.next(0.05)
    command.close()
    with pytest.raises(RosError, match="is closed"):
        command.publish()
    for topic, type_, why in (
        ("/2nd", TWIST, "can't be the name of a topic"),
        ("/a//b", TWIST, "can't be the name"),
        ("/a", "Twist", "isn't the name of a type"),
        ("/a", "geometry_msgs/msg/Twits", "--packages"),
    ):
        with pytest.raises(RosError, match=why):
            one.subscribe(topic, type_)


async def test_a_service_that_fails_goes_on(pair: Pair, over: str) -> None:
    one, two = pair

    async def answer(request: Any) -> dict[str, object]:
        if not request.data:
            raise RuntimeError("broken")
        return {"success": True}

    two.serve("/set", "std_srvs/srv/SetBool", answer, seconds=0.5)
    client = one.client("/set", "std_srvs/srv/SetBool")
    assert (await client.call(data=True, seconds=SECONDS)).success
    if over == "rosbridge":  # which says so
        with pytest.raises(NoAnswer, match="or failed: The request wasn't answered"):
            await client.call(data=False, seconds=SECONDS)
    elif over == "rclpy":  # which has no way to give no answer
        assert not (await client.call(data=False, seconds=SECONDS)).success
    else:
        with pytest.raises(NoAnswer, match="doesn't answer within"):
            await client.call(data=False, seconds=0.3)
    assert (await client.call(data=True, seconds=SECONDS)).success
    with pytest.raises(BadValue, match="must be true or false"):
        await client.call(data=1)


async def test_pictures_and_scans_are_whole(pair: Pair, opens: Opens) -> None:
    one, two = pair
    pictures = two.subscribe("/camera", "sensor_msgs/msg/Image", SENSORS)
    camera = one.advertise("/camera", "sensor_msgs/msg/Image", SENSORS)
    assert await camera.matched(SECONDS)
    data = bytes(range(256)) * 3600  # 640 x 480 in colours
    picture = None
    for _ in range(20):  # sensors' quality lets one be lost
        camera.publish(width=640, height=480, encoding="rgb8", step=1920, data=data)
        try:
            picture = await pictures.next(SECONDS / 20)
            break
        except NoAnswer:
            continue
    assert picture is not None and picture.data.tobytes() == data


async def test_humble_has_longer_ids_and_no_hashes(opens: Opens, over: str) -> None:
    if over == "zenoh":
        with pytest.raises(RosError, match="Jazzy or later"):
            await opens("old", distro=Distro.HUMBLE)
        return
    one, two = await opens("one", distro=Distro.HUMBLE), await opens("two", distro=Distro.HUMBLE)

    async def answer(request: Any) -> dict[str, object]:
        return {"success": True}

    two.serve("/go", TRIGGER, answer)
    assert (await one.client("/go", TRIGGER).call(seconds=SECONDS)).success
    async with asyncio.timeout(SECONDS):
        await until(lambda: over == "rosbridge" or {"/one", "/two"} <= set(one.nodes()))
