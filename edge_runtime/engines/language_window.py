"""The cache of layers that look back only some tokens: it holds a text's last ones, however long the text is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Tokens before the window that are kept as well, so that guesses that were wrong can be taken back.
_MARGIN = 64


@dataclass
class Window:
    """The cache of layers that look back only `window` tokens: the text's last ones, from `first` on.

    Tokens are appended as in any cache; where there is no place for more, the last ones that are still needed move to
    the beginning, once in so many tokens as are read at once, or more seldom. arrays: each [..., places, head].
    """

    window: int
    places: int
    arrays: list[np.ndarray]
    first: int = 0

    @classmethod
    def of(cls, window: int | None, context: int, piece: int) -> Window:
        """For a model's window; without one, or with a large one, nothing is ever moved. piece: most tokens at once."""
        window = context if window is None else window
        return cls(window, min(context, window - 1 + _MARGIN + piece), [])

    def make_room(self, length: int, total: int) -> None:
        """Before the tokens from `length` to `total` are read, at most a piece."""
        if total - self.first <= self.places:
            return
        kept = min(self.window - 1 + _MARGIN, length)
        at = length - self.first
        for array in self.arrays:
            array[..., :kept, :] = array[..., at - kept : at, :].copy()
        self.first = length - kept

    def reaches(self, length: int) -> bool:
        """Whether all that the token behind `length` others looks back at is still there."""
        return self.first <= max(0, length - self.window + 1)

    def back_to(self, length: int) -> int:
        """Forget what is behind the first `length` tokens; how many are left: none where they don't reach so far back."""
        if self.reaches(length):
            return length
        self.first = 0
        return 0
