"""What devices say over MQTT: only the device's own key makes it, whoever else can publish."""

from __future__ import annotations

import dataclasses
import json

import pytest

from edge_runtime.bundle import public_key_of
from edge_runtime.errors import EdgeError
from edge_runtime.identity.keys import DeviceKey
from edge_runtime.presence import messages
from edge_runtime.presence.messages import Command, Kind, MessageError, Presence
from edge_runtime.update.report import MOST_BYTES, Report, Told

KEY, OTHER = (DeviceKey(seed, public_key_of(seed)) for seed in (b"\1" * 32, b"\2" * 32))
REPORT = Report(KEY.id, "kitchen", ("floor:2",), 10.25, "idle", {"home-en": Told("1.0.0", rollout="r-1", golden=0.1)})


def test_what_a_device_signed_comes_back_as_it_was() -> None:
    assert messages.read_report(messages.signed_report(REPORT, KEY), KEY.id, {}) == REPORT
    gone = Presence(KEY.id, False, 11.5)
    assert messages.read_presence(messages.signed_presence(gone, KEY), KEY.id, {KEY.id: KEY.public.hex()}) == gone


def test_the_longest_report_fits_with_its_signature() -> None:
    many = {f"s-{n:03}": Told(cause="\N{GRINNING FACE}" * 300) for n in range(256)}
    raw = messages.signed_report(dataclasses.replace(REPORT, specialists=many), KEY)
    assert MOST_BYTES - 8192 < len(raw) <= MOST_BYTES
    assert messages.read_report(raw, KEY.id, {}).left_out > 0


def test_another_key_cannot_speak_for_a_device() -> None:
    forged = messages.signed_report(REPORT, OTHER)
    with pytest.raises(MessageError, match="another key"):
        messages.read_report(forged, KEY.id, {})
    with pytest.raises(MessageError, match="another device"):  # its own signature, over the other's report
        messages.read_report(forged, OTHER.id, {})
    # A key made to begin as the device's does is known by the rest, where the host was paired with the device.
    with pytest.raises(MessageError, match="another key"):
        messages.read_report(messages.signed_report(REPORT, KEY), KEY.id, {KEY.id: KEY.public.hex()[:16] + "0" * 48})


def test_any_change_of_what_was_signed_shows() -> None:
    top = json.loads(messages.signed_report(REPORT, KEY))
    top["signed"]["specialists"]["home-en"]["state"] = "committed"
    with pytest.raises(MessageError, match="wrong signature"):
        messages.read_report(json.dumps(top).encode(), KEY.id, {})
    swapped = messages.signed_presence(Presence(KEY.id, True, 1.0), KEY)
    with pytest.raises(MessageError, match="wrong signature"):  # one kind isn't taken for the other
        messages.read_report(swapped, KEY.id, {})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b" " * (MOST_BYTES + 1),
        b'{"signed":{},"key":"00","signature":"00"}',
        json.dumps({"signed": [], "key": KEY.public.hex(), "signature": "0" * 128}).encode(),
        json.dumps({"signed": {}, "key": KEY.public.hex(), "signature": "0" * 128}).encode(),
        json.dumps({"signed": {}, "key": KEY.public.hex(), "signature": 7}).encode(),
        b'{"signed":{"at":1e999},"key":"%s","signature":"%s"}' % (KEY.public.hex().encode(), b"0" * 128),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    for read in (messages.read_report, messages.read_presence):
        with pytest.raises(EdgeError):
            read(raw, KEY.id, {})


@pytest.mark.parametrize("fields", [{"online": 1}, {"at": -1}, {"at": True}, {"at": "now"}, {"device": OTHER.id}])
def test_a_presence_that_says_nothing_is_refused(fields: dict[str, object]) -> None:
    content = {"device": KEY.id, "online": True, "at": 1.0, **fields}
    with pytest.raises(MessageError):
        messages.read_presence(messages._signed(Kind.PRESENCE, content, KEY), KEY.id, {})


def test_topics_are_of_the_prefix_and_of_a_device() -> None:
    assert messages.told_on("home/enigma", f"home/enigma/{KEY.id}/report") == (KEY.id, Kind.REPORT)
    for name in (f"enigma/{KEY.id}/report", f"home/enigma/{KEY.id}/do", "home/enigma/x/report", "home/enigma"):
        with pytest.raises(MessageError):
            messages.told_on("home/enigma", name)
    for prefix in ("", "a/", "a//b", "+", "a/#", "a b", "x" * 41):
        with pytest.raises(MessageError):
            messages.checked_prefix(prefix)


def test_commands_are_the_two_words_and_nothing_else() -> None:
    assert [messages.read_command(raw) for raw in (b"check", b"report\n")] == [Command.CHECK, Command.REPORT]
    for raw in (b"", b"install x", b"check " * 20, b"\xff", "check", None, 7, b'{"do":"check"}'):
        with pytest.raises(MessageError):
            messages.read_command(raw)
