"""A model that doesn't come back from its runtime: nobody waits for it for ever, and nobody else for its turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from edge_runtime.errors import Stuck
from edge_runtime.serving.generations import MOST_STUCK, Serving
from edge_runtime.serving.turns import Turns
from tests.edge_runtime.serving.test_answers import asks, numbered, written  # noqa: F401 - a fixture
from tests.edge_runtime.serving.test_generations import Specialist, loaded
from tests.edge_runtime.serving.test_streaming import Slow, Writer, slow

HANG = 0.5


@pytest.fixture
def gates() -> Iterator[list[threading.Event]]:
    """Whoever hangs on one of these comes back when the test ends."""
    made: list[threading.Event] = []
    yield made
    for gate in made:
        gate.set()


def hangs(gates: list[threading.Event], number: int) -> Specialist:
    made = Specialist(number)
    made.gate.clear()
    gates.append(made.gate)
    return made


def serving(gates: list[threading.Event], *fresh: Specialist) -> tuple[Serving, list[str]]:
    """One turn for all. fresh: what is loaded in the hanging one's place, in order."""
    told: list[str] = []
    coming = iter(fresh)
    made = Serving(
        8,
        5.0,
        Turns(1),
        reload=lambda digest: loaded(next(coming)),
        hang_seconds=HANG,
        on_stuck=lambda name, generation: told.append(generation.sick),
    )
    made.swap(loaded(hangs(gates, 1)))
    made.swap(loaded(Specialist(7), "other"))
    return made, told


async def test_who_waits_gets_503_others_get_the_turn_and_the_model_is_loaded_anew(
    gates: list[threading.Event],
) -> None:
    made, told = serving(gates, Specialist(2))
    asking = [asyncio.create_task(made.run("s", {})) for _ in range(3)]
    await asyncio.sleep(0)
    assert (await made.run("other", {})).value == {"number": 7}  # it waited for the turn
    failed = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(each, Stuck) and each.status == 503 for each in failed)
    assert told == [""] and made.lost == 1 and "s, which hangs" in made.held
    assert (await made.run("s", {})).value == {"number": 2}
    gates[0].set()  # it comes back after all: its turn isn't given twice, and its memory is freed
    while made.lost:
        await asyncio.sleep(0.01)
        await made.make_room("new", 0)
        made._look_for_lost()
    assert made._turns.try_take() and not made._turns.try_take()
    made._turns.give()
    await made.close()


async def test_a_model_that_hangs_again_and_again_is_sick_until_another_version_comes(
    gates: list[threading.Event],
) -> None:
    made, told = serving(gates, *(hangs(gates, number) for number in range(2, 9)))
    for _ in range(MOST_STUCK):
        with pytest.raises(Stuck):
            await made.run("s", {})
    with pytest.raises(Stuck, match="isn't loaded again; go back"):
        await made.run("s", {})
    assert made.lost == MOST_STUCK and [bool(each) for each in told] == [False] * (MOST_STUCK - 1) + [True]
    made.swap(loaded(Specialist(9)))
    assert (await made.run("s", {})).value == {"number": 9}
    await made.close()


class Hanging(Slow):
    """Doesn't come back from a token once it was told so."""

    hangs = False
    gate = threading.Event()

    def feed(self, tokens: object, wanted: int = 1):  # type: ignore[no-untyped-def]
        if self.hangs:
            assert self.gate.wait(10)
        return super().feed(tokens, wanted)


async def test_an_answer_that_hangs_takes_none_of_its_neighbours_along(gates: list[threading.Event]) -> None:
    model = slow().engine
    gates.append(Hanging.gate)
    writer = Writer(Hanging(model._predict, model.vocabulary))
    again = loaded(cast("Specialist", slow()), "w")
    made = Serving(8, 5.0, Turns(1), answers=2, hang_seconds=HANG, reload=lambda digest: again)
    made.swap(loaded(cast("Specialist", writer), "w"))
    stream = made.stream("w", asks("hangs", most=100))
    await anext(stream)
    neighbour = asyncio.create_task(written(made.stream("w", asks("stays", most=100))))
    while not writer.engine.others or not writer.engine.others[0].fed:  # noqa: ASYNC110 - in another thread
        await asyncio.sleep(0.002)
    cast(Hanging, writer.engine).hangs = True
    with pytest.raises(Stuck):
        async for _ in stream:
            pass
    tokens, _ = await neighbour
    assert len(tokens) > 20
    assert (await written(made.stream("w", asks("again", most=3))))[0]
    await made.close()
