"""Files in requests and answers."""

from __future__ import annotations

import base64
import sys

import pytest

from edge_runtime.errors import BadRequest, NotEquipped
from edge_runtime.media import Media, optional, read_media, to_json

PNG = Media("image/png", b"\x89PNG...")
TYPES = ("image/png", "image/jpeg")


@pytest.mark.parametrize(
    "value",
    [
        PNG,
        base64.b64encode(PNG.content).decode(),
        "data:image/png;base64," + base64.b64encode(PNG.content).decode(),
        {"content_type": "image/png", "base64": base64.b64encode(PNG.content).decode()},
        to_json(PNG),
    ],
)
def test_a_file_is_read_in_each_of_its_forms(value: object) -> None:
    assert read_media(value, "image", TYPES, 100) == PNG


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "must be a file"),
        (7, "must be a file"),
        ({"base64": 7}, "must be a file"),
        ("", "is empty"),
        ("%%%", "isn't base64"),
        ("aGk=\n", "isn't base64"),
        ("é", "isn't base64"),
        ("A" * 1000, "more than 100 bytes"),
        (Media("image/png", b"x" * 101), "has 101 bytes; send at most 100"),
        ("data:text/html;base64,aGk=", "is 'text/html'; send image/png or image/jpeg"),
    ],
)
def test_what_is_no_such_file_is_a_sentence(value: object, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        read_media(value, "image", TYPES, 100)


def test_an_answer_becomes_json_however_deep_its_files_are() -> None:
    coded = {"content_type": "image/png", "base64": base64.b64encode(PNG.content).decode()}
    assert to_json({"a": [PNG, {"b": PNG}], "c": 1}) == {"a": [coded, {"b": coded}], "c": 1}


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(NotEquipped, match=r"Pictures need the package 'pillow'; .* extra 'media'"):
        optional("PIL", "Pictures")
