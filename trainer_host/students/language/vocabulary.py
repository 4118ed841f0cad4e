"""What a tokenizer.json of byte-level BPE says: its tokens, merges and special tokens, and how it splits words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer_host.errors import DataError
from trainer_host.students.language.config import LanguageConfig

Json = dict[str, object]

# llama.cpp's names of the ways to split words that we read.
GPT2, SMOLLM, QWEN2, LLAMA3 = "gpt-2", "smollm", "qwen2", "llama-bpe"
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|NUMBERS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# The patterns of tokenizers that bring their own; the published files of Qwen2 and Llama 3.
_PATTERNS = {QWEN2: _WORDS.replace("NUMBERS", r"\p{N}"), LLAMA3: _WORDS.replace("NUMBERS", r"\p{N}{1,3}")}
# Checkpoints round their table up to a multiple of something (Qwen2.5: 271 rows more than tokens).
MAX_UNUSED = 1024


@dataclass(frozen=True)
class Vocabulary:
    """Byte-level BPE (Radford et al. 2019). tokens: by id. merges: pairs, the first one first.

    special: ids of tokens that no text spells (control). added: ids of tokens that are matched whole in a text.
    pre: how words are split: `GPT2`, by its regular expression; `SMOLLM`, the same with each digit alone; `QWEN2` and
    `LLAMA3`, by theirs.
    """

    tokens: Mapping[int, str]
    merges: Sequence[tuple[str, str]]
    special: frozenset[int]
    added: frozenset[int]
    pre: str

    @property
    def size(self) -> int:
        """Ids that are needed: the highest one plus one."""
        return max(self.tokens) + 1

    def id(self, token: str) -> int | None:
        """The id of a special token by its text, None where there is none of this text."""
        return next((number for number in sorted(self.special) if self.tokens[number] == token), None)


def read_vocabulary(text: str) -> Vocabulary:
    """Read tokenizer.json; raises `DataError` where it isn't byte-level BPE of a kind that devices read."""
    try:
        raw = json.loads(text)
        model = raw["model"]
        if model.get("type") != "BPE" or model.get("byte_fallback") or model.get("end_of_word_suffix"):
            raise DataError("The tokenizer isn't byte-level BPE; start from another checkpoint.")
        tokens = {int(number): str(token) for token, number in model["vocab"].items()}
        pairs = [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]
        merges = [(str(left), str(right)) for left, right in pairs]
        special: set[int] = set()
        added: set[int] = set()
        for entry in raw.get("added_tokens") or ():
            tokens[int(entry["id"])] = str(entry["content"])
            (special if entry.get("special") else added).add(int(entry["id"]))
        pre = _pre_of(raw)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError("The tokenizer.json is damaged, or isn't byte-level BPE; get the checkpoint again.") from None
    if not tokens:
        raise DataError("The tokenizer.json holds no tokens; get the checkpoint again.")
    return Vocabulary(tokens, merges, frozenset(special), frozenset(added), pre)


def write_vocabulary(vocabulary: Vocabulary) -> str:
    """The tokenizer.json of a vocabulary, as Hugging Face's tokenizers read it."""
    marks = sorted(vocabulary.special | vocabulary.added)
    made: Json = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": vocabulary.tokens[number],
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": number in vocabulary.special,
            }
            for number in marks
        ],
        "normalizer": {"type": "NFC"} if vocabulary.pre == QWEN2 else None,
        "pre_tokenizer": _split_of(vocabulary.pre),
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": vocabulary.pre == LLAMA3,
            "vocab": {token: number for number, token in sorted(vocabulary.tokens.items())},
            "merges": [list(pair) for pair in vocabulary.merges],
        },
    }
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def with_special(text: str, names: Sequence[str]) -> str:
    """The tokenizer.json with these special tokens behind its own; those that it has stay where they are."""
    vocabulary = read_vocabulary(text)
    raw = json.loads(text)
    for name in names:
        if vocabulary.id(name) is not None:
            continue
        if name in vocabulary.tokens.values():
            raise DataError(f"The tokenizer has {name} as a word, so it can't be a mark; choose another start.")
        number = vocabulary.size
        raw.setdefault("added_tokens", []).append(
            {
                "id": number,
                "content": name,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        )
        raw["model"]["vocab"][name] = number  # tokenizers count added tokens from the vocabulary's end otherwise
        text = json.dumps(raw, ensure_ascii=False, indent=1) + "\n"
        vocabulary = read_vocabulary(text)
    return text


def check_vocabulary(vocabulary: Vocabulary, config: LanguageConfig) -> None:
    """Raise `DataError` where a tokenizer isn't the one that the checkpoint was trained with, by its size."""
    if vocabulary.size > config.vocabulary or config.vocabulary - vocabulary.size > MAX_UNUSED:
        raise DataError(
            f"The tokenizer has {vocabulary.size:,} tokens and the checkpoint's table {config.vocabulary:,} rows, so "
            "they don't belong together; put the checkpoint's own tokenizer.json beside its weights."
        )


def _split_of(pre: str) -> Json:
    """The `pre_tokenizer` of a way to split words."""
    level: Json = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    if pre == GPT2:
        return level
    first: Json = {"type": "Digits", "individual_digits": True}
    if pre in _PATTERNS:
        first = {"type": "Split", "pattern": {"Regex": _PATTERNS[pre]}, "behavior": "Isolated", "invert": False}
        level["use_regex"] = False
    return {"type": "Sequence", "pretokenizers": [first, level]}


def _pre_of(raw: Mapping[str, object]) -> str:
    """Which of the ways to split words a tokenizer.json says."""
    given = raw.get("pre_tokenizer")
    if isinstance(given, dict):
        for pre in (GPT2, SMOLLM, QWEN2, LLAMA3):
            normal = raw.get("normalizer") in (None, {"type": "NFC"} if pre == QWEN2 else None)
            if normal and _same(given, _split_of(pre)):
                return pre
    raise DataError(
        "The tokenizer splits or changes texts in a way that devices don't know (they know those of GPT-2, SmolLM2, "
        "Qwen2 and Llama 3); choose another checkpoint."
    )


def _same(given: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    """Whether two pre-tokenizers split alike; where the one says nothing, the option's default counts."""
    defaults: Json = {"add_prefix_space": True, "use_regex": True, "invert": False}
    ignored = {"trim_offsets"}  # of the places in the text, not of the tokens
    if "pretokenizers" in wanted and "pretokenizers" in given:
        left, right = given["pretokenizers"], wanted["pretokenizers"]
        assert isinstance(right, list)
        if not isinstance(left, list) or given.get("type") != "Sequence" or len(left) != len(right):
            return False
        return all(isinstance(a, dict) and _same(a, b) for a, b in zip(left, right, strict=True))
    keys = (given.keys() | wanted.keys()) - ignored
    return all(given.get(key, defaults.get(key)) == wanted.get(key, defaults.get(key)) for key in keys)
