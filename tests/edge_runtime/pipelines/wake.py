"""A wake word of one tone: a streaming network built by hand, as a signed bundle, and sound with tones in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from edge_runtime.audio.files import RATE
from edge_runtime.audio.frontend import BANDS, Frontend
from edge_runtime.audio.wake import FRAMES, KEPT, LOGIT, MEMORY, STRIDE
from edge_runtime.bundle import Golden, Manifest, ModelFile, Scored, write_bundle
from edge_runtime.engines import available_runtimes, open_engine
from edge_runtime.pipelines.items import Sound
from edge_runtime.tasks import wake_word

from .. import tiny

PHRASE = "beep"
TONE, OTHER = 1_000.0, 2_800.0  # Hz
LENGTH = 0.4  # seconds of a tone


def tones(seconds: float, *planted: tuple[float, float]) -> np.ndarray:
    """float32 [n] at 16 kHz: a hiss with tones of `LENGTH` in it, each (when it begins, Hz), all equally loud."""
    rng = np.random.default_rng(3)
    sound = rng.normal(0, 0.002, int(seconds * RATE)).astype(np.float32)
    time = np.arange(int(LENGTH * RATE)) / RATE
    for start, hertz in planted:
        at = int(start * RATE)
        sound[at : at + len(time)] += (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    return sound


def write_network(path: Path) -> None:
    """kept = half of the memory and half of how well the step fits the tone's bands; logit = how far above a bound."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    heard = Frontend().feed(tones(1.0, (0.3, TONE)))[32:60].mean(0)  # the bands of the tone, when it just began
    fits = heard - heard.mean()
    weights = (fits / (fits @ heard))[None, :, None].repeat(STRIDE, 0) / STRIDE  # the tone itself gives one
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", [FRAMES, "flat"], ["row"]),
            helper.make_node("MatMul", ["row", "weights"], ["fit"]),
            helper.make_node("Reshape", [MEMORY, "one"], ["before"]),
            helper.make_node("Add", ["fit", "before"], ["both"]),
            helper.make_node("Mul", ["both", "half"], ["now"]),
            helper.make_node("Reshape", ["now", "whole"], [KEPT]),
            helper.make_node("Sub", ["now", "bound"], ["above"]),
            helper.make_node("Mul", ["above", "gain"], [LOGIT]),
        ],
        "tone",
        [
            helper.make_tensor_value_info(FRAMES, TensorProto.FLOAT, [1, STRIDE, BANDS]),
            helper.make_tensor_value_info(MEMORY, TensorProto.FLOAT, [1, 1, 1]),
        ],
        [
            helper.make_tensor_value_info(LOGIT, TensorProto.FLOAT, [1, 1]),
            helper.make_tensor_value_info(KEPT, TensorProto.FLOAT, [1, 1, 1]),
        ],
        [
            numpy_helper.from_array(weights.reshape(STRIDE * BANDS, 1).astype(np.float32), "weights"),
            numpy_helper.from_array(np.array([1, STRIDE * BANDS], np.int64), "flat"),
            numpy_helper.from_array(np.array([1, 1], np.int64), "one"),
            numpy_helper.from_array(np.array([1, 1, 1], np.int64), "whole"),
            numpy_helper.from_array(np.array(0.5, np.float32), "half"),
            numpy_helper.from_array(np.array(0.4, np.float32), "bound"),
            numpy_helper.from_array(np.array(40.0, np.float32), "gain"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def make_bundle(path: Path) -> None:
    """A signed bundle of the network, called "beep", with golden vectors of the device's own code."""
    model = path.with_name("model.onnx")
    write_network(model)
    here = available_runtimes().get("onnxruntime", "1.32.0")
    described = Manifest(
        name=PHRASE,
        task=wake_word.NAME,
        version="1.0.0",
        licence="Apache-2.0",
        io={"request": wake_word.REQUEST_SCHEMA, "response": wake_word.RESPONSE_SCHEMA},
        models=(ModelFile("model.onnx", "fp32", ("onnxruntime",), scored_in=(Scored("onnxruntime", here, 1.0),)),),
        golden=Golden("golden.json", 1),
        labels=(PHRASE,),
        thresholds={"wake": 0.5, "unsure": 0.2},
        options={"memory": [1, 1], "platt": [1.0, 0.0]},
        metrics={"accuracy": 1.0},
    )
    engine = open_engine(model)
    sound = Sound(tones(1.0, (0.4, TONE))).encoded()
    request = {"audio": base64.b64encode(sound.content).decode("ascii")}
    answer = wake_word.load(described, path.parent, engine).run(dict(request))
    engine.close()
    golden = json.dumps([{"request": request, "response": answer}]).encode("utf-8")
    write_bundle(path, described, {"model.onnx": model, "golden.json": golden}, tiny.KEY)
