"""Which tokens an automaton over bytes allows next: a walk over the trie of all tokens, remembered by state."""

from __future__ import annotations

import re
import threading
from array import array
from collections.abc import Sequence

import numpy as np

from edge_runtime.language.schema import END, KEY, KEY_BYTES, STRING, UNBOUNDED, Schema, Stack, State, step
from edge_runtime.language.tokenizer import TextTokenizer

_KEPT_MASKS = 32  # of a constraint; 48 kB each for 49,152 tokens
_KEPT_STEPS = 4_000  # transitions from state to state; about 3 MB with the states
# What a JSON string holds as it is: whole characters without quotes, escapes and controls.
_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')


class Trie:
    """Tokens by their bytes, in preorder: a node's depth and byte, its token (-1: none), and where its subtree ends."""

    def __init__(self, tokens: Sequence[tuple[bytes, int]]) -> None:
        """tokens: (bytes, id), at least one byte each."""
        self.depth, self.byte = array("H"), bytearray()
        self.token, self.end = array("i"), array("I")
        self.same: dict[int, list[int]] = {}  # further tokens with the same bytes, by the first one
        open_: list[int] = []  # the nodes from the root to the current one
        last = b""
        for data, number in sorted(tokens):
            shared = _shared(last, data)
            for node in open_[shared:]:
                self.end[node] = len(self.byte)
            del open_[shared:]
            for at in range(shared, len(data)):
                open_.append(len(self.byte))
                self.depth.append(at)
                self.byte.append(data[at])
                self.token.append(-1)
                self.end.append(0)
            if self.token[open_[-1]] < 0:
                self.token[open_[-1]] = number
            else:
                self.same.setdefault(self.token[open_[-1]], []).append(number)
            last = data
        for node in open_:
            self.end[node] = len(self.byte)


class Vocabulary:
    """A tokenizer's tokens, made ready for constraints. 1.4 MB for 49,152 tokens."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self.size = tokenizer.size
        tokens = [(data, i) for i in range(self.size) if (data := tokenizer.token_bytes(i))]
        self.trie = Trie(tokens)
        # Tokens that stay within a string are told apart once; in a string only the others need a walk.
        self.characters = np.zeros(self.size, np.uint16)
        self.lengths = np.zeros(self.size, np.uint16)
        others = []
        for data, number in tokens:
            text = _text(data)
            if text is not None and _PLAIN.fullmatch(text):
                self.characters[number] = len(text)
                self.lengths[number] = len(data)
            else:
                others.append((data, number))
        self.within = self.characters > 0
        self.others = Trie(others)
        self.longest = int(self.characters.max(initial=0))


class Automaton:
    """A schema's states and their masks over a vocabulary, kept from one answer to the next, of any thread."""

    def __init__(self, schema: Schema, vocabulary: Vocabulary, start: State) -> None:
        self.schema, self.vocabulary, self.start = schema, vocabulary, start
        self._steps: dict[tuple[State, int], State] = {}
        self._masks: dict[State, np.ndarray] = {}
        self._lock = threading.Lock()

    def step(self, state: State, byte: int) -> State:
        """The state after one more byte; empty where it can't follow."""
        after = self._steps.get((state, byte))
        if after is None:
            after = step(self.schema, state, byte)
            if len(self._steps) >= _KEPT_STEPS:
                self._steps.clear()
            self._steps[state, byte] = after
        return after

    def mask(self, state: State) -> np.ndarray:
        """bool [size], which tokens may follow; it isn't to be changed."""
        state = self._alike(state)
        with self._lock:
            mask = self._masks.get(state)
            if mask is None:
                mask = self._make(state)
                mask.flags.writeable = False
                if len(self._masks) >= _KEPT_MASKS:
                    del self._masks[next(iter(self._masks))]
                self._masks[state] = mask
        return mask

    def _alike(self, state: State) -> State:
        """A state with the same mask: in a string, so many characters are left that no token has more."""
        if len(state) == 1:
            (stack,) = state
            if stack and stack[-1][0] == STRING:
                _, phase, needed, left = stack[-1]
                assert isinstance(needed, int) and isinstance(left, int)
                # One more than the longest: a token may end the character that has begun.
                enough = self.vocabulary.longest + 1
                more = UNBOUNDED if left > enough else left
                return frozenset({(*stack[:-1], (STRING, phase, min(needed, enough), more))})
        return state

    def _make(self, state: State) -> np.ndarray:
        vocabulary = self.vocabulary
        mask = np.zeros(vocabulary.size, bool)
        rest = []
        for stack in state:
            most = _plain_bound(stack)
            if most is None:
                rest.append(stack)
                continue
            # Within a string most tokens may follow, which a walk would find out one after the other.
            sizes = vocabulary.characters if stack[-1][0] == STRING else vocabulary.lengths
            mask |= vocabulary.within & (sizes <= min(most, 0xFFFF))
            self._walk(vocabulary.others, frozenset({stack}), mask)
        if rest:
            self._walk(vocabulary.trie, frozenset(rest), mask)
        return mask

    def _walk(self, trie: Trie, start: State, mask: np.ndarray) -> None:
        """Set the tokens of the trie that may follow."""
        depths, bytes_, tokens, ends = trie.depth, trie.byte, trie.token, trie.end
        states = [start]
        found = []
        steps = self._steps
        node, count = 0, len(bytes_)
        while node < count:
            depth = depths[node]
            before = states[depth]
            after = steps.get((before, bytes_[node]))
            if after is None:
                after = self.step(before, bytes_[node])
            if not after:
                node = ends[node]
                continue
            del states[depth + 1 :]
            states.append(after)
            if tokens[node] >= 0:
                found.append(tokens[node])
            node += 1
        mask[found] = True
        for first, others in trie.same.items():
            if mask[first]:
                mask[others] = True


def _plain_bound(stack: Stack) -> int | None:
    """How many characters of a string, or bytes of a property's name, may follow; None outside of both."""
    kind, *rest = stack[-1] if stack else (None,)
    if kind == STRING and not rest[0]:
        assert isinstance(rest[2], int)
        return rest[2]
    if kind == KEY and not rest[3]:
        assert isinstance(rest[2], bytes)
        return max(0, KEY_BYTES - 3 - len(rest[2]))  # the bound of `schema`, where a character's first byte is taken
    return None


def ended(state: State) -> bool:
    """Whether the text is complete and nothing may follow."""
    return state == _ENDED


def complete(state: State) -> bool:
    """Whether the text may end here."""
    return END in state


_ENDED: State = frozenset({END})


def _shared(first: bytes, second: bytes) -> int:
    """How many bytes two texts begin with together."""
    shorter = min(len(first), len(second))
    return next((i for i in range(shorter) if first[i] != second[i]), shorter)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
