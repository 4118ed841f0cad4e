"""The same specialist behind LitServe with one worker: `python peer_litserve.py FILES PORT`."""

# No postponed annotations here: LitServe hands them to pydantic, which must see the types themselves.
import sys
from pathlib import Path

import litserve
from peer_load import load


class Served(litserve.LitAPI):
    """Requests and answers are the task's own JSON."""

    def setup(self, device: str) -> None:
        """Load once, in the worker's process."""
        self.specialist = load(Path(sys.argv[1]))

    def decode_request(self, request: dict[str, object]) -> dict[str, object]:
        """The body as it is."""
        return request

    def predict(self, request: dict[str, object]) -> dict[str, object]:
        """Answer one request."""
        return self.specialist.run(request)

    def encode_response(self, answer: dict[str, object]) -> dict[str, object]:
        """The answer as it is."""
        return answer


if __name__ == "__main__":
    server = litserve.LitServer(Served(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False)
