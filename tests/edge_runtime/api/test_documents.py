"""A person's files, over HTTP and by the command, and that they stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_runtime.cli import main
from edge_runtime.documents import encoder

from ..conftest import RunningDevice, StartDevice

TEXT = b"# Care\n\nThe heater is white. Clean the filter every four weeks."
NAME = "/v1/documents/manuals%2Fheater.md"


def owner(device: RunningDevice, kind: str = "text/markdown") -> dict[str, str]:
    return {"Authorization": f"Bearer {device.token}", "Content-Type": kind}


def test_a_file_is_kept_asked_and_forgotten_and_stays_over_a_kill(start_device: StartDevice) -> None:
    device = start_device()
    assert device.request("PUT", NAME, TEXT, {"Content-Type": "text/markdown"}).status == 401
    assert device.request("PUT", NAME, TEXT, owner(device)).json == {"document": "manuals/heater.md", "changed": True}
    assert device.request("PUT", NAME, TEXT, owner(device)).json["changed"] is False
    device.kill()
    device = start_device()
    listed = device.get("/v1/documents", Authorization=f"Bearer {device.token}").json
    [kept] = listed["documents"]
    assert listed["compared_by"][0] == "words" and listed["unread"] == 0
    assert (kept["name"], kept["characters"]) == ("manuals/heater.md", len(TEXT))
    asked = {"question": "When do I clean the filter?"}
    told = device.request("POST", "/v1/documents/ask", asked).json
    assert (told["found"], told["answer"]) == (True, "Clean the filter every four weeks.")
    assert [source["document"] for source in told["sources"]] == ["manuals/heater.md"]
    [found] = device.request("POST", "/v1/documents/search", {**asked, "limit": 1}).json["found"]
    assert found["heading"] == "Care" and found["answers"]
    absent = device.request("POST", "/v1/documents/ask", {"question": "Who won the election?"}).json
    assert (absent["found"], absent["answer"]) == (False, "That isn't in the documents.")
    assert device.request("DELETE", NAME, None, owner(device)).json == {"removed": "manuals/heater.md"}
    assert device.request("DELETE", NAME, None, owner(device)).status == 404
    assert device.request("POST", "/v1/documents/ask", asked).json["found"] is False


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "sentence"),
    [
        ("PUT", NAME, b"\xff", "text/plain", "isn't UTF-8"),
        ("PUT", NAME, b" ", "text/plain", "has no text"),
        ("PUT", NAME, b"x", "image/png", "documents are application/pdf"),
        ("POST", "/v1/documents/ask", b"{}", "application/json", 'Send {"question": TEXT}'),
        ("POST", "/v1/documents/ask", b'{"question": "a", "limit": 0}', "application/json", "from 1 to 20"),
        ("POST", "/v1/documents/ask", b'{"question": "a", "specialist": 1}', "application/json", "one for chat"),
        ("POST", "/v1/documents/search", b'{"question": ""}', "application/json", "1 to 1000 characters"),
    ],
)
def test_what_cant_be_is_one_sentence(
    shared_device: RunningDevice, method: str, path: str, body: bytes, kind: str, sentence: str
) -> None:
    refused = shared_device.request(method, path, body, owner(shared_device, kind))
    assert refused.status == 400 and sentence in refused.message


def test_the_command_adds_a_folder_answers_and_says_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "PACKAGE", "none-of-that-name")  # each command would open it anew
    state, folder = tmp_path / "state", tmp_path / "manuals"
    (folder / "old").mkdir(parents=True)
    (folder / "heater.md").write_bytes(TEXT)
    (folder / "old" / "pump.txt").write_text("The pump hums when it is dry.")
    (folder / "picture.png").write_bytes(b"none")

    def enigma_edge(*words: str) -> tuple[int, str, str]:
        code = main(["documents", *words, "--state", str(state)])
        said = capsys.readouterr()
        return code, said.out, said.err

    assert enigma_edge("add", str(folder))[1] == "2 added, 0 were there, 0 left out.\n"
    code, out, err = enigma_edge("add", str(folder / "picture.png"), str(folder / "heater.md"))
    assert code == 1 and "'picture.png' isn't read" in err and out == "1 added, 0 were there, 1 left out.\n"
    assert "manuals/old/pump.txt\n" in enigma_edge()[1]
    code, out, _ = enigma_edge("ask", "why does the pump hum?")
    assert (code, out) == (0, "The pump hums when it is dry.\n  manuals/old/pump.txt\n")
    assert enigma_edge("ask", "who won the election?") == (1, "That isn't in the documents.\n", "")
    assert (
        json.loads(enigma_edge("search", "why does the pump hum?", "--json")[1])[0]["document"]
        == "manuals/old/pump.txt"
    )
    assert enigma_edge("remove", "heater.md")[1] == "'heater.md' is forgotten.\n"
    code, _, err = enigma_edge("ask")
    assert code == 1 and err.startswith("enigma-edge: Say what") and err.count("\n") == 1
