"""The payload: deterministic, readable by any tar, and refused in any form but the canonical one."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.bundle.archive import (
    MAX_MEMBERS,
    Content,
    header,
    list_members,
    payload_digest,
    write_payload,
)
from edge_runtime.errors import BundleError

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", fullmatch=True)
FILES = st.dictionaries(NAMES, st.binary(max_size=2000), max_size=6)


def payload_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    contents: dict[str, Content] = dict(files)
    length, digest = write_payload(contents, out.write)
    made = out.getvalue()
    assert length == len(made)
    assert digest == hashlib.sha256(made).digest()
    return made


@given(FILES)
def test_what_was_written_is_read_and_any_tar_agrees(files: dict[str, bytes]) -> None:
    payload = payload_of(files)
    members = list_members(io.BytesIO(payload), 0, len(payload))
    assert {m.name: payload[m.offset : m.offset + m.size] for m in members} == files
    with tarfile.open(fileobj=io.BytesIO(payload)) as tar:
        assert tar.getnames() == sorted(files)
        for info in tar:
            assert (info.mtime, info.uid, info.gid, info.mode, info.isreg()) == (0, 0, 0, 0o644, True)
            extracted = tar.extractfile(info)
            assert extracted is not None and extracted.read() == files[info.name]


@given(FILES, st.integers(min_value=0, max_value=500))
def test_a_payload_within_a_file_is_read_at_its_offset(files: dict[str, bytes], start: int) -> None:
    payload = payload_of(files)
    members = list_members(io.BytesIO(bytes(start) + payload + b"after"), start, len(payload))
    assert [m.name for m in members] == sorted(files)


@given(FILES, st.data())
def test_a_flipped_bit_changes_only_one_content_or_is_refused(files: dict[str, bytes], data: st.DataObject) -> None:
    payload = bytearray(payload_of(files))
    members = list_members(io.BytesIO(bytes(payload)), 0, len(payload))
    position = data.draw(st.integers(0, len(payload) - 1))
    payload[position] ^= 1 << data.draw(st.integers(0, 7))
    inside = any(m.offset <= position < m.offset + m.size for m in members)
    if inside:
        assert list_members(io.BytesIO(bytes(payload)), 0, len(payload)) == members
    else:
        with pytest.raises(BundleError):
            list_members(io.BytesIO(bytes(payload)), 0, len(payload))


@given(st.binary(max_size=4096))
def test_arbitrary_bytes_are_refused_with_our_error(junk: bytes) -> None:
    try:
        list_members(io.BytesIO(junk), 0, len(junk))
    except BundleError:
        return
    assert junk == bytes(1024)  # the empty archive


@given(FILES, st.integers(min_value=1, max_value=3000))
def test_a_cut_payload_is_refused(files: dict[str, bytes], cut: int) -> None:
    payload = payload_of(files)[:-cut]
    with pytest.raises(BundleError):
        list_members(io.BytesIO(payload), 0, len(payload))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_folders_and_devices_are_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("evil")
    info.type, info.linkname, info.mode, info.mtime = kind, "/etc/passwd", 0o644, 0
    payload = info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)
    with pytest.raises(BundleError):
        list_members(io.BytesIO(payload), 0, len(payload))


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "a\\b", "a\0b", "ä", "a" * 81, "-x"])
def test_names_that_could_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(BundleError):
        header(name, 1)
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    payload = info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    with pytest.raises(BundleError):
        list_members(io.BytesIO(payload), 0, len(payload))


def test_repeated_and_unsorted_names_and_too_many_files_are_refused() -> None:
    for names in (["b", "a"], ["a", "a"], [f"f{i:03}" for i in range(MAX_MEMBERS + 1)]):
        payload = b"".join(header(name, 0) for name in names) + bytes(1024)
        with pytest.raises(BundleError):
            list_members(io.BytesIO(payload), 0, len(payload))
    with pytest.raises(BundleError):
        write_payload({f"f{i:03}": b"" for i in range(MAX_MEMBERS + 1)}, lambda chunk: None)


def test_a_folder_has_the_address_of_its_payload(tmp_path: Path) -> None:
    files = {"b.bin": b"x" * 700, "a.txt": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert payload_digest(tmp_path) == hashlib.sha256(payload_of(files)).hexdigest()
