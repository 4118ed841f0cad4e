from __future__ import annotations

import dataclasses
import random
import time

import numpy as np
import pytest

from edge_runtime import strict_json
from edge_runtime.bundle.manifest import Golden, Manifest, ModelFile
from edge_runtime.engines import Tensor
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.games import RULES
from edge_runtime.games.rooms import COLORS
from edge_runtime.tasks import task_module, task_names
from edge_runtime.tasks.game import INPUTS, KEPT, NAME, OUTPUTS, REQUEST_SCHEMA, Player, agrees, load
from trainer_host.tasks.game import GAMES, USUAL

BOARD = {"game": "tic_tac_toe", "state": {"board": ["XX.", "OO.", "..."]}}
COLUMNS = {
    "game": "connect_four",
    "state": {"board": [".......", ".......", ".......", ".......", "XXX....", "OOOX..O"]},
}
LAKE = {"game": "frozen_lake", "state": {"map": ["SFFF", "FHFH", "FFFH", "HFFG"], "row": 1, "column": 1}}
CAB = {"game": "taxi", "state": {"row": 1, "column": 1, "passenger": "red", "destination": "blue"}}
ROOM = {
    "game": "babyai",
    "state": {
        "mission": "pick up the red ball on your left",
        "side": 6,
        **{"row": 2, "column": 2, "facing": "east"},
        "start": {"row": 3, "column": 3, "facing": "north"},
        "things": [
            {"kind": "ball", "color": "red", "row": 2, "column": 3},
            {"kind": "ball", "color": "red", "row": 1, "column": 6},
        ],
    },
}
EVEN = dict.fromkeys(RULES, 1.0)


class Scoring:
    """An engine that gives every cell a logit."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.out = {name: rng.normal(size=shape).astype(np.float32) for name, shape in OUTPUTS.items()}
        self.seen: list[dict[str, np.ndarray]] = []

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert {name: value.shape for name, value in inputs.items()} == INPUTS
        self.seen.append(inputs)
        return self.out


def player(seed: int = 0, unsure: float = 0.5) -> Player:
    return Player(unsure, EVEN, Scoring(seed))  # type: ignore[arg-type]


def test_the_task_is_known_by_its_name() -> None:
    assert "game" in task_names()
    assert task_module("game").NAME == NAME


@pytest.mark.parametrize("name", USUAL)
def test_whatever_the_network_says_the_action_is_legal_and_its_score_is_the_highest(name: str) -> None:
    rng = random.Random(1)
    for seed in range(40):
        state = GAMES[name].sample(rng)
        answer = player(seed).run({"game": name, "state": state})
        scores = answer["scores"]
        assert isinstance(scores, dict)
        assert tuple(scores) == RULES[name].legal(RULES[name].read(state))
        assert answer["confidence"] == scores[answer["action"]] == max(scores.values())
        assert answer["unsure"] is (answer["confidence"] < 0.5 and len(scores) > 1)


@pytest.mark.parametrize("request_", [BOARD, COLUMNS, LAKE, CAB, ROOM])
def test_a_text_is_answered_as_the_state_that_it_tells(request_: dict[str, object]) -> None:
    rules = RULES[str(request_["game"])]
    told = rules.text(rules.read(request_["state"]))
    wanted = player().run(request_)
    assert player().run({"text": told}) == wanted
    assert player().run({"text": told.replace("\n", "\\n")}) == wanted  # as typed into a shell
    assert player().run({"game": request_["game"], "text": told}) == wanted
    assert player().run({**request_, "text": told}) == wanted


def test_a_score_is_read_where_the_piece_would_land_or_the_player_stands() -> None:
    engine = Scoring()
    for output in engine.out.values():
        output[...] = -3
    engine.out["board_scores"][0, 8 * 3 + 2] = 3  # column 4, third from below
    engine.out["world_scores"][0, 4, 0] = 3  # pick up, in the first place
    made = Player(0.5, EVEN, engine)  # type: ignore[arg-type]
    columns = {**COLUMNS, "state": {"board": [*["......."] * 4, "XX.O...", "OOOX..X"]}}
    assert made.run(columns)["action"] == "4"
    assert made.run(CAB)["action"] == "pickup"
    assert not engine.seen[0]["world"].any() and not engine.seen[1]["board"].any()
    # pick up, facing east, in the second row and column
    engine.out["room_scores"][0, 12, 8 + 1] = 3
    assert made.run(ROOM)["action"] == "pickup"
    assert not engine.seen[2]["world"].any() and engine.seen[2]["room"].any()


@pytest.mark.parametrize("asked", [LAKE, ROOM])
def test_a_step_in_the_same_room_or_world_is_read_from_the_scores_of_the_first(asked: dict[str, object]) -> None:
    one = player()
    engine: Scoring = one._engine  # type: ignore[assignment]
    state: dict[str, object] = asked["state"]  # type: ignore[assignment]
    first = one.run(asked)
    moved = one.run({**asked, "state": {**state, "row": 3}})
    assert moved["scores"] != first["scores"]
    assert one.run(asked) == first
    assert len(engine.seen) == 1
    fresh = player().run({**asked, "state": {**state, "row": 3}})
    assert fresh == moved


def test_other_rooms_are_run_anew_and_few_are_kept() -> None:
    one = player()
    engine: Scoring = one._engine  # type: ignore[assignment]
    state: dict[str, object] = ROOM["state"]  # type: ignore[assignment]
    rooms = [{**ROOM, "state": {**state, "mission": f"go to the {color} ball"}} for color in COLORS]
    for asked in [*rooms, *rooms]:
        one.run(asked)
    assert len(engine.seen) == 2 * len(rooms) > 2 * KEPT


def test_in_connect_four_a_glance_rules_out_what_loses_and_takes_what_wins() -> None:
    def told(*rows: str) -> dict[str, object]:
        return {"game": "connect_four", "state": {"board": list(rows)}}

    empty = "......."
    for seed in range(12):
        wins = player(seed).run(told(empty, empty, empty, empty, "OOO....", "XXX...."))
        assert wins["action"] == "4" and wins["confidence"] == 1 and not wins["unsure"]
        blocks = player(seed).run(told(empty, empty, empty, empty, "X......", "X..OOOX"))
        scores: dict[str, float] = blocks["scores"]  # type: ignore[assignment]
        assert blocks["action"] == "3" and scores == {**dict.fromkeys("124567", 0.0), "3": 1.0}
        # Two in an open row become three that nobody can stop, unless one end is taken now.
        forks = player(seed).run(told(empty, empty, empty, empty, "......X", "..OO..X"))
        scores = forks["scores"]  # type: ignore[assignment]
        assert forks["action"] in ("2", "5", "7") and scores["1"] == scores["4"] == 0


def test_in_tic_tac_toe_a_glance_sees_wins_threats_and_forks() -> None:
    def told(*rows: str) -> dict[str, object]:
        return {"game": "tic_tac_toe", "state": {"board": list(rows)}}

    for seed in range(12):
        wins = player(seed).run(told("XX.", "OO.", "..."))
        assert wins["action"] == "3" and wins["confidence"] == 1 and not wins["unsure"]
        blocks = player(seed).run(told("X..", "OO.", "..X"))
        scores: dict[str, float] = blocks["scores"]  # type: ignore[assignment]
        assert blocks["action"] == "6" and [scores[other] for other in "23478" if other in scores] == [0.0] * 4
        # Between two corners a corner is answered by a fork; only an edge makes a threat of its own.
        forks = player(seed).run(told("X..", ".O.", "..X"))
        assert forks["action"] in ("2", "4", "6", "8") and not forks["scores"]["3"]  # type: ignore[index]


def test_looking_ahead_finds_what_the_network_misses() -> None:
    for seed in range(5):
        answer = player(seed).run({**COLUMNS, "milliseconds": 5})
        assert answer["action"] == "4" and answer["unsure"] is False
        answer = player(seed).run({**BOARD, "milliseconds": 5})
        assert answer["action"] == "3" and answer["ahead"] == 4


def test_looking_ahead_keeps_to_its_milliseconds() -> None:
    began = time.process_time()
    answer = player().run(
        {"game": "connect_four", "state": {"board": [*["......."] * 5, "...X..."]}, "milliseconds": 60}
    )
    assert time.process_time() - began < 0.06 * 5
    assert isinstance(answer["ahead"], int) and answer["ahead"] >= 2


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({}, 'needs a "game" and its "state"'),
        ({"game": "chess", "state": {}}, "one of frozen_lake, taxi, tic_tac_toe, connect_four"),
        ({"game": 5, "state": {}}, "one of frozen_lake"),
        ({"game": ["taxi"], "state": {}}, "one of frozen_lake"),
        ({"state": BOARD["state"]}, "one of frozen_lake"),
        ({"game": "taxi"}, 'needs a "game" and its "state"'),
        ({"game": "taxi", "state": None}, "must be an object"),
        ({"game": "taxi", "state": {"row": 1}}, "lacks 'column'"),
        ({"game": "taxi", "state": {**CAB["state"], "row": float("nan")}}, "from 1 to 5"),  # type: ignore[dict-item]
        ({"game": "tic_tac_toe", "state": {"board": ["XXX", "OO.", "..."]}}, "isn't one of a game that still goes on"),
        ({"game": "tic_tac_toe", "state": {"board": ["X" * 10**6] * 3}}, "at most 3"),
        ({"game": "tic_tac_toe", "state": {"board": ["..."] * 10**5}}, "at most 3"),
        ({"text": "What should I do?"}, "tells no state of a known game"),
        ({"text": ""}, "tells no state of a known game"),
        ({"text": 5}, "must be a text"),
        ({"text": "x" * 10**6}, "at most 600"),
        ({**BOARD, "text": "Tic-tac-toe."}, "doesn't tell this"),
        ({"game": "taxi", "text": RULES["tic_tac_toe"].text("X........")}, "tells of tic_tac_toe"),
        ({**BOARD, "milliseconds": 0}, "from 1 to 2000"),
        ({**BOARD, "milliseconds": True}, "from 1 to 2000"),
        ({**BOARD, "milliseconds": 1e9}, "from 1 to 2000"),
        ({**ROOM, "state": {**ROOM["state"], "mission": "open the door"}}, "must be as in"),  # type: ignore[dict-item]
        ({**ROOM, "state": {**ROOM["state"], "row": 3, "column": 7}}, "from 1 to 6"),  # type: ignore[dict-item]
        ({**ROOM, "state": {**ROOM["state"], "column": 3}}, "stands where something lies"),  # type: ignore[dict-item]
        ({**ROOM, "state": {**ROOM["state"], "things": []}}, "at least 1"),  # type: ignore[dict-item]
        ({**ROOM, "state": {**ROOM["state"], "things": ["ball"] * 10**5}}, "at most 12"),  # type: ignore[dict-item]
        ({**CAB, "milliseconds": 5}, "Only tic_tac_toe and connect_four"),
        ({**CAB, "speed": 5}, 'leave out "speed"'),
    ],
)
def test_a_bad_request_is_one_sentence(request_: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence) as caught:
        player().run(request_)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_game_that_it_was_not_taught_is_refused() -> None:
    class Driving(Scoring):
        def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            assert list(inputs) == ["world"]  # the only tower of its graph
            return {"world_scores": self.out["world_scores"]}

    made = Player(0.5, {"taxi": 1.0}, Driving())  # type: ignore[arg-type]
    assert made.run(CAB)["action"]
    with pytest.raises(BadRequest, match="taught taxi"):
        made.run(BOARD)


def test_a_file_of_an_older_version_is_given_the_towers_that_its_graph_has() -> None:
    class Older(Scoring):
        runtime, version = "onnxruntime", "1"
        inputs = tuple(Tensor(name, np.dtype(np.float32), INPUTS[name]) for name in ("board", "world"))
        outputs = ()

        def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            assert {name: value.shape for name, value in inputs.items()} == {n: INPUTS[n] for n in ("board", "world")}
            return self.out

        def close(self) -> None: ...

    assert Player(0.5, {"taxi": 1.0}, Older()).run(CAB)["action"]


@pytest.mark.parametrize("bad", [np.full((1, 64), np.nan, np.float32), np.zeros((1, 63), np.float32)])
def test_scores_that_are_not_numbers_or_too_few_are_an_error_of_the_engine(bad: np.ndarray) -> None:
    engine = Scoring()
    engine.out["board_scores"] = bad
    with pytest.raises(EngineError, match="board_scores"):
        Player(0.5, EVEN, engine).run(BOARD)  # type: ignore[arg-type]


def test_a_bundle_without_threshold_or_of_unknown_games_is_refused() -> None:
    manifest = Manifest(
        name="g", task="game", version="1.0.0", licence="Apache-2.0", io={}, models=(ModelFile("m.onnx", "int8", ()),),
        golden=Golden("golden.json", 1), thresholds={"unsure": 0.5}, options={"temperatures": EVEN},
    )  # fmt: skip
    assert load(manifest, None, Scoring()).run(BOARD)  # type: ignore[arg-type]
    for wrong, sentence in (
        ({"thresholds": {}}, "unsure"),
        ({"options": {}}, "other games"),
        ({"options": {"temperatures": {"chess": 1.0}}}, "other games"),
        ({"options": {"temperatures": {**EVEN, "taxi": 0}}}, "0.01 to 100"),
    ):
        with pytest.raises(BundleError, match=sentence):
            load(dataclasses.replace(manifest, **wrong), None, Scoring())  # type: ignore[arg-type]


def test_answers_agree_within_the_tolerance_of_int8_and_near_ties_may_fall_either_way() -> None:
    answer = {"action": "1", "confidence": 0.9, "unsure": False, "scores": {"1": 0.9, "2": 0.85, "3": 0.1}}
    assert agrees(answer, {**answer, "action": "2", "scores": {"1": 0.86, "2": 0.88, "3": 0.1}})
    assert agrees(
        strict_json.loads_object(strict_json.dumps(answer), "answer"), answer
    )  # written with its names sorted
    unsorted = {**answer, "action": "left", "scores": {"left": 0.9, "down": 0.1}}
    assert agrees(strict_json.loads_object(strict_json.dumps(unsorted), "answer"), unsorted)
    assert not agrees(answer, {**answer, "action": "3"})
    assert not agrees(answer, {**answer, "scores": {"1": 0.7, "2": 0.85, "3": 0.1}})
    assert not agrees(answer, {**answer, "scores": {"1": 0.9, "2": 0.85}})
    assert not agrees(answer, {})


def test_the_schema_says_what_is_read() -> None:
    import fastjsonschema

    check = fastjsonschema.compile(REQUEST_SCHEMA)
    for good in (BOARD, LAKE, ROOM, {"text": "x"}, {**BOARD, "milliseconds": 5}):
        check(good)
    for bad in ({}, {"game": "taxi"}, {**BOARD, "speed": 1}, {**BOARD, "milliseconds": 0}):
        with pytest.raises(fastjsonschema.JsonSchemaException):
            check(bad)
