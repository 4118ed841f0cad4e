"""The HTTP application: every route with what it needs, and every error turned into a sentence."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from edge_runtime.api.access import CALLER, Access, Need, caller
from edge_runtime.api.inference import PATH as INFERENCE_PATH
from edge_runtime.api.inference import InferenceRoutes
from edge_runtime.api.later import Handler, Later
from edge_runtime.api.observe import ObserveRoutes
from edge_runtime.api.once import PATHS as ONCE_PATHS
from edge_runtime.api.once import Once
from edge_runtime.api.run import RunRoutes
from edge_runtime.api.wire import ASKED, OPENAI_PATHS, reply, reply_error
from edge_runtime.device import Device
from edge_runtime.errors import EdgeError, Forbidden, NotFound
from edge_runtime.identity.tls import Shown
from edge_runtime.tracing import ended

_log = logging.getLogger(__name__)
DOCUMENT = "/openapi.json"

# Addresses without a specialist whose handlers look themselves whether a token may that is bound to some: by what the
# request names, or never. All others are closed to it, also those that nobody thought about.
_LOOK_THEMSELVES = frozenset(
    {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/ask",
        "/v1/topics",
        "/v1/pipelines/{pipeline}/picture",
        "/v1/pipelines/{pipeline}/sound",
        "/v1/robot/disarm",
        "/v1/robot/mode",
        "/v1/robot/limit",
        "/v1/robot/orders",
    }
)


def make_app(device: Device, access: Access, shown: Shown | None = None) -> web.Application:
    """The application over a device.

    shown: the certificate that clients see; None where they come without TLS.
    """
    server = device.config.server
    needs: dict[tuple[str, str], Need] = {}
    routes: list[tuple[str, str, Need, Callable[[], str]]] = []
    app = web.Application(
        # One, as each costs every request some time.
        middlewares=[_errors(device, lambda request: _guard(request, access, needs))],
        client_max_size=max(server.max_body_kb, server.max_file_kb) * 1024,
    )
    once = Once(device.state)
    run, inference, observe = RunRoutes(device), InferenceRoutes(device), ObserveRoutes(device, access.still)

    def add(method: str, path: str, need: Need, handler: Handler, says: Callable[[], str] | None = None) -> None:
        needs[method, path] = need
        routes.append((method, path, need, says or (lambda: handler.__doc__ or "")))
        app.router.add_route(method, path, once.around(handler) if method == "POST" and path in ONCE_PATHS else handler)

    def add_later(method: str, path: str, need: Need, found: Later, name: str) -> None:
        add(method, path, need, found.handler(name), lambda: found.says(name))

    async def describe(request: web.Request) -> web.Response:
        """This document."""
        from edge_runtime.api import openapi  # only who asks for the document pays for it

        known = [
            openapi.Route(method, path, need, says().strip().partition("\n")[0]) for method, path, need, says in routes
        ]
        return reply(openapi.document(device, known))

    openai, audio = Later("openai", "OpenAIRoutes", device), Later("openai_audio", "AudioRoutes", device)
    embeddings = Later("openai_embeddings", "EmbeddingRoutes", device)
    listen = Later("listen", "ListenRoutes", device, access.still)
    manage = Later("manage", "ManageRoutes", device, shown)
    steer = Later("steer", "SteerRoutes", device)
    robot = Later("robot", "RobotRoutes", device, access.still)
    documents = Later("documents", "DocumentRoutes", device)
    pipelines, updates = Later("pipelines", "PipelineRoutes", device), Later("updates", "UpdateRoutes", device)

    add("GET", DOCUMENT, Need.LOOK, describe)
    add("GET", "/healthz", Need.NOTHING, observe.health)
    add("GET", "/readyz", Need.LOOK, observe.ready)
    add("GET", "/metrics", Need.LOOK, observe.metrics)
    add("GET", "/v1/models", Need.LOOK, run.models)
    add_later("GET", "/v1/models/{specialist}", Need.LOOK, openai, "model")
    add_later("POST", "/v1/chat/completions", Need.ASK, openai, "chat")
    add_later("POST", "/v1/completions", Need.ASK, openai, "complete")
    add_later("POST", "/v1/embeddings", Need.ASK, embeddings, "embed")
    add_later("POST", "/v1/audio/speech", Need.ASK, audio, "speech")
    add_later("POST", "/v1/audio/transcriptions", Need.ASK, audio, "transcribe")
    add("POST", "/v1/run/{specialist}", Need.ASK, run.run)
    add_later("POST", "/v1/listen/{specialist}", Need.ASK, listen, "listen")
    add("POST", "/v1/ask", Need.ASK, run.ask)
    add("GET", "/v2", Need.LOOK, inference.server)
    add("GET", "/v2/health/live", Need.NOTHING, inference.live)
    add("GET", "/v2/health/ready", Need.LOOK, inference.ready)
    for model in ("/v2/models/{specialist}", "/v2/models/{specialist}/versions/{version}"):
        add("POST", f"{model}/infer", Need.ASK, inference.infer)  # first, as addresses are tried in this order
        add("GET", model, Need.LOOK, inference.model)
        add("GET", f"{model}/ready", Need.LOOK, inference.model_ready)
    add("GET", "/v1/status", Need.VIEW, observe.status)
    add("GET", "/v1/requests", Need.OWN, observe.requests)
    add("GET", "/v1/unsure/{specialist}", Need.OWN, observe.unsure)
    add("DELETE", "/v1/unsure/{specialist}", Need.OWN, observe.forget_unsure)
    add("GET", "/v1/events", Need.VIEW, observe.events)
    add_later("POST", "/v1/pair", Need.NOTHING, manage, "pair")
    add_later("POST", "/v1/pair/finish", Need.NOTHING, manage, "finish_pairing")
    add_later("GET", "/v1/tokens", Need.OWN, manage, "tokens")
    add_later("POST", "/v1/tokens", Need.OWN, manage, "add_token")
    add_later("DELETE", "/v1/tokens/{id}", Need.OWN, manage, "remove_token")
    add_later("GET", "/v1/certificate", Need.VIEW, manage, "certificate")
    add_later("POST", "/v1/certificate", Need.OWN, manage, "renew_certificate")
    add_later("POST", "/v1/bundles", Need.RELEASE, manage, "install")
    add_later("GET", "/v1/plan", Need.VIEW, manage, "plan")
    add_later("PUT", "/v1/plan", Need.RELEASE, manage, "set_plan")
    add_later("GET", "/v1/documents", Need.OWN, documents, "all")
    add_later("PUT", "/v1/documents/{document}", Need.OWN, documents, "put")
    add_later("DELETE", "/v1/documents/{document}", Need.OWN, documents, "remove")
    add_later("POST", "/v1/documents/search", Need.ASK, documents, "search")
    add_later("POST", "/v1/documents/ask", Need.ASK, documents, "ask")
    add_later("GET", "/v1/pipelines", Need.VIEW, pipelines, "all")
    add_later("GET", "/v1/pipelines/{pipeline}/picture", Need.ACT, pipelines, "picture")
    add_later("GET", "/v1/pipelines/{pipeline}/sound", Need.ACT, pipelines, "sound")
    add_later("POST", "/v1/pipelines/{pipeline}/start", Need.RELEASE, pipelines, "start")
    add_later("POST", "/v1/pipelines/{pipeline}/stop", Need.RELEASE, pipelines, "stop")
    add_later("POST", "/v1/topics", Need.ASK, pipelines, "publish")
    add_later("GET", "/v1/robot", Need.VIEW, robot, "about")
    add_later("GET", "/v1/robot/watch", Need.VIEW, robot, "watch")
    add_later("GET", "/v1/robot/map", Need.VIEW, robot, "map")
    add_later("POST", "/v1/robot/stop", Need.STOP, robot, "stop")
    add_later("POST", "/v1/robot/release", Need.RELEASE, robot, "release")
    add_later("POST", "/v1/robot/clear", Need.RELEASE, robot, "clear")
    add_later("POST", "/v1/robot/arm", Need.OWN, robot, "arm")
    add_later("POST", "/v1/robot/disarm", Need.ACT, robot, "disarm")
    add_later("POST", "/v1/robot/mode", Need.ACT, robot, "mode")
    add_later("POST", "/v1/robot/limit", Need.ACT, robot, "limit")
    add_later("POST", "/v1/robot/orders", Need.ACT, robot, "orders")
    add_later("PUT", "/v1/robot/drawn", Need.RELEASE, robot, "draw")
    add_later("GET", "/v1/updates", Need.VIEW, updates, "report")
    add_later("GET", "/v1/updates/journal", Need.VIEW, updates, "journal")
    add_later("POST", "/v1/updates/check", Need.RELEASE, updates, "check")
    add_later("POST", "/v1/updates/apply", Need.OWN, updates, "apply")
    add_later("PUT", "/v1/updates/source", Need.OWN, updates, "follow")
    add_later("DELETE", "/v1/updates/source", Need.OWN, updates, "forget")
    add_later("GET", "/v1/versions", Need.VIEW, steer, "versions")
    add_later("POST", "/v1/switch/{specialist}", Need.RELEASE, steer, "switch")
    add_later("GET", "/v1/samples/{specialist}", Need.ASK, steer, "samples")
    add_later("GET", "/v1/log", Need.OWN, steer, "log")
    add_later("POST", "/v1/restart", Need.OWN, steer, "restart")
    add_later("POST", "/v1/rollback/{specialist}", Need.RELEASE, manage, "roll_back")
    add_later("POST", "/v1/remove/{specialist}", Need.RELEASE, manage, "remove")
    return app


def _guard(request: web.Request, access: Access, needs: Mapping[tuple[str, str], Need]) -> None:
    """Raise unless whoever asks may. A route that `needs` doesn't know is open to nobody."""
    match = request.match_info
    if match.http_exception is not None:
        return
    resource = match.route.resource
    path = "" if resource is None else resource.canonical
    need = needs.get((request.method, path))
    if need is None:
        raise Forbidden("This address is open to nobody.")
    access.check(request, need)
    if need not in (Need.ASK, Need.ACT):
        return
    if "specialist" in match:
        caller(request).may_use(match["specialist"])
    elif path not in _LOOK_THEMSELVES and (grant := caller(request).grant) is not None and grant.only:
        raise Forbidden(f"This token is good for {', '.join(grant.only)} and no more.")


def _errors(
    device: Device, guard: Callable[[web.Request], None] = lambda request: None
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Lets the guard look before any handler runs, makes a sentence of every error, and counts."""

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
            guard(request)
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
    if request.path.startswith(OPENAI_PATHS):
        from edge_runtime.api.openai_wire import error_json

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
