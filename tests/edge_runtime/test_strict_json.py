"""Numbers of JSON that no float holds, wherever one is wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.home.inventory import Entity
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.grants import read_grant
from edge_runtime.identity.keys import device_key
from edge_runtime.language.schema import Schema
from edge_runtime.language.tool_parts import tool_of
from edge_runtime.pipelines.references import check_template
from edge_runtime.update.journal_head import Head, HeadError, read_head, sign_head

BEYOND = 10**400


def test_a_number_is_what_a_float_holds() -> None:
    for number in (0, -1, 2.5, 10**300, 1.7e308):
        assert strict_json.is_number(number)
    read = strict_json.loads_object(b'{"far": 1e400, "whole": %d}' % BEYOND)
    for other in (*read.values(), -BEYOND, float("nan"), True, "1", None, [1]):
        assert not strict_json.is_number(other)


def test_one_beyond_is_refused_in_a_sentence_or_taken_for_none(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="minimum must be a number"):
        Schema({"type": "integer", "minimum": BEYOND})
    Schema({"type": "integer", "enum": [1, float("inf"), BEYOND]})
    with pytest.raises(BadRequest, match="a finite number"):
        check_template({"n": BEYOND}, "request", answer=False)
    assert Entity("light.a", "A", None, "light", attributes={"brightness": BEYOND}).number("brightness") is None
    assert read_grant({"scope": "viewer", "until": BEYOND}) is None
    level = {"type": "object", "properties": {"level": {"type": "integer", "maximum": BEYOND}}}
    (parameter,) = tool_of({"name": "set", "description": "Set it.", "parameters": level}).parameters
    assert parameter.high is None
    key = device_key(IdentityFolder(tmp_path / "device"))
    with pytest.raises(HeadError, match="can't be read"):
        read_head(sign_head(Head(key.id, 7, "ab" * 32, BEYOND), key), key.id)
