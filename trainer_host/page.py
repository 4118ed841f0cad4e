"""One HTML page that needs no network: its frame, plots, tables, and pictures and sounds inside it.

Nothing is loaded and no script runs, but one that the page's own policy names by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence

BINS = 16
MOST_BARS = 24
MAX_EMBEDDED = 2 * 1024 * 1024  # bytes of one picture or sound
TINY = 48  # pixels across: smaller pictures are shown larger
MEDIA = {
    ".png": "image/png",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".wav": "audio/wav",
    ".glb": "model/gltf-binary",
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --bar: #2f6f9f; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebee; --soft: #a2acb7; --line: #3a424b; --bar: #6fb1de; --page: #14181c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } .plots { display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 1rem 0; } summary { cursor: pointer; font-size: .85rem; color: var(--soft); } figure { margin: 0; }
figcaption { color: var(--soft); font-size: .9rem; } svg text { fill: var(--ink); font-size: 12px; } svg rect { fill: var(--bar); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: .85rem; } img { max-width: 160px; border: 1px solid var(--line); } img.tiny { width: 64px; image-rendering: pixelated; } .beyond { overflow-x: auto; }
.matrix { width: auto; } .matrix td { text-align: right; min-width: 1.6rem; padding: .2rem .35rem; } .matrix th { padding: .2rem .35rem; font-weight: 400; }
.turned { vertical-align: bottom; } .turned div { writing-mode: vertical-rl; transform: rotate(180deg); } img.wide { max-width: 240px; }
.rows td { max-width: 22rem; } canvas { cursor: grab; touch-action: none; border: 1px solid var(--line); }
.figure { font-size: 1.3rem; } .figures { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; } .figures div div { color: var(--soft); font-size: .9rem; }
"""


def page(title: str, body: Sequence[str], script: str = "") -> str:
    """The whole page; empty parts are left out. script: JavaScript, run when the page is there."""
    policy = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    inner = "\n".join(part for part in body if part) + (f"<script>{script}</script>" if script else "")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{inner}</body></html>\n'
    )


def text(raw: str) -> str:
    """Text as it may stand in the page, in attributes too."""
    return html.escape(raw, quote=True)


def figures(named: Sequence[tuple[str, str]]) -> str:
    """Large figures side by side, each with what it means."""
    blocks = "".join(f'<div><span class="figure">{text(a)}</span><div>{text(b)}</div></div>' for a, b in named)
    return f'<div class="figures">{blocks}</div>'


def media(content_type: str, content: bytes, what: str) -> str:
    """A picture to look at or a sound to listen to; nothing for another type, or what is too large."""
    if len(content) > MAX_EMBEDDED:
        return ""
    address = f"data:{content_type};base64,{base64.b64encode(content).decode()}"
    if content_type.startswith("audio/"):
        return f'<audio controls src="{address}"></audio><br>'
    if not content_type.startswith("image/"):
        return ""
    tiny = ' class="tiny"' if _width_of(content) < TINY else ""
    return f'<img{tiny} alt="{text(what)}" src="{address}"><br>'


def _width_of(content: bytes) -> int:
    """Pixels across of a PNG, by its header (W3C PNG, 11.2.1); those of another file are taken to be enough."""
    return int.from_bytes(content[16:20], "big") if content[:4] == b"\x89PNG" and len(content) >= 24 else TINY


def histogram(values: Sequence[float], title: str, unit: str, bins: int = BINS) -> str:
    """An SVG of how often values fall between equal steps from the least to the greatest."""
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (high - low) / bins or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / step))] += 1
    width, height, most = 360, 120, max(counts)
    each = width / bins
    bars = "".join(
        f'<rect x="{i * each + 1:.1f}" y="{height - count / most * height:.1f}" width="{each - 2:.1f}" '
        f'height="{count / most * height:.1f}"><title>{count} from {low + i * step:.4g}</title></rect>'
        for i, count in enumerate(counts)
    )
    label = f"{title}: {len(values)} values from {low:.4g} to {high:.4g} {unit}".strip()
    axis = f'<text x="0" y="{height + 16}">{low:.4g}</text><text x="{width}" y="{height + 16}" text-anchor="end">{high:.4g} {text(unit)}</text>'
    return framed(f'<svg role="img" aria-label="{text(label)}" width="{width}" height="{height + 22}">{bars}{axis}</svg>', title)  # fmt: skip


def bars(counts: Mapping[str, float], title: str) -> str:
    """An SVG with one bar per name, the greatest first; the rest is summed up."""
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(found) > MOST_BARS:
        rest = found[MOST_BARS - 1 :]
        found = [*found[: MOST_BARS - 1], (f"{len(rest)} others", sum(count for _, count in rest))]
    if not found:
        return ""
    most, row = max(count for _, count in found) or 1.0, 20
    lines = "".join(
        f'<text x="150" y="{i * row + 14}" text-anchor="end">{text(name[:22])}</text>'
        f'<rect x="158" y="{i * row + 3}" width="{max(1.0, count / most * 160):.1f}" height="14"></rect>'
        f'<text x="{166 + max(1.0, count / most * 160):.0f}" y="{i * row + 14}">{count:,g}</text>'
        for i, (name, count) in enumerate(found)
    )
    height = len(found) * row + 4
    return framed(f'<svg role="img" aria-label="{text(title)}" width="380" height="{height}">{lines}</svg>', title)


def framed(svg: str, title: str) -> str:
    """A drawing with what it shows below it."""
    return f"<figure>{svg}<figcaption>{text(title)}</figcaption></figure>"
