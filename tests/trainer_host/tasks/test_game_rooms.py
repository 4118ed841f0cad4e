from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.games.rooms import SIDES, Stand, sides_of
from trainer_host.errors import DataError
from trainer_host.students.game_missions import any_action, bots_missions, missions
from trainer_host.tasks import Json, Rejected, task_spec
from trainer_host.tasks.game import GAMES
from trainer_host.tasks.game_rooms import LEVELS, BabyAi, begun, distances

ROOT = Path(__file__).parents[3]
RULES = BabyAi()


@pytest.fixture(scope="module", autouse=True)
def _minigrid() -> None:
    pytest.importorskip("minigrid")


def best(state: Json) -> str:
    return RULES.optimal(RULES.read(state))[0]


@pytest.mark.parametrize("level", LEVELS)
def test_the_best_actions_do_each_mission_in_minigrid_in_as_few_steps_as_were_told(level: str) -> None:
    seeds = range(100, 110)
    needed = [distances((stand := RULES.read(begun(level, seed)[1])).room)[stand.pose] for seed in seeds]
    own, bot = missions(level, seeds, best), bots_missions(level, seeds)
    assert own.done == bot.done == 1.0
    # minigrid ends a mission to go somewhere as soon as the thing is ahead, without "done"
    saved = 0 if "Pickup" in level else 1
    assert own.steps == pytest.approx(sum(max(1, steps - saved) for steps in needed) / len(needed))
    assert own.steps <= bot.steps
    assert missions(level, seeds, any_action(random.Random(1))).done < 0.8


def test_what_a_mission_means_is_what_minigrid_means() -> None:
    for seed in range(60):
        env, state = begun("BabyAI-PickupLoc-v0", seed)
        stand = RULES.read(state)
        wanted = {(int(row) - 1, int(column) - 1) for column, row in env.unwrapped.instrs.desc.obj_poss}  # type: ignore[attr-defined]
        ends = {pose.ahead for pose, steps in distances(stand.room).items() if steps == 1}
        walls_in = {square for square in wanted if not any(stand.room.free((square[0] + r, square[1] + c)) for r, c in ((0, 1), (1, 0), (0, -1), (-1, 0)))}  # fmt: skip
        assert ends == wanted - walls_in
        side = stand.room.mission.side
        if side is not None:
            start = stand.room.start
            assert all(dict(zip(SIDES, sides_of(start, *square), strict=True))[side] for square in wanted)


def test_examples_are_drawn_where_the_option_names_the_game() -> None:
    spec, rng = task_spec("game", {"games": ["babyai"]}), random.Random(3)
    made = [spec.built_in(rng) for _ in range(30)]
    for example in made:
        spec.check(example)
        assert spec.stratum(example) == "babyai" and 0 <= spec.difficulty(example) <= 1
    assert len({spec.key(example) for example in made}) == 30
    assert len({str(example.output["action"]) for example in made}) >= 4
    assert made == [spec.built_in(again) for again in [random.Random(3)] for _ in range(30)]
    prompt = spec.prompt(spec.draw(rng))
    assert "BabyAI" in prompt.system and "Taxi" not in prompt.system and "Mission: " in prompt.user


def test_a_wrong_action_is_refused_for_its_reason() -> None:
    state: Json = {
        "mission": "go to the red ball",
        "side": 6,
        **{"row": 1, "column": 1, "facing": "east"},
        "start": {"row": 1, "column": 1, "facing": "east"},
        "things": [
            {"kind": "key", "color": "red", "row": 1, "column": 2},
            {"kind": "ball", "color": "red", "row": 3, "column": 1},
        ],
    }
    spec = task_spec("game", {"games": ["babyai"]})
    drawn: Json = {"game": "babyai", "state": state}
    assert spec.verify(drawn, [{"action": "right"}]).output["optimal"] == ["right"]
    for action, said in (("done", "isn't what the mission asks"), ("left", "away"), ("forward", "isn't possible here")):
        with pytest.raises(Rejected, match=said):
            spec.verify(drawn, [{"action": action}])
    with pytest.raises(Rejected, match="Nothing that the mission means"):
        GAMES["babyai"].read({**state, "mission": "go to the blue ball"})
    assert isinstance(GAMES["babyai"].read(state), Stand)


@pytest.mark.parametrize(
    ("games", "sentence"), [([], "must be words"), ("babyai", "must be words"), ([5], "must be words"), (["chess"], "no game 'chess'")]
)  # fmt: skip
def test_a_wrong_option_is_one_sentence(games: object, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        task_spec("game", {"games": games})


def test_without_minigrid_one_sentence_names_the_extra_and_the_other_games_are_there() -> None:
    code = (
        "import sys\nsys.modules['minigrid'] = None\nfrom trainer_host.errors import TrainerError\n"
        "from trainer_host.tasks import task_spec\ntask_spec('game')\n"
        "try:\n    task_spec('game', {'games': ['babyai']})\nexcept TrainerError as cause:\n    print(cause)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.count("\n") == 1, done.stderr
    assert "minigrid" in done.stdout and "'babyai'" in done.stdout


@pytest.mark.parametrize("advice", [3, 4], ids=["pickup", "drop"])
def test_where_the_bot_carries_something_off_the_state_before_is_asked_about(
    advice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import minigrid.utils.baby_ai_bot

    class Carrier:
        def __init__(self, env: object) -> None:
            pass

        def replan(self, taken: object) -> int:
            return advice

    monkeypatch.setattr(minigrid.utils.baby_ai_bot, "BabyAIBot", Carrier)
    for seed in range(40):
        state = RULES.sample(random.Random(seed))
        rng = random.Random(seed)
        _, start = begun(rng.choice(LEVELS), rng.getrandbits(31))
        assert state["things"] == start["things"]
