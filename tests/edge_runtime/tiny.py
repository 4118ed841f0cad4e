"""A tiny real router: models in both formats, golden vectors from the device's own code, a signed bundle."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np

from edge_runtime.bundle import Envelope, Golden, Manifest, ModelFile, Scored, Tokenizer, write_bundle
from edge_runtime.engines import available_runtimes, open_engine
from edge_runtime.tasks import router
from edge_runtime.tasks.text import SCHEME, Features

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
LABELS = ("lights", "music", "weather")
FEATURES = Features(length=64, buckets=200)
SENTENCES = (
    "turn on the light",
    "play some jazz",
    "will it rain today",
    "licht an, bitte",
    "電気をつけて",
    "🙂",
)


def table(seed: int) -> np.ndarray:
    """The router's only weights: [buckets + 1, labels] float32; row 0 (padding) is zero."""
    weights = np.random.default_rng(seed).normal(size=(FEATURES.buckets + 1, len(LABELS))).astype(np.float32)
    weights[0] = 0
    return weights


def write_onnx(path: Path, seed: int, embedding: bool = False) -> None:
    """probabilities = softmax(sum of the tokens' rows). embedding: that sum is a second output."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "tokens"], ["rows"]),
            helper.make_node("ReduceSum", ["rows", "axes"], ["logits"], keepdims=0),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
            *([helper.make_node("Identity", ["logits"], [router.VECTOR])] if embedding else []),
        ],
        "tiny",
        [helper.make_tensor_value_info("tokens", TensorProto.INT32, [1, FEATURES.length])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(LABELS)]),
            *([helper.make_tensor_value_info(router.VECTOR, TensorProto.FLOAT, [1, len(LABELS)])] if embedding else []),
        ],
        [
            numpy_helper.from_array(table(seed), "table"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_wide_onnx(path: Path, hidden: int, layers: int = 2, seed: int = 0) -> None:
    """A router that takes any number of rows, with `layers` products of [hidden, hidden] float32 in between."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(seed)
    sizes = [hidden] * (layers + 1) + [len(LABELS)]
    weights = [random.normal(size=(FEATURES.buckets + 1, hidden)).astype(np.float32) / 8]
    weights += [
        (random.normal(size=(rows, columns)) / np.sqrt(rows)).astype(np.float32)
        for rows, columns in itertools.pairwise(sizes)
    ]
    nodes = [
        helper.make_node("Gather", ["w0", "tokens"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "axes"], ["h0"], keepdims=0),
    ]
    for number in range(1, len(weights)):
        nodes.append(helper.make_node("Tanh", [f"h{number - 1}"], [f"t{number}"]))
        nodes.append(helper.make_node("MatMul", [f"t{number}", f"w{number}"], [f"h{number}"]))
    nodes.append(helper.make_node("Softmax", [f"h{len(weights) - 1}"], ["probabilities"], axis=-1))
    graph = helper.make_graph(
        nodes,
        "wide",
        [helper.make_tensor_value_info("tokens", TensorProto.INT32, ["rows", FEATURES.length])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", len(LABELS)])],
        [
            *(numpy_helper.from_array(value, f"w{number}") for number, value in enumerate(weights)),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_tflite(path: Path, seed: int, open_rows: bool = False) -> None:
    """The same graph as a flat buffer with a signature, its tensors named as litert-torch names them.

    open_rows: with an open first axis, told as Keras' converter tells it.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int], kind: int, buffer: int = 0) -> object:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
        return made

    def buffer(data: bytes | None) -> object:
        made = schema.BufferT()
        made.data = None if data is None else np.frombuffer(data, dtype=np.uint8)
        return made

    def operator(code: int, inputs: list[int], outputs: list[int], kind: int, options: object) -> object:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = code, inputs, outputs
        made.builtinOptionsType, made.builtinOptions = kind, options
        return made

    def code(number: int) -> object:
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = number
        made.version = 1
        return made

    def mapped(name: str, index: int) -> object:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name, index
        return made

    ops, types, options = schema.BuiltinOperator, schema.TensorType, schema.BuiltinOptions
    count, rows = len(LABELS), FEATURES.buckets + 1
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("tokens_in", [1, FEATURES.length], types.INT32),
        tensor("table", [rows, count], types.FLOAT32, 1),
        tensor("rows", [1, FEATURES.length, count], types.FLOAT32),
        tensor("axes", [1], types.INT32, 2),
        tensor("logits", [1, count], types.FLOAT32),
        tensor("out", [1, count], types.FLOAT32),
    ]
    for number in (0, 2, 4, 5) if open_rows else ():
        graph.tensors[number].shapeSignature = [-1, *graph.tensors[number].shape[1:]]
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    graph.operators = [
        operator(0, [1, 0], [2], options.GatherOptions, schema.GatherOptionsT()),
        operator(1, [2, 3], [4], options.ReducerOptions, schema.ReducerOptionsT()),
        operator(2, [4], [5], options.SoftmaxOptions, softmax),
    ]
    graph.inputs, graph.outputs = [0], [5]
    signature = schema.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs, signature.outputs = [mapped("args_0", 0)], [mapped("output_0", 5)]
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [code(ops.GATHER), code(ops.SUM), code(ops.SOFTMAX)]
    model.subgraphs, model.signatureDefs = [graph], [signature]
    model.buffers = [buffer(None), buffer(table(seed).tobytes()), buffer(np.array([1], np.int32).tobytes())]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def manifest(version: str = "1.0.0", name: str = "tiny") -> Manifest:
    """A manifest for an ONNX router, without its file list."""
    here = available_runtimes().get("onnxruntime", "1.32.0")
    return Manifest(
        name=name,
        task="router",
        version=version,
        licence="Apache-2.0",
        io={"request": router.REQUEST_SCHEMA, "response": router.RESPONSE_SCHEMA},
        models=(ModelFile("model.onnx", "fp32", ("onnxruntime",), scored_in=(Scored("onnxruntime", here, 0.9),)),),
        golden=Golden("golden.json", len(SENTENCES)),
        labels=LABELS,
        thresholds={"unsure": 0.5},
        options={"features": {"length": FEATURES.length, "buckets": FEATURES.buckets}},
        tokenizer=Tokenizer(SCHEME),
        metrics={"accuracy": 0.9},
    )


def litert_manifest(version: str = "1.0.0", name: str = "tiny") -> Manifest:
    """The same for a TFLite router."""
    have = {"ai-edge-litert": "2.3.0", **available_runtimes()}
    model = ModelFile(
        "model.tflite",
        "fp32",
        ("ai-edge-litert", "tflite-runtime"),
        inputs={"tokens": "args_0"},
        outputs={"probabilities": "output_0"},
        scored_in=tuple(Scored(each, have[each], 0.9) for each in ("ai-edge-litert", "tflite-runtime") if each in have),
    )
    return dataclasses.replace(manifest(version, name), models=(model,))


# What `usable_manifest` is for.
RUNTIME = next(
    (each for each in ("onnxruntime", "ai-edge-litert", "tflite-runtime") if each in available_runtimes()), ""
)


def usable_manifest(version: str = "1.0.0", name: str = "tiny") -> Manifest:
    """Of the two, the one for a runtime that is here: without onnxruntime, as on 32-bit ARM, TFLite's."""
    return (manifest if RUNTIME == "onnxruntime" else litert_manifest)(version, name)


def golden_of(model: Path, described: Manifest) -> bytes:
    """Golden vectors as the device's own code answers them."""
    entry = described.models[0]
    engine = open_engine(model, rename_inputs=entry.inputs, rename_outputs=entry.outputs)
    specialist = router.load(described, model.parent, engine)
    vectors = [{"request": {"text": text}, "response": specialist.run({"text": text})} for text in SENTENCES]
    engine.close()
    return json.dumps(vectors, ensure_ascii=False).encode("utf-8")


def make_bundle(
    path: Path,
    described: Manifest | None = None,
    *,
    seed: int = 0,
    key: bytes = KEY,
    golden: bytes | None = None,
    padding: int = 0,
    hidden: int = 0,
    layers: int = 2,
    embedding: bool = False,
) -> Envelope:
    """Write a signed bundle to `path`; the model's weights depend on `seed`, its size on `padding`.

    hidden: the model is that of `write_wide_onnx`. embedding: see `write_onnx`.
    """
    described = described or usable_manifest()
    name = described.models[0].file
    model = path.with_name(f"{path.stem}-{seed}-{name}")
    if hidden:
        write_wide_onnx(model, hidden, layers, seed)
    elif name.endswith(".tflite"):
        write_tflite(model, seed)
    else:
        write_onnx(model, seed, embedding)
    files: dict[str, bytes | Path] = {name: model}
    files[described.golden.file] = golden_of(model, described) if golden is None else golden
    if padding:
        files["padding.bin"] = np.random.default_rng(seed).bytes(padding)
    return write_bundle(path, described, files, key)
