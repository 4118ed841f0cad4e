"""A run leaves as a folder or a .gguf file, and goes to a hub that is a real HTTP server here."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from edge_runtime.language.template import CHATML
from tests.trainer_host.learnt import learnt
from trainer_host.commands import device_options, language_export
from trainer_host.commands.options import command
from trainer_host.errors import DataError, ExportError, KeysError
from trainer_host.export.hub import plan_upload, upload
from trainer_host.export.language_run import LanguageRun, export_language, read_language_run
from trainer_host.students.language.files import load_start
from trainer_host.training.weights import save_weights

SECRET = "hf_plantedKeyThatNobodyMaySee"


def run_folder(folder: Path, task: str = "chat", tasks: tuple[str, ...] = ("chat",)) -> Path:
    """What a language student leaves."""
    made = learnt()
    folder.mkdir(parents=True)
    save_weights(folder, made.model)
    (folder / "tokenizer.json").write_text(made.tokenizer, "utf-8")
    (folder / "template.json").write_text(json.dumps(CHATML.to_json()), "utf-8")
    card = {"format": 1, "model": made.config.to_json(), "tasks": list(tasks)}
    (folder / "config.json").write_text(json.dumps(card), "utf-8")
    (folder / "run.json").write_text(json.dumps({"task": task}), "utf-8")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> LanguageRun:
    """A run of the task chat."""
    return read_language_run(run_folder(tmp_path / "run"))


class Hub(ThreadingHTTPServer):
    """Keeps what it gets as a hub does: small files in the commit, large ones put beside it before (git-lfs' batch API)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.made: dict[str, object] = {}
        self.objects: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.keys: set[str | None] = set()
        self.refuse = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _say(self, content: object, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self) -> None:
        self.server.objects[self.path.rsplit("/", 1)[-1]] = self._body()
        self._say({})

    def do_GET(self) -> None:
        if self.server.refuse:
            return self._say({"error": "no"}, self.server.refuse)
        self._say({"id": "me/cat", "sha": "0" * 40, "siblings": [], "tags": [], "private": True})

    def do_POST(self) -> None:
        hub, body = self.server, self._body()
        hub.keys.add(self.headers.get("authorization"))
        if hub.refuse:
            self._say({"error": "no"}, hub.refuse)
        elif self.path == "/api/repos/create":
            hub.made = json.loads(body)
            self._say({"url": f"{hub.address}/me/cat", "name": "me/cat"})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": n, "uploadMode": "lfs" if n.endswith("tensors") else "regular"} for n in names]
            self._say({"files": [{**mode, "shouldIgnore": False} for mode in modes]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            asked = json.loads(body)["objects"]
            where = {o["oid"]: {"upload": {"href": f"{hub.address}/put/{o['oid']}"}} for o in asked}
            self._say({"transfer": "basic", "objects": [{**o, "actions": where[o["oid"]]} for o in asked]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "lfsFile":
                    hub.files[line["value"]["path"]] = hub.objects[line["value"]["oid"]]
            self._say({"success": True, "commitOid": "0" * 40, "commitUrl": f"{hub.address}/me/cat/commit/0"})
        else:
            self._say({"warnings": [], "errors": []})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on loopback; its large files go by git-lfs, as its newer protocol wants a service of its own."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="uploads go through huggingface_hub")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    made = Hub()
    monkeypatch.setenv("HF_ENDPOINT", made.address)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize(("form", "precision"), [("hf", None), ("hf", "bf16"), ("gguf", None), ("gguf", "q4_0")])
def test_a_run_leaves_and_can_be_started_from(
    run: LanguageRun, tmp_path: Path, form: str, precision: str | None
) -> None:
    to = tmp_path / ("out.gguf" if form == "gguf" else "out")
    export_language(run, to, form, precision, licence="MIT")
    start = load_start(str(to))
    assert start.config == run.config
    assert start.template == CHATML
    assert start.licence.lower() == "mit"
    assert torch.allclose(start.state["norm.weight"], run.state["norm.weight"], atol=0.01)


def test_a_combo_must_say_which_task_is_meant(tmp_path: Path) -> None:
    combo = read_language_run(run_folder(tmp_path / "run", "combo", ("chat", "math")))
    with pytest.raises(ExportError, match="--task: chat, math"):
        export_language(combo, tmp_path / "out", "hf")
    export_language(combo, tmp_path / "out", "hf", task="math")
    settings = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert 'else "math"' in settings["chat_template"]


def test_what_there_is_none_of_is_refused(run: LanguageRun, tmp_path: Path) -> None:
    for form, options, words in (
        ("onnx", {}, "no format 'onnx'"),
        ("hf", {"precision": "q4_0"}, "no precision 'q4_0' for hf"),
        ("hf", {"task": "math"}, "for the task chat"),
    ):
        with pytest.raises(ExportError, match=words):
            export_language(run, tmp_path / "out", form, **options)  # type: ignore[arg-type]
    (tmp_path / "run" / "template.json").unlink()
    with pytest.raises(DataError, match="holds no language model"):
        read_language_run(tmp_path / "run")


def test_a_hub_gets_the_whole_model_and_nobody_sees_the_key(
    run: LanguageRun,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    folder = tmp_path / "out"
    export_language(run, folder, "hf", licence="MIT")
    with caplog.at_level(logging.DEBUG):
        sent = upload(folder, "me/cat", private=True)
    assert sent.address == f"{hub.address}/me/cat"
    assert (hub.made["name"], hub.made.get("organization")) == ("cat", "me")
    assert hub.keys == {f"Bearer {SECRET}"}
    assert {name: len(content) for name, content in hub.files.items()} == dict(sent.files)
    assert hub.files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert b'license: "mit"' in hub.files["README.md"]
    shown = capfd.readouterr()
    assert SECRET not in caplog.text + shown.out + shown.err
    assert not any(SECRET.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(("status", "words"), [(403, "may write"), (400, "try again")])
def test_a_refusal_is_one_sentence_without_the_key(
    run: LanguageRun, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    hub.refuse = status
    export_language(run, tmp_path / "out", "hf")
    with pytest.raises(ExportError, match=words) as caught:
        upload(tmp_path / "out", "me/cat")
    assert SECRET not in str(caught.value)
    assert hub.files == {}


def test_a_hub_that_is_not_there_is_one_sentence(
    run: LanguageRun, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the port "discard", where nobody listens
    export_language(run, tmp_path / "out", "hf")
    with pytest.raises(ExportError, match="failed"):
        upload(tmp_path / "out", "me/cat")


def test_without_a_key_or_a_whole_folder_nothing_is_sent(
    run: LanguageRun, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    export_language(run, tmp_path / "out", "hf")
    with pytest.raises(KeysError, match="HF_TOKEN"):
        upload(tmp_path / "out", "me/cat")
    with pytest.raises(ExportError, match="OWNER/NAME"):
        plan_upload(tmp_path / "out", "../cat")
    with pytest.raises(ExportError, match=r"README\.md is missing"):
        plan_upload(tmp_path, "me/cat")
    names = [name for name, _ in plan_upload(tmp_path / "out", "me/cat").files]
    assert names == [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert hub.keys == set()


def test_the_commands_write_a_file_and_list_what_an_upload_would_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(tmp_path / "home" / "runs" / "cat")
    weights = f"sha256:{hashlib.sha256((folder / 'weights.safetensors').read_bytes()).hexdigest()}"
    card = {"format": 1, "name": "cat", "task": "chat", "dataset": "d", "content": "sha256:0", "teacher": "t"}
    (folder / "run.json").write_text(json.dumps({**card, "seed": 1, "seconds": None, "weights": weights}), "utf-8")
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    language_export.add_upload(commands)
    made = command(commands, "export", language_export.export_for_others, "Export.")
    made.add_argument("run")
    device_options.add_options(made)
    language_export.add_options(made)
    home = ["--home", str(tmp_path / "home")]

    def call(*arguments: str) -> None:
        args = parser.parse_args([*arguments, *home])
        args.command(args)

    call("export", "cat", "--format", "gguf", "--precision", "q8_0", "--to", str(tmp_path / "cat.gguf"))
    assert load_start(str(tmp_path / "cat.gguf")).config == learnt().config
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="would be replaced"):
        call("export", "cat", "--format", "hf", "--to", str(tmp_path / "full"))
    with pytest.raises(DataError, match="--licence"):
        call("upload", "cat", "--to", "me/cat", "--dry-run")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    call("upload", "cat", "--to", "me/cat", "--dry-run", "--licence", "MIT")
    shown = capsys.readouterr().out
    assert "model.safetensors" in shown
    assert "Nothing was sent" in shown
