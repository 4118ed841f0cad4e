"""Deltas: what is sound makes the bundle byte by byte, anything else is refused in bounded memory and leaves nothing."""

from __future__ import annotations

import lzma
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.bundle.archive import write_payload
from edge_runtime.bundle.envelope import HEADER_BYTES, sign
from edge_runtime.errors import BundleError, StateError
from edge_runtime.update import delta
from edge_runtime.update.delta import ADD, COPY, INSERT, apply, delta_head, file_head, step_head

KEY = bytes(range(32))
MOST = 2**20
OLD = {"a.txt": b"some words of the base", "model": bytes(range(256)) * 4}
NEW = {"a.txt": b"other words", "model": bytes(x + 1 & 255 for x in range(256)) * 4}


def bundle_of(files: dict[str, bytes]) -> bytes:
    parts: list[bytes] = []
    length, digest = write_payload(files, parts.append)
    return sign(length, digest, KEY).to_bytes() + b"".join(parts)


def delta_of(content: bytes, base: dict[str, bytes] = OLD) -> bytes:
    return delta_head(write_payload(base, lambda piece: None)[1].hex()) + lzma.compress(content)


def steps(envelope: bytes, *files: bytes) -> bytes:
    return envelope[:HEADER_BYTES] + bytes([len(files)]) + b"".join(files)


SOUND = steps(
    bundle_of(NEW),
    file_head("a.txt", 11) + step_head(INSERT, 5) + b"other" + step_head(COPY, 6, 4),
    file_head("model", 1024) + step_head(ADD, 1024, 0) + b"\1" * 1024,
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, content in OLD.items():
        (folder / name).write_bytes(content)
    return folder


def made(folder: Path, content: bytes, base: Path | None, most: int = MOST) -> bytes:
    """What `apply` makes; where it refuses, nothing may be left."""
    (folder / "delta").write_bytes(content)
    out = folder / "out"
    try:
        apply(folder / "delta", base, out, most)
        return out.read_bytes()
    except BundleError as refused:
        assert not out.exists()
        assert str(refused).endswith(".")
        raise
    finally:
        out.unlink(missing_ok=True)


def test_a_delta_and_a_packed_copy_make_the_bundle_byte_by_byte(tmp_path: Path, base: Path) -> None:
    assert made(tmp_path, delta_of(SOUND), base) == bundle_of(NEW)
    assert made(tmp_path, lzma.compress(bundle_of(NEW)), None) == bundle_of(NEW)
    assert made(tmp_path, delta_of(SOUND), base, len(bundle_of(NEW))) == bundle_of(NEW)


def test_no_cut_and_no_flipped_bit_makes_anything(tmp_path: Path, base: Path) -> None:
    whole = delta_of(SOUND)
    for end in range(0, len(whole), 3):
        with pytest.raises(BundleError):
            made(tmp_path, whole[:end], base)
    for at in range(len(whole)):
        with pytest.raises(BundleError):
            made(tmp_path, whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :], base)
    for more in (b"\0", b"\0\0\0\0", whole):
        with pytest.raises(BundleError, match="goes on after its end"):
            made(tmp_path, whole + more, base)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(content=st.binary(max_size=400), place=st.sampled_from(["file", "stream", "files"]))
def test_noise_is_refused(tmp_path: Path, base: Path, content: bytes, place: str) -> None:
    noise = {
        "file": content,
        "stream": delta_of(content),
        "files": delta_of(steps(bundle_of(NEW), file_head("model", 1024) + content)),
    }
    with pytest.raises(BundleError):
        made(tmp_path, noise[place], base)


@pytest.mark.parametrize(
    "file",
    [
        file_head("model", 1024) + step_head(COPY, 1024, 1),  # ends behind the base's file
        file_head("model", 1024) + step_head(COPY, 1024, 2**32 - 1),
        file_head("gone", 10) + step_head(COPY, 10, 0),
        file_head("model", 1024) + step_head(COPY, 1025, 0),  # gives more than the file has
        file_head("model", 1024) + step_head(COPY, 0, 0),
        file_head("model", 1024) + step_head(7, 1024, 0),
        file_head("model", 2**40) + step_head(INSERT, 2**32 - 1) + b"x",
        file_head("../files/model", 1024) + step_head(COPY, 1024, 0),
        file_head("a/b", 1) + step_head(INSERT, 1) + b"x",
        file_head("model", 1024) + step_head(COPY, 1, 0) * 1024,  # another content than the envelope's
    ],
)
def test_steps_that_no_host_writes_are_refused(tmp_path: Path, base: Path, file: bytes) -> None:
    with pytest.raises(BundleError):
        made(tmp_path, delta_of(steps(bundle_of(NEW), file)), base)


def test_the_number_of_steps_is_bounded(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {"model": b"\0" * 300}
    content = steps(bundle_of(many), file_head("model", 300) + step_head(COPY, 1, 0) * 300)
    assert made(tmp_path, delta_of(content), base) == bundle_of(many)
    monkeypatch.setattr(delta, "MAX_STEPS", 299)
    with pytest.raises(BundleError):
        made(tmp_path, delta_of(content), base)


def test_a_bomb_is_refused_in_bounded_memory(tmp_path: Path, base: Path) -> None:
    zeros = bytes(16 * 2**20)
    head = bundle_of(NEW)[:HEADER_BYTES]
    bombs = [
        lzma.compress(head + zeros, preset=0),
        delta_of(steps(head, file_head("model", len(zeros)) + step_head(INSERT, len(zeros)) + zeros)),
        lzma.compress(sign(len(zeros), bytes(32), KEY).to_bytes() + zeros, preset=0),  # honest, and more than allowed
    ]
    del zeros
    tracemalloc.start()
    try:
        for bomb in bombs:
            with pytest.raises(BundleError):
                made(tmp_path, bomb, base)
        # The dictionary of the .xz stream is most of it.
        assert tracemalloc.get_traced_memory()[1] < delta.MAX_DICTIONARY + 2 * 2**20
    finally:
        tracemalloc.stop()


def test_a_stream_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 16 * 2**20}]
    with pytest.raises(BundleError, match="damaged"):
        made(tmp_path, lzma.compress(bundle_of(NEW), filters=filters), None)


def test_another_or_a_damaged_base_is_told(tmp_path: Path, base: Path) -> None:
    for folder in (None, tmp_path / "gone"):
        with pytest.raises(BundleError, match=r"starts from the bundle .* fetch the whole bundle"):
            made(tmp_path, delta_of(SOUND), folder)
    (base / "model").write_bytes(bytes(1024))
    with pytest.raises(BundleError, match="isn't there or is damaged"):
        made(tmp_path, delta_of(SOUND), base)


def test_a_file_that_is_there_already_stays(tmp_path: Path, base: Path) -> None:
    (tmp_path / "delta").write_bytes(delta_of(SOUND))
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(StateError):
        apply(tmp_path / "delta", base, tmp_path / "out", MOST)
    assert (tmp_path / "out").read_bytes() == b"mine"
