"""The same specialist behind MLServer or LitServe: `python peers.py mlserver|litserve FILES PORT`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from edge_runtime.bundle import Manifest
from edge_runtime.engines import ONNX, open_engine
from edge_runtime.tasks import Specialist, task_module


def load(files: Path) -> Specialist:
    """The bundle's specialist over its ONNX model, with one thread, as on the device."""
    manifest = Manifest.from_json((files / "manifest.json").read_bytes())
    model = next(m for m in manifest.models if any(s.runtime == ONNX for s in m.scored_in))
    engine = open_engine(files / model.file, 1, ONNX, model.inputs, model.outputs)
    return task_module(manifest.task).load(manifest, files, engine)


def serve_mlserver(files: Path, port: int) -> None:
    """MLServer in one process (no workers), REST only as far as it allows."""
    from mlserver import MLModel, MLServer, ModelSettings, Settings
    from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

    class Served(MLModel):
        async def load(self) -> bool:
            self.specialist = load(files)
            return True

        async def predict(self, payload: InferenceRequest) -> InferenceResponse:
            raw = payload.inputs[0].data[0]
            answer = self.specialist.run(json.loads(raw))
            text = json.dumps(answer)
            output = ResponseOutput(name="answer", shape=[1], datatype="BYTES", data=[text])
            return InferenceResponse(model_name=self.name, outputs=[output])

    async def run() -> None:
        settings = Settings(
            http_port=port,
            grpc_port=port + 1,
            metrics_port=port + 2,
            parallel_workers=0,
            host="127.0.0.1",
            debug=False,
        )
        server = MLServer(settings)
        await server.start([ModelSettings(name="specialist", implementation=Served)])

    asyncio.run(run())


def serve_litserve(files: Path, port: int) -> None:
    """LitServe with one worker on the CPU."""
    import litserve

    class Served(litserve.LitAPI):
        def setup(self, device: str) -> None:
            self.specialist = load(files)

        def decode_request(self, request: dict[str, object]) -> dict[str, object]:
            return request

        def predict(self, request: dict[str, object]) -> dict[str, object]:
            return self.specialist.run(request)

        def encode_response(self, answer: dict[str, object]) -> dict[str, object]:
            return answer

    server = litserve.LitServer(Served(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=port, generate_client_file=False)


if __name__ == "__main__":
    {"mlserver": serve_mlserver, "litserve": serve_litserve}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
