"""Topics within the process."""

from __future__ import annotations

import pytest

from edge_runtime.errors import BadRequest, Overloaded
from edge_runtime.pipelines.items import Captured
from edge_runtime.pipelines.topics import MAX_HOPS, MAX_READERS, Message, Topics, matches

NOW = Captured(5.0, 50.0)


async def test_a_reader_gets_what_its_pattern_means_and_a_slow_one_loses_only_its_own_oldest() -> None:
    topics = Topics()
    slow, all_of_home = topics.read("home/door", bound=2), topics.read("home/#")
    for number in range(4):
        assert topics.publish(Message("home/door", {"n": number}, NOW)) == 2
    assert topics.publish(Message("home/bell", {}, NOW)) == 1 and topics.publish(Message("homes", {}, NOW)) == 0
    assert [(await slow.next()).value["n"] for _ in range(2)] == [2, 3] and slow.box.dropped == 2  # type: ignore[union-attr]
    assert [(await all_of_home.next()).topic for _ in range(5)][-1] == "home/bell"  # type: ignore[union-attr]
    message = Message("home/door", {}, NOW)
    slow.close()
    assert topics.publish(message) == 1 and await slow.next() is None


async def test_circles_end_and_names_and_readers_are_bounded() -> None:
    topics = Topics()
    reader = topics.read("a")
    for hops in range(MAX_HOPS):
        topics.publish(Message("a", {}, NOW, hops))
        assert (await reader.next()).hops == hops + 1  # type: ignore[union-attr]
    with pytest.raises(BadRequest, match="circle"):
        topics.publish(Message("a", {}, NOW, MAX_HOPS))
    for wrong in ("", "/a", "a/", "a//b", "a b", "#", "a/#/b", "x" * 129, "ä"):
        with pytest.raises(BadRequest, match="single slashes"):
            topics.read(wrong)
    with pytest.raises(BadRequest, match="single slashes"):
        topics.publish(Message("a/#", {}, NOW))
    for _ in range(MAX_READERS - 1):
        topics.read("b")
    with pytest.raises(Overloaded, match="readers"):
        topics.read("b")
    assert matches("a/#", "a") and matches("a/#", "a/b/c") and not matches("a/#", "ab") and not matches("a", "a/b")
