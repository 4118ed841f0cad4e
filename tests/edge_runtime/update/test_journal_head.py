"""The signed end of a device's journal: only the device's own key can say it, and only of itself."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.keys import device_key
from edge_runtime.update.journal_head import Head, HeadError, read_head, sign_head


def test_a_head_is_read_as_it_was_signed_and_any_change_is_refused(tmp_path: Path) -> None:
    key = device_key(IdentityFolder(tmp_path / "device"))
    head = Head(key.id, 7, "ab" * 32, 12.5)
    raw = sign_head(head, key)
    assert read_head(raw, key.id) == read_head(raw, key.id, key.public.hex()) == head
    for change in ({"count": 8}, {"hash": "cd" * 32}, {"at": 13}, {"device": "0" * 16}, {"more": 1}, {"at": 1e999}):
        forged = copy.deepcopy(raw)
        forged["signed"].update(change)  # type: ignore[attr-defined]
        with pytest.raises(HeadError, match="signature"):
            read_head(forged, key.id)
    for wrong in (None, [], {}, {**raw, "key": "x"}, {**raw, "signature": ""}, {**raw, "signed": []}):
        with pytest.raises(HeadError, match="isn't signed as"):
            read_head(wrong, key.id)


def test_another_key_signs_for_itself_alone(tmp_path: Path) -> None:
    key, other = (device_key(IdentityFolder(tmp_path / name)) for name in ("device", "other"))
    with pytest.raises(HeadError, match="another key"):
        read_head(sign_head(Head(key.id, 1, "ab" * 32, 0.0), other), key.id)
    with pytest.raises(HeadError, match="another key"):
        read_head(sign_head(Head(key.id, 1, "ab" * 32, 0.0), key), key.id, other.public.hex())
    for odd in (Head(other.id, 1, "ab" * 32, 0.0), Head(key.id, -1, "ab" * 32, 0.0), Head(key.id, 1, "AB", 0.0)):
        with pytest.raises(HeadError, match="can't be read, or is of another device"):
            read_head(sign_head(odd, key), key.id)


@pytest.mark.parametrize("at", [-1.0, 1e13, 1e300])
def test_a_moment_that_no_calendar_has_is_refused(tmp_path: Path, at: float) -> None:
    key = device_key(IdentityFolder(tmp_path / "device"))
    with pytest.raises(HeadError, match="can't be read"):
        read_head(sign_head(Head(key.id, 7, "ab" * 32, at), key), key.id)
