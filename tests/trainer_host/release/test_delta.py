"""Ways to send a bundle: whatever two bundles hold, each file makes the new one of the old one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.bundle import public_key_of, verify_bundle
from edge_runtime.bundle.archive import write_payload
from edge_runtime.bundle.envelope import read_envelope, sign
from edge_runtime.update.delta import apply
from edge_runtime.update.slots import Slots
from tests.edge_runtime import tiny
from trainer_host.errors import DataError
from trainer_host.release import delta
from trainer_host.release.delta import BSDIFF4, SUB8, XZ, make_sources

KEY = bytes(range(32))
MOST = 2**26
NAMES = ("golden.json", "manifest.json", "model.int8.onnx", "vocab.txt")
WORDS = " ".join(f"word{number * 7919 % 1000}" for number in range(3000)).encode()


def bundle(path: Path, files: dict[str, bytes]) -> Path:
    parts: list[bytes] = []
    length, digest = write_payload(files, parts.append)
    path.write_bytes(sign(length, digest, KEY).to_bytes() + b"".join(parts))
    return path


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def weights(seed: int, count: int = 80_000) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(0, 30, count).round(), -127, 127).astype(np.int8)


def trained_on(old: np.ndarray, share: float, seed: int = 5) -> bytes:
    """The weights after a little more training: a share of them is one step up or down."""
    random = np.random.default_rng(seed)
    return (old + random.choice([-1, 0, 1], len(old), p=[share / 2, 1 - share, share / 2]).astype(np.int8)).tobytes()


contents = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda at, end: WORDS[at : at + end], st.integers(0, 9000), st.integers(0, 9000)),
    st.builds(lambda seed, end: weights(seed, 3000).tobytes()[:end], st.integers(0, 2), st.integers(0, 3000)),
)


@settings(max_examples=25, deadline=None)
@given(
    old=st.dictionaries(st.sampled_from(NAMES), contents, max_size=4),
    new=st.dictionaries(st.sampled_from(NAMES), contents, max_size=4),
)
def test_any_two_bundles_come_back(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = bundle(folder / "new.enigma", new)
        for source in make_sources(wanted, [bundle(folder / "old.enigma", old)], folder / "sources"):
            base = unpacked(folder / "base", old) if source.base else None
            apply(source.path, base, folder / "out", MOST)
            assert (folder / "out").read_bytes() == wanted.read_bytes()
            assert source.bytes < wanted.stat().st_size
            (folder / "out").unlink()


def test_a_fine_tune_of_equal_layout_is_a_quarter_or_less(tmp_path: Path) -> None:
    old = {"manifest.json": b'{"version": "1.0.0"}', "model.int8.onnx": weights(1).tobytes()}
    new = {"manifest.json": b'{"version": "1.1.0"}', "model.int8.onnx": trained_on(weights(1), 0.2)}
    wanted = bundle(tmp_path / "new.enigma", new)
    base = bundle(tmp_path / "old.enigma", old)
    first, second = make_sources(wanted, [base], tmp_path)
    assert (first.scheme, second.scheme) == (SUB8, XZ)
    assert first.bytes < 0.25 * wanted.stat().st_size < 0.5 * second.bytes
    again = {each.path.name: each.path.read_bytes() for each in (first, second)}
    (tmp_path / "again").mkdir()
    assert again == {
        each.path.name: each.path.read_bytes() for each in make_sources(wanted, [base], tmp_path / "again")
    }


def test_a_device_makes_a_signed_bundle_of_what_its_slot_holds(tmp_path: Path) -> None:
    old, new = tmp_path / "tiny-1.0.0.enigma", tmp_path / "tiny-1.1.0.enigma"
    for path, version in ((old, "1.0.0"), (new, "1.1.0")):
        tiny.make_bundle(path, tiny.usable_manifest(version), seed=1)
    slots, envelope = Slots(tmp_path / "state"), read_envelope(old.read_bytes())
    slots.place(slots.unpack(old, envelope)[0], envelope.digest)
    first = make_sources(new, [old], tmp_path / "sources")[0]
    assert (first.base, first.bytes < 0.2 * new.stat().st_size) == (envelope.digest, True)
    made = slots.new_upload()
    apply(first.path, slots.folder(envelope.digest), made, MOST)
    assert verify_bundle(made, {public_key_of(tiny.KEY)}) == read_envelope(new.read_bytes())


def test_a_changed_layer_is_sent_beside_those_that_stayed(tmp_path: Path) -> None:
    old = weights(1, 180_000)
    new = np.concatenate([old[:135_000], weights(2, 45_000)])
    wanted = bundle(tmp_path / "new.enigma", {"model": new.tobytes()})
    first = make_sources(wanted, [bundle(tmp_path / "old.enigma", {"model": old.tobytes()})], tmp_path)[0]
    assert first.bytes < 0.35 * wanted.stat().st_size


def test_what_moved_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bsdiff4")
    old = weights(1, 40_000).tobytes()
    new = old[:10_000] + b"one more label" + trained_on(weights(1, 40_000), 0.1)[10_000:]
    wanted = bundle(tmp_path / "new.enigma", {"model": new})
    base = bundle(tmp_path / "old.enigma", {"model": old})
    first = make_sources(wanted, [base], tmp_path)[0]
    assert first.scheme == BSDIFF4
    assert first.bytes < 0.3 * wanted.stat().st_size
    apply(first.path, unpacked(tmp_path / "base", {"model": old}), tmp_path / "out", MOST)
    assert (tmp_path / "out").read_bytes() == wanted.read_bytes()
    monkeypatch.setattr(delta, "_moved", lambda old, new: [])  # where bsdiff4 isn't installed
    assert [each.scheme for each in make_sources(wanted, [base], tmp_path / "plain")] == [XZ]


def test_what_moved_is_found_in_a_file_that_kept_its_length_too(tmp_path: Path) -> None:
    pytest.importorskip("bsdiff4")
    old = weights(1, 40_000).tobytes()
    new = old[15_000:] + old[:15_000]  # as where a graph's tensors come in another order
    wanted = bundle(tmp_path / "new.enigma", {"model": new})
    first = make_sources(wanted, [bundle(tmp_path / "old.enigma", {"model": old})], tmp_path)[0]
    assert (first.scheme, first.bytes < 0.4 * wanted.stat().st_size) == (BSDIFF4, True)
    apply(first.path, unpacked(tmp_path / "base", {"model": old}), tmp_path / "out", MOST)
    assert (tmp_path / "out").read_bytes() == wanted.read_bytes()


def test_what_spares_nothing_is_left_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).bytes(50_000)
    wanted = bundle(tmp_path / "new.enigma", {"model": noise})
    other = bundle(tmp_path / "old.enigma", {"model": np.random.default_rng(2).bytes(50_000)})
    assert make_sources(wanted, [other, wanted], tmp_path) == []


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    wanted = bundle(tmp_path / "new.enigma", {"model": b"x"})
    (tmp_path / "text").write_text("hello")
    (tmp_path / "half").write_bytes(wanted.read_bytes()[:-9])
    for path in (tmp_path / "text", tmp_path / "half", tmp_path / "gone"):
        for new, base in ((path, wanted), (wanted, path)):
            with pytest.raises(DataError):
                make_sources(new, [base], tmp_path)
