"""Self-play: the boards' tower plays itself, looks at what came of it, and learns to move better.

Positions of its own games form a graph. What its end is worth is known from the rules or a search of three or four moves.
The rest is guessed: in tic-tac-toe by a head that exists only here, in connect four by what that search judges; worths are carried back through all games, so that a mistake of
exploration doesn't count against the positions before it. The tower then learns the better moves. This is policy
iteration as in AlphaZero (Silver et al. 2017), with a graph of whole games instead of a tree per move.
"""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from edge_runtime.games import RULES, lookahead
from edge_runtime.games.boards import FREE, free_squares, has_row, put
from edge_runtime.games.planes import board_cells, board_planes
from trainer_host.students.game_data import BOARD_TURNS, CELLS, Lessons, symmetries
from trainer_host.students.game_loss import choice_loss
from trainer_host.students.game_matches import (
    Board,
    bits_of,
    moved,
    opening,
    played,
    points,
    random_player,
    start_of,
    tower_player,
)
from trainer_host.students.game_model import BoardTower

SHARE = {"tic_tac_toe": 0.5, "connect_four": 0.5}  # of the games, in this order
# Moves that are looked at behind each position: what a fork needs in tic-tac-toe, and what's quick in connect four.
SEARCHED = {"tic_tac_toe": 4, "connect_four": 3}
AT_ONCE = 100  # games of a round: the tower stays as it is while they are played
LONGEST_OPENING = {"tic_tac_toe": 2, "connect_four": 6}  # random moves at most, so that games differ
EXPLORE = {
    "tic_tac_toe": 0.3,
    "connect_four": 0.1,
}  # share of moves that lead to new positions, whatever they are worth
PLAY_TEMPERATURE, TEACH_TEMPERATURE = 0.15, 0.1  # of worths from -1 to 1
KEPT_ROUNDS = {"tic_tac_toe": 1000, "connect_four": 6}  # a position teaches for so many
BATCH = 48
# What was practised of connect four is forgotten at higher ones.
RATE = {"tic_tac_toe": 1e-3, "connect_four": 2e-4}
STEPS = {"tic_tac_toe": 60, "connect_four": 50}  # a round
# Before each round's steps the tower is asked about so many positions; half of a batch are those where it is wrong.
EXAMINED = {"tic_tac_toe": 6000, "connect_four": 1500}
WRONG = 0.2  # what its move is worth less than the best one
MATCH = 60  # openings of the match against what it was before, each from both sides
Progress = Callable[[float, dict[str, float]], None]


@dataclass
class Node:
    """A position that was met. known: worth of each action by the rules and the search, None where that isn't sure;
    guessed: what is told then. results: of games that went through it, for the one to move."""

    actions: tuple[str, ...]
    after: list[Board | None]
    known: list[float | None]
    guessed: list[float]
    results: list[int] = field(default_factory=list)
    worths: list[float] = field(default_factory=list)


class ValueHead(nn.Module):
    """features float32 [batch, width, 8, 8] -> how the game ends for the one to move, float32 [batch], -1 to 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, 4, 1)
        self.hidden = nn.Linear(4 * CELLS, 32)
        self.out = nn.Linear(32, 1)

    def forward(self, features: Tensor) -> Tensor:
        hidden = torch.relu(self.hidden(torch.relu(self.mix(features)).flatten(1)))
        return torch.tanh(self.out(hidden))[:, 0]


def improve(tower: BoardTower, lessons: Lessons, games: int, seed: int, on_progress: Progress) -> dict[str, float]:
    """Play `games` games of the board games that the lessons teach, one game after the other, and learn from them.

    What was learned of a game is kept only where it is at least as good against what the tower was before. Figures: the
    share of points in that match, and of games against random play that weren't lost.
    """
    rng = random.Random(seed)
    names = [name for name in SHARE if (lessons.game == list(RULES).index(name)).any()]
    total = sum(SHARE[name] for name in names)
    rounds = {name: max(1, round(games * SHARE[name] / total / AT_ONCE)) for name in names}
    figures: dict[str, float] = {"self_play_games": float(sum(rounds.values()) * AT_ONCE)} if names else {}
    done = 0
    for name in names:
        before = copy.deepcopy(tower)
        for loss in _rounds(name, tower, lessons, rounds[name], rng, torch.Generator().manual_seed(seed)):
            done += 1
            on_progress(done / sum(rounds.values()), {"games": float(done * AT_ONCE), "loss": round(loss, 4)})
        starts = [opening(name, number % (LONGEST_OPENING[name] + 1), rng) for number in range(MATCH)]
        score = points(name, tower_player(tower), tower_player(before), starts)
        if score < 0.5:
            tower.load_state_dict(before.state_dict())
        against = played(name, tower_player(tower), random_player(rng), [start_of(name)] * MATCH)
        figures |= {
            f"{name}_against_before": round(score, 4),
            f"{name}_kept": float(score >= 0.5),
            f"{name}_not_lost_to_random": round(sum(result >= 0 for result in against) / MATCH, 4),
        }
    return figures


def _rounds(
    name: str, tower: BoardTower, lessons: Lessons, count: int, rng: random.Random, shuffle: torch.Generator
) -> Iterator[float]:
    """Rounds of a game with itself, each with what is learned of it; the last loss of each."""
    value = ValueHead(tower.out.in_channels)
    optimizer = torch.optim.AdamW([*tower.parameters(), *value.parameters()], lr=RATE[name], weight_decay=0.01)
    graphs: list[dict[Board, Node]] = []
    for number in range(count):
        for group in optimizer.param_groups:
            group["lr"] = RATE[name] * (1 - 0.9 * number / count)
        graph = _round(name, tower, value, rng, {board for graph in graphs for board in graph})
        graphs = [*graphs, graph][-KEPT_ROUNDS[name] :]
        if name == "tic_tac_toe":
            _guess_again(name, graphs, tower, value)
        yield _learn(tower, value, optimizer, _targets(name, _carried_back(graphs)), lessons, name, shuffle)


def _round(
    game: str, tower: BoardTower, value: ValueHead, rng: random.Random, met: Set[Board] = frozenset()
) -> dict[Board, Node]:
    """Play `AT_ONCE` games; the positions in them, with their results. met: positions of earlier rounds."""
    graph: dict[Board, Node] = {}
    guesses: dict[Board, float] = {}
    boards: dict[int, Board] = {n: opening(game, rng.randint(0, LONGEST_OPENING[game]), rng) for n in range(AT_ONCE)}
    paths: dict[int, list[Board]] = {n: [] for n in boards}
    while boards:
        new = [board for board in dict.fromkeys(boards.values()) if board not in graph]
        graph |= _nodes(game, new, tower, value, guesses)
        left: dict[int, Board] = {}
        for number, board in boards.items():
            node = graph[board]
            paths[number].append(board)
            if rng.random() < EXPLORE[game]:
                every = range(len(node.actions))
                new_ones = [n for n in every if (then := node.after[n]) and then not in graph and then not in met]
                chosen = rng.choice(new_ones or every)
            else:
                chosen = _chosen(node, rng)
            after = moved(board, node.actions[chosen])
            if after.position is not None:
                left[number] = after.position
                continue
            result = int(after.won)
            for earlier in reversed(paths[number]):
                graph[earlier].results.append(result)
                result = -result
        boards = left
    return graph


def _nodes(
    game: str, boards: Sequence[Board], tower: BoardTower, value: ValueHead, guesses: dict[Board, float]
) -> dict[Board, Node]:
    made: dict[Board, Node] = {}
    unknown: dict[Board, None] = {}
    for board in boards:
        actions = RULES[game].legal(board)
        afters = [moved(board, action) for action in actions]
        seen, judged = _searched(board)
        known: list[float | None] = []
        for action, after in zip(actions, afters, strict=True):
            if after.position is None:
                known.append(float(after.won))
            else:
                known.append(seen.get(action))
            if known[-1] is None and after.position is not None and after.position not in guesses:
                if action in judged:
                    guesses[after.position] = -judged[action]
                else:
                    unknown[after.position] = None
        made[board] = Node(actions, [after.position for after in afters], known, [])
    guesses |= dict(zip(unknown, _valued(game, list(unknown), tower, value), strict=True))
    for node in made.values():
        node.guessed = _guessed(node, guesses)
        node.worths = list(node.guessed)
    return made


def _searched(board: Board) -> tuple[dict[str, float], dict[str, float]]:
    """What is sure of each action: that it wins or loses within a few moves, or that the board is full by then; and
    what is judged of the others, in connect four."""
    if isinstance(board, str):
        left, ahead = board.count(FREE), SEARCHED["tic_tac_toe"]
        return {
            action: float(worth)
            for action in RULES["tic_tac_toe"].legal(board)
            if (worth := -_negamax(put(board, int(action) - 1), ahead - 1)) or left <= ahead
        }, {}
    found = lookahead.worths(board[0], board[1], SEARCHED["connect_four"] - 1, judge=lookahead.standing)
    sure, judged = {}, {}
    for column, worth in found.items():
        if abs(worth) > lookahead.SURE:
            sure[str(column + 1)] = 1.0 if worth > 0 else -1.0
        else:
            judged[str(column + 1)] = worth / (lookahead.SURE + 1)
    return sure, judged


@functools.cache
def _negamax(board: str, ahead: int) -> int:
    """Of tic-tac-toe, for the one to move: 1 or -1 where somebody wins within so many moves, else 0."""
    if has_row(board):
        return -1
    if not ahead:
        return 0
    return max((-_negamax(put(board, square), ahead - 1) for square in free_squares(board)), default=0)


def _guess_again(game: str, graphs: Sequence[dict[Board, Node]], tower: BoardTower, value: ValueHead) -> None:
    """Guess with the value head of now what isn't known, in all positions of these rounds."""
    nodes = [node for graph in graphs for node in graph.values()]
    unknown = dict.fromkeys(
        after
        for node in nodes
        for known, after in zip(node.known, node.after, strict=True)
        if known is None and after is not None
    )
    guesses = dict(zip(unknown, _valued(game, list(unknown), tower, value), strict=True))
    for node in nodes:
        node.guessed = _guessed(node, guesses)


def _guessed(node: Node, guesses: dict[Board, float]) -> list[float]:
    return [
        known if known is not None else -guesses[after] if after is not None else 0.0
        for known, after in zip(node.known, node.after, strict=True)
    ]


def _valued(game: str, boards: Sequence[Board], tower: BoardTower, value: ValueHead) -> list[float]:
    tower.eval()
    made: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(boards), 256):
            planes = board_planes(game, [bits_of(board) for board in boards[start : start + 256]])
            made += value(tower.features(torch.from_numpy(planes))).tolist()
    return made


def _chosen(node: Node, rng: random.Random) -> int:
    best = max(node.worths)
    return rng.choices(range(len(node.actions)), [np.exp((w - best) / PLAY_TEMPERATURE) for w in node.worths])[0]


def _carried_back(graphs: Sequence[dict[Board, Node]]) -> dict[Board, Node]:
    """All positions of some rounds, the newest guess for each, with worths that follow from the positions after them."""
    merged: dict[Board, Node] = {}
    results: dict[Board, list[int]] = {}
    for graph in graphs:
        merged |= graph
        for board, node in graph.items():
            results[board] = results.get(board, []) + node.results
    for board in sorted(merged, key=lambda board: -bits_of(board)[1].bit_count()):
        node = merged[board]
        node.worths = [
            known if known is not None else -max(merged[after].worths) if after in merged else guessed
            for known, after, guessed in zip(node.known, node.after, node.guessed, strict=True)
        ]
    return {
        board: Node(node.actions, node.after, node.known, node.guessed, results[board], node.worths)
        for board, node in merged.items()
    }


@dataclass(frozen=True)
class Targets:
    """planes uint8 [n, planes, 64]; moves float32 [n, 64], how often each cell should be chosen; ends float32 [n]."""

    planes: Tensor
    moves: Tensor
    ends: Tensor
    group: int
    turns: int


def _targets(game: str, graph: dict[Board, Node]) -> Targets:
    boards = list(graph)
    planes = board_planes(game, [bits_of(board) for board in boards]).astype(np.uint8)
    moves = np.zeros((len(boards), CELLS), np.float32)
    ends = np.zeros(len(boards), np.float32)
    for number, board in enumerate(boards):
        node = graph[board]
        cells = board_cells(game, bits_of(board)[1])
        worths = np.array(node.worths)
        likely = np.exp((worths - worths.max()) / TEACH_TEMPERATURE)
        moves[number, [cells[action] for action in node.actions]] = likely / likely.sum()
        certain = all(known is not None for known in node.known) or abs(worths.max()) == 1.0
        # What comes of best play is what is asked for; where that is only guessed, the games' results tell as much.
        ends[number] = worths.max() if certain else (worths.max() + np.mean(node.results)) / 2
    first, count = BOARD_TURNS[game]
    flat = torch.from_numpy(planes.reshape(len(boards), -1, CELLS))
    return Targets(flat, torch.from_numpy(moves), torch.from_numpy(ends), first, count)


def _learn(
    tower: BoardTower,
    value: ValueHead,
    optimizer: torch.optim.Optimizer,
    targets: Targets,
    lessons: Lessons,
    game: str,
    shuffle: torch.Generator,
) -> float:
    """Steps on the own games' positions and, so that they aren't forgotten, on the lessons; the last loss."""
    wrong = _wrong(tower, targets, torch.randperm(len(targets.planes), generator=shuffle)[: EXAMINED[game]])
    tower.train()
    cells = symmetries()[0]
    loss = torch.zeros(())
    for _ in range(STEPS[game]):
        rows = torch.randint(len(targets.planes), (BATCH,), generator=shuffle)
        if len(wrong):
            rows[: BATCH // 2] = wrong[torch.randint(len(wrong), (BATCH // 2,), generator=shuffle)]
        turn = cells[targets.group + torch.randint(targets.turns, (BATCH,), generator=shuffle)]
        planes = targets.planes[rows]
        planes = planes.gather(2, turn[:, None].expand_as(planes)).to(torch.float32).reshape(BATCH, -1, 8, 8)
        moves = targets.moves[rows].gather(1, turn)
        again, *wanted = lessons.drawn(torch.randint(len(lessons.planes), (BATCH // 2,), generator=shuffle), shuffle)
        features = tower.features(torch.cat([planes, again]))
        scores = tower.out(features).flatten(1)
        free = planes[:, 3].flatten(1)  # where pieces may land
        log = torch.log_softmax(scores[:BATCH].masked_fill(free == 0, -30.0), 1)
        chosen = -(moves * log).sum(1).mean()
        ends = nn.functional.mse_loss(value(features[:BATCH]), targets.ends[rows])
        loss = chosen + ends + choice_loss(scores[BATCH:, None], *wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
        optimizer.step()
    return float(loss.detach())


def _wrong(tower: BoardTower, targets: Targets, rows: Tensor) -> Tensor:
    """Those of the rows in which the tower would choose a move that is worth less than the best one."""
    tower.eval()
    found = []
    with torch.inference_mode():
        for part in rows.split(256):
            planes = targets.planes[part].to(torch.float32).reshape(len(part), -1, 8, 8)
            scores = tower(planes).masked_fill(planes[:, 3].flatten(1) == 0, -1e9)
            moves = targets.moves[part]
            chosen = moves.gather(1, scores.argmax(1, keepdim=True))[:, 0] / moves.amax(1)
            found.append(part[chosen < np.exp(-WRONG / TEACH_TEMPERATURE)])
    return torch.cat(found).clone()
