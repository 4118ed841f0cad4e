"""Text to tokens and back: a reader of Hugging Face's tokenizer.json for byte-level BPE, in pure Python."""

from __future__ import annotations

import bisect
import codecs
import functools
import heapq
import itertools
import json
import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from edge_runtime.errors import BadRequest, BundleError
from edge_runtime.language.letters import SPACES, YOUNG_DIGITS, letters, numbers

Json = Mapping[str, object]

REMEMBERED = 4096  # words whose tokens are kept: about 0.7 MB; a host that encodes a corpus wants more
_LONG_WORD = 64  # bytes; from here on a heap is quicker than looking at all pairs
_LONGEST_KEPT = 256  # characters of a word that is kept
_NEVER = 1 << 62  # the rank of a pair that no merge joins


class TextTokenizer(Protocol):
    """What writing an answer asks of a tokenizer, whichever kind it is: `Tokenizer`, or that of a .gguf file.

    special: text -> id of the tokens that steer the model, and are no text. size: one more than the largest id.
    """

    special: dict[str, int]
    size: int

    def encode(self, text: str) -> list[int]:
        """The tokens of a text that goes on where another ended; never a special one, whatever the text spells."""

    def decode(self, ids: Iterable[int], special: bool = False) -> str:
        """The text of tokens; bytes that aren't UTF-8 become U+FFFD. special: also spell the special tokens."""

    def token_bytes(self, number: int) -> bytes:
        """The bytes that a token stands for: none for a special token, perhaps a part of a character."""

    def special_id(self, text: str) -> int:
        """The id of a special token; `BundleError` where the tokenizer has none such."""


class Tokenizer:
    """Byte-level BPE (Sennrich 2016; GPT-2): every text has tokens, and the tokens give exactly that text again.

    special: text -> id of the tokens that steer the model; `encode` never gives them, whatever a text spells.
    size: one more than the largest id.
    unwritable: bytes that no token stands for, and that `encode` leaves out, as transformers does: none in a
    tokenizer trained here, 6 control characters and 2 bytes of unassigned planes in SmolLM2's.
    """

    special: dict[str, int]
    size: int
    unwritable: frozenset[int]

    def __init__(self, table: Json, remembered: int = REMEMBERED) -> None:
        """table: a parsed tokenizer.json. Raises `BundleError` for what isn't lossless byte-level BPE."""
        model = _object(table.get("model"), "model")
        if model.get("type", "BPE") != "BPE":
            raise BundleError(f"The tokenizer's model is {model.get('type')}; use a byte-level BPE tokenizer.")
        for option in ("unk_token", "dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
            if model.get(option):
                raise BundleError(
                    f"The tokenizer has the option '{option}'; use a byte-level BPE tokenizer without it."
                )
        vocabulary = _vocabulary(model.get("vocab"))
        added = _added_tokens(table.get("added_tokens"))
        self.special = {text: number for text, number, special in added if special}
        self._plain_added = {text: number for text, number, special in added if not special}
        self.size = max(itertools.chain(vocabulary.values(), (number for _, number, _ in added)), default=-1) + 1
        self._normalise = _normaliser(table.get("normalizer"))
        self._split = _splitter(table.get("pre_tokenizer"))
        self._read_bytes(vocabulary, added)
        self._read_merges(vocabulary, model.get("merges"))
        # Llama 3: a word that is a token needs no merges.
        self._whole = {self.token_bytes(i): i for i in vocabulary.values()} if model.get("ignore_merges") else {}
        self._words = _Words(self._merge, remembered)
        longest_first = sorted(self._plain_added, key=len, reverse=True)
        self._added = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if longest_first else None

    @classmethod
    def read(cls, path: Path, remembered: int = REMEMBERED) -> Tokenizer:
        """Read a tokenizer.json. remembered: how many words' tokens are kept for the next time."""
        try:
            table = json.loads(path.read_bytes())
        except OSError as error:
            raise BundleError(f"The tokenizer {path.name} can't be read: {error.strerror}.") from None
        except ValueError as error:
            raise BundleError(f"{path.name} isn't a tokenizer.json: {error}.") from None
        return cls(_object(table, path.name), remembered)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text. Tokens that were added but aren't special (as <tool_call>) are found where spelled.

        Raises `BadRequest` for half of a surrogate pair, which isn't text.
        """
        if self._added is None:
            return self._encode(text)
        made: list[int] = []
        for i, piece in enumerate(self._added.split(text)):
            if i % 2:
                made.append(self._plain_added[piece])
            else:
                made += self._encode(piece)
        return made

    def _encode(self, text: str) -> list[int]:
        if self._normalise is not None:
            text = self._normalise(text)
        return list(itertools.chain.from_iterable(map(self._words.__getitem__, self._split(text))))

    def decode(self, ids: Iterable[int], special: bool = False) -> str:
        """The text of tokens; bytes that aren't UTF-8 become U+FFFD. special: also spell the special tokens."""
        names = {number: text.encode() for text, number in self.special.items()} if special else {}
        return b"".join(names.get(i) or self.token_bytes(i) for i in ids).decode("utf-8", "replace")

    def token_bytes(self, number: int) -> bytes:
        """The bytes that a token stands for: none for a special token, perhaps a part of a character."""
        if not 0 <= number < self.size:
            raise BundleError(f"The tokenizer has no token {number}, only 0 to {self.size - 1}; it isn't this model's.")
        return self._bytes[self._starts[number] : self._starts[number + 1]]

    def special_id(self, text: str) -> int:
        """The id of a special token; `BundleError` where the tokenizer has none such."""
        number = self.special.get(text)
        if number is None:
            raise BundleError(f"The tokenizer has no special token {text}; it doesn't belong to this chat template.")
        return number

    def _read_bytes(self, vocabulary: Mapping[str, int], added: Sequence[tuple[str, int, bool]]) -> None:
        """Keep all tokens' bytes in one string: 0.5 MB for 49,152 tokens, where objects would take 5 MB."""
        each: list[bytes] = [b""] * self.size
        by_character = _byte_of_character()
        content = {number: b"" if special else text.encode() for text, number, special in added}
        for text, number in vocabulary.items():
            if number in content:
                continue
            try:
                each[number] = bytes(by_character[char] for char in text)
            except KeyError:
                raise BundleError(f"The token {text!r} isn't of byte-level BPE; use such a tokenizer.") from None
        for number, data in content.items():
            each[number] = data
        self._bytes = b"".join(each)
        self._starts = array("I", itertools.accumulate(map(len, each), initial=0))
        self._byte_ids = [
            vocabulary.get(char, -1) for char, _ in sorted(by_character.items(), key=lambda item: item[1])
        ]
        self.unwritable = frozenset(i for i in range(256) if self._byte_ids[i] < 0 and i not in _NOT_IN_UTF8)

    def _read_merges(self, vocabulary: Mapping[str, int], merges: object) -> None:
        """Keep the merges as sorted arrays: 1 MB for 48,900 merges, where a dict would take 6 MB."""
        if not isinstance(merges, list):
            raise BundleError("The tokenizer.json has no merges; use a byte-level BPE tokenizer.")
        found: dict[int, int] = {}
        results = array("I", bytes(4 * len(merges)))
        for rank, merge in enumerate(merges):
            left, right = merge.split(" ") if isinstance(merge, str) else merge
            try:
                found.setdefault(vocabulary[left] * self.size + vocabulary[right], rank)
                results[rank] = vocabulary[left + right]
            except KeyError as error:
                raise BundleError(f"The tokenizer merges to {error}, which isn't in its vocabulary.") from None
        self._pairs = array("Q", sorted(found))
        self._ranks = array("I", (found[pair] for pair in self._pairs))
        self._results = results

    def _rank(self, left: int, right: int) -> int:
        pair = left * self.size + right
        at = bisect.bisect_left(self._pairs, pair)
        return self._ranks[at] if at < len(self._pairs) and self._pairs[at] == pair else _NEVER

    def _merge(self, word: str) -> tuple[int, ...]:
        """The tokens of a word: of all pairs that can be joined the earliest learnt is, the leftmost of equals."""
        try:
            data = word.encode()
        except UnicodeEncodeError:
            raise BadRequest("The text holds half of a surrogate pair; send whole characters.") from None
        if data in self._whole:
            return (self._whole[data],)
        ids = [number for byte in data if (number := self._byte_ids[byte]) >= 0]
        if len(ids) > _LONG_WORD:
            return self._merge_long(ids)
        ranks = [self._rank(left, right) for left, right in itertools.pairwise(ids)]
        while ranks and (best := min(ranks)) != _NEVER:
            at = ranks.index(best)
            ids[at : at + 2] = [self._results[best]]
            del ranks[at]
            if at:
                ranks[at - 1] = self._rank(ids[at - 1], ids[at])
            if at < len(ranks):
                ranks[at] = self._rank(ids[at], ids[at + 1])
        return tuple(ids)

    def _merge_long(self, ids: list[int]) -> tuple[int, ...]:
        """The same with a heap: n log n, where a text without spaces would take hours."""
        after = [*range(1, len(ids)), -1]
        before = list(range(-1, len(ids) - 1))
        heap = [(self._rank(a, b), i, a, b) for i, (a, b) in enumerate(itertools.pairwise(ids))]
        heap = [entry for entry in heap if entry[0] != _NEVER]
        heapq.heapify(heap)
        while heap:
            rank, i, left, right = heapq.heappop(heap)
            j = after[i]
            if ids[i] != left or j < 0 or ids[j] != right:
                continue  # one of the two was joined with another meanwhile
            ids[i], ids[j] = self._results[rank], -1
            after[i] = after[j]
            if after[j] >= 0:
                before[after[j]] = i
            for a, b in ((before[i], i), (i, after[i])):
                if a >= 0 and b >= 0 and (again := self._rank(ids[a], ids[b])) != _NEVER:
                    heapq.heappush(heap, (again, a, ids[a], ids[b]))
        return tuple(i for i in ids if i >= 0)


class StreamDecoder:
    """Gives the text of tokens as they come, only whole characters; `finish` gives what was left unfinished."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, number: int) -> str:
        """The characters that this token completes; none for a special token."""
        return self._decoder.decode(self._tokenizer.token_bytes(number))

    def finish(self) -> str:
        """U+FFFD for a character of which only a part came."""
        return self._decoder.decode(b"", final=True)


class _Words(dict[str, tuple[int, ...]]):
    """Word -> its tokens, made at the first use; forgets all when full, so that odd texts can't fill the memory."""

    def __init__(self, make: Callable[[str], tuple[int, ...]], most: int) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, word: str) -> tuple[int, ...]:
        made = self._make(word)
        if len(word) <= _LONGEST_KEPT:
            if len(self) >= self._most:
                self.clear()
            self[word] = made
        return made


_NOT_IN_UTF8 = frozenset({0xC0, 0xC1, *range(0xF5, 0x100)})  # RFC 3629, section 1


@functools.cache
def _byte_of_character() -> dict[str, int]:
    """GPT-2's `bytes_to_unicode`, the other way: printable bytes stand for themselves, the rest for U+0100 onwards."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + i): byte for i, byte in enumerate(rest)}


def _object(value: object, what: str) -> Json:
    if not isinstance(value, dict):
        raise BundleError(f"The tokenizer.json is damaged: {what} isn't a JSON object.")
    return value


def _vocabulary(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or not all(type(number) is int and number >= 0 for number in value.values()):
        raise BundleError("The tokenizer.json is damaged: its vocab doesn't give every token a number.")
    return value


def _added_tokens(value: object) -> list[tuple[str, int, bool]]:
    """(text, id, whether special) of each added token."""
    added = []
    for entry in value if isinstance(value, list) else []:
        text, number, special = entry.get("content"), entry.get("id"), bool(entry.get("special"))
        if not isinstance(text, str) or not text or type(number) is not int or number < 0:
            raise BundleError("The tokenizer.json is damaged: an added token has no text or number.")
        if not special and any(entry.get(option) for option in ("single_word", "lstrip", "rstrip")):
            raise BundleError(f"The added token {text} takes spaces away; make it special, or without that option.")
        added.append((text, number, special))
    return added


def _normaliser(value: object) -> Callable[[str], str] | None:
    if value is None:
        return None
    kind = _object(value, "normalizer").get("type")
    if kind == "NFC":  # Qwen's; the text comes back in this form
        return functools.partial(unicodedata.normalize, "NFC")
    raise BundleError(f"The tokenizer's normalizer {kind} isn't supported; use one without, or NFC.")


def _splitter(value: object) -> Callable[[str], list[str]]:
    """How a text falls into words: GPT-2's way, with single digits before it (SmolLM2), or a pattern (Qwen, Llama 3)."""
    stages = _object(value, "pre_tokenizer")
    parts = stages.get("pretokenizers") if stages.get("type") == "Sequence" else [stages]
    kinds = [_object(part, "pre_tokenizer") for part in parts] if isinstance(parts, list) else []
    names = [kind.get("type") for kind in kinds]
    last = kinds[-1] if kinds else {}
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space", True):
        raise BundleError("The tokenizer isn't byte-level BPE without a space put before the text; use such a one.")
    if names in (["ByteLevel"], ["Digits", "ByteLevel"]) and last.get("use_regex", True):
        if names[0] == "ByteLevel":
            return _gpt2(digits=False)
        if kinds[0].get("individual_digits"):
            return _gpt2(digits=True)
    if names == ["Split", "ByteLevel"] and not last.get("use_regex", True):
        pattern = _object(kinds[0].get("pattern"), "pattern").get("Regex")
        if isinstance(pattern, str) and kinds[0].get("behavior") == "Isolated" and not kinds[0].get("invert"):
            return _by_pattern(pattern)
    raise BundleError(
        f"The tokenizer splits texts by {' and '.join(map(str, names))} with options that aren't supported; "
        "use ByteLevel, Digits (individual) and ByteLevel, or Split (isolated) and ByteLevel."
    )


@functools.cache
def _gpt2(digits: bool) -> Callable[[str], list[str]]:
    r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ (GPT-2's encoder.py).

    digits: every digit is split off first, so that spaces before it stand at an end.
    """

    def compiled(space: str, letter: str, number: str) -> re.Pattern[str]:
        return re.compile(
            rf"'(?:[stmd]|re|ve|ll)| ?[{letter}]+|"
            + (rf"[{number}]" if digits else rf" ?[{number}]+")
            + rf"| ?[^{space}{letter}{number}]+|[{space}]+(?![^{space}{number if digits else ''}])|[{space}]+"
        )

    # Most texts are ASCII, and those characters are ten times as quick to tell apart.
    ascii_words = compiled(r"\t-\r ", "A-Za-z", "0-9").findall

    @functools.cache
    def all_words() -> Callable[[str], list[str]]:
        return compiled(SPACES, letters(), numbers() + (YOUNG_DIGITS if digits else "")).findall

    return lambda text: ascii_words(text) if text.isascii() else all_words()(text)


@functools.cache
def _by_pattern(pattern: str) -> Callable[[str], list[str]]:
    r"""Words by a tokenizer's own pattern, in which \p{L}, \p{N} and \s mean what they do in `tokenizers`."""
    made, inside = "", False
    for piece in re.findall(r"\\[pP]\{\w+\}|\\.|.", pattern, re.DOTALL):
        inside = (inside or piece == "[") and piece != "]"
        meant = {r"\p{L}": letters(), r"\p{N}": numbers(), r"\s": SPACES, r"\d": None, r"\w": None, r"\S": f"^{SPACES}"}
        known = meant.get(piece, piece)
        if known is None or (piece[:2] in (r"\P", r"\p") and piece not in meant) or (inside and piece == r"\S"):
            raise BundleError(f"The tokenizer's pattern has {piece}, which isn't supported.")
        made += known if inside or known is piece else f"[{known}]"
    try:
        compiled = re.compile(f"({made})")
    except re.error as error:
        raise BundleError(f"The tokenizer's pattern can't be used: {error}.") from None
    if compiled.groups != 1:
        raise BundleError("The tokenizer's pattern has groups of its own, which isn't supported.")
    return lambda text: [word for word in compiled.split(text) if word]
