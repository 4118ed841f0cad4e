"""A dataset as one HTML page: its card, plots, and samples that can be looked at and listened to. Nothing is loaded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer_host import page
from trainer_host.data.check import homes_of, spec_of
from trainer_host.data.contamination import Hit
from trainer_host.data.curriculum import difficulty
from trainer_host.data.dataset import SPLITS, Dataset, Json, Row
from trainer_host.data.derive import with_inventory
from trainer_host.data.packs.card import parents_of
from trainer_host.data.pii import find, texts_of
from trainer_host.data.quality import assess, files_of, usual
from trainer_host.errors import TrainerError
from trainer_host.page import bars, histogram, text
from trainer_host.tasks import Example, TaskSpec

SAMPLES = 24  # spread over the rows; enough to see what a dataset is like


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
        f"<h1>{text(dataset.name)}</h1><p>Examples of the task <b>{text(dataset.task)}</b> by {text(dataset.teacher)}.</p>",
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
    return page.page(f"{dataset.name}: a dataset of Enigma", parts)


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
    return page.figures(figures)


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
        f"<tr><th>{text(key.replace('_', ' '))}</th><td><pre>{text(_value(value))}</pre></td></tr>"
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
        f"<tr><th>{text(name)}</th><td>{len(hits)} training rows {'' if hits else '(clean)'}"
        + "".join(f"<br>row {hit.train + 1} and case {hit.evaluation + 1}: {text(hit.how)}" for hit in hits[:10])
        + "</td></tr>"
        for name, hits in found.items()
    )
    return f"<h2>Shared with examinations</h2><table>{lines}</table>"


def _attribution(dataset: Dataset) -> str:
    lines = "".join(
        f"<li>{text(p.name)} {text(p.version)} by {text(', '.join(p.authors))} ({text(p.licence)})</li>"
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
            f"<tr><td>{item.split}</td><td><pre>{text(_value(item.row.input))}</pre></td>"
            f"<td>{shown}<pre>{text(_value(item.row.output))}</pre></td>"
            f"<td>{item.score:.2f}<br>{text(item.reasons)}</td></tr>"
        )
    head = "<tr><th>split</th><th>input</th><th>output</th><th>quality</th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _media(spec: TaskSpec, dataset: Dataset, row: Row) -> str:
    files = files_of(dataset, row)
    parts = []
    try:
        files |= spec.render(Example(row.input, row.output, files))
    except TrainerError as cause:  # as speech where espeak-ng is missing: the page is made all the same
        parts.append(f"<p>{text(str(cause))}</p>")
    for name, content in files.items():
        parts.append(page.media(page.MEDIA.get(f".{name.rsplit('.', 1)[-1]}", ""), content, name))
    return "".join(parts)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
