"""What language students read while they learn: conversations as tokens, drawn in a seeded order, packed into rows.

Packing puts several texts into one row of the context's length, so that hardly any place is padding; a text sees
none of the others (arXiv 2107.02027). Only tokens of answers are learnt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from trainer_host.data.curriculum import available
from trainer_host.errors import DataError
from trainer_host.students.language.soft import MOST, Pieces, Targets, soft_targets

if TYPE_CHECKING:
    from edge_runtime.language.template import Template
    from edge_runtime.language.tokenizer import Tokenizer
    from trainer_host.students.language.tokenizers import FastTokenizer

Json = dict[str, object]

_LOOK_AHEAD = (
    64  # texts that wait for a row with room for them; with 16, lengths of 10 to 200 left 6 % padding, now 2 %
)


class Encoder(Protocol):
    """A tokenizer, the device's or `FastTokenizer`."""

    special: dict[str, int]

    def special_id(self, text: str) -> int:
        """The id of a special token."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text; never those of special tokens."""


@dataclass(frozen=True)
class Conversation:
    """A row for training; messages as `edge_runtime.language.template` takes them. difficulty: 0 (easy) to 1.

    soft: a teacher's probabilities for the last message, see `trainer_host.students.language.soft`; None without.
    wanted: whether the last message of a person wants anything done, where there are tools.
    """

    messages: Sequence[Json]
    task: str
    tools: Sequence[Json] = ()
    difficulty: float = 0.0
    soft: object = None
    wanted: bool | None = None


@dataclass(frozen=True)
class Encoded:
    """A text as tokens. ids: int32 [length]; mask: bool [length], whether the token itself is to be learnt.

    soft: what else is to be learnt in its tokens' places; None where that is nothing.
    """

    ids: np.ndarray
    mask: np.ndarray
    difficulty: float
    task: str
    soft: Targets | None = None


def encode_rows(
    rows: Iterable[Conversation], tokenizer: Encoder, template: Template, context: int, *, combo: bool = False
) -> list[Encoded]:
    """Conversations as tokens. combo: each begins with its task's token.

    Raises `DataError`, with the row's number, for one that is longer than the context or has nothing to learn.
    """
    from edge_runtime.language.template import encode_chat

    made = []
    known = cast("Tokenizer", tokenizer)  # the template asks for no more of it than an `Encoder` has
    for number, row in enumerate(rows, 1):
        ids, mask = encode_chat(
            known,
            template,
            row.messages,
            task=row.task if combo else None,
            tools=row.tools,
            answering=False,
            wanted=row.wanted,
        )
        if len(ids) > context:
            raise DataError(
                f"Row {number} has {len(ids)} tokens, more than the {context} of the context; "
                "shorten it, leave it out, or choose a larger context."
            )
        if not any(mask[1:]):
            raise DataError(f"Row {number} has no answer to learn; give it a message of the assistant.")
        text = Encoded(np.array(ids, np.int32), np.array(mask, bool), row.difficulty, row.task)
        if row.soft is not None:
            said = str(row.messages[-1].get("content", ""))
            soft = soft_targets(row.soft, said, text.ids, text.mask, cast(Pieces, tokenizer))
            text = replace(text, soft=soft)
        made.append(text)
    return made


def encode_texts(texts: Iterable[str], tokenizer: FastTokenizer, context: int, *, task: str = "text") -> list[Encoded]:
    """Plain texts, each between <|bos|> and <|im_end|>, cut into pieces of the context; every token is learnt."""
    begin, end = tokenizer.special["<|bos|>"], tokenizer.special["<|im_end|>"]
    made = []
    for inner in tokenizer.encode_many(list(texts)):
        ids = [begin, *inner, end]
        # A piece begins with the last token of the one before it: that token's follower is learnt there.
        for start in range(0, len(ids) - 1, context - 1):
            piece = np.array(ids[start : start + context], np.int32)
            mask = np.ones(len(piece), bool)
            mask[0] = False
            made.append(Encoded(piece, mask, 0.0, task))
    return made


def shown(row: Encoded, spell: Mapping[int, str] | None, decode: Decoder) -> str:
    """One sample for a person: what is learnt stands in guillemets, runs of tokens at once.

    spell: names of special tokens by id. decode: the tokenizer's.
    """
    parts: list[str] = []
    start = 0
    for stop in range(1, len(row.ids) + 1):
        if stop < len(row.ids) and row.mask[stop] == row.mask[start]:
            continue
        text = _spelled(row.ids[start:stop].tolist(), spell or {}, decode)
        parts.append(f"«{text}»" if row.mask[start] else text)
        start = stop
    return "".join(parts)


class Decoder(Protocol):
    """A tokenizer's way back."""

    def __call__(self, ids: Sequence[int], /) -> str:
        """The text of ids."""


def _spelled(ids: Sequence[int], spell: Mapping[int, str], decode: Decoder) -> str:
    out: list[str] = []
    run: list[int] = []
    for number in ids:
        if number in spell:
            out += [decode(run) if run else "", spell[number]]
            run = []
        else:
            run.append(number)
    return "".join([*out, decode(run) if run else ""])


def digest(rows: Sequence[Encoded]) -> str:
    """`sha256:` and 64 hex digits over all tokens, masks, tasks and difficulties, in their order."""
    made = hashlib.sha256()
    for row in rows:
        made.update(f"{row.task}\0{row.difficulty!r}\0{len(row.ids)}\0".encode())
        made.update(row.ids.astype("<i4").tobytes() + row.mask.tobytes())
        if row.soft is not None:
            made.update(row.soft.ids.astype("<i4").tobytes() + row.soft.shares.astype("<f4").tobytes())
    return f"sha256:{made.hexdigest()}"


@dataclass(frozen=True)
class Mixture:
    """How rows are drawn.

    temperature: a task of n rows is drawn with probability n^(1/temperature): 1 as they come, large: all alike.
    replay: share of draws from old rows. curriculum: easy rows first, see `trainer_host.data.curriculum`.
    """

    temperature: float = 2.0
    replay: float = 0.0
    curriculum: bool = False


class Draws:
    """Which row comes next. Its `state` is small and JSON, and continues exactly where it was taken.

    Each task's rows come in a shuffled order, all of them before any comes again, while `curriculum` draws freely
    among those that are easy enough by now.
    """

    def __init__(self, rows: Sequence[Encoded], old: Sequence[Encoded], mixture: Mixture, seed: int) -> None:
        """Draw from `rows`, and with `mixture.replay` from `old`, whose numbers follow those of `rows`."""
        if not rows:
            raise DataError("There are no rows to learn from; add rows to the dataset.")
        if mixture.replay and not old:
            raise DataError("There are no old rows to replay; name the dataset of the model, or leave replay out.")
        self._seed, self._curriculum = seed, mixture.curriculum
        self._pools: list[np.ndarray] = []
        shares: list[float] = []
        for first, part, share in ((0, rows, 1 - mixture.replay), (len(rows), old, mixture.replay)):
            tasks: dict[str, list[int]] = {}
            for place, row in enumerate(part):
                tasks.setdefault(row.task, []).append(first + place)
            weights = np.array([len(tasks[name]) ** (1 / mixture.temperature) for name in sorted(tasks)])
            for name, weight in zip(sorted(tasks), weights / weights.sum() if len(weights) else weights, strict=True):
                order = tasks[name]
                if mixture.curriculum:
                    order = sorted(order, key=lambda place: (rows[place] if place < len(rows) else old[place - len(rows)]).difficulty)  # fmt: skip
                self._pools.append(np.array(order))
                shares.append(share * weight)
        self._edges = np.cumsum(shares) / sum(shares)
        self._drawn = [0] * len(self._pools)
        self._rng = np.random.default_rng(seed)
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def next(self, progress: float) -> int:
        """A row's number; progress is the share of the training that is done."""
        pool = int(np.searchsorted(self._edges, self._rng.random(), side="right"))
        pool = min(pool, len(self._pools) - 1)
        rows, drawn = self._pools[pool], self._drawn[pool]
        self._drawn[pool] += 1
        if self._curriculum:
            return int(rows[self._rng.integers(available(progress, len(rows)))])
        epoch, place = divmod(drawn, len(rows))
        if self._orders.get(pool, (-1, rows))[0] != epoch:
            # From the seed and not from what was drawn before, so that the state needn't hold the order.
            order = np.random.default_rng([self._seed, pool, epoch]).permutation(len(rows))
            self._orders[pool] = (epoch, rows[order])
        return int(self._orders[pool][1][place])

    @property
    def state(self) -> Json:
        """Where it stands."""
        return {"drawn": list(self._drawn), "rng": self._rng.bit_generator.state}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from `state`; raises `DataError` where it is of other rows."""
        drawn, rng = state.get("drawn"), state.get("rng")
        if not isinstance(drawn, list) or len(drawn) != len(self._pools) or not isinstance(rng, dict):
            raise DataError("The checkpoint was made with other tasks than the dataset has; start a new run.")
        self._drawn = [int(value) for value in drawn]
        self._rng.bit_generator.state = rng


@dataclass(frozen=True)
class Batch:
    """Packed rows, all int64 [rows, length] but `learn` (bool); `targets` follow `tokens` by one.

    segments: which text of its row a token belongs to, from 1 on, 0 for padding. positions: within the text.
    learn: whether the target counts. members: the numbers of the texts in it. soft: the targets and others beside them,
    int64 [rows, length, MOST], and the share of each, float32 of the same shape; None where all are alone.
    """

    tokens: np.ndarray
    targets: np.ndarray
    segments: np.ndarray
    positions: np.ndarray
    learn: np.ndarray
    members: tuple[int, ...]
    soft: tuple[np.ndarray, np.ndarray] | None = None


def pack(texts: Sequence[Encoded], bins: Sequence[Sequence[int]], length: int) -> Batch:
    """Put the texts of each bin one behind the other into a row. bins: numbers of texts, whose places fit together."""
    tokens, targets, segments, positions = (np.zeros((len(bins), length), np.int64) for _ in range(4))
    learn = np.zeros((len(bins), length), bool)
    for row, members in enumerate(bins):
        start = 0
        for segment, number in enumerate(members, 1):
            text = texts[number]
            stop = start + places(text)
            tokens[row, start:stop], targets[row, start:stop] = text.ids[:-1], text.ids[1:]
            learn[row, start:stop] = text.mask[1:]
            segments[row, start:stop], positions[row, start:stop] = segment, np.arange(stop - start)
            start = stop
    members_of = tuple(number for members in bins for number in members)
    soft = _soft(texts, bins, targets) if any(texts[number].soft is not None for number in members_of) else None
    return Batch(tokens, targets, segments, positions, learn, members_of, soft)


def _soft(
    texts: Sequence[Encoded], bins: Sequence[Sequence[int]], targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """See `Batch.soft`."""
    ids = np.zeros((*targets.shape, MOST), np.int64)
    shares = np.zeros((*targets.shape, MOST), np.float32)
    ids[..., 0], shares[..., 0] = targets, 1.0
    for row, members in enumerate(bins):
        start = 0
        for number in members:
            stop = start + places(texts[number])
            if (soft := texts[number].soft) is not None:
                ids[row, start:stop], shares[row, start:stop] = soft.ids[1:], soft.shares[1:]
            start = stop
    return ids, shares


def places(text: Encoded) -> int:
    """How many places of a row it takes: its last token is only ever a target."""
    return len(text.ids) - 1


class Packer:
    """Fills the bins of a step with drawn texts; what found no room waits for the next step."""

    def __init__(self, texts: Sequence[Encoded], draws: Draws, rows: int, length: int) -> None:
        """rows: bins per step. Raises `DataError` for a text that no bin has room for."""
        for number, text in enumerate(texts, 1):
            if places(text) > length:
                raise DataError(
                    f"Row {number} has {len(text.ids)} tokens, more than the {length + 1} that are trained at once; "
                    "shorten it, leave it out, or choose a larger context."
                )
            if places(text) < 1:
                raise DataError(f"Row {number} has nothing that follows its first token; leave it out.")
        self._texts, self._draws, self._rows, self._length = texts, draws, rows, length
        self._waiting: list[int] = []

    def next(self, progress: float) -> Batch:
        """The batch of a step."""
        return pack(self._texts, self.bins(progress), self._length)

    def bins(self, progress: float) -> list[list[int]]:
        """The numbers of the texts of a step's rows: first fit, the ones that waited first."""
        bins: list[list[int]] = [[] for _ in range(self._rows)]
        room = [self._length] * self._rows
        # The longest first, as long as the rows are empty.
        waiting, self._waiting = sorted(self._waiting, key=lambda number: -places(self._texts[number])), []
        while len(self._waiting) < _LOOK_AHEAD and max(room) > 1:
            number = waiting.pop(0) if waiting else self._draws.next(progress)
            need = places(self._texts[number])
            place = next((i for i, left in enumerate(room) if left >= need), None)
            if place is None:
                self._waiting.append(number)
            else:
                bins[place].append(number)
                room[place] -= need
        self._waiting += waiting
        return bins

    @property
    def state(self) -> Json:
        """Where it stands, the draws included."""
        return {"waiting": list(self._waiting), "draws": self._draws.state}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from `state`."""
        waiting, draws = state.get("waiting"), state.get("draws")
        if not isinstance(waiting, list) or not isinstance(draws, dict):
            raise DataError("The checkpoint doesn't say which rows come next; start a new run.")
        if any(not 0 <= int(number) < len(self._texts) for number in waiting):
            raise DataError("The checkpoint was made with other rows than the dataset has; start a new run.")
        self._waiting = [int(number) for number in waiting]
        self._draws.restore(draws)


def in_order(texts: Sequence[Encoded], rows: int, length: int) -> Iterator[Batch]:
    """All texts once, the longest first, packed: for examining. Raises nothing; a longer text is cut at its end."""
    bins: list[list[int]] = []
    room: list[int] = []
    cut = [Encoded(t.ids[: length + 1], t.mask[: length + 1], t.difficulty, t.task) for t in texts]
    for number in sorted(range(len(cut)), key=lambda i: -places(cut[i])):
        need = places(cut[number])
        place = next((i for i, left in enumerate(room) if left >= need), None)
        if place is None:
            bins.append([])
            room.append(length)
            place = len(bins) - 1
        bins[place].append(number)
        room[place] -= need
    for start in range(0, len(bins), rows):
        yield pack(cut, bins[start : start + rows], length)
