"""The manifest: what a bundle holds, for which task and runtimes, how good it is and where it comes from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from edge_runtime import strict_json
from edge_runtime.bundle.archive import NAME as FILE_NAME
from edge_runtime.errors import BundleError

FORMAT = 1
MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 1024 * 1024
_SPECIALIST = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_TASK = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z.-]{1,64})?")
_HASH = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")
Json = dict[str, object]


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes and SHA-256 (hex) of a file in the bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Scored:
    """One score of a model file, in the runtime that will run it.

    accuracy: a share, 0 to 1; None of a file that came without rows to examine it on, and was only tried there.
    """

    runtime: str
    version: str
    accuracy: float | None


@dataclass(frozen=True)
class ModelFile:
    """One model file, and how the task's names map to its tensors' names (empty: they are the same)."""

    file: str
    precision: str
    runtimes: tuple[str, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    scored_in: tuple[Scored, ...] = ()


@dataclass(frozen=True)
class Tokenizer:
    """The vocabulary file (None where the scheme needs none) and the name of the scheme that reads it."""

    scheme: str
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Golden:
    """The file of golden vectors: a list of {"request", "response"}."""

    file: str
    count: int


@dataclass(frozen=True)
class Manifest:
    """A bundle's manifest. `from_json(m.to_json()) == m`, and the JSON has one canonical form."""

    name: str
    task: str
    version: str
    licence: str
    io: Json
    models: tuple[ModelFile, ...]
    golden: Golden
    labels: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    tokenizer: Tokenizer | None = None
    metrics: Json = field(default_factory=dict)
    lineage: Json = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8, a newline at the end."""
        return strict_json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Parse and check a manifest; raises `BundleError` with a sentence that names the bad field."""
        if len(data) > MAX_MANIFEST_BYTES:
            raise BundleError(f"The manifest has {len(data):,} bytes; at most {MAX_MANIFEST_BYTES:,} are read.")
        raw = strict_json.loads_object(data, "The manifest", BundleError)
        if raw.get("format") != FORMAT:
            raise BundleError(f"The manifest's format isn't {FORMAT}; update Enigma on the device.")
        top = _Fields(raw, "manifest")
        made = cls(
            format=top.number("format", int),
            name=top.match("name", _SPECIALIST, "lower-case letters, digits and dashes, at most 64"),
            task=top.match("task", _TASK, "a task's name"),
            version=top.match("version", _VERSION, "three numbers, as in 1.0.0"),
            licence=top.text("licence"),
            io=_io(top.mapping("io")),
            models=tuple(_model(item, f"models[{i}]") for i, item in enumerate(top.items("models"))),
            golden=_golden(top.mapping("golden")),
            labels=top.texts("labels"),
            thresholds=_thresholds(top.mapping("thresholds")),
            options=top.mapping("options"),
            tokenizer=_tokenizer(top.take("tokenizer")),
            metrics=top.mapping("metrics"),
            lineage=top.mapping("lineage"),
            files={name: _file(name, entry) for name, entry in top.mapping("files").items()},
        )
        top.end()
        _check_references(made)
        return made


class _Fields:
    """Takes fields out of one JSON object, checked, and complains about what is left."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise BundleError(f"The manifest's {where} must be an object.")
        self._raw = raw
        self._where = where
        self._taken: set[str] = set()

    def take(self, key: str) -> object:
        if key not in self._raw:
            raise BundleError(f"The manifest lacks '{key}' in {self._where}.")
        self._taken.add(key)
        return self._raw[key]

    def _kind(self, key: str, kind: type[T], words: str) -> T:
        value = self.take(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BundleError(f"'{key}' in the manifest's {self._where} must be {words}.")
        return value

    def text(self, key: str) -> str:
        return self._kind(key, str, "a text")

    def number(self, key: str, kind: type[T]) -> T:
        return self._kind(key, kind, "a number")

    def mapping(self, key: str) -> Json:
        return self._kind(key, dict, "an object")

    def items(self, key: str) -> list[object]:
        return self._kind(key, list, "a list")

    def share(self, key: str) -> float:
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise BundleError(f"'{key}' in the manifest's {self._where} must be a number from 0 to 1.")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        values = tuple(value for value in self.items(key) if isinstance(value, str))
        if len(values) != len(self.items(key)) or len(set(values)) != len(values):
            raise BundleError(f"'{key}' in the manifest's {self._where} must be a list of different texts.")
        return values

    def match(self, key: str, pattern: re.Pattern[str], words: str) -> str:
        value = self.text(key)
        if not pattern.fullmatch(value):
            raise BundleError(f"'{key}' in the manifest's {self._where} must be {words}.")
        return value

    def names(self, key: str) -> dict[str, str]:
        values = {name: tensor for name, tensor in self.mapping(key).items() if isinstance(tensor, str)}
        if len(values) != len(self.mapping(key)) or len(set(values.values())) != len(values):
            raise BundleError(f"'{key}' in the manifest's {self._where} must map names to different tensor names.")
        return values

    def end(self) -> None:
        if extra := sorted(self._raw.keys() - self._taken):
            raise BundleError(f"The manifest's {self._where} has '{extra[0]}', which this version doesn't know.")


def _done(fields: _Fields, make: Callable[[], T]) -> T:
    made = make()
    fields.end()
    return made


def _io(raw: Json) -> Json:
    fields = _Fields(raw, "io")
    return _done(fields, lambda: {"request": fields.mapping("request"), "response": fields.mapping("response")})


def _thresholds(raw: Json) -> dict[str, float]:
    fields = _Fields(raw, "thresholds")
    return {key: fields.share(key) for key in raw}


def _golden(raw: Json) -> Golden:
    fields = _Fields(raw, "golden")
    made = _done(fields, lambda: Golden(_file_name(fields, "file"), fields.number("count", int)))
    if not 1 <= made.count <= 10_000:
        raise BundleError("The manifest's golden count must be from 1 to 10000.")
    return made


def _tokenizer(raw: object) -> Tokenizer | None:
    if raw is None:
        return None
    fields = _Fields(raw, "tokenizer")
    scheme = fields.text("scheme")
    if fields.take("file") is None and fields.take("sha256") is None:
        return _done(fields, lambda: Tokenizer(scheme))
    made = Tokenizer(scheme, _file_name(fields, "file"), fields.match("sha256", _HASH, "64 hex digits"))
    return _done(fields, lambda: made)


def _model(raw: object, where: str) -> ModelFile:
    fields = _Fields(raw, where)
    made = ModelFile(
        file=_file_name(fields, "file"),
        precision=fields.text("precision"),
        runtimes=fields.texts("runtimes"),
        inputs=fields.names("inputs"),
        outputs=fields.names("outputs"),
        scored_in=tuple(_scored(item, f"{where}.scored_in[{i}]") for i, item in enumerate(fields.items("scored_in"))),
    )
    if stray := {s.runtime for s in made.scored_in} - set(made.runtimes):
        raise BundleError(f"{made.file} was scored in {stray.pop()}, which isn't among its runtimes.")
    return _done(fields, lambda: made)


def _scored(raw: object, where: str) -> Scored:
    fields = _Fields(raw, where)
    accuracy = None if fields.take("accuracy") is None else fields.share("accuracy")
    return _done(fields, lambda: Scored(fields.text("runtime"), fields.text("version"), accuracy))


def _file(name: str, raw: object) -> FileEntry:
    if not FILE_NAME.fullmatch(name) or name == MANIFEST_NAME:
        raise BundleError(f"{name[:80]!r} can't be a file in a bundle.")
    fields = _Fields(raw, f"files['{name}']")
    size = fields.number("bytes", int)
    if size < 0:
        raise BundleError(f"The manifest gives {name} a negative size.")
    return _done(fields, lambda: FileEntry(size, fields.match("sha256", _HASH, "64 hex digits")))


def _file_name(fields: _Fields, key: str) -> str:
    return fields.match(key, FILE_NAME, "a plain file name")


def _check_references(manifest: Manifest) -> None:
    if not manifest.models:
        raise BundleError("The manifest lists no model.")
    wanted = [model.file for model in manifest.models] + [manifest.golden.file]
    tokenizer = manifest.tokenizer
    if tokenizer and tokenizer.file:
        wanted.append(tokenizer.file)
    for name in wanted:
        if name not in manifest.files:
            raise BundleError(f"The manifest names {name}, which isn't in the bundle.")
    if tokenizer and tokenizer.file and manifest.files[tokenizer.file].sha256 != tokenizer.sha256:
        raise BundleError(f"The manifest's tokenizer isn't the {tokenizer.file} in the bundle.")
