"""Keys: the first that may be used, pauses that are kept, refusals that are final, a cap that is met."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from trainer_host.errors import NoKeyLeft, TeacherStopped
from trainer_host.teacher.protocol import Key, Secret
from trainer_host.teacher.rotation import KeyRing, Lease

WORK, SPARE = Key("work", Secret("sk-work-0123456789")), Key("spare", Secret("sk-spare-0123456789"))


def name(lease: Lease) -> str:
    return lease.key.name if lease.key else ""


async def test_the_first_key_is_used_as_long_as_it_may_be() -> None:
    ring = KeyRing("openai", (WORK, SPARE))
    for _ in range(3):
        lease = await ring.take(10, 0)
        ring.give_back(lease, 5)
        assert name(lease) == "work"


async def test_a_throttled_key_rests_and_comes_back(simulated_time: Callable[[], float]) -> None:
    ring = KeyRing("openai", (WORK, SPARE), clock=simulated_time)
    first = await ring.take(10, 0)
    ring.give_back(first)
    ring.rest(first, 0.3)
    lease = await ring.take(10, 0)
    assert name(lease) == "spare"
    ring.rest(lease, 0.1)
    assert name(await ring.take(10, 5)) == "spare" and simulated_time() == pytest.approx(0.1)
    while simulated_time() < 0.295:
        assert name(await ring.take(10, 5)) == "spare"
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)
    assert name(await ring.take(10, 5)) == "work"


async def test_a_later_word_never_shortens_a_pause() -> None:
    ring = KeyRing("openai", (WORK, SPARE))
    lease = await ring.take(10, 0)
    ring.rest(lease, 60)
    ring.rest(lease, 0.0)
    assert name(await ring.take(10, 0)) == "spare"


async def test_pauses_without_a_figure_grow_until_an_answer_comes() -> None:
    now = 0.0
    ring = KeyRing("openai", (WORK,), clock=lambda: now)
    pauses: list[float] = []
    for _ in range(12):
        lease = await ring.take(10, 0)
        ring.rest(lease, None)
        ring.rest(lease, None)  # others that were open at the time say the same, which counts once
        until = ring._places[0].rests_until
        pauses.append(until - now)
        now = until
    assert 0.37 <= pauses[0] <= 0.5 and 45 <= pauses[-1] <= 60
    assert all(later > 1.4 * earlier for earlier, later in itertools.pairwise(pauses[:7]))
    ring.give_back(await ring.take(10, 0), 5)
    ring.rest(await ring.take(10, 0), None)
    assert ring._places[0].rests_until - now <= 0.5


async def test_a_pause_of_nothing_said_again_and_again_grows_too() -> None:
    now = 0.0
    ring = KeyRing("openai", (WORK,), clock=lambda: now)
    for _ in range(10):
        leases = [await ring.take(10, 0) for _ in range(8)]
        for lease in leases:
            ring.rest(lease, 0.0)
        now = ring._places[0].rests_until
    assert 10 < now < 30
    ring.give_back(await ring.take(10, 0), 5)
    ring.rest(await ring.take(10, 0), 1.0)
    assert ring._places[0].rests_until == now + 1.0


async def test_a_refused_key_is_never_used_again_and_the_last_one_ends_it(simulated_time: Callable[[], float]) -> None:
    ring = KeyRing("openai", (WORK, SPARE), clock=simulated_time)
    lease = await ring.take(10, 0)
    waiting = asyncio.create_task(ring.take(10, 60))
    await waiting
    ring.refuse(lease, "401 wrong key")
    assert ring.left == 1
    spare = await ring.take(10, 0)
    assert name(spare) == "spare"
    ring.rest(spare, 60)
    waiting = asyncio.create_task(ring.take(10, 600))
    await asyncio.sleep(0)
    ring.refuse(spare, "402 no money")
    with pytest.raises(NoKeyLeft) as ended:
        await waiting
    assert simulated_time() == 0.0  # told at once, not after the pause
    assert str(ended.value) == (
        "openai refused every key ('work': 401 wrong key; 'spare': 402 no money); "
        "add another with 'enigma keys add openai', then go on with --resume."
    )
    assert "sk-" not in repr(ring._places)


async def test_a_pause_longer_than_patience_stops_and_says_for_how_long() -> None:
    ring = KeyRing("openai", (WORK,))
    ring.rest(await ring.take(10, 0), 7200)
    with pytest.raises(TeacherStopped, match=r"pause of 2 hours \(keys: 'work'\)"):
        await ring.take(10, 600)


async def test_a_provider_without_keys_that_asks_for_one_is_said() -> None:
    ring = KeyRing("ollama", ())
    lease = await ring.take(10, 0)
    assert lease.key is None
    ring.refuse(lease, "401")
    with pytest.raises(NoKeyLeft, match="ollama asks for a key"):
        await ring.take(10, 0)


@pytest.mark.parametrize("concurrency", [1, 8, 40])
async def test_tokens_per_minute_stay_within_five_percent_of_the_cap(concurrency: int) -> None:
    """1,000 simulated seconds with more work than the cap allows; answers use a fifth of their worst case."""
    now = 0.0
    ring = KeyRing("openai", (WORK,), tokens_per_minute=10_000, clock=lambda: now)
    used: list[tuple[float, int]] = []
    leases: list[tuple[float, Lease, int]] = []
    number = 0
    while now < 1000:
        while ring.may_be_used_now(1000) and len(leases) < concurrency:
            lease = await ring.take(1000, 0)
            number += 1
            leases.append((now + 0.5, lease, 100 + number * 37 % 201))
        now += 0.05
        for entry in [entry for entry in leases if entry[0] <= now]:
            ring.give_back(entry[1], entry[2])
            used.append((now, entry[2]))
            leases.remove(entry)
    for start in range(0, 940, 7):
        window = sum(tokens for at, tokens in used if start <= at < start + 60)
        assert window <= 10_500
        assert window >= 9_500 or start < 10  # until the first answers, each request counts by its worst case


async def test_a_full_cap_gives_way_to_the_next_key_and_comes_back() -> None:
    now = 0.0
    ring = KeyRing("openai", (WORK, SPARE), tokens_per_minute=1000, clock=lambda: now)
    ring.give_back(await ring.take(900, 0), 900)
    assert name(await ring.take(900, 0)) == "spare"
    now = 50.0
    assert not ring.may_be_used_now(900)
    now = 54.1
    assert name(await ring.take(900, 0)) == "work"


async def test_what_a_request_did_not_use_is_there_for_the_next(simulated_time: Callable[[], float]) -> None:
    ring = KeyRing("openai", (WORK,), tokens_per_minute=1000, clock=simulated_time)
    lease = await ring.take(1000, 0)
    waiting = asyncio.create_task(ring.take(500, 70))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    ring.give_back(lease)
    await waiting
    assert simulated_time() == pytest.approx(0.01)


async def test_waiting_for_a_cap_is_not_bounded_by_patience(simulated_time: Callable[[], float]) -> None:
    ring = KeyRing("openai", (WORK,), tokens_per_minute=60_000, clock=simulated_time)
    for _ in range(4):
        ring.give_back(await ring.take(1000, 0.1), 1000)
    assert simulated_time() == pytest.approx(2.2)  # 4,000 tokens at 1,000 a second; 1,800 were there at the beginning
