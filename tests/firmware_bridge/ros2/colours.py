"""A real, small specialist of `vision`: it says whether a picture is rather red, green or blue."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from edge_runtime.bundle import Golden, write_bundle
from edge_runtime.engines import open_engine
from edge_runtime.tasks import vision
from tests.edge_runtime import tiny

COLOURS = ("red", "green", "blue")
SIDE = 8


def plain(colour: str) -> np.ndarray:
    """A picture of one colour, uint8 of shape (12, 16, 3)."""
    made = np.zeros((12, 16, 3), np.uint8)
    made[:, :, COLOURS.index(colour)] = 255
    return made


def make_bundle(path: Path) -> Path:
    """A signed bundle: the softmax of each channel's mean."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(COLOURS)])],
        [numpy_helper.from_array(np.array(0.05, np.float32), "scale")],
    )
    model = path.with_suffix(".onnx")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(model))
    described = dataclasses.replace(
        tiny.manifest(name="colours"),
        task="vision",
        io={"request": vision.REQUEST_SCHEMA, "response": vision.RESPONSE_SCHEMA},
        golden=Golden("golden.json", 1),
        labels=COLOURS,
        options={"kind": "classifier", "side": SIDE},
        tokenizer=None,
    )
    written = io.BytesIO()
    Image.fromarray(plain("green")).save(written, "PNG")
    engine = open_engine(model)
    request = {"image": base64.b64encode(written.getvalue()).decode()}
    answer = vision.load(described, model.parent, engine).run(request)
    engine.close()
    golden = json.dumps([{"request": request, "response": answer}]).encode()
    write_bundle(path, described, {"model.onnx": model, "golden.json": golden}, tiny.KEY)
    return path
