"""A person's own pictures: folders named by what they show become a vision dataset, and one sheet to look at.

Nothing in a folder can break the import: what can't be read is counted by its reason.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_host.data import films
from trainer_host.data.build import build_dataset
from trainer_host.data.dataset import Dataset, Json, Row
from trainer_host.data.labelled import Labelled
from trainer_host.data.left_out import LeftOut
from trainer_host.data.picture_tables import write_files
from trainer_host.data.split import check_share
from trainer_host.errors import DataError
from trainer_host.media.boxes import MAX_LABEL
from trainer_host.tasks import Rejected, canonical
from trainer_host.tasks.vision_pictures import picture_name
from trainer_host.workspace import Workspace, checked_name, storage_errors, write_atomic

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
KEPT_SIDE = 256  # pixels of a picture that is kept: more than any network of ours reads
MAX_PICTURES = 50_000
MAX_CLASSES = 1000
LEAST_PER_CLASS = 5
_MANY_FILMS, _STRETCH_SECONDS = 5, 10.0  # of one label, before whole films are held out
_HASH_SIDE = 16  # a difference hash of so many by so many bits
_BAND_BITS = 16  # 16 bands: two hashes that differ in at most 15 bits share one
_NEAR_BITS = 10  # of 256; and the pictures must look the same besides:
_NEAR_LEVEL = 3.0  # mean difference of 255, as saving as JPEG or scaling leaves
_LOOK_SIDE = 16
_NEIGHBOURS = 7
_AROUND = 5  # of them with one other label, and none with the picture's own, so that it is doubted
_TRUSTED = 0.8  # of the pictures with as many neighbours of a label, the share that must have that label
_APART = 0.25  # of a label's pictures like one other label: where there are more, the two don't look different
_MOST_COMPARED = 8000  # pictures whose labels are compared with their neighbours': the work grows with the square
_SHEET_CLASSES, _SHEET_EACH, _THUMB = 40, 12, 72


@dataclass(frozen=True)
class Doubt:
    """A picture whose label may be wrong. file: below the imported folder; like: what it looks like."""

    file: str
    label: str
    like: str
    why: str


@dataclass(frozen=True)
class Imported:
    """What an import made of a folder. refused: files left out, by reason; first: one of them, of each. duplicates: of a
    picture with the same label.

    doubts: labels to look at; those of one picture under two labels were left out, the others kept.
    """

    dataset: Dataset
    counts: dict[str, int]
    refused: dict[str, int]
    first: dict[str, str]
    duplicates: int
    doubts: tuple[Doubt, ...]
    sheet: Path | None


@dataclass(frozen=True)
class _Picture:
    file: str
    label: str
    name: str
    content: bytes
    bits: int
    look: np.ndarray  # float32 [_LOOK_SIDE, _LOOK_SIDE, 3], 0 to 255
    film: str = ""  # that it comes from
    second: float = 0.0  # of the film


@dataclass
class _Gathered:
    kept: list[_Picture] = field(default_factory=list)
    duplicates: int = 0
    torn: list[tuple[_Picture, _Picture]] = field(default_factory=list)  # one picture under two labels
    labels: set[str] = field(default_factory=set)  # of all that were read


def import_pictures(
    workspace: Workspace,
    folder: Path,
    *,
    name: str,
    seed: int = 1,
    held_out: float = 0.2,
    sheet: Path | None = None,
) -> Imported:
    """Make the vision dataset `name` of FOLDER/LABEL/*.png and *.jpg, and of films there; replaces one of that name.

    Pictures are kept at most `KEPT_SIDE` pixels large, without what a camera writes into them (place, time). Of
    pictures that look the same one is kept. sheet: where to write a PNG with some of each label, the doubtful first.
    Raises `DataError` for a folder that nothing can be learnt from; nothing is written then.
    """
    checked_name(name)
    check_share(held_out)
    left_out: LeftOut[str] = LeftOut()
    gathered = _distinct(_pictures(folder, left_out))
    kept = gathered.kept
    different = Counter(picture.label for picture in kept)
    counts = {label: different[label] for label in sorted(gathered.labels)}
    refused = left_out.by_reason
    _check(folder, counts, {**refused, **({"in two labels' folders": 2 * len(gathered.torn)} if gathered.torn else {})})
    doubts = [
        *(
            Doubt(second.file, second.label, first.label, f"the same as {first.file}; neither was taken")
            for first, second in gathered.torn
        ),
        *_odd_ones(kept),
    ]
    figures: Json = {
        "read": len(kept) + gathered.duplicates + 2 * len(gathered.torn),
        "duplicates": gathered.duplicates,
        "refused": refused,
        "doubts": len(doubts),
    }
    dataset = build_dataset(
        workspace,
        name,
        "vision",
        [_row(picture, group) for picture, group in zip(kept, _groups(kept), strict=True)],
        teacher="person",
        seed=seed,
        held_out=held_out,
        params={"held_out": held_out},
        figures=figures,
        finish=lambda target: write_files(target, {picture.name: picture.content for picture in kept}),
    )
    if sheet is not None:
        with storage_errors(sheet):
            write_atomic(sheet, contact_sheet(kept, doubts))
    return Imported(dataset, counts, refused, left_out.first, gathered.duplicates, tuple(doubts), sheet)


def _pictures(folder: Path, left_out: LeftOut[str]) -> Iterator[_Picture]:
    """The pictures of all labels, in the order of their names; what isn't one is counted."""
    within = (folder.resolve(), *folder.resolve().parents)  # where a link back to the pictures leads
    classes = [
        path
        for path in _entries(folder)
        if path.is_dir() and not path.name.startswith(".") and not (path.is_symlink() and path.resolve() in within)
    ]
    if not classes:
        raise DataError(
            f"{folder} has no folders; put the pictures into one folder for each label, as in {folder.name}/cat/1.jpg."
        )
    if len(classes) > MAX_CLASSES:
        raise DataError(f"{folder} has {len(classes)} folders; at most {MAX_CLASSES} labels are taken.")
    loose = [path.name for path in _entries(folder) if path.is_file() and path.suffix.lower() in SUFFIXES]
    if loose:
        left_out.add("not in a label's folder", loose[0], len(loose))
    seen = 0
    for place in classes:
        label = " ".join(place.name.replace("_", " ").split())
        if not label.isprintable() or not 0 < len(label) <= MAX_LABEL:
            raise DataError(
                f"The folder {place.name[:60]!r} can't be a label; rename it, at most {MAX_LABEL} characters."
            )
        for path in sorted(place.rglob("*")):
            if path.is_dir() or path.name.startswith("."):
                continue
            seen += 1
            if seen > MAX_PICTURES:
                raise DataError(f"{folder} has more than {MAX_PICTURES} files; import a part of them.")
            if not path.is_file():  # a link that leads nowhere, or a pipe, which would never end
                left_out.add("file can't be opened", path.relative_to(folder).as_posix())
                continue
            yield from _pictures_in(path, path.relative_to(folder).as_posix(), label, left_out)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as cause:
        raise DataError(f"{folder} can't be read ({cause.strerror}); give a folder of pictures.") from None


def _pictures_in(path: Path, file: str, label: str, left_out: LeftOut[str]) -> Iterator[_Picture]:
    """The picture that a file is, or those of a film."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        if (content := _content(path)) is None:
            left_out.add("file can't be opened", file)
        else:
            yield from _picture(content, file, label, left_out, photo=suffix != ".png")
        return
    if suffix not in films.SUFFIXES:
        left_out.add("neither a picture nor a film", file)
    elif not films.can_read_films():
        left_out.add("films need the extra camera", file)
    else:
        number = 0
        for number, content in enumerate(films.pictures_of(path), 1):
            second = (number - 1) * films.EVERY_SECONDS
            yield from _picture(content, f"{file}, {second:g} s", label, left_out, photo=True, film=file, second=second)
        if not number:
            left_out.add("damaged, or not a film", file)


def _content(path: Path) -> bytes | None:
    from edge_runtime.media.pictures import MAX_FILE_BYTES

    try:
        with path.open("rb") as source:
            return source.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None


def _picture(
    content: bytes, file: str, label: str, left_out: LeftOut[str], *, photo: bool, film: str = "", second: float = 0.0
) -> Iterator[_Picture]:
    import numpy as np

    from edge_runtime.media.pictures import read_picture

    try:
        picture = read_picture(content, KEPT_SIDE)
    except Rejected as cause:
        left_out.add(_reason(cause.detail), file)
        return
    kept = encoded(picture, photo)
    look = np.asarray(picture.resize((_LOOK_SIDE, _LOOK_SIDE), _box()), np.float32)
    name = picture_name(kept, ".jpg" if photo else ".png")
    yield _Picture(file, label, name, kept, _difference_hash(picture), look, film, second)


def _reason(detail: str) -> str:
    """Few words for the count; the details have numbers in them."""
    for part, reason in (
        ("smaller than", "too small"),
        ("million", "too many pixels"),
        ("larger than", "file too large"),
    ):
        if part in detail:
            return reason
    return "damaged, or not a picture"


def encoded(picture: Image.Image, photo: bool) -> bytes:
    """A picture as it is kept in a dataset: a photo as JPEG, else as PNG, without any metadata."""
    from edge_runtime.media.pictures import png

    if not photo:
        return png(picture)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


def _box() -> int:
    from PIL import Image

    return Image.Resampling.BOX


def _difference_hash(picture: Image.Image) -> int:
    """Where a picture gets brighter from left to right, 256 bits (Krawetz 2013)."""
    import numpy as np

    small = np.asarray(picture.convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE), _box()), np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def _distinct(pictures: Iterator[_Picture]) -> _Gathered:
    """Of pictures that look the same, the first; none of those with two labels."""
    made = _Gathered()
    bands: dict[tuple[int, int], list[int]] = defaultdict(list)
    bad: set[int] = set()
    for picture in pictures:
        made.labels.add(picture.label)
        keys = [(band, picture.bits >> band * _BAND_BITS & (1 << _BAND_BITS) - 1) for band in range(256 // _BAND_BITS)]
        near = {place for key in keys for place in bands[key][-200:]}
        twin = next((place for place in sorted(near) if _alike(made.kept[place], picture)), None)
        if twin is None:
            for key in keys:
                bands[key].append(len(made.kept))
            made.kept.append(picture)
        elif made.kept[twin].label == picture.label:
            made.duplicates += 1
        else:
            made.torn.append((made.kept[twin], picture))
            bad.add(twin)
    made.kept = [picture for place, picture in enumerate(made.kept) if place not in bad]
    return made


def _alike(one: _Picture, other: _Picture) -> bool:
    if one.name == other.name:
        return True
    if (one.bits ^ other.bits).bit_count() > _NEAR_BITS:
        return False
    return bool(abs(one.look - other.look).mean() <= _NEAR_LEVEL)


def _odd_ones(kept: Sequence[_Picture]) -> list[Doubt]:
    """Pictures whose nearest neighbours have one other label, in pixels of a thumbnail; the surest first.

    Cheap, and blunt: it finds a seven among the ones, hardly a dog among the cats.
    """
    import numpy as np

    if not _NEIGHBOURS < len(kept) <= _MOST_COMPARED:
        return []
    names = sorted({picture.label for picture in kept})
    own = np.array([names.index(picture.label) for picture in kept])
    every = np.arange(len(kept))
    votes = _votes(kept, own, len(names))
    others = votes.copy()
    others[every, own] = -1
    like = others.argmax(1)
    count = others[every, like]
    trust = np.zeros(len(kept))
    for at in np.flatnonzero((votes[every, own] == 0) & (count >= _AROUND)):
        trust[at] = (own[votes[:, like[at]] >= count[at]] == like[at]).mean()
    odd = trust >= _TRUSTED
    pairs = Counter(zip(own[odd].tolist(), like[odd].tolist(), strict=True))
    sizes = np.bincount(own)
    found = [at for at in np.flatnonzero(odd).tolist() if pairs[own[at], like[at]] <= _APART * sizes[own[at]]]
    found.sort(key=lambda at: (-trust[at], -count[at], at))
    return [
        Doubt(kept[at].file, kept[at].label, names[like[at]], f"looks like those of '{names[like[at]]}'")
        for at in found
    ]


def _votes(kept: Sequence[_Picture], own: np.ndarray, labels: int) -> np.ndarray:
    """How many of each picture's `_NEIGHBOURS` nearest have each label, int [pictures, labels]."""
    import numpy as np

    looks = np.stack([picture.look.reshape(-1) for picture in kept])
    looks -= looks.mean(1, keepdims=True)
    looks /= np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-6)
    votes = np.zeros((len(kept), labels), int)
    for start in range(0, len(kept), 512):
        close = looks[start : start + 512] @ looks.T
        rows = np.arange(len(close))
        close[rows, start + rows] = -2
        nearest = np.argpartition(-close, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        for column in nearest.T:
            np.add.at(votes, (start + rows, own[column]), 1)
    return votes


def _check(folder: Path, counts: dict[str, int], refused: dict[str, int]) -> None:
    left_out = ", ".join(f"{count} {reason}" for reason, count in refused.items())
    tail = f" (left out: {left_out})" if left_out else ""
    if len(counts) < 2:
        raise DataError(f"{folder} has pictures of {len(counts)} label; a classifier needs two folders or more{tail}.")
    few = sorted(label for label, count in counts.items() if count < LEAST_PER_CLASS)
    if few:
        listed = ", ".join(f"'{label}' ({counts[label]})" for label in few[:5])
        raise DataError(f"Each label needs {LEAST_PER_CLASS} different pictures or more; too few have {listed}{tail}.")


def _groups(kept: Sequence[_Picture]) -> list[str | None]:
    """What stands on one side of the split together: pictures of one film, or where a label has few, of ten seconds or less."""
    shot: dict[str, dict[str, float]] = defaultdict(dict)
    for one in kept:
        if one.film:
            before = shot[one.label].get(one.film, 0.0)
            shot[one.label][one.film] = max(before, one.second + films.EVERY_SECONDS)
    # A fifth is held out, so the films of a label are five stretches or more.
    stretch = {
        label: min(_STRETCH_SECONDS, max(films.EVERY_SECONDS, sum(seen.values()) / _MANY_FILMS))
        for label, seen in shot.items()
    }
    return [
        None
        if not one.film
        else one.film
        if len(shot[one.label]) >= _MANY_FILMS
        else f"{one.film} {one.second // stretch[one.label]:g}"
        for one in kept
    ]


def _row(picture: _Picture, group: str | None) -> Labelled:
    output: Json = {"objects": [{"label": picture.label, "box": [0.0, 0.0, 1.0, 1.0]}]}
    row = Row({"image": picture.name}, output, {"file": picture.file})
    key = hashlib.sha256(picture.content).hexdigest()
    return Labelled(row, key, canonical(output), picture.label, group)


def contact_sheet(kept: Sequence[_Picture], doubts: Sequence[Doubt]) -> bytes:
    """A PNG with a line of pictures for each label, doubtful ones first and framed in red."""
    from PIL import Image, ImageDraw

    from edge_runtime.media.pictures import png, read_picture

    doubtful = {doubt.file for doubt in doubts}
    by_label: dict[str, list[_Picture]] = defaultdict(list)
    for picture in kept:
        by_label[picture.label].append(picture)
    shown = sorted(by_label)[:_SHEET_CLASSES]
    line, left = _THUMB + 18, 8
    sheet = Image.new("RGB", (_SHEET_EACH * (_THUMB + 4) + 2 * left, len(shown) * line + 24), "white")
    pen = ImageDraw.Draw(sheet)
    for number, label in enumerate(shown):
        top = 4 + number * line
        some = by_label[label]
        pen.text((left, top), f"{label} ({len(some)})", fill="black")
        first = sorted(some, key=lambda picture: (picture.file not in doubtful, picture.name))[:_SHEET_EACH]
        for column, picture in enumerate(first):
            thumb = read_picture(picture.content, _THUMB)
            if max(thumb.size) < _THUMB:
                share = _THUMB / max(thumb.size)
                thumb = thumb.resize(
                    (round(thumb.width * share), round(thumb.height * share)), Image.Resampling.NEAREST
                )
            at = left + column * (_THUMB + 4), top + 13
            sheet.paste(thumb, at)
            if picture.file in doubtful:
                pen.rectangle((at[0] - 1, at[1] - 1, at[0] + thumb.width, at[1] + thumb.height), outline="red", width=2)
    more = len(by_label) - len(shown)
    pen.text((left, len(shown) * line + 6), f"and {more} more labels" if more else f"{len(kept)} pictures", fill="grey")
    return png(sheet)
