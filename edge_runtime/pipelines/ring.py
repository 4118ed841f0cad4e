"""A ring of the latest sound: whole windows of it come out, each so long after the one before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class Ring:
    """Holds `window` samples, however long it is fed. hop: samples between the ends of two windows."""

    def __init__(self, window: int, hop: int) -> None:
        if not 0 < hop <= window:
            raise ValueError(f"a hop of {hop} samples doesn't fit a window of {window}")
        self._kept = np.zeros(window, np.float32)
        self._hop = hop
        self.clear()

    def clear(self) -> None:
        """Forget all sound, as after a gap: no window may span it."""
        self._at = 0  # where the next sample goes
        self._missing = len(self._kept)  # samples until the next window is whole

    def push(self, samples: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """float32 [n] -> (a window float32 [window], how many of `samples` stand before its end) for each whole one."""
        done = 0
        while done < len(samples):
            # Up to the next window's end, and never beyond the end of the buffer.
            some = min(self._missing, len(samples) - done, len(self._kept) - self._at)
            self._kept[self._at : self._at + some] = samples[done : done + some]
            self._at = (self._at + some) % len(self._kept)
            self._missing -= some
            done += some
            if self._missing == 0:
                self._missing = self._hop
                yield np.concatenate([self._kept[self._at :], self._kept[: self._at]]), done
