"""Pieces of text: the same rows everywhere, whole words first, and no file that isn't one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import BundleError
from edge_runtime.tasks.pieces import FILE, LENGTH, START, Pieces, file_of, hashes_of, read_pieces

SOME = [f"{START}print", "able", f"{START}un", "print", f"{START}sketch", "s", "3", "d", START, "ß"]


def split(text: str) -> list[str]:
    """The pieces that a text is made of."""
    hashes = hashes_of(SOME)
    piece_of = {int(np.searchsorted(hashes, hashes_of([piece])[0])) + 1: piece for piece in SOME}
    return [piece_of[row] for row in Pieces(hashes).ids(text)[0].tolist() if row]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Printable SKETCH!", [f"{START}print", "able", f"{START}sketch"]),
        ("unprintables", [f"{START}un", "print", "able", "s"]),
        ("3D", [START, "3", "d"]),
        ("qzs", [START, "s"]),  # what no piece has is left out
        ("?!", []),
    ],
)
def test_a_word_is_its_longest_pieces(text: str, pieces: list[str]) -> None:
    assert split(text) == pieces


def test_the_rows_are_those_that_bundles_were_made_with() -> None:
    """Bundles out there depend on these numbers: a change needs a new scheme's name."""
    assert Pieces(hashes_of(SOME)).ids("printable 3d sketches")[0, :8].tolist() == [6, 5, 10, 7, 8, 1, 4, 0]


@given(st.text(max_size=300))
def test_any_text_gives_rows_in_range(text: str) -> None:
    pieces = Pieces(hashes_of(SOME))
    rows = pieces.ids(text)
    assert rows.shape == (1, LENGTH) and rows.dtype == np.int32
    assert rows.min() >= 0 and rows.max() <= len(pieces) == len(SOME)


def test_a_bundle_s_vocabulary_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(file_of(hashes_of(SOME)))
    assert (read_pieces(tmp_path / FILE).ids("sketch") == Pieces(hashes_of(SOME)).ids("sketch")).all()


@pytest.mark.parametrize("content", [None, b"", b"abc", bytes(8), bytes([2, 0, 0, 0, 1, 0, 0, 0])])
def test_a_file_that_is_no_vocabulary_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BundleError, match=FILE):
        read_pieces(tmp_path / FILE)
