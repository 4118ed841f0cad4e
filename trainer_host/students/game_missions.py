"""Missions of BabyAI played to their ends in minigrid: by its expert bot, by any action, by whoever chooses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge_runtime.games.rooms import BabyAi
from edge_runtime.tasks import Specialist
from trainer_host.tasks import Json
from trainer_host.tasks.game_rooms import begun, bot_stepped, state_of, stepped

ACTIONS = BabyAi.actions
Chooser = Callable[[Json], str]  # a state -> an action


@dataclass(frozen=True)
class Missions:
    """How missions of a level ended. done: the share of them. steps: the mean number of actions of those done."""

    done: float
    steps: float


def missions(level: str, seeds: Iterable[int], choose: Chooser) -> Missions:
    """One mission for each seed, until it is done, its time is over, or a thing that wasn't meant was picked up."""
    counts = [_played(level, seed, choose) for seed in seeds]
    return _summed(counts)


def bots_missions(level: str, seeds: Iterable[int]) -> Missions:
    """The same by minigrid's expert bot, which sees only what lies in front of it."""
    from minigrid.utils.baby_ai_bot import BabyAIBot

    counts: list[int | None] = []
    for seed in seeds:
        env, _ = begun(level, seed)
        bot = BabyAIBot(env)
        counts.append(None)
        while not bot_stepped(env, int(bot.replan())):
            pass
        if not _out_of_time(env):
            counts[-1] = env.unwrapped.step_count  # type: ignore[attr-defined]
    return _summed(counts)


def asking(specialist: Specialist) -> Chooser:
    """What a loaded player answers."""
    return lambda state: str(specialist.run({"game": BabyAi.name, "state": state})["action"])


def any_action(rng: random.Random) -> Chooser:
    """Any legal action."""
    rules = BabyAi()
    return lambda state: rng.choice(rules.legal(rules.read(state)))


def _played(level: str, seed: int, choose: Chooser) -> int | None:
    """How many actions it took; None where it wasn't done."""
    env, start = begun(level, seed)
    state, over = start, False
    while not over:
        over = stepped(env, ACTIONS.index(choose(state)))
        if over or env.unwrapped.carrying is not None:  # type: ignore[attr-defined]
            break
        state = state_of(env, start)
    return env.unwrapped.step_count if over and not _out_of_time(env) else None  # type: ignore[attr-defined]


def _out_of_time(env: object) -> bool:
    room = env.unwrapped  # type: ignore[attr-defined]
    return bool(room.step_count >= room.max_steps)


def _summed(counts: list[int | None]) -> Missions:
    done = [count for count in counts if count is not None]
    return Missions(len(done) / max(1, len(counts)), sum(done) / max(1, len(done)))
