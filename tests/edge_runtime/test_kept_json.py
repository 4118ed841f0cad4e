"""Bodies whose parts come again: read as strictly as any, and never mistaken for what came before."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import strict_json
from edge_runtime.errors import BadRequest
from edge_runtime.home.inventory import Home, parse_home
from edge_runtime.kept_json import ELEMENT_CHARACTERS, KEPT_CHARACTERS, KEPT_OBJECTS, Kept, Reader


def inventory(entities: int = 12, **changed: object) -> dict[str, object]:
    """A home; `changed` are fields of its third entity."""
    home: dict[str, object] = {
        "areas": [{"id": "hall", "name": "Hall", "floor": None}],
        "entities": [
            {
                "id": f"light.lamp_{n}",
                "name": f"Lämp {n}",
                "area": "hall",
                "device": {"name": "Lamp", "model": "A19"},
                "aliases": [],
                "state": "off",
                "attributes": {"brightness": n, "items": [{"summary": "milk"}, {"summary": "eggs"}] if n == 5 else []},
            }
            for n in range(entities)
        ],
    }
    home["entities"][2].update(changed)  # type: ignore[index]
    return home


def body(text: str, home: object, **style: object) -> bytes:
    return json.dumps({"text": text, "context": {}, "inventory": home}, **style).encode()  # type: ignore[arg-type]


def entities(read: dict[str, object]) -> list[object]:
    return read["inventory"]["entities"]  # type: ignore[index,no-any-return]


def test_the_same_inventory_is_read_once() -> None:
    reader = Reader()
    first = reader.loads_object(body("on", inventory()))
    again = reader.loads_object(body("off please", inventory()))
    assert (again["text"], again["context"]) == ("off please", {})
    assert again["inventory"] is first["inventory"]
    assert first["inventory"] == inventory()


def test_of_an_inventory_with_a_changed_state_the_other_entities_are_known() -> None:
    reader = Reader()
    before = reader.loads_object(body("on", inventory()))
    after = reader.loads_object(body("on", inventory(state="on")))
    assert after["inventory"] == inventory(state="on")
    same = [new is old for new, old in zip(entities(after), entities(before), strict=True)]
    # The third changed; the sixth has objects in a list of its own, so where it ends isn't plain to see.
    assert same == [n not in (2, 5) for n in range(12)]


@pytest.mark.parametrize("style", [{"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_parts_are_known_in_any_style(style: dict[str, object]) -> None:
    reader = Reader()
    before = reader.loads_object(body("on", inventory(), **style))
    after = reader.loads_object(body("on", inventory(state="on"), **style))
    assert sum(new is old for new, old in zip(entities(after), entities(before), strict=True)) == 10


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Lämp 2", "Lamp 2", "Desk", ""]),
        "state": st.sampled_from(["on", "off", None, 1, 1.0, True]),
        "area": st.sampled_from(["hall", "den", None, 3]),
        "id": st.sampled_from(["light.lamp_2", "light.lamp_3", "switch.x"]),
        "attributes": st.sampled_from([{}, {"brightness": 2}, {"brightness": "2"}, {"brightness": 2.0}, []]),
        "aliases": st.sampled_from([[], ["desk"], [""], None]),
    },
)


@given(st.lists(CHANGES, max_size=12), st.booleans())
def test_a_changed_inventory_is_never_answered_from_the_old_one(changes: list[dict[str, object]], sort: bool) -> None:
    """Whatever came before, a home is what its own body says, or the same error."""

    def home(value: object, *, known: bool) -> Home | str:
        try:
            return value.once(parse_home) if known and isinstance(value, Kept) else parse_home(value)
        except BadRequest as error:
            return str(error)

    reader = Reader()
    for changed in changes:
        sent = inventory(**changed)
        read = reader.loads_object(body("on", sent, sort_keys=sort))
        assert isinstance(read["inventory"], Kept)
        for _ in range(2):
            # repr tells 1 from 1.0 and True
            assert repr(home(read["inventory"], known=True)) == repr(home(json.loads(json.dumps(sent)), known=False))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(
    st.text(max_size=4), st.dictionaries(st.text(max_size=4), JSON, max_size=3) | JSON, max_size=4
)


def read_or_refused(read: object, data: bytes) -> str:
    try:
        return repr(read(data))  # type: ignore[operator]
    except BadRequest as error:
        return f"refused: {error}"


@given(OBJECTS, st.booleans(), st.sampled_from([None, 1]), st.lists(st.tuples(st.integers(0), st.binary(max_size=3))))
def test_every_body_is_read_or_refused_as_strict_json_does(
    value: dict[str, object], escaped: bool, indent: int | None, slips: list[tuple[int, bytes]]
) -> None:
    """Long ones too, of which parts are known, with bytes put in anywhere."""
    long = {**value, "inventory": inventory(6), "z": [value, value]}
    reader = Reader()
    reader.loads_object(body("known", inventory(6), ensure_ascii=escaped, indent=indent))
    for sent in (value, long):
        data = json.dumps(sent, ensure_ascii=escaped, indent=indent).encode("utf-8", "surrogatepass")
        for at, put in [(0, b""), *slips]:
            at %= len(data) + 1
            slipped = data[:at] + put + data[at:]
            assert read_or_refused(reader.loads_object, slipped) == read_or_refused(strict_json.loads_object, slipped)


@pytest.mark.parametrize("levels", range(26, 36))
@pytest.mark.parametrize("inner", ["", "1", '"[["'])
def test_depth_is_bounded_alike_wherever_it_is(levels: int, inner: str) -> None:
    """In a member, in a member of a kept object, and in an element of its list."""
    deep = "[" * levels + inner + "]" * levels
    padding = "x" * 2000
    for text in (
        f'{{"a": {deep}}}',
        f'{{"a": {{"pad": "{padding}", "b": {deep}}}}}',
        f'{{"a": {{"pad": "{padding}", "b": [{{"c": {deep}}}, {{"c": 1}}]}}}}',
    ):
        data = text.encode()
        assert read_or_refused(Reader().loads_object, data) == read_or_refused(strict_json.loads_object, data)


@pytest.mark.parametrize("bad", ['{"id": 1, "id": 2}', '{"id": NaN}', '{"id": "\\ud800"}', '{"id": 1,}', "{"])
def test_a_bad_element_among_known_ones_is_refused(bad: str) -> None:
    reader = Reader()
    good = body("on", inventory()).decode()
    reader.loads_object(good.encode())
    with pytest.raises(BadRequest):
        reader.loads_object(good.replace('{"id": "light.lamp_3"', f'{bad}, {{"id": "light.lamp_3"', 1).encode())
    assert reader.loads_object(good.encode())["inventory"] == inventory()


def test_what_is_kept_is_bounded() -> None:
    reader = Reader()
    for n in range(400):
        home = inventory(100, name=f"Lamp of home {n}")
        for entity in home["entities"]:  # type: ignore[attr-defined]
            entity["area"] = f"area {n}"
        assert reader.loads_object(body("on", home))["inventory"] == home
    assert 1 <= len(reader._kept) <= KEPT_OBJECTS
    assert sum(len(kept.text) for kept in reader._kept) <= KEPT_CHARACTERS
    for elements in (reader._elements, reader._older):
        assert len(elements) >= 100
        assert sum(map(len, elements)) <= ELEMENT_CHARACTERS


def test_entities_that_are_used_stay_known_while_others_come_and_go() -> None:
    reader = Reader()
    ours = entities(reader.loads_object(body("on", inventory())))
    for n in range(200):
        others = inventory(60, name=f"Lamp of home {n}")
        for entity in others["entities"]:  # type: ignore[attr-defined]
            entity["area"] = f"area {n}"
        reader.loads_object(body("on", others))
        now = entities(reader.loads_object(body("on", inventory(state=str(n)))))
    assert sum(new is old for new, old in zip(now, ours, strict=True)) == 10


def test_short_objects_and_odd_lists_are_plain() -> None:
    reader = Reader()
    read = reader.loads_object(b'{"a": {"b": 1}, "c": {"d": [{"e": 1}, 2], "f": [], "g": [[{}]]}}')
    assert not any(isinstance(part, Kept) for part in read.values())
    many = {"a": {"b": [{"n": n} for n in range(5000)]}}
    assert reader.loads_object(json.dumps(many).encode()) == many
    wide = {"a": {str(n): copy.deepcopy(n) for n in range(5000)}}
    assert reader.loads_object(json.dumps(wide).encode()) == wide
