"""Does a very long chat make a device's memory grow, and what does a cache of int8 cost? (features S043)

    python benchmarks/long_chat.py --home FOLDER [--minutes 2] [--turns 5000] [--json FILE]

A nano base learns the texts of `enigma train-base` (Python's sources, packages' docs, manual pages), which are split by
file. Its files for each engine are written with a cache of floats and with one of int8, whose scales are measured on
training texts; both read the held-out texts, and the share of tokens after which both find the same next one likeliest
is told. It is at least .98 for a release, see `trainer_host.compress.gate`.

Then each file answers a chat of many turns, in a process of its own and through the device's own code: lines of held-out
texts are the person's messages, and the answers go into the chat. Where it would outgrow the context, its older half is
left out, as a client does. Resident memory is read after every hundredth of the turns; flat means that all readings
behind the first tenth, in which buffers find their sizes, lie within 5 % of the first of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from trainer_host.compress.language import Comparison
    from trainer_host.data.dataset import Dataset
    from trainer_host.training.run import Run

READINGS, ANSWER, FLAT, AGREEMENT = 100, 12, 0.05, 0.98
_ROOM = 96  # tokens that a message and its answer may take
ENGINES = {"onnxruntime": "onnx", "LiteRT": "tflite", "llama.cpp": "gguf"}
CACHES = ("float", "int8")


@dataclass(frozen=True)
class Chat:
    """What came of one. megabytes: resident memory behind the first tenth; first, least, most. read: tokens of
    prompts, of which `cached` needn't be read again."""

    turns: int
    tokens: int
    read: int
    cached: int
    cpu_seconds: float
    megabytes: tuple[float, float, float]

    @property
    def drift(self) -> float:
        """The largest distance from the first reading, as a share of it."""
        first, least, most = self.megabytes
        return max(most - first, first - least) / first


def main() -> None:
    """Train, compare, chat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="what was trained is kept here")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training, planned (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5000, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--chat", nargs=2, metavar=("FOLDER", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.chat:
        print(json.dumps(asdict(chat(Path(args.chat[0]), args.chat[1], args.turns))))
        return
    if args.home is None:
        parser.error("say --home FOLDER")
    from benchmarks.language_text import corpus, train
    from trainer_host.workspace import Workspace

    workspace = Workspace(args.home.absolute())
    dataset = corpus(workspace, 2.5)
    run, figures = train(workspace, dataset, "nano", args.minutes, 512)
    result: dict[str, object] = {"training, CPU s": round(figures.get("cpu", 0.0), 1)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for precision in ("int4", "int8"):
            for engine, found in compared(run, dataset, folder, precision):
                what = f"{engine}, {precision} weights"
                result[f"{what}: same next token"] = round(found.agreement, 4)
                result[f"{what}: perplexity, float and int8 cache"] = (found.reference, found.other)
                print(
                    f"{what}: the same next token in {found.agreement:.2%} of {found.tokens:,} (at least "
                    f"{AGREEMENT:.0%}); perplexity {found.reference:.3f} and {found.other:.3f}",
                    flush=True,
                )
        write_chat(run, dataset, folder)
        for engine, cache in itertools.product(ENGINES, CACHES):
            what = f"{engine}, {cache} cache"
            command = [sys.executable, __file__, "--chat", str(folder), f"{cache}.{ENGINES[engine]}"]
            command += ["--turns", str(args.turns)]
            made = Chat(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            result[what] = asdict(made) | {"drift": made.drift}
            first, least, most = made.megabytes
            print(
                f"{what}: {made.turns:,} turns, {made.read + made.tokens:,} tokens, of which {made.cached:,} were kept; "
                f"{first:.1f} MB, then {least:.1f} to {most:.1f} ({made.drift:.1%}, {'flat' if made.drift <= FLAT else 'NOT flat'}), "
                f"{made.cpu_seconds:.0f} CPU s",
                flush=True,
            )
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def compared(run: Run, dataset: Dataset, folder: Path, precision: str) -> Iterator[tuple[str, Comparison]]:
    """Files of a precision with both kinds of cache, on the held-out texts, by engine; they stay in the folder."""
    from edge_runtime.engines.language import open_language_engine
    from trainer_host.compress.language import Text, cache_scales, compare
    from trainer_host.data.text_corpus import text_of
    from trainer_host.export.gguf import export_gguf
    from trainer_host.export.language_onnx import export_language_onnx
    from trainer_host.export.language_tflite import export_language_tflite
    from trainer_host.students.language.base import examined
    from trainer_host.students.language.run_files import trained_model
    from trainer_host.students.language.tokenizers import FastTokenizer

    config, model = trained_model(run.folder)
    spelling = (run.folder / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer = FastTokenizer(spelling)
    learnt = [text_of(row) for row in dataset.rows("train")][:64]
    scales = cache_scales(model, [Text(tokenizer.encode(text)[:2048]) for text in learnt])
    held_out = [Text(tokenizer.encode(text_of(row))[:1024]) for row in examined(dataset.folder)][:40]
    state = model.state_dict()
    for engine, kind in ENGINES.items():
        if (kind, precision) == ("tflite", "int4"):  # there are none
            continue
        paths = [folder / f"{cache}.{kind}" for cache in CACHES]
        for path, kept in zip(paths, (None, scales), strict=True):
            if kind == "onnx":
                export_language_onnx(state, config, path, precision, cache=kept)
            elif kind == "tflite":
                export_language_tflite(state, config, path, precision, cache=kept)
            else:  # what it keeps is said when it is opened
                export_gguf(state, config, spelling, path, {"int8": "q8_0", "int4": "q4_0"}[precision])
        reference, other = (open_language_engine(path, cache=path.stem) for path in paths)
        with closing(reference), closing(other):
            yield engine, compare(reference, other, held_out)


def write_chat(run: Run, dataset: Dataset, folder: Path) -> None:
    """What the chats need beside the model: the tokenizer, and lines that a person says."""
    from trainer_host.data.text_corpus import text_of
    from trainer_host.students.language.base import examined

    (folder / "tokenizer.json").write_bytes((run.folder / "tokenizer.json").read_bytes())
    lines = [line.strip() for row in examined(dataset.folder) for line in text_of(row).splitlines()]
    (folder / "lines.json").write_text(json.dumps([line for line in lines if 8 <= len(line) <= 100]), encoding="utf-8")


def chat(folder: Path, file: str, turns: int) -> Chat:
    """Talk, and watch the memory of this process."""
    from edge_runtime.engines.language import open_language_engine
    from edge_runtime.language.sampling import Sampling
    from edge_runtime.language.specialist import LanguageSpecialist
    from edge_runtime.language.template import CHATML, encode_chat
    from edge_runtime.language.tokenizer import Tokenizer

    tokenizer = Tokenizer.read(folder / "tokenizer.json")
    engine = open_language_engine(folder / file, cache=Path(file).stem)
    language = LanguageSpecialist(engine, tokenizer, CHATML, engine.context, ["chat"], {})
    lines, draw = json.loads((folder / "lines.json").read_text(encoding="utf-8")), random.Random(5)
    messages: list[dict[str, object]] = []
    tokens = read = cached = 0
    readings: list[float] = []
    began = time.process_time()
    for turn in range(turns):
        messages.append({"role": "user", "content": draw.choice(lines)})
        while len(encode_chat(tokenizer, CHATML, messages, answering=True)[0]) > engine.context - _ROOM:
            messages = messages[len(messages) // 2 :]
        pieces = list(language.stream(messages, sampling=Sampling(0.8, seed=turn), max_tokens=ANSWER))
        messages.append({"role": "assistant", "content": "".join(piece.text for piece in pieces)})
        usage = pieces[-1].usage
        assert usage is not None
        tokens, read, cached = tokens + usage.answer, read + usage.prompt, cached + usage.cached
        if (turn + 1) % max(1, turns // READINGS) == 0:
            readings.append(_resident())
    kept = readings[len(readings) // 10 :]
    engine.close()
    return Chat(turns, tokens, read, cached, time.process_time() - began, (kept[0], min(kept), max(kept)))


def _resident() -> float:
    """MB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
