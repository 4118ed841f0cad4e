from __future__ import annotations

import random

import pytest
import torch

from edge_runtime.games import RULES
from edge_runtime.games.planes import board_planes, world_cell, world_planes
from edge_runtime.games.worlds import SPOT_AT, Place, taxi_parts
from trainer_host.students.game_cities import City, cities, city_targets, own_walls
from trainer_host.students.game_data import (
    BOARD_TURNS,
    CELLS,
    Asked,
    Lessons,
    bits_of,
    board_lessons,
    cells_of,
    symmetries,
    world_lessons,
)
from trainer_host.tasks.game import GAMES


@pytest.fixture(scope="module", autouse=True)
def _few() -> object:
    """Each position of practice is searched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer_host.students.game_data.MOST_PLAYED", 20)
        yield


def asked(name: str, count: int, seed: int) -> list[Asked]:
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        state = GAMES[name].sample(rng)
        position = GAMES[name].read(state)
        found.append(Asked(name, position, GAMES[name].optimal(position), {"game": name, "state": state}))
    return found


def drawn(lessons: Lessons, times: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = torch.arange(len(lessons.planes)).repeat(times)
    return lessons.drawn(rows, torch.Generator().manual_seed(1))[:3]


def test_a_turned_lake_has_the_best_steps_of_the_lake_so_turned() -> None:
    lessons = world_lessons(asked("frozen_lake", 3, 1), [], 1)
    planes, best, legal = drawn(lessons, 4)
    different = 0
    for shown, wanted, allowed in zip(planes, best, legal, strict=True):
        side = int((shown[0].sum(1) > 0).sum())
        letters = [["F" if shown[0, r, c] else "H" for c in range(side)] for r in range(side)]
        goal = int(shown[1].flatten().argmax())
        letters[goal // 8][goal % 8] = "G"
        cells = allowed.amax(0).nonzero()[:, 0].tolist()
        start = cells[0]
        letters[start // 8][start % 8] = "S"
        lake = tuple("".join(row) for row in letters)
        for cell in cells:
            place = Place(lake, cell // 8 * side + cell % 8)
            told = {lake_action for n, lake_action in enumerate(RULES["frozen_lake"].actions) if wanted[n, cell]}
            may = {lake_action for n, lake_action in enumerate(RULES["frozen_lake"].actions) if allowed[n, cell]}
            assert told == set(GAMES["frozen_lake"].optimal(place))
            assert may == set(GAMES["frozen_lake"].legal(place))
            different += told != may
    assert different > 200


@pytest.mark.parametrize("name", BOARD_TURNS)
def test_a_turned_board_has_the_best_moves_of_the_board_so_turned(name: str) -> None:
    lessons = board_lessons(asked(name, 6, 2), [], 1)
    planes, best, legal = drawn(lessons, 3)
    height = 3 if name == "tic_tac_toe" else 6
    for shown, wanted, allowed in list(zip(planes, best, legal, strict=True))[::5]:
        first = "X" if shown[1].sum() == shown[2].sum() else "O"
        second = "O" if first == "X" else "X"
        columns = range(3 if name == "tic_tac_toe" else 7)
        rows = range(height) if name == "tic_tac_toe" else reversed(range(height))
        marks = [[first if shown[1, c, r] else second if shown[2, c, r] else "." for c in columns] for r in rows]
        position = RULES[name].read({"board": ["".join(row) for row in marks]})
        again = Asked(name, position, (), {})
        cells = [cell for _, cell in cells_of(again)]
        assert set(cells) == set(allowed[0].nonzero()[:, 0].tolist())
        told = {action for action, cell in zip(GAMES[name].legal(position), cells, strict=True) if wanted[0, cell]}
        assert told == set(GAMES[name].optimal(position))


def test_nothing_that_is_learnt_shows_what_a_held_out_row_shows() -> None:
    cells, _ = symmetries()
    for name in BOARD_TURNS:
        rows = asked(name, 12, 3)
        unseen = rows[:6]
        lessons = board_lessons(rows, unseen, 1)  # they are rows to learn, too, and play comes past them
        first, count = BOARD_TURNS[name]
        for row in unseen:
            planes = torch.from_numpy(board_planes(name, [bits_of(row.position)])).reshape(-1, CELLS)  # type: ignore[arg-type]
            for turn in cells[first : first + count]:
                assert not (lessons.planes == planes[:, turn]).all(2).all(1).any()
    rows = asked("taxi", 60, 4)
    lessons = world_lessons(rows, rows[:20], 1)
    for row in rows[:20]:
        assert isinstance(row.position, Place)
        same = (lessons.planes == torch.from_numpy(world_planes(row.position)).reshape(-1, CELLS)).all(2).all(1)
        assert same.sum() == 1
        assert not lessons.legal[same][0, :, world_cell(row.position)].any()


def test_few_rows_are_practised_around_and_the_same_seed_gives_the_same_positions() -> None:
    rows = [*asked("connect_four", 6, 5), *asked("frozen_lake", 2, 6)]
    boards, worlds = board_lessons(rows, [], 1), world_lessons(rows, [], 1)
    assert len(boards.planes) > 6 * 8 and len(worlds.planes) > 2 * 8
    assert torch.equal(boards.planes, board_lessons(rows, [], 1).planes)
    assert torch.equal(worlds.best, world_lessons(rows, [], 1).best)
    assert not torch.equal(boards.planes[:20], board_lessons(rows, [], 2).planes[:20])
    assert len(board_lessons(asked("taxi", 3, 1), [], 1).planes) == 0


def test_a_city_of_the_taxis_own_streets_is_judged_as_gymnasium_judges_the_taxi() -> None:
    game = GAMES["taxi"]
    for number in range(500):
        _, _, passenger, destination = taxi_parts(number)
        if passenger == destination:
            continue
        riding = passenger == "taxi"
        stop = SPOT_AT[destination if riding else passenger]
        planes, best, legal = city_targets(City(own_walls(), (stop[0] - 1, stop[1] - 1), riding))
        place = Place((), number)
        assert planes.tobytes() == world_planes(place).astype(planes.dtype).tobytes()
        told = {action for n, action in enumerate(game.actions) if best[n, world_cell(place)]}
        may = {action for n, action in enumerate(game.actions) if legal[n, world_cell(place)]}
        assert told == set(game.optimal(place))
        assert may - {"dropoff"} == set(game.legal(place)) - {"dropoff"}


def test_cities_have_stops_in_other_squares_and_other_walls() -> None:
    found = list(cities(40, random.Random(1)))
    own = [city for city in found if (city.walls == own_walls()).all()]
    assert len(found) == len(own) + 40
    assert len({(city.stop, city.riding) for city in own}) == len(own) == 2 * (25 - len(SPOT_AT))
    assert not {city.stop for city in own} & {(row - 1, column - 1) for row, column in SPOT_AT.values()}
    for city in found[len(own) :]:
        _, best, legal = city_targets(city)
        assert (best <= legal).all() and (best.any(0) == legal.any(0)).all()


def test_every_position_of_tic_tac_toe_is_practised_but_those_of_held_out_rows() -> None:
    rows = asked("tic_tac_toe", 30, 7)
    cells, _ = symmetries()
    first, count = BOARD_TURNS["tic_tac_toe"]

    def looks(lessons: Lessons) -> set[bytes]:
        turns = cells[first : first + count]
        return {min(planes[:, turn].numpy().tobytes() for turn in turns) for planes in lessons.planes}

    whole, part = looks(board_lessons(rows, [], 1)), looks(board_lessons(rows, rows[:12], 1))
    assert len(whole) == 627  # of 765, without the 138 in which the game is over
    assert part < whole and 0 < len(whole) - len(part) <= 12
