"""`--init OWNER/NAME`: a model of a hub, from a small hub on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from edge_runtime.language.template import CHATML
from tests.trainer_host.learnt import learnt
from trainer_host.errors import DataError
from trainer_host.students.language.files import load_start
from trainer_host.students.language.hf_folder import write_folder

constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is in the extra 'hub'")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """What a hub answers about one model: the list of its files, and each of them."""

    files: dict[str, bytes]
    got: list[str]
    told: bool  # whether it says in a header what it refuses, as a hub does and a proxy before it doesn't

    def do_GET(self, body: bool = True) -> None:
        path = self.path.split("?")[0]
        name = path.rpartition("/")[2]
        if path.startswith("/api/models/me/cat/revision/"):
            listed = {"id": "me/cat", "sha": COMMIT, "siblings": [{"rfilename": each} for each in self.files]}
            content, status = json.dumps(listed).encode(), 200
        elif path.startswith("/api/models/me/cat/tree/"):
            tree = [
                {"type": "file", "path": each, "size": len(held), "oid": hashlib.sha1(held).hexdigest()}
                for each, held in self.files.items()
            ]
            content, status = json.dumps(tree).encode(), 200
        elif path.startswith("/me/cat/resolve/") and name in self.files:
            content, status = self.files[name], 200
            if body:
                self.got.append(name)
        else:
            content, status = b'{"error": "Repository not found"}', 404
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404 and self.told:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    made = learnt()
    write_folder(tmp_path / "out", made.state, made.config, made.tokenizer, CHATML, licence="MIT")
    Hub.files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} | {"evil.bin": b"a pickle"}
    Hub.got, Hub.told = [], True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    files = address + "/{repo_id}/resolve/{revision}/{filename}"  # made of the former when the library is imported
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield Hub
    server.shutdown()
    server.server_close()


def test_a_model_of_a_hub_starts_as_its_folder_does_and_no_pickle_is_taken(there: type[Hub], tmp_path: Path) -> None:
    folder, start = load_start(str(tmp_path / "out")), load_start("me/cat")
    assert (start.config, start.template, start.licence, start.sha256) == (
        folder.config,
        CHATML,
        "mit",
        folder.sha256,
    )
    assert all(torch.equal(folder.state[name], start.state[name]) for name in folder.state)
    assert "model.safetensors" in there.got and "evil.bin" not in there.got


@pytest.mark.parametrize("told", [True, False])
def test_a_model_that_the_hub_does_not_have_is_one_sentence(there: type[Hub], told: bool) -> None:
    there.told = told
    with pytest.raises(DataError, match=r"The hub refused 'me/dog' \(status 404\)") as caught:
        load_start("me/dog")
    assert "\n" not in str(caught.value)
