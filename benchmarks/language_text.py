"""How well language models that were trained here foretell text, beside gzip, xz and zstd: bits per byte, held out.

    python benchmarks/language_text.py --home FOLDER [--sizes nano micro tiny small] [--minutes 8] [--megabytes 2.5]

Texts are those of `enigma train-base`: Python's sources, packages' docs, manual pages, /usr/share/doc, split by file. Each
size is trained on the same ones for the same budget, planned by computing as `--seconds` of `enigma train` is, and read in
the device's runtime. What was trained is kept in --home: the same command goes on where it was cut short.

The programs get each held-out text alone, and xz and zstd also with all training texts before it, which is what a model
had: xz by the bytes that a text adds behind them, zstd with them as its dictionary. None of them pays for headers, nor the
model for its file, which a table names. The package zstandard is needed for zstd; without it that line is left out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainer_host.compress.files import export_run, exported
from trainer_host.compress.gate import loaded
from trainer_host.data.dataset import Dataset, Json, open_dataset
from trainer_host.data.text_corpus import gather, make_dataset, text_of
from trainer_host.data.text_sources import machine_sources
from trainer_host.students import student_of
from trainer_host.students.language.base import Reading, examined, read_text
from trainer_host.students.language.model_card import deflated, xz_size
from trainer_host.tables import text_table
from trainer_host.training.run import Run, is_run, open_run, train_run
from trainer_host.workspace import Workspace

if TYPE_CHECKING:
    from edge_runtime.tasks.base import Base

DATA = "language-text"
_EPOCHS = 100.0  # as often as the budget allows
_PRECISIONS = ("fp32", "int8", "int4")


def corpus(workspace: Workspace, megabytes: float) -> Dataset:
    """The texts; those that lie in the workspace stay."""
    if (workspace.data / DATA / "dataset.json").is_file():
        return open_dataset(workspace.data / DATA)
    made = gather(machine_sources(), int(megabytes * 1e6), 1)
    return make_dataset(workspace, DATA, made, seed=1, params={"most_bytes": int(megabytes * 1e6)})


def train(
    workspace: Workspace, dataset: Dataset, size: str, minutes: float, context: int
) -> tuple[Run, dict[str, float]]:
    """A run of this size, and what its training took; one that is there already isn't trained again."""
    settings: Json = {"size": size, "context": context, "epochs": _EPOCHS, "schedule": "wsd"}
    seconds = minutes * 60
    if is_run(workspace, dataset, size, seed=1, seconds=seconds, curriculum=False, settings=settings):
        return open_run(workspace.runs / size), {}
    began, last = time.process_time(), 0.0

    def show(share: float, values: dict[str, float]) -> None:
        nonlocal last
        if time.monotonic() - last > 60:
            last = time.monotonic()
            print(f"  {size}: {share:.0%} loss {values['loss']:.3f}", flush=True)

    run, report = train_run(workspace, dataset, size, seed=1, seconds=seconds, settings=settings, on_progress=show)
    return run, {**report.figures, "cpu": time.process_time() - began}


def read(run: Run, dataset: Dataset) -> dict[str, tuple[float, int]]:
    """Per precision: bits per byte in the device's runtime, and bytes of the file."""
    export_run(run, dataset, lambda share, note: None)
    found: dict[str, tuple[float, int]] = {}
    for item in exported(run):
        with loaded(run, student_of(run), item, item.runtimes[0]) as specialist:
            language = cast("Base", specialist).language
            whole = sum((read_text(language, text_of(row)) for row in examined(dataset.folder)), Reading())
        found[item.precision] = whole.bits_per_byte, item.bytes
    return found


def programs(dataset: Dataset) -> dict[str, float]:
    """Bits per byte of each program on the same held-out texts."""
    texts = [text_of(row).encode("utf-8") for row in examined(dataset.folder)]
    before = b"".join(text_of(row).encode("utf-8") for row in dataset.rows("train"))
    size = sum(map(len, texts))
    alone = xz_size(before)
    found = {
        "gzip -9": sum(map(deflated, texts)),
        "xz -9e": sum(map(xz_size, texts)),
        "xz -9e, after the training texts": sum(max(0, xz_size(before + text) - alone) for text in texts),
    }
    try:
        import zstandard
    except ImportError:
        return {name: 8 * count / size for name, count in found.items()}

    window = max(10, (len(before) + max(map(len, texts))).bit_length())
    wide = zstandard.ZstdCompressionParameters.from_level(
        19, window_log=window, write_checksum=False, write_content_size=False, write_dict_id=False, enable_ldm=True
    )
    dictionary = zstandard.ZstdCompressionDict(before, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    plain = zstandard.ZstdCompressor(level=19, write_checksum=False, write_content_size=False)
    taught = zstandard.ZstdCompressor(compression_params=wide, dict_data=dictionary)
    found["zstd -19"] = sum(len(plain.compress(text)) for text in texts)
    found["zstd -19, the training texts as dictionary"] = sum(len(taught.compress(text)) for text in texts)
    return {name: 8 * count / size for name, count in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", default=["nano", "micro", "tiny", "small"])
    parser.add_argument("--minutes", type=float, default=8.0, help="of one planned core, which most are faster than")
    parser.add_argument("--megabytes", type=float, default=2.5)
    parser.add_argument("--context", type=int, default=512)
    args = parser.parse_args()
    workspace = Workspace(args.home.absolute())
    dataset = corpus(workspace, args.megabytes)
    texts = [text_of(row) for row in examined(dataset.folder)]
    print(
        f"{dataset.counts['train']} training texts, {dataset.figures['bytes']:,} bytes; examined on {len(texts)} held-out "
        f"ones, {sum(len(text.encode()) for text in texts):,} bytes"
    )
    beside = programs(dataset)
    print(
        text_table(["program", "bits per byte"], [[name, f"{value:.3f}"] for name, value in beside.items()]), flush=True
    )
    rows = []
    for size in args.sizes:
        run, figures = train(workspace, dataset, size, args.minutes, args.context)
        found = read(run, dataset)
        tokens, cpu = figures.get("tokens", 0), figures.get("cpu", 0)
        rows.append(
            [
                size,
                f"{figures.get('parameters', 0) / 1e6:.1f}",
                f"{tokens:,.0f}",
                f"{cpu:,.0f}",
                f"{tokens / cpu:,.0f}" if cpu else "",
                *(f"{found[precision][0]:.3f}" for precision in _PRECISIONS),
                f"{found['int8'][1] / 1e6:.2f}",
            ]
        )
        print(text_table(["size", "M", "tokens", "CPU s", "tok/CPU s", *_PRECISIONS, "MB int8"], rows), flush=True)


if __name__ == "__main__":
    main()
