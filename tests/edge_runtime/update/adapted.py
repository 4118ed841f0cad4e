"""Signed bundles with an adapter for `chatty`'s model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import torch

from edge_runtime.bundle import Golden, Manifest, ModelFile, Tokenizer, verify_bundle, write_bundle
from edge_runtime.engines.language import open_language_engine
from edge_runtime.tasks import task_module
from tests.edge_runtime import tiny
from tests.edge_runtime.api import chatty
from tests.trainer_host.export.decoders import decoder
from trainer_host.export.language_adapter import write_adapter
from trainer_host.students.language.config import LanguageConfig
from trainer_host.training.adapters import Lora, adapter_state, add_lora

Json = dict[str, object]


def adapter_bundle(folder: Path, base: Manifest, seed: int = 1, base_seed: int = 0) -> tuple[Path, Json, Json]:
    """Write skill.enigma for the base that `chatty.make_bundle` left in the folder; a request and its answer."""
    shape = LanguageConfig(tokens(folder), width=64, layers=2, heads=4, kv_heads=2, hidden=96, context=chatty.CONTEXT)
    model = add_lora(decoder(shape, base_seed), Lora(4))
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
    write_adapter(adapter_state(model), Lora(4), shape, folder / "skill.onnx_adapter")
    model_hash = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    kept = base.tokenizer
    assert kept is not None
    options = {**base.options, "adapter": {"base": base.name, "model": model_hash, "tokenizer": kept.sha256}}
    manifest = dataclasses.replace(
        base,
        name="skill",
        models=(ModelFile("skill.onnx_adapter", "fp32", base.models[0].runtimes, scored_in=base.models[0].scored_in),),
        golden=Golden("golden.json", 1),
        options=options,
        tokenizer=Tokenizer(kept.scheme),
        files={},
    )
    engine = open_language_engine(folder / "model.onnx", adapter=folder / "skill.onnx_adapter")
    request: Json = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    response = task_module("chat").load(base, folder, engine).run(request)  # type: ignore[arg-type]
    engine.close()
    files: dict[str, bytes | Path] = {name: folder / name for name in ("skill.onnx_adapter", "template.json")}
    files["golden.json"] = json.dumps([{"request": request, "response": response}]).encode()
    path = folder / "skill.enigma"
    write_bundle(path, manifest, files, tiny.KEY)
    return path, request, response


def tokens(folder: Path) -> int:
    """How many tokens the base has."""
    from edge_runtime.language.tokenizer import Tokenizer as Read

    return Read.read(folder / "tokenizer.json").size


def manifest_of(bundle: Path, folder: Path) -> Manifest:
    """A bundle's manifest."""
    from edge_runtime.bundle import public_key_of, unpack_bundle

    envelope = verify_bundle(bundle, frozenset({public_key_of(tiny.KEY)}), 2**30)
    folder.mkdir()
    return unpack_bundle(bundle, envelope, folder)
