"""What can be wrong with what a person types for a key or a lesson: one sentence each, empty where it is fine.

The host checks all of it again; here it is said at once, beside the field, and nothing is sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from companion_app.i18n import tr
from companion_app.i18n.figures import number, typed
from companion_app.state.host import CUSTOM, KeyWay
from edge_runtime.addresses import is_near

MIN_EXAMPLES, MAX_EXAMPLES = 10, 500
MAX_BUDGET = 10_000.0  # dollars; a typing error in a budget shows at once
MAX_NAME = 64
MAX_MODEL = 200
MIN_PASSPHRASE = 8  # NIST SP 800-63B section 5.1.1.2
MAX_KEY = 4096  # the longest in use are signed tokens of gateways, 1 to 2 kB
MAX_URL = 2048
WIRES = ("openai", "anthropic")

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


# Where plain http is allowed: nothing here is routed over the internet (RFC 1122, 1918, 3927, 4193, 4291).
@dataclass(frozen=True)
class NewKey:
    """What a new key is for, without the key. `endpoint`, `base_url`, `wire` and `model` are of a custom provider."""

    provider: str
    name: str
    endpoint: str = ""
    base_url: str = ""
    wire: str = "openai"
    model: str = ""

    @property
    def custom(self) -> bool:
        """Whether the provider is new, too."""
        return self.provider == CUSTOM


def key_problems(new: NewKey, problem: str | None) -> tuple[tuple[str, str], ...]:
    """Everything wrong with a new key, as (field, sentence).

    problem: what `key_problem` says of the key itself, None where none was typed: only a custom provider may do
    without one.
    """
    found = [("provider", "" if new.provider else tr("Choose whose key it is."))]
    if new.custom:
        found += [
            ("endpoint", provider_problem(new.endpoint)),
            ("base_url", base_url_problem(new.base_url)),
            ("model", model_problem(new.model)),
        ]
    if problem is not None or not new.custom:
        found += [("name", name_problem(new.name))]
        found += [("key", tr("Paste the key, as its provider shows it.") if problem is None else problem)]
    return tuple((field, sentence) for field, sentence in found if sentence)


def key_problem(key: str) -> str:
    """What is wrong with a key that was typed; the sentence holds nothing of it."""
    if len(key) > MAX_KEY:
        return tr("A key has {most:,} characters at most; is this something else?", most=MAX_KEY)
    if not all("!" <= sign <= "~" for sign in key):
        return tr("A key has no spaces and no letters with accents; copy it again, whole.")
    return ""


def move_problems(way: KeyWay, path: str, passphrase: str, again: str = "") -> tuple[tuple[str, str], ...]:
    """Everything wrong with what was typed to move keys, as (field, sentence).

    again: the passphrase once more, for an export; an old one is only ever tried.
    """
    if way is KeyWay.IMPORT:
        found = [
            ("path", "" if path.strip() else tr("Say which file, or drop it on this window.")),
            ("passphrase", "" if passphrase else tr("Type the passphrase that the file was sealed with.")),
        ]
    else:
        found = [
            ("path", "" if path.strip() else tr("Say where to write the file, such as ~/enigma-keys.age.")),
            ("passphrase", passphrase_problem(passphrase)),
            ("again", "" if again == passphrase else tr("The two passphrases differ; type the same one again.")),
        ]
    return tuple((field, sentence) for field, sentence in found if sentence)


def passphrase_problem(passphrase: str) -> str:
    """What is wrong with a new passphrase; the sentence holds nothing of it."""
    if len(passphrase) < MIN_PASSPHRASE or not passphrase.strip():
        return tr("A passphrase needs at least {least} characters; a few words are best.", least=MIN_PASSPHRASE)
    if len(passphrase) > MAX_KEY or not passphrase.isprintable():
        return tr("A passphrase is one line of printable characters.")
    return ""


def name_problem(name: str) -> str:
    """What is wrong with the name of a key."""
    if not name.strip():
        return tr("Give the key a name, to tell it from others.")
    if len(name) > MAX_NAME or not name.isprintable():
        return tr("A name has {most} characters at most.", most=MAX_NAME)
    return ""


def provider_problem(name: str) -> str:
    """What is wrong with the name of a custom provider."""
    if not name:
        return tr("Give the provider a name, such as my-server.")
    if not _PROVIDER.fullmatch(name):
        return tr("Use small letters, digits, dots and dashes, such as my-server.")
    return ""


def model_problem(model: str) -> str:
    """What is wrong with the name of a model that has to be given."""
    if not model:
        return tr("Say which model it is to be asked for, such as llama3.2.")
    if len(model) > MAX_MODEL or not model.isprintable():
        return tr("The name of a model has {most} characters at most.", most=MAX_MODEL)
    return ""


def base_url_problem(url: str) -> str:
    """What is wrong with a custom provider's address; https is a must where packets leave the private network."""
    if not url:
        return tr("Give its address, such as http://192.168.1.5:11434/v1.")
    example = tr("That is no address; it looks like https://gateway.example/v1.")
    # Before the parse: urlsplit drops line breaks and tabs without a word.
    if len(url) > MAX_URL or not all("!" <= sign <= "~" for sign in url):
        return example
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return example
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        return example
    if parts.username is not None or "?" in url or "#" in url:
        return tr("An address has no user name, '?' or '#' in it; the key has its own field.")
    if parts.scheme == "http" and not is_near(host):
        return tr("Use https: with http, others could read the key on its way. Only private addresses may do without.")
    return ""


def examples_problem(text: str) -> str:
    """What is wrong with the number of examples per task."""
    number = whole_number(text)
    if number is None or not MIN_EXAMPLES <= number <= MAX_EXAMPLES:
        return tr("From {least} to {most} examples per task.", least=MIN_EXAMPLES, most=MAX_EXAMPLES)
    return ""


def budget_problem(text: str) -> str:
    """What is wrong with the most that a lesson may cost, in dollars; none at all is fine."""
    if not text.strip():
        return ""
    amount = typed(text)
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", amount) or not 0 < float(amount) <= MAX_BUDGET:
        return tr("An amount in dollars, such as {example}, or nothing.", example=number(2, ".2f"))
    return ""


def whole_number(text: str) -> int | None:
    """The number that was typed, None where it is none."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text.strip()) else None
