"""A signed bundle with a tiny language model of random weights: what it writes is nonsense, and always the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from edge_runtime.bundle import Golden, Manifest, ModelFile, Scored, Tokenizer, write_bundle
from edge_runtime.engines import available_runtimes
from edge_runtime.engines.language import open_language_engine
from edge_runtime.language.template import CHATML
from edge_runtime.tasks import task_module
from tests.edge_runtime import tiny
from tests.edge_runtime.language.engines import write_tokenizer

CONTEXT = 512


def make_bundle(
    folder: Path,
    name: str = "chatty",
    *,
    version: str = "1.0.0",
    seed: int = 0,
    adapters: bool = False,
    runtime: str = "onnxruntime",
    width: int = 64,
    layers: int = 2,
) -> Path:
    """Write NAME.enigma into the folder. adapters: whether its model takes them."""
    from tests.trainer_host.export.decoders import decoder
    from trainer_host.students.language.config import LanguageConfig

    tokenizer = write_tokenizer(folder / "tokenizer.json")
    hidden = width * 3 // 2 if width == 64 else 2 * width
    shape = LanguageConfig(
        tokenizer.size, width=width, layers=layers, heads=4, kv_heads=2, hidden=hidden, context=CONTEXT
    )
    state = decoder(shape, seed).state_dict()
    file, precision = ("model.onnx", "fp32") if runtime == "onnxruntime" else ("model.tflite", "int8")
    if runtime == "onnxruntime":
        from trainer_host.export.language_onnx import export_language_onnx

        export_language_onnx(state, shape, folder / file, adapters=adapters)
    else:
        from trainer_host.export.language_tflite import export_language_tflite

        export_language_tflite(state, shape, folder / file, precision)
    (folder / "template.json").write_text(json.dumps(CHATML.to_json()))
    task = task_module("chat")
    scored = Scored(runtime, available_runtimes()[runtime], 0.9)
    manifest = Manifest(
        name=name,
        task="chat",
        version=version,
        licence="Apache-2.0",
        io={"request": task.REQUEST_SCHEMA, "response": task.RESPONSE_SCHEMA},
        models=(ModelFile(file, precision, (runtime,), scored_in=(scored,)),),
        golden=Golden("golden.json", 1),
        options={"family": "language", "context": CONTEXT, "tasks": ["chat"]},
        tokenizer=Tokenizer("bpe-1", "tokenizer.json", hashlib.sha256(_read(folder / "tokenizer.json")).hexdigest()),
    )
    engine = open_language_engine(folder / file)
    request = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    response = task.load(manifest, folder, engine).run(request)  # type: ignore[arg-type]
    engine.close()
    files: dict[str, bytes | Path] = {file: folder / file for file in (file, "tokenizer.json", "template.json")}
    files["golden.json"] = json.dumps([{"request": request, "response": response}]).encode()
    path = folder / f"{name}.enigma"
    write_bundle(path, manifest, files, tiny.KEY)
    return path


def _read(path: Path) -> bytes:
    return path.read_bytes()
