"""OpenTelemetry: a span for each request and for each answer of a specialist, sent to a collector by OTLP over HTTP.

Off unless the configuration names a collector. It needs the extra `otel`, which is imported then and not before. What
was asked and answered is never in a span: names, times, counts and states are. A request's `traceparent` (W3C Trace
Context) makes its span part of the caller's trace, and what the device asks of others gets one too.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_runtime import __version__, local_only
from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

    from edge_runtime.serving.worker import Answer

EXPORT_SECONDS = 3.0  # for one delivery; a collector that doesn't answer must not hold the daemon's end up
_QUEUE = 2048  # spans that wait to be sent; more are dropped
_EVERY_MS = 2000


class Traces:
    """Makes spans and hands them to an exporter in a thread of its own; more than `_QUEUE` that wait are dropped."""

    def __init__(self, exporter: SpanExporter, name: str, id_: str) -> None:
        """name, id_: of the device, in every span."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        about = {"service.name": "enigma-edge", "service.version": __version__, "service.instance.id": id_}
        self._provider = TracerProvider(resource=Resource({**about, "host.name": name}))
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=_QUEUE, schedule_delay_millis=_EVERY_MS)
        )
        self._tracer = self._provider.get_tracer("enigma-edge", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def request(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """The span of a request, within the caller's trace where its headers say so. route: the address' pattern."""
        from opentelemetry.trace import SpanKind

        parent = self._propagator.extract({name.lower(): value for name, value in headers.items()})
        told = {"http.request.method": method, "http.route": route}
        with self._tracer.start_as_current_span(
            f"{method} {route}", parent, SpanKind.SERVER, told, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span

    @contextlib.contextmanager
    def run(self, what: str, specialist: str) -> Iterator[Span]:
        """The span of what one specialist does, within the request's. Of an error its class is told, not its sentence."""
        from opentelemetry.trace import StatusCode

        with self._tracer.start_as_current_span(
            f"{what} {specialist}",
            attributes={"enigma.specialist": specialist},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:  # raised again: whatever ended it, its span says that something did
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    @contextlib.contextmanager
    def step(self, pipeline: str, before: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """The span of what a pipeline asks about one item; gives the headers that make what comes of it a part of its trace.

        before: those that the step before it gave, none for the first one.
        """
        with self._tracer.start_as_current_span(
            f"pipeline {pipeline}",
            self._propagator.extract(before),
            attributes={"enigma.pipeline": pipeline},
            record_exception=False,
            set_status_on_exception=False,
        ):
            yield carried()

    def wrote(self, specialist: str, tokens: int, first_seconds: float, seconds: float) -> None:
        """The span of what a language model wrote, once it has: a generator has no span of its own while it waits."""
        now = time.time_ns()
        span = self._tracer.start_span(
            f"write {specialist}",
            attributes={
                "enigma.specialist": specialist,
                "enigma.tokens": tokens,
                "enigma.first_token_seconds": round(first_seconds, 6),  # with the wait in the queue
                "enigma.run_seconds": round(seconds, 6),
            },
            start_time=now - int(seconds * 1e9),
        )
        span.end(now)

    def close(self) -> None:
        """Send what waits, and end; may take as long as a delivery does."""
        self._provider.shutdown()


def told(span: Span | None, answer: Answer, started: float) -> None:
    """Tell a span how long an answer took, and how long it waited for that."""
    if span is None:
        return
    waited = max(0.0, time.perf_counter() - started - answer.seconds)
    span.set_attribute("enigma.queue_seconds", round(waited, 6))
    span.set_attribute("enigma.run_seconds", round(answer.seconds, 6))
    if answer.together > 1:
        span.set_attribute("enigma.together", answer.together)
    if (unsure := answer.value.get("unsure")) is not None:
        span.set_attribute("enigma.unsure", unsure is True)


def ended(span: Span, status: int) -> None:
    """Tell a request's span how it was answered."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def carried() -> dict[str, str]:
    """The headers that make what is asked now a part of the current trace; none where nothing is traced."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers


def traces_to(collector: str, name: str, id_: str) -> Traces | None:
    """What traces to a collector's URL, None where it is empty; raises `ConfigError`."""
    if not collector:
        return None
    url = urlsplit(collector)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigError("telemetry.traces must be a collector's URL, as in http://127.0.0.1:4318/v1/traces.")
    if why := local_only.refuse_far(url.hostname, f"the collector {url.hostname}"):
        raise ConfigError(why)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise ConfigError(
            "telemetry.traces needs OpenTelemetry: pip install 'enigma[otel]', or leave it empty."
        ) from None
    # A collector that is away is no reason to write pages of a log.
    logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").setLevel(logging.CRITICAL)
    return Traces(OTLPSpanExporter(endpoint=collector, timeout=EXPORT_SECONDS), name, id_)
