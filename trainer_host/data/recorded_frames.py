"""A person's own recording: frames, and what was done after each, become a dataset of next frames (the task video_gen).

A recording is a folder with numbered pictures, or one film, and `actions.csv`: frame, action, and episode where it was begun anew.
"""

from __future__ import annotations

import csv
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.media import Rejected
from edge_runtime.tasks.next_frame import MAX_ACTIONS, MAX_COLOURS, MAX_PIXELS, MAX_READ, cells_in, pooled
from trainer_host.data import films
from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset, Row
from trainer_host.data.labelled import Labelled
from trainer_host.data.picture_tables import columns_of, write_files
from trainer_host.data.separated import rows_of
from trainer_host.data.split import check_share
from trainer_host.errors import DataError
from trainer_host.media import examples
from trainer_host.tasks.next_frames import ACTION, BEFORE, DONE, FRAME, MAX_ACTION, OWN, PICTURE, SEEN
from trainer_host.tasks.vision_pictures import picture_name
from trainer_host.workspace import Workspace, checked_name, storage_errors, write_atomic

if TYPE_CHECKING:
    import numpy as np

TASK = "video_gen"
TABLE = "actions.csv"
COLUMNS = {"frame": ("frame",), "action": ("action",), "episode": ("episode",)}
NEEDED = frozenset({"frame", "action"})
PICTURES = (".png", ".jpg", ".jpeg")
FILMS = (".gif", ".apng", *films.SUFFIXES)
LEAST_FRAMES, MOST_FRAMES = 150, 20_000
LEAST_OF_ACTION = 5
NEAR_COLOUR = 12  # of 255: colours no further apart are one, as saving with loss makes several of one
_MANY_EPISODES, _STRETCHES = 5, 20  # fewer are cut into stretches, of which some are held out
_SHEET_ROWS, _THUMB = 12, 128


@dataclass(frozen=True)
class ImportedFrames:
    """What an import made of a recording. actions: how many frames follow each. same: frames that are like the one before."""

    dataset: Dataset
    frames: int
    size: tuple[int, int]  # width and height as recorded, in pixels
    colours: int
    actions: dict[str, int]
    same: int
    sheet: Path | None


@dataclass(frozen=True)
class _Step:
    frame: int  # its place in the recording
    action: str
    episode: str
    line: int


def import_frames(
    workspace: Workspace,
    folder: Path,
    *,
    name: str,
    seed: int = 1,
    held_out: float = 0.2,
    sheet: Path | None = None,
) -> ImportedFrames:
    """Make the dataset `name` of a recording; replaces one of that name.

    Frames are kept in `MAX_PIXELS` by `MAX_PIXELS` pixels. sheet: where to write a PNG with some of them, and what was done. Raises
    `DataError` for a recording that nothing can be learnt from; nothing is written then.
    """
    checked_name(name)
    examples.needs("PIL", "Frames")
    check_share(held_out)
    names, pictures = _recorded(folder)
    steps = _steps(folder / TABLE, names)
    size, known, seen = _seen(names, pictures)
    following = _following(steps)
    actions = Counter(steps[at].action for at in following)
    _check(steps, following, actions)
    same = sum(bool((seen[steps[at].frame] == seen[steps[at + 1].frame]).all()) for at in following)
    if same == len(following):
        raise DataError("All frames of the recording look the same; nothing can be learnt from them.")
    contents = {step.frame: _png(known[seen[step.frame]]) for step in steps}
    kept_as = {frame: picture_name(content) for frame, content in contents.items()}
    few = len({step.episode for step in steps}) < _MANY_EPISODES
    rows: dict[str, Labelled] = {}
    for at in following:
        window = [kept_as[step.frame] for step in steps[at - SEEN + 1 : at + 1]]
        done = [step.action for step in steps[at - SEEN + 1 : at]]
        given: dict[str, object] = {BEFORE: window[:-1], DONE: done, PICTURE: window[-1], ACTION: steps[at].action}
        key = " ".join([*window, *done, steps[at].action])
        group = f"stretch {at * _STRETCHES // len(steps)}" if few else f"episode {steps[at].episode}"
        wanted = kept_as[steps[at + 1].frame]
        rows.setdefault(key, Labelled(Row(given, {FRAME: wanted}), key, wanted, None, group))
    files = {kept_as[frame]: content for frame, content in contents.items()}
    dataset = build_dataset(
        workspace, name, TASK, list(rows.values()), teacher="person", seed=seed, held_out=held_out,
        params={"held_out": held_out, "options": {"frames": OWN}, "colours": [f"#{bytes(one).hex()}" for one in known]},
        figures={"frames": len(names), "same": same, "duplicates": len(following) - len(rows)}, finish=lambda where: write_files(where, files),
    )  # fmt: skip
    if sheet is not None:
        with storage_errors(sheet):
            write_atomic(sheet, _contact_sheet(steps, following, known, seen))
    return ImportedFrames(dataset, len(names), size, len(known), dict(sorted(actions.items())), same, sheet)


def _recorded(folder: Path) -> tuple[list[str], Iterator[bytes | np.ndarray]]:
    """What the frames are called, in their order, and each as a file or as uint8 [height, width, 3]."""
    if columns_of(folder / TABLE, {}, COLUMNS, NEEDED) is None:
        raise DataError(f"{folder} needs {TABLE} with the columns frame and action, in UTF-8.")
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    found = [path for path in folder.iterdir() if path.suffix.lower() in FILMS]
    if pictures and not found:
        if any(not path.stem.isdecimal() for path in pictures):
            pictures = [path for path in pictures if path.stem.isdecimal()]
        pictures.sort(key=lambda path: int(path.stem))
        _bounded(len(pictures))
        return [path.name for path in pictures], (path.read_bytes() for path in pictures)
    if len(found) != 1 or pictures:
        raise DataError(f"{folder} needs numbered pictures (000001.png ...), or one film, beside {TABLE}.")
    count, shown = _film(found[0])
    return [str(number + 1) for number in range(count)], shown


def _bounded(count: int) -> None:
    if not LEAST_FRAMES <= count <= MOST_FRAMES:
        raise DataError(f"The recording has {count} frames; it needs {LEAST_FRAMES} to {MOST_FRAMES:,}.")


def _film(path: Path) -> tuple[int, Iterator[bytes | np.ndarray]]:
    """How many frames a film has, and all of them."""
    from PIL import Image

    if path.suffix.lower() in films.SUFFIXES:
        if not films.can_read_films():
            raise DataError(f"{path.name} needs the package 'opencv-python-headless'; install it, or record PNGs.")
        files = list(films.pictures_of(path, every=0.0, most=MOST_FRAMES + 1))
        _bounded(len(files))
        return len(files), iter(files)
    try:
        with Image.open(path, formats=["GIF", "PNG"]) as film:
            count = getattr(film, "n_frames", 1)
            _bounded(count)
            if max(film.size) > MAX_READ:
                raise DataError(f"{path.name} has more than {MAX_READ} pixels a side; record smaller frames.")
            return count, _shown(path, count)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        raise _no_film(path) from None


def _shown(path: Path, count: int) -> Iterator[np.ndarray]:
    """The frames of a GIF or an animated PNG, one by one: of thousands not all are held. count: as many as it says it has."""
    import numpy as np
    from PIL import Image, ImageSequence

    try:
        with Image.open(path, formats=["GIF", "PNG"]) as film:
            for frame in ImageSequence.Iterator(film):
                yield np.asarray(frame.convert("RGB"))
                count -= 1
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        raise _no_film(path) from None
    if count:  # it ends before its end
        raise _no_film(path)


def _no_film(path: Path) -> DataError:
    return DataError(f"{path.name} can't be read as a film; record a GIF, an animated PNG, or PNGs.")


def _steps(table: Path, names: Sequence[str]) -> list[_Step]:
    """The table's lines, in their order; raises `DataError` for a frame that isn't there."""
    places = {name: place for place, name in enumerate(names)}
    numbers = {int(Path(name).stem): place for name, place in places.items()}
    header = columns_of(table, {}, COLUMNS, NEEDED) or {}
    steps: list[_Step] = []
    try:
        with table.open(encoding="utf-8-sig", newline="") as source:
            reader = rows_of(source)
            for raw in reader:
                frame, action, episode = (
                    (raw.get(header.get(field, "")) or "").strip() for field in ("frame", "action", "episode")
                )
                number = int(frame) if frame.isdecimal() and len(frame) < 10 else None
                place = places.get(frame, numbers.get(number) if number is not None else None)
                if place is None:
                    raise DataError(
                        f"Line {reader.line_num} of {TABLE} names the frame '{frame[:40]}', which isn't there."
                    )
                if len(action) > MAX_ACTION:
                    raise DataError(
                        f"The action in line {reader.line_num} of {TABLE} is longer than {MAX_ACTION} characters."
                    )
                if len(steps) >= MOST_FRAMES:
                    raise DataError(f"{TABLE} has more than {MOST_FRAMES:,} lines; import a part of them.")
                steps.append(_Step(place, action, episode, reader.line_num))
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{TABLE} isn't a table in UTF-8; save it as 'CSV UTF-8'.") from None
    return steps


def _seen(
    names: Sequence[str], pictures: Iterator[bytes | np.ndarray]
) -> tuple[tuple[int, int], np.ndarray, list[np.ndarray]]:
    """The frames' size, their colours (uint8 [colours, 3], the commonest first), and of each which one is where, in `MAX_PIXELS` a side."""
    import numpy as np

    from edge_runtime.media.pictures import read_picture

    size: tuple[int, int] | None = None
    # Of each frame: its colours as numbers, and which of them is where, packed, as 20,000 frames would be gigabytes.
    read: list[tuple[np.ndarray, tuple[int, ...], str, bytes]] = []
    counts: Counter[int] = Counter()
    for name, picture in zip(names, pictures, strict=True):
        try:
            pixels = np.asarray(read_picture(picture, MAX_READ)) if isinstance(picture, bytes) else picture
        except Rejected as cause:
            raise DataError(f"The frame {name} can't be read: {cause.detail}.") from None
        found = (pixels.shape[1], pixels.shape[0])
        if size is not None and size != found:
            raise DataError(f"The frame {name} has {found[0]} x {found[1]} pixels, those before {size[0]} x {size[1]}; all must be of one size.")  # fmt: skip
        size = found
        if min(size) < 8:
            raise DataError("The frames are smaller than 8 pixels a side.")
        numbers = pixels.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
        own, where, how_many = np.unique(numbers, return_inverse=True, return_counts=True)
        counts.update(dict(zip(own.tolist(), how_many.tolist(), strict=True)))
        kind = "u1" if len(own) <= 256 else "<i4"
        read.append((own, numbers.shape, kind, zlib.compress(where.astype(kind).tobytes(), 1)))
    assert size is not None
    known = _colours(counts)
    seen = []
    for own, shape, kind, packed in read:
        where = np.frombuffer(zlib.decompress(packed), kind).reshape(shape)
        nearest, _ = cells_in(_rgb(own)[None], known.reshape(-1, 1, 1, 3))
        seen.append(pooled(nearest[where], MAX_PIXELS, MAX_PIXELS).astype(np.uint8))
    return size, known, seen


def _colours(counts: Counter[int]) -> np.ndarray:
    """The colours that frames are drawn in, the commonest first, uint8 [colours, 3]; raises `DataError` where they are too many."""
    import numpy as np

    ordered = [number for number, _ in counts.most_common()]
    left = _rgb(np.array(ordered)).astype(np.int32)
    kept: list[np.ndarray] = []
    while len(left):
        if len(kept) == MAX_COLOURS:
            raise DataError(
                f"The frames have more than {MAX_COLOURS} colours; next frames are learnt of worlds drawn in few, as games are. Record them "
                "as PNG, without smoothing."
            )
        kept.append(left[0].astype(np.uint8))
        left = left[np.abs(left - left[0]).max(1) > NEAR_COLOUR]
    return np.stack(kept)


def _rgb(numbers: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.stack([numbers >> 16 & 255, numbers >> 8 & 255, numbers & 255], 1).astype(np.uint8)


def _following(steps: Sequence[_Step]) -> list[int]:
    """The places of the steps that another one of the episode follows, and enough go before."""
    return [
        at
        for at in range(SEEN - 1, len(steps) - 1)
        if len({step.episode for step in steps[at - SEEN + 1 : at + 2]}) == 1
        and all(step.action for step in steps[at - SEEN + 1 : at + 1])
    ]


def _check(steps: Sequence[_Step], following: Sequence[int], actions: Counter[str]) -> None:
    if len(following) < LEAST_FRAMES - SEEN - 1:
        raise DataError(
            f"Only {len(following)} frames have an action, {SEEN - 1} frames before them and one after, in one episode; {LEAST_FRAMES} are needed."
        )
    if len(actions) > MAX_ACTIONS:
        raise DataError(f"{TABLE} has {len(actions)} different actions; at most {MAX_ACTIONS} are learnt.")
    rare, count = min(actions.items(), key=lambda each: each[1])
    if count < LEAST_OF_ACTION:
        line = next(steps[at].line for at in following if steps[at].action == rare)
        raise DataError(
            f"The action '{rare}' is there {count} times (first in line {line} of {TABLE}); it needs {LEAST_OF_ACTION}, or is it misspelt?"
        )


def _png(pixels: np.ndarray) -> bytes:
    from edge_runtime.media.pictures import png_of

    return png_of(pixels)


def _contact_sheet(
    steps: Sequence[_Step], following: Sequence[int], known: np.ndarray, seen: Sequence[np.ndarray]
) -> bytes:
    """Frames one after the other, with what was done under each; a line for each place of the recording."""
    from PIL import Image, ImageDraw

    from edge_runtime.media.pictures import png

    shown = [following[number * len(following) // _SHEET_ROWS] for number in range(_SHEET_ROWS)]
    sheet = Image.new("RGB", ((SEEN + 1) * (_THUMB + 8), _SHEET_ROWS * (_THUMB + 20)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, at in enumerate(shown):
        for column, step in enumerate(steps[at - SEEN + 1 : at + 2]):
            x, y = column * (_THUMB + 8), row * (_THUMB + 20)
            frame = Image.fromarray(known[seen[step.frame]]).resize((_THUMB, _THUMB), Image.Resampling.NEAREST)
            sheet.paste(frame, (x, y))
            pen.text((x + 2, y + _THUMB + 2), step.action[:20] if column < SEEN else "", fill="black")
    return png(sheet)
