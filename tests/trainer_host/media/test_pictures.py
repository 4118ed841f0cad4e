from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from edge_runtime.media.pictures import UNREADABLE, animated_png, png, read_film, read_picture
from tests.trainer_host.media.strictness import quick_and_small, refusal
from trainer_host.tasks import Rejected


def encoded(picture: Image.Image, kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()


def two_colours(width: int = 60, height: int = 40) -> Image.Image:
    """Red on the left, blue on the right."""
    made = Image.new("RGB", (width, height), "red")
    made.paste((0, 0, 255), (width // 2, 0, width, height))
    return made


def test_a_photo_that_lies_on_its_side_is_put_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    read = read_picture(encoded(two_colours(), "JPEG", exif=exif, quality=95), 768)
    assert read.size == (40, 60)
    top, bottom = read.getpixel((20, 5)), read.getpixel((20, 55))
    assert isinstance(top, tuple) and isinstance(bottom, tuple)
    assert top[0] > 200 and bottom[2] > 200


def test_large_pictures_are_made_smaller_and_small_ones_kept() -> None:
    assert read_picture(encoded(Image.new("RGB", (3000, 1000)), "JPEG"), 768).size == (768, 256)
    assert read_picture(encoded(two_colours(), "PNG"), 768).size == (60, 40)


def test_what_is_transparent_becomes_white() -> None:
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    assert read_picture(encoded(clear, "PNG"), 768).getpixel((5, 5)) == (255, 255, 255)
    palette = Image.new("P", (20, 20), 0)
    assert read_picture(encoded(palette, "PNG", transparency=0), 768).getpixel((5, 5)) == (255, 255, 255)
    keyed = read_picture(encoded(two_colours(), "PNG", transparency=(255, 0, 0)), 768)  # as made of a GIF's frame
    assert [keyed.getpixel((x, 5)) for x in (5, 55)] == [(255, 255, 255), (0, 0, 255)]


def test_nothing_but_pixels_is_kept_of_a_file() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for told in ({"transparency": (255, 0, 0)}, {"icc_profile": profile}, {"dpi": (72, 72)}):
        read = read_picture(encoded(two_colours(), "PNG", **told), 768)
        few = encoded(read.quantize(16), "PNG", optimize=True)
        for made in (png(read), few):
            with Image.open(io.BytesIO(made)) as again:
                assert not again.info


@pytest.mark.parametrize("side", [64, 32])
def test_sixteen_bits_of_grey_keep_their_shades(side: int) -> None:
    rising = b"".join(struct.pack("<H", level * 257) for level in range(256)) * 16
    read = read_picture(encoded(Image.frombytes("I;16", (64, 64), rising), "PNG"), side)
    shades = [value for value, *_ in (read.getpixel((x, 1)) for x in range(side)) if isinstance(value, int)]  # type: ignore[misc]
    assert len(set(shades)) > side / 2 and max(shades) - min(shades) < 80
    assert 120 < sum(read.convert("L").tobytes()) / side**2 < 135


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "16 bits", "named colour"])
def test_a_picture_of_any_kind_shrinks_to_means(mode: str) -> None:
    """Fine stripes become grey; single ones of them would be black or white."""
    stripes = Image.new("L", (640, 640), 255)
    for column in range(0, 640, 2):
        stripes.paste(0, (column, 0, column + 1, 640))
    if mode == "16 bits":
        content = encoded(stripes.convert("I;16").point(lambda value: value * 257), "PNG")
    elif mode == "named colour":
        content = encoded(stripes, "PNG", transparency=0)
    else:
        content = encoded(stripes.convert(mode), "PNG")
    shades = set(read_picture(content, 64).convert("L").tobytes())
    assert shades == {255} if mode == "named colour" else shades <= set(range(120, 136))


def test_what_a_camera_knows_does_not_travel_along() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[1] = "N"
    photo = encoded(two_colours(), "JPEG", exif=exif)
    assert b"taken at home" in photo
    sent = png(read_picture(photo, 768))
    assert b"taken at home" not in sent and b"eXIf" not in sent


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be this large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html>",
        encoded(two_colours(), "GIF"),
        encoded(two_colours(), "BMP"),
        encoded(two_colours(), "PNG")[:60],
        encoded(two_colours(400, 400), "JPEG")[:300],
        encoded(Image.new("RGB", (4, 4)), "PNG"),
        bomb(100_000, 100_000),
        bomb(60_000, 1_000),
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        b"\x89PNG\r\n\x1a\n" + b"\0" * (33 * 2**20),
    ],
    ids=["empty", "html", "gif", "bmp", "cut png", "cut jpeg", "tiny", "bomb", "wide bomb", "no chunks", "long file"],
)
def test_what_is_no_usable_picture_is_refused_at_once(content: bytes) -> None:
    with quick_and_small(megabytes=50):
        assert refusal(lambda: read_picture(content, 768)).reason == UNREADABLE


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(encoded(two_colours(), data.draw(st.sampled_from(["PNG", "JPEG"]))))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_picture(bytes(content), 768)
    except Rejected as refused:
        assert refused.reason == UNREADABLE


def test_a_film_is_read_back_by_an_independent_decoder_as_it_was_written(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), (number * 20, 0, 0)) for number in range(8)]
    content = animated_png(frames, 10)
    film = read_film(content)
    assert film.seconds == pytest.approx([0.1] * 8)
    assert [frame.tobytes() for frame in film.frames] == [frame.tobytes() for frame in frames]
    # acTL: W3C PNG, section 11.3.4.1; 8 frames, endless.
    place = content.index(b"acTL")
    assert struct.unpack(">II", content[place + 4 : place + 12]) == (8, 0)
