"""The same specialist behind a bare aiohttp script: `python peer_bare.py FILES PORT RUNTIME`.

What somebody writes in half an hour: no queue, no checks of what comes in, no tokens, no metrics, no updates.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from aiohttp import web
from peer_load import load_both

LENGTH = "Inference-Header-Content-Length"
DTYPES = {"FP32": "float32", "FP64": "float64", "FP16": "float16"}  # others have numpy's own names, in capitals


async def predict(request: web.Request) -> web.Response:
    """JSON in and out."""
    return web.json_response(specialist.run(await request.json()))


async def infer(request: web.Request) -> web.Response:
    """Tensors behind the JSON that describes them, in and out."""
    body, length, inputs = await request.read(), int(request.headers[LENGTH]), {}
    at = length
    for item in json.loads(body[:length])["inputs"]:
        size = item["parameters"]["binary_data_size"]
        dtype = DTYPES.get(item["datatype"], item["datatype"].lower())
        inputs[item["name"]] = np.frombuffer(body[at : at + size], dtype).reshape(item["shape"])
        at += size
    made = engine.run(inputs)
    outputs = [{"name": name, "shape": list(value.shape)} for name, value in made.items()]
    head = json.dumps({"outputs": outputs}).encode()
    answer = head + b"".join(value.tobytes() for value in made.values())
    return web.Response(body=answer, headers={LENGTH: str(len(head))})


async def ready(request: web.Request) -> web.Response:
    """It listens once it has loaded."""
    return web.Response(text="ready")


if __name__ == "__main__":
    specialist, engine = load_both(Path(sys.argv[1]), sys.argv[3])
    app = web.Application()
    app.add_routes([web.post("/predict", predict), web.post("/infer", infer), web.get("/readyz", ready)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=None, print=None)
