"""A provider's words lose every piece of a key before anyone sees them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.scrub import HIDDEN, MAX_CHARS, scrubbed, scrubbed_bytes

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
SECRETS = (Secret(KEY), Secret("other-secret-value"))


def test_a_key_and_its_pieces_are_hidden_and_the_rest_stays() -> None:
    assert scrubbed(f"Bad key {KEY}, sorry", SECRETS) == f"Bad key {HIDDEN}, sorry"
    assert scrubbed(f"Bad key {KEY[:12]}...{KEY[-8:]}.", SECRETS) == f"Bad key {HIDDEN}...{HIDDEN}."
    assert scrubbed("x other-secret-value y", SECRETS) == f"x {HIDDEN} y"
    assert (
        scrubbed("Incorrect API key: sk-pr****************6789. See x.", SECRETS)
        == f"Incorrect API key: {HIDDEN} See x."
    )
    assert scrubbed("The model is loading", SECRETS) == "The model is loading"


def test_a_short_secret_is_hidden_as_a_whole() -> None:
    assert scrubbed("pin 1234 12345", (Secret("1234"),)) == f"pin {HIDDEN} {HIDDEN}5"
    assert scrubbed("nothing", (Secret(""),)) == "nothing"


def test_what_is_left_is_one_short_line_for_a_terminal() -> None:
    assert scrubbed("a\r\n\x1b[31mb\x00\u202ec", ()) == "a [31mb c"
    assert len(scrubbed("x" * 5000, ())) == MAX_CHARS


@given(st.text(max_size=60), st.integers(0, 36), st.text(max_size=60))
def test_no_eight_characters_of_a_key_survive(before: str, at: int, after: str) -> None:
    shown = scrubbed(before + KEY[at : at + 8] + after, SECRETS)
    assert all(KEY[i : i + 8] not in shown for i in range(len(KEY) - 7))


def test_bodies_lose_the_key_too_and_others_stay_as_they_are() -> None:
    body = b'{"a": "' + KEY.encode() + b'"}'
    assert scrubbed_bytes(body, SECRETS) == b'{"a": "[key]"}'
    other = b"\xff\x00 raw"
    assert scrubbed_bytes(other, SECRETS) is other
