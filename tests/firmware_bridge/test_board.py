"""The bridge and the real AVR image in simavr: round trips, deadman, rubbish on the line, a pulled cable, wrong boards."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import pty
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from firmware_bridge import board as board_module
from firmware_bridge import link as link_module
from firmware_bridge.board import Board, Condition, pauses
from firmware_bridge.errors import (
    BadValue,
    BridgeError,
    Disconnected,
    Incompatible,
    NoAnswer,
    Overloaded,
    PortError,
    Refused,
)
from firmware_bridge.frames import Frame, encode
from firmware_bridge.messages import Analogue, Drive, Encoders, Flags, Imu, State, Status
from firmware_bridge.ports import open_port
from firmware_bridge.simulator import Simulated

PATIENT = 60.0  # seconds that a busy machine may take for what takes milliseconds


def at(*links: Path) -> Callable[[], list[str]]:
    """The ports that are plugged in."""
    return lambda: [str(link) for link in links if link.is_symlink()]


@contextlib.asynccontextmanager
async def connected(simulated: Simulated, answer: float = PATIENT / 4) -> AsyncIterator[Board]:
    async with Board(at(simulated.link), answer=answer) as board:
        yield board


async def driving(simulated: Simulated, board: Board, left: float = 0.6, right: float = -0.4) -> None:
    """Drives until both motors have what was asked for."""
    async with asyncio.timeout(PATIENT):
        while simulated.motors() != pytest.approx((left * 1000, right * 1000), abs=2):  # the timer has 799 steps
            try:
                await board.drive(left, right, within=2)
            except NoAnswer:
                continue
            except Refused as error:  # either machine stood
                if error.status != Status.LATE:
                    raise


async def standing(simulated: Simulated) -> None:
    """Asserts that the motors stand no later than the deadman's 250 ms on the board's own clock."""
    begin = int(simulated.ask("pins").split()[1])
    while (words := simulated.ask("pins").split())[2:4] != ["0", "0"]:
        assert int(words[1]) <= begin + 251
        await asyncio.sleep(0.01)


async def test_five_hundred_round_trips_and_none_is_bad(simulated: Simulated) -> None:
    async with connected(simulated) as board:
        for mark in range(500):
            assert (await board.ping(mark)).mark == mark
        async with board.stream(State, every=0.02) as states:
            state = await states.next(PATIENT)
        assert (state.bad, board.bad, board.counts.lost) == (0, 0, 0)
        assert board.clock.uncertainty < 1


async def test_motors_stop_when_the_host_falls_silent(simulated: Simulated) -> None:
    async with connected(simulated) as board:
        await driving(simulated, board)
        await standing(simulated)  # pings go on all the while
        async with board.stream(State, every=0.02) as states:
            state = await states.next(PATIENT)
            assert Flags.DEADMAN in Flags(state.flags) and Flags.MOVING not in Flags(state.flags)
        await driving(simulated, board, -0.2, 0.3)
        with pytest.raises(BadValue, match="left must be a number, not nan"):
            await board.drive(math.nan, 0.3)
        assert simulated.motors() == (0, 0)
        for within in (math.nan, 0, -1, 61):
            with pytest.raises(BadValue, match="within must be"):
                await board.drive(0.1, 0.1, within)


async def test_a_pulled_cable_stops_the_robot_and_under_another_name_it_is_found_again(
    simulated: Simulated, built: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "another"
    ports = [simulated.link, elsewhere]
    with Simulated(built, elsewhere) as stranger:
        stranger.ask("unplug")
        async with Board(lambda: at(*ports)(), answer=PATIENT / 4) as board:
            await board.name(77)
            async with board.stream(Encoders, every=0.02) as encoders:
                await driving(simulated, board)
                simulated.ask("unplug")
                await standing(simulated)
                with pytest.raises(Disconnected):
                    await board.drive(0.1, 0.1)
                stranger.ask("plug")  # a board without that number takes the first place in the list
                ports.reverse()
                simulated.ask("plug")
                await board.connected(PATIENT)
                assert board.path == str(simulated.link) and board.welcome.board == 77
                while encoders._kept:
                    encoders._kept.popleft()
                await encoders.next(PATIENT)  # the stream goes on
                assert simulated.motors() == (0, 0)  # nothing that was asked for before is done now
        assert board.condition is Condition.CLOSED and board.counts.connections == 2


async def test_rubbish_on_the_line_is_counted_and_costs_nothing_else(simulated: Simulated) -> None:
    rng = random.Random(5)
    async with connected(simulated, answer=1) as board:
        other = os.open(simulated.link, os.O_WRONLY | os.O_NOCTTY)
        try:
            for size in (1, 60, 61, 62, 300, 1500):
                os.write(other, rng.randbytes(size))
                async with asyncio.timeout(PATIENT):
                    while True:
                        with contextlib.suppress(NoAnswer):
                            await board.ping(size)
                            break
        finally:
            os.close(other)
        async with board.stream(State, every=0.02) as states:
            state = await states.next(PATIENT)
        assert state.bad > 5 and Flags.SESSION in Flags(state.flags) and simulated.motors() == (0, 0)
        assert (board.counts.connections, board.bad) == (1, 0)


async def test_a_board_that_restarts_is_greeted_anew(simulated: Simulated) -> None:
    async with connected(simulated) as board:
        await driving(simulated, board)
        simulated.ask("reset")
        with pytest.raises(BridgeError, match=r"restarted|didn't answer"):
            async with asyncio.timeout(PATIENT):
                while True:
                    await board.drive(0.5, 0.5)
        await board.connected(PATIENT)
        await driving(simulated, board)


async def test_a_board_whose_clock_stopped_is_restarted_by_its_watchdog(simulated: Simulated) -> None:
    async with connected(simulated) as board:
        await driving(simulated, board)
        simulated.ask("freeze")  # no tick, so no deadman
        for _ in range(1000):
            if simulated.motors() == (0, 0):
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the motors didn't stop")
        with contextlib.suppress(BridgeError):
            await board.drive(0.5, 0.5)  # it has to be greeted first
        await board.connected(PATIENT)
        await driving(simulated, board)
        assert board.counts.connections == 2


async def test_sensors_come_in_their_units_and_the_lights_go_on(simulated: Simulated) -> None:
    for line in ("adc 0 3000", "adc 1 1250", "adc 3 5000", "turn left 40", "turn right -25"):
        simulated.ask(line)
    simulated.ask("imu 8192 -4096 0 -340 655 0 -655")
    async with connected(simulated) as board, asyncio.timeout(PATIENT):
        async with board.stream(State, 0.01) as states:
            while Flags.IMU not in Flags((await states.next(PATIENT)).flags):
                pass
            assert (await states.next(PATIENT)).battery == pytest.approx(12, abs=0.03)
        async with board.stream(Analogue, 0.01) as inputs:
            told = await inputs.next(PATIENT)
            assert (told.a1, told.a2, told.a3) == pytest.approx((1.25, 0, 5), abs=0.01)
        async with board.stream(Encoders, 0.01) as wheels:
            while ((each := await wheels.next(PATIENT)).left, each.right) != (40, -25):
                pass
        async with board.stream(Imu, 0.01) as motion:
            told = await motion.next(PATIENT)
            assert (told.ax, told.ay, told.az) == pytest.approx((9.81, -4.905, 0), abs=0.02)
            assert (told.gx, told.gz) == pytest.approx((math.radians(10), -math.radians(10)), abs=0.002)
            assert told.temperature == pytest.approx(35.53, abs=0.02)
            simulated.ask("imu 8192 -4096 0 -340 655 0 -655 50")  # whoever turns it tells it so again, or has ended
            while ((told := await motion.next(PATIENT)).gx, told.gz) != (0, 0):
                assert told.ax == pytest.approx(9.81, abs=0.02)
        await board.leds(2)
        assert simulated.ask("pins").split()[4] == "2"


async def test_the_emergency_stop_holds_until_it_is_released(simulated: Simulated) -> None:
    async with connected(simulated) as board:
        await driving(simulated, board)
        simulated.ask("button 1")
        await standing(simulated)
        with pytest.raises(Refused, match="emergency stop is on") as refused:
            await board.drive(0.5, 0.5, within=30)
        assert refused.value.status == Status.STOPPED
        with pytest.raises(Refused):
            await board.release()
        simulated.ask("button 0")
        await board.release()
        await driving(simulated, board)
        await board.stop(latch=True)
        assert simulated.motors() == (0, 0)
        with pytest.raises(Refused, match="emergency stop"):
            await board.drive(0.5, 0.5, within=30)


async def test_a_command_that_is_late_moves_nothing(simulated: Simulated) -> None:
    async with connected(simulated) as board:
        past = board.clock.board(asyncio.get_running_loop().time() - board.clock.uncertainty - 0.01)
        with pytest.raises(Refused, match="drive came too late"):
            await board.send(Drive(0.5, 0.5, past / 1e6))
        assert simulated.motors() == (0, 0)


async def test_more_than_a_board_keeps_waits_its_turn_and_more_than_a_program_should_is_refused(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "PING_EVERY", 3600.0)  # its own would take a place
    async with connected(simulated, answer=PATIENT) as board:
        link, most = board._live(), 0
        write = link._write

        def watched(data: bytes) -> None:
            nonlocal most
            most = max(most, link._unanswered)
            write(data)

        monkeypatch.setattr(link, "_write", watched)
        room = link.window // 11 + link_module.QUEUE
        flood = [asyncio.ensure_future(board.ping(mark)) for mark in range(room + 9)]
        await asyncio.sleep(0)
        await board.stop()  # it waits for no other
        assert sum(not each.done() for each in flood) > 9
        done = await asyncio.gather(*flood, return_exceptions=True)
        answered = [each for each in done if not isinstance(each, BaseException)]
        assert len(answered) == room and most <= board.welcome.window + 8 == 135  # and a stop
        assert sum(isinstance(each, Overloaded) for each in done) == 9
        assert link.bad == 0 and not link._queue and link._unanswered == 0


async def test_two_programs_cant_have_one_port(simulated: Simulated) -> None:
    async with connected(simulated):
        with pytest.raises(PortError, match=r"is in use: close the other program"):
            await Board(at(simulated.link)).__aenter__()


async def test_a_board_of_another_version_or_number_isnt_driven(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PortError, match="has the number 4294967295, not 5"):
        await Board(at(simulated.link), number=5, answer=PATIENT / 4).__aenter__()
    monkeypatch.setattr(board_module, "PROTOCOL", 2)
    with pytest.raises(Incompatible, match=r"speaks version 1 .* this program version 2: run enigma-bridge flash"):
        await Board(at(simulated.link), answer=PATIENT / 4).__aenter__()
    assert simulated.motors() == (0, 0)


async def test_what_isnt_there_or_isnt_a_board_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(PortError, match="No board is plugged in"):
        await Board(lambda: []).__aenter__()
    with pytest.raises(PortError, match="There is no port /dev/nowhere: plug the board in"):
        await Board(lambda: ["/dev/nowhere"]).__aenter__()
    (tmp_path / "file").write_text("x")
    with pytest.raises(PortError, match="isn't a serial port"):
        open_port(str(tmp_path / "file"))
    monkeypatch.setattr(board_module, "BOOT", 0.3)
    master, slave = pty.openpty()
    try:
        with pytest.raises(NoAnswer, match=r"Nothing at .* speaks our protocol"):
            await Board(lambda: [os.ttyname(slave)]).__aenter__()
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("welcome", [b"", b"\x01", bytes(18), b"\xff" * 56])
async def test_a_peer_that_lies_is_refused_and_bounded(welcome: bytes) -> None:
    master, slave = pty.openpty()
    loop = asyncio.get_running_loop()

    def answer() -> None:
        os.read(master, 4096)
        os.write(master, b"rubbish" + b"".join(encode(Frame(each, 0x81, welcome)) for each in range(4)))

    loop.add_reader(master, answer)
    try:
        with pytest.raises((Incompatible, NoAnswer)):
            await Board(lambda: [os.ttyname(slave)]).__aenter__()
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


def test_a_board_is_looked_for_at_times_by_chance_that_grow_to_a_bound() -> None:
    def first(seed: int) -> list[float]:
        return [pause for pause, _ in zip(pauses(random.Random(seed)), range(40), strict=False)]

    assert first(1) != first(2)
    assert max(first(1)) <= 3 and max(first(1)[:2]) <= 0.2
    assert sum(first(1)[20:]) > 10 * sum(first(1)[:4])
