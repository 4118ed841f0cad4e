from __future__ import annotations

import functools
import json
import math
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import fastjsonschema
import gymnasium
import pytest

from edge_runtime.games import boards, lookahead
from edge_runtime.games.worlds import TAXI_MAP, Place
from trainer_host.errors import DataError
from trainer_host.tasks import Example, Json, Rejected, game_boards, task_spec
from trainer_host.tasks.game import GAMES
from trainer_host.tasks.game_boards import ConnectFour, TicTacToe
from trainer_host.tasks.game_worlds import FrozenLake, Taxi

ROOT = Path(__file__).parents[3]
SPEC = task_spec("game")
LAKE: Json = {"game": "frozen_lake", "state": {"map": ["SFFF", "FHFH", "FFFH", "HFFG"], "row": 3, "column": 3}}
CAB: Json = {"game": "taxi", "state": {"row": 1, "column": 1, "passenger": "red", "destination": "blue"}}
SQUARES: Json = {"game": "tic_tac_toe", "state": {"board": ["XX.", "OO.", "..."]}}
COLUMNS: Json = {
    "game": "connect_four",
    "state": {"board": [".......", ".......", ".......", ".......", "XXX....", "OOOX..O"]},
}
DEFEND: Json = {
    "game": "connect_four",
    "state": {"board": [".......", ".......", ".......", ".......", "X......", "OOO.XX."]},
}
RIGHT = ((LAKE, "down"), (CAB, "pickup"), (SQUARES, "3"), (COLUMNS, "4"), (DEFEND, "4"))
WRONG = [
    (LAKE, "right", "bad move", "hole"),
    (LAKE, "up", "bad move", "away"),
    (LAKE, "left", "bad move", "away"),
    (LAKE, "jump", "unknown action", "left, down, right, up"),
    (LAKE, "", "unknown action", "left"),
    (LAKE, "x" * 10**6, "unknown action", "left"),
    (LAKE, None, "wrong form", "text"),
    (LAKE, 1, "wrong form", "text"),
    (LAKE, ["down"], "wrong form", "text"),
    (CAB, "dropoff", "illegal move", "possible"),
    (CAB, "north", "illegal move", "possible"),
    (CAB, "west", "illegal move", "possible"),
    (CAB, "south", "bad move", "away"),
    (SQUARES, "1", "illegal move", "possible"),
    (SQUARES, "6", "bad move", "better"),
    (SQUARES, "9", "bad move", "loses"),
    (SQUARES, "10", "unknown action", "1"),
    (COLUMNS, "1", "bad move", "win at once"),
    (COLUMNS, "8", "unknown action", "7"),
    (DEFEND, "7", "bad move", "other wins"),
]  # fmt: skip
IMPOSSIBLE: list[tuple[str, object]] = [
    ("frozen_lake", {"map": ["SFFF", "FHFH", "FFFH", "HFFG"], "row": 2, "column": 2}),
    ("frozen_lake", {"map": ["SFFF", "FHFH", "FFFH", "HFFG"], "row": 5, "column": 1}),
    ("frozen_lake", {"map": ["SFFF", "FHFH", "FFFH", "HFHG"], "row": 1, "column": 1}),
    ("frozen_lake", {"map": ["SHFF", "HHFH", "FFFH", "HFFG"], "row": 1, "column": 3}),
    ("frozen_lake", {"map": ["FFFF", "FHFH", "FFFH", "HFFG"], "row": 1, "column": 1}),
    ("frozen_lake", {"map": ["SFFFF"] * 4, "row": 1, "column": 1}),
    ("frozen_lake", {"map": ["S" * 1000] * 1000, "row": 1, "column": 1}),
    ("taxi", {"row": 1, "column": 6, "passenger": "red", "destination": "blue"}),
    ("taxi", {"row": 1, "column": 1, "passenger": "red", "destination": "red"}),
    ("taxi", {"row": 1, "column": 1, "passenger": "nobody", "destination": "red"}),
    ("taxi", {"row": 1.5, "column": 1, "passenger": "taxi", "destination": "red"}),
    ("tic_tac_toe", {"board": ["XXX", "OO.", "..."]}),
    ("tic_tac_toe", {"board": ["XX.", "...", "..."]}),
    ("tic_tac_toe", {"board": ["OO.", "X..", "..."]}),
    ("tic_tac_toe", {"board": ["XOX", "XOO", "OXX"]}),
    ("tic_tac_toe", {"board": ["XO?", "...", "..."]}),
    ("tic_tac_toe", {"board": "X"}),
    ("connect_four", {"board": ["X......", *["......."] * 5]}),
    ("connect_four", {"board": [*["......."] * 4, "OOO....", "XXXX..."]}),
    ("connect_four", {"board": [*["......."] * 5, "XX....."]}),
    ("connect_four", {"board": [["."] * 7] * 6}),
    ("connect_four", None),
]  # fmt: skip


def answer(action: object) -> list[Json]:
    return [{"thinking": "It looks good.", "action": action}]


@pytest.mark.parametrize(("drawn", "action"), RIGHT)
def test_a_best_action_passes(drawn: Json, action: str) -> None:
    made = SPEC.verify(drawn, answer(f" {action.upper()} "))
    assert made.output["action"] == action
    SPEC.check(made)
    assert SPEC.score(made.output, {"action": action}) == 1.0


@pytest.mark.parametrize(("drawn", "action", "reason", "said"), WRONG)
def test_a_planted_wrong_action_is_refused_for_its_reason(drawn: Json, action: object, reason: str, said: str) -> None:
    with pytest.raises(Rejected, match=said) as caught:
        SPEC.verify(drawn, answer(action))
    assert caught.value.reason == reason


@pytest.mark.parametrize(("game", "state"), IMPOSSIBLE)
def test_a_state_that_no_play_comes_to_is_refused(game: str, state: object) -> None:
    made = Example({"game": game, "state": state, "text": "?"}, {"action": GAMES[game].actions[0]})
    with pytest.raises(Rejected):
        SPEC.check(made)


def test_a_finished_example_is_checked_whole() -> None:
    made = SPEC.verify(LAKE, answer("down"))
    for told, output, reason in (
        ({"text": "Frozen lake."}, {}, "wrong text"),
        ({"game": "chess"}, {}, "wrong form"),
        ({}, {"action": "up"}, "bad move"),
        ({}, {"action": "DOWN"}, "unknown action"),
        ({}, {"optimal": ["up"]}, "wrong list"),
        ({}, {"legal": []}, "wrong list"),
        ({}, {"more": 1}, "wrong form"),
    ):
        with pytest.raises(Rejected) as caught:
            SPEC.check(Example({**made.input, **told}, {**made.output, **output}))
        assert caught.value.reason == reason
    SPEC.check(Example(made.input, {"action": "down"}))


def test_150_built_in_examples_pass_and_hardly_repeat() -> None:
    rng, schema = random.Random(2), fastjsonschema.compile(SPEC.example_schema)
    made = [SPEC.built_in(rng) for _ in range(150)]
    for built in made:
        SPEC.check(built)
        schema(json.loads(json.dumps({"input": built.input, "output": built.output})))
        assert 0 <= SPEC.difficulty(built) <= 1
    assert len({SPEC.key(built) for built in made}) >= 135
    assert min(Counter(SPEC.stratum(built) for built in made).values()) > 20


def test_the_metric_tells_best_from_legal_from_neither() -> None:
    wanted = SPEC.verify(CAB, answer("pickup")).output
    assert SPEC.score(wanted, {"action": "Pickup"}) == 1.0
    assert SPEC.score(wanted, {"action": "south"}) == 0.25
    for action in ("dropoff", "", None, 3, "pickup now", "x" * 10**6):
        assert SPEC.score(wanted, {"action": action}) == 0.0
    assert SPEC.score({"action": "south"}, {"action": "south"}) == 1.0


def played(env: gymnasium.Env[int, int], start: int, action_of: object, most: int) -> tuple[int, float]:
    """(steps, last reward) of a walk from a state, taken in gymnasium itself."""
    assert callable(action_of)
    env.reset(seed=0)
    env.unwrapped.s = start  # type: ignore[attr-defined]
    number, reward = start, 0.0
    for step in range(1, most + 1):
        number, reward, ended, _, _ = env.step(action_of(number))
        if ended:
            return step, float(reward)
    return most, float(reward)


def value_iteration(env: gymnasium.Env[int, int], states: int, actions: int) -> list[float]:
    """The most reward per state with one point off for each step: another algorithm than the one under test."""
    table = env.unwrapped.P  # type: ignore[attr-defined]
    worth = [-1000.0] * states
    for _ in range(70):
        worth = [
            max(
                (100.0 * (reward > 0) if ended else worth[after]) - 1
                for _, after, reward, ended in (table[state][action][0] for action in range(actions))
            )
            for state in range(states)
        ]
    return worth


def test_best_steps_on_lakes_are_those_of_value_iteration_and_reach_the_goal() -> None:
    lake = FrozenLake()
    for seed in range(12):
        place = lake.read(lake.sample(random.Random(seed)))
        env = gymnasium.make("FrozenLake-v1", desc=list(place.map), is_slippery=False)
        worth = value_iteration(env, len(place.map) ** 2, 4)
        table = env.unwrapped.P  # type: ignore[attr-defined]
        ahead = {}
        for action, name in enumerate(lake.actions):
            _, after, reward, ended = table[place.number][action][0]
            ahead[name] = 100.0 * (reward > 0) - 1 if ended else worth[after] - 1
        assert set(lake.optimal(place)) == {name for name, value in ahead.items() if value == max(ahead.values())}

        def best(number: int, rows: tuple[str, ...] = place.map) -> int:
            return lake.actions.index(lake.optimal(Place(rows, number))[0])

        steps, reward = played(env, place.number, best, 64)
        assert reward == 1
        assert steps == round(100 - worth[place.number])


def test_best_steps_of_the_taxi_are_those_of_value_iteration_in_every_state() -> None:
    taxi = Taxi()
    env = gymnasium.make("Taxi-v4")
    worth = value_iteration(env, 500, 6)
    table = env.unwrapped.P  # type: ignore[attr-defined]
    for number in range(500):
        if number // 4 % 5 == number % 4:  # the passenger is there already
            continue
        ahead = {}
        for action, name in enumerate(taxi.actions):
            _, after, _, ended = table[number][action][0]
            ahead[name] = 99.0 if ended else worth[after] - 1
        assert set(taxi.optimal(Place((), number))) == {n for n, v in ahead.items() if v == max(ahead.values())}
        mask = env.unwrapped.action_mask(number)  # type: ignore[attr-defined]
        assert taxi.legal(Place((), number)) == tuple(name for name, may in zip(taxi.actions, mask, strict=True) if may)


def test_the_map_in_the_prompt_is_the_taxis_own() -> None:
    own = [b"".join(row).decode() for row in gymnasium.make("Taxi-v4").unwrapped.desc[1:-1]]  # type: ignore[attr-defined]
    assert list(TAXI_MAP) == own


@functools.cache
def outcome(board: str) -> int:
    """1, 0 or -1 for the one to move, by the plainest search."""
    if boards.has_row(board):
        return -1
    free = [square for square in range(9) if board[square] == "."]
    return max((-outcome(boards.put(board, square)) for square in free), default=0)


def test_best_moves_in_tic_tac_toe_keep_the_outcome_and_win_at_once_where_they_can() -> None:
    game = TicTacToe()
    for seed in range(40):
        board = game.read(game.sample(random.Random(seed)))
        for move in game.optimal(board):
            after = boards.put(board, int(move) - 1)
            assert -outcome(after) == outcome(board)
        wins = [m for m in game.legal(board) if boards.has_row(boards.put(board, int(m) - 1))]
        assert not wins or set(game.optimal(board)) == set(wins)
    assert set(game.optimal(".........")) == set("123456789")  # all of them draw


def naive(board: list[str], player: str, ahead: int) -> int:
    """Connect four without bits or cut-offs."""
    if not ahead:
        return 0
    worth = []
    for column in range(7):
        row = next((r for r in range(5, -1, -1) if board[r][column] == "."), None)
        if row is None:
            continue
        after = [line if r != row else line[:column] + player + line[column + 1 :] for r, line in enumerate(board)]
        if four(after, player):
            return 90 + ahead
        worth.append(-naive(after, "O" if player == "X" else "X", ahead - 1))
    return max(worth, default=0)


def four(board: list[str], player: str) -> bool:
    return any(
        all(0 <= r + i * dr < 6 and 0 <= c + i * dc < 7 and board[r + i * dr][c + i * dc] == player for i in range(4))
        for r in range(6)
        for c in range(7)
        for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1))
    )


def test_the_search_of_connect_four_agrees_with_a_plain_one() -> None:
    game = ConnectFour()
    for seed in range(10):
        state = game.sample(random.Random(seed))
        mine, filled = game.read(state)
        board = state["board"]
        assert isinstance(board, list)
        player = "X" if filled.bit_count() % 2 == 0 else "O"
        assert lookahead.search(mine, filled, 3, -100, 100) == naive(board, player, 3)
        assert boards.drawn(mine, filled) == board


def test_best_moves_in_connect_four_beat_random_ones() -> None:
    game, rng, won = ConnectFour(), random.Random(3), 0
    for number in range(8):
        mine = filled = 0
        searching = number % 2 == 0
        while boards.open_columns(filled):
            moves = game.optimal((mine, filled)) if searching else game.legal((mine, filled))
            added = boards.drop(filled, int(rng.choice(moves)) - 1)
            if boards.has_four(mine | added):
                won += searching
                break
            mine, filled, searching = filled ^ mine, filled | added, not searching
    assert won == 8


def test_draws_vary_and_follow_from_the_seed() -> None:
    draws = [SPEC.draw(random.Random(seed)) for seed in range(80)]
    assert draws == [SPEC.draw(random.Random(seed)) for seed in range(80)]
    games = Counter(str(drawn["game"]) for drawn in draws)
    assert -sum(n / 80 * math.log2(n / 80) for n in games.values()) > 1.8
    assert len({json.dumps(drawn) for drawn in draws}) > 72
    for drawn in draws:
        game = GAMES[str(drawn["game"])]
        position = game.read(drawn["state"])
        assert 0 < len(game.optimal(position)) < len(game.legal(position))


def test_prompts_share_their_system_text_and_stay_short() -> None:
    prompts = [SPEC.prompt(SPEC.draw(random.Random(seed))) for seed in range(40)]
    assert len({prompt.system for prompt in prompts}) == 1
    assert len(prompts[0].system) < 2500
    assert all(len(prompt.user) < 600 for prompt in prompts)


def test_it_verifies_in_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for drawn, action in RIGHT:
            made = pool.submit(SPEC.verify, drawn, answer(action)).result(timeout=120)
            assert made == SPEC.verify(drawn, answer(action))
        with pytest.raises(Rejected, match="hole"):
            pool.submit(SPEC.verify, LAKE, answer("right")).result(timeout=120)


def test_the_slowest_game_is_judged_within_a_second() -> None:
    game = ConnectFour()
    game_boards._connect_best.cache_clear()
    began = time.process_time()
    game.optimal((0, 0))
    assert time.process_time() - began < 1.0 * 3  # a slow test machine


def test_without_gymnasium_one_sentence_names_the_extra() -> None:
    code = (
        "import sys\nsys.modules['gymnasium'] = None\nfrom trainer_host.errors import TrainerError\n"
        "from trainer_host.tasks import task_spec\n"
        "try:\n    task_spec('game')\nexcept TrainerError as cause:\n    print(cause)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.count("\n") == 1, done.stderr
    assert "gymnasium" in done.stdout and "'tasks'" in done.stdout


def test_it_has_no_options() -> None:
    with pytest.raises(DataError, match="no option"):
        task_spec("game", {"name": "chess"})
