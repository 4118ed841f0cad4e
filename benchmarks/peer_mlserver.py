"""The same specialist behind MLServer, in one process: `python peer_mlserver.py FILES PORT`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from peer_load import load


class Served(MLModel):
    """Requests and answers travel as JSON in a BYTES tensor."""

    async def load(self) -> bool:
        """Load once."""
        self.specialist = load(Path(sys.argv[1]))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request."""
        text = json.dumps(self.specialist.run(json.loads(payload.inputs[0].data[0])))
        output = ResponseOutput(name="answer", shape=[1], datatype="BYTES", data=[text])
        return InferenceResponse(model_name=self.name, outputs=[output])


async def main() -> None:
    """Serve until told to stop."""
    port = int(sys.argv[2])
    settings = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=port + 1,
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
    )
    await MLServer(settings).start([ModelSettings(name="specialist", implementation=Served)])


if __name__ == "__main__":
    asyncio.run(main())
