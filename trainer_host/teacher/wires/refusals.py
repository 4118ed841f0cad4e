"""What an answer other than 200 means: for the key, for the request, and for how the endpoint is spoken to."""

from __future__ import annotations

import email.utils
import enum
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trainer_host.teacher.protocol import Json
from trainer_host.teacher.providers import Dialect
from trainer_host.teacher.wires.common import member, text_at

MAX_WAIT = 7 * 24 * 3600.0  # seconds of a Retry-After that are believed
_MAX_MESSAGE = 2000  # characters of a provider's text that are looked at
# Words alone say little in a 429: OpenAI's and Gemini's ordinary rate limits speak of billing and quota, too.
_NO_MONEY_CODE = "insufficient_quota"  # OpenAI, with 429
_BAD_KEY = re.compile(r"credit balance|api key not valid|invalid api key", re.IGNORECASE)  # Anthropic, Gemini: with 400
_SCHEMA = re.compile(r"response.?format|json.?schema|output_config|output_format|structured.output", re.IGNORECASE)
_LOGPROBS = re.compile(r"log.?prob", re.IGNORECASE)
_NOT_TAKEN = re.compile(
    r"unsupported|n.t support|not support|not permitted|not allowed|deprecated|unrecognized|unknown|unexpected"
    r"|only the default|extra (inputs|fields)|extra_forbidden|no longer",
    re.IGNORECASE,
)


class Verdict(enum.Enum):
    """What is to be done about it."""

    KEY_REFUSED = "key refused"  # never use this key again
    THROTTLED = "throttled"  # not now with this key
    TRY_AGAIN = "server error"  # the same request, a little later
    REFUSED = "request refused"  # not this request
    NOT_HERE = "not there"  # nothing of the kind at this address, or no such model


@dataclass(frozen=True)
class Refusal:
    """An answer that is none.

    message: the provider's own words, "" where there are none; a key may be in them. parameter: the member of the
    body that it names, "" where it names none. retry_after: seconds, None where it doesn't say. page: it was HTML.
    """

    status: int
    verdict: Verdict
    message: str = field(repr=False)
    parameter: str = ""
    retry_after: float | None = None
    page: bool = False


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read an answer whose status isn't 200. headers: with names that ignore case."""
    payload = read_body(body)
    message = _message(payload)
    parameter = text_at(payload, "error", "param")
    verdict = _verdict(status, payload, message)
    told = headers.get("x-should-retry", "").lower()
    if told == "true" and verdict is Verdict.REFUSED:
        verdict = Verdict.TRY_AGAIN
    elif told == "false" and verdict is Verdict.TRY_AGAIN:
        verdict = Verdict.REFUSED
    return Refusal(status, verdict, message, parameter, retry_after(headers), looks_like_page(headers, body))


def status_within(payload: Json) -> int | None:
    """The status of a provider's error that a gateway has put into the body of a 200, None where there is none."""
    if not payload.get("error") or "choices" in payload or "content" in payload:
        return None
    code = member(payload, "error", "code")
    return code if isinstance(code, int) and 400 <= code < 600 else 502


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait, by `retry-after-ms`, else by Retry-After in seconds or as a date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return min(max(seconds, 0.0), MAX_WAIT)
    if (at := _seconds_of(headers.get("retry-after", ""))) is None:
        return None
    # The server's own clock, where it tells it: ours may be wrong.
    since = _seconds_of(headers.get("date", ""))
    if since is None:
        since = time.time() if now is None else now
    return min(max(at - since, 0.0), MAX_WAIT)


def learn(dialect: Dialect, refusal: Refusal, sent: Json) -> Dialect | None:
    """The dialect to try next where a server doesn't take a part of a body, None where it isn't about that.

    sent: the body. One part at a time, and each only once, so that this ends.
    """
    said = f"{refusal.parameter} {refusal.message}"
    # OpenAI has a 403 for it, whose key is good.
    if "logprobs" in sent and refusal.status in (400, 403, 404, 422, 501) and _LOGPROBS.search(said):
        return replace(dialect, logprobs=False)
    if refusal.status not in (400, 404, 415, 422, 501):
        return None
    if "max_completion_tokens" in said and "max_tokens" in said and dialect.token_limit == "max_tokens":
        return replace(dialect, token_limit="max_completion_tokens")
    if "max_completion_tokens" in said and dialect.token_limit != "max_tokens" and _NOT_TAKEN.search(said):
        return replace(dialect, token_limit="max_tokens")
    if ("response_format" in sent or "output_config" in sent) and _SCHEMA.search(said):
        return replace(dialect, schema="subset" if dialect.schema == "full" else "prompt")
    if "temperature" in sent and "temperature" in said and _NOT_TAKEN.search(said):
        return replace(dialect, temperature=False)
    if dialect.options and "reasoning" in said and "reasoning_effort" in sent:
        return replace(dialect, options=False)
    return None


def looks_like_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer is a web page."""
    start = body[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "html" in headers.get("content-type", "").lower() or start.startswith((b"<!doctype html", b"<html"))


def _verdict(status: int, payload: Json, message: str) -> Verdict:
    kinds = (text_at(payload, "error", "type"), text_at(payload, "error", "code"))
    if status == 403 and member(payload, "error", "metadata", "flagged_input") is not None:
        return Verdict.REFUSED  # OpenRouter's moderation: it is about the prompt
    if status == 403 and _LOGPROBS.search(f"{text_at(payload, 'error', 'param')} {message}"):
        return Verdict.REFUSED  # OpenAI's reasoning models; the key is good for all else
    if status in (401, 402, 403) or (status == 400 and _BAD_KEY.search(message)):
        return Verdict.KEY_REFUSED
    if status == 429:
        return Verdict.KEY_REFUSED if _NO_MONEY_CODE in kinds else Verdict.THROTTLED
    if status in (408, 409) or (status >= 500 and status not in (501, 505)):
        return Verdict.TRY_AGAIN
    if status in (404, 405, 410):
        return Verdict.NOT_HERE
    return Verdict.REFUSED


def read_body(body: bytes) -> Json:
    """The JSON object of an answer, empty where there is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, list) and found:  # Gemini's errors come in a list
        found = found[0]
    return found if isinstance(found, dict) else {}


def _message(payload: Json) -> str:
    """OpenAI and Anthropic: error.message. Ollama: error. Mistral: message. FastAPI (vLLM ...): detail."""
    for path in (("error", "message"), ("error",), ("message",), ("detail",)):
        found = member(payload, *path)
        if isinstance(found, str):
            return found[:_MAX_MESSAGE]
    detail = member(payload, "detail") or member(payload, "message")
    return json.dumps(detail)[:_MAX_MESSAGE] if detail else ""


def _seconds_of(date: str) -> float | None:
    """Seconds since 1970 of an HTTP date."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, TypeError, OverflowError):
        return None
