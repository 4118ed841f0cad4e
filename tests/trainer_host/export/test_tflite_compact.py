"""A compact file answers the same and is smaller: names are short, and what is equal stands once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from trainer_host.compress.quantize import quantize_tflite
from trainer_host.export import tflite_compact
from trainer_host.export.tflite import export_tflite
from trainer_host.export.tflite_compact import compact


def answer(content: bytes, values: np.ndarray) -> np.ndarray:
    runner = Interpreter(model_content=content).get_signature_runner()
    made: np.ndarray = runner(args_0=values)["output_0"]
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A float file, and its int8 as the quantizer writes it."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(64, 64) for _ in range(3)]
    module = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2]).eval()
    folder = tmp_path_factory.mktemp("tflite")
    rows = [{"args_0": np.random.default_rng(seed).normal(size=(1, 64)).astype(np.float32)} for seed in range(8)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite_compact, "compact", lambda content, short_names=False: content)
        export_tflite(module, (torch.zeros(1, 64),), folder / "model.tflite")
        quantize_tflite(folder / "model.tflite", folder / "int8.tflite", rows)
    return (folder / "model.tflite").read_bytes(), (folder / "int8.tflite").read_bytes()


def test_what_a_compact_file_answers_is_the_same_bit_for_bit(files: tuple[bytes, bytes]) -> None:
    values = np.random.default_rng(9).normal(size=(1, 64)).astype(np.float32)
    for content, less in zip(files, (500, 2_500), strict=True):
        made = compact(content, short_names=True)
        assert len(made) < len(content) - less
        np.testing.assert_array_equal(answer(made, values), answer(content, values))
        assert compact(made) == compact(compact(made))  # nothing is left to take away


def test_zero_points_of_all_layers_stand_in_one_place_and_contents_are_aligned(files: tuple[bytes, bytes]) -> None:
    made = compact(files[1])
    model = schema.Model.GetRootAs(made, 0)
    graph, places = model.Subgraphs(0), set()
    for number in range(graph.TensorsLength()):
        told = graph.Tensors(number).Quantization()
        if told is not None and told.ZeroPointLength() == 64:
            places.add(told.ZeroPointAsNumpy().__array_interface__["data"][0])
    assert len(places) == 1
    start = np.frombuffer(made, np.uint8).__array_interface__["data"][0]
    for number in range(model.BuffersLength()):
        if model.Buffers(number).DataLength():
            assert (model.Buffers(number).DataAsNumpy().__array_interface__["data"][0] - start) % 16 == 0


def test_names_are_short_and_each_tensors_own_but_those_of_inputs_and_outputs_stay(files: tuple[bytes, bytes]) -> None:
    before, after = (
        schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
        for content in (files[0], compact(files[0], short_names=True))
    )
    names = [tensor.name for tensor in after.tensors]
    assert len(set(names)) == len(names) and max(map(len, names)) < max(len(one.name) for one in before.tensors)
    for place in (*after.inputs, *after.outputs):
        assert names[place] == before.tensors[place].name


def test_what_lies_behind_the_flat_buffer_comes_inside() -> None:
    model = schema.ModelT.InitFromPackedBuf(_behind(), 0)
    made = schema.ModelT.InitFromPackedBuf(compact(_behind()), 0)
    assert model.buffers[1].data is None
    assert made.buffers[1].data.tobytes() == bytes(range(32)) and made.buffers[1].offset == 0


def _behind() -> bytes:
    """A file with one buffer whose content follows the flat buffer, as the quantizer writes long ones."""
    import flatbuffers

    def packed(offset: int) -> bytes:
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [], [schema.BufferT(), schema.BufferT()]
        model.buffers[1].offset, model.buffers[1].size = offset, 32
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    return packed(len(packed(2))) + bytes(range(32))
