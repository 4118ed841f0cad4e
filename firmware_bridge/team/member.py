"""One robot of a team: it hears the others, votes, leads if it must, and says how far this robot may go.

    member = Member("r1", ids, floor, cell)
    member.hear(now, message)                    # whatever comes over the air, in any order, or not at all
    for message in member.tick(now): send(message)
    cell = member.goes_to(now)                   # where the robot may drive now, or None: it stands
    member.arrived()                             # when it is there

Nobody moves until all of the team were heard once. The leader alone gives away cells, by numbers of a way that only grow, so messages may be lost, late or doubled. A robot goes on
only while it hears the leader. It is lost when it was silent for longer than that: then it stands, somewhere on what it was
granted, and nobody else enters there. A leader needs more than half of the team, as in Raft (Ongaro, Ousterhout, 2014), and the
newest ledger of all who voted for it; so a way that was granted is known to every leader that follows. What a member promised
is on its disk before anybody hears of it (`kept`), so one that is started again votes no second time, and stands where it stood.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from firmware_bridge.team.kept import Kept, Promised
from firmware_bridge.team.ledger import Ledger, Task, TeamError, Way, read
from firmware_bridge.team.schedule import Cell, Floor, order, schedule

log = logging.getLogger(__name__)

EVERY = 0.2  # seconds between two messages
LEASE = 1.0  # seconds that a robot goes on without the leader
LOST = 3.0  # of silence until a robot counts as lost: its lease is over by then, and it stands
ELECTION, APART = 1.2, 0.25  # seconds without a leader until the first member stands for it, and between two members
KEPT = 100  # tasks that are done, so that one that comes late isn't done again
NUMBERS = 1000  # of messages that are kept at once
AGAIN = 2.0  # seconds until robots that got no way are looked at again
Message = dict[str, Any]


class Member:
    """See the module. ids: all of the team, by which it is known what more than half is. cell: where it stands.

    kept: where its promises lie, also those from before it was started again; None: it forgets them. Raises TeamError.
    """

    def __init__(self, name: str, ids: Collection[str], floor: Floor, cell: Cell, kept: Kept | None = None) -> None:
        if name not in ids or cell not in floor.cells:
            raise TeamError(f"{name} must be one of the team, and stand on a cell of the floor.")
        self.name, self.ids, self.floor = name, sorted(ids), floor
        self.start = cell
        self.at = self.granted = 0  # numbers of its way's cells: where it is, and as far as it may go
        self.epoch, self.leader, self.vote = 0, "", ""
        self.ledger = Ledger()
        self.done: set[str] = set()
        self.wishes: dict[str, Task] = {}
        self._heard = -1e9  # from the leader
        self._alive_since: float | None = None
        self._told: dict[str, tuple[float, Message]] = {}  # what others said in this epoch, and when
        self._last, self._number = -1e9, 0
        self._led_since, self._planned = 0.0, -1e9
        self._issued: dict[str, int] = {}
        self._held: dict[str, int] | None = None  # cells at the beginning of each way that were its robot's already
        self._kept, self._saved = kept, Promised(start=cell)
        self._forgetful = False  # what was promised couldn't be kept: it stands, and says nothing
        if kept is not None and (before := kept.read()) is not None:
            self._remember(before, cell)

    @property
    def leads(self) -> bool:
        return self.leader == self.name

    def wish(self, task: str, cell: Cell, priority: int = 0) -> None:
        """Something that somebody of the team should do. Raises TeamError."""
        if cell not in self.floor.cells:
            raise TeamError(f"The cell {cell} isn't on the floor.")
        self.wishes[task] = Task(cell, priority)

    def goes_to(self, now: float) -> Cell | None:
        """The next cell of this robot's way, if it may go there."""
        way = self.ledger.ways.get(self.name)
        if way is None or self._forgetful or self.at >= self.granted or now - self._heard > LEASE:
            return None
        return way.cells[self.at + 1 - way.first]

    def arrived(self) -> None:
        """It is in that cell, and has left the one before."""
        self.at += 1
        self._look()

    def _remember(self, before: Promised, cell: Cell) -> None:
        """It was started again. Raises TeamError where it was moved meanwhile."""
        self.epoch, self.vote, self.ledger = before.epoch, before.vote, before.ledger
        self.granted, self.start, self.done = before.granted, before.start, set(before.done)
        self._number, self._saved = before.numbers, before
        way = self.ledger.ways.get(self.name)
        own = [before.start] if way is None else list(way.after(before.at)[: before.granted - before.at + 1])
        if cell not in own:
            raise TeamError(
                f"{self.name} isn't where its team lets it stand: put it back on its way, or start all of the team with --anew."
            )
        self.at = before.at + own.index(cell)
        if self.vote == self.name:  # it may have led, and doesn't know any more what it let others do
            self._enter(self.epoch + 1)
        self._save()

    def _save(self) -> None:
        """Keeps what is promised, where that changed, before it is told or acted upon. Raises TeamError."""
        if self._kept is None:
            return
        numbers = self._saved.numbers if self._number < self._saved.numbers else self._number + NUMBERS
        now = Promised(
            self.epoch, self.vote, self.ledger, self.at, self.granted, self.start, frozenset(self.done), numbers
        )
        if now != self._saved:
            self._forgetful = True
            self._kept.write(now)
            self._saved, self._forgetful = now, False

    def _look(self) -> None:
        mine, way = self.ledger.task_of(self.name), self.ledger.ways.get(self.name)
        if mine is not None and way is not None and way.after(self.at)[:1] == (mine[1].cell,):
            self.done.add(mine[0])

    def hear(self, now: float, message: Message) -> None:
        """A message of another member. Raises TeamError for what is none."""
        who, epoch = message.get("from"), message.get("epoch")
        if who not in self.ids or who == self.name or type(epoch) is not int or not 0 <= epoch < 1 << 53:
            raise TeamError("The message isn't of this team.")
        if not _readable(message):
            raise TeamError("The message can't be read.")
        if epoch < self.epoch:
            return
        if epoch > self.epoch:
            self._enter(epoch)
        if who in self._told and message["number"] <= self._told[who][1]["number"]:
            return  # overtaken by a later one, or doubled
        self._told[who] = (now, message)
        ledger = read(message["ledger"]) if "ledger" in message else None
        if ledger is not None and ledger.stamp > self.ledger.stamp:
            self.ledger = ledger
        if message.get("leader") == who:
            self.leader, self._heard = str(who), now
            grants = message.get("grants")
            mine = grants.get(self.name) if isinstance(grants, dict) else None
            way = self.ledger.ways.get(self.name)
            # Of the way that the leader speaks of, and of no other.
            if type(mine) is int and way is not None and message.get("stamp") == list(self.ledger.stamp):
                self.granted = max(self.granted, min(mine, way.last))
        elif message.get("stands") is True and not self.vote:
            self.vote = str(who)
        self._save()

    def tick(self, now: float) -> list[Message]:
        """What to tell all others now. Raises TeamError where it can't be kept."""
        if self._alive_since is None:
            self._alive_since = now
        if now - self._last < EVERY:
            return []
        self._last, self._number = now, self._number + 1
        self._look()
        if not self.leads:
            patience = ELECTION + APART * self.ids.index(self.name)
            if now - max(self._heard, self._alive_since) > patience:
                self._stand(now)
            elif self.vote == self.name and not self.leader:
                self._count(now)
        if self.leads:
            self._lead(now)
        message: Message = {
            "from": self.name, "number": self._number, "epoch": self.epoch, "leader": self.leader, "vote": self.vote,
            "at": self.at, "granted": self.granted, "done": sorted(self.done), "start": list(self.start),
            "stamp": list(self.ledger.stamp),
            "wishes": {name: [list(task.cell), task.priority] for name, task in self.wishes.items() if name not in self.ledger.tasks},
        }  # fmt: skip
        if self.leads or self.vote:
            message["ledger"] = self.ledger.plain()
        if self.leads:
            message["grants"] = dict(self._issued)
        if self.vote == self.name and not self.leader:
            message["stands"] = True
        self._save()
        return [message]

    # Elections.

    def _enter(self, epoch: int) -> None:
        self.epoch, self.leader, self.vote = epoch, "", ""
        self._told.clear()

    def _stand(self, now: float) -> None:
        self._enter(self.epoch + 1)
        self.vote, self._heard = self.name, now
        self._count(now)

    def _count(self, now: float) -> None:
        votes = 1 + sum(message.get("vote") == self.name for _, message in self._told.values())
        if votes * 2 > len(self.ids):
            log.info("%s leads the team in epoch %d.", self.name, self.epoch)
            self.leader, self._heard, self._led_since, self._issued, self._held = self.name, now, now, {}, None
            self.ledger = self.ledger.changed(self.epoch)

    # Leading.

    def _lead(self, now: float) -> None:
        heard = {name: message for name, (at, message) in self._told.items() if now - at <= LOST}
        if (len(heard) + 1) * 2 <= len(self.ids):
            if now - self._heard > LOST:  # alone: others may have another leader by now
                self._enter(self.epoch + 1)  # nobody votes twice in one
                self._alive_since = now
            return
        self._heard = now
        if len(heard) + 1 < len(self.ids) and now - self._led_since <= LOST:
            return  # who is missing may still be granted something that this leader doesn't know of
        places = {name: (message["at"], message["granted"]) for name, message in heard.items()}
        places[self.name] = (self.at, self.granted)
        starts = {name: tuple(message["start"]) for name, message in heard.items()} | {self.name: self.start}
        self._write(now, heard, places, starts)
        self._grant(heard, places)

    def _write(
        self, now: float, heard: Mapping[str, Message], places: Mapping[str, tuple[int, int]], starts: Mapping[str, Any]
    ) -> None:
        ledger, tasks = self.ledger, dict(self.ledger.tasks)
        wished = {name: task for name, task in self.wishes.items() if name not in tasks}
        for message in heard.values():
            for name, (cell, priority) in message.get("wishes", {}).items():
                if tuple(cell) in self.floor.cells and name not in tasks:
                    wished.setdefault(name, Task((cell[0], cell[1]), priority))
        tasks |= wished
        settled = [name for name, task in tasks.items() if task.done]
        tasks = {name: task for name, task in tasks.items() if name not in settled[: max(0, len(settled) - KEPT)]}
        finished = set(self.done).union(*(message["done"] for message in heard.values()))
        for name, task in tasks.items():
            if name in finished and not task.done:
                tasks[name] = Task(task.cell, task.priority, task.robot, True)
        ways = dict(ledger.ways)
        for name, cell in starts.items():
            ways.setdefault(name, Way(0, ((cell[0], cell[1]),)))
        wrecks = {name: cells for name, cells in ledger.wrecks.items() if name not in places}
        for name, way in ways.items():
            if name not in places and name not in wrecks:
                at, granted = self._known(name, way)
                wrecks[name] = way.after(at)[: granted - at + 1]
                log.warning("%s is lost; nobody enters where it may stand.", name)
        for name, task in tasks.items():
            if task.robot in wrecks and not task.done:
                tasks[name] = Task(task.cell, task.priority)
        blocked = {cell for cells in wrecks.values() for cell in cells}
        tasks = self._assign(tasks, ways, places, blocked)
        waits = any(ways[name].cells[-1] != task.cell for name, task in self._work(tasks).items())
        same = (tasks, wrecks, ways.keys()) == (ledger.tasks, ledger.wrecks, ledger.ways.keys())
        if same and self._held is not None and not (waits and now - self._planned > AGAIN):
            return
        self._planned = now
        prefixes = {
            name: ways[name].after(at)[: max(self._issued.get(name, 0), granted) - at + 1]
            for name, (at, granted) in places.items()
        }
        work = self._work(tasks)
        urgent = sorted(work, key=lambda name: (-work[name].priority, name))
        goals = {name: work[name].cell for name in urgent} | {
            name: prefixes[name][-1] for name in sorted(prefixes) if name not in work
        }
        found, _ = schedule(self.floor, prefixes, goals, blocked)
        new = {name: Way(places[name][0], tuple(cells)) for name, cells in found.items()}
        self.ledger = ledger.changed(self.epoch, ways=ways | new, tasks=tasks, wrecks=wrecks)
        self._held = {name: len(prefix) for name, prefix in prefixes.items()}

    def _known(self, name: str, way: Way) -> tuple[int, int]:
        """Where a lost robot was last, and how far it may have gone: as far as any leader may have let it."""
        if name in self._told:
            message = self._told[name][1]
            return message["at"], max(message["granted"], self._issued.get(name, 0))
        return way.first, way.last

    def _work(self, tasks: Mapping[str, Task]) -> dict[str, Task]:
        return {task.robot: task for task in tasks.values() if task.robot and not task.done}

    def _assign(
        self,
        tasks: dict[str, Task],
        ways: Mapping[str, Way],
        places: Mapping[str, tuple[int, int]],
        blocked: Collection[Cell],
    ) -> dict[str, Task]:
        """Each task that nobody has, the most urgent one first, to the nearest robot that has none."""
        free = set(places) - set(self._work(tasks))
        for name, task in sorted(tasks.items(), key=lambda item: (-item[1].priority, item[0])):
            if task.robot or task.done or task.cell in blocked or not free:
                continue
            steps = self.floor.ways(task.cell, blocked)
            near = [(steps[cell], robot) for robot in free if (cell := ways[robot].after(places[robot][1])[0]) in steps]
            if near:
                robot = min(near)[1]
                free.discard(robot)
                tasks[name] = Task(task.cell, task.priority, robot)
        return tasks

    def _grant(self, heard: Mapping[str, Message], places: Mapping[str, tuple[int, int]]) -> None:
        """As far along its way as each may go: into cells that all who come before it there have left."""
        stamp = list(self.ledger.stamp)
        known = 1 + sum(message.get("stamp") == stamp for message in heard.values())
        if known * 2 <= len(self.ids) or self._held is None or self.ledger.ways.keys() != set(self.ids):
            return  # somebody who was never heard stands who knows where
        ways = {name: self.ledger.ways[name] for name in places}
        queues = order({name: way.cells for name, way in ways.items()}, self._held)
        blocked = {cell for cells in self.ledger.wrecks.values() for cell in cells}
        for name, way in ways.items():
            upto = max(places[name][1], self._issued.get(name, 0), way.first)
            while upto < way.last:
                ahead = upto + 1 - way.first
                cell = way.cells[ahead]
                before = []
                for robot, first, last in queues[cell]:
                    if robot == name and first <= ahead <= last:
                        break
                    before.append((robot, last))
                if cell in blocked or any(
                    robot != name and places[robot][0] <= ways[robot].first + last for robot, last in before
                ):
                    break
                upto += 1
            self._issued[name] = upto
        self.granted = max(self.granted, self._issued[self.name])


def _readable(message: Message) -> bool:
    at, granted, start = message.get("at"), message.get("granted"), message.get("start")
    if (
        type(at) is not int
        or type(granted) is not int
        or not 0 <= at <= granted
        or not isinstance(message.get("done"), list)
    ):
        return False
    wishes = message.get("wishes", {})
    pairs = [start, *([each[0] for each in wishes.values() if isinstance(each, list) and len(each) == 2 and type(each[1]) is int]
                      if isinstance(wishes, dict) else [None])]  # fmt: skip
    return all(
        isinstance(pair, list) and len(pair) == 2 and all(type(part) is int for part in pair) for pair in pairs
    ) and (len(pairs) == len(wishes) + 1)
