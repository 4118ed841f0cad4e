"""A dataset as one HTML page: its card, plots, and samples that can be looked at and listened to. Nothing is loaded."""

from __future__ import annotations

import base64
import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer_host.data.check import homes_of, spec_of
from trainer_host.data.contamination import Hit
from trainer_host.data.curriculum import difficulty
from trainer_host.data.dataset import SPLITS, Dataset, Json, Row
from trainer_host.data.derive import with_inventory
from trainer_host.data.packs.card import parents_of
from trainer_host.data.pii import find, texts_of
from trainer_host.data.quality import assess, files_of, usual
from trainer_host.errors import TrainerError
from trainer_host.tasks import Example, TaskSpec

SAMPLES = 24  # spread over the rows; enough to see what a dataset is like
BINS = 16
MOST_BARS = 24
MAX_EMBEDDED = 2 * 1024 * 1024  # of one picture or sound
_MEDIA = {".png": "image/png", ".gif": "image/gif", ".jpg": "image/jpeg", ".wav": "audio/wav"}

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --bar: #2f6f9f; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebee; --soft: #a2acb7; --line: #3a424b; --bar: #6fb1de; --page: #14181c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } .plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; }
figcaption { color: var(--soft); font-size: .9rem; } svg text { fill: var(--ink); font-size: 12px; } svg rect { fill: var(--bar); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: .85rem; } img { max-width: 160px; border: 1px solid var(--line); }
.figure { font-size: 1.3rem; } .figures { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; } .figures div div { color: var(--soft); font-size: .9rem; }
"""


@dataclass(frozen=True)
class _Measured:
    """One row with what is shown of it."""

    split: str
    row: Row
    score: float
    reasons: str


def report(dataset: Dataset, contaminated: Mapping[str, Sequence[Hit]] | None = None, samples: int = SAMPLES) -> str:
    """The page. contaminated: per examination that was compared, the training rows that it shares too much with."""
    spec, homes = spec_of(dataset), homes_of(dataset)
    rows = [(split, row) for split in SPLITS for row in dataset.rows(split)]
    among = usual([row for _, row in rows])
    measured = []
    for split, row in rows:
        found = assess(spec, with_inventory(row, homes), among, files_of(dataset, row))
        measured.append(_Measured(split, row, found.score, found.told()))
    parts = [
        f"<h1>{_text(dataset.name)}</h1><p>Examples of the task <b>{_text(dataset.task)}</b> by {_text(dataset.teacher)}.</p>",
        _figures(dataset, measured),
        "<h2>Distribution</h2>",
        _plots(dataset, measured),
        "<h2>Card</h2>",
        _card(dataset),
        _personal(rows, dataset),
        _contamination(contaminated),
        _attribution(dataset),
        "<h2>Samples</h2>",
        _samples(spec, dataset, measured, homes, samples),
    ]
    body = "\n".join(part for part in parts if part)
    title = _text(f"{dataset.name}: a dataset of Enigma")
    policy = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>\n'
    )


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
    axis = f'<text x="0" y="{height + 16}">{low:.4g}</text><text x="{width}" y="{height + 16}" text-anchor="end">{high:.4g} {_text(unit)}</text>'
    return _figure(f'<svg role="img" aria-label="{_text(label)}" width="{width}" height="{height + 22}">{bars}{axis}</svg>', title)  # fmt: skip


def bars(counts: Mapping[str, float], title: str) -> str:
    """An SVG with one bar per name, the greatest first; the rest is summed up."""
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(found) > MOST_BARS:
        rest = found[MOST_BARS - 1 :]
        found = [*found[: MOST_BARS - 1], (f"{len(rest)} others", sum(count for _, count in rest))]
    if not found:
        return ""
    most, row = max(count for _, count in found), 20
    lines = "".join(
        f'<text x="150" y="{i * row + 14}" text-anchor="end">{_text(name[:22])}</text>'
        f'<rect x="158" y="{i * row + 3}" width="{max(1.0, count / most * 160):.1f}" height="14"></rect>'
        f'<text x="{166 + max(1.0, count / most * 160):.0f}" y="{i * row + 14}">{count:,g}</text>'
        for i, (name, count) in enumerate(found)
    )
    height = len(found) * row + 4
    return _figure(f'<svg role="img" aria-label="{_text(title)}" width="380" height="{height}">{lines}</svg>', title)


def _figure(svg: str, title: str) -> str:
    return f"<figure>{svg}<figcaption>{_text(title)}</figcaption></figure>"


def _figures(dataset: Dataset, measured: Sequence[_Measured]) -> str:
    figures: list[tuple[str, str]] = [
        (f"{dataset.counts['train']:,}", "rows to train"),
        (f"{dataset.counts['heldout']:,}", "rows held out"),
        (f"{sum(item.score for item in measured) / max(1, len(measured)):.2f}", "mean quality, 0 to 1"),
    ]
    for key, label in (
        ("yield", "of answers passed"),
        ("repaired", "mended by the teacher"),
        ("cost_usd", "US dollars"),
    ):
        value = dataset.figures.get(key)
        if value is not None:
            shown = f"{value:.0%}" if key == "yield" and isinstance(value, int | float) else str(value)
            figures.append((shown, label))
    blocks = "".join(f'<div><span class="figure">{_text(a)}</span><div>{_text(b)}</div></div>' for a, b in figures)
    return f'<div class="figures">{blocks}</div>'


def _plots(dataset: Dataset, measured: Sequence[_Measured]) -> str:
    rows = [item.row for item in measured]
    lengths = [float(sum(map(len, texts_of([row.input, row.output])))) for row in rows]
    plots = [
        histogram(lengths, "Length of input and output", "characters"),
        histogram([difficulty(row) for row in rows], "Difficulty", ""),
        histogram([item.score for item in measured], "Quality", ""),
    ]
    for key, title in (
        ("labels", "Rows per label"),
        ("rejected", "Rejected answers by reason"),
        ("actions", "Actions"),
    ):
        found = dataset.figures.get(key)
        if isinstance(found, dict) and found:
            plots.append(bars({str(name): float(count) for name, count in found.items()}, title))
    drawn: dict[str, Counter[str]] = {}
    for row in rows:
        about = row.meta.get("drawn")
        for name, value in about.items() if isinstance(about, dict) else ():
            if isinstance(value, str) and len(value) <= 40:
                drawn.setdefault(str(name), Counter())[value] += 1
    plots += [bars(dict(c), f"Drawn before asking: {name}") for name, c in sorted(drawn.items()) if 1 < len(c) <= 60]
    return f'<div class="plots">{"".join(plots)}</div>'


def _card(dataset: Dataset) -> str:
    card = dataset.card()
    lines = "".join(
        f"<tr><th>{_text(key.replace('_', ' '))}</th><td><pre>{_text(_value(value))}</pre></td></tr>"
        for key, value in card.items()
        if key != "name"
    )
    return f"<table>{lines}</table>"


def _personal(rows: Sequence[tuple[str, Row]], dataset: Dataset) -> str:
    if dataset.task == "robot":
        return ""
    kinds = Counter(
        item.kind.lower() for _, row in rows for text in texts_of([row.input, row.output]) for item in find(text)
    )
    said = "No text looks like personal data." if not kinds else bars({k: float(v) for k, v in kinds.items()}, "Finds")
    return f"<h2>Personal data</h2><p>By patterns and check digits; names only where a word announces them.</p>{said}"


def _contamination(found: Mapping[str, Sequence[Hit]] | None) -> str:
    if found is None:
        return ""
    lines = "".join(
        f"<tr><th>{_text(name)}</th><td>{len(hits)} training rows {'' if hits else '(clean)'}"
        + "".join(f"<br>row {hit.train + 1} and case {hit.evaluation + 1}: {_text(hit.how)}" for hit in hits[:10])
        + "</td></tr>"
        for name, hits in found.items()
    )
    return f"<h2>Shared with examinations</h2><table>{lines}</table>"


def _attribution(dataset: Dataset) -> str:
    lines = "".join(
        f"<li>{_text(p.name)} {_text(p.version)} by {_text(', '.join(p.authors))} ({_text(p.licence)})</li>"
        for p in parents_of(dataset.params)
    )
    return f"<h2>Made from</h2><ul>{lines}</ul>" if lines else ""


def _samples(
    spec: TaskSpec, dataset: Dataset, measured: Sequence[_Measured], homes: dict[int, Json], count: int
) -> str:
    step = max(1, len(measured) // max(1, count))
    lines = []
    for item in list(measured)[::step][:count]:
        shown = _media(spec, dataset, with_inventory(item.row, homes))
        lines.append(
            f"<tr><td>{item.split}</td><td><pre>{_text(_value(item.row.input))}</pre></td>"
            f"<td>{shown}<pre>{_text(_value(item.row.output))}</pre></td>"
            f"<td>{item.score:.2f}<br>{_text(item.reasons)}</td></tr>"
        )
    head = "<tr><th>split</th><th>input</th><th>output</th><th>quality</th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _media(spec: TaskSpec, dataset: Dataset, row: Row) -> str:
    files = files_of(dataset, row)
    parts = []
    try:
        files |= spec.render(Example(row.input, row.output, files))
    except TrainerError as cause:  # as speech where espeak-ng is missing: the page is made all the same
        parts.append(f"<p>{_text(str(cause))}</p>")
    for name, content in files.items():
        media = _MEDIA.get(f".{name.rsplit('.', 1)[-1]}")
        if media is None or len(content) > MAX_EMBEDDED:
            continue
        address = f"data:{media};base64,{base64.b64encode(content).decode()}"
        if media.startswith("audio/"):
            parts.append(f'<audio controls src="{address}"></audio><br>')
        else:
            parts.append(f'<img alt="{_text(name)}" src="{address}"><br>')
    return "".join(parts)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)


def _text(text: str) -> str:
    return html.escape(text, quote=True)
