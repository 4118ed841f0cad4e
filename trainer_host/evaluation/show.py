"""A run as one HTML page: its figures, confusions, worst mistakes and samples, to look at, listen to and turn around."""

from __future__ import annotations

import base64
import io
import json
import wave
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from edge_runtime.media import Media, Rejected
from edge_runtime.media.glb import GLB
from trainer_host import page
from trainer_host.data.dataset import Json
from trainer_host.errors import TrainerError
from trainer_host.evaluation.answers import Answered, Examined, chosen
from trainer_host.evaluation.body_viewer import SCRIPT, viewer
from trainer_host.media.spectrogram import spectrogram
from trainer_host.page import text
from trainer_host.tasks import TASKS, Example, task_spec
from trainer_host.training.run import Run
from trainer_host.training.uncertainty import calibration_error

WORST, SAMPLES = 12, 12
FEWEST, MOST_CHARS = 3, 3_000_000  # rows of a table, and what they take: sounds are large, and a page is to be sent on
MOST_NAMES = 24  # of a confusion table; the rest is one more
CALIBRATION_BINS = 10
# Parts of an answer that a person needn't read here, or that stand beside it.
_HIDDEN = frozenset(
    {
        "ms",
        "shows",
        "scores",
        "labels",
        "confidence",
        "unsure",
        "finish",
        "tokens",
        "answers",
        "likely",
        "familiar",
        "sketch",
        "levels",
    }
)
_NOTED = frozenset({"unknown", "guessed"})  # lists that say something only where they have something
_WHOLE = [0.0, 0.0, 1.0, 1.0]
_LONG, _LONGEST = 240, 4000  # characters of a cell that is folded away, and of what is kept of it


def show(run: Run, examined: Examined) -> str:
    """The page of a run's answers."""
    answers = examined.answers
    wrong = sorted((item for item in answers if item.score < 1), key=lambda item: (item.score, -(item.confidence or 0)))
    samples = answers[:: max(1, len(answers) // SAMPLES)][:SAMPLES]
    body = [
        f"<h1>{text(run.name)}</h1><p>A specialist of the task <b>{text(run.task)}</b>, trained on "
        f"{text(run.dataset)}; its {text(examined.file)} answered in {text(examined.runtime)}, through the device's code.</p>",
        page.figures(_figures(examined)),
        f'<div class="plots">{_by_task(answers)}{_scores(answers)}{_calibration(answers)}</div>',
        _confusions(answers),
        f"<h2>Worst mistakes</h2><p>{len(wrong):,} of {len(answers):,} answers aren't wholly right.</p>",
        _table(wrong[:WORST]) if wrong else "",
        "<h2>Samples</h2>",
        _table(samples),
    ]
    bodies = any(_files(item.got, GLB) for item in (*wrong[:WORST], *samples))
    return page.page(f"{run.name}: a specialist of Enigma", body, SCRIPT if bodies else "")


def _figures(examined: Examined) -> list[tuple[str, str]]:
    answers = examined.answers
    sure = [item.score for item in answers if not item.unsure]
    found = [
        (f"{_mean([item.score for item in answers]):.1%}", "score"),
        (f"{sum(item.score == 1 for item in answers) / len(answers):.1%}", "wholly right"),
        (f"{len(sure) / len(answers):.1%}", "answered without doubt"),
        (f"{_mean(sure):.1%}", "score of those") if sure else ("", ""),
        (f"{sum(item.score == 0 and not item.unsure for item in answers) / len(answers):.1%}", "wholly wrong and sure"),
        (f"{len(answers):,}", "held-out rows"),
        (f"{examined.bytes / 1e6:.2f} MB", "model file"),
    ]
    if refused := sum("error" in item.got for item in answers):
        found.append((f"{refused:,}", "questions that it couldn't read"))
    stated = [(item.confidence, item.score) for item in answers if item.confidence is not None]
    if stated:
        error = calibration_error(np.array([sure for sure, _ in stated]), np.array([score for _, score in stated]))
        found.append((f"{error:.3f}", "calibration error (ECE)"))
    return [item for item in found if item[0]]


def _by_task(answers: Sequence[Answered]) -> str:
    scores: dict[str, list[float]] = defaultdict(list)
    for item in answers:
        scores[item.task].append(item.score)
    if len(scores) < 2:
        return ""
    return page.bars({task: round(_mean(values) * 100, 1) for task, values in scores.items()}, "Score by task, %")


def _scores(answers: Sequence[Answered]) -> str:
    values = [item.score for item in answers]
    if set(values) <= {0.0, 1.0}:
        return ""
    return page.histogram(values, "Scores", "")


def _calibration(answers: Sequence[Answered]) -> str:
    """How often answers of a confidence are right: an SVG whose points lie on the line where both are equal."""
    stated = [(item.confidence, item.score) for item in answers if item.confidence is not None]
    if not stated:
        return ""
    bins: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for sure, score in stated:
        bins[min(CALIBRATION_BINS - 1, int(sure * CALIBRATION_BINS))].append((sure, score))
    side, edge = 160, 8  # pixels; the edge keeps whole what lies on the border
    dots = []
    for group in bins.values():
        x = edge + _mean([sure for sure, _ in group]) * side
        y = edge + side - _mean([score for _, score in group]) * side
        size = 2 + 6 * (len(group) / len(stated)) ** 0.5
        dots.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="var(--bar)"><title>{len(group)}</title></circle>'
        )
    low, high = edge, edge + side
    line = f'<line x1="{low}" y1="{high}" x2="{high}" y2="{low}" stroke="var(--line)"></line>'
    frame = f'<rect x="{low}" y="{low}" width="{side}" height="{side}" style="fill:none;stroke:var(--line)"></rect>'
    axis = f'<text x="{low}" y="{high + 16}">0</text><text x="{high}" y="{high + 16}" text-anchor="end">1</text>'
    svg = (
        f'<svg role="img" aria-label="Calibration" width="{high + edge}" height="{high + 22}">'
        f"{frame}{line}{''.join(dots)}{axis}</svg>"
    )
    return page.framed(svg, "Confidence (right) and share that is right (up)")


def _confusions(answers: Sequence[Answered]) -> str:
    """One table per choice: what was wanted down, what was answered across."""
    pairs: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for item in answers:
        for what, pair in chosen(item.task, item.wanted, item.got, item.score).items():
            pairs[what][pair] += 1
    return "".join(_confusion(what, counts) for what, counts in pairs.items())


def _confusion(what: str, counts: Counter[tuple[str, str]]) -> str:
    common = Counter(name for pair in counts.elements() for name in pair).most_common()
    names = sorted(name for name, _ in common[:MOST_NAMES])
    others = ["others"] if len(common) > MOST_NAMES else []
    cells: Counter[tuple[str, str]] = Counter()
    for (wanted, got), count in counts.items():
        cells[wanted if wanted in names else "others", got if got in names else "others"] += count
    head = "".join(f'<th class="turned"><div>{text(name)}</div></th>' for name in (*names, *others))
    lines = []
    for wanted in (*names, *others):
        total = sum(cells[wanted, got] for got in (*names, *others))
        row = "".join(_shade(cells[wanted, got], total, wanted == got) for got in (*names, *others))
        lines.append(f"<tr><th>{text(wanted)}</th>{row}</tr>")
    return (
        f"<h2>Confusions of the {text(what)}</h2><p>Down: what is right. Across: what was answered.</p>"
        f'<div class="beyond"><table class="matrix"><tr><th></th>{head}</tr>{"".join(lines)}</table></div>'
    )


def _shade(count: int, total: int, right: bool) -> str:
    if not count:
        return "<td></td>"
    share = count / total
    colour = "47,111,159" if right else "196,78,38"
    return f'<td style="background:rgba({colour},{0.15 + 0.6 * share:.2f})">{count}</td>'


def _table(answers: Sequence[Answered]) -> str:
    lines: list[str] = []
    for item in answers:
        if len(lines) >= FEWEST and sum(map(len, lines)) > MOST_CHARS:
            break
        sure = "" if item.confidence is None else f"<br>confidence {item.confidence:.2f}"
        doubt = "<br>unsure" if item.unsure else ""
        lines.append(
            f"<tr><td>{_asked(item)}</td><td>{_rendered(item, item.wanted)}{_said(item.wanted)}</td>"
            f"<td>{_rendered(item, item.got)}{_said(item.got)}</td><td>{item.score:.2f}{sure}{doubt}</td></tr>"
        )
    head = "<tr><th>asked</th><th>right</th><th>answered</th><th>score</th></tr>"
    return f'<table class="rows">{head}{"".join(lines)}</table>'


def _asked(item: Answered) -> str:
    plain = {
        key: value
        for key, value in item.asked.items()
        if value not in list(item.files) and key not in ("home", "inventory")
    }
    shown = next(iter(plain.values())) if len(plain) == 1 else plain or ""
    task = f"<b>{text(item.task)}</b><br>"
    files = "".join(
        _heard(content) + page.media(page.MEDIA.get(f".{name.rsplit('.', 1)[-1]}", ""), content, name)
        for name, content in item.files.items()
    )
    return task + files + (_pre(shown) if shown else "")


def _files(output: Json, content_type: str | None = None) -> list[Media]:
    return [v for v in output.values() if isinstance(v, Media) and content_type in (None, v.content_type)]


def _file(media: Media) -> str:
    if media.content_type == GLB:
        return viewer(media.content)
    return _heard(media.content) + page.media(media.content_type, media.content, "what was made")


def _rendered(item: Answered, output: Json) -> str:
    """The files of an output, or what its task draws of it."""
    if media := _files(output):
        return "".join(_file(one) for one in media)
    if _label(output) is not None or item.task not in TASKS:  # the picture or the sound itself stands beside it
        return ""
    try:
        files = task_spec(item.task).render(Example(item.asked, _plain(output), item.files))
    except (TrainerError, Rejected, KeyError, TypeError) as cause:  # an answer may be anything
        return f"<p>{text(str(cause))}</p>" if isinstance(cause, TrainerError) else ""
    kinds = [(page.MEDIA.get(f".{name.rsplit('.', 1)[-1]}", ""), content) for name, content in files.items()]
    return "".join(
        (_heard(content) if kind == "audio/wav" else "") + page.media(kind, content, "drawn") for kind, content in kinds
    )


def _plain(output: Json) -> Json:
    """An output as a row has it: a device also says how sure it is of each object."""
    objects = output.get("objects")
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        return output
    return {
        **output,
        "objects": [{key: value for key, value in item.items() if key != "confidence"} for item in objects],
    }


def _heard(content: bytes) -> str:
    """The spectrogram of a WAV of ours; nothing for another file."""
    if content[:4] != b"RIFF":
        return ""
    try:
        with wave.open(io.BytesIO(content), "rb") as file:
            samples, rate = np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()
        drawn = spectrogram(samples.astype(np.float64) / 32767, rate)
    except (wave.Error, EOFError, ValueError):
        return ""
    return (
        f'<img class="wide" alt="its spectrogram" src="data:image/png;base64,{base64.b64encode(drawn).decode()}"><br>'
    )


def _label(output: Json) -> str | None:
    """The label of a whole picture, None where it is another kind of output."""
    objects = output.get("objects")
    if (
        isinstance(objects, list)
        and len(objects) == 1
        and isinstance(objects[0], dict)
        and objects[0].get("box") == _WHOLE
    ):
        return str(objects[0].get("label"))
    return None


def _said(output: Json) -> str:
    if (label := _label(output)) is not None:
        head = {"head": output["head"]} if "head" in output else {}
        output = (
            {key: value for key, value in output.items() if key not in ("objects", "head")} | {"label": label} | head
        )
    left = {
        key: value
        for key, value in output.items()
        if key not in _HIDDEN
        and value is not None
        and not isinstance(value, Media)
        and not (key in _NOTED and not value)
    }
    return _pre(next(iter(left.values())) if len(left) == 1 else left) if left else ""


def _pre(value: object) -> str:
    """A value; a long one is folded away."""
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    shown = f"<pre>{text(told[:_LONGEST])}{' …' if len(told) > _LONGEST else ''}</pre>"
    if isinstance(value, str) or len(told) <= _LONG:
        return shown
    return f"<details><summary>{text(told[:60])} …</summary>{shown}</details>"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
