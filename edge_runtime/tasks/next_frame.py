"""The other kind of the task `video_gen`: a picture and actions give the frames that follow, one for each action.

Frames of games and other small worlds are made of cells that recur: a network reads which of the known cells stands where and says which
stands there after an action, or that it stays (tokens of frames, as in IRIS, arXiv 2209.00588). A frame is put together of cells
again, so errors of pixels don't add up when a frame is the next one's picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.bundle.manifest import Manifest
from edge_runtime.engines import Engine
from edge_runtime.errors import BadRequest, BundleError, EngineError
from edge_runtime.media import Media, Rejected, optional, read_media
from edge_runtime.tasks import Steps, driven

NAME = "video_gen"
# The graph: CELLS int32 [1, down * across], which known cell stands where; ACTION float32 [1, actions], 1 for the one that is done; NEXT
# float32 [1, down * across, known + 1], logits of what stands there next: 0 for what stays, else one more than the known cell's number.
CELLS, ACTION, NEXT = "cells", "action", "next"
FILE = "cells.bin"  # in a bundle: uint8 [known, cell, cell, 3], RGB
MAX_FRAMES = 16
MAX_CELL, MAX_ACROSS, MAX_KNOWN, MAX_ACTIONS = 32, 32, 1024, 32
FPS = 4
STRANGE = 4.0  # of 255, on average over a cell that none of the known ones stands for
_BOX = 4  # Pillow's Resampling.BOX, which the device imports only where media are made
ALIKE = 0.75  # of the frames that two runtimes must agree in
TYPES = ("image/png", "image/jpeg")
CONTENT_TYPE = "image/apng"
UNKNOWN = "The picture has parts like none that this learnt from."
Json = dict[str, object]
REQUEST_FIELDS: Json = {
    "image": {"description": "of next frames: PNG or JPEG, base64 or a data: URL", "contentMediaType": TYPES[0]},
    "action": {"type": "string", "description": "of one next frame: what is done"},
    "actions": {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": MAX_FRAMES,
        "description": "of several next frames: what is done, one after the other",
    },
}
FIELDS: Json = {
    "changes": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "description": "of next frames: row and column of the cells that each action changed",
    },
}


class Foreteller:
    """Answers `{"image", "action"}` or `{"image", "actions"}`. least: an answer whose frames are less sure is unsure."""

    def __init__(
        self, known: np.ndarray, down: int, across: int, actions: tuple[str, ...], least: float, engine: Engine
    ) -> None:
        self._known, self._down, self._across = known, down, across
        self._actions, self._least, self._engine = actions, least, engine

    def run(self, request: Json) -> Json:
        """Say what comes after one picture."""
        return driven(self._engine, self.steps(request))

    def steps(self, request: Json) -> Steps:
        """See `Stepwise`."""
        from edge_runtime.media.apng import write_apng

        picture, actions = self._read(request)
        cells, far = cells_in(picture, self._known)
        frames, changes, sure = [], [], 1.0
        for action in actions:
            made = yield {CELLS: cells[None].astype(np.int32), ACTION: one_hot(action, len(self._actions))}
            logits = made.get(NEXT)
            if logits is None or logits.shape != (1, len(cells), len(self._known) + 1) or not np.isfinite(logits).all():
                raise EngineError(f"The model gave no usable '{NEXT}'; build the bundle again.")
            chosen = logits[0].argmax(1)
            sure = min(sure, float(_chances(logits[0])[np.arange(len(cells)), chosen].min()))
            changed = np.flatnonzero((chosen > 0) & (chosen - 1 != cells))
            cells = np.where(chosen > 0, chosen - 1, cells)
            frames.append(picture_of(cells, self._known, self._down, self._across))
            changes.append([[int(at) // self._across, int(at) % self._across] for at in changed])
        problem = UNKNOWN if far.max() > STRANGE else None
        return {
            "film": Media(CONTENT_TYPE, write_apng(frames, FPS)),
            "frames": len(frames),
            "changes": changes,
            "confidence": round(sure, 4),
            "problem": problem,
            "unsure": problem is not None or sure < self._least,
        }

    def _read(self, request: Json) -> tuple[np.ndarray, list[int]]:
        """The picture, uint8 [height, width, 3], and the actions' numbers."""
        if extra := sorted(request.keys() - {"image", "action", "actions"}):
            raise BadRequest(f'This specialist reads "image" and "action" or "actions"; leave out "{extra[0][:40]}".')
        asked = request.get("actions", [request["action"]] if "action" in request else None)
        if "action" in request and "actions" in request:
            raise BadRequest('Say either "action" or "actions".')
        if not isinstance(asked, list) or not 1 <= len(asked) <= MAX_FRAMES:
            raise BadRequest(f'The request needs an "action", or "actions", a list of 1 to {MAX_FRAMES}.')
        for action in asked:
            if action not in self._actions:
                raise BadRequest(f"The actions here are {', '.join(self._actions)}, not '{str(action)[:40]}'.")
        size = len(self._known[0])
        pixels = pixels_of(request, self._across * size, self._down * size)
        return pixels, [self._actions.index(action) for action in asked]


def pixels_of(request: Json, width: int, height: int) -> np.ndarray:
    """The request's picture, uint8 [height, width, 3]; of another size it is scaled. Raises `BadRequest`."""
    from edge_runtime.media.pictures import MAX_FILE_BYTES, read_picture

    given = read_media(request.get("image"), "image", TYPES, MAX_FILE_BYTES)
    try:
        picture = read_picture(given.content, 4096)
    except Rejected as cause:
        raise BadRequest(f"{cause.detail[0].upper()}{cause.detail[1:]}.") from None
    if picture.size != (width, height):
        picture = picture.resize((width, height), _BOX)
    return np.asarray(picture)


def cells_of(pixels: np.ndarray, size: int) -> np.ndarray:
    """uint8 [height, width, 3] -> uint8 [cells, size * size * 3], by rows."""
    down, across = pixels.shape[0] // size, pixels.shape[1] // size
    parts = pixels.reshape(down, size, across, size, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(parts).reshape(down * across, -1)


def cells_in(pixels: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each cell, which known one is nearest, int64 [cells], and how far it is, of 255 on average, float32 [cells]."""
    own = cells_of(pixels, known.shape[1]).astype(np.float32)
    others = known.reshape(len(known), -1).astype(np.float32)
    square = (own**2).sum(1)[:, None] - 2 * own @ others.T + (others**2).sum(1)[None]
    nearest = square.argmin(1)
    return nearest, np.abs(own - others[nearest]).mean(1)


def picture_of(cells: np.ndarray, known: np.ndarray, down: int, across: int) -> np.ndarray:
    """The picture that cells make, uint8 [height, width, 3]."""
    size = known.shape[1]
    parts = known[cells].reshape(down, across, size, size, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(parts).reshape(down * size, across * size, 3)


def one_hot(action: int, count: int) -> np.ndarray:
    """float32 [1, count], 1 at the action."""
    made = np.zeros((1, count), np.float32)
    made[0, action] = 1
    return made


def load(manifest: Manifest, folder: Path, engine: Engine) -> Foreteller:
    """A specialist as the manifest's options say: `cell`, `across` and `down`; its labels are the actions. The bundle holds `cells.bin` too.

    Raises `BundleError`, and `NotEquipped` where no picture could be read.
    """
    optional("PIL", "Films")
    cell, across, down = (manifest.options.get(name) for name in ("cell", "across", "down"))
    most = {"cell": MAX_CELL, "across": MAX_ACROSS, "down": MAX_ACROSS}
    fits = all(isinstance(manifest.options.get(key), int) and 0 < cast(int, manifest.options[key]) <= most[key] for key in most)  # fmt: skip
    if not fits or not 1 <= len(manifest.labels) <= MAX_ACTIONS or "unsure" not in manifest.thresholds:
        raise BundleError(
            f"A bundle of the task {NAME} whose network makes next frames needs the options cell, across and down, 1 to {MAX_ACTIONS} "
            "labels (its actions) and the threshold 'unsure'; build it again."
        )
    size = cast(int, cell) ** 2 * 3
    try:
        content = (folder / FILE).read_bytes()
    except OSError:
        content = b""
    if not content or len(content) % size or len(content) // size > MAX_KNOWN:
        raise BundleError(f"{FILE} of the bundle is missing or damaged; build it again.")
    known = np.frombuffer(content, np.uint8).reshape(-1, cast(int, cell), cast(int, cell), 3)
    return Foreteller(known, cast(int, down), cast(int, across), manifest.labels, manifest.thresholds["unsure"], engine)


def agrees(expected: Json, got: Json) -> bool:
    """Whether most frames change in the same cells: int8 runtimes round differently."""
    wanted, given = expected.get("changes"), got.get("changes")
    if not isinstance(wanted, list) or not isinstance(given, list) or len(wanted) != len(given):
        return False
    same = sum(one == other for one, other in zip(wanted, given, strict=True))
    return same >= ALIKE * len(wanted)


def _chances(logits: np.ndarray) -> np.ndarray:
    away = np.exp(logits - logits.max(1, keepdims=True))
    made: np.ndarray = away / away.sum(1, keepdims=True)
    return made
