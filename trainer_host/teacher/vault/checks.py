"""What a key, a name, a provider and an address must look like, before anything is stored or sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from edge_runtime.addresses import is_near
from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret

MAX_KEY_CHARS = 4096  # the longest in use are signed tokens of gateways, 1 to 2 kB
MAX_NAME_CHARS = 64
MAX_URL_CHARS = 2048
MAX_HEADERS = 16
MIN_PASSPHRASE_CHARS = 8  # NIST SP 800-63B section 5.1.1.2

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110 section 5.1, a token
# Headers that the wires set themselves: one more would send the key elsewhere, or break the framing.
_OURS = frozenset(
    [
        "authorization",
        "x-api-key",
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
    ]
)


# Where plain http is allowed: nothing here is routed over the internet (RFC 1122, 1918, 3927, 4193, 4291).
def checked_key(key: Secret, what: str = "The key") -> Secret:
    """The key itself; raises `KeysError`, whose text never holds any of it, for what no provider gives out."""
    if problem := _key_problem(key.reveal()):
        raise KeysError(f"{what} {problem}")
    return key


def checked_name(name: str) -> str:
    """The name of a key ("work", "My key"), or `KeysError`."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME_CHARS:
        raise KeysError(f"A key's name is 1 to {MAX_NAME_CHARS} printable characters, without spaces around it.")
    return name


def checked_provider(provider: str) -> str:
    """The name of a provider, or `KeysError`."""
    if not _PROVIDER.fullmatch(provider):
        raise KeysError(
            f"'{_shown(provider)}' can't be a provider's name; use lower-case letters, digits, dots and dashes, at most 64."
        )
    return provider


def checked_url(url: str) -> str:
    """The address of an endpoint without a slash at its end, or `KeysError`.

    http is for the machine itself and for private networks (RFC 1918, RFC 4193, link-local, `.local`): elsewhere
    whoever carries the packets could read the key.
    """
    shown = _shown(url)
    # Before the parse: urlsplit drops line breaks and tabs without a word.
    if len(url) > MAX_URL_CHARS or not url.isascii() or not all("!" <= sign <= "~" for sign in url):
        raise KeysError(f"'{shown}' can't be an address; it looks like https://gateway.example/v1.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        raise KeysError(f"'{shown}' can't be an address; it looks like https://gateway.example/v1.")
    if parts.username is not None or parts.query or parts.fragment or "?" in url or "#" in url:
        # What it holds isn't repeated here: a password or a token may be in it.
        raise KeysError(
            "An address has no user name, '?' or '#' in it; give the key by itself, other secrets by --header."
        )
    if parts.scheme == "http" and not is_near(host):
        raise KeysError(
            f"'{shown}' would send the key readable over the network; use https, "
            "or http for this machine, a private address or a .local name."
        )
    return url.rstrip("/")


def checked_headers(headers: Iterable[tuple[str, Secret]]) -> tuple[tuple[str, str], ...]:
    """Extra headers of an endpoint, or `KeysError`; their values may be secret and are never in its text."""
    found = tuple(headers)
    if len(found) > MAX_HEADERS:
        raise KeysError(f"An endpoint has at most {MAX_HEADERS} extra headers.")
    if len({name.lower() for name, _ in found}) < len(found):
        raise KeysError("A header is given twice.")
    for name, value in found:
        if not _HEADER.fullmatch(name):
            raise KeysError(f"'{_shown(name)}' can't be the name of a header.")
        if name.lower() in _OURS:
            raise KeysError(f"The header {name} is set for every request; store the key itself with 'enigma keys add'.")
        if problem := _header_problem(value.reveal()):
            raise KeysError(f"The value of the header {name} {problem}")
    return tuple((name, value.reveal()) for name, value in found)


def checked_model(model: str) -> str:
    """The name of a model, or `KeysError`."""
    if not model or len(model) > 200 or not model.isprintable() or model != model.strip():
        raise KeysError("A custom endpoint needs the name of its model, as in --model llama3.2.")
    return model


def checked_passphrase(passphrase: Secret) -> Secret:
    """A new passphrase itself, or `KeysError`; an old one is only ever tried."""
    if problem := _passphrase_problem(passphrase.reveal()):
        raise KeysError(problem)
    return passphrase


# What is wrong with a secret, as the end of a sentence: these functions see it and return, so that no frame of a
# traceback holds it.


def _key_problem(text: str) -> str:
    if not text.strip():
        return "is empty; copy it from the provider's page, whole."
    if len(text) > MAX_KEY_CHARS:
        return f"has {len(text):,} characters and may have {MAX_KEY_CHARS:,}; is it something else?"
    if "\n" in text or "\r" in text:
        return "has a line break in it; copy it again, as one line."
    if not text.isascii():
        return "has a character in it that isn't ASCII; copy it again from the provider's page."
    if not all("!" <= sign <= "~" for sign in text):
        return "has a space or a control character in it; copy it again from the provider's page."
    return ""


def _header_problem(text: str) -> str:
    if not text or text != text.strip():
        return "is empty, or has spaces around it."
    if len(text) > MAX_KEY_CHARS:
        return f"has {len(text):,} characters and may have {MAX_KEY_CHARS:,}."
    if not all(" " <= sign <= "~" for sign in text):
        return "has a character in it that can't be sent: a control character, or one that isn't ASCII."
    return ""


def _passphrase_problem(text: str) -> str:
    if len(text) < MIN_PASSPHRASE_CHARS:
        return f"A passphrase needs at least {MIN_PASSPHRASE_CHARS} characters; a few words are best."
    if len(text) > MAX_KEY_CHARS or not text.isprintable():
        return "A passphrase is one line of printable characters."
    return ""


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:80])
