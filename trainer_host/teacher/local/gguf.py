"""The head of a GGUF file: which model it holds, how much it was taught to read at once, what memory it takes.

Format: GGUF versions 2 and 3, little-endian (github.com/ggml-org/ggml, docs/gguf.md).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from trainer_host.teacher.local import LocalTeacherError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
# Bounds for files that lie about themselves: the largest models have about a thousand keys, vocabularies of 300,000
# entries and chat templates of 50 kB.
MAX_KEYS = 65_536
MAX_TEXT = 16 * 1024 * 1024
MAX_ENTRIES = 16 * 1024 * 1024
MAX_LAYERS = 4096  # longer lists of numbers belong to the vocabulary
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_VOCABULARY = "tokenizer.ggml.tokens"

Value = int | float | bool | str | list[int | float | bool]


@dataclass(frozen=True)
class Head:
    """What a GGUF file says of its model.

    context: tokens of the longest text that it was trained on. vocabulary: tokens. bytes_per_token: of the
    attention cache with 16-bit entries; an upper bound, as some models keep less in some of their layers.
    size: of the file in bytes.
    """

    architecture: str
    name: str
    context: int
    vocabulary: int
    bytes_per_token: int
    size: int


def read_head(path: Path) -> Head:
    """Read the head of a GGUF file, without its weights; raises `LocalTeacherError`."""
    try:
        size = path.stat().st_size
        with path.open("rb") as source:
            values = _values(source, path)
    except (FileNotFoundError, NotADirectoryError):
        raise LocalTeacherError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise LocalTeacherError(f"{path} is a folder; name the .gguf file in it.") from None
    except OSError as cause:
        raise LocalTeacherError(f"{path} can't be read: {cause.strerror}.") from None
    except (struct.error, UnicodeDecodeError):
        raise LocalTeacherError(f"{path} isn't a whole GGUF file; get it again.") from None
    architecture = values.get("general.architecture")
    if not isinstance(architecture, str):
        raise _not_a_model(path)
    layers = _number(values, f"{architecture}.block_count")
    width = _number(values, f"{architecture}.embedding_length")
    heads = _number(values, f"{architecture}.attention.head_count")
    context = _number(values, f"{architecture}.context_length")
    if min(layers, width, heads, context) < 1:
        raise _not_a_model(path)
    per_head = width // heads
    keys = _number(values, f"{architecture}.attention.key_length") or per_head
    answers = _number(values, f"{architecture}.attention.value_length") or per_head
    shared = _number(values, f"{architecture}.attention.head_count_kv") or heads
    name = values.get("general.name")
    return Head(
        architecture=architecture,
        name=name if isinstance(name, str) else path.stem,
        context=context,
        vocabulary=_number(values, _VOCABULARY),
        bytes_per_token=layers * shared * (keys + answers) * 2,
        size=size,
    )


def _values(source: BinaryIO, path: Path) -> dict[str, Value]:
    """The keys up to the vocabulary, of which only the length is read; writers put the rest behind it."""
    if source.read(4) != MAGIC:
        raise LocalTeacherError(f"{path} isn't a GGUF file; the local teacher reads no other kind of weights.")
    version, _, keys = struct.unpack("<IQQ", _exactly(source, 20))
    if version not in VERSIONS:
        raise LocalTeacherError(f"{path} is GGUF of version {version}; versions 2 and 3 can be read.")
    if keys > MAX_KEYS:
        raise _not_a_model(path)
    values: dict[str, Value] = {}
    for _ in range(keys):
        key = _text(source, path)
        (kind,) = struct.unpack("<I", _exactly(source, 4))
        value = _value(source, kind, path)
        if value is not None:
            values[key] = value
        architecture = values.get("general.architecture")
        if key == _VOCABULARY and f"{architecture}.block_count" in values:
            break
    return values


def _value(source: BinaryIO, kind: int, path: Path) -> Value | None:
    if kind == _STRING:
        return _text(source, path)
    if kind == _ARRAY:
        of, count = struct.unpack("<IQ", _exactly(source, 12))
        if count > MAX_ENTRIES:
            raise _not_a_model(path)
        if of == _STRING:
            for _ in range(count):
                source.seek(_length(source, path), 1)
            return int(count)
        entry = _scalar(of, path)
        if count > MAX_LAYERS:
            source.seek(count * struct.calcsize(entry), 1)
            return None
        return [item for (item,) in struct.iter_unpack(f"<{entry}", _exactly(source, count * struct.calcsize(entry)))]
    entry = _scalar(kind, path)
    (value,) = struct.unpack(f"<{entry}", _exactly(source, struct.calcsize(entry)))
    made: int | float | bool = value
    return made


def _scalar(kind: int, path: Path) -> str:
    if kind not in _SCALARS:
        raise _not_a_model(path)
    return _SCALARS[kind]


def _text(source: BinaryIO, path: Path) -> str:
    return _exactly(source, _length(source, path)).decode()


def _length(source: BinaryIO, path: Path) -> int:
    (length,) = struct.unpack("<Q", _exactly(source, 8))
    if length > MAX_TEXT:
        raise _not_a_model(path)
    return int(length)


def _exactly(source: BinaryIO, size: int) -> bytes:
    found = source.read(size)
    if len(found) < size:
        raise struct.error("the file ends too early")
    return found


def _number(values: dict[str, Value], key: str) -> int:
    """A count, the largest where each layer has its own; 0 where there is none."""
    found = values.get(key, 0)
    if isinstance(found, list):
        found = max(found, default=0)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _not_a_model(path: Path) -> LocalTeacherError:
    return LocalTeacherError(f"{path} holds no language model that can be read; try another .gguf file.")
