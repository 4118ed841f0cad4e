"""A sample of ONNX's own backend tests: the engine passes what bare onnxruntime does."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_what_bare_onnxruntime_passes_the_engine_passes() -> None:
    from benchmarks.onnx_backend import BareBackend, OurBackend, cases, passed

    tests = cases(every=37)
    wanted = passed(tests, BareBackend)
    assert len(wanted) > 40
    assert not wanted - passed(tests, OurBackend)
