"""Scripts whose letters change places or melt together, and emoji: drawn by HarfBuzz as another program draws them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING

import pytest

from companion_app import i18n
from companion_app.i18n import bidi
from companion_app.theme import fonts, shaped

if TYPE_CHECKING:
    from PIL.Image import Image

FAMILY, GERMANY, THUMB = "👨‍👩‍👧", "🇩🇪", "👍🏽"
SIZE = 40
LARGE = 120  # pixels: here it doesn't matter how a program moves edges onto them
RED, GREEN = (255, 0, 0), (0, 160, 0)


@pytest.fixture
def drawing(display: None) -> Iterator[None]:
    """Kivy's text is ours; fonts are looked for anew before and after."""
    pytest.importorskip("uharfbuzz")
    from companion_app.theme import text

    text.install()
    found = (fonts._files, fonts._system, fonts.coloured_emoji, fonts.family_with, text.pieces)
    for one in found:
        one.cache_clear()
    yield
    for one in found:
        one.cache_clear()


def label(text: str, size: int = SIZE) -> Image:
    """A label as Kivy draws it, with letters of `size` pixels."""
    from kivy.core.text import Label
    from PIL import Image

    made = Label(text=text, font_size=size, color=(1, 1, 1, 1))
    made.refresh()
    return Image.frombytes("RGBA", made.texture.size, made.texture.pixels)


def ink(image: Image) -> Image:
    """What is drawn of a picture, and nothing around it."""
    alpha = image.getchannel("A")
    return alpha.crop(alpha.getbbox())


def alike(one: Image, other: Image) -> float:
    """The share of the ink of either that both have: 1 where they are the same."""
    pairs = list(zip(one.tobytes(), other.resize(one.size).tobytes(), strict=True))
    return sum(map(min, pairs)) / sum(map(max, pairs))


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("a हिन्दी b", ["a", " ", "हिन्दी", " ", "b"]),
        ("ไทย123", ["ไทย", "1", "2", "3"]),
        (f"{FAMILY}{GERMANY}{THUMB}x", [FAMILY, GERMANY, THUMB, "x"]),
        ("❤️1️⃣🏴󠁧󠁢󠁥󠁮󠁧󠁿", ["❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]),
        ("n\u0308o", ["n\u0308", "o"]),
        ("क्\u200dष", ["क्\u200dष"]),
    ],
)
def test_words_and_emoji_are_kept_together(text: str, runs: list[str]) -> None:
    assert [run.group() for run in shaped.runs().finditer(text)] == runs


@pytest.mark.parametrize("text", ["हिन्दी", "क्षत्रिय", "स्त्री", "श्री", "किन्तु"])
def test_devanagari_is_drawn_as_another_program_draws_it(drawing: None, text: str) -> None:
    """Pillow, with Raqm and FreeType; without Raqm it draws letter by letter, as Kivy does."""
    from PIL import Image, ImageDraw, ImageFont, features

    family = fonts.family_with("ह")
    if family is None or not features.check("raqm"):
        pytest.skip("a font with Devanagari, and Pillow with Raqm, are needed")
    wanted = {}
    for name, engine in (("shaped", ImageFont.Layout.RAQM), ("letters", ImageFont.Layout.BASIC)):
        font = ImageFont.truetype(family.regular, LARGE, layout_engine=engine)
        picture = Image.new("RGBA", (1000, 300))
        ImageDraw.Draw(picture).text((20, 20), text, font=font, fill="white")
        wanted[name] = ink(picture)
    made = ink(label(text, LARGE))
    assert all(abs(a - b) <= 4 for a, b in zip(made.size, wanted["shaped"].size, strict=True)), "Pillow's are hinted"
    # Thin strokes that lie a pixel off have little in common: these words reach 0.77 to 0.85, letter by letter 0.13 to 0.40.
    assert alike(made, wanted["shaped"]) > 0.7 and alike(made, wanted["letters"]) < 0.5


def test_a_label_has_room_for_what_is_drawn_on_it(drawing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from kivy.core.text import Label

    text = f"Say हिन्दी {FAMILY}!"
    whole = label(text)
    measuring = Label(font_size=SIZE)
    assert whole.size[0] == pytest.approx(measuring.get_extents(text)[0], abs=1)
    assert measuring.get_extents("Say ")[0] < measuring.get_extents("Say हि")[0] < measuring.get_extents("Say हिन्दी")[0]
    assert whole.getchannel("A").getbbox()[2] > 0.9 * whole.size[0], "down to the last sign"
    # Where HarfBuzz isn't installed, each character is drawn by itself.
    from companion_app.theme import text as provider

    monkeypatch.setattr(shaped, "available", lambda: False)
    provider.pieces.cache_clear()
    assert label(text).getchannel("A").getbbox() is not None
    assert not any(piece.shaped for piece in provider.pieces(text, measuring.options["font_name_r"], False))


def test_emoji_that_are_joined_of_several_are_one_picture(drawing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_folders", lambda: ())
    one = ink(label("👍")).size[0]
    for emoji in (FAMILY, GERMANY, THUMB):
        assert ink(label(emoji)).size[0] < 1.5 * one, emoji


def test_in_a_line_from_the_right_emoji_stay_whole() -> None:
    i18n.use("ar")
    line = bidi.drawn(f"نعم {GERMANY} {FAMILY}")
    assert line.startswith(f"{FAMILY} {GERMANY} "), "the first one is at the right"
    assert bidi.drawn(f"a {THUMB}") == f"a {THUMB}"


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """A picture of one colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + bytes((*colour, 255)) * width) * height
    head = chunk(b"IHDR", pack(">2I5B", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def coloured_font(path: Path, kind: str) -> None:
    """A font with one emoji, 😀: a red layer and a green one, or a green picture."""
    builder = pytest.importorskip("fontTools.fontBuilder")
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.ttLib import newTable

    def box(left: int, right: int) -> object:
        pen = TTGlyphPen(None)
        pen.moveTo((left, 0))
        for point in ((left, 1000), (right, 1000), (right, 0)):
            pen.lineTo(point)
        pen.closePath()
        return pen.glyph()

    names = [".notdef", "smile", "left", "right"]
    font = builder.FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap({0x1F600: "smile"})
    glyphs = zip(names, (box(0, 1000), box(0, 1000), box(0, 500), box(500, 1000)), strict=True)
    font.setupGlyf(dict(glyphs))
    font.setupHorizontalMetrics({**dict.fromkeys(names, (1000, 0)), "right": (1000, 500)})
    font.setupHorizontalHeader(ascent=1000, descent=-200)
    font.setupNameTable({"familyName": "Test", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=1000, sTypoDescender=-200)
    font.setupPost()
    if kind == "layers":
        font.setupCOLR({"smile": [("left", 0), ("right", 1)]})
        font.setupCPAL([[tuple(part / 255 for part in (*colour, 255)) for colour in (RED, GREEN)]])
    else:
        from fontTools.ttLib.tables.sbixGlyph import Glyph
        from fontTools.ttLib.tables.sbixStrike import Strike

        strike = Strike(ppem=100, resolution=72)
        for name in names:
            data = png(100, 100, GREEN) if name == "smile" else None
            strike.glyphs[name] = Glyph(
                glyphName=name, graphicType="png " if data else None, imageData=data, originOffsetX=0, originOffsetY=0
            )
        table = font.font["sbix"] = newTable("sbix")
        table.strikes[100] = strike
    font.save(path)


@pytest.mark.parametrize("kind", ["layers", "picture"])
def test_a_font_of_the_system_gives_emoji_their_colours(
    drawing: None, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured_font(tmp_path / "NotoColorEmoji.ttf", kind)
    monkeypatch.setattr(fonts, "_folders", lambda: (tmp_path,))
    picture = label("a😀")
    colours = {colour[:3] for _, colour in picture.getcolors(10_000) if colour[3] == 255}
    wanted = {RED, GREEN} if kind == "layers" else {GREEN}
    assert wanted <= colours and (colours - wanted) <= {(255, 255, 255)}
    place = picture.getchannel("A").getbbox()
    assert place[2] - place[0] > SIZE, "it stands beside the letter"


def test_a_smaller_picture_is_the_mean_of_the_larger_one() -> None:
    two = bytes((200, 0, 0, 255, 0, 0, 100, 255, 9, 9, 9, 0, 9, 9, 9, 0))
    assert shaped.smaller(4, 1, two, 2, 1) == bytes((100, 0, 50, 255, 0, 0, 0, 0))
    assert shaped.smaller(1, 1, bytes((1, 2, 3, 4)), 2, 2) == bytes((1, 2, 3, 4)) * 4
    assert shaped._straight(bytes((0, 0, 64, 128, 0, 0, 0, 0))) == bytes((127, 0, 0, 128, 0, 0, 0, 0))
