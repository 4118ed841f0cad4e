"""Robots that share a floor: twenty ways at once, and a team whose messages are lost, whose leader ends, whose members vanish."""

from __future__ import annotations

import itertools
import math
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.team.kept import Kept, Promised
from firmware_bridge.team.ledger import Ledger, TeamError, Way, read
from firmware_bridge.team.member import EVERY, LOST, Member, Message
from firmware_bridge.team.schedule import Cell, Floor, order, schedule

TICK = 0.1
NAMES = [f"r{number:02}" for number in range(20)]


def floor_of(rng: random.Random, columns: int, rows: int, pillars: int) -> Floor:
    cells = {(x, y) for x in range(columns) for y in range(rows)}
    for _ in range(pillars):
        cells.discard((rng.randrange(columns), rng.randrange(rows)))
    whole = Floor(frozenset(cells), 0.5)
    return Floor(
        frozenset(max((whole.ways(cell) for cell in sorted(cells)[::7]), key=len)), 0.5
    )  # one that hangs together


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_twenty_robots_as_late_as_they_like_never_own_one_cell_together_and_all_arrive(seed: int) -> None:
    rng = random.Random(seed)
    floor = floor_of(rng, 14, 12, 20)
    cells = sorted(floor.cells)
    starts = dict(zip(NAMES, rng.sample(cells, 20), strict=True))
    goals = dict(zip(NAMES, rng.sample(cells, 20), strict=True))
    ways, stay = schedule(floor, {name: [cell] for name, cell in starts.items()}, goals)
    assert all(ways[name][-1] == goals[name] for name in NAMES if name not in stay) and len(stay) <= 2
    queues, at, going = order(ways, dict.fromkeys(NAMES, 1)), dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, False)
    for _ in range(4000):
        owned = [
            cell
            for name in NAMES
            for cell in {ways[name][at[name]], ways[name][min(at[name] + going[name], len(ways[name]) - 1)]}
        ]
        assert len(owned) == len(set(owned))
        if all(at[name] == len(ways[name]) - 1 for name in NAMES):
            return
        name = rng.choice(NAMES)
        if going[name]:
            at[name], going[name] = at[name] + 1, False
        elif at[name] < len(ways[name]) - 1:
            ahead = at[name] + 1
            queue = queues[ways[name][ahead]]
            mine = next(n for n, (other, a, b) in enumerate(queue) if other == name and a <= ahead <= b)
            going[name] = all(other == name or at[other] > last for other, _, last in queue[:mine])
    raise AssertionError("they wait for each other for ever")


class World:
    """Members, the air between them, and robots that take their time."""

    def __init__(self, seed: int, count: int, loss: float = 0.2, folder: Path | None = None) -> None:
        self.rng, self.loss, self.now = random.Random(seed), loss, 0.0
        self.floor = floor_of(self.rng, 9, 8, 8)
        self.names = NAMES[:count]
        cells = self.rng.sample(sorted(self.floor.cells), count)
        self.members = {
            name: Member(name, self.names, self.floor, cell, self.kept(name, folder) if folder else None)
            for name, cell in zip(self.names, cells, strict=True)
        }
        self.dead: set[str] = set()
        self.led: dict[int, str] = {}
        self.cut: Callable[[str, str], bool] = lambda a, b: False
        self.part = dict.fromkeys(self.names, 0.0)  # of the way to the next cell
        self.air: list[tuple[float, str, Message]] = []
        self.visits: list[tuple[str, Cell]] = []
        self.finished: list[tuple[str, str]] = []  # (task, robot), when a robot says that it did it

    def again(self, name: str, folder: Path) -> None:
        """Ends a member, and starts it anew where its robot stands; on from the cell that it was on its way to."""
        self.part[name] = 0.0
        self.members[name] = Member(name, self.names, self.floor, self.at(name)[0], self.kept(name, folder))

    def kept(self, name: str, folder: Path) -> Kept:
        return Kept(folder / f"{name}.json", name, self.names, self.floor)

    def at(self, name: str) -> tuple[Cell, Cell]:
        member = self.members[name]
        way = member.ledger.ways.get(name)
        if way is None:
            return member.start, member.start
        here = way.cells[member.at - way.first]
        return here, way.cells[member.at + 1 - way.first] if self.part[name] > 0 else here

    def place(self, name: str) -> tuple[float, float]:
        (ax, ay), (bx, by) = (self.floor.middle(cell) for cell in self.at(name))
        part = self.part[name]
        return ax + (bx - ax) * part, ay + (by - ay) * part

    def step(self) -> None:
        self.now += TICK
        for _, to, message in [each for each in self.air if each[0] <= self.now]:
            if to not in self.dead:
                self.members[to].hear(self.now, message)
        self.air = [each for each in self.air if each[0] > self.now]
        for name in (each for each in self.names if each not in self.dead):
            member, done = self.members[name], set(self.members[name].done)
            for message in member.tick(self.now):
                for other in self.names:
                    if other != name and not self.cut(name, other) and self.rng.random() >= self.loss:
                        for _ in range(1 + (self.rng.random() < 0.1)):  # some come twice
                            self.air.append((self.now + self.rng.uniform(0, 0.3), other, message))
            if member.leads:
                assert self.led.setdefault(member.epoch, name) == name, "two led in one epoch"
            if member.goes_to(self.now) is not None:
                self.part[name] += TICK * self.rng.uniform(0.3, 2.0)
                if self.part[name] >= 1:
                    self.part[name] = 0.0
                    member.arrived()
            self.finished += [(task, name) for task in member.done - done]
        places = [self.place(name) for name in self.names]
        for a, b in itertools.combinations(places, 2):
            assert math.dist(a, b) >= self.floor.size - 1e-9, "two robots came too near to each other"

    def run(self, until: Callable[[], object], most: float = 200.0) -> None:
        ends = self.now + most
        while not until():
            assert self.now < ends, "it didn't come to that"
            self.step()

    def leader(self) -> str:
        led = [name for name in self.names if name not in self.dead and self.members[name].leads]
        return max(led, key=lambda name: self.members[name].epoch, default="")

    def ledger(self) -> Ledger:
        """The newest one that anybody alive has."""
        return max(
            (self.members[name].ledger for name in self.names if name not in self.dead), key=lambda each: each.stamp
        )

    def wishes(self, count: int, free: set[Cell] = frozenset()) -> dict[str, Cell]:  # type: ignore[assignment]
        cells = self.rng.sample(sorted(self.floor.cells - free), count)
        wished = {f"t{number}": cell for number, cell in enumerate(cells)}
        for task, cell in wished.items():
            self.members[self.rng.choice([n for n in self.names if n not in self.dead])].wish(task, cell)
        return wished


@pytest.mark.parametrize("seed", [1])
def test_ten_robots_do_each_task_once_though_a_fifth_of_the_messages_is_lost_and_the_leader_ends(seed: int) -> None:
    world = World(seed, 10)
    wished = world.wishes(25)
    world.run(lambda: len(world.finished) >= 6)
    first = world.leader()
    world.dead.add(first)
    killed = world.now
    world.run(
        lambda: world.leader() not in ("", first) and world.members[world.leader()].epoch > world.members[first].epoch
    )
    assert world.now - killed <= 5.0
    # What the lost leader stands on can't be reached any more; all else gets done.
    world.run(lambda: first in world.ledger().wrecks)
    wreck = set(world.ledger().wrecks[first])
    assert set(world.at(first)) <= wreck
    undone = {task for task, cell in wished.items() if cell in wreck}
    world.run(lambda: {task for task, _ in world.finished} >= wished.keys() - undone, 400.0)
    counts = [task for task, _ in world.finished]
    assert len(counts) == len(set(counts))
    world.run(lambda: all(world.ledger().tasks[task].done for task in wished.keys() - undone))


def test_a_robot_that_is_lost_frees_its_way_but_not_where_it_may_stand_and_its_task_goes_to_another() -> None:
    world = World(3, 5)
    world.wishes(5)
    world.run(lambda: world.leader() and any(world.part[name] > 0 for name in world.names if name != world.leader()))
    lost = next(name for name in world.names if world.part[name] > 0 and name != world.leader())
    mine = world.members[lost].ledger.task_of(lost)
    assert mine is not None
    world.cut = lambda a, b: lost in (a, b)  # it drives on, and nobody hears it
    began = world.now
    world.run(lambda: world.now > began + LOST)
    assert world.members[lost].goes_to(world.now) is None  # it stands by itself
    world.run(lambda: lost in world.ledger().wrecks)
    ledger = world.ledger()
    assert set(world.at(lost)) <= set(ledger.wrecks[lost])
    if mine[1].cell not in ledger.wrecks[lost]:
        world.run(lambda: any(task == mine[0] for task, _ in world.finished))
    world.cut = lambda a, b: False  # there it is again
    world.run(lambda: lost not in world.ledger().wrecks)
    world.members[lost].wish("last", world.at(lost)[0])
    world.run(lambda: any(task == "last" for task, _ in world.finished))


def test_without_more_than_half_of_the_team_nobody_leads_and_nobody_goes_on() -> None:
    world = World(5, 5)
    world.wishes(5)
    world.run(lambda: world.leader() and len(world.finished) >= 1)
    old = world.leader()
    few = {old, next(name for name in world.names if name != old)}
    world.cut = lambda a, b: (a in few) != (b in few)
    began = world.now
    world.run(lambda: world.now > began + 3 * LOST)
    assert all(world.members[name].goes_to(world.now) is None for name in few)
    assert not any(world.members[name].leads for name in few)
    assert world.leader() not in few | {""}
    world.cut = lambda a, b: False
    world.run(lambda: len({task for task, _ in world.finished}) == 5)


def test_the_more_urgent_task_is_done_first_and_goes_to_the_nearest() -> None:
    floor = Floor(frozenset((x, 0) for x in range(8)), 0.5)
    alone = Member("a", ["a"], floor, (3, 0))
    alone.wish("later", (0, 0), 0)
    alone.wish("now", (7, 0), 5)
    now, done = 0.0, []
    for _ in range(400):
        now += TICK
        alone.tick(now)
        if alone.goes_to(now) is not None:
            alone.arrived()
        done += [task for task in alone.done if task not in done]
    assert done == ["now", "later"]


def test_members_that_are_started_again_at_random_vote_once_and_stand_where_they_stood(tmp_path: Path) -> None:
    world = World(7, 5, folder=tmp_path)
    world.wishes(8)
    world.run(lambda: len(world.ledger().tasks) == 8)
    for _ in range(10):
        until = world.now + world.rng.uniform(0.3, 4.0)
        world.run(lambda until=until: world.now > until)  # type: ignore[misc]
        for name in world.rng.sample(world.names, world.rng.choice([1, 1, 2, 5])):
            world.again(name, tmp_path)
    world.run(lambda: len({task for task, _ in world.finished}) == 8)
    # `World.step` has asserted at each moment that no two led in one epoch and that none came too near.
    kept = [world.kept(name, tmp_path).read() for name in world.names]
    assert all(one is not None and one.epoch > 0 for one in kept)


def _stands(who: str, epoch: int) -> Message:
    return {"from": who, "number": 1, "epoch": epoch, "leader": "", "vote": who, "stands": True} | {
        "at": 0, "granted": 0, "done": [], "start": [0, 0], "stamp": [0, 0],
    }  # fmt: skip


def test_a_vote_and_its_epoch_outlive_the_member_and_are_kept_before_they_are_told(tmp_path: Path) -> None:
    floor, ids = Floor(frozenset((x, 0) for x in range(4)), 0.5), ["a", "b", "c"]
    kept = Kept(tmp_path / "a.json", "a", ids, floor)

    def member(cell: Cell = (0, 0)) -> Member:
        return Member("a", ids, floor, cell, kept)

    one = member()
    one.hear(0.0, _stands("b", 3))
    assert (kept.read() or Promised()).vote == "b"
    (told,) = one.tick(0.3)
    again = member()
    again.hear(0.0, _stands("c", 3))
    (more,) = again.tick(0.3)
    assert (more["epoch"], more["vote"]) == (3, "b") and more["number"] > told["number"]
    again.hear(0.5, _stands("c", 4))
    assert again.vote == "c" and member().vote == "c"
    again.tick(99.0)  # nobody leads: it stands for itself
    assert (again.epoch, again.vote) == (5, "a") and (member().epoch, member().vote) == (6, "")
    with pytest.raises(TeamError, match="isn't where its team lets it stand"):
        member((2, 0))
    last = member()
    tmp_path.chmod(0o500)
    try:
        if not os.access(tmp_path, os.W_OK):  # the administrator may write everywhere
            with pytest.raises(TeamError, match="says nothing to its team, and stands"):
                last.hear(0.0, _stands("b", 9))
    finally:
        tmp_path.chmod(0o700)
    for text, why in (
        ("{", "can't be read"),
        (kept.path.read_text().replace('"epoch": 6', '"epoch": -1'), "can't be read"),
        (kept.path.read_text().replace('"of": "', '"of": "0'), "is of another team"),
    ):
        kept.path.write_text(text)
        with pytest.raises(TeamError, match=why):
            member()
    kept.forget()
    assert member().epoch == 0


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"from": "b"},
        {"from": "c", "number": 1, "epoch": 1, "at": 0, "granted": 0, "done": [], "start": [0, 0]},
        {"from": "b", "number": 1, "epoch": 1 << 60, "at": 0, "granted": 0, "done": [], "start": [0, 0]},
        {"from": "b", "number": 1, "epoch": 1, "at": 2, "granted": 0, "done": [], "start": [0, 0]},
        {"from": "b", "number": 1, "epoch": 1, "at": 0, "granted": 0, "done": [], "start": [0, "x"]},
        {
            "from": "b",
            "number": 1,
            "epoch": 1,
            "at": 0,
            "granted": 0,
            "done": [],
            "start": [0, 0],
            "wishes": {"t": [[0], 1]},
        },
        {
            "from": "b",
            "number": 1,
            "epoch": 1,
            "at": 0,
            "granted": 0,
            "done": [],
            "start": [0, 0],
            "ledger": {"epoch": 9},
        },
    ],
)
def test_what_is_no_message_of_the_team_is_refused(message: Message) -> None:
    member = Member("a", ["a", "b"], Floor(frozenset({(0, 0), (1, 0)}), 0.5), (0, 0))
    with pytest.raises(TeamError):
        member.hear(0.0, message)
    assert member.ledger == Ledger()


def test_a_ledger_comes_back_from_json() -> None:
    ledger = Ledger(2, 5, {"a": Way(3, ((0, 1), (1, 1)))}, {}, {"b": ((4, 4),)})
    assert read(ledger.plain()) == ledger and EVERY < LOST
