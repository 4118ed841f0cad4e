"""What models say of one item is one trace, and a webhook tells it on."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from edge_runtime.pipelines.webhook import Webhook
from edge_runtime.tracing import Traces

from .host import TIMER, Given, Host, Json, pipeline, running
from .test_sinks import Peer

TWO_MODELS = """
[[models]]
name = "eye"
specialist = "eye-1"

[[models]]
name = "judge"
specialist = "judge-1"
after = "eye"

[[sinks]]
kind = "event"
after = ["judge"]
"""


class Posting:
    """A sink that posts what it gets, and keeps it."""

    def __init__(self, hook: Webhook) -> None:
        self._hook = hook

    async def deliver(self, item: object) -> bool:
        return await self._hook.deliver(item)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Whoever made the webhook closes it."""


async def answer(_: Json) -> Json:
    return {"label": "cat"}


@pytest.mark.parametrize("traced", [True, False])
async def test_two_models_and_a_webhook_are_one_trace(traced: bool) -> None:
    exporter, peer = InMemorySpanExporter(), Peer(204)
    host = Host(**{"eye-1": answer, "judge-1": answer})
    if traced:
        host.traces = Traces(exporter, "hall", "1")
    async with peer.webhook() as hook, asyncio.timeout(60):
        made = running(
            pipeline(TIMER.format(count=2) + TWO_MODELS), host, Given({"text": "a"}, {"text": "b"}), Posting(hook)
        )
        await made.run()
    told = [headers.get("traceparent") for headers, _ in peer.got]
    assert len(told) == 2
    if not traced:
        assert told == [None, None]
        return
    assert host.traces is not None
    host.traces.close()
    spans = exporter.get_finished_spans()
    assert {span.name for span in spans} == {"pipeline test"} and len(spans) == 4
    seconds = [span for span in spans if span.parent is not None]
    wanted = {f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}" for span in seconds}
    assert {str(header).rpartition("-")[0] for header in told} == wanted and len(wanted) == 2, (
        "each item has a trace of its own"
    )
    firsts = {span.context.span_id: span.context.trace_id for span in spans if span.parent is None}
    assert {span.parent.span_id: span.context.trace_id for span in seconds if span.parent} == firsts
