"""Rooms of BabyAI: states that its expert bot comes to in minigrid, and the best actions in every square of a room.

The bot sees what lies in front of it and explores; a player here is told the whole room, so that the best way is one
of the shortest, which a search over all squares and facings finds.
"""

from __future__ import annotations

import contextlib
import functools
import io
import random
from collections import deque
from typing import TYPE_CHECKING

from edge_runtime.games import rooms
from edge_runtime.games.rooms import (
    DONE,
    FACINGS,
    FORWARD,
    LEFT,
    PICKUP,
    RIGHT,
    STEPS,
    Pose,
    Room,
    Stand,
    legal_actions,
)
from edge_runtime.media import Rejected
from trainer_host.media import examples
from trainer_host.tasks import Json

if TYPE_CHECKING:
    import gymnasium

LEVELS = (
    "BabyAI-GoToRedBallGrey-v0",
    "BabyAI-GoToRedBall-v0",
    "BabyAI-GoToObj-v0",
    "BabyAI-GoToLocal-v0",
    "BabyAI-PickupLoc-v0",
)
_STRAYS = 0.2  # share of steps that aren't the bot's, so that states beside its ways come up
_LONGEST = 20  # actions


class BabyAi(rooms.BabyAi):
    """See `rooms.BabyAi`, with states to ask about, and what is best in them."""

    rules = (
        "Room of BabyAI: squares, row 1 in the north, column 1 in the west; balls, boxes and keys lie in it and can't be "
        "walked over. left and right turn you, forward steps one square ahead. A mission to go to something ends with "
        "done when it is straight ahead of you, a mission to pick something up with pickup. Sides in a mission, as on "
        "your left, are those of where you began. Do it in as few actions as can be."
    )
    judged = "is the first of a shortest way to what the mission asks for, by breadth-first search"

    def read(self, state: object) -> Stand:
        """Raises `Rejected` also where nothing in the room is meant, or no way leads to it from there."""
        stand = super().read(state)
        if stand.pose not in distances(stand.room):
            raise Rejected(rooms.IMPOSSIBLE, "Nothing that the mission means can be reached from there.")
        return stand

    def sample(self, rng: random.Random) -> Json:
        """Where the expert bot of minigrid stands in one of the `LEVELS` after some of its steps, and a few others."""
        examples.needs("minigrid", "Rooms of BabyAI", "babyai")
        from minigrid.utils.baby_ai_bot import BabyAIBot

        env, start = begun(rng.choice(LEVELS), rng.getrandbits(31))
        bot, taken, state = BabyAIBot(env), None, start
        for _ in range(rng.randint(0, _LONGEST)):
            advised = player_action(int(bot.replan(taken)))
            taken = rng.choice((LEFT, RIGHT, FORWARD)) if rng.random() < _STRAYS else advised
            # Where something stands in its way the bot carries it off; a player can't, and a state doesn't tell of it.
            if taken is None or stepped(env, taken) or taken == PICKUP:
                break
            state = state_of(env, start)
        env.close()
        return state

    def optimal(self, stand: Stand) -> tuple[str, ...]:
        """See `judged`."""
        return tuple(self.actions[action] for action in best_actions(stand.room, stand.pose))

    def refuses(self, stand: Stand, action: str) -> str | None:
        """None where it is on a shortest way, else what is wrong with it."""
        if action in self.optimal(stand):
            return None
        if action in ("pickup", "done"):
            return "that isn't what the mission asks for"
        return "it leads away from what the mission asks for"

    def effort(self, stand: Stand) -> float:
        """The longer the way, the harder."""
        return min(1.0, distances(stand.room)[stand.pose] / 16)


# minigrid counts its actions left, right, forward, pickup, drop, toggle, done.
_MINIGRID = {LEFT: 0, RIGHT: 1, FORWARD: 2, PICKUP: 3, DONE: 6}


def player_action(number: int) -> int | None:
    """The place in `rooms.BabyAi.actions` of one of minigrid's actions; None for drop and toggle, which a player hasn't."""
    return {theirs: ours for ours, theirs in _MINIGRID.items()}.get(number)


def begun(level: str, seed: int) -> tuple[gymnasium.Env, Json]:
    """A level of minigrid, and the state that it begins with."""
    import gymnasium
    import minigrid  # noqa: F401  # it registers its levels

    env = gymnasium.make(level, disable_env_checker=True)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how often it tried
        env.reset(seed=seed)
    return env, state_of(env)


def stepped(env: gymnasium.Env, action: int) -> bool:
    """Take one of `rooms.BabyAi.actions` in minigrid; whether it is over, done or out of time."""
    return bot_stepped(env, _MINIGRID[action])


def bot_stepped(env: gymnasium.Env, number: int) -> bool:
    """The same with one of minigrid's own actions."""
    _, _, ended, cut, _ = env.step(number)
    return bool(ended or cut)


def state_of(env: gymnasium.Env, start: Json | None = None) -> Json:
    """The state of a level of minigrid as JSON. start: the state that it began with, None where that is this one."""
    room = env.unwrapped
    column, row = (int(n) for n in room.agent_pos)  # type: ignore[attr-defined]
    pose: Json = {"row": row, "column": column, "facing": FACINGS[int(room.agent_dir)]}  # type: ignore[attr-defined]
    grid = room.grid  # type: ignore[attr-defined]
    things = [
        {"kind": cell.type, "color": cell.color, "row": row, "column": column}
        for row in range(1, grid.height - 1)
        for column in range(1, grid.width - 1)
        if (cell := grid.get(column, row)) is not None
    ]
    began = pose if start is None else start["start"]
    mission = room.mission  # type: ignore[attr-defined]
    return {"mission": mission, "side": grid.width - 2, **pose, "start": began, "things": things}


@functools.lru_cache(maxsize=512)
def distances(room: Room) -> dict[Pose, int]:
    """How many actions end the mission, for every pose from which it can be done."""
    wanted = {(one.row, one.column) for one in room.things if _meant(room, one)}
    poses = [
        Pose(row, column, facing)
        for row in range(room.side)
        for column in range(room.side)
        if room.free((row, column))
        for facing in range(len(STEPS))
    ]
    found = {pose: 1 for pose in poses if pose.ahead in wanted}
    waiting = deque(found)
    while waiting:
        pose = waiting.popleft()
        down, right = STEPS[pose.facing]
        behind = pose.row - down, pose.column - right
        before = [Pose(pose.row, pose.column, (pose.facing + turn) % 4) for turn in (1, 3)]
        if room.free(behind):
            before.append(Pose(*behind, pose.facing))
        for earlier in before:
            if earlier not in found:
                found[earlier] = found[pose] + 1
                waiting.append(earlier)
    return found


def best_actions(room: Room, pose: Pose) -> tuple[int, ...]:
    """The places in `rooms.BabyAi.actions` of those that a shortest way begins with; the pose must be in `distances`."""
    far = distances(room)
    if far[pose] == 1:
        return (PICKUP,) if room.mission.fetch else (DONE,)
    after = {
        LEFT: Pose(pose.row, pose.column, (pose.facing - 1) % 4),
        RIGHT: Pose(pose.row, pose.column, (pose.facing + 1) % 4),
    }
    if FORWARD in legal_actions(room, pose):
        after[FORWARD] = Pose(*pose.ahead, pose.facing)
    return tuple(action for action, then in sorted(after.items()) if far[then] < far[pose])


def _meant(room: Room, thing: rooms.Thing) -> bool:
    mission = room.mission
    if thing.kind != mission.kind or mission.color not in (None, thing.color):
        return False
    return (
        mission.side is None
        or dict(zip(rooms.SIDES, rooms.sides_of(room.start, thing.row, thing.column), strict=True))[mission.side]
    )
