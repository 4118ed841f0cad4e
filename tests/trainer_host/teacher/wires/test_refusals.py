"""What errors of real providers mean for the key, the request and the dialect."""

from __future__ import annotations

import email.utils
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_host.teacher.protocol import Json
from trainer_host.teacher.providers import Dialect
from trainer_host.teacher.wires.refusals import MAX_WAIT, Verdict, learn, read_refusal, retry_after, status_within

KEY, NOW, AGAIN, NO, GONE = (
    Verdict.KEY_REFUSED,
    Verdict.THROTTLED,
    Verdict.TRY_AGAIN,
    Verdict.REFUSED,
    Verdict.NOT_HERE,
)
# OpenAI's words when too many requests come in a minute: they speak of billing, and the key is good.
RATE = "Rate limit reached for gpt-5-mini. You can increase it at https://platform.openai.com/account/billing."


def error(message: str, kind: str = "invalid_request_error", **more: object) -> Json:
    return {"error": {"message": message, "type": kind, **more}}


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (401, error("Incorrect API key provided"), KEY),
        (402, error("Insufficient Balance"), KEY),
        (403, error("Country not supported"), KEY),
        (403, error("flagged", metadata={"flagged_input": "x", "reasons": ["y"]}), NO),
        (429, error(RATE, "requests", code="rate_limit_exceeded"), NOW),
        (429, error("You exceeded your current quota", "insufficient_quota", code="insufficient_quota"), KEY),
        (429, [error("You exceeded your current quota, please check your plan and billing details.")], NOW),
        (400, error("Your credit balance is too low to access the Anthropic API."), KEY),
        (400, [error("API key not valid. Please pass a valid API key.")], KEY),
        (400, error("max_tokens is too large"), NO),
        (404, error("The model `x` does not exist"), GONE),
        (405, {}, GONE),
        (408, {}, AGAIN),
        (409, {}, AGAIN),
        (413, error("request too large"), NO),
        (422, {"detail": [{"loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]}, NO),
        (500, {}, AGAIN),
        (501, {}, NO),
        (503, {"error": "loading model"}, AGAIN),
        (529, error("Overloaded", "overloaded_error"), AGAIN),
    ],
)
def test_an_error_means_the_right_thing(status: int, body: object, verdict: Verdict) -> None:
    assert read_refusal(status, {}, json.dumps(body).encode()).verdict is verdict


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "a"}}', "a"),
        (b'{"error": "b"}', "b"),
        (b'{"message": "c"}', "c"),
        (b'{"detail": "d"}', "d"),
        (b'{"detail": [{"msg": "e"}]}', '[{"msg": "e"}]'),
        (b"<html>", ""),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
        (b"", ""),
    ],
)
def test_the_providers_words_are_found_wherever_they_stand(body: bytes, message: str) -> None:
    assert read_refusal(400, {}, body).message == message


def test_the_providers_own_word_on_trying_again_wins() -> None:
    assert read_refusal(400, {"x-should-retry": "true"}, b"").verdict is AGAIN
    assert read_refusal(500, {"x-should-retry": "false"}, b"").verdict is NO
    assert read_refusal(401, {"x-should-retry": "true"}, b"").verdict is KEY


def test_pages_are_told_from_json() -> None:
    assert read_refusal(404, {"content-type": "text/html; charset=utf-8"}, b"").page
    assert read_refusal(404, {}, b"\xef\xbb\xbf \n<!DOCTYPE HTML><title>").page
    assert not read_refusal(404, {"content-type": "application/json"}, b'{"error": "<html>"}').page


def test_an_error_within_a_200_has_its_own_status() -> None:
    assert status_within({"error": {"code": 429, "message": "slow down"}}) == 429
    assert status_within({"error": {"code": "rate", "message": "x"}}) == 502
    assert status_within({"error": None, "choices": []}) is None
    assert status_within({"choices": [1]}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e300"}, MAX_WAIT),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:27:57 GMT"}, 3.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after": "next tuesday"}, None),
        ({"retry-after": "Wed, 99 Oct 2026 07:28:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_is_measured_by_our_clock_where_the_server_does_not_tell_its_own() -> None:
    assert retry_after({"retry-after": email.utils.formatdate(1_790_000_030, usegmt=True)}, now=1_790_000_000) == 30


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_header_can_break_the_reading(after: str, ms: str, date: str) -> None:
    found = retry_after({"retry-after": after, "retry-after-ms": ms, "date": date})
    assert found is None or 0 <= found <= MAX_WAIT


SENT: Json = {"response_format": {}, "temperature": 1.0, "max_tokens": 5, "reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("status", "body", "known", "learned"),
    [
        # OpenAI's reasoning models
        (
            400,
            error(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                param="max_tokens",
            ),
            Dialect("subset"),
            Dialect("subset", "max_completion_tokens"),
        ),
        (
            400,
            error(
                "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.",
                param="temperature",
            ),
            Dialect("subset"),
            Dialect("subset", temperature=False),
        ),
        (
            400,
            error("Unrecognized request argument supplied: reasoning_effort"),
            Dialect("subset"),
            Dialect("subset", options=False),
        ),
        # OpenAI with a keyword that its strict mode doesn't take, as seen by a custom endpoint
        (
            400,
            error("Invalid schema for response_format 'answer': 'maxLength' is not permitted.", param="response_format"),
            Dialect(),
            Dialect("subset"),
        ),
        # DeepSeek; llama.cpp without grammar
        (400, error("This response_format type is unavailable now"), Dialect("subset"), Dialect("prompt")),
        # Mistral (FastAPI)
        (
            422,
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted"}]},
            Dialect("prompt", "max_completion_tokens"),
            Dialect("prompt", "max_tokens"),
        ),
        # Anthropic
        (
            400,
            error("output_config.format.schema: For 'integer' type, property 'minimum' is not supported"),
            Dialect(),
            Dialect("subset"),
        ),
        # Not about the form
        (400, error("prompt is too long: 300000 tokens"), Dialect(), None),
        (400, error("temperature: range: 0..1"), Dialect(), None),
        (500, error("response_format made me crash"), Dialect(), None),
    ],
)  # fmt: skip
def test_a_refused_form_teaches_another_one(status: int, body: Json, known: Dialect, learned: Dialect | None) -> None:
    assert learn(known, read_refusal(status, {}, json.dumps(body).encode()), SENT) == learned


def test_what_was_not_sent_is_not_learned_from() -> None:
    refusal = read_refusal(400, {}, json.dumps(error("response_format and temperature are not supported")).encode())
    assert learn(Dialect(), refusal, {"max_tokens": 5}) is None
