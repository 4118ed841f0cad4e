"""A paired client takes what its device signed later, and nothing else; an invitation is read whole or not at all."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.client import DeviceClient
from edge_runtime.errors import BadRequest, DeviceUnreachable, StateError
from edge_runtime.identity import invitation
from edge_runtime.identity.certificate import Certificate, device_certificate, id_of, proof_in
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.invitation import Invitation, drawn, read_invitation
from edge_runtime.identity.keys import device_key
from edge_runtime.identity.pin import Pin, pin_of, read_pin
from edge_runtime.identity.tls import Shown, context_of, renew, renewals_of

OURS, THEIRS = bytes(range(32)), bytes(range(1, 33))
KEY = public_key_of(OURS)


def shown(renewals: int = 0, seed: bytes = OURS) -> Certificate:
    return device_certificate(seed, id_of(public_key_of(seed)), renewals)


def test_a_pin_goes_on_with_its_device_and_never_back() -> None:
    first = pin_of(shown().der, KEY)
    third = first.follows(shown(3).der)
    assert third == Pin(shown(3).fingerprint, KEY.hex(), 3) and read_pin(str(third)) == third
    assert third.follows(shown(3).der) is third and third.follows(shown(4).der) is not None
    for before in (0, 1, 2):
        assert third.follows(shown(before).der) is None
    assert pin_of(shown(3).der, KEY) == third


def test_a_certificate_of_somebody_else_is_not_taken_whatever_it_says() -> None:
    pin = pin_of(shown().der, KEY)
    for renewals in (0, 1, 7):
        assert pin.follows(shown(renewals, THEIRS).der) is None
    renewed = shown(1).der
    for at in range(len(renewed)):  # every bit counts: of names, counts, keys, signatures and lengths
        changed = bytearray(renewed)
        changed[at] ^= 1 << at % 8
        assert pin.follows(bytes(changed)) is None, at
    for other in (b"", renewed[:-1], renewed + b"\0", shown().der + renewed):
        assert proof_in(other) is None
    assert Pin(shown().fingerprint).follows(renewed) is None  # nothing to check it by


def test_another_library_reads_a_renewed_certificate_and_its_key_is_a_new_one() -> None:
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed")
    made = [x509.load_der_x509_certificate(shown(renewals).der) for renewals in (0, 1, 2)]
    for each in made:
        each.verify_directly_issued_by(each)
    assert len({each.public_key().public_bytes_raw() for each in made}) == 3
    assert [len(each.extensions) for each in made] == [2, 3, 3]


@pytest.mark.parametrize("text", ["", "00", "0" * 63 + "g", f"{'0' * 64}.", f"{'0' * 64}.{'1' * 64}.-1", "0" * 65])
def test_a_damaged_pin_is_told(text: str) -> None:
    with pytest.raises(BadRequest, match="pair again"):
        read_pin(text)


async def test_who_has_the_key_of_before_is_refused_by_who_saw_the_new_one(tmp_path: Path) -> None:
    """A real handshake with the certificate and the key that leaked, and with those of another device."""
    kept: list[str] = []
    now = pin_of(shown(1).der, KEY)
    for impostor in (shown(), shown(1, THEIRS), shown(5, THEIRS)):
        context = context_of(impostor, tmp_path)
        heard: list[bytes] = []

        async def listen(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[bytes] = heard
        ) -> None:
            heard.append(await reader.read(1))
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with DeviceClient(url, "enigma_secret", certificate=str(now), on_renewed=kept.append) as client:
            with pytest.raises(DeviceUnreachable, match="stands in between"):
                await client.models()
        server.close()
        assert b"".join(heard) == b"" and not kept


def test_a_server_shows_the_new_certificate_at_once_and_after_it_started_again(tmp_path: Path) -> None:
    identity = IdentityFolder(tmp_path)
    key = device_key(identity)
    told: list[str] = []
    first = Shown(identity, key, "0.0.0.0:1", "network")
    before = first.fingerprint
    first.on_renewed = lambda: told.append(first.fingerprint)
    first.renew()
    assert told == [first.fingerprint] != [before]
    assert Shown(identity, key, "0.0.0.0:1", "network").fingerprint == first.fingerprint
    assert renew(identity, key)[1] == renewals_of(identity) == 2
    identity.write("certificate.json", {"renewals": "many"})
    with pytest.raises(StateError, match="damaged"):
        Shown(identity, key, "0.0.0.0:1", "network")


INVITED = Invitation("192.168.1.20:8765", "048213", shown().fingerprint)


def test_an_invitation_is_read_as_it_was_written() -> None:
    for where in ("192.168.1.20:8765", "[fd00::1]:1", "door.local:65535", "a:1"):
        made = Invitation(where, "048213", shown().fingerprint)
        assert read_invitation(f" {made}\n") == made and made.url == f"https://{where}"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text + "&x=1",
        lambda text: text.replace("enigma:", "http:"),
        lambda text: text.replace("048213", "48213"),
        lambda text: text.replace("048213", "０48213"),
        lambda text: text.replace(":8765", ""),
        lambda text: text.replace(":8765", ":65536"),
        lambda text: text.replace("192.168.1.20", "user@192.168.1.20"),
        lambda text: text.replace("192.168.1.20", "[zz::1]"),
        lambda text: text.replace("192.168.1.20", ""),
        lambda text: text.replace("certificate", "cert"),
        lambda text: text.replace("?", "/../?"),
        lambda text: text + "\x00",
        lambda text: text * 9,
        # The last sign of base64 has two bits to spare: another sign of the same bytes is another text.
        lambda text: text[:-1] + chr(ord(text[-1]) + 1),
        lambda text: "",
    ],
)
def test_what_is_not_whole_or_has_something_more_is_refused(change: object) -> None:
    with pytest.raises(BadRequest, match="copy all of it"):
        read_invitation(change(str(INVITED)))  # type: ignore[operator]


def test_what_is_drawn_fits_a_terminal_and_is_read_by_another_program() -> None:
    pytest.importorskip("segno")
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in drawn(INVITED).splitlines()]
    assert len(lines) <= 24 and {len(line) for line in lines} == {45}
    halves = {" ": (255, 255), "▀": (0, 255), "▄": (255, 0), "█": (0, 0)}
    seen = np.array([[halves[sign][half] for sign in line] for line in lines for half in (0, 1)], np.uint8)
    found, *_ = cv2.QRCodeDetector().detectAndDecode(seen.repeat(6, 0).repeat(6, 1))
    assert read_invitation(found) == INVITED


def test_without_segno_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(invitation.NotEquipped, match=r"enigma\[qr\]"):
        drawn(INVITED)


def test_the_fingerprint_in_it_is_what_others_compute() -> None:
    import hashlib

    packed = str(INVITED).rpartition("=")[2]
    assert base64.urlsafe_b64decode(packed + "=") == hashlib.sha256(shown().der).digest()
