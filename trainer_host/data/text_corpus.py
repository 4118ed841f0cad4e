"""A dataset of plain texts for a base model: drawn evenly from its sources, without repetition and personal data.

The same files, amount and seed give the same bytes: files are drawn in an order that depends on their labels and the
seed, and never on a clock or on the folder that they lie in.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from trainer_host.data.dataset import Dataset, Json, Row, open_dataset, seal, write_rows
from trainer_host.data.dedup import NearDuplicates, tokens_of
from trainer_host.data.pii import Scrubber
from trainer_host.data.text_files import Unreadable, worth
from trainer_host.data.text_sources import Source, licence_of
from trainer_host.errors import DataError, TrainerError
from trainer_host.workspace import Workspace, checked_name, making

TASK = "base"
TEACHER = "files"
HELD_OUT_SHARE, HELD_OUT_MOST = 0.06, 2_000_000  # of the bytes
_HELD_OUT_TEXTS = 12  # at least, where there are short ones
FEWEST = 8  # texts; fewer can't be split so that both sides say something
OPENING = 200  # characters of a text that a device is asked to go on with
RUN = 13  # words in a row that two texts share by copying (Brown et al. 2020, appendix C)
_COPIED = 0.2  # of a text's runs: more, and it is no examination

OnStep = Callable[[float, str], None]


@dataclass(frozen=True)
class Text:
    """A text that was taken. licence: as its source or the text itself states it."""

    label: str
    kind: str
    origin: str
    licence: str
    text: str

    @property
    def bytes(self) -> int:
        """Its length in UTF-8."""
        return len(self.text.encode("utf-8"))


@dataclass(frozen=True)
class Corpus:
    """Texts that no other one repeats. left_out: why files were not taken, and how many. scrubbed: personal data that was
    replaced, by kind. more: whether there was text left when there was enough."""

    train: list[Text]
    held_out: list[Text]
    left_out: Counter[str] = field(default_factory=Counter)
    scrubbed: Counter[str] = field(default_factory=Counter)
    more: bool = False


def gather(sources: Sequence[Source], most: int, seed: int, on_step: OnStep = lambda share, note: None) -> Corpus:
    """About `most` bytes of the sources, as much of each kind as there is, split by file.

    Raises `DataError` where there are too few texts, or all of them repeat each other.
    """
    taken: list[Text] = []
    left_out: Counter[str] = Counter()
    scrubbed: Counter[str] = Counter()
    index = NearDuplicates()
    queues = _queues(sources, seed)
    weights = dict.fromkeys(queues, 0)
    total = 0
    while queues and total < most:
        kind = min(queues, key=lambda name: (weights[name], name))
        source = queues[kind].popleft()
        if not queues[kind]:
            del queues[kind]
        text = source.read()
        why = text if isinstance(text, Unreadable) else worth(text)
        if isinstance(text, Unreadable) or why is not None:
            left_out[why.why if why is not None else ""] += 1
            continue
        # Versions and dates don't make a new text of a copy.
        if not index.add(re.sub(r"\d", "", text)):
            left_out[index.repeated] += 1
            continue
        scrubber = Scrubber()
        made = Text(source.label, source.kind, source.origin, licence_of(text, source.licence), scrubber.text(text))
        scrubbed += scrubber.replaced
        taken.append(made)
        weights[kind] += made.bytes
        total += made.bytes
        on_step(min(1.0, total / most), source.kind)
    if len(taken) < FEWEST:
        raise DataError(
            f"There are {len(taken)} different texts of {FEWEST} that are needed"
            + (f" ({', '.join(f'{count} {why}' for why, count in left_out.most_common(4))})" if left_out else "")
            + "; name folders with more of them."
        )
    train, held_out = _split(taken, seed)
    return Corpus(train, held_out, left_out, scrubbed, bool(queues))


def make_dataset(workspace: Workspace, name: str, corpus: Corpus, *, seed: int, params: Json) -> Dataset:
    """The corpus as the dataset `name` of the task base; replaces an earlier one of that task."""
    place = workspace.data / checked_name(name)
    if (place / "dataset.json").is_file() and open_dataset(place).task != TASK:
        raise TrainerError(f"There is a dataset '{name}' of another task; choose another name with --out.")
    with making(place) as folder:
        for split, texts in (("train", corpus.train), ("heldout", corpus.held_out)):
            write_rows(folder / f"{split}.jsonl", map(_row, texts))
        figures: Json = {
            "bytes": sum(text.bytes for text in corpus.train),
            "held_out_bytes": sum(text.bytes for text in corpus.held_out),
            "left_out": dict(sorted(corpus.left_out.items())),
            "scrubbed": dict(sorted(corpus.scrubbed.items())),
            "sources": _listed([*corpus.train, *corpus.held_out]),
        }
        seal(folder, name=name, task=TASK, teacher=TEACHER, seed=seed, params=params, figures=figures)
    return open_dataset(place)


def text_of(row: Row) -> str:
    """The whole text of a row; raises `DataError` for a row of another task."""
    try:
        return f"{row.input['text']}{row.output['text']}"
    except KeyError:
        raise DataError("A row isn't a plain text; a base learns from datasets of 'enigma train-base'.") from None


def _row(text: Text) -> Row:
    cut = min(OPENING, len(text.text) // 2)
    cut = max(text.text.rfind(" ", 0, cut), text.text.rfind("\n", 0, cut)) + 1 or cut
    meta: Json = {
        "source": text.label,
        "origin": text.origin,
        "licence": text.licence,
        "sha256": hashlib.sha256(text.text.encode("utf-8")).hexdigest(),
    }
    return Row({"text": text.text[:cut]}, {"text": text.text[cut:]}, meta)


def _listed(texts: Sequence[Text]) -> list[Json]:
    """Per origin and licence: how many texts, and of how many bytes."""
    files: Counter[tuple[str, str, str]] = Counter()
    sizes: Counter[tuple[str, str, str]] = Counter()
    for text in texts:
        key = (text.kind, text.origin, text.licence)
        files[key] += 1
        sizes[key] += text.bytes
    return [
        {"kind": kind, "origin": origin, "licence": licence, "files": files[key], "bytes": sizes[key]}
        for key in sorted(files)
        for kind, origin, licence in [key]
    ]


def _queues(sources: Sequence[Source], seed: int) -> dict[str, deque[Source]]:
    """Per kind its sources: the first of each origin, then the second of each, and so on, else one large package would
    be all of a kind."""
    origins: dict[tuple[str, str], list[tuple[str, Source]]] = defaultdict(list)
    for source in sources:
        origins[source.kind, source.origin].append((_place(seed, source.label), source))
    kinds: dict[str, list[tuple[int, str, Source]]] = defaultdict(list)
    for (kind, _), members in origins.items():
        members.sort(key=lambda item: item[0])
        kinds[kind] += [(number, place, source) for number, (place, source) in enumerate(members)]
    return {
        kind: deque(source for _, _, source in sorted(found, key=lambda item: item[:2]))
        for kind, found in sorted(kinds.items())
    }


def _split(texts: Sequence[Text], seed: int) -> tuple[list[Text], list[Text]]:
    """(train, held-out): whole files, by the hash of their labels; none held out that others have much of."""
    total = sum(text.bytes for text in texts)
    wanted = min(HELD_OUT_MOST, HELD_OUT_SHARE * total)
    longest = max(wanted / _HELD_OUT_TEXTS, sorted(text.bytes for text in texts)[len(texts) // 2])
    chosen: list[int] = []
    size = 0
    for at in sorted(range(len(texts)), key=lambda at: _place(seed, f"held-out/{texts[at].label}")):
        # Few long texts would say less than many: those are learnt from.
        if size >= wanted or texts[at].bytes > longest:
            continue
        chosen.append(at)
        size += texts[at].bytes
    copied = _copied(texts, chosen)
    kept = {at for at in chosen if copied[at] <= _COPIED}
    if not kept:
        raise DataError(
            "Every text of those that were to be held out repeats another one; name folders with more texts."
        )
    return [t for at, t in enumerate(texts) if at not in kept], [t for at, t in enumerate(texts) if at in kept]


def _copied(texts: Sequence[Text], chosen: Sequence[int]) -> dict[int, float]:
    """Of each chosen text, the share of its runs of words that stand in any other text too."""
    runs = {at: set(_runs(texts[at].text)) for at in chosen}
    owners: dict[str, list[int]] = defaultdict(list)
    for at in chosen:
        for run in runs[at]:
            owners[run].append(at)
    found: dict[int, set[str]] = {at: set() for at in chosen}
    for number, text in enumerate(texts):
        for run in _runs(text.text):
            for at in owners.get(run, ()):
                if at != number:
                    found[at].add(run)
    return {at: len(found[at]) / max(1, len(runs[at])) for at in chosen}


def _runs(text: str) -> Iterator[str]:
    words = tokens_of(text)
    return (" ".join(words[start : start + RUN]) for start in range(len(words) - RUN + 1))


def _place(seed: int, label: str) -> str:
    return hashlib.sha256(f"{seed}/{label}".encode()).hexdigest()
