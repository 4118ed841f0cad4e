"""Task `router`: a text to one of the bundle's labels, or "unsure" below a threshold of its probability, or of how
familiar the text is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine, GraphEngine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.tasks import Steps, driven
from edge_runtime.tasks.confidence import Platt, adjusted, read_platt
from edge_runtime.tasks.familiar import FILE, Usual, familiarity, read_known, read_usual
from edge_runtime.tasks.pieces import FILE as PIECES
from edge_runtime.tasks.pieces import SCHEME as WITH_PIECES
from edge_runtime.tasks.pieces import Pieces, read_pieces
from edge_runtime.tasks.text import SCHEME, Encoded, Features, encode

NAME = "router"
MAX_CHARS = 4000
TOLERANCE = 0.1  # on a score, between int8 runtimes that round differently
# int32 [1, length], see edge_runtime.tasks.text; of a bundle with pieces the ids of those stand behind them
INPUT = "tokens"
OUTPUT = "probabilities"  # float32 [1, labels], already divided by the temperature and normalised
# float32 [1, width] of length 1, of graphs that give it: where a text lies among others. "embedding" would meet a name that
# torch's exporter makes by itself.
VECTOR = "text_vector"
ENERGY = "energy"  # float32 [1, 1], of graphs that give it: see `edge_runtime.tasks.familiar`

REQUEST_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1, "maxLength": MAX_CHARS}},
    "required": ["text"],
    "additionalProperties": False,
}
RESPONSE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "unsure": {"type": "boolean"},
        "scores": {"type": "object", "additionalProperties": {"type": "number"}},
        "familiar": {"type": "number", "minimum": 0, "maximum": 1},
        "likely": {"type": "array", "items": {"type": "string"}},
        "truncated": {"type": "boolean"},
    },
    "required": ["label", "confidence", "unsure", "scores"],
}


class Reader(NamedTuple):
    """Makes a text the graph's input."""

    features: Features
    pieces: Pieces | None = None

    def read(self, text: str) -> Encoded:
        """Ids, int32 [1, length of the features], and behind them those of pieces."""
        encoded = encode(text, self.features)
        if self.pieces is None:
            return encoded
        return dataclasses.replace(encoded, ids=np.concatenate([encoded.ids, self.pieces.ids(text)], axis=1))


class Router:
    """A loaded router; answers `{"text"}` with label, confidence, unsure and the scores of all labels.

    known: what the training's words were, and how familiar a text must be, of a bundle that keeps it: then the answer
    says how familiar the text is. likely: a label's score from which it may be the right one, likewise; then the answer
    names those labels, the likeliest first. platt: what a best score is worth, likewise, see `confidence`. pieces: of a
    bundle whose graph reads those too. usual: what the training's texts had, of a bundle whose graph gives its energy: then
    how familiar a text is counts that too, see `Usual`.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        unsure: float,
        features: Features,
        engine: Engine,
        known: tuple[np.ndarray, float] | None = None,
        likely: float | None = None,
        platt: Platt | None = None,
        pieces: Pieces | None = None,
        usual: Usual | None = None,
    ) -> None:
        self._labels = labels
        self._unsure = unsure
        self._reader = Reader(features, pieces)
        self._engine = engine
        self._known = known
        self._usual = usual
        self._likely = likely
        self._platt = platt
        gives = isinstance(engine, GraphEngine) and any(tensor.name == VECTOR for tensor in engine.outputs)
        self.embedder = Embedder(self._reader, engine) if gives else None

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Route one text. Where the end of a long text wasn't read, `truncated` is true in the answer."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: dict[str, object]) -> Steps:
        """See `Stepwise`."""
        text = _text(request)
        encoded = self._reader.read(text)
        given = yield {INPUT: encoded.ids}
        scores = given[OUTPUT]
        if scores.shape != (1, len(self._labels)) or not np.isfinite(scores).all():
            raise EngineError(
                f"The router gave scores of shape {list(scores.shape)} for {len(self._labels)} labels, "
                "or not numbers; build the bundle again."
            )
        values = [float(v) for v in adjusted(scores[0], self._platt)]
        best = max(range(len(values)), key=values.__getitem__)
        confidence = min(max(values[best], 0.0), 1.0)
        answer: dict[str, object] = {
            "label": self._labels[best],
            "confidence": round(confidence, 4),
            # A text without a letter or digit gives the model nothing to go by.
            "unsure": confidence < self._unsure or encoded.count == 0,
            "scores": {label: round(value, 4) for label, value in zip(self._labels, values, strict=True)},
        }
        if self._known is not None:
            known, least = self._known
            familiar = familiarity(known, text, self._labels, best)
            foreign = False
            if self._usual is not None:
                foreign = familiar < self._usual.least
                familiar = self._usual.likeness(familiar, _energy(given))
            answer["familiar"] = round(familiar, 4)
            answer["unsure"] = bool(answer["unsure"]) or foreign or familiar < least
        if self._likely is not None:
            order = sorted(range(len(values)), key=values.__getitem__, reverse=True)
            answer["likely"] = [self._labels[place] for place in order if values[place] >= self._likely]
        if encoded.dropped:
            answer["truncated"] = True
        return answer


class Embedder:
    """Answers `{"text"}` with "embedding", float32 [width] of length 1, "tokens" read, and "truncated" where not all were.

    Near are texts of the same features, and of features that the labels of the training don't tell apart.
    """

    def __init__(self, reader: Reader, engine: Engine) -> None:
        self._reader = reader
        self._engine = engine

    def run(self, request: dict[str, object]) -> dict[str, object]:
        """Place one text."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: dict[str, object]) -> Steps:
        """See `Stepwise`."""
        encoded = self._reader.read(_text(request))
        vector = (yield {INPUT: encoded.ids})[VECTOR].reshape(-1)
        length = float(np.linalg.norm(vector))
        if not math.isfinite(length):
            raise EngineError("The router's embedding isn't of numbers; build the bundle again.")
        # A text without a letter or digit lies nowhere.
        placed = vector / length if length > 0 and encoded.count else np.zeros_like(vector)
        return {"embedding": placed, "tokens": encoded.count, "truncated": encoded.dropped > 0}


def load(manifest: Manifest, folder: Path, engine: Engine) -> Router:
    """A router from a bundle; options may hold `features` (see `Features`), `platt` and `usual`, thresholds must hold `unsure`.

    With a threshold `familiar`, the bundle holds `familiar.bin` too, and with the tokenizer of `pieces` their file.
    """
    if len(manifest.labels) < 2:
        raise BundleError("A router's bundle needs at least two labels; build it again.")
    if "unsure" not in manifest.thresholds:
        raise BundleError("A router's bundle needs the threshold 'unsure'; build it again.")
    if manifest.tokenizer is None or manifest.tokenizer.scheme not in (SCHEME, WITH_PIECES):
        raise BundleError(
            f"A router's bundle needs the tokenizer scheme '{SCHEME}' or '{WITH_PIECES}'; build it again."
        )
    pieces = read_pieces(folder / PIECES) if manifest.tokenizer.scheme == WITH_PIECES else None
    least = manifest.thresholds.get("familiar")
    known = None if least is None else (read_known(folder / FILE), least)
    unsure, likely = manifest.thresholds["unsure"], manifest.thresholds.get("likely")
    platt, usual, features = read_platt(manifest.options), read_usual(manifest.options), features_of(manifest.options)
    return Router(manifest.labels, unsure, features, engine, known, likely, platt, pieces, usual)


def features_of(options: dict[str, object]) -> Features:
    """Read `options["features"]` of a manifest; raises `BundleError` for a value unknown or out of range."""
    raw = options.get("features", {})
    known = {field.name for field in dataclasses.fields(Features)}
    if not isinstance(raw, dict) or not raw.keys() <= known:
        raise BundleError(f"options.features may hold {', '.join(sorted(known))}; build the bundle again.")
    if any(isinstance(v, bool) or not isinstance(v, int) for v in raw.values()):
        raise BundleError("options.features must hold whole numbers; build the bundle again.")
    made = Features(**raw)
    if not (1 <= made.length <= 4096 and 1 <= made.buckets <= 2**20 and 1 <= made.shortest <= made.longest <= 8):
        raise BundleError("options.features is out of range; build the bundle again.")
    return made


def agrees(expected: dict[str, object], got: dict[str, object]) -> bool:
    """Same label, same unsure, every score within `TOLERANCE`."""
    if expected.get("label") != got.get("label") or expected.get("unsure") != got.get("unsure"):
        return False
    wanted, given = expected.get("scores"), got.get("scores")
    if not isinstance(wanted, dict) or not isinstance(given, dict) or wanted.keys() != given.keys():
        return False
    return all(_close(wanted[label], given[label]) for label in wanted)


def _energy(given: Mapping[str, np.ndarray]) -> float:
    energy = given.get(ENERGY)
    if energy is None or energy.size != 1 or not np.isfinite(energy).all():
        raise EngineError(
            f"The router gave no '{ENERGY}', which its bundle's familiarity needs; build the bundle again."
        )
    return float(energy.reshape(-1)[0])


def _close(wanted: object, given: object) -> bool:
    numbers = isinstance(wanted, int | float) and isinstance(given, int | float)
    return numbers and math.isclose(float(wanted), float(given), abs_tol=TOLERANCE, rel_tol=0.0)  # type: ignore[arg-type]


def _text(request: dict[str, object]) -> str:
    text = request.get("text")
    if not isinstance(text, str):
        raise BadRequest('The router needs a "text", as in {"text": "turn the page"}.')
    if extra := sorted(request.keys() - {"text"}):
        raise BadRequest(f'The router reads only "text"; leave out "{extra[0][:40]}".')
    if not text.strip():
        raise BadRequest('The "text" is empty; send a sentence.')
    if len(text) > MAX_CHARS:
        raise BadRequest(f'The "text" has {len(text)} characters; send at most {MAX_CHARS}.')
    return text
