"""The HTTP application: every route with what it needs, and every error turned into a sentence."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from edge_runtime.api import openapi
from edge_runtime.api.access import CALLER, Access, Need, caller
from edge_runtime.api.inference import PATH as INFERENCE_PATH
from edge_runtime.api.inference import InferenceRoutes
from edge_runtime.api.listen import ListenRoutes
from edge_runtime.api.manage import ManageRoutes
from edge_runtime.api.observe import ObserveRoutes
from edge_runtime.api.openai import PATHS, OpenAIRoutes
from edge_runtime.api.openai_audio import SPEECH, TRANSCRIPTIONS, AudioRoutes
from edge_runtime.api.openai_embeddings import PATH as EMBEDDINGS
from edge_runtime.api.openai_embeddings import EmbeddingRoutes
from edge_runtime.api.openai_wire import error_json
from edge_runtime.api.pipelines import PipelineRoutes
from edge_runtime.api.run import RunRoutes
from edge_runtime.api.updates import UpdateRoutes
from edge_runtime.api.wire import ASKED, reply, reply_error
from edge_runtime.device import Device
from edge_runtime.errors import EdgeError, Forbidden, NotFound
from edge_runtime.identity.tls import Shown
from edge_runtime.tracing import ended

_log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(device: Device, access: Access, shown: Shown | None = None) -> web.Application:
    """The application over a device.

    shown: the certificate that clients see; None where they come without TLS.
    """
    server = device.config.server
    needs: dict[tuple[str, str], Need] = {}
    routes: list[openapi.Route] = []
    app = web.Application(
        middlewares=[_errors(device), _guarded(access, needs)],
        client_max_size=max(server.max_body_kb, server.max_file_kb) * 1024,
    )
    run, manage = RunRoutes(device), ManageRoutes(device, shown)
    observe = ObserveRoutes(device, access.still)
    openai, inference, audio = OpenAIRoutes(device), InferenceRoutes(device), AudioRoutes(device)

    def add(method: str, path: str, need: Need, handler: Handler) -> None:
        needs[method, path] = need
        routes.append(openapi.Route(method, path, need, (handler.__doc__ or "").strip().partition("\n")[0]))
        app.router.add_route(method, path, handler)

    async def describe(request: web.Request) -> web.Response:
        """This document."""
        return reply(openapi.document(device, routes))

    add("GET", openapi.PATH, Need.LOOK, describe)
    add("GET", "/healthz", Need.NOTHING, observe.health)
    add("GET", "/readyz", Need.LOOK, observe.ready)
    add("GET", "/metrics", Need.LOOK, observe.metrics)
    add("GET", "/v1/models", Need.LOOK, run.models)
    add("GET", "/v1/models/{specialist}", Need.LOOK, openai.model)
    add("POST", "/v1/chat/completions", Need.ASK, openai.chat)
    add("POST", "/v1/completions", Need.ASK, openai.complete)
    add("POST", EMBEDDINGS, Need.ASK, EmbeddingRoutes(device).embed)
    add("POST", SPEECH, Need.ASK, audio.speech)
    add("POST", TRANSCRIPTIONS, Need.ASK, audio.transcribe)
    add("POST", "/v1/run/{specialist}", Need.ASK, run.run)
    add("POST", "/v1/listen/{specialist}", Need.ASK, ListenRoutes(device, access.still).listen)
    add("POST", "/v1/ask", Need.ASK, run.ask)
    add("GET", "/v2", Need.LOOK, inference.server)
    add("GET", "/v2/health/live", Need.NOTHING, inference.live)
    add("GET", "/v2/health/ready", Need.LOOK, inference.ready)
    for model in ("/v2/models/{specialist}", "/v2/models/{specialist}/versions/{version}"):
        add("GET", model, Need.LOOK, inference.model)
        add("GET", f"{model}/ready", Need.LOOK, inference.model_ready)
        add("POST", f"{model}/infer", Need.ASK, inference.infer)
    add("GET", "/v1/status", Need.VIEW, observe.status)
    add("GET", "/v1/requests", Need.OWN, observe.requests)
    add("GET", "/v1/unsure/{specialist}", Need.OWN, observe.unsure)
    add("DELETE", "/v1/unsure/{specialist}", Need.OWN, observe.forget_unsure)
    add("GET", "/v1/events", Need.VIEW, observe.events)
    add("POST", "/v1/pair", Need.NOTHING, manage.pair)
    add("POST", "/v1/pair/finish", Need.NOTHING, manage.finish_pairing)
    add("GET", "/v1/tokens", Need.OWN, manage.tokens)
    add("POST", "/v1/tokens", Need.OWN, manage.add_token)
    add("DELETE", "/v1/tokens/{id}", Need.OWN, manage.remove_token)
    add("GET", "/v1/certificate", Need.VIEW, manage.certificate)
    add("POST", "/v1/certificate", Need.OWN, manage.renew_certificate)
    add("POST", "/v1/bundles", Need.RELEASE, manage.install)
    add("GET", "/v1/plan", Need.VIEW, manage.plan)
    add("PUT", "/v1/plan", Need.RELEASE, manage.set_plan)
    pipelines = PipelineRoutes(device)
    add("GET", "/v1/pipelines", Need.VIEW, pipelines.all)
    add("POST", "/v1/pipelines/{pipeline}/start", Need.RELEASE, pipelines.start)
    add("POST", "/v1/pipelines/{pipeline}/stop", Need.RELEASE, pipelines.stop)
    add("POST", "/v1/topics", Need.ASK, pipelines.publish)
    updates = UpdateRoutes(device)
    add("GET", "/v1/updates", Need.VIEW, updates.report)
    add("GET", "/v1/updates/journal", Need.VIEW, updates.journal)
    add("POST", "/v1/updates/check", Need.RELEASE, updates.check)
    add("POST", "/v1/updates/apply", Need.OWN, updates.apply)
    add("PUT", "/v1/updates/source", Need.OWN, updates.follow)
    add("DELETE", "/v1/updates/source", Need.OWN, updates.forget)
    add("POST", "/v1/rollback/{specialist}", Need.RELEASE, manage.roll_back)
    add("POST", "/v1/remove/{specialist}", Need.RELEASE, manage.remove)
    return app


def _guarded(access: Access, needs: Mapping[tuple[str, str], Need]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Checks who asks before any handler runs. A route that `needs` doesn't know is open to nobody."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        match = request.match_info
        if match.http_exception is None:
            resource = match.route.resource
            need = needs.get((request.method, "" if resource is None else resource.canonical))
            if need is None:
                raise Forbidden("This address is open to nobody.")
            access.check(request, need)
            if need is Need.ASK and "specialist" in match:
                caller(request).may_use(match["specialist"])
        return await handler(request)

    return middleware


def _errors(device: Device) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if device.traces is not None:
            resource = request.match_info.route.resource
            route = "" if resource is None else resource.canonical
            with device.traces.request(request.method, route, request.headers) as span:
                response = await answered(request, handler)
                ended(span, response.status)
            return response
        return await answered(request, handler)

    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        try:
            response = await handler(request)
        except EdgeError as error:
            response = _reply_error(error, request)
        except web.HTTPException as error:
            response = _reply_error(_ours(error, request), request)
        except ConnectionError:
            raise  # the client went away: aiohttp ends the connection, there is nobody to answer
        except Exception:
            # Nothing that a client sends may stop the daemon or show it a trace.
            _log.exception("%s %s failed", request.method, request.path)
            response = _reply_error(EdgeError("The device failed on this request; its log says why."), request)
        device.metrics.count("enigma_http_responses_total", status=str(response.status))
        who = request.get(CALLER)
        device.recent.add(
            request.method,
            request.path,
            who.id if who is not None else "",
            response.status,
            time.perf_counter() - began,
            request.get(ASKED),
        )
        return response

    return middleware


def _reply_error(error: EdgeError, request: web.Request) -> web.Response:
    """Clients of other protocols get their shape of an error."""
    if request.path.startswith(PATHS):
        return reply_error(error, error_json(error))
    if request.path.startswith(INFERENCE_PATH):
        return reply_error(error, {"error": str(error)})
    return reply_error(error)


def _ours(error: web.HTTPException, request: web.Request) -> EdgeError:
    if isinstance(error, web.HTTPNotFound):
        return NotFound("There is nothing at this address; docs/device-api.md lists what there is.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        made = EdgeError(f"This address takes {allowed}, not {request.method[:16]}.")
        made.code = "method_not_allowed"
    else:
        made = EdgeError(f"{error.reason}.")
    made.status = error.status
    return made
