"""The HTTP application: every route with what it needs, and every error turned into a sentence."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from edge_runtime.api.access import Access, Need
from edge_runtime.api.inference import PATH as INFERENCE_PATH
from edge_runtime.api.inference import InferenceRoutes
from edge_runtime.api.listen import ListenRoutes
from edge_runtime.api.manage import ManageRoutes
from edge_runtime.api.observe import ObserveRoutes
from edge_runtime.api.openai import PATHS, OpenAIRoutes
from edge_runtime.api.openai_wire import error_json
from edge_runtime.api.run import RunRoutes
from edge_runtime.api.wire import reply_error
from edge_runtime.device import Device
from edge_runtime.errors import EdgeError, NotFound

_log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(device: Device, access: Access) -> web.Application:
    """The application over a device."""
    server = device.config.server
    app = web.Application(
        middlewares=[_errors(device)], client_max_size=max(server.max_body_kb, server.max_file_kb) * 1024
    )
    run, manage, observe = RunRoutes(device), ManageRoutes(device), ObserveRoutes(device)
    openai, inference = OpenAIRoutes(device), InferenceRoutes(device)

    def add(method: str, path: str, need: Need, handler: Handler) -> None:
        async def guarded(request: web.Request) -> web.StreamResponse:
            access.check(request, need)
            return await handler(request)

        app.router.add_route(method, path, guarded)

    add("GET", "/healthz", Need.NOTHING, observe.health)
    add("GET", "/readyz", Need.LOCAL_OR_TOKEN, observe.ready)
    add("GET", "/metrics", Need.LOCAL_OR_TOKEN, observe.metrics)
    add("GET", "/v1/models", Need.LOCAL_OR_TOKEN, run.models)
    add("GET", "/v1/models/{specialist}", Need.LOCAL_OR_TOKEN, openai.model)
    add("POST", "/v1/chat/completions", Need.LOCAL_OR_TOKEN, openai.chat)
    add("POST", "/v1/completions", Need.LOCAL_OR_TOKEN, openai.complete)
    add("POST", "/v1/run/{specialist}", Need.LOCAL_OR_TOKEN, run.run)
    add("POST", "/v1/listen/{specialist}", Need.LOCAL_OR_TOKEN, ListenRoutes(device).listen)
    add("POST", "/v1/ask", Need.LOCAL_OR_TOKEN, run.ask)
    add("GET", "/v2", Need.LOCAL_OR_TOKEN, inference.server)
    add("GET", "/v2/health/live", Need.NOTHING, inference.live)
    add("GET", "/v2/health/ready", Need.LOCAL_OR_TOKEN, inference.ready)
    for model in ("/v2/models/{specialist}", "/v2/models/{specialist}/versions/{version}"):
        add("GET", model, Need.LOCAL_OR_TOKEN, inference.model)
        add("GET", f"{model}/ready", Need.LOCAL_OR_TOKEN, inference.model_ready)
        add("POST", f"{model}/infer", Need.LOCAL_OR_TOKEN, inference.infer)
    add("GET", "/v1/status", Need.TOKEN, observe.status)
    add("GET", "/v1/events", Need.TOKEN, observe.events)
    add("POST", "/v1/pair", Need.NOTHING, manage.pair)
    add("POST", "/v1/bundles", Need.HOST, manage.install)
    add("POST", "/v1/rollback/{specialist}", Need.HOST, manage.roll_back)
    add("POST", "/v1/remove/{specialist}", Need.HOST, manage.remove)
    return app


def _errors(device: Device) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
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
