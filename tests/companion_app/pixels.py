"""What a picture of the window shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def hexed(colour: tuple[int, ...]) -> str:
    """A pixel as #RRGGBB."""
    return "#{:02X}{:02X}{:02X}".format(*colour[:3])


def close(colour: tuple[int, ...], token: str) -> bool:
    """Whether a pixel has a token's colour, but for rounding."""
    wanted = tuple(int(token[at : at + 2], 16) for at in (1, 3, 5))
    return all(abs(one - other) <= 2 for one, other in zip(colour, wanted, strict=True))


def colours_in(picture: Image, box: tuple[int, int, int, int]) -> list[tuple[int, tuple[int, ...]]]:
    """The colours of a region, as (how often, colour)."""
    region = picture.crop(box)
    # No more than it has pixels: Pillow prepares a table for as many as it is told.
    colours: list[tuple[int, tuple[int, ...]]] | None = region.getcolors(maxcolors=region.width * region.height)
    assert colours
    return colours


def ink_in(picture: Image, box: tuple[int, int, int, int]) -> int:
    """How many different colours a region has: 1 where it is blank, many where text is (smoothed edges)."""
    return len(colours_in(picture, box))
