"""The Open Inference Protocol 2 over HTTP as an OpenAPI document, for one model.

Written down from the protocol's specification of its REST interface (kserve/open-inference-protocol, Apache-2.0):
addresses, required fields and types are its own; what the binary tensor extension adds isn't in it.
"""

from __future__ import annotations

from typing import Any

from edge_runtime.tasks.text import encode
from tests.edge_runtime import tiny

Json = dict[str, Any]


def document(model: str, version: str) -> Json:
    """For a tiny router that serves under this name and version."""
    text = {"type": "string"}
    parameters = {"type": "object"}
    error = _object({"error": text}, "error")
    tensor = {"name": text, "shape": {"type": "array", "items": {"type": "integer"}}, "datatype": text}
    described = {"type": "array", "items": _object(tensor, *tensor)}
    # Nested arrays or one flat one, of numbers, texts or truth values.
    data = {"type": "array", "items": {"anyOf": [{"type": kind} for kind in ("array", "number", "string", "boolean")]}}
    given = {**tensor, "data": data, "parameters": parameters}
    wanted = _object({"name": text, "parameters": parameters}, "name")
    request = _object(
        {
            "id": text,
            "parameters": parameters,
            "inputs": {"type": "array", "items": _object(given, *tensor, "data")},
            "outputs": {"type": "array", "items": wanted},
        },
        "inputs",
    )
    request["example"] = {
        "id": "42",
        "inputs": [
            {
                "name": "tokens",
                "shape": [1, tiny.FEATURES.length],
                "datatype": "INT32",
                "data": encode("play some jazz", tiny.FEATURES).ids[0].tolist(),
            }
        ],
        "outputs": [{"name": "probabilities"}],
    }
    response = _object(
        {
            "model_name": {"const": model},
            "model_version": {"const": version},
            "id": text,
            "parameters": parameters,
            "outputs": {"type": "array", "items": _object(given, *tensor, "data")},
        },
        "model_name",
        "outputs",
    )
    server = _object({"name": text, "version": text, "extensions": {"type": "array", "items": text}}, "name", "version")
    about = _object(
        {
            "name": {"const": model},
            "versions": {"type": "array", "items": text},
            "platform": text,
            "inputs": described,
            "outputs": described,
        },
        "name",
        "platform",
    )
    paths: Json = {
        "/v2": {"get": _operation(server, error)},
        "/v2/health/live": {"get": _operation({}, error)},
        "/v2/health/ready": {"get": _operation({}, error)},
    }
    for where, named in (
        ("/v2/models/{MODEL_NAME}", False),
        ("/v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}", True),
    ):
        fields = [_field("MODEL_NAME", model), *([_field("MODEL_VERSION", version)] if named else [])]
        paths[where] = {"parameters": fields, "get": _operation(about, error)}
        paths[f"{where}/ready"] = {"parameters": fields, "get": _operation({}, error)}
        body = {"required": True, "content": {"application/json": {"schema": request}}}
        paths[f"{where}/infer"] = {"parameters": fields, "post": {**_operation(response, error), "requestBody": body}}
    return {"openapi": "3.1.0", "info": {"title": "Open Inference Protocol", "version": "2"}, "paths": paths}


def _object(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


def _field(name: str, value: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"enum": [value]}}


def _operation(good: Json, error: Json) -> Json:
    def answer(schema: Json) -> Json:
        return {"description": "", "content": {"application/json": {"schema": schema}}}

    return {"responses": {"200": answer(good), "4XX": answer(error)}}
