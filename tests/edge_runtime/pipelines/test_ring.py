"""Windows of sound, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.pipelines.ring import Ring


@settings(max_examples=40)
@given(
    window=st.integers(1, 12),
    hop=st.integers(1, 12),
    cuts=st.lists(st.integers(0, 30), max_size=8),
)
def test_windows_are_slices_of_the_whole_sound_however_it_is_cut(window: int, hop: int, cuts: list[int]) -> None:
    hop = min(hop, window)
    whole = np.arange(sum(cuts), dtype=np.float32)
    ring, found, start = Ring(window, hop), [], 0
    for size in cuts:
        for one, done in ring.push(whole[start : start + size]):
            assert one[-1] == whole[start + done - 1]
            found.append(one.tolist())
        start += size
    ends = range(window, len(whole) + 1, hop)
    assert found == [whole[end - window : end].tolist() for end in ends]


def test_no_window_spans_a_gap() -> None:
    ring = Ring(4, 2)
    assert list(ring.push(np.ones(3, np.float32))) == []
    ring.clear()
    [(window, done)] = ring.push(np.full(5, 2, np.float32))
    assert window.tolist() == [2] * 4 and done == 4
    with pytest.raises(ValueError, match="hop"):
        Ring(2, 3)
