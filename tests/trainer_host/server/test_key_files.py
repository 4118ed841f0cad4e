"""Row S023, the host's half: keys to another computer as one sealed file, over the API."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainer_host.server.age_files import armoured, sealed
from tests.trainer_host.server.conftest import KEY, SPARE, Client, serving
from tests.trainer_host.teacher.vault_traces import traces
from trainer_host.keys import get_api_key, store_api_key, store_endpoint, vault_of
from trainer_host.teacher.vault.contents import Contents
from trainer_host.workspace import Workspace

PASSPHRASE = "six words are easy to remember"
TEAM = "team-header-value-0123456789"
GATEWAY = "https://gateway.example/v1"


def filled(workspace: Workspace) -> Contents:
    """Two keys of one provider, the second in use, and an endpoint of one's own with a secret header."""
    store_api_key("openai", KEY, "work", home=workspace.home)
    store_api_key("openai", SPARE, "spare", home=workspace.home)
    store_endpoint("gw", GATEWAY, model="m1", headers={"x-team": TEAM}, home=workspace.home)
    return vault_of(workspace).read()


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    """What another computer has."""
    return filled(Workspace(tmp_path / "elsewhere"))


async def test_all_keys_go_to_a_fresh_host_through_one_file_and_no_byte_gives_them_away(
    workspace: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    contents = filled(workspace)
    fresh = Workspace(tmp_path / "fresh")
    async with serving(workspace) as client, serving(fresh) as other:
        made = await client.call("POST", "/v1/keys/export", {"passphrase": PASSPHRASE})
        assert made.status == 200 and made.headers["cache-control"] == "no-store"
        assert (made.json["keys"], made.json["providers"]) == (2, 1)
        file = str(made.json["file"])
        (tmp_path / "keys.age").write_text(file)

        wrong = await other.call("POST", "/v1/keys/import", {"file": file, "passphrase": "another passphrase"})
        assert wrong.status == 422 and "passphrase is wrong" in wrong.message and wrong.message.count(".") == 1
        assert vault_of(fresh).read() == Contents()

        took = await other.call("POST", "/v1/keys/import", {"file": file, "passphrase": PASSPHRASE})
        assert took.json == {"added": ["gw", "openai/work", "openai/spare"], "replaced": [], "same": [], "skipped": []}
        assert vault_of(fresh).read() == contents
        said = "\n".join(
            [*client.heard, *other.heard, *(record.getMessage() for record in caplog.records), caplog.text]
        )
    assert "were exported" in said, "whoever runs the host sees that it happened"
    for secret in (KEY, SPARE, TEAM, PASSPHRASE):
        assert secret not in said
    assert traces(tmp_path, KEY, SPARE, TEAM, PASSPHRASE) == []
    assert traces(workspace.home, KEY, SPARE, TEAM, PASSPHRASE) == []


async def test_a_name_that_is_taken_keeps_its_key_unless_replaced(
    client: Client, workspace: Workspace, contents: Contents
) -> None:
    store_api_key("openai", "a-third-key-0123456789", "work", home=workspace.home)
    body = {"file": armoured(sealed(contents, PASSPHRASE)), "passphrase": PASSPHRASE}
    took = (await client.call("POST", "/v1/keys/import", body)).json
    assert (took["added"], took["skipped"]) == (["gw", "openai/spare"], ["openai/work"])
    assert get_api_key("openai", name="work", home=workspace.home) == "a-third-key-0123456789"
    took = (await client.call("POST", "/v1/keys/import", {**body, "replace": True})).json
    assert (took["replaced"], took["same"]) == (["openai/work"], ["gw", "openai/spare"])
    assert get_api_key("openai", name="work", home=workspace.home) == KEY


async def test_a_file_in_base64_is_taken_too(client: Client, contents: Contents) -> None:
    file = base64.b64encode(sealed(contents, PASSPHRASE)).decode()
    took = await client.call("POST", "/v1/keys/import", {"file": file, "passphrase": PASSPHRASE})
    assert took.status == 200 and len(took.json["added"]) == 3  # type: ignore[arg-type]


async def test_a_file_cannot_lead_keys_of_the_host_to_another_address(
    client: Client, workspace: Workspace, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_endpoint("gw", "https://first.example/v1", model="m1", home=workspace.home)
    store_api_key("gw", SPARE, "mine", home=workspace.home)
    body = {"file": armoured(sealed(contents, PASSPHRASE)), "passphrase": PASSPHRASE}
    led = await client.call("POST", "/v1/keys/import", {**body, "replace": True})
    assert led.status == 409 and "belong to https://first.example/v1" in led.message
    kept = vault_of(workspace).read()
    assert (await client.call("POST", "/v1/keys/import", body)).json["skipped"] == ["gw"]
    assert vault_of(workspace).read().endpoint("gw") == kept.endpoint("gw")

    monkeypatch.setenv("CORP_API_KEY", SPARE)
    corp = replace(contents.endpoints[0], provider="corp", environment="CORP_API_KEY")
    file = armoured(sealed(Contents((), (corp,)), PASSPHRASE))
    led = await client.call("POST", "/v1/keys/import", {"file": file, "passphrase": PASSPHRASE})
    assert led.status == 409 and "CORP_API_KEY" in led.message


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("export", {}, 422, '"passphrase"'),
        ("export", {"passphrase": "short"}, 422, "at least 8"),
        ("export", {"passphrase": PASSPHRASE, "keys": "all"}, 422, "nothing else"),
        ("export", {"passphrase": PASSPHRASE}, 409, "no keys to export"),
        ("import", {"file": "x"}, 422, '"passphrase"'),
        ("import", {"passphrase": PASSPHRASE}, 422, '"file"'),
        ("import", {"passphrase": PASSPHRASE, "file": "é"}, 422, "base64"),
        ("import", {"passphrase": PASSPHRASE, "file": "aGVsbG8="}, 422, "isn't a file of keys"),
        ("import", {"passphrase": PASSPHRASE, "file": "-----BEGIN AGE ENCRYPTED FILE-----\né"}, 422, "can't be opened"),
        ("import", {"passphrase": PASSPHRASE, "file": "x", "replace": 1}, 422, "base64"),
        ("import", {"passphrase": PASSPHRASE, "file": "aGVsbG8=", "replace": 1}, 422, "true or false"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_one_sentence_without_the_passphrase(
    client: Client, path: str, body: object, status: int, word: str
) -> None:
    answer = await client.call("POST", f"/v1/keys/{path}", body)
    assert answer.status == status and word in answer.message, answer.text
    assert PASSPHRASE not in answer.text


async def test_a_body_that_is_far_too_long_is_refused_and_nobody_without_a_token_is_heard(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = {"Content-Type": "application/json"}
    monkeypatch.setattr("trainer_host.server.key_files.FILE_BYTES", 1000)
    assert (await client.call("POST", "/v1/keys/import", b'"' + b"x" * 2000 + b'"', **header)).status == 413
    assert (await client.call("POST", "/v1/keys/export", b'"' + b"x" * 20_000 + b'"', **header)).status == 413
    client.token = None
    for path in ("export", "import"):
        assert (await client.call("POST", f"/v1/keys/{path}", {"passphrase": PASSPHRASE})).status == 401
