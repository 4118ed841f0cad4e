"""The device's HTTP API as an OpenAPI 3.1 document, made from its routes and from the bundles that it serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from edge_runtime import __version__
from edge_runtime.api.access import Need
from edge_runtime.api.once import HEADER as ONCE_HEADER
from edge_runtime.api.once import PATHS as ONCE_PATHS
from edge_runtime.api.wire import OPENAI_PATHS

if TYPE_CHECKING:
    from edge_runtime.device import Device

Json = dict[str, object]
_ANY: Json = {"type": "object"}
_ERROR: Json = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            "required": ["code", "message"],
        }
    },
    "required": ["error"],
}
_PROTOCOL_ERROR: Json = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_OPENAI_ERROR: Json = {
    "type": "object",
    "properties": {
        "error": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
    },
    "required": ["error"],
}
_TEXTS: Json = {"type": "array", "items": {"type": "string"}}
_PAIR: Json = {"type": "object", "properties": {"share": {"type": "string"}}, "required": ["share"]}
_FINISH: Json = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("session", "confirm", "sealed")},
    "required": ["session", "confirm", "sealed"],
}
_TOKEN: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 64},
        "scope": {"enum": ["viewer", "operator", "releaser", "owner"]},
        "only": _TEXTS,
        "per_minute": {"type": "integer", "minimum": 0},
        "days": {"type": "number", "minimum": 0},
    },
    "required": ["name", "scope"],
}
_CHAT: Json = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "messages": {"type": "array", "items": _ANY},
        "stream": {"type": "boolean"},
    },
    "required": ["model", "messages"],
}
_COMPLETION: Json = {
    "type": "object",
    "properties": {"model": {"type": "string"}, "prompt": {"type": "string"}, "stream": {"type": "boolean"}},
    "required": ["model", "prompt"],
}
_EMBEDDINGS: Json = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "input": {"anyOf": [{"type": "string"}, _TEXTS]},
        "encoding_format": {"enum": ["float", "base64"]},
    },
    "required": ["model", "input"],
}
_SPEECH: Json = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "input": {"type": "string"},
        "voice": {"type": "string"},
        "instructions": {"type": "string"},
        "response_format": {"enum": ["wav", "pcm"]},
    },
    "required": ["model", "input"],
}
_INFER: Json = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "inputs": {"type": "array", "items": _ANY}, "outputs": {"type": "array"}},
    "required": ["inputs"],
}
_TOPIC: Json = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "maxLength": 128},
        "value": _ANY,
        "captured": {"type": "number", "description": "seconds since 1970"},
    },
    "required": ["topic", "value"],
    "additionalProperties": False,
}
_APPLY: Json = {"type": "object", "properties": {"folder": {"type": "string"}}, "required": ["folder"]}
_SWITCH: Json = {"type": "object", "properties": {"bundle": {"type": "string"}}, "required": ["bundle"]}
_RESTART: Json = {"type": "object", "properties": {"what": {"enum": ["daemon", "machine"]}}}
_SOURCE: Json = {
    "type": "object",
    "properties": {
        "root": {"type": "string", "contentEncoding": "base64"},
        "urls": {**_TEXTS, "minItems": 1, "maxItems": 8},
        "direct_push": {"type": "boolean"},
    },
    "required": ["root", "urls"],
}
_CALLS: Json = {
    "type": "object",
    "properties": {"calls": {"type": "array", "items": _ANY, "minItems": 1, "maxItems": 32}},
    "required": ["calls"],
    "additionalProperties": False,
}
_MODE: Json = {
    "type": "object",
    "properties": {"event": {"enum": ["take", "assist", "automate", "dock", "undock"]}},
    "required": ["event"],
    "additionalProperties": False,
}
_SPEED: Json = {
    "type": "object",
    "properties": {"speed": {"type": "number", "description": "m/s"}},
    "required": ["speed"],
    "additionalProperties": False,
}
_MINUTES: Json = {
    "type": "object",
    "properties": {"minutes": {"type": "number", "exclusiveMinimum": 0, "maximum": 480}},
    "required": ["minutes"],
    "additionalProperties": False,
}
_DRAWN: Json = {
    "type": "object",
    "properties": {
        "revision": {"type": "integer", "minimum": 0},
        "zones": {"type": "array", "items": _ANY},
        "places": {"type": "array", "items": _ANY},
    },
    "required": ["revision"],
    "additionalProperties": False,
}
# What a body must be, by method and path; a route that isn't here and takes one takes any object.
_BODIES: Mapping[tuple[str, str], Json] = {
    ("POST", "/v1/pair"): _PAIR,
    ("POST", "/v1/pair/finish"): _FINISH,
    ("POST", "/v1/tokens"): _TOKEN,
    ("POST", "/v1/topics"): _TOPIC,
    ("POST", "/v1/updates/apply"): _APPLY,
    ("POST", "/v1/switch/{specialist}"): _SWITCH,
    ("POST", "/v1/restart"): _RESTART,
    ("PUT", "/v1/updates/source"): _SOURCE,
    ("POST", "/v1/chat/completions"): _CHAT,
    ("POST", "/v1/completions"): _COMPLETION,
    ("POST", "/v1/embeddings"): _EMBEDDINGS,
    ("POST", "/v1/audio/speech"): _SPEECH,
    ("POST", "/v1/robot/orders"): _CALLS,
    ("POST", "/v1/robot/arm"): _MINUTES,
    ("POST", "/v1/robot/mode"): _MODE,
    ("POST", "/v1/robot/limit"): _SPEED,
    ("PUT", "/v1/robot/drawn"): _DRAWN,
}
_NO_BODY = (
    "/v1/rollback/{specialist}",
    "/v1/remove/{specialist}",
    "/v1/certificate",
    "/v1/audio/transcriptions",
    "/v1/pipelines/{pipeline}/start",
    "/v1/pipelines/{pipeline}/stop",
    "/v1/updates/check",
    "/v1/robot/stop",
    "/v1/robot/release",
    "/v1/robot/clear",
    "/v1/robot/disarm",
)
_OCTETS: Mapping[str, str] = {"/v1/bundles": "application/octet-stream", "/v1/listen/{specialist}": "audio/pcm"}
_ANSWERS: Mapping[str, str] = {"/metrics": "text/plain", "/v1/listen/{specialist}": "application/x-ndjson"}
_ERRORS = ("400", "401", "403", "404", "406", "409", "413", "422", "429", "500", "501", "503", "504", "507")


@dataclass(frozen=True)
class Route:
    """One address. says: what it does, in a sentence."""

    method: str
    path: str
    need: Need
    says: str


def document(device: Device, routes: Iterable[Route]) -> Json:
    """The document; `/v1/run/{specialist}` stands once for each specialist that serves, with its own schemas."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    for name in device.serving.names():
        manifest = device.serving.current(name).loaded.manifest
        run = Route("POST", f"/v1/run/{name}", Need.ASK, f"Ask '{name}' ({manifest.task} {manifest.version}).")
        operation = _operation(run)
        operation["requestBody"] = _body({"application/json": manifest.io["request"]})
        operation["responses"] = {**_responses(run), "200": _answer("application/json", manifest.io["response"])}
        paths[run.path] = {"post": operation}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Specialists of {device.config.device.label}",
            "version": __version__,
            "description": "See docs/device-api.md. On the device itself most addresses need no token.",
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    }


def _operation(route: Route) -> dict[str, object]:
    made: dict[str, object] = {"summary": route.says, "responses": _responses(route)}
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    if names:
        made["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if route.method == "POST" and route.path in ONCE_PATHS:
        key: Json = {
            "name": ONCE_HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "maxLength": 64},
        }
        made["parameters"] = [*cast("list[object]", made.get("parameters", [])), key]
    if route.need is not Need.NOTHING:
        made["security"] = [{"token": []}, {}] if route.need.open_on_loopback else [{"token": []}]
        made["description"] = f"Needs the scope `{route.need.scope}`."
    if (route.method == "POST" and route.path not in _NO_BODY) or (route.method, route.path) in _BODIES:
        kind = _OCTETS.get(route.path)
        if kind is not None:
            made["requestBody"] = _body({kind: {"type": "string", "format": "binary"}})
        elif route.path.endswith("/infer"):
            made["requestBody"] = _body({"application/json": _INFER})
        else:
            made["requestBody"] = _body({"application/json": _BODIES.get((route.method, route.path), _ANY)})
    return made


def _responses(route: Route) -> dict[str, object]:
    error = _ERROR
    if route.path.startswith("/v2"):
        error = _PROTOCOL_ERROR
    elif route.path.startswith(OPENAI_PATHS):
        error = _OPENAI_ERROR
    if route.path in ("/v1/events", "/v1/robot/watch"):
        good: dict[str, object] = {"101": {"description": "What happens, over a WebSocket."}}
    elif route.path == "/v1/pipelines/{pipeline}/picture":
        picture = _answer("image/jpeg", {"type": "string", "format": "binary"})
        good = {"200": picture, "304": {"description": "It is the same still."}}
    elif route.path == "/v1/pipelines/{pipeline}/sound":
        good = {"200": _answer("audio/wav", {"type": "string", "format": "binary"})}
    elif route.path == "/v1/robot/map":
        good = {"200": _answer("image/png", {"type": "string", "format": "binary"})}
    elif route.path in ("/v1/chat/completions", "/v1/completions"):
        content = {"application/json": {"schema": _ANY}, "text/event-stream": {"schema": {"type": "string"}}}
        good = {"200": {"description": "The answer.", "content": content}}
    elif route.path == "/v1/audio/speech":
        sound: Json = {"schema": {"type": "string", "format": "binary"}}
        good = {"200": {"description": "The sound.", "content": {"audio/wav": sound, "audio/pcm": sound}}}
    elif route.path in _ANSWERS:
        good = {"200": _answer(_ANSWERS[route.path], {"type": "string"})}
    else:
        good = {"200": _answer("application/json", _ANY)}
    refused = {"description": "What is wrong, in one sentence.", "content": {"application/json": {"schema": error}}}
    unready = {"503": {"description": "Not ready.", "content": {"application/json": {"schema": _ANY}}}}
    more = unready if route.path == "/v2/health/ready" else {}
    return {**good, **dict.fromkeys(_ERRORS, refused), **more}


def _answer(kind: str, schema: object) -> Json:
    return {"description": "The answer.", "content": {kind: {"schema": schema}}}


def _body(content: Mapping[str, object]) -> Json:
    return {"required": True, "content": {kind: {"schema": schema} for kind, schema in content.items()}}
