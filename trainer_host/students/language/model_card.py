"""The model card of a base, in Markdown (Mitchell et al. 2019, arXiv 1810.03993): what it is, from what, how good, what not."""

from __future__ import annotations

import hashlib
import lzma
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer_host.data.dataset import SPLITS, Dataset
from trainer_host.students.language.config import LanguageConfig
from trainer_host.training.weights import FILE as WEIGHTS

CARD = "model_card.md"
MOST_SOURCES = 250  # lines; what is behind them is added up
Json = dict[str, object]


@dataclass(frozen=True)
class Scores:
    """Bits per byte of held-out texts by the model, and by programs that never saw a text before. guessed: share of
    tokens that were the most likely ones."""

    texts: int
    bytes: int
    model: float
    guessed: float
    gzip: float
    xz: float

    @staticmethod
    def of(texts: Sequence[str], model: float, guessed: float) -> Scores:
        """With gzip -9 and xz -9e over each text alone, without the headers of their files."""
        raw = [text.encode("utf-8") for text in texts]
        size = sum(map(len, raw))
        return Scores(
            len(raw),
            size,
            model,
            guessed,
            8 * sum(map(deflated, raw)) / max(1, size),
            8 * sum(map(xz_size, raw)) / max(1, size),
        )

    @property
    def figures(self) -> dict[str, float]:
        """For a report."""
        return {
            "bits per byte": round(self.model, 4),
            "of gzip -9": round(self.gzip, 4),
            "of xz -9e": round(self.xz, 4),
            "tokens guessed": round(self.guessed, 4),
        }


def deflated(content: bytes) -> int:
    """Bytes of RFC 1951 at zlib's level 9."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return len(packer.compress(content) + packer.flush())


def xz_size(content: bytes) -> int:
    """Bytes of LZMA2 as xz -9e makes it, its dictionary as large as the content at least."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": max(1 << 26, len(content))}]
    return len(lzma.compress(content, lzma.FORMAT_RAW, filters=filters))


def model_card(
    run: Path,
    dataset: Dataset,
    scores: Scores,
    figures: Mapping[str, float],
    config: LanguageConfig,
    *,
    seed: int,
    settings: Json,
) -> str:
    """The card. run: the folder with its weights and tokenizer. It holds no time and no path: the same run, the same card."""
    held = dataset.figures
    chosen = ", ".join(f"{key} {value}" for key, value in sorted(settings.items())) or "the defaults"
    lines = [
        "# A base language model",
        "",
        f"{config.parameters / 1e6:,.1f} million parameters in Llama's shape, a context of {config.context:,} tokens, "
        f"{config.vocabulary:,} tokens in its vocabulary. It was trained from nothing on {_megabytes(held.get('bytes'))} "
        "of plain text, and goes on with a text. It answers no questions: it is made to be trained further, with "
        "`enigma train --init RUN`.",
        "",
        "## How good it is",
        "",
        f"On {scores.texts} texts that were held out ({scores.bytes:,} bytes), of which no text and hardly a run of 13 "
        "words was learnt:",
        "",
        *_table(
            ["", "bits per byte"],
            [
                ["this model, float32", f"{scores.model:.3f}"],
                ["gzip -9, each text alone", f"{scores.gzip:.3f}"],
                ["xz -9e, each text alone", f"{scores.xz:.3f}"],
            ],
        ),
        "",
        f"{scores.guessed:.1%} of the tokens are those that it holds most likely. The two programs know no text from "
        "before; with the training texts to copy from they need less.",
        "",
        "## How to make it again",
        "",
        f"Settings: {chosen}; seed {seed}; {figures.get('tokens', 0):,.0f} tokens in {figures.get('steps', 0):,.0f} steps. "
        "The same texts, settings and seed give the same weights on a processor of the same kind.",
        "",
        *_table(
            ["what", "SHA-256"],
            [
                ["dataset", dataset.content.removeprefix("sha256:")],
                *([f"{split}.jsonl", _sha256(dataset.folder / f"{split}.jsonl")] for split in SPLITS),
                ["tokenizer.json", _sha256(run / "tokenizer.json")],
                [WEIGHTS, _sha256(run / WEIGHTS)],
            ],
        ),
        "",
        "## What it read",
        "",
        f"{dataset.counts['train']:,} texts to learn from and {dataset.counts['heldout']:,} held out; each text's own "
        f"hash stands beside it in the dataset. Left out: {_counted(held.get('left_out'))}. Personal data that was "
        f"replaced: {_counted(held.get('scrubbed'))}; names in running text are not found.",
        "",
        *_sources(held.get("sources")),
        "",
        "## What it is not",
        "",
        "What it writes can be wrong, rude, or a piece of what it read. It was checked for nothing but the scores above. "
        "Licences are noted as the makers of the texts state them; whether they matter for a model's weights is for you "
        "to judge.",
    ]
    return "\n".join(lines) + "\n"


def _sources(listed: object) -> list[str]:
    """A table of whose the texts are, the largest first."""
    found = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    found.sort(key=lambda item: (-int(item["bytes"]), str(item["origin"]), str(item["licence"])))
    rows = [
        [
            str(item["kind"]),
            str(item["origin"]),
            str(item["licence"]),
            f"{item['files']}",
            f"{item['bytes'] / 1e3:,.1f}",
        ]
        for item in found[:MOST_SOURCES]
    ]
    made = _table(["kind", "whose", "licence", "texts", "kB"], rows)
    rest = found[MOST_SOURCES:]
    if rest:
        sizes: Counter[str] = Counter()
        for item in rest:
            sizes[str(item["licence"])] += int(item["bytes"])
        named = ", ".join(f"{licence} ({size / 1e3:,.1f} kB)" for licence, size in sizes.most_common(40))
        made += ["", f"And {len(rest):,} more, by licence: {named}."]
    return made


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(headers), "|" + "---|" * len(headers), *map(line, rows)]


def _counted(given: object) -> str:
    if not isinstance(given, dict) or not given:
        return "nothing"
    return ", ".join(f"{count:,} {why}" for why, count in sorted(given.items(), key=lambda item: (-item[1], item[0])))


def _megabytes(given: object) -> str:
    return f"{given / 1e6:,.1f} MB" if isinstance(given, int | float) else "an unknown amount"


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
