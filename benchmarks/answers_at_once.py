"""Several answers of one language model at the same time: what they cost then, and what their caches hold.

    python benchmarks/answers_at_once.py [--model tiny] [--answers 4] [--tokens 64] [--rounds 5]

A model of our family with random weights answers as many chats as --answers, one after the other and all at once, on one
thread, in each runtime that is installed: onnxruntime reads their next tokens in one run, the others take turns. Tokens per
CPU second are of the whole process; memory is what the first round of several added, beside what the engine says that it
needs at most.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

MB = 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="tiny", help="a size (default: %(default)s)")
    parser.add_argument("--answers", type=int, default=4, help="chats (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often (default: %(default)s)")
    args = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", ORT_DISABLE_TELEMETRY="1")
    with tempfile.TemporaryDirectory() as name:
        print(f"{args.model}, {args.answers} answers of {args.tokens} tokens behind prompts of 128, one thread")
        print(f"{'':16}{'one by one':>12}{'at once':>12}{'MB added':>12}{'said':>8}   tokens per CPU second")
        for what, path in _files(Path(name), args.model):
            _measure(what, path, args.answers, args.tokens, args.rounds)
            sys.stdout.flush()
    os._exit(0)  # llama.cpp's destructors can wait for ever


def _files(folder: Path, model: str) -> Iterator[tuple[str, Path]]:
    from benchmarks.language_decode import _weights

    state, config, tokenizer = _weights(model, 1024)
    if importlib.util.find_spec("onnxruntime"):
        from trainer_host.export.language_onnx import export_language_onnx

        export_language_onnx(state, config, folder / "int8.onnx", "int8")
        yield "onnxruntime", folder / "int8.onnx"
    if importlib.util.find_spec("ai_edge_litert"):
        from trainer_host.export.language_tflite import export_language_tflite

        export_language_tflite(state, config, folder / "int8.tflite", "int8")
        yield "ai-edge-litert", folder / "int8.tflite"
    if importlib.util.find_spec("xllamacpp"):
        from trainer_host.export.gguf import export_gguf

        export_gguf(state, config, tokenizer, folder / "q8.gguf", "q8_0")
        yield "llama.cpp", folder / "q8.gguf"


def _measure(what: str, path: Path, answers: int, tokens: int, rounds: int) -> None:
    import numpy as np

    from edge_runtime.engines.language import LanguageEngine, open_language_engine
    from edge_runtime.language.generate import Generator, Options, Piece
    from edge_runtime.language.sampling import Sampling
    from edge_runtime.serving.memory import rss_bytes, trim
    from edge_runtime.serving.streaming import StreamWorker
    from edge_runtime.serving.turns import Turns

    engine = open_language_engine(path, 1, 1024)
    plain = SimpleNamespace(size=engine.vocabulary, special={}, token_bytes=lambda number: b"a")

    def written_by(engine: LanguageEngine) -> SimpleNamespace:
        generator = Generator(engine, plain)
        return SimpleNamespace(
            generate=generator.generate,
            widen=generator.widen,
            narrow=generator.narrow,
            lose=generator.lose,
            reads_together=generator.reads_together,
            interrupted=bool,
            priority=int,
        )

    random = np.random.default_rng(0)

    def chat(prompt: list[int]) -> object:
        def begin(language: SimpleNamespace) -> Iterator[Piece]:
            options = Options(max_tokens=tokens, cancelled=lambda: language.interrupted())
            pieces: Iterator[Piece] = language.generate(prompt, Sampling(), options)
            return pieces

        return begin

    async def written(worker: StreamWorker, begin: object) -> int:
        pieces: list[Piece] = [piece async for piece in worker.stream(begin, 600)]  # type: ignore[arg-type]
        return len(pieces)

    async def rate(worker: StreamWorker) -> float:
        chats = [chat(random.integers(0, engine.vocabulary, 128).tolist()) for _ in range(answers)]
        began = time.process_time()
        got = await asyncio.gather(*(written(worker, each) for each in chats))
        return sum(got) / (time.process_time() - began)

    async def both() -> None:
        turns = Turns(1)
        found: dict[int, list[float]] = {1: [], answers: []}
        held = 0
        workers = {  # each keeps the caches that it opened in the first round
            most: StreamWorker(
                "w",
                SimpleNamespace(language=written_by(own)),
                64,
                lambda: None,
                turns,
                most=most,
            )
            for most, own in ((1, engine), (answers, engine.another()))
        }
        for number in range(rounds + 1):
            for most, worker in workers.items():
                if most > 1 and not number:
                    trim()
                    held = rss_bytes()
                got = await rate(worker)
                if most > 1 and not number:
                    held = rss_bytes() - held
                if number:
                    found[most].append(got)
        for worker in workers.values():
            worker.stop()
            await asyncio.to_thread(worker.join, 10)
        medians = [statistics.median(rates) for rates in found.values()]
        said = (answers - 1) * engine.text_bytes / MB
        print(f"{what:16}{medians[0]:12.0f}{medians[1]:12.0f}{held / MB:12.1f}{said:8.1f}")

    asyncio.run(both())


if __name__ == "__main__":
    main()
