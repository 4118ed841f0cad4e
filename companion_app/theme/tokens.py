"""Colours of the themes and the contrast between them (WCAG 2.2); no Kivy in here."""

from __future__ import annotations

from dataclasses import dataclass, fields

# WCAG 2.2, 1.4.3 (AA): text needs 4.5 : 1 against what is behind it.
TEXT_CONTRAST = 4.5
# WCAG 2.2, 1.4.11 (AA): borders and icons that carry meaning need 3 : 1.
SHAPE_CONTRAST = 3.0
# WCAG 2.2, 1.4.6 (AAA): what the themes of high contrast keep, for text; their borders keep 4.5 : 1.
HIGH_TEXT_CONTRAST = 7.0
HIGH_SHAPE_CONTRAST = 4.5
# Straight pieces of a half circle: at a radius of 23 dp they are within 0.1 dp of it. Kivy draws 45 by itself.
HALF_CIRCLE = 20
# A border that isn't there: nothing is drawn for it.
NOTHING = (0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Tokens:
    """One theme, as #RRGGBB. `X_text` is for text on top of `X`."""

    background: str
    surface: str
    raised: str
    field: str
    line: str
    outline: str
    text: str
    muted: str
    accent: str
    accent_text: str
    tint: str
    tint_text: str
    good: str
    good_tint: str
    warn: str
    warn_tint: str
    bad: str
    bad_tint: str


DARK = Tokens(
    background="#0D1117",
    surface="#151B23",
    raised="#1E2630",
    field="#0A0E13",
    line="#262F3A",
    outline="#6B7787",
    text="#F0F4F8",
    muted="#A7B3C2",
    accent="#6FE3C1",
    accent_text="#04241B",
    tint="#12362F",
    tint_text="#9AF0D6",
    good="#7FDC9B",
    good_tint="#14301F",
    warn="#F6C66F",
    warn_tint="#362A12",
    bad="#FF9A94",
    bad_tint="#3A1A1B",
)

LIGHT = Tokens(
    background="#F5F3EE",
    surface="#FFFFFF",
    raised="#EFECE4",
    field="#FBFAF7",
    line="#E2DED4",
    outline="#7C8087",
    text="#161B21",
    muted="#565D67",
    accent="#0A6B56",
    accent_text="#FFFFFF",
    tint="#DDF1EA",
    tint_text="#06503F",
    good="#1B6B37",
    good_tint="#E0F2E5",
    warn="#7A4B00",
    warn_tint="#FBEFD6",
    bad="#AE211B",
    bad_tint="#FCE6E3",
)

# High contrast: lines where the others have shades, so that nothing rests on a faint difference of surfaces.
CONTRAST_DARK = Tokens(
    background="#000000",
    surface="#000000",
    raised="#1A1A1A",
    field="#000000",
    line="#FFFFFF",
    outline="#FFFFFF",
    text="#FFFFFF",
    muted="#E6E6E6",
    accent="#FFE94A",
    accent_text="#000000",
    tint="#2B2600",
    tint_text="#FFF08A",
    good="#7CFF9E",
    good_tint="#002B0E",
    warn="#FFD166",
    warn_tint="#2E2000",
    bad="#FFB3AD",
    bad_tint="#330303",
)

CONTRAST_LIGHT = Tokens(
    background="#FFFFFF",
    surface="#FFFFFF",
    raised="#EDEDED",
    field="#FFFFFF",
    line="#000000",
    outline="#000000",
    text="#000000",
    muted="#2B2B2B",
    accent="#003DA5",
    accent_text="#FFFFFF",
    tint="#E3ECFF",
    tint_text="#00296E",
    good="#00461A",
    good_tint="#E3F7E9",
    warn="#553300",
    warn_tint="#FFF3D6",
    bad="#8A0008",
    bad_tint="#FFE9E7",
)

THEMES = {"dark": DARK, "light": LIGHT, "contrast_dark": CONTRAST_DARK, "contrast_light": CONTRAST_LIGHT}
HIGH_CONTRAST = ("contrast_dark", "contrast_light")

# Every pair of (text, what it is drawn on) that the screens use; a test computes each one.
TEXT_PAIRS = (
    ("text", "background"),
    ("text", "surface"),
    ("text", "raised"),
    ("text", "field"),
    ("muted", "background"),
    ("muted", "surface"),
    ("muted", "raised"),
    ("muted", "field"),
    ("accent", "background"),
    ("accent", "surface"),
    ("accent", "field"),
    ("accent_text", "accent"),
    ("tint_text", "tint"),
    ("good", "surface"),
    ("good", "good_tint"),
    ("warn", "surface"),
    ("warn", "warn_tint"),
    ("bad", "surface"),
    ("bad", "background"),
    ("bad", "bad_tint"),
)

SHAPE_PAIRS = (
    ("outline", "surface"),
    ("outline", "background"),
    ("outline", "field"),
    ("accent", "background"),
    ("accent", "surface"),
    ("accent", "raised"),
    ("warn", "raised"),
    ("bad", "surface"),
    ("bad", "field"),
)


def rgb(colour: str) -> tuple[float, float, float]:
    """#RRGGBB as three floats in 0..1."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, 0 (black) to 1 (white), as WCAG 2.2 defines it."""

    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(channel) for channel in rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def token_names() -> tuple[str, ...]:
    """The names of all tokens."""
    return tuple(field.name for field in fields(Tokens))
