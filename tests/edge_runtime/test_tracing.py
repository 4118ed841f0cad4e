"""Spans tell who was asked and how long that took, within the caller's trace, and nothing of what was asked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestServer

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from edge_runtime import local_only
from edge_runtime.api.access import Access
from edge_runtime.api.app import make_app
from edge_runtime.client import DeviceClient
from edge_runtime.config import Config
from edge_runtime.device import Device
from edge_runtime.errors import BadRequest, ConfigError, NotFound
from edge_runtime.tracing import Traces, carried, traces_to
from edge_runtime.update.admit import Loaded

from . import tiny
from .conftest import edge_environment

SECRET = "my parcel is late"


class Echo:
    """Answers at once; refuses what is empty."""

    def run(self, request: dict[str, object]) -> dict[str, object]:
        if not request["text"]:
            raise BadRequest("Send a text.")
        return {"label": "delivery", "said": request["text"], "unsure": False}


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    made = Device(tmp_path / "state", Config())
    made.serving.starting = False
    engine = SimpleNamespace(runtime="onnxruntime", version="1", close=lambda: None)
    described = tiny.manifest(name="mail")
    made.serving.swap(Loaded(described, "0" * 64, described.models[0], cast(Any, engine), Echo(), 0.0))
    yield made
    await made.close()


async def test_a_request_is_a_span_of_its_callers_trace_with_what_its_specialist_did_inside(device: Device) -> None:
    exporter = InMemorySpanExporter()
    device.traces = Traces(exporter, "hall", device.key.id)
    caller = TracerProvider().get_tracer("test")
    async with (
        TestServer(make_app(device, Access(device.tokens, open_on_loopback=True))) as server,
        DeviceClient(str(server.make_url("/"))) as client,
    ):
        assert carried() == {}
        with caller.start_as_current_span("outside") as outside:
            await client.run("mail", {"text": SECRET})
            with pytest.raises(BadRequest):
                await client.run("mail", {"text": ""})
        with pytest.raises(NotFound, match="no specialist"):
            await client.run(SECRET, {"text": "x"})
    device.traces.close()
    spans = {span.name: span for span in reversed(exporter.get_finished_spans())}
    request, run = spans["POST /v1/run/{specialist}"], spans["run mail"]
    assert run.parent is not None and run.parent.span_id == request.context.span_id
    assert request.parent is not None and request.parent.span_id == outside.get_span_context().span_id
    assert run.context.trace_id == request.context.trace_id == outside.get_span_context().trace_id
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/run/{specialist}",
        "http.response.status_code": 200,
    }
    assert run.attributes["enigma.specialist"] == "mail" and run.attributes["enigma.unsure"] is False
    assert run.attributes["enigma.run_seconds"] >= 0 and 0 <= run.attributes["enigma.queue_seconds"] < 5
    assert request.resource.attributes["service.instance.id"] == device.key.id
    failed = [span for span in exporter.get_finished_spans() if span.status.status_code is StatusCode.ERROR]
    assert [(span.name, span.attributes["error.type"]) for span in failed] == [("run mail", "BadRequest")]
    statuses = [span.attributes.get("http.response.status_code") for span in exporter.get_finished_spans()]
    assert [status for status in statuses if status] == [200, 400, 404]
    assert not any(word in span.to_json() for span in exporter.get_finished_spans() for word in (SECRET, "delivery"))


async def test_a_malformed_traceparent_begins_a_trace_of_its_own(device: Device) -> None:
    exporter = InMemorySpanExporter()
    traces = Traces(exporter, "hall", "1")
    for wrong in ("", "00-00000000000000000000000000000000-0000000000000000-01", "x" * 5000, "00-zz-zz-zz"):
        with traces.request("GET", "/healthz", {"Traceparent": wrong}):
            pass
    traces.close()
    assert [span.parent for span in exporter.get_finished_spans()] == [None] * 4


def test_what_a_configuration_can_not_mean_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert traces_to("", "hall", "1") is None
    for wrong in ("collector:4318", "ftp://collector/", "http://"):
        with pytest.raises(ConfigError, match="as in http"):
            traces_to(wrong, "hall", "1")
    monkeypatch.setattr(local_only, "_on", True)
    with pytest.raises(ConfigError, match="Local-only mode is on, so the collector"):
        traces_to("https://example.com/v1/traces", "hall", "1")
    near = traces_to("http://127.0.0.1:9/v1/traces", "hall", "1")
    assert near is not None
    near.close()
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"enigma\[otel\]"):
        traces_to("http://127.0.0.1:9/v1/traces", "hall", "1")


def test_nothing_of_it_is_imported_unless_it_is_asked_for() -> None:
    code = "import sys, edge_runtime.daemon; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], env=edge_environment(), timeout=60, check=False).returncode == 0
