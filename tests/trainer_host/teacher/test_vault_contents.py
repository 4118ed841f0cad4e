from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer_host.teacher.vault_traces import KEY, SPARE
from trainer_host.errors import KeysError
from trainer_host.teacher.protocol import Secret
from trainer_host.teacher.providers import PROVIDERS
from trainer_host.teacher.vault.checks import (
    MAX_KEY_CHARS,
    checked_headers,
    checked_key,
    checked_name,
    checked_passphrase,
    checked_url,
)
from trainer_host.teacher.vault.contents import (
    MAX_KEYS,
    Contents,
    StoredKey,
    custom_endpoint,
    find_key,
    from_text,
    known_endpoint,
    merged,
    to_text,
    using,
    with_endpoint,
    with_key,
    without_key,
    without_provider,
)

GATEWAY = custom_endpoint(
    "gateway", "anthropic", "https://gw.example/v1/", "claude-x", [("X-Team", Secret("s3cret-team-token"))]
)


def key(name: str, text: str = KEY, provider: str = "openai") -> StoredKey:
    return StoredKey(provider, name, Secret(text), "2026-11-25")


def three() -> Contents:
    contents = Contents()
    for name, text in (("work", KEY), ("spare", SPARE), ("old", "sk-old-1234567890abcdefgh")):
        contents = with_key(contents, key(name, text))
    return contents


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("sk-one\nsk-two", "line break"),
        ("sk-one\r", "line break"),
        ("sk one", "space or a control"),
        ("sk-\x1b[31m", "space or a control"),
        ("sk-\x00", "space or a control"),
        ("sk-ключ", "isn't ASCII"),
        ("sk-\u200bx", "isn't ASCII"),
        ("x" * (MAX_KEY_CHARS + 1), "4,097 characters"),
    ],
)
def test_a_key_that_no_provider_gives_out_is_refused_in_one_sentence_without_it(text: str, why: str) -> None:
    with pytest.raises(KeysError, match=why) as caught:
        checked_key(Secret(text))
    said = str(caught.value)
    assert "\n" not in said
    assert len(text.strip()) < 3 or text.strip() not in said


@pytest.mark.parametrize("name", ["", " ", " work", "work\n", "a\x1b[2J", "x" * 65])
def test_a_name_that_would_spoil_a_table_is_refused(name: str) -> None:
    with pytest.raises(KeysError, match="printable"):
        checked_name(name)


@pytest.mark.parametrize("name", ["work", "My key", "Schlüssel 2"])
def test_a_name_may_be_what_a_person_calls_a_key(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://localhost:8000/v1",
        "http://a.localhost",
        "http://127.0.0.1:11434/v1",
        "http://127.9.9.9/v1",
        "http://[::1]:8080/v1",
        "http://10.1.2.3",
        "http://172.31.255.255/v1",
        "http://192.168.1.5:1234/v1",
        "http://169.254.3.4",
        "http://[fe80::1]/v1",
        "http://[fd12::1]/v1",
        "http://nas.local:8000/v1",
    ],
)
def test_an_address_is_https_or_near(url: str) -> None:
    assert checked_url(url + "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com/v1",
        "http://8.8.8.8/v1",
        "http://172.32.0.1",
        "http://192.169.0.1",
        "http://[2001:db8::1]/v1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://local/v1",
        "http://0.0.0.0",
    ],
)
def test_plain_http_over_a_network_is_refused(url: str) -> None:
    with pytest.raises(KeysError, match="use https"):
        checked_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com",
        "ftp://x.example",
        "https://",
        "https:///v1",
        "https://x.example:99999",
        "https://x.example:0/",
        "https://x.exa\nmple/v1",
        "https://x.example/a b",
        "https://[::1",
        "file:///etc/passwd",
        "https://x.example/" + "a" * 2048,
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(KeysError, match="can't be an address"):
        checked_url(url)


@pytest.mark.parametrize("url", ["https://me:pa55word@x.example/v1", "https://x.example/v1?token=pa55word", "https://x.example#pa55word"])  # fmt: skip
def test_a_secret_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(KeysError, match="--header") as caught:
        checked_url(url)
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer x"),
        ("X-API-Key", "x"),
        ("Content-Length", "3"),
        ("Host", "x.example"),
        ("a b", "x"),
        ("", "x"),
        ("X-A", ""),
        ("X-A", "a\r\nX-B: c"),
        ("X-A", "é"),
        ("X-A", "x" * (MAX_KEY_CHARS + 1)),
    ],
)
def test_a_header_that_would_change_the_request_is_refused(name: str, value: str) -> None:
    with pytest.raises(KeysError):
        checked_headers([(name, Secret(value))])


def test_headers_are_few_and_each_is_given_once() -> None:
    with pytest.raises(KeysError, match="twice"):
        checked_headers([("X-A", Secret("1")), ("x-a", Secret("2"))])
    with pytest.raises(KeysError, match="at most 16"):
        checked_headers([(f"X-{number}", Secret("1")) for number in range(17)])


@pytest.mark.parametrize("text", ["short", "line one\nline two", "\x00" * 12])
def test_a_weak_or_broken_passphrase_is_refused(text: str) -> None:
    with pytest.raises(KeysError, match="passphrase"):
        checked_passphrase(Secret(text))


def test_the_first_key_is_in_use_and_use_chooses_another() -> None:
    contents = three()
    assert [each.name for each in contents.of("openai")] == ["work", "spare", "old"]
    assert [each.name for each in using(contents, "openai", "spare").of("openai")] == ["spare", "work", "old"]
    assert [each.in_use for each in using(contents, "openai", "spare").of("openai")] == [True, False, False]


def test_the_next_key_is_in_use_where_the_one_in_use_is_removed() -> None:
    left = without_key(three(), "openai", "work")
    assert [(each.name, each.in_use) for each in left.of("openai")] == [("spare", True), ("old", False)]
    for name in ("spare", "old"):
        left = without_key(left, "openai", name)
    assert left == Contents()
    with pytest.raises(KeysError, match="enigma keys add openai"):
        without_key(left, "openai", "old")


def test_a_taken_name_is_refused_unless_it_is_replaced() -> None:
    contents = using(three(), "openai", "spare")
    with pytest.raises(KeysError, match=r"named 'spare'.*--replace.*replace=True"):
        with_key(contents, key("spare", KEY))
    after = with_key(contents, key("spare", KEY), replacing=True)
    assert find_key(after, "openai", "spare").secret == Secret(KEY)
    assert after.of("openai")[0].name == "spare", "the one in use stays so"
    assert len(after.keys) == 3


def test_a_missing_key_is_named_beside_those_that_exist() -> None:
    with pytest.raises(KeysError, match="there are work, spare, old"):
        using(three(), "openai", "none")


def test_an_unknown_provider_is_answered_by_the_known_ones_and_how_to_add_one() -> None:
    contents = with_endpoint(Contents(), GATEWAY)
    with pytest.raises(KeysError) as caught:
        known_endpoint(contents, "opnai")
    said = str(caught.value)
    assert all(provider in said for provider in [*PROVIDERS, "gateway"])
    assert "--base-url" in said


def test_a_built_in_provider_keeps_its_address() -> None:
    with pytest.raises(KeysError, match="my-openai"):
        custom_endpoint("openai", "openai", "https://other.example/v1", "m")


def test_a_custom_endpoint_is_stored_whole_and_its_secret_header_is_not_shown() -> None:
    assert GATEWAY.base_url == "https://gw.example/v1" and GATEWAY.environment == "GATEWAY_API_KEY"
    assert "s3cret" not in repr(with_endpoint(Contents(), GATEWAY))
    assert from_text(to_text(with_endpoint(Contents(), GATEWAY))).endpoints == (GATEWAY,)


def test_other_settings_for_an_endpoint_are_refused_unless_replaced() -> None:
    contents = with_key(with_endpoint(Contents(), GATEWAY), key("a", provider="gateway"))
    assert with_endpoint(contents, GATEWAY) == contents
    moved = custom_endpoint("gateway", "openai", "https://elsewhere.example/v1", "m")
    with pytest.raises(KeysError, match="--replace"):
        with_endpoint(contents, moved)
    assert with_endpoint(contents, moved, replacing=True).endpoints == (moved,)
    assert without_provider(contents, "gateway") == Contents()
    with pytest.raises(KeysError, match="Say which key"):
        without_provider(three(), "openai")


def test_a_server_that_needs_no_key_takes_none() -> None:
    with pytest.raises(KeysError, match="needs no key"):
        with_key(Contents(), key("a", provider="ollama"))


_printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["openai", "anthropic", "gateway"]), _printable, _printable), max_size=12))
def test_what_is_written_is_read_again(rows: list[tuple[str, str, str]]) -> None:
    contents = with_endpoint(Contents(), GATEWAY)
    for provider, name, text in rows:
        contents = with_key(contents, key(name, text, provider), replacing=True)
    assert from_text(to_text(contents)) == contents


def test_an_import_adds_skips_and_replaces_and_says_which() -> None:
    theirs = using(three(), "openai", "spare")
    empty, first = merged(Contents(), theirs)
    assert empty == theirs, "on a fresh store, equal: the one in use too"
    assert first.added == ("openai/work", "openai/spare", "openai/old")
    ours = with_key(with_key(Contents(), key("work", "sk-mine-1234567890abcdefgh")), key("spare", SPARE))
    after, what = merged(ours, theirs)
    assert (what.added, what.same, what.skipped, what.replaced) == (
        ("openai/old",),
        ("openai/spare",),
        ("openai/work",),
        (),
    )
    assert find_key(after, "openai", "work").secret == Secret("sk-mine-1234567890abcdefgh")
    assert after.of("openai")[0].name == "work", "what is in use here stays so"
    after, what = merged(ours, theirs, replacing=True)
    assert what.replaced == ("openai/work",) and find_key(after, "openai", "work").secret == Secret(KEY)


def test_imported_keys_are_not_sent_to_another_address_than_theirs() -> None:
    theirs = with_key(with_endpoint(Contents(), GATEWAY), key("a", provider="gateway"))
    ours = with_endpoint(Contents(), custom_endpoint("gateway", "openai", "https://elsewhere.example/v1", "m"))
    after, what = merged(ours, theirs)
    assert after == ours and what.skipped == ("gateway", "gateway/a")
    after, _ = merged(ours, theirs, replacing=True)
    assert after == theirs


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"keys": "x"},
        {"keys": [{"provider": "openai"}]},
        {"keys": [{"provider": "openai", "name": "a", "key": "sk-a\nb", "added": "2026-11-25", "in_use": True}]},
        {"keys": [{"provider": "openai", "name": "a\x1b", "key": "sk-a", "added": "2026-11-25", "in_use": True}]},
        {"keys": [{"provider": "openai", "name": "a", "key": "sk-a", "added": "\x1b[2J", "in_use": True}]},
        {"keys": [{"provider": "openai", "name": "a", "key": 5, "added": "2026-11-25", "in_use": True}]},
        {"keys": [{"provider": "nobody", "name": "a", "key": "sk-a", "added": "2026-11-25", "in_use": True}]},
        {"endpoints": [{"provider": "gw", "wire": "smtp", "base_url": "https://x.example", "model": "m", "headers": [], "needs_key": True}]},
        {"endpoints": [{"provider": "gw", "wire": "openai", "base_url": "http://x.example", "model": "m", "headers": [], "needs_key": True}]},
        {"endpoints": [{"provider": "openai", "wire": "openai", "base_url": "https://x.example", "model": "m", "headers": [], "needs_key": True}]},
    ],
)  # fmt: skip
def test_a_file_with_other_content_brings_nothing_in(change: dict[str, object]) -> None:
    with pytest.raises(KeysError):
        from_text(Secret(json.dumps({"version": 1, "keys": [], "endpoints": [], **change})))


def test_text_that_is_no_list_of_keys_is_one_sentence() -> None:
    for text in ("", "[]", "{", "[" * 100_000, '{"version": 1}'):
        with pytest.raises(KeysError, match="isn't a list of keys"):
            from_text(Secret(text))


def test_keys_are_bounded_in_number() -> None:
    full = Contents(tuple(key(str(number)) for number in range(MAX_KEYS)))
    with pytest.raises(KeysError, match="the most"):
        with_key(full, key("one more"))
