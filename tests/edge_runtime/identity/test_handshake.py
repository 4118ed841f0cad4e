"""Pairing by six digits: one guess a run, nothing to guess on for who listens, and nobody in between."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from edge_runtime.errors import BadRequest, PairingError
from edge_runtime.identity import handshake
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import Grant
from edge_runtime.identity.handshake import Initiator, Responder
from edge_runtime.identity.pairing import issue_code

GRANT = Grant("operator", ("tiny",), 60)
SAID = {"name": "laptop", "signer": None}


@pytest.fixture
def identity(tmp_path: Path) -> IdentityFolder:
    return IdentityFolder(tmp_path / "state")


def _other(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def test_who_knows_the_code_gets_what_was_granted_and_nothing_goes_in_the_clear(identity: IdentityFolder) -> None:
    code = issue_code(identity, GRANT, 1, 5)
    there, here = Responder(identity, "aa"), Initiator(f" {code[:2]}-{code[2:]} ")
    messages = [here.begin()]
    messages.append(there.begin(messages[-1]))
    messages.append(here.finish(messages[-1], "aa", SAID))
    met = there.finish(messages[-1])
    messages.append(met.seal({"token": "a secret"}))
    assert met.grant == GRANT and met.said == SAID and here.open(messages[-1]) == {"token": "a secret"}
    heard = json.dumps(messages)
    assert not any(word in heard for word in ("laptop", "a secret", code))
    with pytest.raises(PairingError, match="no valid"):
        there.begin(Initiator(code).begin())


def test_a_wrong_code_costs_a_try_and_tells_the_right_one_to_nobody(identity: IdentityFolder) -> None:
    code = issue_code(identity, GRANT, 1, 3)
    there = Responder(identity, "")
    for words in ("2 more tries", "1 more try", "last try"):
        here = Initiator(_other(code))
        with pytest.raises(PairingError, match=words):
            here.finish(there.begin(here.begin()), "", SAID)
    with pytest.raises(PairingError, match="no valid"):
        there.begin(Initiator(code).begin())


def test_a_client_that_goes_on_with_a_wrong_code_is_refused(identity: IdentityFolder) -> None:
    code = issue_code(identity, GRANT, 1, 5)
    there = Responder(identity, "")
    answer = there.begin(Initiator(_other(code)).begin())
    guessed = {"session": answer["session"], "confirm": base64.b64encode(bytes(32)).decode(), "sealed": "AAAA"}
    with pytest.raises(PairingError, match="wrong"):
        there.finish(guessed)
    with pytest.raises(PairingError, match="begin again"):  # a session is good for one answer
        there.finish(guessed)
    here = Initiator(code)
    assert there.finish(here.finish(there.begin(here.begin()), "", SAID)).said == SAID


def test_who_stands_in_between_with_another_certificate_is_found_out(identity: IdentityFolder) -> None:
    code = issue_code(identity, GRANT, 1, 5)
    there, here = Responder(identity, "the device's"), Initiator(code)
    with pytest.raises(PairingError, match="stands between"):
        here.finish(there.begin(here.begin()), "another's", SAID)


def test_what_was_recorded_or_changed_on_its_way_is_refused(identity: IdentityFolder) -> None:
    code = issue_code(identity, GRANT, 1, 5)
    there, here = Responder(identity, ""), Initiator(code)
    third = here.finish(there.begin(here.begin()), "", SAID)
    sealed = bytearray(base64.b64decode(str(third["sealed"])))
    sealed[-1] ^= 1
    with pytest.raises(BadRequest, match="can't be opened"):
        there.finish({**third, "sealed": base64.b64encode(sealed).decode()})
    with pytest.raises(PairingError, match="begin again"):
        there.finish(third)
    here = Initiator(code)
    third = here.finish(there.begin(here.begin()), "", SAID)
    with pytest.raises(PairingError, match="begun elsewhere"):
        Responder(identity, "").finish(third)  # another device, or this one after it started again
    met = there.finish(third)
    with pytest.raises(PairingError, match="changed on its way"):
        Initiator.open(here, {"sealed": base64.b64encode(sealed).decode()})
    assert here.open(met.seal({"token": "t"})) == {"token": "t"}


def test_of_two_who_know_the_code_one_gets_in(identity: IdentityFolder) -> None:
    code = issue_code(identity, GRANT, 1, 5)
    there, one, two = Responder(identity, ""), Initiator(code), Initiator(code)
    first, second = there.begin(one.begin()), there.begin(two.begin())
    assert there.finish(one.finish(first, "", SAID)).grant == GRANT
    with pytest.raises(PairingError, match="no valid"):
        there.finish(two.finish(second, "", SAID))


def test_a_session_ends_with_its_time_and_with_a_new_code(
    identity: IdentityFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = issue_code(identity, GRANT, 1, 5)
    there, here = Responder(identity, ""), Initiator(code)
    third = here.finish(there.begin(here.begin()), "", SAID)
    issue_code(identity, Grant("owner"), 1, 5)
    with pytest.raises(PairingError, match="no valid"):
        there.finish(third)
    monkeypatch.setattr(handshake, "SESSION_SECONDS", -1.0)
    here = Initiator(issue_code(identity, GRANT, 1, 5))
    with pytest.raises(PairingError, match="too long"):
        there.finish(here.finish(there.begin(here.begin()), "", SAID))


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"share": 5},
        {"share": "AAAA"},
        {"share": "é" * 40},
        {"share": "A" * 10_000},
        {"share": "AQ" + "A" * 41 + "="},
    ],
)
def test_a_malformed_beginning_costs_no_try(identity: IdentityFolder, message: dict[str, object]) -> None:
    issue_code(identity, GRANT, 1, 5)
    with pytest.raises(BadRequest, match="share"):
        Responder(identity, "").begin(message)
    assert '"tries":5' in (identity.folder / "pairing.json").read_text()


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12a456", "ABCD-EFGH", "１２３４５６"])
def test_what_can_not_be_a_code_is_told_before_anything_is_sent(typed: str) -> None:
    with pytest.raises(BadRequest, match="6 digits"):
        Initiator(typed)


@pytest.mark.parametrize("answer", [{}, {"share": "AAAA", "confirm": 1}, {"error": {}}])
def test_a_side_that_speaks_otherwise_is_told_so(answer: dict[str, object]) -> None:
    with pytest.raises(PairingError, match="update"):
        Initiator("123456").finish(answer, "", SAID)
