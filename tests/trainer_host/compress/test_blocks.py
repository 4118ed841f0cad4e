"""Weights in blocks: small errors, and the layout that onnxruntime's own dequantizer reads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_host.compress.blocks import quantize_blocks


@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 4]), st.sampled_from([16, 32, 64]))
def test_no_weight_is_further_from_its_code_than_a_step(seed: int, bits: int, size: int) -> None:
    draw = np.random.default_rng(seed)
    weight = (draw.standard_normal((7, 128)) * draw.uniform(0, 3, (7, 1))).astype(np.float32)
    blocks = quantize_blocks(weight, bits, size)
    assert blocks.codes.dtype == np.uint8 and blocks.codes.shape == (7, 128 * bits // 8)
    assert blocks.scales.shape == (7, 128 // size)
    steps = np.repeat(np.abs(blocks.scales), size, 1)
    # In 4 bits the end of the scale that has 7 steps, or the fitted scale, may cut off a little more than half a step.
    assert (np.abs(blocks.weight() - weight) <= steps * (0.5001 if bits == 8 else 2.0) + 1e-7).all()


def test_numbers_that_the_codes_can_say_come_back_as_they_were() -> None:
    draw = np.random.default_rng(0)
    for bits in (8, 4):
        half = 2 ** (bits - 1)
        codes = draw.integers(-half + 1, half, (5, 64)).astype(np.float32)
        codes[:, ::32] = -half + 1 if bits == 8 else -half
        weight = codes * np.float32(0.25)
        np.testing.assert_allclose(quantize_blocks(weight, bits, 32).weight(), weight, atol=1e-6)


def test_a_block_of_zeros_stays_zero() -> None:
    for bits in (8, 4):
        blocks = quantize_blocks(np.zeros((2, 32), np.float32), bits, 32)
        assert not blocks.weight().any() and np.isfinite(blocks.scales).all()


def test_the_fitted_scale_of_four_bits_beats_the_plain_one_where_weights_are_large() -> None:
    weight = np.random.default_rng(1).standard_t(4, (64, 256)).astype(np.float32)
    blocks = weight.reshape(64, 8, 32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    plain = np.clip(np.rint(blocks / (largest / -8)), -8, 7) * (largest / -8)
    ours = quantize_blocks(weight, 4, 32).weight().reshape(blocks.shape)
    assert (blocks**2 * (ours - blocks) ** 2).sum() < 0.9 * (blocks**2 * (plain - blocks) ** 2).sum()


@pytest.mark.parametrize("bits", [8, 4])
def test_onnxruntime_reads_the_same_numbers(bits: int) -> None:
    ort = pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(2).standard_normal((24, 64)).astype(np.float32)
    blocks = quantize_blocks(weight, bits, 32)
    node = helper.make_node(
        "GatherBlockQuantized",
        ["codes", "rows", "scales"],
        ["y"],
        domain="com.microsoft",
        bits=bits,
        block_size=32,
        gather_axis=0,
        quantize_axis=1,
    )
    graph = helper.make_graph(
        [node],
        "table",
        [helper.make_tensor_value_info("rows", TensorProto.INT64, [24])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [24, 64])],
        [numpy_helper.from_array(blocks.codes, "codes"), numpy_helper.from_array(blocks.scales, "scales")],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"rows": np.arange(24)})
    np.testing.assert_allclose(found, blocks.weight(), atol=1e-6)
